"""Early verdicts: a measurement ends when part of it says that the criterion is missed."""

import unittest

import jobkit
from jobkit import finished, get, submit, wait_until
from test_workers import PullCase, busy_body, pool_body

TOTAL = 1000
MISSES = {"seen": 500, "correct": 300, "total": TOTAL}  # 0.8 at best; the bound is 0.891
OPEN = {"seen": 500, "correct": 450, "total": TOTAL}
LIKELY = {"seen": 1000, "correct": 800, "total": 5000}


class EarlyCase(PullCase):
    def start(self, body=None, **more):
        body = body or busy_body(1)
        job = submit(self.daemon, {**body, "accuracy_criterion": {"tolerable_loss": 0.01}, **more})
        self.complete(self.one(), {"accuracy": 0.9, "latency_ms": 100})
        return job

    def report(self, question, progress, expected=200):
        path = f"/v1/leases/{question['lease']}/heartbeat"
        status, _, answer = self.daemon.request("POST", path, {"progress": progress})
        self.assertEqual(status, expected, answer)
        return answer["continue"] if status == 200 else answer

    def verdict(self, progress, **more):
        """Of the first config of a job of its own."""
        job = self.start(**more)
        question = self.one()
        goes_on = self.report(question, progress)
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        finished(self.daemon, job)
        return goes_on


