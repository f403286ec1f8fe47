"""What questions carry besides a config, and what answers may hold besides a number for each metric."""

import json
import tempfile
import unittest

import jobkit
from daemon import Daemon

BUDGET = {"strategy": "basic", "stop_on": "budget", "max_trials": 3}
TOLERANT = {"tolerable_loss": 0.49}


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(cls.directory.name)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.directory.cleanup()

    def run_job(self, reply=None, **more):
        """The job's document at its end, and the questions that were asked."""
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        job = jobkit.body(evaluator.url, **{"tuning_criterion": BUDGET, "accuracy_criterion": TOLERANT, **more})
        document = jobkit.finished(self.daemon, jobkit.submit(self.daemon, job))
        return document, [question for _, question, _ in evaluator.calls]

    def told(self, document):
        events = jobkit.everything(self.daemon, f"/v1/jobs/{document['id']}/events")
        return {e["trial"]: e["data"] for e in events if e["type"] == "trial_told"}


def good(question, **more):
    return {**jobkit.crash_model.answer(question), **more}


class Questions(Wire):
    def test_what_a_question_carries(self):
        args = {"device": "cuda:0", "qat": {"epochs": 3}}
        capability = {**jobkit.capability(4), "model": {"name": "r50", "revision": 7}}
        document, questions = self.run_job(
            evaluator_args=args, capability=capability, approach="post_training_static_quant"
        )
        self.assertEqual(document["state"], "completed")
        for question in questions:
            self.assertEqual(question["approach"], "static")
            self.assertEqual(question["model"], {"name": "r50", "revision": 7})
            self.assertEqual(question["evaluator_args"], args)

    def test_defaults(self):
        _, questions = self.run_job()
        self.assertEqual({json.dumps(q["evaluator_args"]) for q in questions}, {"{}"})
        self.assertEqual({q["repeat"] for q in questions if q["kind"] != "confirm"}, {0})
        self.assertNotIn("model", questions[0])
        self.assertEqual(questions[0]["kind"], "baseline")

    def test_repeats_count_up(self):
        noisy = lambda q, headers: good(q, latency_ms=90 + q["trial"])  # or one round is enough
        _, questions = self.run_job(noisy, confirm=3)
        confirms = [q for q in questions if q["kind"] == "confirm"]
        for question in confirms:
            again = "evaluate" if question["subject"] > 0 else "baseline"
            self.assertEqual(question["question"], again)
        answered = {}
        for question in questions:
            key = json.dumps(question["config"], sort_keys=True)
            self.assertEqual(question["repeat"], answered.get(key, 0))
            answered[key] = question["repeat"] + 1
        self.assertIn(3, {q["repeat"] for q in confirms})
        for question in confirms:
            first = [q for q in questions if q["config"] == question["config"]][0]
            self.assertEqual(question["subject"], first["trial"])

    def test_every_attempt_has_the_same_number(self):
        def reply(question, headers):
            return (503, {}) if question["attempt"] == 1 else good(question)

        _, questions = self.run_job(reply)
        by_trial = {}
        for question in questions:
            by_trial.setdefault(question["trial"], set()).add(question["repeat"])
        self.assertEqual({len(repeats) for repeats in by_trial.values()}, {1})

    def test_args_have_limits(self):
        deep = 1
        for _ in range(8):
            deep = {"a": deep}
        fits = {"a": "x" * (16 * 1024 - 8)}
        for args, status in (
            (deep, 201), ({"a": deep}, 422), ([], 422), ("x", 422), (7, 422),
            (fits, 201), ({"aa": fits["a"]}, 422),
        ):
            job = jobkit.body("http://127.0.0.1:9999/", evaluator_args=args)
            got, _, document = self.daemon.request("POST", "/v1/jobs", job)
            self.assertEqual(got, status, document)
            if got == 422:
                self.assertEqual(document["errors"][0]["pointer"], "/evaluator_args")
            else:
                path = f"/v1/jobs/{document['id']}"
                status, _, problem = self.daemon.request("PATCH", path, {"evaluator_args": {}})
                self.assertEqual((status, problem["type"][-8:]), (409, "conflict"))
                self.daemon.request("POST", path + "/cancel")


