"""What the tests of examples/languages share: what each evaluator must say, computed here once more, and jobs that ask it."""

import functools
import http.client
import json
import math
import pathlib
import tempfile
import threading
import unittest

from daemon import Daemon
from jobkit import everything, finished, get, submit, wait_until
from patience import PATIENCE_S

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/languages"
MODEL = json.loads((EXAMPLE / "model.json").read_text(encoding="utf-8"))
NAMES = [layer["name"] for layer in MODEL["layers"]]
BASELINE = (32,) * len(NAMES)
LINES = 60  # what an evaluator stays below
TRIALS, FEW = 15, 4
CAPABILITY = {
    "ops": [{"name": name, "type": "Linear"} for name in NAMES],
    "op_types": {"Linear": {"weight_only": {"weight": {"bits": [8, 4], "granularity": ["per_channel"]}}}},
    "metrics": ["accuracy", "model_size_bytes"],
}


def rounded(row, bits):
    step = max(map(abs, row)) / (2 ** (bits - 1) - 1)
    return [math.floor(weight / step + 0.5) * step for weight in row]


@functools.cache
def expected(*bits):
    """Accuracy and bytes of the network with so many bits in each layer."""
    values, size = MODEL["images"], 0
    for layer, b in zip(MODEL["layers"], bits, strict=True):
        weight = layer["weight"] if b == 32 else [rounded(row, b) for row in layer["weight"]]
        values = [[bias + sum(w * x for w, x in zip(row, image, strict=True) if x > 0)
                   for row, bias in zip(weight, layer["bias"], strict=True)] for image in values]
        rows, columns = len(weight), len(weight[0])
        size += rows * columns * b // 8 + 4 * rows * (1 if b == 32 else 2)  # biases, and steps of what is rounded
    right = sum(outputs.index(max(outputs)) == label for outputs, label in zip(values, MODEL["labels"], strict=True))
    return right / len(values), size


def bits_of(config):
    return tuple(32 if config["ops"][name]["mode"] == "fp32" else config["ops"][name]["weight"]["bits"] for name in NAMES)


class LanguageCase(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.daemon = self.enterContext(Daemon(self.place / "data"))

    def job(self, evaluator, trials, **more):
        criterion = {"strategy": "sgp", "objective": "modelsize", "stop_on": "budget", "max_trials": trials}
        job = submit(self.daemon, {"approach": "weight_only", "evaluator": evaluator, "tuning_criterion": criterion, **more})
        return job, finished(self.daemon, job)

    def trials(self, job):
        """All of a job, each with the bits of its layers."""
        for trial in everything(self.daemon, f"/v1/jobs/{job}/trials"):
            whole = get(self.daemon, f"/v1/jobs/{job}/trials/{trial['number']}")
            yield whole, bits_of(whole["config"]) if "config" in whole else BASELINE

    def check_search(self, evaluator, trials=TRIALS, **more):
        """A job to its end: all that was measured is what is computed here, and the best of it is chosen."""
        job, document = self.job(evaluator, trials, **more)
        self.assertEqual((document["state"], document["warnings"]), ("completed", []))
        measured = {}
        for trial, bits in self.trials(job):
            measured[bits] = expected(*bits)
            self.assertEqual((trial["accuracy"], trial["metrics"]["model_size_bytes"]), measured[bits], bits)
        best, (most, _) = get(self.daemon, f"/v1/jobs/{job}/best"), expected(*BASELINE)
        chosen = expected(*bits_of(best["config"]))
        self.assertEqual((best["accuracy"], best["metrics"]["model_size_bytes"]), chosen)
        self.assertEqual((best["feasible"], best["keep_baseline"]), (True, False), best["verdict"])
        self.assertEqual(chosen[1], min(size for accuracy, size in measured.values() if accuracy >= 0.99 * most))
        self.assertGreater(len(measured), trials // 2)

    def check_errors(self, evaluator):
        """What cannot be applied is not measured, and says why."""
        types = {"Linear": {"weight_only": {"weight": {"bits": [8, 3], "granularity": ["per_channel"]}}}}
        job, _ = self.job(evaluator, FEW, confirm=0, capability={**CAPABILITY, "op_types": types})
        failed = 0
        for trial, bits in self.trials(job):
            self.assertEqual(trial["state"], "failed" if 3 in bits else "told", bits)
            if 3 in bits:
                failed += 1
                self.assertRegex(trial["error"], "fc[1-4]")
                self.assertEqual(trial["attempts"], 1, "another attempt would fail as well")
        self.assertGreater(failed, 0)
        stranger = {**CAPABILITY, "ops": [*CAPABILITY["ops"], {"name": "fc9", "type": "Linear"}]}
        _, document = self.job(evaluator, FEW, capability=stranger)
        self.assertEqual(document["state"], "failed")
        self.assertRegex(document["exit"]["detail"], "layers?|fc9")

    def check_one_at_a_time(self, port):
        """Over HTTP: somebody who comes meanwhile is sent away at once, and told why."""
        config = {"ops": {name: {"mode": "fp32"} for name in NAMES}}
        seen = []

        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            connection.request("POST", "/baseline", json.dumps({"config": config, "repeat": 0}))
            response = connection.getresponse()
            seen.append((response.status, response.headers["Retry-After"], json.loads(response.read())))
            connection.close()

        def both():
            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE_S)
            return {200, 503} <= {status for status, _, _ in seen}

        wait_until(both)
        accuracy, size = expected(*BASELINE)
        for status, later, body in seen:
            if status == 503:
                self.assertIsNotNone(later)
                self.assertIn("busy", body["error"])
            else:
                self.assertEqual((body["accuracy"], body["metrics"]["model_size_bytes"]), (accuracy, size))

    def check_length(self, name):
        lines = (EXAMPLE / name).read_text(encoding="utf-8").splitlines()
        self.assertLess(sum(bool(line.strip()) for line in lines), LINES, name)