class EarlyVerdict(EarlyCase):
    def test_what_a_pruned_trial_is(self):
        job = self.start()
        question = self.one("w1")
        self.assertTrue(self.report(question, OPEN))
        self.assertFalse(self.report(question, MISSES))
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/1")
        self.assertEqual((trial["state"], trial["feasible"], trial["worker"]), ("pruned", False, "w1"))
        self.assertLess(trial["margin"], 0)
        self.assertIsNone(trial["accuracy"], "nobody measured it")
        event = [e for e in self.events(job) if e["type"] == "trial_pruned"][0]
        self.assertEqual(event["data"]["verdict"], "certain")
        self.assertEqual(event["data"]["estimate"], 0.6)
        self.assertEqual(event["data"]["progress"],
                         {"seen": 500, "total": TOTAL, "sum": 300, "sum_squares": 300})
        document = get(self.daemon, f"/v1/jobs/{job}")
        self.assertEqual(document["budget"]["trials_measured"], 1, "it was paid for")
        self.assertEqual(document["progress"]["failed"], 0)
        self.complete(question, expected=410)
        self.assertEqual(self.one()["trial"], 2)
        pruned = get(self.daemon, f"/v1/jobs/{job}/trials?state=pruned")["items"]
        self.assertEqual([t["number"] for t in pruned], [1])

    def test_how_far_it_is_can_be_said_alone(self):
        """As while scores are made; whoever follows the job is told."""
        job = self.start()
        question = self.one()
        tag = self.daemon.request("GET", f"/v1/jobs/{job}")[1]["ETag"]
        self.assertTrue(self.report(question, {"seen": 12, "total": 120}))
        headers = {"If-None-Match": tag}
        status, _, document = self.daemon.request("GET", f"/v1/jobs/{job}", headers=headers)
        self.assertEqual(status, 200)
        out, = document["progress"]["out"]
        self.assertEqual((out["seen"], out["total"]), (12, 120))
        self.report(question, {"seen": 1, "range": [0, 1]}, expected=422)
        self.daemon.request("POST", f"/v1/leases/{question['lease']}/return", {"reason": "stopping"})
        self.one()
        out, = get(self.daemon, f"/v1/jobs/{job}")["progress"]["out"]
        self.assertNotIn("seen", out, "another attempt begins anew")

    def test_when_it_is_certain(self):
        self.assertTrue(self.verdict({"seen": 500, "correct": 391, "total": TOTAL}))  # 0.891
        self.assertFalse(self.verdict({"seen": 500, "correct": 390, "total": TOTAL}))
        self.assertTrue(self.verdict({"seen": 500, "correct": 300}), "of how many?")
        self.assertFalse(self.verdict({"seen": 500, "correct": 300}, early_verdict={"samples": TOTAL}))

    def test_when_it_is_likely(self):
        self.assertTrue(self.verdict(LIKELY), "only certainty counts unless more is allowed")
        self.assertFalse(self.verdict(LIKELY, early_verdict={"error_probability": 0.01}))
        near = {**LIKELY, "correct": 880}
        self.assertTrue(self.verdict(near, early_verdict={"error_probability": 0.01}))

    def test_other_values_than_right_and_wrong(self):
        half = {"seen": 500, "sum": -60, "sum_squares": 60, "total": TOTAL, "paired": True}
        self.assertTrue(self.verdict(half), "without a range nothing is certain")
        self.assertFalse(self.verdict(half, early_verdict={"error_probability": 0.01}))
        self.assertTrue(self.verdict({**half, "range": [-1, 1]}), "it may still gain")
        self.assertFalse(self.verdict({**half, "range": [-1, 0]}), "it loses 0.06 at least")

    def test_lower_is_better(self):
        criterion = {"tolerable_loss": 0.01, "higher_is_better": False}
        errors = {"seen": 500, "correct": 400, "total": 400}
        job = submit(self.daemon, {**busy_body(1), "accuracy_criterion": criterion})
        self.complete(self.one(), {"accuracy": 0.1, "latency_ms": 100})
        question = self.one()
        self.report(question, errors, expected=422)
        self.assertTrue(self.report(question, {"seen": 500, "correct": 100, "total": TOTAL}))
        self.assertFalse(self.report(question, {"seen": 500, "correct": 102, "total": TOTAL}))
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/trials/1")["state"], "pruned")

    def test_small_and_large_errors(self):
        """The tolerance of the comparison is a share; a margin is a number."""
        criterion = {"tolerable_loss": 0.01, "higher_is_better": False}
        for total, least in ((9e-10 * 500, -1e6), (1e300, -1e100)):
            progress = {"seen": 500, "sum": total, "sum_squares": 0, "total": 500,
                        "range": [0, 1e300]}
            job = submit(self.daemon, {**busy_body(1), "accuracy_criterion": criterion})
            self.complete(self.one(), {"accuracy": 1e-10, "latency_ms": 100})
            self.assertFalse(self.report(self.one(), progress))
            trial = get(self.daemon, f"/v1/jobs/{job}/trials/1")
            self.assertEqual(trial["state"], "pruned")
            self.assertLess(trial["margin"], -1)
            self.assertGreaterEqual(trial["margin"], least)
            self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
            finished(self.daemon, job)

    def test_numbers_that_are_ranked_are_measured_to_the_end(self):
        job = self.start(pool_body(tuning_criterion={"strategy": "basic"}))
        stages = set()
        while "accumulated_fallback" not in stages:
            question = self.one()
            path = f"/v1/jobs/{job}/trials/{question['trial']}"
            stage = get(self.daemon, path)["stage"]
            stages.add(stage)
            goes_on = self.report(question, MISSES)
            self.assertEqual(goes_on, stage == "instance_fallback", stage)
            if goes_on:
                accuracy = 0.5 + jobkit.crash_model.unit(question["trial"]) / 10
                self.complete(question, {"accuracy": accuracy, "latency_ms": 50})
        self.assertIn("instance_fallback", stages)

    def test_every_strategy_goes_on(self):
        """Half of the trials end early; the job ends as jobs do, and no pruned trial is the best."""
        for strategy in ("sgp", "knapsack", "bisect", "tpe", "bayesian", "random", "basic", "auto"):
            with self.subTest(strategy):
                criterion = {"strategy": strategy, "stop_on": "budget", "max_trials": 25}
                job = self.start(pool_body(tuning_criterion=criterion, confirm=0))
                while get(self.daemon, f"/v1/jobs/{job}")["exit"] is None:
                    for question in self.take(wait_s=0.1):
                        odd = question["trial"] % 2 == 1
                        if not odd or self.report(question, MISSES):
                            self.complete(question)
                document = finished(self.daemon, job)
                self.assertEqual(document["state"], "completed")
                states = [t["state"] for t in
                          jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials")]
                self.assertEqual("pruned" in states, strategy not in ("bayesian",))
                best = get(self.daemon, f"/v1/jobs/{job}/best")
                self.assertEqual(states[best["trial"]], "told")

    def test_it_survives_a_kill(self):
        asked = []
        for kill in (False, True):
            criterion = {"strategy": "sgp", "stop_on": "budget", "max_trials": 12}
            job = self.start(pool_body(tuning_criterion=criterion))
            configs = []
            while get(self.daemon, f"/v1/jobs/{job}")["exit"] is None and len(configs) < 12:
                for question in self.take(wait_s=0.1):
                    configs.append(question["config"])
                    if self.report(question, MISSES if question["trial"] < 4 else OPEN):
                        self.complete(question)
                    if kill:
                        self.killed_and_started()
            asked.append(configs)
            self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        self.assertGreater(len(asked[0]), 3)
        self.assertEqual(asked[0], asked[1])

    def test_the_baseline_is_measured_to_the_end(self):
        submit(self.daemon, pool_body())
        self.assertTrue(self.report(self.one(), {"seen": 999, "correct": 0, "total": 1000}))

    def test_an_evaluator_that_said_202(self):
        evaluator = jobkit.Evaluator(lambda q, h: (202, {}))
        self.addCleanup(evaluator.close)
        job = submit(self.daemon, {**busy_body(1), "evaluator": {"url": evaluator.url},
                                   "accuracy_criterion": {"tolerable_loss": 0.01}})
        wait_until(lambda: len(evaluator.calls) == 1)
        self.complete(evaluator.calls[0][1], {"accuracy": 0.9, "latency_ms": 100})
        wait_until(lambda: len(evaluator.calls) == 2)
        self.assertFalse(self.report(evaluator.calls[1][1], MISSES))
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/trials/1")["state"], "pruned")

    def test_faults(self):
        self.start()
        question = self.one()
        for progress, pointer in (
            ({"sum": 1, "sum_squares": 2}, "/progress/seen"),
            ({"seen": 10, "correct": 11}, "/progress/correct"),
            ({"seen": 11, "correct": 1, "total": 10}, "/progress/seen"),
            ({"seen": 10, "total": 100, "sum": 1}, "/progress/sum_squares"),
            ({"seen": 10, "sum": 1, "sum_squares": 1, "range": [1, 0]}, "/progress/range"),
            ({"seen": 10, "sum": 1, "sum_squares": 1, "range": [1]}, "/progress/range"),
            (7, "/progress"),
        ):
            problem = self.report(question, progress, expected=422)
            self.assertEqual([e["pointer"] for e in problem["errors"]], [pointer], progress)
        for verdict, pointer in (({"error_probability": 0.3}, "/early_verdict/error_probability"),
                                 ({"samples": 0}, "/early_verdict/samples"),
                                 ({"sample": 1}, "/early_verdict/sample")):
            job = pool_body(early_verdict=verdict)
            status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
            self.assertEqual(status, 422)
            self.assertEqual([e["pointer"] for e in problem["errors"]], [pointer])


if __name__ == "__main__":
    unittest.main()
