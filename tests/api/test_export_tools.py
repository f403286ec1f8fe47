"""What the formats of tools that are told layer by layer say of a config, and what they cannot say. tests/published has the
tools read it."""

import unittest

from jobkit import get, submit
from wirekit import Case

WEIGHTS = {"weight": {"dtype": ["int"], "bits": [4, 8, 3], "group_size": [32, 128, -1], "scheme": ["sym", "asym"],
                      "algorithm": ["RTN", "GPTQ", "AUTOROUND"]}}
BYTES = {"weight": {"dtype": ["int8"], "scheme": ["sym"], "granularity": ["per_channel", "per_tensor"]},
         "activation": {"dtype": ["int8"], "scheme": ["sym", "asym"]}}
NAMES = ("q", "k", "head")
FP32 = {"mode": "fp32"}


def alone(bits=4, size=32, scheme="sym", algorithm="RTN"):
    return {"mode": "weight_only", "weight": {"dtype": "int", "bits": bits, "group_size": size, "scheme": scheme, "algorithm": algorithm}}


def whole(mode, scheme="sym", granularity="per_channel"):
    return {"mode": mode, "weight": {"dtype": "int8", "scheme": "sym", "granularity": granularity},
            "activation": {"dtype": "int8", "scheme": scheme}}


class Tools(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = {}

    def job(self, kind, approach):
        """One that nobody measures: its trials are imported."""
        if (kind, approach) not in self.jobs:
            modes = {"static": BYTES, "dynamic": BYTES, "weight_only": WEIGHTS, "bf16": {}}
            self.jobs[kind, approach] = submit(self.daemon, {
                "approach": approach, "evaluator": {"pool": "nobody"}, "capability": {
                    "ops": [{"name": name, "type": kind, "modes": modes} for name in NAMES]}})
        return f"/v1/jobs/{self.jobs[kind, approach]}"

    def export(self, tool, ops, status=200, kind="Linear"):
        job = self.job(kind, "weight_only" if alone()["mode"] in [op["mode"] for op in ops.values()] else "auto")
        config = {"ops": {**dict.fromkeys(NAMES, FP32), **ops}}
        self.ask("POST", f"{job}/trials", 200, {"trials": [{"accuracy": 0.9, "latency_ms": 1.0, "config": config}]})
        number = get(self.daemon, f"{job}/trials?order=-number&limit=1")["items"][0]["number"]
        return self.ask("GET", f"{job}/export?format={tool}&trial={number}", status)[1]

    def refused(self, tool, ops, *words, **more):
        detail = self.export(tool, ops, 422, **more)["detail"]
        for word in words:
            self.assertIn(word, detail)

    def test_torchao(self):
        def typed(name, version=2, **data):
            return {"_type": name, "_version": version, "_data": data}

        def mapping(name):
            return {"_type": "MappingType", "_data": name}

        document = self.export("torchao", {"q": alone(3, 32, "asym")})
        self.assertEqual(document, typed("FqnToConfig", 1, fqn_to_config={
            "q": typed("IntxWeightOnlyConfig", weight_dtype={"_type": "torch.dtype", "_data": "int3"},
                       granularity=typed("PerGroup", 1, group_size=32), mapping_type=mapping("ASYMMETRIC")),
            "k": None, "head": None}))
        document = self.export("torchao", {"head": whole("dynamic")})["_data"]["fqn_to_config"]
        self.assertEqual(document, {"q": None, "k": None, "head": typed(
            "Int8DynamicActivationInt8WeightConfig", act_mapping_type=mapping("SYMMETRIC"))})
        document = self.export("torchao", {"q": alone(8, -1), "k": alone(4, -1)})["_data"]["fqn_to_config"]
        self.assertEqual(document["q"], typed("Int8WeightOnlyConfig"))
        self.assertEqual(document["k"]["_data"]["granularity"], typed("PerAxis", 1, axis=0))
        self.refused("torchao", {"k": whole("static")}, "k is static", "torchao")
        self.refused("torchao", {"k": whole("dynamic", granularity="per_tensor")}, "k", "weight.granularity")
        self.refused("torchao", {"head": alone(algorithm="GPTQ")}, "head", "weight.algorithm", "torchao")
        self.refused("torchao", {"q": alone()}, "q", "Conv2d", kind="Conv2d")

    def test_autoround(self):
        document = self.export("autoround", {"q": alone(4, 32, "asym"), "k": alone(8, -1)})
        self.assertEqual(document, {
            "iters": 0, "disable_opt_rtn": True, "layer_config": {
                "q": {"bits": 4, "group_size": 32, "sym": False, "data_type": "int"},
                "k": {"bits": 8, "group_size": -1, "sym": True, "data_type": "int"},
                "head": {"bits": 16, "data_type": "float"}}})
        self.refused("autoround", {"k": alone(8, 32, "asym")}, "k is weight_only", "8 bits with zero points")
        self.refused("autoround", {"k": whole("static")}, "k is static", "AutoRound")
        self.refused("autoround", {"head": alone(algorithm="GPTQ")}, "head", "weight.algorithm", "AutoRound")
        self.refused("autoround", {"q": alone()}, "q", "Conv2d", kind="Conv2d")

    def test_modelopt(self):
        def rule(name, **how):
            return {"quantizer_name": f"{name}_quantizer", "cfg": how, "enable": True}

        off = {"quantizer_name": "*", "enable": False}
        document = self.export("modelopt", {"q": alone(4, 32), "head": alone(8, -1)})
        self.assertEqual(document, {"algorithm": "max", "quant_cfg": [
            off, rule("q.weight", num_bits=4, block_sizes={"-1": 32}), rule("head.weight", num_bits=8, axis=0)]})
        document = self.export("modelopt", {"q": whole("static"), "k": whole("static", granularity="per_tensor")})
        self.assertEqual(document["quant_cfg"], [
            off, rule("q.weight", num_bits=8, axis=0), rule("q.input", num_bits=8, axis=None),
            rule("k.weight", num_bits=8, axis=None), rule("k.input", num_bits=8, axis=None)])
        self.refused("modelopt", {"k": alone(4, 32, "asym")}, "k is weight_only", "weight.scheme", "Model Optimizer")
        self.refused("modelopt", {"k": whole("static", "asym")}, "k is static", "activation.scheme")
        self.refused("modelopt", {"k": whole("dynamic")}, "k is dynamic", "Model Optimizer")
        self.refused("modelopt", {"q": alone()}, "q", "Conv2d", kind="Conv2d")

    def test_llmcompressor(self):
        def recipe(ignore, *groups):
            return {"quant_stage": {"quant_modifiers": {"QuantizationModifier": {
                "config_groups": {f"group_{i}": group for i, group in enumerate(groups)}, "ignore": ignore}}}}

        def number(bits, symmetric, strategy, **more):
            return {"num_bits": bits, "type": "int", "symmetric": symmetric, "strategy": strategy, **more}

        document = self.export("llmcompressor", {"q": alone(4, 32, "asym"), "k": alone(8, -1), "head": alone(4, 32, "asym")})
        self.assertEqual(document, recipe(
            [], {"weights": number(4, False, "group", group_size=32), "targets": ["q", "head"]},
            {"weights": number(8, True, "channel"), "targets": ["k"]}))
        document = self.export("llmcompressor", {"q": whole("dynamic"), "head": whole("static", "asym", "per_tensor")})
        self.assertEqual(document, recipe(
            ["k"], {"weights": number(8, True, "channel"), "targets": ["q"],
                    "input_activations": number(8, True, "token", dynamic=True)},
            {"weights": number(8, True, "tensor"), "targets": ["head"],
             "input_activations": number(8, False, "tensor", dynamic=False)}))
        self.refused("llmcompressor", {"head": alone(algorithm="GPTQ")}, "head", "weight.algorithm", "LLM Compressor")
        self.refused("llmcompressor", {"q": alone()}, "q", "Conv2d", kind="Conv2d")

    def test_quark(self):
        def tensor(dtype, scheme, axis, size, symmetric=True):
            observer = "".join(word.capitalize() for word in scheme.split("_")) + "MinMaxObserver"
            return {"dtype": dtype, "is_dynamic": False, "qscheme": scheme, "ch_axis": axis, "group_size": size, "symmetric": symmetric,
                    "round_method": "half_even", "scale_type": "float", "observer_cls": observer}

        none = dict.fromkeys(("input_tensors", "output_tensors", "weight", "bias"))
        document = self.export("quark", {"q": alone(4, 32, "asym"), "k": alone(3, -1)})
        self.assertEqual(document, {"global_quant_config": none, "layer_type_quant_config": {}, "exclude": ["head"], "layer_quant_config": {
            "q": {**none, "weight": tensor("uint4", "per_group", 1, 32, symmetric=False)},
            "k": {**none, "weight": tensor("int3", "per_channel", 0, None)}}})
        document = self.export("quark", {"q": whole("static", "asym", "per_tensor")})
        self.assertEqual(document["layer_quant_config"]["q"], {
            **none, "weight": tensor("int8", "per_tensor", None, None), "input_tensors": tensor("int8", "per_tensor", None, None, symmetric=False)})
        self.refused("quark", {"k": alone(3, 32, "asym")}, "k is weight_only", "less than 4 bits with zero points", "Quark")
        self.refused("quark", {"k": whole("dynamic")}, "k is dynamic", "Quark")
        self.refused("quark", {"q": alone()}, "q", "Conv2d", kind="Conv2d")

    def test_a_name_that_would_be_a_pattern(self):
        for name in ("block.*", "re:.*", "Linear", "h[0]", "what?"):
            modes = {"weight_only": {"weight": {"dtype": ["int"], "bits": [4], "group_size": [32]}}}
            job = submit(self.daemon, {"approach": "weight_only", "evaluator": {"pool": "nobody"}, "capability": {
                "ops": [{"name": name, "type": "Linear", "modes": modes}]}})
            low = {"mode": "weight_only", "weight": {"dtype": "int", "bits": 4, "group_size": 32}}
            self.ask("POST", f"/v1/jobs/{job}/trials", 200, {"trials": [
                {"accuracy": 0.9, "latency_ms": 1.0, "config": {"ops": {name: low}}}]})
            for tool in ("torchao", "autoround", "modelopt", "llmcompressor", "quark"):
                with self.subTest(name=name, tool=tool):
                    detail = self.ask("GET", f"/v1/jobs/{job}/export?format={tool}&trial=1", 422)[1]["detail"]
                    self.assertIn(f"{name} would be a pattern for ", detail)

    def test_a_mode_that_no_tool_is_told_of(self):
        for tool in ("torchao", "autoround", "modelopt", "llmcompressor", "quark"):
            self.refused(tool, {"q": alone(), "k": {"mode": "bf16"}}, "k is bf16, which ", " cannot express")

    def test_openvino(self):
        static = whole("static", "asym")
        document = self.export("openvino", {"q": static, "head": static})
        self.assertEqual(document, {"quantize": {"preset": "mixed", "subset_size": 100, "ignored_scope": {"names": ["k"]}}})
        document = self.export("openvino", {"q": alone(4, 128), "k": alone(4, 128)})
        self.assertEqual(document, {"compress_weights": {
            "mode": "int4_sym", "group_size": 128, "ratio": 1.0, "all_layers": True, "ignored_scope": {"names": ["head"]}}})
        self.refused("openvino", {"q": static, "k": whole("static", "sym")}, "k", "activation.scheme", "preset")
        self.refused("openvino", {"q": static, "k": whole("dynamic")}, "k", "dynamic")
        self.refused("openvino", {"k": alone(3)}, "k", "3")
        self.refused("openvino", {"k": alone(8)}, "k", "no groups")

    def test_which_trial(self):
        self.export("torchao", {"q": alone()})
        path = f"{self.job('Linear', 'weight_only')}/export?format=torchao"
        self.assertIn("no trial 999", self.ask("GET", path + "&trial=999", 404)[1]["detail"])
        for wrong in ("x", "", "1x"):
            self.ask("GET", f"{path}&trial={wrong}", 400)
            for whole in ("csv", "json"):  # which have them all
                self.ask("GET", f"{path.partition('?')[0]}?format={whole}&trial={wrong}", 400)
        self.assertIn("no operator is quantized", self.export("torchao", {}, 422)["detail"])


if __name__ == "__main__":
    unittest.main()
