"""stop_on: the first config that meets the criterion, the first that gains by it too, or the budget."""

import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit

SCORES = ["score:mse", "score:mse_v2", "score:hawq_v2"]


def slower_but_for_one(question):
    """Everything meets the criterion; only what leaves op0 in fp32 is faster than the baseline."""
    if question["question"] == "score":
        return {"scores": {op: float(op == "op0") for op in question["ops"]}}
    if question["question"] == "baseline":
        return {"accuracy": 0.9, "latency_ms": 100.0}
    ops = question["config"]["ops"]
    lowered = sum(op["mode"] != "fp32" for op in ops.values())
    fast = ops["op0"]["mode"] == "fp32" and lowered > 0
    return {"accuracy": 0.9, "latency_ms": (60.0 if fast else 110.0) - lowered}


class FirstGain(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)
        self.evaluator = jobkit.Evaluator(lambda question, headers: slower_but_for_one(question))
        self.addCleanup(self.evaluator.close)

    def job(self, strategy, stop_on, **more):
        capability = {**jobkit.capability(4), "answers": ["evaluate", *SCORES]}
        criterion = {"strategy": strategy, "max_trials": 40}
        criterion.update({"stop_on": stop_on} if stop_on else {})
        job = body(None, evaluator={"url": self.evaluator.url, "max_concurrency": 8})
        settings = {"capability": capability, "seed": 3, "confirm": 0, **more}
        return submit(self.daemon, {**job, **settings, "tuning_criterion": criterion})

    def measured(self, job):
        """Feasible trials by number, with their gain."""
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?limit=50")
        return {
            t["number"]: 1 - t["objective_value"] / 100
            for t in trials
            if t["kind"] == "evaluate" and t["state"] == "told" and t["feasible"]
        }

    def test_every_strategy_goes_on_until_something_gains(self):
        strategies = get(self.daemon, "/v1/strategies")["items"]
        names = [s["name"] for s in strategies if not s["strategy_kwargs"].get("required")]
        found = set()
        for parallel in (1, 4):
            jobs = {n: self.job(n, "first_gain", parallel=parallel) for n in names}
            for name, job in jobs.items():
                document = finished(self.daemon, job)
                best = get(self.daemon, f"/v1/jobs/{job}/best")
                self.assertEqual(document["stop_on"], "first_gain")
                gains = self.measured(job)
                if document["exit"]["reason"] == "criterion_met":
                    self.assertGreaterEqual(best["gain"], 0.02, name)
                    earlier = [n for n in gains if n < best["trial"] and gains[n] >= 0.02]
                    self.assertEqual(earlier, [], name)
                    found.add(name)
                else:
                    self.assertEqual([n for n in gains if gains[n] >= 0.02], [], name)
        # The others have nothing to ask once the default meets the criterion.
        wanted = {"auto", "basic", "mse", "hawq_v2", "auto_mixed_precision", "sgp", "tpe"}
        self.assertLessEqual(wanted, found)

    def test_the_default_ends_at_a_slower_config(self):
        for strategy in ("auto", "basic"):
            job = self.job(strategy, None)
            document = finished(self.daemon, job)
            self.assertEqual(document["stop_on"], "first_feasible")
            self.assertEqual(document["exit"]["reason"], "criterion_met")
            self.assertEqual(len(self.measured(job)), 1)
            self.assertTrue(get(self.daemon, f"/v1/jobs/{job}/best")["keep_baseline"])

    def test_the_gain_is_that_of_the_job(self):
        job = self.job("basic", "first_gain", min_gain=0.9)
        self.assertNotEqual(finished(self.daemon, job)["exit"]["reason"], "criterion_met")
        job = self.job("basic", "first_gain", min_gain=0)
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "criterion_met")

    def test_without_a_meaning_of_gain_the_criterion_counts(self):
        capability = {**jobkit.capability(4), "answers": ["evaluate"]}
        job = body(self.evaluator.url, capability=capability, confirm=0)
        job["tuning_criterion"] = {
            "strategy": "basic", "objective": "accuracy", "stop_on": "first_gain"
        }  # fmt: skip
        job = submit(self.daemon, job)
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "criterion_met")
        self.assertEqual(len(self.measured(job)), 1)

    def test_a_restart_goes_on_the_same(self):
        job = self.job("basic", "first_gain")
        self.daemon.kill9()
        self.daemon.start()
        finished(self.daemon, job)
        plain = self.job("basic", "first_gain")
        finished(self.daemon, plain)
        self.assertEqual(self.measured(job), self.measured(plain))


if __name__ == "__main__":
    unittest.main()
