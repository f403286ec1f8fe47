"""What is better: directions and signs of accuracies and objectives, gains, and tolerances."""

import threading
import unittest

import jobkit
from crash_kit import check_files
from jobkit import everything, finished, get, submit
from patience import PATIENCE_S
from test_jobs import JobCase

FIRST_RULES = {"rules": 1}


STATIC = {
    "weight": {"dtype": ["int8"], "scheme": ["sym"]},
    "activation": {"dtype": ["uint8"], "algorithm": ["minmax"]},
}


def body(url, **more):
    """Four operators that are quantized or not, an evaluator that reports whatever it is asked for."""
    job = jobkit.body(url, **more)
    job["capability"] = {
        "op_types": {"Linear": {"static": STATIC}},
        "ops": [{"name": name, "type": "Linear"} for name in "abcd"],
    }
    return job


def kept(question):
    """How many operators of the config are in high precision."""
    return sum(op["mode"] == "fp32" for op in question["config"]["ops"].values())


class DirectionCase(JobCase):
    def tuned(self, answer, objective=None, criterion=None, strategy="tpe", **more):
        """answer(kept): what a config with so many operators in high precision measures; of the
        baseline's None. Returns the job's document, its best and its trials."""
        evaluator = self.evaluator(
            lambda q, _: answer(None if q["question"] == "baseline" else kept(q))
        )
        tuning = {"strategy": strategy, "stop_on": "budget", "max_trials": 15}
        if objective is not None:
            tuning["objective"] = objective
        more.setdefault("confirm", 0)
        job = submit(self.daemon, body(
            evaluator.url, tuning_criterion=tuning,
            accuracy_criterion=criterion or {"tolerable_loss": 0.01}, **more,
        ))
        document = finished(self.daemon, job)
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        return document, best, everything(self.daemon, f"/v1/jobs/{job}/trials")

    def of_metric(self, baseline, value, direction, **more):
        def answer(n):
            x = baseline if n is None else value
            return {"accuracy": 0.7, "latency_ms": 1, "metrics": {"x": x}}

        return self.tuned(answer, {"metric": "x", "direction": direction}, **more)[:2]


class Accuracy(DirectionCase):
    PERPLEXITY = {"higher_is_better": False, "criterion": "relative", "tolerable_loss": 0.1}
    OBJECTIVES = (
        "accuracy",
        ["accuracy"],
        [{"metric": "accuracy", "weight": 0.9}, {"metric": "latency_ms", "weight": 0.1}],
        {"objective": ["accuracy", "performance"], "weight": [0.9, 0.1]},
    )

    @staticmethod
    def perplexity(n):
        if n is None:
            return {"accuracy": 20.0, "latency_ms": 4}
        return {"accuracy": 19.0 + 0.1 * n, "latency_ms": 3}

    def test_as_an_objective_it_has_the_criterions_direction(self):
        for objective in self.OBJECTIVES:
            for strategy in ("basic", "tpe", "bayesian", "sgp"):
                with self.subTest(objective, strategy=strategy):
                    job, best, trials = self.tuned(
                        self.perplexity, objective, self.PERPLEXITY, strategy
                    )
                    least = min(t["accuracy"] for t in trials if t["kind"] == "evaluate")
                    self.assertEqual(best["accuracy"], least)
                    self.assertFalse(best["keep_baseline"], best)
                    self.assertEqual(job["objective"][0]["direction"], "min")
                    front = get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]
                    self.assertIn(best["trial"], [t["number"] for t in front])

    def test_an_objective_may_say_otherwise(self):
        job, best, trials = self.tuned(
            self.perplexity, {"metric": "accuracy", "direction": "max"}, self.PERPLEXITY
        )
        self.assertEqual(
            best["accuracy"], max(t["accuracy"] for t in trials if t["kind"] == "evaluate")
        )
        front = get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]
        self.assertIn(best["trial"], [t["number"] for t in front])

    def test_alone_it_says_nothing_of_the_baseline(self):
        _, best, _ = self.tuned(lambda n: {"accuracy": 0.7, "latency_ms": 1}, "accuracy")
        self.assertIsNone(best["gain"])
        self.assertFalse(best["keep_baseline"], "it meets the criterion")
        _, best, _ = self.tuned(
            lambda n: {"accuracy": 0.7 if n is None else 0.1, "latency_ms": 1}, "accuracy"
        )
        self.assertEqual(best["keep_baseline_because"], "criterion_missed")

    def test_several_are_weighed_before_they_are_an_objective(self):
        criterion = {"metrics": [
            {"name": "a", "weight": 1, "higher_is_better": False, "tolerable_loss": 1},
            {"name": "b", "weight": 3, "higher_is_better": False, "tolerable_loss": 1},
        ]}

        def answer(n):
            a, b = (5, 5) if n is None else (2 + n, 4 - 0.5 * n)
            return {"accuracy": {"a": a, "b": b}, "latency_ms": 1}

        _, best, trials = self.tuned(answer, "accuracy", criterion)
        values = {
            t["number"]: (t["accuracy"]["a"] + 3 * t["accuracy"]["b"]) / 4
            for t in trials if t["kind"] == "evaluate"
        }
        self.assertEqual(values[best["trial"]], min(values.values()))
        self.assertEqual(best["objective_value"], values[best["trial"]])

    def test_jobs_under_the_first_rules_stay_as_they_were(self):
        job, best, _ = self.tuned(
            self.perplexity, "accuracy", self.PERPLEXITY, "basic", **FIRST_RULES
        )
        self.assertEqual(job["objective"][0]["direction"], "max")
        self.assertGreater(best["accuracy"], 19.0)
        self.assertIsNone(best["gain"])


