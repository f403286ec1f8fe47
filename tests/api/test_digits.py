"""Every strategy on the example model: real int8 kernels, real accuracy, nothing scripted.

Latencies are real too, so nothing here depends on them: what is checked is what the accuracy, which
is the same on every run, decides.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.request
from unittest import mock

import digits
from daemon import Daemon
from jobkit import everything, finished, get, submit
from patience import PATIENCE_S

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/demo"
# At most so many trials until the criterion is met.
MEETS = {
    "auto": 10,
    "conservative": 5,
    "basic": 60,
    "mse": 40,
    "mse_v2": 15,
    "hawq_v2": 30,
    "tpe": 60,
    "bisect": 10,
    "knapsack": 15,
    "sgp": 15,
}
# No config without an operator in fp32 meets the criterion on this model, and these try no other.
MISSES = {"bayesian", "exhaustive", "random"}
# The example's kernels are int8 and fp32: there is no bf16 to lower operators to, so the only trial
# is the model as it is.
UNCHANGED = {"auto_mixed_precision"}
# What a search on the first 40 images has never seen.
FRESH = {"images": 500, "from": 40}


class EveryStrategy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)
        cls.evaluator = digits.Evaluator("--latency-batches", "1")
        cls.enterClassContext(cls.evaluator)
        cls.counting = digits.Evaluator("--deterministic")
        cls.enterClassContext(cls.counting)

    def tune(self, strategy, **more):
        levels = {"auto": "auto", "conservative": 0}
        job = {
            "quant_level": levels.get(strategy, 1),
            "tuning_criterion": {"strategy": strategy, "max_trials": 100, **more},
            "accuracy_criterion": {"criterion": "relative", "tolerable_loss": 0.01},
            "evaluator": {"url": self.evaluator.url},
            "retry": {"max_attempts": 1},
        }
        job_id = submit(self.daemon, job)
        document = finished(self.daemon, job_id)
        trials = everything(self.daemon, f"/v1/jobs/{job_id}/trials")
        self.assertNotIn("failed", {trial["state"] for trial in trials}, trials)
        return document, get(self.daemon, f"/v1/jobs/{job_id}/best"), trials

    def test_those_that_meet_the_criterion(self):
        for strategy, most in MEETS.items():
            with self.subTest(strategy):
                document, best, trials = self.tune(strategy)
                self.assertEqual(document["exit"]["reason"], "criterion_met")
                self.assertTrue(best["feasible"])
                self.assertLessEqual(best["accuracy_loss"], 0.01)
                measured = [t for t in trials if t["source"] == "measured"]
                configs = [t for t in measured if t["kind"] == "evaluate"]
                self.assertLessEqual(len(configs), most)
                modes = {op["mode"] for op in best["config"]["ops"].values()}
                self.assertIn("static", modes, "something is quantized")

    def test_those_that_try_int8_only(self):
        for strategy in MISSES:
            with self.subTest(strategy):
                document, best, _ = self.tune(strategy, max_trials=10)
                self.assertEqual(document["exit"]["reason"], "max_trials")
                self.assertFalse(best["feasible"])
                self.assertIsNotNone(best["nearest"])

    def test_mixed_precision_has_nothing_to_lower(self):
        for strategy in UNCHANGED:
            document, best, _ = self.tune(strategy)
            self.assertEqual(document["exit"]["reason"], "criterion_met")
            self.assertEqual(best["accuracy_loss"], 0)

    def test_a_search_that_overfits_is_judged_on_fresh_images(self):
        """60 trials on 40 images find a config that meets the criterion on these by luck."""
        overfitted, accepted = [], []
        for strategy, tolerable in (("sgp", 0.01), ("tpe", 0.03), ("knapsack", 0.03)):
            job = {
                "tuning_criterion": {"strategy": strategy, "max_trials": 60, "stop_on": "budget"},
                "accuracy_criterion": {"criterion": "relative", "tolerable_loss": tolerable},
                "evaluator": {"url": self.counting.url},
                "evaluator_args": {"images": 40},
            }
            for more in ({}, {"acceptance": {"subset": FRESH}}):
                job_id = submit(self.daemon, {**job, **more})
                finished(self.daemon, job_id)
                best = get(self.daemon, f"/v1/jobs/{job_id}/best")
                bound = (1 - tolerable) * self.ask("baseline", subset=FRESH)["accuracy"]
                fresh = self.ask("evaluate", subset=FRESH, config=best["config"])["accuracy"]
                if not more and best["feasible"] and fresh < bound:
                    overfitted.append(strategy)
                if more and best["feasible"]:
                    self.assertGreaterEqual(fresh, bound - 1e-9)
                    self.assertEqual(best["accuracy"], fresh)
                    self.assertIn("judged on the acceptance data", best["verdict"])
                    accepted.append(strategy)
                elif more:
                    self.assertTrue(best["keep_baseline"])
        self.assertNotEqual(accepted, [])
        self.assertNotEqual(overfitted, [], "else this proves nothing")

    def ask(self, question, **body):
        request = urllib.request.Request(
            f"{self.counting.url}/{question}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def test_a_job_needs_nothing_but_an_evaluator(self):
        job = submit(self.daemon, {"evaluator": {"url": self.evaluator.url}})
        document = finished(self.daemon, job)
        self.assertEqual(document["strategy"], "auto")
        self.assertTrue(get(self.daemon, f"/v1/jobs/{job}/best")["feasible"])


class Demonstration(unittest.TestCase):
    def refused(self, *command):
        """What it says of an argument that it does not know, before it starts anything."""
        done = subprocess.run([*map(str, command), "--no-such"], timeout=PATIENCE_S, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 64, done.stderr)
        return done.stderr

    def test_it_calls_itself_by_the_command_that_was_given(self):
        self.assertEqual(self.refused(os.environ["NARROWD_BIN"], "demo"), "usage: narrowd demo [--keep]\n")
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for folder in ("tools", "bin", "build/daemon"):
            (root / folder).mkdir(parents=True)
        (root / "build/build.ninja").touch()
        (root / "build/daemon/narrowd").symlink_to(os.environ["NARROWD_BIN"])
        shutil.copy(TOOL, root / "tools/demo")
        for needless in ("tools/setup", "bin/meson"):  # nothing has to be installed or built
            (root / needless).symlink_to("/bin/true")
        with mock.patch.dict(os.environ, PATH=f"{root}/bin:{os.environ['PATH']}"):
            self.assertEqual(self.refused(root / "tools/demo").splitlines()[-1], "usage: tools/demo [--keep]")


if __name__ == "__main__":
    unittest.main()
