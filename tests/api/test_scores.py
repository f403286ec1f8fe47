"""Scores of another tool, told to a job that is open."""

import json
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until

NAMES = [f"op{i}" for i in range(8)]
KILLERS = {"op2": 1.0, "op5": 1.0}  # what an operator loses, as a share of all
REPORT = {"scores": {**{name: 0.01 for name in NAMES}, "op2": 5,
                     "op5": [{"when": {"weight": {"granularity": "per_tensor"}}, "score": 6},
                             {"when": {"mode": "static"}, "score": 4}]}}  # fmt: skip
CAN_DO = {
    "op_types": {"Linear": {"static": {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]}}}},
    "ops": [{"name": name, "type": "Linear"} for name in NAMES],
    "metrics": ["accuracy", "latency_ms"],
}
USERS = ("sgp", "knapsack", "bisect")
TOLD_AT = 2  # the trial whose question is out then
MEASURED = 9


def high(question):
    """The operators that a question leaves in fp32."""
    return {name for name, op in question["config"]["ops"].items() if op["mode"] == "fp32"}


def measured(question):
    """Operators that are quantized make it faster; two of them ruin it."""
    if question["question"] == "baseline":
        return {"accuracy": 0.9, "latency_ms": 100.0}
    low = set(NAMES) - high(question)
    lost = sum(KILLERS.get(name, 0.001) for name in low)
    return {"accuracy": 0.9 - 0.2 * lost, "latency_ms": 100.0 - 10 * len(low)}


