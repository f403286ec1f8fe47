"""Trials that failed, measured again."""

import json
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until

BUDGET = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 4}


class Retry(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)
        self.broken = {1}  # trials that fail
        self.held = {3}  # trials that have to wait
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)
        self.evaluator = jobkit.Evaluator(self.reply)
        self.addCleanup(self.evaluator.close)

    def reply(self, question, headers):
        if question["trial"] in self.broken:
            return {"failed": True, "error": "the board was unplugged", "retryable": False}
        if question["trial"] in self.held:
            self.gate.wait()
        return {"accuracy": 0.9, "latency_ms": 100 - question["trial"] * 10}

    def post(self, path, expected, body=None, **headers):
        status, _, document = self.daemon.request("POST", path, body, headers)
        self.assertEqual(status, expected, document)
        return document

    def start(self, **more):
        """A job whose first trial has failed and whose third one is out."""
        job = submit(self.daemon, body(self.evaluator.url, tuning_criterion=BUDGET, confirm=0,
                                       **more))
        wait_until(lambda: self.asked(3))
        return job

    def asked(self, trial):
        return [q["attempt"] for _, q, _ in self.evaluator.calls if q.get("trial") == trial]

    def state(self, job, trial):
        return get(self.daemon, f"/v1/jobs/{job}/trials/{trial}?config=none")["state"]

    def types(self, job, trial):
        events = everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")
        return [e["type"] for e in events if e["trial"] == trial]

    def test_all_failures_at_once(self):
        self.broken = {1, 2}
        job = self.start()
        path = f"/v1/jobs/{job}/retry"
        self.broken = set()
        for bad in ({"trials": []}, {"trials": ["1"]}, {"trials": 1}, {"trials": [-1]}, {"trial": [1]},
                    {"trials": [1] * 2501}):
            self.assertTrue(self.post(path, 422, bad)["errors"], bad)
        self.post(path, 404, {"trials": [1, 99]})
        self.assertIn("trial 3", self.post(path, 409, {"trials": [1, 3]})["detail"])
        self.assertEqual([self.state(job, n) for n in (1, 2)], ["failed"] * 2, "all or none")
        first = self.post(path, 200, **{"Idempotency-Key": "all"})
        self.assertEqual(first["progress"]["failed"], 0)
        self.assertEqual(self.post(path, 200, **{"Idempotency-Key": "all"}), first)
        self.assertEqual(self.post(path, 200)["progress"]["failed"], 0, "nothing is left to retry")
        self.gate.set()
        finished(self.daemon, job)
        self.assertEqual([self.asked(n) for n in (1, 2)], [[1, 2]] * 2)
        self.post(path, 409)
        self.post("/v1/jobs/job_none/retry", 404)

    def test_some_failures_at_once(self):
        self.broken = {1, 2}
        job = self.start()
        self.broken = set()
        document = self.post(f"/v1/jobs/{job}/retry", 200, {"trials": [2, 2]})
        self.assertEqual(document["progress"]["failed"], 1)
        self.gate.set()
        finished(self.daemon, job)
        self.assertEqual([self.asked(n) for n in (1, 2)], [[1], [1, 2]])
        self.assertEqual(self.types(job, 2).count("trial_retried"), 1)

    def test_the_result_replaces_the_failure(self):
        job = self.start()
        path = f"/v1/jobs/{job}/trials/1/retry"
        self.broken = set()
        before = get(self.daemon, f"/v1/jobs/{job}")
        self.assertEqual(before["progress"]["failed"], 1)
        first = self.post(path, 200, **{"Idempotency-Key": "again"})
        self.assertEqual(first["id"], job)
        self.assertEqual(first["progress"]["failed"], 0)
        self.assertEqual(self.post(path, 200, **{"Idempotency-Key": "again"}), first)
        self.assertIn("has not failed", self.post(path, 409)["detail"])
        self.gate.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "max_trials")
        self.assertEqual(document["budget"]["trials_measured"], BUDGET["max_trials"])
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/1")
        self.assertEqual((trial["state"], trial["attempts"], trial["error"]), ("told", 2, None))
        self.assertEqual(self.asked(1), [1, 2])
        keys = {h["Idempotency-Key"] for _, q, h in self.evaluator.calls if q.get("trial") == 1}
        self.assertEqual(keys, {f'"{job}.1"'})
        self.assertEqual(
            self.types(job, 1),
            ["question_asked", "question_leased", "attempt_failed", "trial_failed",
             "trial_retried", "question_leased", "trial_told", "trial_revised"]
        )
        self.assertIn("completed", self.post(path, 409)["detail"])

    def test_what_cannot_be_retried(self):
        job = self.start()
        self.assertIn("has not failed", self.post(f"/v1/jobs/{job}/trials/2/retry", 409)["detail"])
        self.assertIn("no trial 99", self.post(f"/v1/jobs/{job}/trials/99/retry", 404)["detail"])
        self.post(f"/v1/jobs/{job}/trials/x/retry", 404)
        self.post("/v1/jobs/job_none/trials/1/retry", 404)
        status, _, _ = self.daemon.request(
            "POST", f"/v1/jobs/{job}/trials/1/retry", {"attempts": 9}
        )
        self.assertEqual(status, 422)

    def test_it_waits_for_a_place_and_while_the_job_is_paused(self):
        job = self.start()
        self.post(f"/v1/jobs/{job}/trials/1/retry", 200)
        self.assertEqual(self.state(job, 1), "asked", "as many questions are out as may be")
        self.post(f"/v1/jobs/{job}/pause", 200)
        self.broken = set()
        self.gate.set()
        wait_until(lambda: self.state(job, 3) == "told")
        self.assertEqual(self.state(job, 1), "asked")
        self.assertEqual(self.asked(1), [1])
        self.post(f"/v1/jobs/{job}/resume", 200)
        finished(self.daemon, job)
        self.assertEqual(self.asked(1), [1, 2])

    def test_it_may_fail_again(self):
        job = self.start(retry={"max_attempts": 2, "backoff_s": 0})
        self.post(f"/v1/jobs/{job}/trials/1/retry", 200)
        self.gate.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["progress"]["failed"], 1)
        self.assertEqual(self.state(job, 1), "failed")

    def test_kill(self):
        """An acknowledged retry is made by the next life, and the log of a life that was killed in
        the middle of it says the same as that of one that was not."""
        logs = []
        for kill in (False, True):
            self.broken, self.held = {1}, {3}
            self.gate.clear()
            self.evaluator.calls.clear()
            job = self.start()
            self.post(f"/v1/jobs/{job}/trials/1/retry", 200)
            self.broken = set()
            if kill:
                self.daemon.kill9()
                self.daemon.start()
                self.assertEqual(self.state(job, 1), "asked")
                wait_until(lambda: len(self.asked(3)) > 1)
            self.held = {1}
            self.gate.set()
            wait_until(lambda: self.state(job, 3) == "told")
            self.gate.clear()
            if kill:
                self.daemon.kill9()
                self.daemon.start()
            self.gate.set()
            finished(self.daemon, job)
            events = everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")
            logs.append([
                (e["type"], e["trial"], json.dumps(e["data"].get("config")))
                for e in events if e["type"] not in ("question_leased", "attempt_failed")
            ])
            self.assertEqual(self.state(job, 1), "told")
            told = [e["trial"] for e in events if e["type"] == "trial_told"]
            self.assertEqual(len(told), len(set(told)), "a result was counted twice")
        self.assertEqual(*logs)


if __name__ == "__main__":
    unittest.main()
