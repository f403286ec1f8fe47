"""A daemon whose operations stand in a log in PostgreSQL: it decides what it decides without one, whatever becomes of
PostgreSQL and of the machine that it ran on.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
import postgresql  # noqa: E402
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, read_log, wait_final  # noqa: E402
from daemons_kit import free_port, hands_on, metric, writes  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

# What the clock, chance and the port of the evaluator decide.
TIMED = {"active_s", "expires_at", "lease", "worker"}
SOME = 5  # of the questions


def job_of(evaluator, strategy="random", **more):
    return kit.body(evaluator.url, operators=6, seed=7, deterministic=True,
                    capability=crash_model.capability(6),
                    tuning_criterion={"strategy": strategy, "max_trials": 25, "stop_on": "budget"}, **more)


def log_of(daemon, job):
    """Each event as a line, but for what clock and chance say."""
    return [json.dumps([event["n"], event["type"], event["trial"],
                        {name: value for name, value in event["data"].items() if name not in TIMED}])
            for event in read_log(daemon, job)]


def told(log):
    """The results, in their order; what was asked again moves their numbers."""
    return [line[1:] for line in map(json.loads, log) if line[1] == "trial_told"]


class Blow(crash_model.Ledger):
    """Does something once, when it is asked for the so many-th time."""

    def __init__(self, at, strike):
        self.left, self.strike = at, strike
        super().__init__()

    def take_down(self, request):
        self.left -= 1
        if self.left == 0:
            self.strike()
        return super().take_down(request)


class PostgreSQL(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = postgresql.Server()
        cls.server.start()
        cls.count = 0
        with tempfile.TemporaryDirectory() as directory, Daemon(directory, "--data", "") as daemon:
            cls.model = cls.run_job(daemon)

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    @staticmethod
    def run_job(daemon, strategy="random"):
        evaluator = crash_model.Ledger()
        try:
            job = kit.submit(daemon, job_of(evaluator, strategy))
            wait_final(daemon, job)
            return log_of(daemon, job)
        finally:
            evaluator.stop()

    def setUp(self):
        type(self).count += 1
        name = f"test{self.count}"
        self.server.sql(f"CREATE DATABASE {name}")
        self.url = self.server.url.replace("/postgres?", f"/{name}?")
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def daemon(self, directory=None):
        return Daemon(directory or self.directory, "--data", self.url)

    def test_the_log_is_that_of_a_daemon_without_one(self):
        for strategy in ("random", "basic", "tpe"):
            with self.subTest(strategy), tempfile.TemporaryDirectory() as alone:
                with Daemon(alone, "--data", "") as daemon:
                    model = self.run_job(daemon, strategy)
                with self.daemon() as daemon:
                    self.assertEqual(self.run_job(daemon, strategy), model)
                check_files(self, self.directory)

    def test_a_replica_that_lost_its_newest_runs_it_again(self):
        """As behind a power cut: its file does not wait for the disk, for PostgreSQL has everything."""
        files = [os.path.join(self.directory, "narrowd.db" + end) for end in ("", "-wal")]
        daemon = self.daemon()
        self.addCleanup(lambda: daemon.errors and daemon.kill9())
        daemon.start()
        logs = [self.run_job(daemon)]
        daemon.kill9()
        with tempfile.TemporaryDirectory() as older:
            for file in files:
                shutil.copy(file, older)
            daemon.start()
            logs.append(self.run_job(daemon))
            daemon.kill9()
            length = os.path.getsize(files[1])
            self.assertGreater(length, 0)
            os.truncate(files[1], length * 2 // 3)
            self.has_again(daemon, logs)
            for file in files:
                shutil.copy(os.path.join(older, os.path.basename(file)), file)
            self.has_again(daemon, logs)
        check_files(self, self.directory)

    def has_again(self, daemon, logs):
        place = self.sql("SELECT position FROM narrowd.head")
        daemon.start()
        jobs = [job["id"] for job in reversed(kit.get(daemon, "/v1/jobs")["items"])]
        self.assertEqual([log_of(daemon, job) for job in jobs], logs)
        self.assertEqual(self.sql("SELECT position FROM narrowd.head"), place, "and it writes none of it again")
        daemon.kill9()

    def test_a_service_manager_that_does_not_read_holds_up_no_start(self):
        path = os.path.join(self.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            manager.bind(path)
            manager.settimeout(PATIENCE_S)
            other.connect(path)
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    other.send(b"unread")
            os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"] = path, "60000"
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
            self.addCleanup(os.environ.pop, "WATCHDOG_USEC")
            with self.daemon():
                while manager.recv(100) != b"READY=1":
                    pass

    def broken(self, strike):
        """A job during which that is done once; everything else must be as if it had not been."""
        blow = Blow(SOME, strike)
        self.addCleanup(blow.stop)
        with self.daemon() as daemon:
            job = kit.submit(daemon, job_of(blow))
            self.during(daemon, job)
            wait_final(daemon, job)
            self.assertEqual(log_of(daemon, job), self.model)
        keys = [key for key, _, _ in blow.calls]
        self.assertEqual(len(keys), len(set(keys)), "nothing is measured twice")
        check_files(self, self.directory)

    def during(self, daemon, job):
        """PostgreSQL is away when it says so; then it comes back."""
        def is_away():
            status, _, problem = daemon.request("GET", "/readyz")
            return status == 503 and "PostgreSQL is away" in problem["detail"]

        kit.wait_until(is_away)
        self.assertEqual(kit.get(daemon, f"/v1/jobs/{job}")["id"], job, "reading goes on")
        metrics = daemon.request("GET", "/metrics")[2]
        self.assertIn("\nnarrowd_store_writable 0\n", metrics)
        self.server.start()
        kit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 200)
        self.assertGreaterEqual(metric(daemon, "narrowd_log_connects_total"), 2)

    def test_the_log_is_in_the_metrics(self):
        with self.daemon() as daemon:
            self.run_job(daemon)
            head = self.server.sql("SELECT position FROM narrowd.head", self.url)
            self.assertEqual(metric(daemon, "narrowd_log_position"), int(head))
            self.assertEqual(metric(daemon, "narrowd_log_append_seconds_count"), metric(daemon, "narrowd_store_commits_total"))
            self.assertGreater(metric(daemon, "narrowd_log_append_seconds_sum"), 0)

    def test_postgresql_is_killed_and_comes_back(self):
        self.broken(self.server.kill9)

    def test_postgresql_stops_and_comes_back(self):
        self.broken(self.server.stop)

    def second_daemon(self):
        """On another machine, as it were: with nothing but the key."""
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        shutil.copy(os.path.join(self.directory, "narrowd.key"), directory)
        second = Daemon(directory, "--data", self.url, port=free_port())
        second.start()
        self.addCleanup(second.process.kill)
        return second

    def check_waits(self, second):
        """It reads, and hands on the rest."""
        hands_on(second)
        self.assertEqual(second.request("POST", "/v1/jobs", {})[0], 422)
        self.assertNotEqual(second.request("POST", "/v1/session", {"token": "x"})[0], 503, "its pages can be opened")
        self.assertEqual(second.request("GET", "/metrics")[0], 200)
        self.assertEqual(second.request("GET", "/v1/jobs")[0], 200)

    def takes_over(self, blow_of):
        """Two daemons; the first one is struck by blow_of(it). Returns it, when the second has ended the job."""
        first = self.daemon()
        first.start()
        self.addCleanup(first.process.kill)
        second = self.second_daemon()
        self.check_waits(second)
        blow = Blow(SOME, blow_of(first))
        self.addCleanup(blow.stop)
        job = kit.submit(first, job_of(blow))
        kit.wait_until(lambda: second.request("GET", f"/v1/jobs/{job}")[0] == 200)
        kit.wait_until(lambda: writes(second))
        wait_final(second, job)
        # The question that was out is asked again, under its old key.
        asked = [key for key, _, _ in blow.calls]
        self.assertLessEqual(len(asked) - len(set(asked)), 1)
        self.assertEqual(told(log_of(second, job)), told(self.model))
        second.stop()
        self.assertIn("this one takes its place", second.log())
        check_files(self, second.directory)
        return first

    def test_a_daemon_ends_while_postgresql_is_away(self):
        daemon = self.daemon()
        daemon.start()
        self.addCleanup(daemon.process.kill)
        job = kit.submit(daemon, {"capability": crash_model.capability(2), "evaluator": {"pool": "nobody"}})
        self.server.stop()
        self.addCleanup(self.server.start)

        def edit():
            with contextlib.suppress(OSError, http.client.HTTPException):
                daemon.request("PATCH", f"/v1/jobs/{job}", {"name": "waits"})

        asking = threading.Thread(target=edit)
        asking.start()
        kit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 503)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(PATIENCE_S)
        asking.join()
        daemon.forget()

    def crowd(self, daemon, path):
        """Clients who ask and go away until somebody is told to come again; returns what that one was told."""
        request = json.dumps({"name": "waits"})
        head = f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/merge-patch+json\r\n"
        while True:
            sockets = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(40)]
            for each in sockets:
                each.sendall(f"{head}Content-Length: {len(request)}\r\n\r\n{request}".encode())
            answered = select.select(sockets, [], [], 0.2)[0]
            said = answered[0].recv(4096).decode() if answered else ""
            for each in sockets:
                each.close()
            if said:
                return said

    def test_what_waits_has_a_bound_and_workers_go_on(self):
        with self.daemon() as daemon:
            job = kit.submit(daemon, {
                "capability": crash_model.capability(2), "evaluator": {"pool": "gpu"},
                "tuning_criterion": {"strategy": "random", "max_trials": 1, "stop_on": "budget"}})
            status, _, taken = daemon.request("POST", "/v1/leases", {"pool": "gpu", "worker": "w"})
            self.assertEqual(status, 200, taken)
            lease = f"/v1/leases/{taken['items'][0]['lease']}"
            self.server.stop()
            said = self.crowd(daemon, f"/v1/jobs/{job}")
            self.assertIn(" 503 ", said)
            self.assertEqual(said.count("Retry-After: "), 1)
            self.assertIn("urn:narrowd:problem:overloaded", said)
            self.assertEqual(daemon.request("GET", f"/v1/jobs/{job}")[0], 200)
            self.assertEqual(daemon.request("POST", f"{lease}/heartbeat", {})[0], 200)
            everything, tried = {"filter": {"all": True}}, {"filter": {"all": True}, "dry_run": True}
            space = {"capability": crash_model.capability(2), "evaluator": {"pool": "gpu"}}
            for path, body, key, expected in (("spaces", space, {}, 200), ("jobs/delete", tried, {}, 200),
                                              ("jobs/delete", tried, {"Idempotency-Key": "k"}, 503), ("jobs/delete", everything, {}, 503)):
                self.assertEqual(daemon.request("POST", f"/v1/{path}", body, key)[0], expected, (path, body))
            answers = []
            asking = threading.Thread(target=lambda: answers.append(
                daemon.request("POST", f"{lease}/complete", {"accuracy": 0.9, "latency_ms": 9})))
            asking.start()
            self.server.start()
            asking.join()
            self.assertEqual(answers[0][0], 200, answers)
            kit.wait_until(lambda: kit.get(daemon, f"/v1/jobs/{job}")["name"] == "waits")

    def test_a_repetition_of_what_still_waits_is_told_so_and_gets_its_answer(self):
        """A worker that gave up and asks again, under the same key, while its first request waits for PostgreSQL."""
        wanted = {"pool": "gpu", "worker": "w", "wait_s": 0}
        key = {"Idempotency-Key": "again"}
        with self.daemon() as daemon:
            jobs = [kit.submit(daemon, {"capability": crash_model.capability(2), "evaluator": {"pool": "gpu"}})
                    for _ in range(2)]
            self.server.stop()
            first = http.client.HTTPConnection("127.0.0.1", daemon.port)
            first.request("POST", "/v1/leases", json.dumps(wanted), {"Content-Type": "application/json", **key})
            kit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 503)
            first.close()
            statuses = []

            def ask():
                status, _, answer = daemon.request("POST", "/v1/leases", wanted, key)
                statuses.append((status, answer.get("type")))
                return answer if status == 200 else None

            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                second = pool.submit(ask)
                kit.wait_until(lambda: second.done() or "narrowd_store_queued 1" in daemon.request("GET", "/metrics")[2])
                self.server.start()
                answer = second.result()
            while answer is None:
                answer = ask()
            self.assertEqual({status for status in statuses if status[0] != 200},
                             {(409, "urn:narrowd:problem:idempotency_in_progress")})
            events = [event for job in jobs for event in read_log(daemon, job)]
            leased, returned = ([event["data"]["lease"] for event in events if event["type"] == kind]
                                for kind in ("question_leased", "lease_returned"))
            self.assertEqual([item["lease"] for item in answer["items"]], [lease for lease in leased if lease not in returned],
                             "one lease is in force, and this is it; that of who left goes back")
            self.assertEqual(len(answer["items"]), 1)

    def test_a_daemon_that_is_killed_is_followed_by_the_one_that_waits(self):
        first = self.takes_over(lambda daemon: daemon.process.kill)
        first.process.wait(PATIENCE_S)
        first.forget()

    def test_a_daemon_that_wakes_too_late_writes_nothing(self):
        first = self.takes_over(lambda daemon: lambda: daemon.process.send_signal(signal.SIGSTOP))
        length = self.sql("SELECT position FROM narrowd.head")
        first.process.send_signal(signal.SIGCONT)
        self.assertEqual(first.process.wait(PATIENCE_S), 75)
        first.forget()
        self.assertIn("has taken the place of this one", first.log())
        self.assertEqual(self.sql("SELECT position FROM narrowd.head"), length)

    def sql(self, text):
        return self.server.sql(text, self.url)

    def run_narrowd(self, *arguments):
        return subprocess.run([os.environ["NARROWD_BIN"], "--data-dir", self.directory, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S,
                              check=False)

    def test_a_password_is_shown_to_nobody(self):
        said = self.run_narrowd("--data", "postgresql://me:hidden@db.example/n", "--print-config")
        self.assertIn("data = postgresql://me:***@db.example/n\n", said.stdout)
        self.assertNotIn("hidden", said.stdout)

    def test_what_cannot_be_used_is_refused(self):
        nobody = f"postgresql:///none?host={self.directory}"
        for url, status, words in (("mysql://x", 78, "begins with postgresql://"),
                                   ("postgresql://h/d?password=x", 78, "passfile"),
                                   (nobody, 74, "cannot connect")):
            with self.subTest(url):
                said = self.run_narrowd("--listen", "127.0.0.1:0", "--data", url)
                self.assertEqual(said.returncode, status, said.stdout)
                self.assertIn(words, said.stdout)


if __name__ == "__main__":
    unittest.main()
