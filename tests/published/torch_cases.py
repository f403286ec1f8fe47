"""narrowd.torch on networks that are made here; run by test_exports.py where torch and torchao are installed."""

import contextlib
import copy
import io
import json
import os
import pathlib
import re
import tempfile
import unittest
from unittest import mock

import torch
from torch import nn

import narrowd
import narrowd.torch
from narrowd import exports, scores
from narrowd.torch.quantizer import applied, capability, errors, layers_of, size_of, tied

WIDTH = 64
FP32 = {"mode": "fp32"}


def alone(bits=4, size=32, scheme="sym"):
    return {"mode": "weight_only", "weight": {"dtype": "int", "bits": bits, "group_size": size, "scheme": scheme}}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x):
        return x + self.out(torch.tanh(self.q(x)) * self.k(x) + self.v(x))


class Network(nn.Module):
    """Two blocks, and an output whose weights are those of the embedding."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(50, WIDTH)
        self.layers = nn.Sequential(Block(), Block())
        self.head = nn.Linear(WIDTH, 50, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.layers(self.embedding(tokens)))


class Torch(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=str(self.place / "home")))
        self.model, self.tokens = Network().eval(), torch.arange(50)
        self.wanted = self.model(self.tokens).detach()

    def far(self, model):
        with torch.no_grad():
            return float((model(self.tokens) - self.wanted).square().mean())

    def test_layers(self):
        self.assertEqual(list(layers_of(self.model)), [f"layers.{i}.{part}" for i in range(2) for part in ("q", "k", "v", "out")])
        groups = tied(layers_of(self.model), lambda: self.model(self.tokens))
        self.assertEqual(groups, [[f"layers.{i}.{part}" for part in "qkv"] for i in range(2)])
        offered = capability(self.model, "weight_only", (4,), (32,), None)
        self.assertEqual(offered["blocks"], [[f"layers.{i}.{part}" for part in ("q", "k", "v", "out")] for i in (1, 0)])
        with self.assertRaises(ValueError):
            capability(self.model, "weight_only", (4,), (48,), None)
        self.assertEqual(capability(self.model, "weight_only", (4,), (32, 128, -1), None)["ops"][0]["modes"]["weight_only"]["weight"]["group_size"], [32, -1])

    def test_a_config_for_a_while(self):
        own = {name: layer.weight for name, layer in layers_of(self.model).items()}
        before, distances = size_of(self.model, {"ops": {}}), []
        for options in ((4, 32, "sym"), (8, 32, "asym"), (8, -1, "sym")):
            config = {"ops": {"layers.0.q": alone(*options), "layers.1.out": FP32}}
            with applied(self.model, config):
                distances.append(self.far(self.model))
            self.assertEqual({name: layer.weight for name, layer in layers_of(self.model).items()}, own)
            self.assertLess(size_of(self.model, config), before)
        self.assertGreater(distances[0], distances[1])
        self.assertGreater(distances[1], 0)
        self.assertEqual(self.far(self.model), 0)
        # 64 x 64 weights: 4 bits, and a scale of two bytes for each group.
        self.assertEqual(before - size_of(self.model, {"ops": {"layers.0.q": alone()}}), WIDTH * WIDTH * 4 - WIDTH * WIDTH // 2 - 128 * 2)
        with self.assertRaises(ValueError), applied(self.model, {"ops": {"elsewhere": alone()}}):
            pass

    def test_scores_order_options(self):
        layer, rows = self.model.layers[0].q, [alone(4), alone(4, 64), alone(8), FP32]
        four, coarse, eight, none = errors(layer, rows, torch.ones_like(layer.weight))
        self.assertEqual(none, 0)
        self.assertTrue(coarse > four > eight > 0)

    def test_tune_and_carry_out_again(self):
        original = copy.deepcopy(self.model)
        tuned = narrowd.torch.tune(
            self.model, lambda model: -self.far(model), example=(self.tokens,), loss=lambda model: model(self.tokens).square().mean(),
            criterion="absolute", max_drop=0.02, max_trials=6, out=self.place / "recipe.json", progress=False)
        self.assertTrue(tuned.as_in_trial, tuned)
        self.assertFalse(tuned.keep_fp32)
        self.assertLess(tuned.size_bytes, tuned.size_bytes_before)
        self.assertIsNotNone(tuned.speedup)
        with narrowd.Client() as client:
            measured = list(client.job(tuned.job).trials(state="told", kind="evaluate"))
        self.assertTrue(all("model_size_bytes" in trial["metrics"] and "latency_ms" not in trial["metrics"] for trial in measured))
        recipe = json.loads((self.place / "recipe.json").read_text())
        self.assertEqual(set(recipe["_data"]["fqn_to_config"]), set(layers_of(original)))
        torch.testing.assert_close(exports.torchao(original, recipe)(self.tokens), self.model(self.tokens), rtol=0, atol=0)
        recipe["_data"]["fqn_to_config"]["elsewhere"] = None
        with self.assertRaisesRegex(ValueError, "elsewhere"):
            exports.torchao(Network(), recipe)

    def test_what_another_tool_measured(self):
        """It takes the place of scores of one's own; of a group the sum counts."""
        found = scores.modelopt({"candidate_stats": {f"{name}.quant_recipe": {
            "formats": ["INT4_AWQ_CFG(effective-bits: 4.0)", "INT8_WEIGHT_ONLY_CFG(effective-bits: 8.0)", "NONE(effective-bits: 16.0)"],
            "scores": [1 + 100 * (name == "layers.1.q"), 0.5, 0.0]} for name in layers_of(self.model)}})
        tuned = narrowd.torch.tune(
            self.model, lambda model: -self.far(model), example=(self.tokens,), loss=self.fail, scores=found, strategy="bisect", insist=True,
            criterion="absolute", max_drop=1e-6, max_trials=2, job={"confirm": 0}, progress=False)
        with narrowd.Client() as client:
            job = client.job(tuned.job)
            self.assertNotIn("score", {trial["kind"] for trial in job.trials()})
            second = job.trial(2)["config"]["ops"]
        self.assertEqual([name for name, op in second.items() if op["mode"] == "fp32"], [f"layers.1.{part}" for part in "qkv"])

    def test_the_winner_is_judged_by_a_function_of_its_own(self):
        """What is wrong with that one is found with the model as it came, before the first trial."""
        job, asked = {"retry": {"max_attempts": 1}, "confirm": 1}, []

        def gone(model):
            asked.append(model)
            raise KeyError("labels")

        with self.assertRaisesRegex(narrowd.NarrowdError, r"\(baseline_failed\): .*KeyError on the acceptance data: 'labels'"), \
                contextlib.redirect_stderr(io.StringIO()):
            narrowd.torch.tune(copy.deepcopy(self.model), lambda model: 1.0, accept=gone, max_trials=2, job=job, progress=False)
        self.assertEqual(len(asked), 1)
        with self.assertRaisesRegex(ValueError, "there is no function for that data: give accept"):
            narrowd.torch.tune(self.model, lambda model: 1.0, job={"acceptance": {"subset": {}}}, progress=False)
        with self.assertRaisesRegex(ValueError, "leave acceptance out of the job"):
            narrowd.torch.tune(self.model, lambda model: 1.0, accept=gone, job={"acceptance": {"subset": {"split": "test"}}}, progress=False)
        tuned = narrowd.torch.tune(self.model, lambda model: 1.0, accept=lambda model: 0.5, max_trials=2, job=job, progress=False)
        self.assertEqual((tuned.keep_fp32, tuned.accuracy, tuned.accuracy_before, tuned.as_in_trial), (False, 0.5, 0.5, True))
        self.assertIn("judged on the acceptance data", tuned.verdict)

    def test_its_page(self):
        """What docs/python.md shows of PyTorch, with what it takes for granted."""
        page = (pathlib.Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
        script, = [block for block in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "narrowd.torch" in block]
        again, = re.findall(r"`(narrowd\.exports\.torchao\(.*?\))` makes it again", page)

        def loss(model):
            return nn.functional.cross_entropy(model(self.tokens), self.wanted.argmax(-1))

        names = {"narrowd": narrowd, "json": json, "model": copy.deepcopy(self.model), "fresh_model": copy.deepcopy(self.model),
                 "tokens": self.tokens, "loss": loss, "perplexity": lambda model: float(loss(model).exp())}
        with contextlib.chdir(self.place), contextlib.redirect_stderr(io.StringIO()):
            exec(script, names)
            self.assertFalse(names["tuned"].keep_fp32)
            made = eval(again, names)
        torch.testing.assert_close(made(self.tokens), names["model"](self.tokens), rtol=0, atol=0)


if __name__ == "__main__":
    unittest.main()