class Sign(DirectionCase):
    # baseline, value, direction, gain, speedup
    CASES = (
        (10, 5, "min", 0.5, 2), (10, 20, "min", -1, 0.5),
        (10, 15, "max", 0.5, None), (10, 5, "max", -0.5, None),
        (-5, -10, "min", 1, None), (-10, -5, "min", -0.5, None),
        (5, -5, "min", 2, None), (-5, 5, "min", -2, None),
        (-5, -2, "max", 0.6, None), (-2, -5, "max", -1.5, None),
        (-5, 5, "max", 2, None), (5, -5, "max", -2, None),
    )

    def test_a_gain_is_positive_where_it_is_better(self):
        for baseline, value, direction, gain, speedup in self.CASES:
            with self.subTest(f"{direction} {baseline} -> {value}"):
                job, best = self.of_metric(baseline, value, direction)
                self.assertAlmostEqual(best["gain"], gain)
                self.assertEqual(job["best"]["gain"], best["gain"])
                self.assertEqual(best["speedup"], speedup)
                self.assertEqual(best["keep_baseline"], gain < 0)

    def test_a_baseline_of_0_has_no_share_to_gain(self):
        for baseline, value, direction in ((0, -1, "min"), (0, 1, "max"), (1, 0, "min")):
            with self.subTest(f"{direction} {baseline} -> {value}"):
                _, best = self.of_metric(baseline, value, direction)
                self.assertEqual((best["gain"], best["speedup"]), (None, None))
                self.assertFalse(best["keep_baseline"], "it meets the criterion")

    def test_min_gain_says_what_is_worth_it(self):
        for gain, more, keep in (
            (0.019, {}, True), (0.02, {}, False), (0.019, {"min_gain": 0}, False),
            (0.3, {"min_gain": 0.31}, True), (0.3, {"min_gain": 0.3}, False),
        ):
            with self.subTest(gain, **more):
                job, best = self.of_metric(10, 10 * (1 - gain), "min", **more)
                self.assertEqual(best["keep_baseline"], keep, best)
                self.assertEqual(job["min_gain"], more.get("min_gain", 0.02))
        url = self.evaluator().url
        for wrong in (-0.1, 10.1, "much"):
            self.assertIn("/min_gain", self.refused(body(url, min_gain=wrong)))

    def test_best_is_never_what_another_one_beats_in_everything(self):
        weights = [{"metric": "x", "weight": 0.8}, {"metric": "latency_ms", "weight": 0.2}]
        for start in (-100, 0, 100):
            def answer(n, start=start):
                if n is None:
                    return {"accuracy": 0.7, "latency_ms": 2, "metrics": {"x": start}}
                n = min(n, 3)  # all four are the baseline, which is handed over as such
                return {"accuracy": 0.7, "latency_ms": 1.5 - 0.1 * n,
                        "metrics": {"x": start - 20 * n}}

            for strategy in ("basic", "tpe", "random"):
                with self.subTest(start, strategy=strategy):
                    _, best, trials = self.tuned(answer, weights, strategy=strategy)
                    lowest = min(t["metrics"]["x"] for t in trials if t["kind"] == "evaluate")
                    self.assertEqual(best["metrics"]["x"], lowest)


