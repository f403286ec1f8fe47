"""Three daemons on one PostgreSQL, hundreds of workers, and everything between them breaks: nothing that was acknowledged is
lost, no trial counts twice, budgets hold to the trial.

Daemons are killed and stopped for shorter and longer than their lease lasts, PostgreSQL is restarted at once (as `pg_ctl
restart -m immediate` does) and cuts its connections; whatever has ended is started again. Workers ask whichever daemon
answers. A blow falls each time that so many more trials have their result, so that the test is as long as its trials.

NARROWD_DAEMONS_TRIALS says how many, NARROWD_DAEMONS_WORKERS who measures them, NARROWD_SEED what happens.
"""

import collections
import contextlib
import http.client
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
import postgresql  # noqa: E402
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, read_log  # noqa: E402
from daemons_kit import free_port  # noqa: E402
from lease_ledger import Book, check_truth  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from pull_client import Anywhere  # noqa: E402

TRIALS = int(os.environ.get("NARROWD_DAEMONS_TRIALS", "1200"))
WORKERS = int(os.environ.get("NARROWD_DAEMONS_WORKERS", "200"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
DAEMONS, JOBS, BLOWS = 3, 4, 12
POOL, TTL_S = "daemons", 20
LEASE_S = 15  # of a daemon
FATES = {"answer": 0.95, "die": 0.01, "late": 0.01, "twice": 0.03}
WEIGHTS = {"kill": 4, "stop": 4, "restart": 2, "cut": 2}
GONE = "SELECT count(*) FROM narrowd.op WHERE position <= (SELECT max(last) FROM narrowd.past)"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'narrowd'"


class Supervised(threading.Thread):
    """A daemon that is started again whenever it has ended."""

    def __init__(self, directory, url):
        super().__init__()
        self.directory = directory
        self.daemon_of = Daemon(directory, "--data", url, "--log-level", "warning", "--snapshot-operations", "500",
                                "--max-connections", "2048", port=free_port())
        self.ending = threading.Event()
        self.lives = 0

    def run(self):
        while not self.ending.is_set():
            # It does not start while PostgreSQL is away.
            with contextlib.suppress(AssertionError):
                self.daemon_of.start()
                self.lives += 1
                while self.daemon_of.process.poll() is None and not self.ending.is_set():
                    time.sleep(0.05)
                if not self.ending.is_set():
                    self.daemon_of.forget()
            self.ending.wait(0.2)

    def send(self, number):
        process = self.daemon_of.process
        if process is not None:
            process.send_signal(number)

    def end(self):
        self.ending.set()
        self.join()
        if self.daemon_of.errors is not None:
            self.daemon_of.stop()


class Daemons(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.counts = collections.Counter()
        self.server = postgresql.Server()
        self.server.start()
        self.addCleanup(self.server.remove)
        self.daemons = []
        for _ in range(DAEMONS):
            directory = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, directory)
            if self.daemons:
                shutil.copy(os.path.join(self.daemons[0].directory, "narrowd.key"), directory)
            self.daemons.append(Supervised(directory, self.server.url))
            self.daemons[-1].start()
            self.addCleanup(self.daemons[-1].ending.set)
            kit.wait_until(lambda: self.daemons[-1].lives)
        self.addCleanup(lambda: [daemon.send(signal.SIGKILL) for daemon in self.daemons])
        self.ending = threading.Event()
        self.addCleanup(self.ending.set)
        addresses = [("127.0.0.1", daemon.daemon_of.port) for daemon in self.daemons]
        self.clients = [Anywhere(addresses, POOL, f"w{n}", SEED, self.ending, TTL_S, 0.5, FATES)
                        for n in range(WORKERS)]

    def ask(self, method, path, body=None):
        """What any daemon answers, repeated until one does."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for daemon in self.daemons:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection("127.0.0.1", daemon.daemon_of.port, timeout=3)
                    with contextlib.closing(connection):
                        connection.request("GET", "/readyz")  # one that is stopped, or can hand nothing on, has not the newest
                        if connection.getresponse().status != 200:
                            continue
                    status, _, answer = daemon.daemon_of.request(method, path, body, key if body else None)
                    if status < 500:
                        return status, answer
            time.sleep(0.1)
        raise AssertionError(f"nobody answers {method} {path}")

    def submit(self):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": TRIALS // JOBS}
        status, job = self.ask("POST", "/v1/jobs", {
            "capability": crash_model.capability(8), "evaluator": {"pool": POOL}, "tuning_criterion": criterion,
            "confirm": 0, "parallel": 64, "max_failed_trials": TRIALS, "retry": {"max_attempts": 20, "backoff_s": 0.01}})
        self.assertEqual(status, 201, job)
        return job["id"]

    def told(self):
        """How many answers were acknowledged."""
        return sum(held.completes.count(200) for client in self.clients for held in list(client.held))

    # What happens to whom.

    def writer(self):
        """The one that writes at this moment; somebody else while nobody does."""
        for daemon in self.daemons:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", daemon.daemon_of.port, timeout=1)
                with contextlib.closing(connection):
                    connection.request("GET", "/metrics")
                    if b"\nnarrowd_spare 0\n" in connection.getresponse().read():
                        return daemon
        return self.random.choice(self.daemons)

    def victim(self):
        return self.writer() if self.random.random() < 0.7 else self.random.choice(self.daemons)

    def kill(self):
        self.victim().send(signal.SIGKILL)

    def stop(self):
        """Shorter than the lease of a daemon, or longer, up to a minute."""
        daemon = self.victim()
        seconds = self.random.choice([1, 3, LEASE_S + 5, LEASE_S + 15, 60])
        daemon.send(signal.SIGSTOP)
        self.counts[f"stopped for {seconds} s"] += 1
        timer = threading.Timer(seconds, daemon.send, (signal.SIGCONT,))
        timer.start()
        self.addCleanup(timer.join)

    def restart(self):
        self.server.end(signal.SIGQUIT)
        self.server.start()

    def cut(self):
        self.server.sql(CUT)

    def wreak(self):
        for blow in range(1, BLOWS + 1):
            kit.wait_until(lambda b=blow: self.told() >= b * TRIALS // (BLOWS + 2))
            what = self.random.choices(list(WEIGHTS), WEIGHTS.values())[0]
            self.counts[what] += 1
            getattr(self, what)()

    def check_job(self, job):
        status, document = self.ask("GET", f"/v1/jobs/{job}")
        self.assertEqual((status, document["state"]), (200, "completed"), document)
        logs = [read_log(daemon.daemon_of, job) for daemon in self.daemons]
        for log in logs[1:]:
            self.assertEqual(log, logs[0], "every daemon has the same log")
        book = Book(job, logs[0])
        helds = [held for client in self.clients for held in client.held if held.question["job"] == job]
        book.check_asked([held.question for held in helds])
        book.check_answers(helds)
        book.check_late()
        trials = kit.everything(self.daemons[0].daemon_of, f"/v1/jobs/{job}/trials?limit=1000")
        states = collections.Counter(trial["state"] for trial in trials
                                     if trial["kind"] == "evaluate" and trial["source"] == "measured")
        self.assertEqual(book.charged, TRIALS // JOBS)
        self.assertEqual(states["told"] + states["failed"], book.charged)
        self.assertEqual(document["budget"]["trials_measured"], states["told"])
        self.assertEqual(book.open, {})
        check_truth([self.daemons[0].daemon_of.request("GET", f"/v1/jobs/{job}/trials/{trial['number']}")[2]
                     for trial in self.random.sample(trials, 20)])
        self.counts["trials"] += len(trials)
        self.counts["leases"] += len(book.leases)

    def is_final(self, daemon, job):
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, document = daemon.request("GET", f"/v1/jobs/{job}")
            return status == 200 and document["exit"] is not None
        return False

    def test_whatever_breaks_the_ledgers_hold(self):
        jobs = [self.submit() for _ in range(JOBS)]
        for client in self.clients:
            client.start()
        self.wreak()
        for daemon in self.daemons:
            for job in jobs:
                kit.wait_until(lambda d=daemon, j=job: self.is_final(d.daemon_of, j))
        self.ending.set()
        for client in self.clients:
            client.join()
        self.assertEqual([client.wrong for client in self.clients if client.wrong], [])
        for job in jobs:
            self.check_job(job)
        # The newest snapshot may be on its way.
        shorter = kit.wait_until(lambda: int(self.server.sql("SELECT count(*) FROM narrowd.past")))
        self.assertEqual(self.server.sql(GONE), "0", "what stands before the end of the past is gone")
        for daemon in self.daemons:
            daemon.end()
            check_files(self, daemon.directory)
        self.counts["lives of daemons"] = sum(daemon.lives for daemon in self.daemons)
        print(f"seed {SEED}: {WORKERS} workers, {dict(self.counts)}, {shorter} stretches of the log removed")


if __name__ == "__main__":
    unittest.main()
