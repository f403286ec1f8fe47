"""A config that is the baseline never wins over it, and a job that gains nothing says so."""

import tempfile
import threading
import unittest

from daemon import Daemon
from jobkit import Evaluator, body, everything, finished, get, submit, wait_until

OFF = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
INT8 = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"], "algorithm": ["kl", "minmax"]}}
ANSWERS = ["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"]
INC = ["auto", "basic", "conservative", "mse", "mse_v2", "hawq_v2"]
OWN = ["tpe", "bayesian", "sgp", "knapsack", "bisect", "random", "exhaustive"]


class NoGain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

    def run_job(self, reply, strategy, **more):
        """reply(modes) of each config; what was asked of the evaluator is in self.asked."""
        self.asked = asked = []

        def answer(question, headers):
            if question["question"] == "score":
                return {"scores": {name: 1.0 for name in question["ops"]}}
            if question["question"] == "baseline":
                return {"accuracy": 1.0, "latency_ms": 10.0}
            modes = [op["mode"] for op in question["config"]["ops"].values()]
            asked.append(modes)
            accuracy, latency = reply(modes)
            return {"accuracy": accuracy, "latency_ms": latency}

        evaluator = Evaluator(answer)
        self.addCleanup(evaluator.close)
        criterion = {"strategy": strategy, **more.pop("tuning_criterion", {})}
        given = body(
            evaluator.url,
            capability={
                "op_types": {"Conv": {"static": INT8}, "Linear": {"static": INT8}},
                "ops": [{"name": n, "type": t} for n, t in zip("abc", ("Conv", "Conv", "Linear"))],
                "answers": ANSWERS,
            },
            tuning_criterion=criterion,
            confirm=more.pop("confirm", 0),
            **more,
        )
        job = finished(self.daemon, submit(self.daemon, given))
        self.path = f"/v1/jobs/{job['id']}"
        return job, get(self.daemon, self.path + "/best")

    def in_fp32(self):
        return [modes for modes in self.asked if set(modes) == {"fp32"}]

    def test_nothing_to_quantize_is_no_win(self):
        for strategy in (*INC, *OWN):
            for more in ({"op_name_dict": {".*": OFF}}, {"op_type_dict": {".*": OFF}}):
                with self.subTest(strategy, **more):
                    job, best = self.run_job(lambda modes: (1.0, 9.0), strategy, **more)
                    self.assertEqual(job["state"], "completed")
                    self.assertTrue(job["warnings"])
                    self.assertEqual((best["trial"], best["feasible"]), (0, True))
                    self.assertTrue(best["keep_baseline"])
                    self.assertEqual(set(best["config"]["ops"]), set("abc"))
                    if strategy in OWN:
                        self.assertEqual(self.asked, [])
                        self.assertEqual(best["keep_baseline_because"], "nothing_measured")

    def test_own_strategies_never_have_the_baseline_measured(self):
        for strategy in OWN:
            for more in ({}, {"calibration_sampling_size": [10, 20]}):
                with self.subTest(strategy, **more):
                    job, best = self.run_job(
                        lambda modes: (0.5, 9.0),
                        strategy,
                        tuning_criterion={"max_trials": 60},
                        **more,
                    )
                    self.assertEqual(self.in_fp32(), [])
                    self.assertGreater(len(self.asked), 1)
                    self.assertFalse(best["feasible"])
                    self.assertEqual(best["keep_baseline_because"], "criterion_missed")
                    trials = everything(self.daemon, self.path + "/trials")
                    for trial in trials:
                        if trial["source"] == "cache":
                            self.assertGreaterEqual(trial["margin"], 0)

    def test_bisect_goes_on_when_only_fp32_meets_the_criterion(self):
        job, best = self.run_job(
            lambda modes: (1.0 if modes.count("fp32") >= 2 else 0.5, 9.0), "bisect"
        )
        self.assertEqual(best["feasible"], True)
        self.assertGreater(best["trial"], 0)
        self.assertEqual(self.in_fp32(), [])

    def test_what_only_the_baseline_meets_is_the_baselines(self):
        for strategy in ("basic", "mse", "hawq_v2", "mse_v2"):
            for confirm in (0, 1):
                with self.subTest(strategy, confirm=confirm):
                    job, best = self.run_job(
                        lambda modes: (1.0 if set(modes) == {"fp32"} else 0.5, 9.0),
                        strategy,
                        confirm=confirm,
                    )
                    self.assertEqual(len(self.in_fp32()), 1)
                    self.assertEqual(job["exit"]["reason"], "criterion_met")
                    self.assertIn("baseline", job["exit"]["detail"])
                    self.assertEqual(job["best"]["trial"], 0)
                    self.assertEqual((best["trial"], best["feasible"]), (0, True))
                    self.assertTrue(best["keep_baseline"])
                    self.assertEqual(best["objective_value"], 10.0)
                    self.assertEqual(
                        {op["mode"] for op in best["config"]["ops"].values()}, {"fp32"}
                    )

    def test_a_slower_config_does_not_win_over_the_baseline_either(self):
        def reply(modes):
            return (1.0, 9.0 if set(modes) == {"fp32"} else 12.0)

        job, best = self.run_job(
            reply, "basic", tuning_criterion={"stop_on": "budget", "max_trials": 100}
        )
        self.assertTrue(best["keep_baseline"])
        self.assertEqual(best["keep_baseline_because"], "no_gain")

    def test_several_objectives(self):
        objective = [{"metric": "latency_ms"}, {"metric": "accuracy", "direction": "max"}]
        for strategy in ("basic", "tpe", "bisect"):
            with self.subTest(strategy):
                job, best = self.run_job(
                    lambda modes: (0.999, 5.0 + modes.count("fp32")),
                    strategy,
                    tuning_criterion={
                        "objective": objective, "stop_on": "budget", "max_trials": 100
                    },
                )
                self.assertGreater(best["trial"], 0)
                self.assertNotEqual({o["mode"] for o in best["config"]["ops"].values()}, {"fp32"})
        job, best = self.run_job(
            lambda modes: (1.0 if set(modes) == {"fp32"} else 0.5, 9.0),
            "basic",
            tuning_criterion={"objective": objective, "stop_on": "budget", "max_trials": 100},
        )
        self.assertEqual((best["trial"], best["keep_baseline"]), (0, True))

    def test_under_rules_1_it_is_a_config_like_others(self):
        job, best = self.run_job(
            lambda modes: (1.0, 9.0), "exhaustive", op_name_dict={".*": OFF}, rules=1
        )
        self.assertEqual((best["trial"], len(self.asked)), (1, 1))

    def hints(self):
        events = everything_of(self.daemon, self.path)
        return [e for e in events if e["type"] == "no_gain_so_far"]

    def test_a_job_without_gain_says_so_once(self):
        for strategy in ("basic", "random", "tpe"):
            with self.subTest(strategy):
                job, _ = self.run_job(lambda modes: (0.5, 10.1), strategy)
                (hint,) = self.hints()
                self.assertEqual(hint["data"]["measured"], 5)
                self.assertEqual(job["progress"]["hint"], hint["data"]["detail"])
                told = [
                    e for e in everything_of(self.daemon, self.path)
                    if e["type"] == "trial_told" and e["seq"] < hint["seq"]
                ]
                self.assertEqual(len(told), 6)  # the baseline's, too

    def test_a_job_with_a_gain_does_not(self):
        for reply in (
            lambda modes: (0.5, 5.0),
            lambda modes: (0.5, 9.0 if len(self.asked) == 5 else 11.0),
        ):
            job, _ = self.run_job(reply, "basic")
            self.assertGreater(len(self.asked), 5)
            self.assertEqual(self.hints(), [])
            self.assertIsNone(job["progress"]["hint"])
        job, _ = self.run_job(
            lambda modes: (0.5, 11.0), "basic", tuning_criterion={"max_trials": 4}
        )
        self.assertEqual(self.hints(), [])
        job, _ = self.run_job(
            lambda modes: (0.5, 11.0), "basic", tuning_criterion={"objective": "accuracy"}
        )
        self.assertEqual(self.hints(), [])
        job, _ = self.run_job(lambda modes: (0.5, 11.0), "basic", rules=1)
        self.assertEqual(self.hints(), [])

    def test_the_hint_comes_while_the_job_runs(self):
        def reply(question, headers):
            if question["question"] == "evaluate" and question["trial"] > 5:
                return 202, {}
            return {"accuracy": 1.0 if question["trial"] == 0 else 0.5, "latency_ms": 10.0}

        evaluator = Evaluator(reply)
        self.addCleanup(evaluator.close)
        job = submit(self.daemon, body(evaluator.url))
        hint = wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["hint"])
        self.assertIn("none of the first 5 configs that were measured is better by 2 % (1.02 times as fast) or more: see whether", hint)
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")

    def test_a_restart_neither_repeats_the_hint_nor_changes_the_best(self):
        gate = threading.Event()

        def reply(question, headers):
            if question["question"] == "baseline":
                return {"accuracy": 1.0, "latency_ms": 10.0}
            if question["trial"] == 7 and not gate.is_set():
                return 503, {"error": "restarting"}, {"Retry-After": "1"}
            modes = {op["mode"] for op in question["config"]["ops"].values()}
            return {"accuracy": 1.0 if modes == {"fp32"} else 0.5, "latency_ms": 9.99}

        evaluator = Evaluator(reply)
        self.addCleanup(evaluator.close)
        with tempfile.TemporaryDirectory() as directory:
            with Daemon(directory) as daemon:
                self.path = f"/v1/jobs/{submit(daemon, body(evaluator.url, confirm=0))}"
                wait_until(lambda: any(q["trial"] == 7 for _, q, _ in evaluator.calls))
                self.assertIn("none of the first 5 configs", get(daemon, self.path)["progress"]["hint"])
            gate.set()
            with Daemon(directory) as daemon:
                job = finished(daemon, self.path.rsplit("/", 1)[1])
                best = get(daemon, self.path + "/best")
                types = [e["type"] for e in everything_of(daemon, self.path)]
        self.assertEqual(types.count("no_gain_so_far"), 1)
        self.assertEqual(job["exit"]["reason"], "criterion_met")
        self.assertEqual((best["trial"], best["keep_baseline"]), (0, True))


def everything_of(daemon, path):
    _, _, page = daemon.request("GET", path + "/events?limit=1000", headers={"Accept": "application/json"})
    return page["items"]


if __name__ == "__main__":
    unittest.main()