class Several(DirectionCase):
    WEIGHTS = [{"metric": "latency_ms", "weight": 0.3}, {"metric": "y", "direction": "max"}]

    @staticmethod
    def answer(n):
        latency, y = (4, 10) if n is None else ((1, 2, 2.5, 3, 3.5)[n], (10, 14, 15, 15.5, 15)[n])
        return {"accuracy": 0.7, "latency_ms": latency, "metrics": {"y": y}}

    def test_the_least_value_is_best_at_the_end(self):
        job, best, trials = self.tuned(self.answer, self.WEIGHTS)
        values = {t["number"]: t["objective_value"] for t in trials
                  if t["kind"] == "evaluate" and t["objective_value"] is not None}
        self.assertEqual(best["trial"], min(values, key=values.get))
        self.assertEqual(best["objective_value"], values[best["trial"]])
        self.assertEqual(job["best"]["objective_value"], values[best["trial"]])
        self.assertTrue(all(0 <= value <= 1 for value in values.values()), values)
        events = everything(self.daemon, f"/v1/jobs/{job['id']}/events")
        ranked = [e for e in events if e["type"] == "trials_ranked"]
        self.assertEqual(len(ranked), 1)
        self.assertEqual({n: ranked[0]["data"]["values"][n] for n in values}, values)
        told = self.answer(kept({"config": best["config"]}))
        gain = 0.3 * (4 - told["latency_ms"]) / 4 + (told["metrics"]["y"] - 10) / 10
        self.assertAlmostEqual(best["gain"], gain)

    def test_until_then_the_values_are_by_gain(self):
        evaluator = self.evaluator(
            lambda q, _: self.answer(None if q["question"] == "baseline" else kept(q))
        )
        job = submit(self.daemon, body(
            evaluator.url, confirm=0, accuracy_criterion={"tolerable_loss": 0.01},
            tuning_criterion={"strategy": "tpe", "stop_on": "budget", "max_trials": 3,
                              "objective": self.WEIGHTS},
        ))
        finished(self.daemon, job)
        events = everything(self.daemon, f"/v1/jobs/{job}/events")
        told = [e["data"] for e in events if e["type"] == "trial_told"]
        self.assertEqual(told[0]["objective_value"], 1, "the baseline's")
        for data in told[1:]:
            gain = 0.3 * (4 - data["metrics"]["latency_ms"]) / 4 + data["metrics"]["y"] / 10 - 1
            self.assertAlmostEqual(data["objective_value"], 1 - gain / 1.3)

    def test_a_restart_while_the_best_is_confirmed_ranks_no_second_time(self):
        asked, out, killed = [], threading.Event(), threading.Event()

        def reply(question, _):
            if question["question"] == "baseline":
                return self.answer(None)
            if question["config"] in asked and not killed.is_set():
                out.set()
                killed.wait(PATIENCE_S)
            asked.append(question["config"])
            return self.answer(kept(question))

        job = submit(self.daemon, body(
            self.evaluator(reply).url, confirm=1, accuracy_criterion={"tolerable_loss": 0.3},
            tuning_criterion={"strategy": "tpe", "stop_on": "budget", "max_trials": 4,
                              "objective": self.WEIGHTS},
        ))
        self.assertTrue(out.wait(PATIENCE_S))
        before = get(self.daemon, f"/v1/jobs/{job}")["best"]
        self.killed_and_started()
        killed.set()
        best = finished(self.daemon, job)["best"]
        self.assertEqual(best["trial"], before["trial"])
        events = everything(self.daemon, f"/v1/jobs/{job}/events")
        self.assertEqual([e["type"] for e in events].count("trials_ranked"), 1)
        self.daemon.kill9()
        check_files(self, self.daemon.directory)
        self.daemon.start()

    def test_a_confirmation_that_rejects_has_them_ranked_again(self):
        asked = []

        def reply(question, _):
            if question["question"] == "baseline":
                return self.answer(None)
            again = question["config"] in asked
            asked.append(question["config"])
            answer = self.answer(kept(question))
            return {**answer, "accuracy": 0.1 if again and len(asked) == 5 else 0.7}

        job = submit(self.daemon, body(
            self.evaluator(reply).url, confirm=1, accuracy_criterion={"tolerable_loss": 0.3},
            tuning_criterion={"strategy": "tpe", "stop_on": "budget", "max_trials": 4,
                              "objective": self.WEIGHTS},
        ))
        best = finished(self.daemon, job)["best"]
        events = everything(self.daemon, f"/v1/jobs/{job}/events")
        ranks = [e["data"]["values"] for e in events if e["type"] == "trials_ranked"]
        self.assertEqual(len(ranks), 2)
        first = min((v, n) for n, v in enumerate(ranks[0]) if v is not None)[1]
        self.assertIsNone(ranks[1][first], "it was rejected")
        self.assertEqual(best["trial"],
                         min((v, n) for n, v in enumerate(ranks[1]) if v is not None)[1])
        self.assertEqual(best["objective_value"], ranks[1][best["trial"]])

    def test_incs_dictionary(self):
        url = self.evaluator().url

        def submitted(objective):
            job = submit(self.daemon, body(url, tuning_criterion={"objective": objective}))
            return get(self.daemon, f"/v1/jobs/{job}")["objective"]

        lists = {"objective": ["performance", "modelsize"], "weight": [0.1, 0.9]}
        self.assertEqual(submitted(lists), [
            {"metric": "latency_ms", "weight": 0.1, "direction": "min"},
            {"metric": "model_size_bytes", "weight": 0.9, "direction": "min"},
        ])
        self.assertEqual(
            [term["weight"] for term in submitted({"objective": ["performance", "x"]})], [1, 1]
        )
        directed = submitted({"objective": ["accuracy", "x"], "higher_is_better": [True, True]})
        self.assertEqual([term["direction"] for term in directed], ["max", "max"])
        pointer = "/tuning_criterion/objective"
        for wrong, at in (
            ({"objective": ["performance"], "weight": [0.1, 0.9]}, "/weight"),
            ({"objective": ["performance", "x"], "weight": [1]}, "/weight"),
            ({"objective": ["performance", "x"], "weight": [1, -1]}, "/weight/1"),
            ({"objective": ["performance", "x"], "higher_is_better": [True]}, "/higher_is_better"),
            ({"objective": []}, "/objective"), ({"objective": "performance"}, "/objective"),
            ({"objective": ["x"], "metric": "x"}, "/metric"),
        ):
            with self.subTest(wrong):
                faults = self.refused(body(url, tuning_criterion={"objective": wrong}))
                self.assertIn(pointer + at, faults)


