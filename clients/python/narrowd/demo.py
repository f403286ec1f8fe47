"""python -m narrowd demo: trains a small network here and now, and searches how few bits its layers need.

With the standard library alone: digits of 5 by 7 pixels with noise, three layers, weights of 2 to 8 bits.
"""

import math
import random
from collections.abc import Callable
from typing import Any

from .calls import search
from .client import Client
from .evaluator import Evaluator
from .types import Config

GLYPHS = """
01110 00100 01110 11111 00010 11111 00110 11111 01110 01110
10001 01100 10001 00010 00110 10000 01000 00001 10001 10001
10011 00100 00001 00100 01010 11110 10000 00010 10001 10001
10101 00100 00010 00010 10010 00001 11110 00100 01110 01111
11001 00100 00100 00001 11111 00001 10001 01000 10001 00001
10001 00100 01000 10001 00010 10001 10001 01000 10001 00010
01110 01110 11111 01110 00010 01110 01110 01000 01110 01100
"""
SIZES = {"in": (35, 24), "middle": (24, 20), "out": (20, 10)}
NOISE, TRAINED_ON, HELD_OUT, EPOCHS, RATE = 0.55, 700, 400, 6, 0.03
BITS = [2, 3, 4, 8]
JOB: dict[str, Any] = {
    "name": "demo", "approach": "weight_only",
    "tuning_criterion": {"strategy": "sgp", "objective": "model_size_bytes", "stop_on": "budget", "max_trials": 20},
    "accuracy_criterion": {"criterion": "relative", "tolerable_loss": 0.01},
}

Layer = list[list[float]]  # a row of weights for each output, its bias last
Sample = tuple[list[float], int]


def samples(rng: random.Random, count: int) -> list[Sample]:
    rows = [line.split() for line in GLYPHS.split("\n") if line]
    digits = [[float(bit) for row in rows for bit in row[digit]] for digit in range(10)]
    return [([x + rng.gauss(0, NOISE) for x in digits[i % 10]], i % 10) for i in range(count)]


def apply(layer: Layer, x: list[float]) -> list[float]:
    x = [*x, 1.0]
    return [math.sumprod(row, x) if hasattr(math, "sumprod") else sum(map(float.__mul__, row, x)) for row in layer]


def forward(layers: list[Layer], x: list[float]) -> list[list[float]]:
    """What goes into each layer, and what comes out of the last."""
    steps = [x]
    for i, layer in enumerate(layers):
        out = apply(layer, steps[-1])
        steps.append([max(y, 0.0) for y in out] if i + 1 < len(layers) else out)
    return steps


def learn(layers: list[Layer], x: list[float], label: int) -> None:
    """One step of gradient descent on the cross entropy."""
    steps = forward(layers, x)
    top = max(steps[-1])
    odds = [math.exp(y - top) for y in steps[-1]]
    error = [odd / sum(odds) - (i == label) for i, odd in enumerate(odds)]
    for layer, into in zip(reversed(layers), reversed(steps[:-1]), strict=True):
        back = [0.0] * len(into)
        for row, e in zip(layer, error, strict=True):
            if e:
                back = [b + e * w for b, w in zip(back, row)]
                row[:] = [w - RATE * e * v for w, v in zip(row, [*into, 1.0])]
        error = [b if v > 0 else 0.0 for b, v in zip(back, into)]


def trained(rng: random.Random) -> dict[str, Layer]:
    layers = [[[rng.gauss(0, 1 / math.sqrt(width)) for _ in range(width)] + [0.0] for _ in range(height)]
              for width, height in SIZES.values()]
    data = samples(rng, TRAINED_ON)
    for _ in range(EPOCHS):
        rng.shuffle(data)
        for x, label in data:
            learn(layers, x, label)
    return dict(zip(SIZES, layers, strict=True))


def rounded(layer: Layer, bits: int, per_channel: bool) -> Layer:
    """Weights as integers of so many bits times a scale; biases stay as they are."""
    most = 2 ** (bits - 1) - 1
    whole = max(abs(w) for row in layer for w in row[:-1])

    def row_of(row: list[float]) -> list[float]:
        scale = (max(map(abs, row[:-1])) if per_channel else whole) / most or 1.0
        return [*(round(w / scale) * scale for w in row[:-1]), row[-1]]

    return [row_of(row) for row in layer]


def measurer(network: dict[str, Layer], held_out: list[Sample]) -> Callable[[Config], dict[str, Any]]:
    def measure(config: Config) -> dict[str, Any]:
        size, layers = 0.0, []
        for name, layer in network.items():
            op, width = config["ops"][name], len(layer[0]) - 1
            bits, scales = 32, 0
            if op["mode"] != "fp32":
                per_channel = op["weight"]["granularity"] == "per_channel"
                bits, scales = int(op["weight"]["bits"]), len(layer) if per_channel else 1
                layer = rounded(layer, bits, per_channel)
            size += len(layer) * width * bits / 8 + 4 * (scales + len(layer))
            layers.append(layer)
        right = 0
        for x, label in held_out:
            out = forward(layers, x)[-1]
            right += out.index(max(out)) == label
        return {"accuracy": right / len(held_out), "model_size_bytes": math.ceil(size)}

    return measure


def demo(progress: bool = True) -> None:
    rng = random.Random(5)
    print("training a network of three layers ...", flush=True)
    measure = measurer(trained(rng), samples(rng, HELD_OUT))
    modes = {"weight_only": {"weight": {"dtype": ["int"], "bits": BITS, "granularity": ["per_channel", "per_tensor"]}}}
    evaluator = Evaluator({"ops": [{"name": name, "type": "Linear", "modes": modes} for name in SIZES],
                           "metrics": ["accuracy", "model_size_bytes"]})
    evaluator.evaluate(measure)
    print("searching for the smallest one that loses at most 1 % of its accuracy ...", flush=True)
    with Client() as client:
        best = search(evaluator, JOB, identity="demo", client=client, progress=progress).best()
    print(f"\n{best['verdict']}\n")
    assert best["config"] is not None
    for name, op in best["config"]["ops"].items():
        weight = op.get("weight", {})
        print(f"  {name:8}", f"{weight['bits']} bits, {weight['granularity']}" if weight else "fp32")
    print("\nnext: tune a model of your own, see docs/python.md")
