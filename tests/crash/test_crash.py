"""kill -9 at random moments changes nothing.

Jobs run while the daemon is killed again and again; the evaluator and the clients live on. At the
end each job's event log must equal that of a run that nobody disturbed, minus times, leases and
attempts, and the evaluator's ledger must agree with it. NARROWD_KILLS says how often to kill.
"""

import collections
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, normal, read_log, wait_final  # noqa: E402

KILLS = int(os.environ.get("NARROWD_KILLS", "300"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
OPEN_JOBS = 3

VARIANTS = [
    {"tuning_criterion": {"strategy": "basic"}},
    {"tuning_criterion": {"strategy": "basic", "stop_on": "budget", "max_trials": 40}},
    {"tuning_criterion": {"strategy": "random", "stop_on": "budget", "max_trials": 30}, "seed": 7},
    {"tuning_criterion": {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 25}},
]
LOSSES = [0.004, 0.008, 0.012]


def job_body(variant, evaluator):
    body = json.loads(json.dumps(VARIANTS[variant % len(VARIANTS)]))
    body["capability"] = crash_model.capability(6)
    body["accuracy_criterion"] = {"tolerable_loss": LOSSES[variant % len(LOSSES)]}
    body["evaluator"] = evaluator
    body["max_failed_trials"] = 1000
    body["retry"] = {"max_attempts": 3, "backoff_s": 0.01}
    return body


class Workers:
    """Workers that outlive the daemon: each request is repeated until it is answered, a take under
    its key. They write down what they are asked as an evaluator does."""

    def __init__(self, ledger, count=3):
        self.ledger = ledger
        self.daemon = None
        self.ending = False
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ending = True
        for thread in self.threads:
            thread.join()

    def until_answered(self, path, body, **headers):
        while not self.ending:
            try:
                status, _, answer = self.daemon.request("POST", path, body, headers)
                if status < 500:
                    return status, answer
            except (OSError, http.client.HTTPException, AttributeError, TypeError, ValueError):
                pass  # it is down, or dies now
            time.sleep(0.01)
        return 0, {"items": []}

    def work(self, number):
        take = {"pool": "crash", "worker": f"w{number}", "max": 2, "wait_s": 0.1, "ttl_s": 5}
        while not self.ending:
            key = {"Idempotency-Key": uuid.uuid4().hex}
            for question in self.until_answered("/v1/leases", take, **key)[1]["items"]:
                config = json.dumps(question["config"], sort_keys=True)
                trial = f"{question['job']}.{question['trial']}"
                self.ledger.calls.append((trial, question["attempt"], config))
                answer = crash_model.answer(question)
                status, _ = self.until_answered(f"/v1/leases/{question['lease']}/complete", answer)
                assert status in (0, 200, 410), status


class CrashCase:
    kills = KILLS

    def setUp(self):
        self.ledger = crash_model.Ledger()
        self.addCleanup(self.ledger.stop)
        self.random = random.Random(SEED)
        self.jobs = {}  # id -> variant
        self.pending = None  # (key, variant): sent, not acknowledged
        self.acknowledged = 0

    def meet(self, daemon):
        """Whoever comes for questions comes to this daemon from now on."""

    def undisturbed(self, variant):
        with tempfile.TemporaryDirectory() as directory:
            daemon = Daemon(directory)
            self.meet(daemon)
            daemon.start()
            try:
                status, _, job = daemon.request(
                    "POST", "/v1/jobs", job_body(variant, self.evaluator())
                )
                self.assertEqual(status, 201, job)
                wait_final(daemon, job["id"])
                return normal(read_log(daemon, job["id"]))
            finally:
                daemon.stop()

    def submit_some(self, daemon):
        """Keeps some jobs open; an unacknowledged one is repeated under its key."""
        status, _, page = daemon.request("GET", "/v1/jobs?limit=1000")
        self.assertEqual(status, 200, page)
        listed = {item["id"] for item in page["items"]}
        lost = [] if page["next"] else [job for job in self.jobs if job not in listed]
        self.assertEqual(lost, [], "an acknowledged job is gone")
        open_jobs = sum(1 for item in page["items"] if item["exit"] is None)
        while open_jobs < OPEN_JOBS:
            if self.pending is None:
                self.pending = (uuid.uuid4().hex, len(self.jobs))
            key, variant = self.pending
            status, _, job = daemon.request(
                "POST", "/v1/jobs", job_body(variant, self.evaluator()), {"Idempotency-Key": key}
            )
            self.assertEqual(status, 201, job)
            self.assertNotIn(job["id"], self.jobs, "one key made two jobs")
            self.jobs[job["id"]] = variant
            self.pending = None
            open_jobs += 1

    def one_life(self, daemon):
        """Starts the daemon, works with it, kills it at a random moment."""
        daemon.start()
        killer = threading.Timer(self.random.uniform(0, 0.25), daemon.kill9)
        killer.start()
        try:
            while killer.is_alive():
                self.submit_some(daemon)
                time.sleep(0.01)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            killer.join()

    def check_ledger(self, daemon, logs):
        configs = collections.defaultdict(set)
        calls = collections.Counter()
        for key, _, config in self.ledger.calls:
            configs[key].add(config)
            calls[key] += 1
        for key, seen in configs.items():
            self.assertEqual(len(seen), 1, f"{key} was asked for two configs")
        for job, events in logs.items():
            attempts = collections.Counter(
                e["trial"] for e in events if e["type"] == "question_leased"
            )
            told = [e["trial"] for e in events if e["type"] == "trial_told"]
            self.assertEqual(len(told), len(set(told)), f"{job}: a trial was counted twice")
            measured = {
                e["trial"]
                for e in events
                if e["type"] in ("trial_told", "trial_failed")
                and e["data"].get("source") != "cache"
                and e["data"].get("attempts") != 0
            }
            for trial in measured:
                key = f"{job}.{trial}"
                self.assertGreaterEqual(calls[key], 1, f"{key} has a result and was never asked")
                self.assertLessEqual(calls[key], attempts[trial], f"{key} was asked unleased")

    def test_kill(self):
        expected = {v: self.undisturbed(v) for v in range(len(VARIANTS) * len(LOSSES))}
        self.ledger.calls.clear()
        with tempfile.TemporaryDirectory() as directory:
            daemon = Daemon(directory)
            self.meet(daemon)
            for _ in range(self.kills):
                self.one_life(daemon)
            daemon.start()
            try:
                for job in self.jobs:
                    wait_final(daemon, job)
                logs = {job: read_log(daemon, job) for job in self.jobs}
            finally:
                daemon.stop()
            for job, variant in self.jobs.items():
                self.assertEqual(
                    normal(logs[job]),
                    expected[variant % len(expected)],
                    f"{job} (variant {variant}) went another way than undisturbed",
                )
            self.check_ledger(daemon, logs)
            check_files(self, directory)
        self.assertGreater(len(self.jobs), self.kills // 50)
        repeats = len(self.ledger.calls) - len({key for key, _, _ in self.ledger.calls})
        print(
            f"{self.kills} kills, {len(self.jobs)} jobs, {len(self.ledger.calls)} questions answered, "
            f"{repeats} of them repeats"
        )


class Called(CrashCase, unittest.TestCase):
    def evaluator(self):
        return {"url": self.ledger.url, "max_concurrency": 16}


class Pulled(CrashCase, unittest.TestCase):
    kills = max(KILLS // 3, 1)

    def setUp(self):
        super().setUp()
        self.workers = Workers(self.ledger)
        self.addCleanup(self.workers.stop)

    def evaluator(self):
        return {"pool": "crash"}

    def meet(self, daemon):
        self.workers.daemon = daemon


if __name__ == "__main__":
    unittest.main()
