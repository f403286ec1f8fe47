"""PostgreSQL is away for long: evaluators and workers go on measuring, their answers are taken afterwards, nothing fails.

NARROWD_AWAY_S says for how many seconds: longer than the lease of a daemon and of a worker, whatever it is.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
from cli_kit import NARROW  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, read_log, wait_final  # noqa: E402
from daemons_kit import Daemons, writes  # noqa: E402
from lease_ledger import Book, ms  # noqa: E402
from pull_client import Anywhere  # noqa: E402

AWAY_S = float(os.environ.get("NARROWD_AWAY_S", "20"))
TAKEOVER_S = 10
LIGHT, REAL = 6, 2
TRIALS = {"pushed": 24, "light": 60, "real": 4}
TTL_S = 15  # less than PostgreSQL is away, and far more than lies between two signs of life on a busy machine
FATES = {"answer": 0.85, "long": 0.15}
MEASURING_S = 3  # at most, of those who give no sign of life meanwhile


class Slow(crash_model.Ledger):
    def take_down(self, request):
        answer = super().take_down(request)
        time.sleep(AWAY_S / 4 * crash_model.unit(request.body.decode()))
        return answer


class Outage(Daemons):
    def submit(self, name, evaluator):
        return kit.submit(self.first, {
            "name": name, "capability": crash_model.capability(6), "evaluator": evaluator, "confirm": 0, "parallel": LIGHT + REAL,
            "tuning_criterion": {"strategy": "random", "stop_on": "budget", "max_trials": TRIALS[name]}})

    def narrow_worker(self, number, url):
        """A real one, whose command takes longer than its lease lasts."""
        script = ("import json, sys, time; sys.path.insert(0, sys.argv[1]); import crash_model; question = json.load(sys.stdin);"
                  f"time.sleep({1.5 * TTL_S}); json.dump(crash_model.answer(question), sys.stdout)")
        command = [sys.executable, "-B", "-c", script, str(pathlib.Path(__file__).parent)]
        environment = {**os.environ, "NARROWD_URL": url}
        worker = subprocess.Popen([NARROW, "worker", "--pool", "real", "--name", f"real{number}", "--ttl", str(TTL_S), "--", *command],
                                  env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def end():
            worker.terminate()
            worker.communicate()

        self.addCleanup(end)

    def check_job(self, job, trials):
        """Each config was measured once, and counts; the budget holds to the trial; both daemons have the same log."""
        for daemon in (self.first, self.second):
            wait_final(daemon, job)
        events = read_log(self.first, job)
        self.assertEqual(events, read_log(self.second, job))
        wrong = [event for event in events if event["type"] in ("lease_expired", "late_answer", "evaluator_down")
                 or event["type"] == "attempt_failed" and event["data"]["error"] != "no kernel for this"]
        self.assertEqual(wrong, [])
        document = kit.get(self.first, f"/v1/jobs/{job}")
        self.assertEqual(document["state"], "completed", document)
        book = Book(job, events)
        self.assertEqual(book.charged, trials)
        self.assertEqual(list(book.results.values()), [1] * (trials + 1))

    def test_nothing_fails_while_postgresql_is_away(self):
        self.first, self.second = self.pair(takeover_s=TAKEOVER_S)
        evaluator = Slow()
        self.addCleanup(evaluator.stop)
        places = {"url": evaluator.url, "max_concurrency": LIGHT + REAL}
        jobs = {name: self.submit(name, places if name == "pushed" else {"pool": name}) for name in TRIALS}
        addresses = [("127.0.0.1", daemon.port) for daemon in (self.first, self.second)]
        ending, workers = self.set_to_work(lambda ending: [
            Anywhere(addresses, "light", f"light{n}", 1, ending, TTL_S, MEASURING_S, FATES) for n in range(LIGHT)])
        for number in range(REAL):
            self.narrow_worker(number, f"http://127.0.0.1:{addresses[number % 2][1]}")
        for job in jobs.values():
            kit.wait_until(lambda j=job: self.told(self.first, j) >= 1)
        self.server.stop()
        kit.wait_until(lambda: self.first.request("GET", "/readyz")[0] == 503)
        before = {job: self.told(self.first, job) for job in jobs.values()}
        time.sleep(AWAY_S)
        self.assertEqual({job: self.told(self.first, job) for job in before}, before, "reads go on, and nothing was acknowledged")
        self.server.start()
        for job in jobs.values():
            wait_final(self.first, job)
        helds = self.dismiss(ending, workers)
        self.assertTrue(writes(self.first), "nobody was taken for dead")
        self.assertLessEqual({status for held in helds for status in held.completes}, {200})
        self.assertEqual(len({key for key, _, _ in evaluator.calls}), len(evaluator.calls), "nothing is measured twice")
        for name, job in jobs.items():
            self.check_job(job, TRIALS[name])
        for daemon in (self.second, self.first):
            daemon.stop()
            check_files(self, daemon.directory)

    def test_a_lease_lasts_from_when_its_worker_is_told(self):
        """PostgreSQL is away while it is stored, and for longer than it lasts."""
        daemon = self.daemon()
        job = kit.submit(daemon, {
            "capability": crash_model.capability(2), "evaluator": {"pool": "gpu"},
            "tuning_criterion": {"strategy": "random", "max_trials": 1, "stop_on": "budget"}})
        self.server.stop()
        kit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 503)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(daemon.request, "POST", "/v1/leases", {"pool": "gpu", "worker": "w", "ttl_s": TTL_S})
            kit.wait_until(lambda: "narrowd_store_queued 1" in daemon.request("GET", "/metrics")[2])
            time.sleep(TTL_S + 1)
            back = time.time()
            self.server.start()
            status, _, taken = asked.result()
        self.assertEqual((status, len(taken["items"])), (200, 1), taken)
        lease = taken["items"][0]["lease"]
        self.assertGreater(ms(taken["items"][0]["expires_at"]) / 1000, back + TTL_S - 1, "that is what it is told")
        self.assertEqual(daemon.request("POST", f"/v1/leases/{lease}/heartbeat", {})[0], 200)
        self.assertEqual(daemon.request("POST", f"/v1/leases/{lease}/complete", {"accuracy": 0.9, "latency_ms": 9})[0], 200)
        self.assertNotIn("lease_expired", [event["type"] for event in read_log(daemon, job)])


if __name__ == "__main__":
    unittest.main()
