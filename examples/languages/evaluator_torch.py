#!/usr/bin/env python3
"""An evaluator for PyTorch: rounds the weights of a network as a config says, and tells how good and how large it is then.

    evaluator_torch.py [PORT]

Questions, answers, busy and errors are the business of the package narrowd; docs/python.md.
"""

import collections
import copy
import json
import pathlib
import sys

import narrowd
import torch
from torch import nn

DATA = json.loads(pathlib.Path(__file__).with_name("model.json").read_text())
IMAGES, LABELS = torch.tensor(DATA["images"], dtype=torch.float32), torch.tensor(DATA["labels"])
MODES = {"weight_only": {"weight": {"bits": [8, 4], "granularity": ["per_channel"]}}}


def network():
    """Yours: its layers of the type Linear, and what is between them."""
    parts = collections.OrderedDict()
    for layer in DATA["layers"]:
        weight, bias = (nn.Parameter(torch.tensor(layer[part])) for part in ("weight", "bias"))
        parts[f"relu_before_{layer['name']}"] = nn.ReLU()
        parts[layer["name"]] = nn.Linear(weight.shape[1], weight.shape[0])
        parts[layer["name"]].weight, parts[layer["name"]].bias = weight, bias
    return nn.Sequential(parts)


def apply(model, config):
    """Rounds the weights in place and returns the bytes of all. The winner is deployed by this, too."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if set(layers) != set(config["ops"]):
        raise narrowd.CannotRun(f"the config has {sorted(config['ops'])}, the network {sorted(layers)}")
    size = 0
    for name, op in config["ops"].items():
        bits, weight = {"fp32": 32, "weight_only": op.get("weight", {}).get("bits")}.get(op["mode"]), layers[name].weight.data
        if bits not in (32, 8, 4):
            raise narrowd.CannotRun(f"{name} cannot be {op}")
        if bits < 32:
            step = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            weight.copy_(torch.floor(weight / step + 0.5) * step)
        size += weight.numel() * bits // 8 + len(weight) * (4 if bits == 32 else 4 + 4)  # biases, and steps
    return size


evaluator = narrowd.Evaluator({"ops": [{"name": layer["name"], "type": "Linear"} for layer in DATA["layers"]],
                               "op_types": {"Linear": MODES}, "metrics": ["accuracy", "model_size_bytes"]})
MODEL = network().eval()


@evaluator.evaluate
def measure(config):
    model = copy.deepcopy(MODEL)
    size = apply(model, config)
    with torch.no_grad():
        return {"accuracy": (model(IMAGES).argmax(1) == LABELS).double().mean(), "model_size_bytes": size}


if __name__ == "__main__":
    evaluator.serve(port=int(sys.argv[1]) if len(sys.argv) > 1 else 9002)
