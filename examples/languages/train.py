#!/usr/bin/env python3
"""Trains the small network that the evaluators beside it measure, and writes model.json: layers, images, labels.

    train.py MODEL.json

The images are the digits of 8x8 pixels, from 0 to 16, that come with scikit-learn. Each layer takes what is above 0 of
what comes in. Images on which languages could differ by how they compute are left out: where, in any config, the two
largest outputs are closer than APART.
"""

import itertools
import json
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HIDDEN, ALPHA, IMAGES, APART = (24, 16, 12), 1e-5, 300, 1e-3


def rounded(weight, bits):
    """Each row a whole number of steps; bits is None for fp32."""
    if bits is None:
        return weight
    most = 2 ** (bits - 1) - 1
    step = np.abs(weight).max(1, keepdims=True) / most
    return np.floor(weight / step + 0.5) * step


def outputs(layers, bits, images):
    for layer, b in zip(layers, bits, strict=True):
        images = np.maximum(images, 0) @ rounded(layer["weight"], b).T + layer["bias"]
    return images


def main():
    pixels, labels = load_digits(return_X_y=True)
    training, testing, learnt, wanted = train_test_split(pixels, labels, test_size=0.3, random_state=1, stratify=labels)
    network = MLPClassifier(HIDDEN, alpha=ALPHA, max_iter=2000, random_state=5).fit(training / 16, learnt)
    network.coefs_[0] /= 16
    layers = [{"name": f"fc{i}", "weight": weight.T.round(5), "bias": bias.round(5)}
              for i, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True), 1)]
    clear = np.ones(len(testing), bool)
    assert all(np.abs(layer["weight"]).max(1).all() for layer in layers), "a row of zeros has no step"
    for bits in itertools.product((None, 8, 4), repeat=len(layers)):
        best = np.sort(outputs(layers, bits, testing), 1)
        clear &= best[:, -1] - best[:, -2] > APART
    testing, wanted = testing[clear][:IMAGES].astype(int), wanted[clear][:IMAGES]
    for bits in (None, 8, 4):
        right = outputs(layers, (bits,) * len(layers), testing).argmax(1) == wanted
        print(f"{bits or 32} bits in all layers: right on {right.mean():.4f} of {len(wanted)} images")
    for layer in layers:
        layer.update(weight=layer["weight"].tolist(), bias=layer["bias"].tolist())
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"layers": layers, "images": testing.tolist(), "labels": wanted.tolist()}, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
