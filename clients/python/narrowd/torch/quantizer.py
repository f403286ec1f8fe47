"""What torchao can do to a module, a config applied to one for a while, and what its weights then take."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torchao.quantization import (
    FqnToConfig, Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, IntxWeightOnlyConfig, MappingType, PerAxis, PerGroup,
    quantize_,
)

from ..exports import check_names
from ..layers import blocks_of
from ..types import Config, OpConfig

BITS, GROUPS = (4, 8), (32, 64, 128)
DYNAMIC = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["int8"], "scheme": ["sym"]}}
SCALE_BYTES = 2


def layers_of(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers whose weights are theirs alone, by name: those of an output that shares them with the embedding stay."""
    owners: dict[int, int] = defaultdict(int)
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] += 1
    return {name: module for name, module in model.named_modules()
            if type(module) is nn.Linear and owners[id(module.weight)] == 1}


def tied(layers: dict[str, nn.Linear], run: Callable[[], object]) -> list[list[str]]:
    """Layers that are given the same tensor, as Q, K and V, or gate and up; seen while `run` runs the model."""
    readers: dict[tuple[int, int], list[str]] = defaultdict(list)
    alive: list[Any] = []  # or another tensor could come to lie at the place of one

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            alive.append(inputs[0])
            readers[id(inputs[0]), inputs[0]._version].append(name)
        return hook

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return [group for group in readers.values() if len(group) > 1 and len(set(group)) == len(group)]


def capability(model: nn.Module, approach: str, bits: tuple[int, ...], groups: tuple[int, ...],
               run: Callable[[], object] | None) -> dict[str, Any]:
    layers = layers_of(model)
    ops: list[dict[str, Any]] = []
    for name, layer in layers.items():
        fitting = [group for group in groups if group <= 0 or layer.in_features % group == 0]
        weight = {"dtype": ["int"], "bits": list(bits), "group_size": fitting, "scheme": ["sym", "asym"]}
        modes = {"dynamic": DYNAMIC} if approach == "dynamic" else {"weight_only": {"weight": weight}}
        if fitting or approach == "dynamic":
            ops.append({"name": name, "type": "Linear", "modes": modes})
    if not ops:
        raise ValueError(f"the model has no linear layer for the approach {approach} with groups of {list(groups)}")
    names = [op["name"] for op in ops]
    return {"framework": "torchao", "ops": ops, "tied": tied({name: layers[name] for name in names}, run) if run else [],
            "blocks": blocks_of(names)}


def config_of(op: OpConfig) -> Any:
    """One of torchao's configurations; None leaves a layer as it is."""
    if op["mode"] == "fp32":
        return None
    if op["mode"] == "dynamic":
        return Int8DynamicActivationInt8WeightConfig()
    if op["mode"] != "weight_only":
        raise ValueError(f"mode {op['mode']} is not for torchao")
    weight = op["weight"]
    bits, group, symmetric = int(weight["bits"]), int(weight["group_size"]), weight["scheme"] == "sym"
    if bits == 8 and group <= 0 and symmetric:
        return Int8WeightOnlyConfig()
    return IntxWeightOnlyConfig(getattr(torch, f"int{bits}"), PerGroup(group) if group > 0 else PerAxis(0),
                                MappingType.SYMMETRIC if symmetric else MappingType.ASYMMETRIC)


@contextmanager
def applied(model: nn.Module, config: Config) -> Iterator[None]:
    """The model with a config; afterwards it has its own weights again."""
    modules = dict(model.named_modules())
    check_names(config["ops"], modules)
    chosen = {name: how for name, op in config["ops"].items() if (how := config_of(op)) is not None}
    kept = {name: modules[name].weight for name in chosen}
    try:
        if chosen:
            quantize_(model, FqnToConfig(chosen), filter_fn=None)
        yield
    finally:
        for name, weight in kept.items():
            modules[name].weight = weight
            modules[name].__dict__.pop("extra_repr", None)


def size_of(model: nn.Module, config: Config) -> int:
    """Bytes of all parameters as they would be stored: weights in their bits, a scale and, where asymmetric, a zero point for each group."""
    size, modules = 0, dict(model.named_modules())
    quantized = {id(modules[name].weight): (modules[name].weight, op) for name, op in config["ops"].items() if op["mode"] != "fp32"}
    for parameter in {id(p): p for p in model.parameters()}.values():
        if id(parameter) not in quantized:
            size += parameter.numel() * parameter.element_size()
    for weight, op in quantized.values():
        chosen = op.get("weight", {})
        bits, group = int(chosen.get("bits", 8)), int(chosen.get("group_size", -1))
        count = weight.numel() // group if group > 0 else weight.shape[0]
        zeros = bits if chosen.get("scheme") == "asym" else 0
        size += math.ceil((weight.numel() * bits + count * (8 * SCALE_BYTES + zeros)) / 8)
    return size


def errors(layer: nn.Linear, options: list[OpConfig], importance: torch.Tensor) -> list[float]:
    """What the loss is expected to rise by with each option: the squared error of each weight times its importance."""
    held = nn.Sequential(nn.Linear(layer.in_features, layer.out_features, bias=False))
    result = []
    for option in options:
        how = config_of(option)
        if how is None:
            result.append(0.0)
            continue
        held[0].weight = nn.Parameter(layer.weight.detach().clone())
        quantize_(held, FqnToConfig({"0": how}), filter_fn=None)
        rounded = held[0].weight.dequantize()
        result.append(float(((rounded - layer.weight.detach()).float() ** 2 * importance).sum()))
    return result
