"""Sensitivities of other tools, as they write them, and what becomes of them in a job. The samples were written by hand, after
what the tools' documents and sources say."""

import json
import pathlib
import tempfile
import unittest
import warnings

import kit  # noqa: F401  (which finds the package)
from daemon import Daemon

import narrowd
from narrowd import scores

LAYERS = [f"model.layers.{layer}.{part}" for layer in range(2)
          for part in ("self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj")]
WEIGHT = {"dtype": ["int"], "bits": [4, 8], "group_size": [32]}
CAPABILITY = {"ops": [{"name": name, "type": "Linear", "modes": {"weight_only": {"weight": WEIGHT}}} for name in LAYERS],
              "metrics": ["accuracy", "model_size_bytes"]}

MODELOPT = {
    "method": "gradient", "constraints": {"effective_bits": 6.0}, "best": {"recipe": {}, "score": 0.1},
    "candidate_stats": {
        "model.layers.0.self_attn.q_proj.quant_recipe": {
            "formats": ["INT4_AWQ_CFG(effective-bits: 4.0)", "INT8_WEIGHT_ONLY_CFG(effective-bits: 8.0)", "NONE(effective-bits: 16.0)"],
            "scores": [0.5, 0.25, 0.0], "costs": [4.0, 8.0, 16.0],
            "module_names": ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj"]},
        "model.layers.1.mlp.down_proj.quant_recipe": {
            "formats": ["INT4_AWQ_CFG(effective-bits: 4.0)", "NONE(effective-bits: 16.0)"], "scores": [float("nan"), 0.0], "costs": [4.0, 16.0]},
    },
}
SUFFERS = {"candidate_stats": {f"{name}.quant_recipe": {"formats": ["INT4_AWQ_CFG(effective-bits: 4.0)"], "scores": [score]}
                               for name, score in zip(LAYERS, (0.1, 0.2, 0.3, 0.1, 0.7, 0.2), strict=True)}}
FOUR, EIGHT = ({"mode": "weight_only", "weight": {"bits": bits}} for bits in (4, 8))
AIMET = {"model.layers.0.mlp.down_proj": 0.71, "model.layers.1.mlp.down_proj": 0.52, "lm_head": 0.75}

OLD_LOG = """2024-05-30 03:46:08 INFO autoround.py L981: quantizing 1/2, model.layers.0
2024-05-30 03:47:03 INFO autoround.py L935: quantized 7/7 layers in the block, loss iter 0: 0.184206 -> iter 174: 0.090000
2024-05-30 03:47:16 INFO autoround.py L981: quantizing 2/2, model.layers.1
2024-05-30 03:48:11 INFO autoround.py L935: quantized 7/7 layers in the block, loss iter 0: 0.193183 -> iter 80: 0.300000
"""
NEW_LOG = """2026-07-30 08:15:37 INFO data_driven.py L795: caching done
  0%|          | 0/2 [00:00<?, ?it/s]\rQuantizing model.layers.0:   0%|          | 0/2 [00:00<?, ?it/s]quantized 7/7 layers in the block, loss iter 0: 1.842e-01 -> iter 122: 9.000e-02
2026-07-30 08:17:21 INFO device.py L1450: 'peak_ram': 3.94GB, 'peak_vram': 21.37GB
\rQuantizing model.layers.1:  50%|#####     | 1/2 [01:43<53:21, 103.27s/it]quantized 7/7 layers in the block, loss iter 0: 0.193183 -> iter 0: 3.000e-01,'peak_ram': 3.94GB
"""


def of(entries, mode="weight_only", bits=4):
    """The score of the first entry that fits."""
    for entry in entries:
        when = entry["when"]
        if when.get("mode", mode) == mode and when.get("weight", {}).get("bits", bits) == bits:
            return entry["score"]
    return None


class Readers(unittest.TestCase):
    def file(self, name, text):
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / name
        path.write_text(text, encoding="utf-8")
        return path

    def test_modelopt(self):
        """Layers that have a format together share its score; NaN is no better than the worst; older states have no module_names."""
        found = scores.modelopt(MODELOPT)
        self.assertEqual(list(found), [LAYERS[0], LAYERS[1], LAYERS[5]])
        self.assertEqual(found[LAYERS[1]], [{"when": FOUR, "score": 0.25}, {"when": EIGHT, "score": 0.125}, {"when": {"mode": "fp32"}, "score": 0}])
        self.assertEqual([of(found[LAYERS[5]]), of(found[LAYERS[5]], "fp32")], [0.25, 0])
        self.assertEqual(scores.modelopt(MODELOPT["candidate_stats"]), found)
        own = {"x.quant_recipe": {"formats": ["NVFP4_DEFAULT_CFG(effective-bits: 4.5)"], "scores": [-1e-9]}}
        with self.assertRaisesRegex(ValueError, r'what is NVFP4_DEFAULT_CFG in your capability\? Say formats='):
            scores.modelopt(own)
        self.assertEqual(scores.modelopt(own, {"NVFP4_DEFAULT_CFG": FOUR}), {"x": [{"when": FOUR, "score": 0}]})
        for wrong, why in (({"best": {}}, "not what auto_quantize returns"), ({"candidate_stats": {}}, "has no layer"), ("state.pth", "torch.load"),
                           ({"x": {"formats": ["NONE"], "scores": []}}, "as many scores")):
            with self.assertRaisesRegex(ValueError, why):
                scores.modelopt(wrong)

    def test_aimet(self):
        """What suffers most has the largest score, whichever list it is of, and high precision suffers nothing."""
        def read(name, **more):
            found = scores.aimet(self.file(f"{name}.json", json.dumps(AIMET)), **more)
            self.assertEqual({of(entries, mode) for entries in found.values() for mode in ("fp32", "bf16", "fp16")}, {0})
            return [round(of(entries), 6) for entries in found.values()]

        self.assertEqual(read("per_layer_quant_enabled", whole=0.76), [0.05, 0.24, 0.01])
        self.assertEqual(read("per_layer_quant_enabled"), [0.04, 0.23, 0])
        self.assertEqual(read("per_layer_quant_enabled", higher_is_better=False), [0.19, 0, 0.23])
        self.assertEqual(read("per_layer_quant_disabled", whole=0.5), [0.21, 0.02, 0.25])
        self.assertEqual(read("per_layer_quant_disabled"), [0.19, 0, 0.23])
        self.assertEqual(read("per_layer_mse_loss", higher_is_better=False), [0.71, 0.52, 0.75])
        self.assertEqual(scores.aimet(AIMET, "per_layer_mse_loss")["lm_head"][-1], {"when": {}, "score": 0.75})
        for wrong, more, why in ((AIMET, {}, "a dictionary does not say"), (AIMET, {"kind": "weights"}, "weights is none"),
                                 ({"weights": [0, 1]}, {"kind": "per_layer_mse_loss"}, "a number for each layer"),
                                 (self.file("per_layer_mse_loss.json", "<html>"), {}, "is no JSON"), (self.file("a.json", "[]"), {}, "names of layers")):
            with self.assertRaisesRegex(ValueError, why):
                scores.aimet(wrong, **more)

    def test_autoround(self):
        """Of what is printed with a progress bar and without one, of a file and of its text."""
        for log in (OLD_LOG, NEW_LOG, self.file("log", NEW_LOG)):
            found = scores.autoround(log)
            self.assertEqual({name: of(entries) for name, entries in found.items()}, {"model.layers.0": 0.09, "model.layers.1": 0.3})
        for wrong, why in (("nothing\n", "no line of the log"), (OLD_LOG.partition("\n")[2], "before the name of its block")):
            with self.assertRaisesRegex(ValueError, why):
                scores.autoround(wrong)

    def test_what_is_of_another_model(self):
        with self.assertRaisesRegex(ValueError, "of none of the operators: they are of conv1, which are called model.layers.0"):
            scores.tell(CAPABILITY, {"conv1": scores.alike(1)})
        with self.assertWarnsRegex(UserWarning, "1 of the 3 names that have scores are no operators here: lm_head"):
            told = scores.tell(CAPABILITY, scores.aimet(AIMET, "per_layer_mse_loss"))
        self.assertEqual([op["name"] for op in told["ops"] if "known" in op], [LAYERS[2], LAYERS[5]])
        self.assertNotIn("known", CAPABILITY["ops"][2])

    def test_blocks_and_what_was_known(self):
        """A block's operators share its score, but for those that have one of their own; what the capability says itself comes first."""
        mine = {"when": FOUR, "score": 7}
        capability = {"ops": [{**op, "known": [mine]} if op["name"] == LAYERS[0] else op for op in CAPABILITY["ops"]]}
        told = scores.tell(capability, {"model.layers.0": scores.alike(0.6), "model.layers.1": scores.alike(0.6), LAYERS[5]: scores.alike(9)})
        self.assertEqual([round(of(op["known"]), 6) for op in told["ops"]], [7, 0.2, 0.2, 0.3, 0.3, 9])


class Jobs(unittest.TestCase):
    def test_a_search_goes_by_them(self):
        """bisect puts back what suffers most first, and asks nobody for scores."""
        daemon = self.enterContext(Daemon(self.enterContext(tempfile.TemporaryDirectory())))
        self.enterContext(warnings.catch_warnings(action="ignore"))
        body = {"approach": "weight_only", "confirm": 0, "tuning_criterion": {"strategy": "bisect", "objective": "model_size_bytes", "max_trials": 2}}
        for found, worst in ((scores.modelopt(SUFFERS), LAYERS[4]), (scores.aimet(AIMET, "per_layer_quant_enabled"), LAYERS[5]),
                             (scores.autoround(OLD_LOG), LAYERS[3])):
            evaluator = narrowd.Evaluator(scores.tell(CAPABILITY, found))
            evaluator.score("mse")(self.fail)
            evaluator.evaluate(lambda config: {"accuracy": 0.5 + 0.4 * all(op["mode"] == "fp32" for op in config["ops"].values()), "model_size_bytes": 100})
            client = narrowd.Client(daemon.url)
            dry = client.dry_run({**body, "capability": evaluator.what_it_can_do()})
            self.assertEqual(dry["warnings"], [])
            job = narrowd.search(evaluator, body, client=client, progress=False)
            self.assertEqual([trial["kind"] for trial in job.trials()], ["baseline", "evaluate", "evaluate"])
            second = job.trial(2)["config"]["ops"]
            self.assertEqual([name for name, op in second.items() if op["mode"] == "fp32"], [worst])


if __name__ == "__main__":
    unittest.main()
