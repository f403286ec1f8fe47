"""What would be best under another tolerable loss, chosen anew from what was measured."""

import tempfile
import unittest

import jobkit
from cli_kit import NOT_MET, OK, REFUSED, CliTest
from daemon import Daemon
from jobkit import body, finished, get, submit

OPERATORS = 4
# What each operator costs in accuracy when it is lowered; each saves ten milliseconds.
LOSSES = (0.001, 0.002, 0.004, 0.008)


def lowered(question):
    ops = question["config"]["ops"]
    return [i for i in range(OPERATORS) if ops[f"op{i}"]["mode"] != "fp32"]


def answer(question, headers):
    if question["question"] == "baseline":
        return {"accuracy": 1.0, "latency_ms": 100.0}
    ops = lowered(question)
    return {"accuracy": 1 - sum(LOSSES[i] for i in ops), "latency_ms": 100.0 - 10 * len(ops)}


def capability():
    return {
        "op_types": {"Conv2d": {"static": {"weight": {"dtype": ["int8"]}}}},
        "ops": [{"name": f"op{i}", "type": "Conv2d"} for i in range(OPERATORS)],
        "metrics": ["accuracy", "latency_ms"],
    }


def config(*ops):
    return {"ops": {f"op{i}": {"mode": "fp32"} for i in range(OPERATORS) if i not in ops}}


