"""format=onnxruntime: what ONNX Runtime's functions are told, and what they cannot be told. tests/published has them
read it."""

import unittest

from jobkit import finished, get, submit
from wirekit import Case

STATIC = {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
          "activation": {"dtype": ["uint8"], "scheme": ["asym", "sym"], "algorithm": ["minmax", "percentile"]}}
DYNAMIC = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}}
WEIGHTS = {"weight": {"dtype": ["int"], "bits": [4, 8], "group_size": [32], "scheme": ["asym"], "algorithm": ["RTN"]}}


def capability(modes, **more):
    return {"op_types": {"Conv": {"static": STATIC}, "MatMul": modes},
            "ops": [{"name": "conv", "type": "Conv"}, {"name": "q", "type": "MatMul"}, {"name": "k", "type": "MatMul"},
                    {"name": "scores", "type": "MatMul", "modes": {}}], **more}


class Export(Case):
    def export(self, wanted, can_do, status=200, **more):
        """Of a job in which the config whose operators are `wanted` is the fastest and the others are slow."""
        def reply(question, _):
            ops = question["config"]["ops"]
            alike = sum(op.items() >= wanted.get(name, {"mode": "fp32"}).items() for name, op in ops.items())
            return {"accuracy": 0.9, "latency_ms": 20.0 if question["question"] == "baseline" else 10.0 - alike}

        self.evaluator.reply = reply
        kept = [op["name"] for op in can_do["ops"] if op["name"] not in wanted]  # `exhaustive` never keeps one itself
        job = submit(self.daemon, {
            "evaluator": {"url": self.evaluator.url}, "capability": can_do, "approach": "auto", "confirm": 0,
            "tuning_criterion": {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 500},
            "op_name_dict": {name: {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}} for name in kept}, **more})
        finished(self.daemon, job)
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        self.verdict = best["verdict"]
        self.assertEqual([name for name, op in best["config"]["ops"].items() if op["mode"] == "fp32"], kept)
        for name, op in wanted.items():
            self.assertGreaterEqual(best["config"]["ops"][name].items(), op.items())
        return self.ask("GET", f"/v1/jobs/{job}/export?format=onnxruntime", status)[1]

    def static(self, granularity="per_channel", scheme="asym", algorithm="minmax"):
        return {"mode": "static", "weight": {"dtype": "int8", "granularity": granularity},
                "activation": {"dtype": "uint8", "scheme": scheme, "algorithm": algorithm}}

    def test_static(self):
        uniform = {"uniform": ["weight.granularity", "activation.scheme", "activation.algorithm"]}
        can_do = capability({"static": STATIC}, **uniform)
        for options in ((), ("per_tensor", "sym", "percentile")):
            one = self.static(*options)
            document = self.export({"conv": one, "q": one}, can_do)
            method = one["activation"]["algorithm"]
            self.assertEqual(document, {"quantize_static": {
                "weight_type": "QInt8", "activation_type": "QUInt8", "per_channel": not options,
                "calibrate_method": {"minmax": "MinMax", "percentile": "Percentile"}[method],
                "extra_options": {"ActivationSymmetric": bool(options)},
                "op_types_to_quantize": ["Conv", "MatMul", "Relu", "Clip", "MaxPool", "Reshape", "Flatten", "Transpose",
                                         "Squeeze", "Unsqueeze"],
                "nodes_to_exclude": ["k", "scores"]}})

    def test_dynamic_and_weights_alone(self):
        document = self.export({"q": {"mode": "dynamic"}}, capability({"dynamic": DYNAMIC}), approach="dynamic")
        self.assertEqual(document, {"quantize_dynamic": {
            "weight_type": "QInt8", "op_types_to_quantize": ["MatMul"], "nodes_to_exclude": ["conv", "k", "scores"]}})
        four = {"mode": "weight_only", "weight": {"dtype": "int", "bits": 4, "group_size": 32, "scheme": "asym", "algorithm": "RTN"}}
        document = self.export({"q": four, "k": four}, capability({"weight_only": WEIGHTS}), approach="weight_only")
        self.assertEqual(document, {"MatMulNBitsQuantizer": {
            "bits": 4, "block_size": 32, "is_symmetric": False, "nodes_to_exclude": ["conv", "scores"]}})
        self.assertIn("operators in int4", self.verdict)

    def refused(self, words, wanted, can_do, **more):
        detail = self.export(wanted, can_do, 422, **more)["detail"]
        for word in words:
            self.assertIn(word, detail)

    def test_what_cannot_be_said_is_named(self):
        self.refused(["q", "weight.granularity", "conv", "per_channel", "; of a search of narrowd.onnx narrow-onnx build makes a file "],
                     {"conv": self.static(), "q": self.static("per_tensor")}, capability({"static": STATIC}))
        self.refused(["q is dynamic", "conv is static"], {"conv": self.static(), "q": {"mode": "dynamic"}},
                     capability({"dynamic": DYNAMIC}))
        other = {"static": {**STATIC, "activation": {"dtype": ["uint8"], "algorithm": ["mse"]}}}
        mse = {"mode": "static", "activation": {"dtype": "uint8", "algorithm": "mse"}}
        self.refused(["q", "activation.algorithm", "quantize_static"], {"q": mse}, capability(other))
        self.refused(["q", "bf16"], {"q": {"mode": "bf16"}}, capability({"bf16": {}}))
        linear = {"ops": [{"name": "fc", "type": "Linear", "modes": {"static": DYNAMIC}}]}
        self.refused(["fc", "Linear"], {"fc": {"mode": "static"}}, linear)
        self.refused(["smooth_quant"], {"q": {"mode": "dynamic"}}, capability({"dynamic": DYNAMIC}), approach="dynamic",
                     recipes={"smooth_quant": True, "smooth_quant_args": {"alpha": 0.5}})

    def test_nothing_to_say(self):
        """Every config fails, so the best one is the baseline."""
        self.evaluator.reply = lambda question, _: (
            {"accuracy": 0.9, "latency_ms": 1.0} if question["question"] == "baseline"
            else {"failed": True, "error": "no kernel", "retryable": False})
        job = submit(self.daemon, {"evaluator": {"url": self.evaluator.url}, "capability": capability({"static": STATIC}),
                                   "tuning_criterion": {"strategy": "basic", "max_trials": 1}})
        finished(self.daemon, job)
        detail = self.ask("GET", f"/v1/jobs/{job}/export?format=onnxruntime", 422)[1]["detail"]
        self.assertIn("no operator is quantized", detail)
        self.assertNotIn("narrow-onnx", detail)
        self.ask("GET", f"/v1/jobs/{job}/export?format=tflite", 400)


if __name__ == "__main__":
    unittest.main()
