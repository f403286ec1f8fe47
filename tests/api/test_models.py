"""Strategies that fit models, through the daemon: what the capability tells them, and noise."""

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

    def test_what_is_handed_over_holds_although_faster_ones_were_measured_to(self):
        job = self.tune(self.serve(0.008), "sgp", max_failed_trials=0)
        trials = jobkit.everything(self.daemon, f"/v1/jobs/{job['id']}/trials")
        feasible = [t for t in trials if t["feasible"] and t["kind"] == "evaluate"]
        fastest = min(feasible, key=lambda t: t["metrics"]["latency_ms"])
        self.assertLess(fastest["metrics"]["latency_ms"], job["best"]["objective_value"],
                        "a lucky measurement was not believed")
        self.assertTrue(job["best"]["feasible"])
        self.assertLessEqual(true_loss(self.best_config(job)), 0.01)

    def test_without_noise_the_best_measurement_is_handed_over(self):
        job = self.tune(self.serve(0), "sgp")
        trials = jobkit.everything(self.daemon, f"/v1/jobs/{job['id']}/trials")
        fastest = min((t["metrics"]["latency_ms"] for t in trials if t["feasible"]), default=None)
        self.assertEqual(job["best"]["objective_value"], fastest)
        self.assertEqual(job["exit"]["reason"], "criterion_met", "it ended by itself")


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
        self.assertEqual({item["options"] for item in document["items"]}, {None})


class Known(ModelCase):
    def test_latencies_and_scores_are_used(self):
        """Where fp32 is said to be faster nothing is quantized but by the default."""
        known = capability(latency_ms={"static": 2, "fp32": 1}, score={"static": 1})
        job = self.tune(self.serve(0), "knapsack", capability=known)
        self.assertLessEqual(job["budget"]["trials_measured"], 2)
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


if __name__ == "__main__":
    unittest.main()
