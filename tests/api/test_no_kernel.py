"""An operator that has no kernel: who is to blame is found, and the search goes on without it."""

import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit

OPERATORS = 12
LEARNERS = ("sgp", "tpe", "knapsack", "bayesian")


def capability():
    return {
        "op_types": {"Conv2d": {"static": {"weight": {"dtype": ["int8"]}}}},
        "ops": [{"name": f"op{i}", "type": "Conv2d"} for i in range(OPERATORS)],
        "metrics": ["accuracy", "latency_ms"],
    }


def evaluator_without(*culprits):
    """Every operator takes 10 ms, and 4 in int8, which costs 0.0005; but for the culprits, which fail."""

    def answer(question, headers):
        if question["question"] == "baseline":
            return {"accuracy": 0.9, "latency_ms": 120.0}
        ops = question["config"]["ops"]
        lowered = [name for name, op in ops.items() if op["mode"] != "fp32"]
        for name in lowered:
            if name in culprits:
                return {"failed": True, "error": f"no kernel for {name}", "retryable": False}
        return {"accuracy": 0.9 - 0.0005 * len(lowered), "latency_ms": 120.0 - 6 * len(lowered)}

    return jobkit.Evaluator(answer)


class Culprit(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def run_job(self, server, strategy, max_trials=40, **more):
        criterion = {"strategy": strategy, "max_trials": max_trials, "stop_on": "budget"}
        settings = {"capability": capability(), "confirm": 0, "seed": 1,
                    "accuracy_criterion": {"tolerable_loss": 0.01}, **more}  # fmt: skip
        job = body(server.url, tuning_criterion=criterion, **settings)
        del job["max_failed_trials"]  # what a user gets: 10
        return submit(self.daemon, job)

    def expect_rest_lowered(self, job, culprits, most):
        document = finished(self.daemon, job)
        self.assertEqual(document["state"], "completed", document["exit"])
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        kept = {name for name, op in best["config"]["ops"].items() if op["mode"] == "fp32"}
        self.assertEqual(kept, set(culprits))
        self.assertLessEqual(best["trial"], most)
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?limit=50")
        return [trial for trial in trials if trial["state"] == "failed"]

    def test_the_rest_is_lowered_in_seven_trials(self):
        """The default, one operator alone, four halvings of the other eleven, and the default without it."""
        for strategy in LEARNERS:
            for culprit in ("op0", "op5", "op11"):
                with self.subTest(strategy=strategy, culprit=culprit):
                    with evaluator_without(culprit) as evaluator:
                        failed = self.expect_rest_lowered(
                            self.run_job(evaluator, strategy), [culprit], 7
                        )
                        self.assertLessEqual(len(failed), 6)

    def test_two_at_once(self):
        """The second takes another default and at most five tests more."""
        for strategy in LEARNERS:
            with self.subTest(strategy=strategy), evaluator_without("op2", "op9") as evaluator:
                job = self.run_job(evaluator, strategy)
                self.expect_rest_lowered(job, ["op2", "op9"], 13)

    def test_with_questions_out_at_once(self):
        for strategy in LEARNERS:
            with self.subTest(strategy=strategy), evaluator_without("op7") as evaluator:
                place = {"url": evaluator.url, "max_concurrency": 4}
                job = self.run_job(evaluator, strategy, parallel=4, evaluator=place)
                self.expect_rest_lowered(job, ["op7"], 40)

    def test_a_restart_in_the_middle_asks_the_same(self):
        for strategy in LEARNERS:
            with self.subTest(strategy=strategy), evaluator_without("op5") as evaluator:
                undisturbed = self.run_job(evaluator, strategy, 12)
                finished(self.daemon, undisturbed)
                job = self.run_job(evaluator, strategy, 12)
                for number in (2, 4):
                    jobkit.wait_until(lambda: self.told(job) >= number)  # noqa: B023
                    self.daemon.kill9()
                    self.daemon.start()
                finished(self.daemon, job)
                self.assertEqual(self.asked(job), self.asked(undisturbed))

    def told(self, job):
        return len(everything(self.daemon, f"/v1/jobs/{job}/trials?limit=50"))

    def asked(self, job):
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?limit=50")
        full = [get(self.daemon, f"/v1/jobs/{job}/trials/{t['number']}") for t in trials]
        return [(trial["stage"], trial["config"]) for trial in full]


if __name__ == "__main__":
    unittest.main()