class Tolerance(CliTest):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

    def ended(self, reply=answer, **more):
        """A job that has measured every subset of the operators: there are no more configs."""
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        settings = {
            "capability": capability(), "confirm": 0,
            "accuracy_criterion": {"tolerable_loss": 0.0035},
            "tuning_criterion": {"strategy": "tpe", "max_trials": 40, "stop_on": "budget"},
        }  # fmt: skip
        job = submit(self.daemon, body(evaluator.url, **{**settings, **more}))
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "space_exhausted")
        return job

    def best(self, job, loss, expected=200):
        return get(self.daemon, f"/v1/jobs/{job}/best?tolerable_loss={loss}", expected)

    def kept(self, best):
        return [i for i in range(OPERATORS) if best["config"]["ops"][f"op{i}"]["mode"] == "fp32"]

    def test_each_loss_has_its_own_best(self):
        job = self.ended()
        own = get(self.daemon, f"/v1/jobs/{job}/best")
        self.assertEqual(self.kept(own), [2, 3])
        self.assertNotIn("tolerable_loss", own)
        for loss, kept, gain in (
            (0.0036, [2, 3], 0.2), (0.001, [1, 2, 3], 0.1), (0.0071, [3], 0.3), (1, [], 0.4),
        ):  # fmt: skip
            with self.subTest(loss=loss):
                best = self.best(job, loss)
                self.assertEqual(self.kept(best), kept)
                self.assertTrue(best["feasible"])
                self.assertFalse(best["keep_baseline"])
                self.assertAlmostEqual(best["gain"], gain)
                self.assertEqual(best["tolerable_loss"], loss)
                self.assertEqual(best["measurements"], 1)
                self.assertIn(f"trial {best['trial']} is best where {loss:g} may be lost, "
                              "of 15 measured configs", best["verdict"])  # fmt: skip
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/best"), own)

    def test_what_was_measured_often_is_preferred_to_what_was_once_a_little_quicker(self):
        """The end game measures its choice three times; what loses more is 3 % quicker, measured once."""
        quicker = {(0, 1): 80.0, (0, 1, 2): 78.0}

        def reply(question, headers):
            if question["question"] == "baseline":
                return {"accuracy": 1.0, "latency_ms": 100.0}
            ops = tuple(lowered(question))
            return {"accuracy": 1 - sum(LOSSES[i] for i in ops), "latency_ms": quicker.get(ops, 99.0)}

        job = self.ended(reply, confirm=2, confirm_max=2)
        own = get(self.daemon, f"/v1/jobs/{job}/best")
        self.assertEqual(self.kept(own), [2, 3])
        best = self.best(job, 0.01)
        self.assertGreater(best["measurements"], 1)
        self.assertEqual(self.kept(best), [2, 3])
        self.assertAlmostEqual(best["accuracy_loss"], 0.003)
        self.assertIn(f"; figures are means of all its {best['measurements']} measurements, those of the job's own verdict of "
                      f"{own['measurements']} of them; a job", best["verdict"])
        self.assertNotIn("figures are means", self.best(job, 0.001)["verdict"])

    def test_what_was_measured_once_says_so_and_how_little_that_is(self):
        for other, words in ((300.0, "may be lost, of 15 measured configs, measured once, where measurements of one config scatter by 55 %; a job"),
                             (101.0, "may be lost, of 15 measured configs, measured once; a job")):
            baselines = [100.0, other]

            def reply(question, headers, baselines=baselines):
                if question["question"] == "baseline":
                    return {"accuracy": 1.0, "latency_ms": baselines.pop(0)}
                return answer(question, headers)

            with self.subTest(other=other):
                best = self.best(self.ended(reply, confirm=1, confirm_max=1), 0.0071)
                self.assertEqual((best["measurements"], best["keep_baseline"], baselines), (1, False, []))
                self.assertIn(words, best["verdict"])

    def test_medians_are_named_where_one_measurement_makes_most_of_a_mean(self):
        """As the job's own verdict does; what medians do not gain is not proved."""
        for latency, keep, words in ((99.0, True, "keep fp32 where 0.0036 may be lost, of 15 measured configs: "
                                                  "3.28 times as fast (1.02 times by medians); "),
                                     (80.0, False, " is best where 0.0036 may be lost, of 15 measured configs: "
                                                   "4.06 times as fast (1.26 times by medians); ")):
            baselines = [100.0, 1000.0, 101.0, 99.0]

            def reply(question, headers, latency=latency, baselines=baselines):
                if question["question"] == "baseline":
                    return {"accuracy": 1.0, "latency_ms": baselines.pop(0)}
                ops = lowered(question)
                return {"accuracy": 1 - sum(LOSSES[i] for i in ops), "latency_ms": latency + 30 * (ops != [0, 1])}

            with self.subTest(latency=latency):
                best = self.best(self.ended(reply, confirm=3, confirm_max=3), 0.0036)
                self.assertEqual((baselines, best["measurements"]), ([], 4))
                self.assertEqual((best["keep_baseline"], best["keep_baseline_because"]), (keep, "not_proved" if keep else None))
                self.assertIn(words, best["verdict"])

    def test_trials_are_held_to_the_baseline_that_the_job_holds_its_choice_to(self):
        """Behind the first measurement of the baseline the machine has become another: that one counts no more."""
        for later, one, of_baseline in ((300.0, 170.0, 300.0), (104.0, 70.0, 308.0 / 3)):
            baselines = [100.0, later, later]

            def reply(question, headers, one=one, baselines=baselines):
                if question["question"] == "baseline":
                    return {"accuracy": 1.0, "latency_ms": baselines.pop(0)}
                ops = lowered(question)
                return {"accuracy": 1 - sum(LOSSES[i] for i in ops), "latency_ms": one + 30 - 10 * len(ops)}

            with self.subTest(later=later):
                job = self.ended(reply, confirm=2, confirm_max=2)
                own = get(self.daemon, f"/v1/jobs/{job}/best")
                self.assertAlmostEqual(own["baseline"]["objective_value"], of_baseline)
                best = self.best(job, 0.0071)
                self.assertEqual((self.kept(best), best["measurements"], best["keep_baseline"]), ([3], 1, False))
                self.assertAlmostEqual(best["baseline"]["objective_value"], of_baseline)
                self.assertAlmostEqual(best["gain"], 1 - one / of_baseline)
                self.assertEqual(baselines, [])

    def test_where_nothing_may_be_lost_the_baseline_is_kept(self):
        job = self.ended()
        best = self.best(job, 0)
        self.assertFalse(best["feasible"])
        self.assertEqual(best["keep_baseline_because"], "criterion_missed")
        self.assertTrue(best["keep_baseline"])
        self.assertEqual(self.kept(best), [1, 2, 3])  # the nearest
        self.assertIn("keep fp32", best["verdict"])
        self.assertGreater(best["nearest"]["misses_by"], 0)

    def test_what_was_excluded_does_not_count(self):
        job = self.ended()
        first = self.best(job, 0.0071)
        path = f"/v1/jobs/{job}/trials/{first['trial']}/exclude"
        self.assertEqual(self.daemon.request("POST", path, {"reason": "hot"})[0], 200)
        self.assertNotEqual(self.best(job, 0.0071)["trial"], first["trial"])

    def test_several_objectives_are_weighed(self):
        def reply(question, headers):
            told = answer(question, headers)
            many = question["question"] == "baseline" or len(lowered(question)) < 2
            return {**told, "metrics": {"model_size_bytes": 100.0 if many else 150.0}}

        can_do = {**capability(), "metrics": ["accuracy", "latency_ms", "model_size_bytes"]}
        objective = [{"metric": "latency_ms", "weight": 0.2},
                     {"metric": "model_size_bytes", "weight": 0.8}]  # fmt: skip
        criterion = {"strategy": "tpe", "max_trials": 40, "stop_on": "budget",
                     "objective": objective}  # fmt: skip
        job = self.ended(reply, capability=can_do, tuning_criterion=criterion)
        self.assertEqual(len(self.kept(self.best(job, 1))), 3)

    def test_of_what_was_measured_on_other_data_the_time_counts_and_not_the_accuracy(self):
        def reply(question, headers):
            told = answer(question, headers)
            if "subset" not in question:
                return told
            slow = 20.0 if question["question"] == "baseline" else 0.0
            return {"accuracy": told["accuracy"] / 2, "latency_ms": told["latency_ms"] - slow}

        job = self.ended(reply, confirm=1, acceptance={"subset": {"split": "fresh"}})
        best = self.best(job, 0.00351)
        self.assertEqual(self.kept(best), [2, 3])
        self.assertAlmostEqual(best["accuracy"], 0.997)
        self.assertAlmostEqual(best["objective_value"], 80)
        rounds = best["measurements"] - 1
        self.assertGreater(rounds, 0)
        self.assertAlmostEqual(best["gain"], 1 - 80 * (1 + rounds) / (100 + 80 * rounds))

    def test_the_loss_of_the_job_itself_gives_what_the_job_hands_over(self):
        """What it has proved by measuring again is not chosen anew from first measurements."""

        def reply(question, headers):
            told = answer(question, headers)
            slow = 15.0 if lowered(question) == [0, 1] and question.get("repeat", 0) > 0 else 0.0
            return {**told, "latency_ms": told["latency_ms"] + slow}

        job = self.ended(reply, confirm=1, accuracy_criterion={"tolerable_loss": 0.0045})
        own = get(self.daemon, f"/v1/jobs/{job}/best")
        self.assertEqual(self.best(job, 0.0045), {**own, "tolerable_loss": 0.0045})
        self.assertEqual(own["baseline"]["accuracy"], 1.0)
        self.assertGreater(own["measurements"], 1)

    def test_repeats_count_by_their_mean(self):
        """What a lucky first measurement let through misses by the mean of all of them."""

        def reply(question, headers):
            told = answer(question, headers)
            if question["question"] == "baseline":
                return told
            unlucky = 0.001 if question.get("repeat", 0) > 0 else 0
            return {**told, "accuracy": told["accuracy"] - unlucky}

        job = self.ended(reply, confirm=1)
        confirmed = get(self.daemon, f"/v1/jobs/{job}/best")["trial"]
        best = self.best(job, 1.0)
        self.assertEqual(best["measurements"], 1)
        trials = jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials?kind=confirm&limit=50")
        self.assertTrue(trials)
        of = next(t for t in jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials?limit=50")
                  if t["number"] == confirmed)  # fmt: skip
        again = [t for t in trials if t["hash"] == of["hash"]]
        self.assertTrue(again)
        loss = 1 - of["accuracy"] + 1e-6  # met by the first measurement, not by the mean
        best = self.best(job, loss)
        self.assertFalse(best["feasible"])
        self.assertEqual((best["trial"], best["measurements"]), (confirmed, 1 + len(again)))
        self.assertAlmostEqual(best["accuracy"], (of["accuracy"] + again[0]["accuracy"]) / 2)

    def test_what_is_no_loss_is_refused(self):
        job = self.ended()
        for text in ("", "much", "-0.1", "nan", "inf", "1e400", "0.1x"):
            with self.subTest(text=text):
                self.best(job, text, 400)
        self.assertIn("3 is more than all of it: is 3 % meant, which is 0.03?", self.best(job, 3, 400)["detail"])
        error = self.ended(lambda q, h: {"accuracy": 1 + (q["question"] != "baseline"), "latency_ms": 9}, accuracy_criterion={"higher_is_better": False})
        self.assertTrue(self.best(error, 3)["feasible"], "an error may be four times as large")
        several = [{"name": "top1"}, {"name": "top5"}]

        def reply(question, headers):
            told = answer(question, headers)
            return {**told, "accuracy": {"top1": told["accuracy"], "top5": 1.0}}

        job = self.ended(reply, accuracy_criterion={"metrics": several})
        self.best(job, 0.1, 422)

    def test_before_the_baseline_there_is_none(self):
        job = submit(self.daemon, body(None, capability=capability(), evaluator={"pool": "nobody"}))
        self.best(job, 0.1, 409)
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")

    def test_narrow_best_shows_it(self):
        job = self.ended()
        text = self.runs(OK, self.daemon.url, "best", job, "--tolerable-loss", "0.0071")
        self.assertIn("relative loss of at most 0.71 %", text)
        self.assertIn("op3 (fp32)", text)
        self.runs(NOT_MET, self.daemon.url, "best", job, "--tolerable-loss", "0")
        self.runs(REFUSED, self.daemon.url, "best", job, "--tolerable-loss", "x")


if __name__ == "__main__":
    unittest.main()
