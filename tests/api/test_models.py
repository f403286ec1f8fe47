"""Strategies that fit models, through the daemon: what the capability tells them, and noise."""

import re
import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit

OPS = 16


def capability(**known):
    modes = {"static": {"weight": {"dtype": ["int8"]}}, "fp32": {}}
    ops = [{"name": f"op{i}", "type": "Linear", **known} for i in range(OPS)]
    return {"op_types": {"Linear": modes}, "ops": ops, "answers": ["evaluate"],
            "metrics": ["accuracy", "latency_ms"]}


def true_loss(config):
    """Relative to the baseline. A few operators make most of it."""
    quantized = [i for i in range(OPS) if config["ops"][f"op{i}"]["mode"] == "static"]
    return sum(0.02 / (1 + i) for i in quantized)


class ModelCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def serve(self, noise):
        def reply(question, headers):
            if question["question"] == "baseline":
                return {"accuracy": 0.8, "latency_ms": 16}
            config = question["config"]
            draw = jobkit.crash_model.unit("noise", question["trial"]) * 2 - 1
            fast = sum(op["mode"] == "static" for op in config["ops"].values())
            accuracy = 0.8 * (1 - true_loss(config) + noise * draw)
            return {"accuracy": accuracy, "latency_ms": 16 - 0.5 * fast}

        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator.url

    def tune(self, url, strategy, **more):
        job = body(url, **{
            "capability": capability(),
            "tuning_criterion": {"strategy": strategy, "stop_on": "budget", "max_trials": 40},
            "accuracy_criterion": {"tolerable_loss": 0.01},
            "confirm": 0,
            **more,
        })
        return finished(self.daemon, submit(self.daemon, job))


class Noise(ModelCase):
    def best_config(self, job):
        best = get(self.daemon, f"/v1/jobs/{job['id']}/best")
        number = job["best"]["trial"]
        trial = get(self.daemon, f"/v1/jobs/{job['id']}/trials/{number}?config=full")
        self.assertEqual(best["config"], trial["config"])
        return trial["config"]

    def test_what_is_handed_over_holds(self):
        """Noise lets configs that lose too much seem to meet the criterion."""
        job = self.tune(self.serve(0.008), "sgp", max_failed_trials=0)
        path = f"/v1/jobs/{job['id']}/trials"
        feasible = [t["number"] for t in jobkit.everything(self.daemon, path)
                    if t["feasible"] and t["kind"] == "evaluate"]
        configs = [get(self.daemon, f"{path}/{n}?config=full")["config"] for n in feasible]
        lucky = [config for config in configs if true_loss(config) > 0.01]
        self.assertNotEqual(lucky, [], "else there is nothing to resist")
        self.assertTrue(job["best"]["feasible"])
        self.assertLessEqual(true_loss(self.best_config(job)), 0.01)

    def test_without_noise_the_best_measurement_is_handed_over(self):
        job = self.tune(self.serve(0), "sgp", tuning_criterion={
            "strategy": "sgp", "stop_on": "budget", "max_trials": 60})
        trials = jobkit.everything(self.daemon, f"/v1/jobs/{job['id']}/trials")
        fastest = min((t["metrics"]["latency_ms"] for t in trials if t["feasible"]), default=None)
        self.assertEqual(job["best"]["objective_value"], fastest)
        self.assertEqual(job["exit"]["reason"], "max_trials", "it goes on as long as it may")