class Tolerance(DirectionCase):
    def test_small_metrics_are_not_below_all_tolerance(self):
        for criterion in ("relative", "absolute"):
            loss = 0.01 if criterion == "relative" else 1e-12
            _, best, _ = self.tuned(
                lambda n: {"accuracy": 1e-10 if n is None else 9e-10, "latency_ms": 1},
                criterion={"higher_is_better": False, "criterion": criterion,
                           "tolerable_loss": loss},
            )
            self.assertFalse(best["feasible"])
            self.assertGreater(best["accuracy_loss"], 0)

    def test_what_is_too_large_for_a_number_misses_the_criterion(self):
        for baseline, value, higher in ((0.05, 1e308, False), (1e308, -1e308, True)):
            for strategy in ("random", "tpe", "bayesian", "sgp", "basic"):
                with self.subTest(baseline, strategy=strategy):
                    job, best, trials = self.tuned(
                        lambda n: {"accuracy": baseline if n is None else value, "latency_ms": 1},
                        strategy=strategy,
                        criterion={"higher_is_better": higher, "tolerable_loss": 0.01},
                    )
                    self.assertIs(best["feasible"], False)
                    self.assertEqual(best["accuracy"], value)
                    self.assertEqual(best["objective_value"], 1)
                    self.assertIsNone(best["accuracy_loss"])
                    self.assertEqual(best["nearest"], {"accuracy": value, "misses_by": None})
                    self.assertIs(job["best"]["feasible"], False)
                    self.assertIsNone(trials[1]["margin"])

    def test_an_error_may_be_allowed_to_double(self):
        criterion = {"higher_is_better": False, "criterion": "relative", "tolerable_loss": 1.5}
        _, best, _ = self.tuned(
            lambda n: {"accuracy": 2 if n is None else 4.9, "latency_ms": 2 if n is None else 1},
            criterion=criterion,
        )
        self.assertTrue(best["feasible"])
        url = self.evaluator().url
        criterion["higher_is_better"] = True
        pointer = "/accuracy_criterion/tolerable_loss"
        self.assertIn(pointer, self.refused(body(url, accuracy_criterion=criterion)))
        for loss, words in ((3, ": is 3 % meant, which is 0.03?"), (300, "")):
            with self.subTest(loss=loss):
                faults = self.refused(body(url, accuracy_criterion={"tolerable_loss": loss}))
                self.assertEqual(faults[pointer], f"a share of the accuracy is expected, and {loss} is more than all of it{words}")
        criterion.update(higher_is_better=False, metrics=[{"name": "a", "higher_is_better": True}])
        self.assertIn("/accuracy_criterion/metrics/0",
                      self.refused(body(url, accuracy_criterion=criterion)))
        old = body(url, accuracy_criterion={"higher_is_better": False, "tolerable_loss": 1.5})
        self.assertIn(pointer, self.refused({**old, **FIRST_RULES}))


if __name__ == "__main__":
    unittest.main()
