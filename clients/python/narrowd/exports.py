"""What `format=` of an export gives, carried out by the tool that it is for.

Most of these tools ignore a name that the model does not have, and would then quantize what was to stay as it is. So each
function first looks for all names, and a ValueError says which one is missing.
"""

import json
from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]


def check_names(named: Iterable[str], known: Iterable[str]) -> None:
    there = set(known)
    missing = [name for name in named if name not in there]
    if missing:
        raise ValueError(f"the model has no operator {missing[0]!r}" + f" and {len(missing) - 1} more" * (len(missing) > 1))


def openvino(model: Any, document: Document, samples: Iterable[Any] = ()) -> Any:
    """`format=openvino`: the openvino.Model quantized by NNCF, with samples to calibrate on where it is to be static."""
    import nncf

    (name, said), = document.items()
    arguments = dict(said)
    excluded = arguments.pop("ignored_scope")["names"]
    check_names(excluded, (op.get_friendly_name() for op in model.get_ordered_ops()))
    scope = nncf.IgnoredScope(names=excluded)
    if name == "compress_weights":
        return nncf.compress_weights(
            model, mode=nncf.CompressWeightsMode(arguments.pop("mode")), ignored_scope=scope, **arguments)
    preset = arguments.pop("preset", None)
    return nncf.quantize(model, nncf.Dataset(list(samples)), ignored_scope=scope,
                         preset=nncf.QuantizationPreset(preset) if preset else None, **arguments)


def autoround(model: Any, tokenizer: Any, document: Document, **more: Any) -> Any:
    """`format=autoround`: an AutoRound that has been told all; its quantize() or quantize_and_save() does it. `more` are its arguments."""
    from auto_round import AutoRound
    from torch import nn

    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    check_names(document["layer_config"], linear)
    # AutoRound has a scheme for layers that nobody names.
    layers = {name: document["layer_config"].get(name, {"bits": 16, "data_type": "float"}) for name in linear}
    return AutoRound(model, tokenizer, **{**document, "layer_config": layers, **more})


def modelopt(model: Any, document: Document, calibrate: Any = None) -> Any:
    """`format=modelopt`: quantizes a torch.nn.Module in place by Model Optimizer, and returns it. `calibrate(model)` runs it on
    samples, where ranges of activations are to be found."""
    import modelopt.torch.quantization as mtq

    rules = []
    for rule in document["quant_cfg"]:
        how = dict(rule.get("cfg", {}))
        if "block_sizes" in how:
            how["block_sizes"] = {int(axis): size for axis, size in how["block_sizes"].items()}
        rules.append({**rule, "cfg": how} if how else rule)
    named = [rule["quantizer_name"].rpartition(".")[0] for rule in rules if rule["quantizer_name"] != "*"]
    check_names(named, (name for name, _ in model.named_modules()))
    if calibrate is None and any(rule["quantizer_name"].endswith(".input_quantizer") for rule in rules):
        raise ValueError("the ranges of activations need calibrate(model), which runs the model on samples")
    return mtq.quantize(model, {**document, "quant_cfg": rules}, forward_loop=calibrate)


def llmcompressor(model: Any, document: Document, **more: Any) -> Any:
    """`format=llmcompressor`: quantizes a model of transformers that came from a folder, in place, by LLM Compressor, and returns it. `more`
    are arguments of its `oneshot`: `dataset` and `processor`, where ranges of activations are to be found."""
    from llmcompressor import oneshot

    recipe = document["quant_stage"]["quant_modifiers"]["QuantizationModifier"]
    groups = recipe["config_groups"].values()
    check_names([*recipe["ignore"], *(name for group in groups for name in group["targets"])], (name for name, _ in model.named_modules()))
    if "dataset" not in more and any(not group.get("input_activations", {}).get("dynamic", True) for group in groups):
        raise ValueError("the ranges of activations need a dataset and a processor, as `oneshot` takes them")
    return oneshot(model=model, recipe=json.dumps(document), **more)


def quark(model: Any, document: Document, samples: Any = None) -> Any:
    """`format=quark`: a torch.nn.Module quantized by Quark and frozen. `samples` are batches, where ranges of activations are to be found."""
    from quark.torch import ModelQuantizer
    from quark.torch.quantization.config.config import QConfig

    layers = document["layer_quant_config"]
    check_names([*layers, *document["exclude"]], (name for name, _ in model.named_modules()))
    if samples is None and any(layer["input_tensors"] for layer in layers.values()):
        raise ValueError("the ranges of activations need samples, which the model is run on")
    return ModelQuantizer.freeze(ModelQuantizer(QConfig.from_dict(document)).quantize_model(model, samples))


def torchao(model: Any, document: Document) -> Any:
    """`format=torchao`: quantizes the modules of a torch.nn.Module in place, and returns it."""
    from torchao.core.config import config_from_dict
    from torchao.quantization import quantize_

    check_names(document["_data"]["fqn_to_config"], (name for name, _ in model.named_modules()))
    quantize_(model, config_from_dict(document), filter_fn=None)
    return model