class Posterior(ModelCase):
    """The sensitivity document says what a model believes, whichever strategy measured."""

    def sensitivity(self, strategy, **more):
        job = self.tune(self.serve(0), strategy, **more)
        return job, get(self.daemon, f"/v1/jobs/{job['id']}/sensitivity")

    def check(self, document, within):
        for i, item in enumerate(document["items"]):
            quantized, fp32 = item["options"]
            self.assertEqual(quantized["mode"], "static")
            self.assertEqual(quantized["weight"], {"dtype": "int8"})
            self.assertEqual(fp32["mode"], "fp32")
            self.assertEqual(fp32["loss"], {"mean": 0, "spread": 0})
            self.assertAlmostEqual(quantized["loss"]["mean"], 2 / (1 + i), delta=within)
            self.assertGreater(quantized["loss"]["spread"], 0)
            self.assertEqual(item["least"], 0)
            share = float(f"{quantized['loss']['mean']:.3g}")
            lost = float(re.match(r"in int8 it is believed to lose (\S+) % where 1 % is allowed and to save 0\.\d+ ms", item["lowered"])[1])
            self.assertAlmostEqual(lost, share, delta=0.01)
            self.assertAlmostEqual(quantized["latency_change_ms"]["mean"], -0.5, delta=0.2)

    def test_of_a_staged_strategy(self):
        job, document = self.sensitivity("basic")
        self.assertEqual(document["model"]["trials"], job["budget"]["trials_measured"])
        self.check(document, 0.5)

    def test_of_one_that_learns(self):
        _, document = self.sensitivity("tpe")
        self.check(document, 1)

    def test_before_the_first_trial_there_is_none(self):
        job = submit(self.daemon, body("http://127.0.0.1:9001", capability=capability()))
        self.daemon.request("POST", f"/v1/jobs/{job}/pause")
        document = get(self.daemon, f"/v1/jobs/{job}/sensitivity")
        self.assertIsNone(document["model"])
        self.assertEqual({(item["options"], item["least"], item["lowered"]) for item in document["items"]}, {(None,) * 3})


class Known(ModelCase):
    def test_latencies_and_scores_are_used(self):
        """What is said of operators decides what is tried first, and what is said wrongly is not the end."""
        known = capability(latency_ms={"static": 2, "fp32": 1}, score={"static": 1})
        job = self.tune(self.serve(0), "knapsack", capability=known)
        self.assertGreater(job["budget"]["trials_measured"], 2, "fp32 is not faster, as it was said")
        self.assertFalse(job["best"]["keep_baseline"])
        known = capability(latency_ms={"static": 0.5, "fp32": 1}, score={"static": 1})
        for i, op in enumerate(known["ops"]):
            op["score"] = {"static": 1 / (1 + i)}
        job = self.tune(self.serve(0), "knapsack", capability=known)
        self.assertTrue(job["best"]["feasible"])
        self.assertEqual(job["best"]["objective_value"], 13, "the six that suffer least")

    def test_faults(self):
        for known, pointer in (
            ({"latency_ms": {"static": -1}}, "/capability/ops/0/latency_ms/static"),
            ({"latency_ms": {"int8": 1}}, "/capability/ops/0/latency_ms/int8"),
            ({"latency_ms": 3}, "/capability/ops/0/latency_ms"),
            ({"score": {"fp32": "much"}}, "/capability/ops/0/score/fp32"),
        ):
            status, _, problem = self.daemon.request(
                "POST", "/v1/jobs", body("http://127.0.0.1:9001", capability=capability(**known))
            )
            self.assertEqual(status, 422)
            self.assertEqual(problem["errors"][0]["pointer"], pointer)