class Scores(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.stop())
        self.before = lambda job, trial: None  # happens before a question of this trial is answered
        self.evaluator = jobkit.Evaluator(self.reply)
        self.addCleanup(self.evaluator.close)

    def reply(self, question, headers):
        self.before(question["job"], question["trial"])
        return measured(question)

    def body(self, strategy, **more):
        criterion = {"strategy": strategy, "max_trials": MEASURED, "stop_on": "budget"}
        return body(self.evaluator.url, capability=CAN_DO, confirm=0, accuracy_criterion={"tolerable_loss": 0.01},
                    **{"tuning_criterion": criterion, **more})  # fmt: skip

    def tell(self, job, expected=200, report=REPORT, **headers):
        status, sent, document = self.daemon.request("POST", f"/v1/jobs/{job}/scores", report, headers)
        self.assertEqual(status, expected, document)
        return document

    def ended(self, strategy, then=None):
        """A job that has ended, to which `then` happened once while one question was out."""
        happened = threading.Event()

        def once(job, trial):
            if trial == TOLD_AT and not happened.is_set():
                then(job)
                happened.set()

        self.before = once if then else lambda job, trial: None
        job = submit(self.daemon, self.body(strategy))
        if then:
            wait_until(happened.is_set)
        finished(self.daemon, job)
        return job

    def types(self, job):
        return [event["type"] for event in everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")]

    def asked(self, job):
        """By trial what was measured, once however often it was asked: who was in fp32."""
        questions = {q["trial"]: q for _, q, _ in self.evaluator.calls if q.get("job") == job}
        return {n: high(q) for n, q in sorted(questions.items()) if q["question"] == "evaluate"}

    def test_the_search_goes_by_them_from_its_next_question_on(self):
        for strategy in USERS:
            with self.subTest(strategy):
                receipts = []
                with_it = self.asked(job := self.ended(strategy, lambda job: receipts.append(self.tell(job))))
                without = self.asked(self.ended(strategy))
                self.assertEqual({n: with_it[n] for n in range(1, TOLD_AT + 1)},
                                 {n: without[n] for n in range(1, TOLD_AT + 1)}, "what was out stays as it was")  # fmt: skip
                self.assertNotEqual(with_it, without)
                self.assertIn(set(KILLERS), with_it.values())
                self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/best")["objective_value"], 40)
                configs = [json.dumps(q["config"]) for _, q, _ in self.evaluator.calls if q.get("job") == job and q["trial"] > 0]
                self.assertEqual(len(configs), len(set(configs)), "nothing is measured twice")
                self.assertLessEqual(get(self.daemon, f"/v1/jobs/{job}")["budget"]["trials_measured"], MEASURED)
                self.assertEqual((receipts[0]["operators"], receipts[0]["used"]), (8, True))
                self.assertIn(strategy, receipts[0]["detail"])
                types = self.types(job)
                self.assertEqual([types.count(t) for t in ("scores_told", "scores_taken", "warning")], [1, 1, 0])
                self.assertLess(types.index("scores_told"), types.index("scores_taken"))

    def test_a_daemon_that_is_killed_goes_on_with_the_same_search(self):
        def killed(job):
            self.tell(job)
            self.daemon.kill9()
            self.daemon.start()

        for strategy in USERS:
            with self.subTest(strategy):
                model = self.asked(self.ended(strategy, self.tell))
                self.assertEqual(self.asked(self.ended(strategy, killed)), model)

    def test_the_last_ones_count(self):
        wrong = {"scores": {name: 9 if name == "op0" else 0.01 for name in NAMES}}

        def twice(job):
            self.tell(job, report=wrong)
            self.tell(job)

        for strategy in USERS:
            with self.subTest(strategy):
                model = self.asked(self.ended(strategy, self.tell))
                self.assertEqual(self.asked(self.ended(strategy, twice)), model)

    def test_faults(self):
        self.before = lambda job, trial: gate.wait() if trial == 1 else None
        gate = threading.Event()
        self.addCleanup(gate.set)
        job = submit(self.daemon, self.body("sgp"))
        for report, pointers in (
            ({}, ["/scores"]),
            ({"scores": {}}, ["/scores"]),
            ({"scores": {"op0": 1, "op9": 1, "conv": 1}}, ["/scores/op9", "/scores/conv"]),
            ({"scores": {"op0": "high"}}, ["/scores/op0"]),
            ({"scores": {"op0": [{"when": {"mode": "int8"}, "score": 1}]}}, ["/scores/op0/0/when/mode"]),
            ({"scores": {"op0": [{"when": {}}]}}, ["/scores/op0/0/score"]),
            ({"scores": {"op0": [{"when": {}, "score": -1}]}}, ["/scores/op0/0/score"]),
            ({"scores": {"op0": 1}, "source": "aimet"}, ["/source"]),
        ):
            with self.subTest(report=report):
                errors = self.tell(job, 422, report)["errors"]
                self.assertEqual([error["pointer"] for error in errors], pointers)
        self.tell(job, 400, '{"scores": {"op0": NaN}}')
        self.tell(job, 400, '{"scores": {"op0": 1e999}}')
        self.tell("job_00000000000000000000000000", 404)
        self.assertNotIn("scores_told", self.types(job))
        status, _, _ = self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        self.assertEqual(status, 200)
        gate.set()
        finished(self.daemon, job)
        self.assertIn("cancelled", self.tell(job, 409)["detail"])

    def test_an_answer_that_was_lost_is_given_again(self):
        answers = []

        def twice(job):
            answers.extend(self.tell(job, **{"Idempotency-Key": "report"}) for _ in range(2))

        job = self.ended("sgp", twice)
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(self.types(job).count("scores_told"), 1)

    def test_who_has_no_use_for_them_says_so(self):
        receipts = []
        job = self.ended("basic", lambda job: receipts.append(self.tell(job)))
        self.assertFalse(receipts[0]["used"])
        self.assertIn("basic makes no use", receipts[0]["detail"])
        warnings = [warning["detail"] for warning in get(self.daemon, f"/v1/jobs/{job}")["warnings"]]
        self.assertIn(receipts[0]["detail"], warnings)
        self.assertNotIn("scores_taken", self.types(job))
        self.assertEqual(self.asked(job), self.asked(self.ended("basic")))

    def test_a_paused_job_takes_them_too(self):
        def post(job, what):
            self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/{what}")[0], 200)

        def paused(job):
            post(job, "pause")
            self.tell(job)
            post(job, "resume")

        model = self.asked(self.ended("sgp", self.tell))
        self.assertEqual(self.asked(self.ended("sgp", paused)), model)


if __name__ == "__main__":
    unittest.main()
