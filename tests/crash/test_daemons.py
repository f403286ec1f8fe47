"""Several daemons on one PostgreSQL database: one writes, and any of them answers anything."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
from certificates import make_ca  # noqa: E402
from test_access import bearer, new_token  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, decisions, read_log, wait_final  # noqa: E402
from daemon import Daemon  # noqa: E402
from daemons_kit import Daemons, free_port, hands_on, metric, writes  # noqa: E402
from lease_ledger import Book  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from pull_client import Client  # noqa: E402

STANDBY = "urn:narrowd:problem:standby"
UNKNOWN = "urn:narrowd:problem:commit_unknown"
POOL = "gpu"
LOCK = 1852796535  # of store/shared.c: who holds it lets nobody join


def pool_job(**more):
    return {"capability": kit.capability(2), "evaluator": {"pool": POOL}, **more}


class HandsOn(Daemons):
    def test_what_a_spare_must_not_answer_the_other_does(self):
        first, second = self.pair()
        job = kit.submit(second, pool_job(name="as said"))
        document = kit.get(second, f"/v1/jobs/{job}")
        self.assertEqual(document["name"], "as said", "who has made it finds it at once")
        self.assertEqual(kit.get(first, f"/v1/jobs/{job}")["name"], "as said")

        path = f"/v1/jobs/{job}"
        status, sent, problem = second.request("PATCH", path, {"name": "x"}, {"If-Match": '"77"', "X-Request-Id": "mine"})
        self.assertEqual((status, sent["x-request-id"], problem["request_id"]), (412, "mine", "mine"))
        status, sent, changed = second.request("PATCH", path, {"labels": {"a": "b/c d"}},
                                               {"Content-Type": "application/merge-patch+json"})
        self.assertEqual((status, changed["labels"]), (200, {"a": "b/c d"}))
        self.assertEqual(second.request("DELETE", path)[0], 409, "it has not ended")
        self.assertEqual(second.request("POST", "/v1/jobs", {"nonsense": 1})[2]["type"].split(":")[-1], "invalid_field")
        status, sent, _ = second.request("POST", path + "/cancel")
        self.assertEqual((status, sent["cache-control"], sent["connection"]), (200, "no-store", None))
        self.assertEqual(second.request("DELETE", path)[0], 204)
        self.assertEqual(second.request("PUT", path)[0], 405)
        self.assertGreater(metric(second, "narrowd_handed_on_total"), 0)
        self.assertEqual(metric(first, "narrowd_handed_on_total"), 0)

    def test_a_key_is_the_same_wherever_it_comes(self):
        first, second = self.pair()
        jobs = set()
        for daemon in (second, second, first):
            status, sent, job = daemon.request("POST", "/v1/jobs", pool_job(), {"Idempotency-Key": "k"})
            self.assertEqual((status, sent["idempotency-replayed"]), (201, "true" if jobs else None))
            jobs.add(job["id"])
        self.assertEqual(len(jobs), 1)

    def test_a_large_body_and_its_answer_pass(self):
        first, second = self.pair()
        job = {**pool_job(), "capability": kit.capability(3000)}
        status, _, space = second.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 200)
        self.assertGreater(len(json.dumps(space)), 1024 * 1024)
        self.assertEqual(space["size"], first.request("POST", "/v1/spaces", job)[2]["size"])

    def test_who_has_written_finds_it(self):
        _, second = self.pair()
        made = set()
        for _ in range(20):
            made.add(kit.submit(second, pool_job()))
            self.assertEqual({job["id"] for job in kit.get(second, "/v1/jobs")["items"]}, made)

    def test_queries_pass_as_they_are(self):
        first, second = self.pair()
        for path in ("/v1/pools?x=%26%2B%25&y=", "/v1/pools/%2E%2E%2Fjobs", "/v1/pools/" + "p%C3%A4" * 9):
            here, there = second.request("GET", path), first.request("GET", path)
            self.assertEqual((here[0], here[2]["detail"]), (there[0], there[2]["detail"]))
        self.assertEqual(second.request("GET", "/v1/pools", headers={"User-Agent": "with\ta tab"})[0], 200)

    def test_a_stream_of_what_is_not_here_is_not_gathered_until_its_end(self):
        first, second = self.pair()
        status, _, problem = second.request("GET", "/v1/jobs/job_none/events", headers={"Accept": "text/event-stream"})
        self.assertEqual((status, problem["type"]), (503, STANDBY))
        self.assertEqual(second.request("GET", "/v1/jobs/job_none/events")[0], 404)

    def test_what_was_handed_on_is_not_handed_on_again(self):
        _, second = self.pair()
        status, sent, problem = second.request("POST", "/v1/jobs", pool_job(), {"Narrowd-Handed-On": "1"})
        self.assertEqual((status, problem["type"], sent["retry-after"]), (503, STANDBY, "1"))
        self.assertEqual(kit.get(second, "/v1/jobs")["items"], [])

    def test_one_that_says_no_address_is_not_asked(self):
        first = self.daemon(takeover_s=3600)  # and says so no sooner than in twenty minutes
        second = self.daemon()
        hands_on(second)
        port = first.port
        for change, words in (("url = NULL", "does not say where it is reached"),
                              (f"host = 'elsewhere', url = 'http://localhost:{port}'", "leads nowhere from this"),
                              (f"host = 'elsewhere', url = 'http://127.0.0.1:{port}'", "leads nowhere from this")):
            self.sql(f"UPDATE narrowd.daemon SET {change}")
            kit.wait_until(lambda words=words: words in second.request("POST", "/v1/jobs", pool_job())[2].get("detail", ""))
            status, sent, problem = second.request("GET", "/readyz")
            self.assertEqual((status, problem["type"]), (503, STANDBY))
            self.assertNotIn(socket.gethostname(), problem["detail"])
            self.assertEqual(second.request("GET", "/v1/jobs/job_none")[0], 404, "reading needs nobody")

    def test_one_that_is_dead_was_asked_nothing(self):
        first, second = self.daemon(takeover_s=3600), self.daemon()
        hands_on(second)
        first.kill9()
        status, sent, problem = second.request("POST", "/v1/jobs", pool_job())
        self.assertEqual((status, problem["type"], sent["retry-after"]), (503, STANDBY, "1"))
        self.assertIn("nothing was done", problem["detail"])
        self.assertGreater(metric(second, "narrowd_handed_on_failed_total"), 0)
        self.assertEqual(second.request("GET", "/v1/jobs/job_none")[2]["type"], STANDBY, "it may be there")
        self.assertEqual(kit.get(second, "/v1/jobs")["items"], [])

    def test_reads_of_what_is_in_memory_are_asked_of_the_one_that_has_it(self):
        first, second = self.pair()
        kit.submit(first, pool_job())
        first.request("POST", "/v1/leases", {"pool": POOL, "worker": "w"})
        for path in ("/v1/pools", f"/v1/pools/{POOL}", "/v1/workers"):
            here, there = kit.get(second, path), kit.get(first, path)
            self.assertEqual([item.get("name") for item in here.get("items", [here])],
                             [item.get("name") for item in there.get("items", [there])])
        self.assertEqual(kit.get(second, f"/v1/pools/{POOL}")["out"], 1)

    def test_workers_come_to_either(self):
        first, second = self.pair()
        got = []

        def wait_there():
            got.append(second.request("POST", "/v1/leases", {"pool": POOL, "worker": "w", "wait_s": 25}))

        waiting = threading.Thread(target=wait_there)
        waiting.start()
        kit.wait_until(lambda: any(pool["workers"] for pool in kit.get(first, "/v1/pools")["items"]))
        self.assertEqual(got, [])
        job = kit.submit(first, pool_job())
        waiting.join()
        status, _, page = got[0]
        self.assertEqual((status, page["items"][0]["job"]), (200, job))
        lease = page["items"][0]["lease"]
        self.assertEqual(first.request("POST", f"/v1/leases/{lease}/heartbeat", {})[0], 200)
        self.assertEqual(second.request("POST", f"/v1/leases/{lease}/heartbeat", {})[0], 200)
        answer = {"accuracy": 0.9, "latency_ms": 1.0}
        self.assertEqual(second.request("POST", f"/v1/leases/{lease}/complete", answer)[0], 200)
        self.assertEqual(second.request("POST", f"/v1/leases/{lease}/complete", {"accuracy": 0.1})[0], 409)

    def test_who_left_is_waited_for_no_more(self):
        first, second = self.pair()
        with socket.create_connection(("127.0.0.1", second.port)) as worker:
            body = json.dumps({"pool": POOL, "worker": "w", "wait_s": 25}).encode()
            worker.sendall(b"POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body)
            kit.wait_until(lambda: metric(first, "narrowd_http_waiting") > 0)
        kit.wait_until(lambda: metric(first, "narrowd_http_waiting") == 0)
        self.assertEqual(metric(second, "narrowd_handed_on_total"), 0)

    def test_one_that_sleeps_may_have_done_it(self):
        first = self.daemon()
        second = self.daemon()
        third = self.daemon()
        for spare in (second, third):
            hands_on(spare)
        first.process.send_signal(signal.SIGSTOP)
        got = {}

        def ask(spare):
            try:
                got[spare] = spare.request("POST", "/v1/jobs", pool_job(), {"Idempotency-Key": "k"})
            except OSError:
                got[spare] = None  # it takes the place, and says nothing of what is open

        asking = [threading.Thread(target=ask, args=(spare,)) for spare in (second, third)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        self.assertEqual([answer is None for answer in got.values()].count(True), 1, "one of them takes the place")
        spare = second if got[second] is not None else third
        status, sent, problem = got[spare]
        self.assertEqual((status, problem["type"], sent["retry-after"]), (503, UNKNOWN, "1"))
        self.assertIn("Idempotency-Key", problem["detail"])
        hands_on(spare)
        for _ in range(2):
            self.assertEqual(spare.request("POST", "/v1/jobs", pool_job(), {"Idempotency-Key": "k"})[0], 201)
        first.process.send_signal(signal.SIGCONT)
        self.assertEqual(first.process.wait(PATIENCE_S), 75)
        first.forget()
        self.assertEqual(len(kit.get(spare, "/v1/jobs")["items"]), 1)


class Waits(Daemons):
    """What a spare is asked to tell comes when it happens."""

    def stream(self, daemon, path):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={"Accept": "text/event-stream"})
        return connection.getresponse()

    @staticmethod
    def types(lines, last):
        """The events as they come, up to one of that type."""
        found = []
        for line in lines:
            if line.startswith(b"event: "):
                found.append(line.split()[1].decode())
                if found[-1] == last:
                    return found
        raise AssertionError(f"it ended behind {found}")

    @staticmethod
    def is_asked(daemon, job):
        return any(event["type"] == "question_asked" for event in read_log(daemon, job))

    def test_the_stream_of_a_job_goes_on_until_its_end(self):
        first, second = self.pair()
        job = kit.submit(second, pool_job())
        lines = self.stream(second, f"/v1/jobs/{job}/events")
        self.assertEqual(self.types(lines, "question_asked")[0], "job_submitted")
        first.request("POST", "/v1/leases", {"pool": POOL, "worker": "w"})
        self.assertEqual(self.types(lines, "question_leased"), ["question_leased"])
        other = kit.submit(first, pool_job())
        first.request("PATCH", f"/v1/jobs/{job}", {"name": "n"})
        self.assertEqual(self.types(lines, "job_edited"), ["job_edited"])
        first.request("POST", f"/v1/jobs/{job}/cancel")
        self.assertIn(b"state_changed", lines.read(), "and it ends")
        self.assertEqual(len(self.stream(second, f"/v1/jobs/{job}/events").read().split(b"\n\n")) - 2,
                         len(read_log(first, job)), "of one that has ended it ends at once")
        lines = self.stream(second, f"/v1/jobs/{other}/events")
        self.types(lines, "job_submitted")
        first.request("POST", f"/v1/jobs/{other}/cancel")
        first.request("DELETE", f"/v1/jobs/{other}")
        lines.read()

    def test_the_stream_of_all_jobs(self):
        first, second = self.pair()
        lines = self.stream(second, "/v1/events")
        for daemon in (first, second):
            kit.submit(daemon, pool_job())
            self.assertEqual(self.types(lines, "question_asked")[0], "job_submitted")

    def test_a_document_waits_for_its_change(self):
        first, second = self.pair()
        jobs = [kit.submit(first, pool_job()) for _ in range(2)]
        for job in jobs:
            kit.wait_until(lambda job=job: self.is_asked(first, job) and self.is_asked(second, job))
        path = f"/v1/jobs/{jobs[0]}"
        tag = second.request("GET", path)[1]["etag"]
        wanted = {"If-None-Match": tag, "Prefer": "wait=1"}
        status, sent, _ = second.request("GET", path, headers=wanted)
        self.assertEqual((status, sent["preference-applied"]), (304, "wait=1"))
        got = []

        def wait():
            got.append(second.request("GET", path, headers={**wanted, "Prefer": "wait=25"}))

        waiting = threading.Thread(target=wait)
        waiting.start()
        kit.wait_until(lambda: metric(second, "narrowd_http_waiting") > 0)
        first.request("PATCH", f"/v1/jobs/{jobs[1]}", {"name": "another one"})
        kit.wait_until(lambda: kit.get(second, f"/v1/jobs/{jobs[1]}")["name"] == "another one")
        self.assertEqual(metric(second, "narrowd_http_waiting"), 1)
        first.request("PATCH", path, {"name": "changed"})
        waiting.join()
        status, sent, job = got[0]
        self.assertEqual((status, job["name"], sent["preference-applied"]), (200, "changed", "wait=25"))
        first.request("POST", path + "/cancel")
        kit.wait_until(lambda: kit.get(second, path)["exit"])
        tag = second.request("GET", path)[1]["etag"]
        status, sent, _ = second.request("GET", path, headers={"If-None-Match": tag, "Prefer": "wait=25"})
        self.assertEqual((status, sent["preference-applied"]), (304, None), "nothing more will happen to it")

    def test_who_has_the_document_of_the_one_that_writes_waits_at_a_spare(self):
        first, second = self.pair()
        job = kit.submit(first, pool_job())
        kit.wait_until(lambda: self.is_asked(first, job) and self.is_asked(second, job))
        path = f"/v1/jobs/{job}"
        tag = first.request("GET", path)[1]["etag"]
        self.assertIn("-", tag, "more is known there than the log says")
        _, sent, document = second.request("GET", path, headers={"If-None-Match": tag, "Prefer": "wait=1"})
        self.assertEqual((sent["preference-applied"], document["name"]), ("wait=1", None))
        first.request("PATCH", path, {"name": "changed"})
        document = second.request("GET", path, headers={"If-None-Match": tag, "Prefer": "wait=25"})[2]
        self.assertEqual(document["name"], "changed")

    def test_postgresql_tells_a_spare_of_what_is_new(self):
        first, second = self.pair()
        self.assertEqual(metric(first, "narrowd_store_notified_total"), 0)
        self.server.stop()  # and it listens on the next connection, too
        self.server.start()
        kit.wait_until(lambda: first.request("GET", "/readyz")[0] == 200)
        hands_on(second)
        before = metric(second, "narrowd_store_notified_total")
        kit.submit(first, pool_job())
        kit.wait_until(lambda: metric(second, "narrowd_store_notified_total") > before)


class TakesOver(Daemons):
    def test_signals_do_not_end_it(self):
        first, second = self.pair()
        ended = threading.Event()

        def signal_it():
            while not ended.is_set():
                second.process.send_signal(signal.SIGHUP)
                ended.wait(0.001)

        signalling = threading.Thread(target=signal_it)
        signalling.start()
        first.kill9()
        try:
            kit.wait_until(lambda: second.process.poll() is not None or writes(second))
        finally:
            ended.set()
            signalling.join()
        self.assertIsNone(second.process.poll())
        self.assertIn("SIGHUP: the settings were read again", second.log())
        kit.submit(second, pool_job())

    def test_a_service_manager_hears_that_it_is_at_work(self):
        with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(os.path.join(place, "notify"))
            manager.settimeout(PATIENCE_S)
            first = self.daemon()
            holder = self.server.hold(f"SELECT pg_advisory_lock({LOCK})", self.url)
            os.environ.update(NOTIFY_SOCKET=os.path.join(place, "notify"), WATCHDOG_USEC="60000")
            try:
                starting = threading.Thread(target=lambda: first.restart())
                starting.start()
                said = manager.recv(200)
                self.assertEqual(said, b"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000")
            finally:
                del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
                holder.communicate()
            while said != b"READY=1":
                said = manager.recv(200)
            starting.join()
            while b"EXTEND" in said or said == b"READY=1":
                said = manager.recv(200)
            self.assertEqual(said, b"WATCHDOG=1", "by its loop from now on")

    def test_the_seconds_of_silence_are_those_that_the_dead_one_was_given(self):
        first, second = self.daemon(takeover_s=3), self.daemon(takeover_s=3600)
        self.assertEqual(self.sql("SELECT lease_ms FROM narrowd.daemon"), "3000")
        first.kill9()
        kit.wait_until(lambda: writes(second), 300)
        self.assertEqual(self.sql("SELECT lease_ms FROM narrowd.daemon"), "3600000")


class Survives(Daemons):
    """Clients and workers talk to spares alone, and the one that writes is killed."""

    TRIALS = 40

    def job(self):
        return {"capability": crash_model.capability(6), "evaluator": {"pool": POOL}, "seed": 7, "deterministic": True,
                "parallel": 3, "retry": {"max_attempts": 20, "backoff_s": 0.01}, "max_failed_trials": 1000,
                "accuracy_criterion": {"tolerable_loss": 0.008}, "confirm": 0,
                "tuning_criterion": {"strategy": "random", "max_trials": self.TRIALS, "stop_on": "budget"}}

    def workers(self, daemons):
        return self.set_to_work(lambda ending: [Client(("127.0.0.1", daemon.port), POOL, f"w{i}-{daemon.port}", 1, ending, fates={"answer": 1})
                                                for daemon in daemons for i in range(3)])

    def undisturbed(self):
        with tempfile.TemporaryDirectory() as directory, Daemon(directory, "--data", "") as daemon:
            hands = self.workers([daemon])
            job = kit.submit(daemon, self.job())
            wait_final(daemon, job)
            self.dismiss(*hands)
            return read_log(daemon, job)

    def test_a_kill_while_everybody_talks_to_spares(self):
        calm = self.undisturbed()
        writer, *spares = self.daemon(), self.daemon(), self.daemon()
        for spare in spares:
            hands_on(spare)
        hands = self.workers(spares)
        job = kit.submit(spares[0], self.job())
        kit.wait_until(lambda: self.told(spares[1], job) >= self.TRIALS // 3)
        writer.kill9()
        kit.wait_until(lambda: any(writes(spare) for spare in spares))
        spare = next(spare for spare in spares if not writes(spare))
        document = wait_final(spare, job)
        self.dismiss(*hands)
        self.assertEqual(document["exit"]["reason"], "max_trials")
        events = read_log(spare, job)
        book = Book(job, events)
        self.assertEqual(book.charged, self.TRIALS)
        self.assertEqual(set(book.results.values()), {1}, "each trial has one result")
        self.assertEqual(decisions(events), decisions(calm))
        changed = spare.request("PATCH", f"/v1/jobs/{job}", {"name": "over"})
        self.assertEqual(changed[0], 200)
        for daemon in sorted(spares, key=writes):  # or the other would take its place
            daemon.stop()
            check_files(self, daemon.directory)


class Access(Daemons):
    def setUp(self):
        super().setUp()
        directory = self.directory()
        self.first = self.daemon("--auth", "always", directory=directory, takeover_s=3600)
        self.admin = new_token(directory, "admin")
        self.reader = new_token(directory, "read")
        self.second = self.daemon("--auth", "always")
        kit.wait_until(lambda: self.ask("GET", "/readyz", self.admin)[0] == 200)

    def ask(self, method, path, token=None, body=None, **headers):
        return self.second.request(method, path, body, {**(bearer(token) if token else {}), **headers})

    def test_a_token_lets_in_here_and_there(self):
        status, _, job = self.ask("POST", "/v1/jobs", self.admin, pool_job())
        self.assertEqual(status, 201, job)
        handed = metric_of(self.second, self.admin)
        for token, status in ((None, 401), ("nrw_" + "x" * 43, 401), (self.reader, 403)):
            self.assertEqual(self.ask("POST", "/v1/jobs", token, pool_job())[0], status)
            self.assertEqual(self.ask("POST", f"/v1/jobs/{job['id']}/cancel", token)[0], status)
        self.assertEqual(metric_of(self.second, self.admin), handed, "nothing of that was passed on")

    def test_a_page_works(self):
        page = {"Origin": f"http://127.0.0.1:{self.second.port}"}
        status, sent, _ = self.ask("POST", "/v1/session", None, {"token": self.admin}, **page)
        self.assertEqual(status, 200)
        cookie = {"Cookie": sent["set-cookie"].split(";")[0]}
        self.assertEqual(self.ask("POST", "/v1/jobs", None, pool_job(), **cookie, **page)[0], 201)
        self.assertEqual(self.ask("POST", "/v1/jobs", None, pool_job(), **cookie)[0], 403, "from some other page")

    def test_who_has_no_token_hears_of_no_machine(self):
        self.sql("UPDATE narrowd.daemon SET url = NULL")
        kit.wait_until(lambda: self.ask("GET", "/readyz")[0] == 503)
        self.assertEqual(self.ask("GET", "/readyz", self.reader)[2]["type"], STANDBY)
        for path in ("/readyz", "/healthz", "/v1/jobs"):
            _, _, said = self.ask("GET", path)
            self.assertNotIn(socket.gethostname(), json.dumps(said))

    def test_the_socket_lets_in_on_its_machine_alone(self):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE_S)
            control.connect(os.path.join(self.second.directory, "control.sock"))
            control.sendall(b"POST /v1/jobs/delete HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            said = b"".join(iter(lambda: control.recv(65536), b"")).decode()
        self.assertIn(" 503 ", said.splitlines()[0])
        self.assertIn("send a token", said)


def metric_of(daemon, token):
    text = daemon.request("GET", "/metrics", headers=bearer(token))[2]
    return next(line for line in text.splitlines() if line.startswith("narrowd_handed_on_total "))


class Tls(Daemons):
    def start(self, ca):
        port = free_port()
        return self.daemon("--listen", f"https://127.0.0.1:{port}", "--tls-cert", str(self.here / "ours.crt"),
                           "--tls-key", str(self.here / "ours-leaf.key"), "--peer-ca", str(self.here / f"{ca}.pem"),
                           "--advertise", f"https://127.0.0.1:{port}")

    def test_a_daemon_shows_who_it_is(self):
        self.here = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.here)
        for name in ("ours", "other"):
            make_ca(self.here, name)
        self.start("ours")
        second, third = self.start("ours"), self.start("other")
        for spare in (second, third):
            hands_on(spare)
        kit.submit(second, pool_job())
        status, _, problem = third.request("POST", "/v1/jobs", pool_job())
        self.assertEqual((status, problem["type"]), (503, STANDBY))
        self.assertIn("has a certificate that is not valid for it", third.log())


if __name__ == "__main__":
    unittest.main()
