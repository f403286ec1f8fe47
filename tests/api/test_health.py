"""Evaluators that are down: their questions wait instead of being burnt, and go on by themselves."""

import json
import tempfile
import time
import unittest
import urllib.parse

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until

LIMIT = 5  # failures in a row that open a breaker
BUDGET = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 8}


def measured(question, headers):
    return {"accuracy": 0.9, "latency_ms": 100 - question["trial"] % 50}


class Health(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def start(self, probe_s=1, down_s=3600):
        self.daemon = Daemon(
            self.directory, f"--evaluator-probe-s={probe_s}", f"--evaluator-down-s={down_s}"
        )
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def evaluator(self, reply=None, port=0):
        evaluator = jobkit.Evaluator(reply or measured, port=port)
        self.addCleanup(evaluator.close)
        return evaluator

    def register(self, url, **more):
        status, _, document = self.daemon.request("POST", "/v1/evaluators", {"url": url, **more})
        self.assertEqual(status, 201, document)
        return document["id"]

    def submit(self, evaluator, **more):
        more = {"tuning_criterion": BUDGET, "confirm": 0, **more}
        return submit(self.daemon, body(None, **{"evaluator": {"id": evaluator}, **more}))

    def post(self, path):
        status, _, document = self.daemon.request("POST", path)
        self.assertEqual(status, 200, document)

    def health(self, evaluator):
        return get(self.daemon, f"/v1/evaluators/{evaluator}/health")

    def down(self, evaluator):
        return wait_until(lambda: self.health(evaluator)["state"] != "closed")

    def metric(self):
        text = self.daemon.request("GET", "/metrics")[2]
        text = text if isinstance(text, str) else text.decode()
        return int(text.split("\nnarrowd_evaluators_down ")[1].split("\n")[0])

    def slowly(self, question, headers):
        time.sleep(0.05)
        return measured(question, headers)

    def check_complete(self, job):
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "max_trials", document)
        self.assertEqual(document["budget"]["trials_measured"], BUDGET["max_trials"])
        self.assertEqual(document["progress"]["failed"], 0, document)

    def test_an_evaluator_that_comes_back(self):
        self.start()
        evaluator = self.evaluator()
        known = self.register(evaluator.url)
        self.assertEqual(self.health(known)["state"], "closed")
        self.assertIsNone(self.health(known)["last_error"])
        job = self.submit(known, tuning_criterion={**BUDGET, "max_trials": 200})
        wait_until(lambda: len(evaluator.calls) > 3)
        evaluator.close()
        self.down(known)
        self.assertEqual(self.metric(), 1)
        health = self.health(known)
        self.assertGreaterEqual(health["consecutive_failures"], LIMIT)
        self.assertIn("evaluator", health["last_error"])
        self.assertIsNotNone(health["down_since"])
        document = get(self.daemon, f"/v1/jobs/{job}")
        self.assertEqual(document["state"], "running")
        again = self.evaluator(port=urllib.parse.urlsplit(evaluator.url).port)
        wait_until(lambda: self.health(known)["state"] == "closed")
        document = finished(self.daemon, job)
        self.assertIn(document["exit"]["reason"], ("max_trials", "space_exhausted"))
        self.assertEqual(document["progress"]["failed"], 0, "no budget was burnt")
        self.assertTrue(again.calls)
        self.assertIsNone(self.health(known)["down_since"])
        self.assertEqual(self.metric(), 0)
        events = everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")
        free = [e for e in events if e["data"].get("counts") is False]
        self.assertTrue(free, "attempts that cost nothing are in the log")

    def test_an_evaluator_that_comes_after_its_job(self):
        """The first baseline is no exception: who is not there yet is waited for, also after a pause."""
        self.start()
        absent = self.evaluator()
        absent.close()
        known = self.register(absent.url)
        jobs = [self.submit(known) for _ in range(2)]
        self.post(f"/v1/jobs/{jobs[1]}/pause")
        self.down(known)
        self.post(f"/v1/jobs/{jobs[1]}/resume")
        for job in jobs:
            waiting = wait_until(
                lambda job=job: get(self.daemon, f"/v1/jobs/{job}")["progress"]["waiting"])
            self.assertEqual(waiting["reason"], "evaluator_down")
        self.evaluator(port=urllib.parse.urlsplit(absent.url).port)
        for job in jobs:
            self.check_complete(job)
            charged = [e for e in everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")
                       if e["type"] == "attempt_failed" and e["data"].get("counts") is not False]
            self.assertEqual(charged, [])

    def test_while_it_is_down_one_question_asks_for_all(self):
        self.start()
        broken = self.evaluator(lambda q, h: (404, {}))
        known = self.register(broken.url, max_concurrency=16)
        jobs = [self.submit(known) for _ in range(12)]
        self.down(known)
        documents = [get(self.daemon, f"/v1/jobs/{job}") for job in jobs]
        waiting = [d["id"] for d in documents if d["exit"] is None]
        self.assertTrue(waiting, "those whose question was lost when it was known wait")
        before = len(broken.calls)
        wait_until(lambda: len(broken.calls) >= before + 2)
        times = self.health(known)["statistics"]
        self.assertEqual(times["failed"] + times["out"], len(broken.calls))
        self.assertLessEqual(times["out"], 1, "half open lets one question out")
        broken.reply = measured
        for job in waiting:
            self.check_complete(job)

    def test_a_job_does_not_wait_for_ever(self):
        self.start(down_s=1)
        evaluator = self.evaluator()
        known = self.register(evaluator.url)
        job = self.submit(known, tuning_criterion={**BUDGET, "max_trials": 200})
        wait_until(lambda: len(evaluator.calls) > 3)
        evaluator.close()
        document = finished(self.daemon, job)
        self.assertEqual((document["state"], document["exit"]["reason"]),
                         ("failed", "evaluator_down"))
        self.assertIn("evaluator", document["exit"]["detail"])
        self.assertIsNotNone(get(self.daemon, f"/v1/jobs/{job}/best")["trial"])
        self.assertEqual(document["progress"]["failed"], 0)

    def test_a_crash_while_it_is_down(self):
        self.start()
        evaluator = self.evaluator(self.slowly)
        known = self.register(evaluator.url)
        job = self.submit(known, parallel=2)
        wait_until(lambda: len(evaluator.calls) > 3)
        evaluator.close()
        self.down(known)
        asked = get(self.daemon, f"/v1/jobs/{job}")["progress"]
        self.daemon.kill9()
        self.daemon.start()
        self.down(known)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["progress"]["told"], asked["told"])
        self.evaluator(port=urllib.parse.urlsplit(evaluator.url).port)
        self.check_complete(job)

    def test_a_probe_that_succeeds_ends_the_wait(self):
        self.start(probe_s=3600)
        broken = self.evaluator(lambda q, h: (501, {}) if q["trial"] else measured(q, h))
        known = self.register(broken.url)
        job = self.submit(known, parallel=8, max_failed_trials=1000)
        self.down(known)
        broken.reply = measured
        path = f"/v1/evaluators/{known}/probe"
        self.assertTrue(self.daemon.request("POST", path)[2]["ok"])
        self.check_complete(job)
        self.assertEqual(self.health(known)["state"], "closed")

    def test_what_speaks_of_the_question_does_not_open(self):
        self.start()
        for reply in (
            (500, {}),
            (400, {}),
            {"failed": True, "error": "no kernel"},
        ):
            with self.subTest(reply):
                evaluator = self.evaluator(
                    lambda q, h, reply=reply: reply if q["trial"] else measured(q, h)
                )
                known = self.register(evaluator.url)
                job = self.submit(known)
                document = finished(self.daemon, job)
                self.assertEqual(document["progress"]["failed"], BUDGET["max_trials"])
                self.assertEqual(self.health(known)["state"], "closed")

    def test_a_question_that_breaks_its_evaluator_fails_alone(self):
        """As one that is killed for want of memory: its connections end without an answer."""
        self.start()
        evaluator = self.evaluator()
        evaluator.answer = lambda request: (
            None if json.loads(request.body)["trial"] in (3, 4)
            else measured(json.loads(request.body), None))
        known = self.register(evaluator.url)
        document = finished(self.daemon, self.submit(known))
        self.assertEqual(document["exit"]["reason"], "max_trials")
        self.assertEqual(document["progress"]["failed"], 2)
        self.assertEqual(self.health(known)["state"], "closed")

    def test_statistics(self):
        self.start()
        evaluator = self.evaluator(
            lambda q, h: {"failed": True, "error": "x"} if q["trial"] == 2
            else (500, {}) if q["trial"] == 3
            else measured(q, h))
        known = self.register(evaluator.url)
        empty = self.health(known)["statistics"]
        self.assertEqual(empty, {"asked": 0, "answered": 0, "failed": 0, "out": 0,
                                 "mean_answer_s": None})
        finished(self.daemon, self.submit(known))
        seen = self.health(known)["statistics"]
        asked = len(evaluator.calls)
        self.assertEqual((seen["asked"], seen["failed"], seen["out"]), (asked, 3, 0))
        self.assertEqual(seen["answered"], asked - 3)
        self.assertGreater(seen["mean_answer_s"], 0)
        self.assertEqual(self.daemon.request("GET", "/v1/evaluators/evl_none/health")[0], 404)


if __name__ == "__main__":
    unittest.main()
