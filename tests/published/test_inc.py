"""What narrowd exports for INC, under the published neural-compressor.

It comes from the package index, into a virtual environment that is thrown away; so this is run by
`tools/test --all` alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "api"))
from daemon import Daemon  # noqa: E402
from jobkit import Evaluator, finished, submit  # noqa: E402
from packages import python_with  # noqa: E402

# onnx.mapping, which INC imports, is gone from later ones.
PACKAGES = ("neural-compressor==2.6", "onnx==1.15.0", "onnxruntime", "six")
OPTIONS = {"granularity": ["per_tensor"], "algorithm": ["minmax"]}
CAPABILITY = {
    "framework": "onnxrt_qdq",
    "op_types": {"MatMul": {"static": {
        "weight": {"dtype": ["int8"], "scheme": ["sym"], **OPTIONS},
        "activation": {"dtype": ["uint8"], "scheme": ["asym"], **OPTIONS},
    }}},
    "ops": [{"name": name, "type": "MatMul"} for name in ("fc1", "fc2", "fc3")],
    "calibration_sampling_sizes": [4],
}


def measured(question, _):
    """Only with fc2 in high precision, and with the second alpha, is it accurate."""
    ops, recipes = question["config"]["ops"], question["config"].get("recipes", {})
    lost = 0.05 * (ops["fc2"]["mode"] == "static") + 0.02 * (recipes.get("smooth_quant_alpha") == 0.4)
    lost += 0.001 * sum(op["mode"] == "static" for op in ops.values())
    fp32 = sum(op["mode"] == "fp32" for op in ops.values())
    return {"accuracy": 0.8 - lost, "latency_ms": 1 + fp32}


class PublishedInc(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def export(self, daemon, evaluator, name, **more):
        """The path of the file, and which operators the best config quantizes."""
        job = submit(daemon, {
            "capability": CAPABILITY, "evaluator": {"url": evaluator.url}, "confirm": 0,
            "tuning_criterion": {"strategy": "basic", "stop_on": "budget"}, **more,
        })
        finished(daemon, job)
        best = daemon.request("GET", f"/v1/jobs/{job}/best")[2]
        export = daemon.request("GET", f"/v1/jobs/{job}/export?format=inc")[2]
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(export, file)
        self.assertTrue(best["feasible"])
        return path, sorted(
            op for op, config in best["config"]["ops"].items() if config["mode"] == "static"
        )

    def test_it_quantizes_by_the_export(self):
        python = python_with(self.directory, *PACKAGES)

        def read_by_inc(path):
            done = os.path.join(self.directory, "done.json")
            subprocess.run(
                [python, os.path.join(HERE, "inc_reader.py"), path, done], cwd=self.directory,
                timeout=300, check=True,
            )
            with open(done, encoding="utf-8") as file:
                return json.load(file)

        smooth = {"smooth_quant": True, "smooth_quant_args": {"alpha": [0.4, 0.3]}}
        evaluator = Evaluator(measured)
        self.addCleanup(evaluator.close)
        with Daemon(os.path.join(self.directory, "data")) as daemon:
            plain, quantized = self.export(daemon, evaluator, "plain.json")
            smoothed, also = self.export(daemon, evaluator, "smoothed.json", recipes=smooth)
        self.assertEqual((quantized, also), (["fc1", "fc3"], ["fc1", "fc3"]))
        self.assertEqual(read_by_inc(plain), {"quantized": quantized, "alpha": None})
        self.assertEqual(read_by_inc(smoothed), {"quantized": quantized, "alpha": 0.3})


if __name__ == "__main__":
    unittest.main()