class OptionScores(ModelCase):
    """Of two ways to quantize an operator, one suffers; which one differs, and only a table of
    scores tells them apart."""

    def setUp(self):
        super().setUp()
        self.evaluator = jobkit.Evaluator(self.reply)
        self.addCleanup(self.evaluator.close)
        self.spoil = lambda scores: scores
        self.asked = []

    def capability(self, *answers):
        modes = {"static": {"weight": {"dtype": ["int8"], "scheme": ["sym", "asym"]}}, "fp32": {}}
        ops = [{"name": f"op{i}", "type": "Linear"} for i in range(OPS)]
        return {"op_types": {"Linear": modes}, "ops": ops, "answers": ["evaluate", *answers],
                "metrics": ["accuracy", "latency_ms"]}

    def loss(self, name, op):
        if op["mode"] == "fp32":
            return 0
        suffers = ("sym", "asym")[int(name[2:]) * 7 % 5 % 2]
        return 0.004 if op["weight"]["scheme"] == suffers else 0.0001

    def reply(self, question, headers):
        if question["question"] == "baseline":
            return {"accuracy": 1, "latency_ms": 100}
        if question["question"] == "score":
            self.asked.append(question)
            if "options" not in question:
                return {"scores": {name: 1 for name in question["ops"]}}
            return {"scores": self.spoil({
                name: [self.loss(name, op) for op in options]
                for name, options in question["options"].items()
            })}
        ops = question["config"]["ops"]
        fast = sum(op["mode"] != "fp32" for op in ops.values())
        return {"accuracy": 1 - sum(self.loss(name, op) for name, op in ops.items()),
                "latency_ms": 100 - 4 * fast}

    def submit(self, strategy, *answers, **more):
        criterion = {"strategy": strategy, "stop_on": "budget", "max_trials": 6}
        return submit(self.daemon, body(self.evaluator.url, **{
            "capability": self.capability(*answers), "tuning_criterion": criterion,
            "accuracy_criterion": {"tolerable_loss": 0.01}, "confirm": 0, **more,
        }))

    def best(self, job):
        finished(self.daemon, job)
        return get(self.daemon, f"/v1/jobs/{job}/best")["metrics"]["latency_ms"]

    def test_the_table_is_worth_it(self):
        for strategy in ("knapsack", "sgp"):
            with self.subTest(strategy):
                self.asked = []
                all_fast = 100 - 4 * OPS
                self.assertEqual(self.best(self.submit(strategy, "score:mse:options")), all_fast)
                (question,) = self.asked
                self.assertEqual(list(question["options"]), question["ops"])
                for options in question["options"].values():
                    self.assertEqual([op["mode"] for op in options], ["static", "static", "fp32"])
                without = self.best(self.submit(strategy, "score:mse"))
                self.assertGreater(without, all_fast)

    def test_it_is_shown(self):
        job = self.submit("sgp", "score:mse:options")
        finished(self.daemon, job)
        items = get(self.daemon, f"/v1/jobs/{job}/sensitivity")["items"]
        for item in items:
            expected = [self.loss(item["op"], option) for option in item["options"]]
            self.assertEqual([option["score"] for option in item["options"]], expected)
            means = [option["loss"]["mean"] for option in item["options"] if option["mode"] != "fp32"]
            self.assertEqual(item["least"], means.index(min(means)))
            self.assertEqual(item["score"], expected[0])

    def test_a_crash_does_not_lose_it(self):
        job = self.submit("knapsack", "score:mse:options")
        jobkit.wait_until(lambda: len(self.evaluator.calls) > 3)
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(self.best(job), 100 - 4 * OPS)
        self.assertEqual(len(self.asked), 1)
        undisturbed = self.submit("knapsack", "score:mse:options")
        finished(self.daemon, undisturbed)
        path = "/v1/jobs/{}/trials/{}?config=full"
        count = get(self.daemon, f"/v1/jobs/{job}")["progress"]["told"]
        for trial in range(2, count):
            configs = [get(self.daemon, path.format(one, trial))["config"]
                       for one in (job, undisturbed)]
            self.assertEqual(*configs)

    def test_a_clone_takes_it_over(self):
        job = self.submit("sgp", "score:mse:options")
        finished(self.daemon, job)
        status, _, clone = self.daemon.request(
            "POST", f"/v1/jobs/{job}/clone", {"warm_start": True, "seed": 5})
        self.assertEqual(status, 201, clone)
        self.assertEqual(self.best(clone["id"]), 100 - 4 * OPS)
        self.assertEqual(len(self.asked), 1, "nobody is asked for it again")

    def test_tables_that_do_not_fit(self):
        for spoil, word in (
            (lambda scores: {**scores, "op3": scores["op3"][:2]}, "/scores/op3"),
            (lambda scores: {**scores, "op3": scores["op3"] + [1]}, "/scores/op3"),
            (lambda scores: {**scores, "op3": 0.1}, "/scores/op3"),
            (lambda scores: {**scores, "op3": [1, "2", 3]}, "/scores/op3/1"),
            (lambda scores: {k: v for k, v in scores.items() if k != "op3"}, "/scores/op3"),
        ):
            with self.subTest(word):
                self.spoil = spoil
                job = self.submit("knapsack", "score:mse:options")
                finished(self.daemon, job)
                trials = jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials")
                errors = [t["error"] for t in trials if t["kind"] == "score"]
                self.assertEqual(len(errors), 1)
                self.assertIn(word, errors[0])


if __name__ == "__main__":
    unittest.main()