class Answers(Wire):
    def test_the_median_of_samples_counts(self):
        samples = [9, 1, 2]
        document, _ = self.run_job(
            lambda q, h: good(q, accuracy=[0.9, 0.9], latency_ms=samples)
        )
        told = self.told(document)
        self.assertEqual({t["metrics"]["latency_ms"] for t in told.values()}, {2})
        self.assertEqual({t["accuracy"] for t in told.values()}, {0.9})
        for data in told.values():
            self.assertEqual(data["samples"], {"latency_ms": samples, "accuracy": [0.9, 0.9]})
        self.assertEqual(document["warnings"], [])

    def test_a_job_is_warned_once_of_what_it_does_not_know(self):
        capability = {**jobkit.capability(4), "metrics": ["accuracy", "latency_ms", "watt"]}
        document, questions = self.run_job(
            lambda q, h: good(q, note="x", metrics={"watt": 3, "wat": q["trial"], "free": None}),
            capability=capability,
        )
        self.assertGreater(len(questions), 2)
        self.assertEqual(len(document["warnings"]), 1, document["warnings"])
        warning = json.dumps(document["warnings"])
        for name in ("/note", "/metrics/wat"):
            self.assertIn(name, warning)
        self.assertNotIn("/metrics/watt", warning)
        told = self.told(document)
        self.assertEqual(told[1]["metrics"]["wat"], 1, "kept")

    def test_the_warning_survives_a_restart(self):
        answers = []

        def reply(question, headers):
            answers.append(question)
            if question["trial"] == 2 and question["attempt"] == 1:
                return 202, {}
            return good(question, note=1, odd=question["trial"])

        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        job = jobkit.body(evaluator.url, tuning_criterion=BUDGET, accuracy_criterion=TOLERANT)
        job = jobkit.submit(self.daemon, job)
        jobkit.wait_until(lambda: any(q["trial"] == 2 for q in answers))
        self.daemon.kill9()
        self.daemon.start()
        question = [q for q in answers if q["trial"] == 2][-1]
        path = f"/v1/leases/{question['lease']}/complete"
        self.daemon.request("POST", path, good(question, note=2))
        document = jobkit.finished(self.daemon, job)
        self.assertEqual(len(document["warnings"]), 1, document["warnings"])

    def test_answers_to_other_questions_do_not_count(self):
        for more, fine in (
            ({"trial": lambda q: q["trial"]}, True),
            ({"lease": lambda q: q["lease"]}, True),
            ({"trial": lambda q: q["trial"] + 1}, False),
            ({"lease": lambda q: "lse_01M8KMN3HSQ50BP10SNK1RN9V8"}, False),
            ({"trial": lambda q: str(q["trial"])}, False),
        ):
            def reply(question, headers, more=more):
                return good(question, **{k: v(question) for k, v in more.items()})

            evaluator = jobkit.Evaluator(reply)
            self.addCleanup(evaluator.close)
            job = jobkit.submit(self.daemon, jobkit.body(evaluator.url))
            jobkit.wait_until(lambda: evaluator.calls)
            if fine:
                self.assertEqual(jobkit.finished(self.daemon, job)["state"], "completed")
            else:
                jobkit.wait_until(lambda: jobkit.get(self.daemon, f"/v1/jobs/{job}")["state"]
                                  in ("failed", "paused"))
                self.assertEqual(self.told({"id": job}), {})

    def test_a_cache_is_no_repeat(self):
        def reply(question, headers):
            return good(question, cached=question["trial"] > 0)

        document, questions = self.run_job(reply)
        self.assertIn("confirm", {q["kind"] for q in questions})
        told = self.told(document)
        self.assertNotIn("cached", told[0])
        self.assertIs(told[1]["cached"], True)
        self.assertEqual(len(document["warnings"]), 1)
        self.assertIn("from a cache", json.dumps(document["warnings"]))

    def test_a_worker_may_send_what_python_writes(self):
        job = jobkit.body("")
        job["evaluator"] = {"pool": "words"}
        job = jobkit.submit(self.daemon, job)
        self.addCleanup(self.daemon.request, "POST", f"/v1/jobs/{job}/cancel")

        def take():
            request = {"pool": "words", "worker": "w", "wait_s": 5}
            _, _, page = self.daemon.request("POST", "/v1/leases", request)
            return page["items"][0]

        question = take()
        path = f"/v1/leases/{question['lease']}"
        status, _, problem = self.daemon.request(
            "POST", path + "/heartbeat", '{"epoch": 3, "loss": Infinity}')
        self.assertEqual(status, 200, problem)
        self.daemon.request("POST", path + "/heartbeat", {"progress": {"seen": 1, "correct": 1, "wrong": 0}})
        for name in ("/epoch", "/progress/wrong"):
            jobkit.wait_until(lambda name=name: name in json.dumps(
                jobkit.get(self.daemon, f"/v1/jobs/{job}")["warnings"]))
        status, _, problem = self.daemon.request(
            "POST", path + "/complete", json.dumps({**good(question), "note": float("nan")}))
        self.assertEqual(status, 200, problem)
        question = take()
        status, _, problem = self.daemon.request(
            "POST", f"/v1/leases/{question['lease']}/complete", '{"accuracy": NaN, "latency_ms": 1}')
        self.assertNotEqual(status, 400, problem)


if __name__ == "__main__":
    unittest.main()
