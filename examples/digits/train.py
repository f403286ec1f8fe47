#!/usr/bin/env python3
"""Trains the digits network and writes model.bin: weights, calibration and held-out images.

    python3 -m venv venv && venv/bin/pip install numpy scikit-learn torch
    venv/bin/python examples/digits/train.py            # some two minutes on two cores

The data set is scikit-learn's handwritten digits: 1797 images of 8x8 pixels, here stretched to
16x16. 540 of them are held out: they are neither trained nor calibrated on.

A network that is trained with batch normalisation quantizes without harm, and then there is nothing
to tune. So the trained network is rewritten into an equal one with badly balanced channels, which
is how depthwise networks often come out of training: see unbalance().
"""

import argparse
import pathlib
import struct

import numpy
import torch
from sklearn.datasets import load_digits
from torch import nn

SIDE = 16
HELD_OUT = 540
CALIBRATION = 100

CONV, DEPTHWISE, LINEAR = range(3)

# name, kind, channels in, channels out, kernel, stride, side of the input, ReLU, average before
LAYERS = [
    ("stem", CONV, 1, 16, 3, 1, 16, True, False),
    ("conv1", CONV, 16, 32, 3, 1, 16, True, False),
    ("dw1", DEPTHWISE, 32, 32, 3, 1, 16, True, False),
    ("pw1", CONV, 32, 32, 1, 1, 16, False, False),
    ("conv2", CONV, 32, 32, 3, 1, 16, True, False),
    ("conv3", CONV, 32, 48, 3, 2, 16, True, False),
    ("dw2", DEPTHWISE, 48, 48, 3, 1, 8, True, False),
    ("pw2", CONV, 48, 48, 1, 1, 8, False, False),
    ("conv4", CONV, 48, 64, 3, 1, 8, True, False),
    ("conv5", CONV, 64, 64, 3, 1, 8, True, False),
    ("fc1", LINEAR, 64, 32, 1, 1, 1, True, True),
    ("fc2", LINEAR, 32, 10, 1, 1, 1, False, False),
]

# Layer whose output channels are spread -> by how much the largest exceeds the smallest.
SPREADS = {"conv1": 1500.0, "dw2": 1000.0}
# Layer -> factor of its one loudest channel.
LOUD = {"conv4": 40.0}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList()
        for _, kind, inputs, outputs, kernel, stride, _, relu, average in LAYERS:
            groups = inputs if kind == DEPTHWISE else 1
            last = outputs == 10
            parts = [nn.AdaptiveAvgPool2d(1)] if average else []
            parts.append(
                nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=last)
            )
            parts += [] if last else [nn.BatchNorm2d(outputs)]
            parts += [nn.ReLU()] if relu else []
            self.layers.append(nn.Sequential(*parts))

    def forward(self, images):
        for layer in self.layers:
            images = layer(images)
        return images.flatten(1)


def load_images():
    """Images as bytes [n, 16, 16] and labels, shuffled."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    images = nn.functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear")
    order = numpy.random.default_rng(1).permutation(len(images))
    pixels = (images[:, 0].numpy()[order] * 255).round().astype(numpy.uint8)
    return pixels, digits.target[order].astype(numpy.uint8)


def as_input(pixels):
    return torch.tensor(pixels, dtype=torch.float32)[:, None] / 255


def shifted(images, generator):
    """Each image moved by at most one pixel in both directions."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(images), 2), generator=generator)
    return torch.stack(
        [image[:, y : y + SIDE, x : x + SIDE] for image, (y, x) in zip(padded, moves.tolist())]
    )


def train(images, labels, epochs):
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=1e-4)
    batches = (len(images) + 63) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * batches)
    for epoch in range(epochs):
        for chosen in torch.randperm(len(images), generator=generator).split(64):
            loss = nn.functional.cross_entropy(
                network(shifted(images[chosen], generator)), labels[chosen], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    return network.eval()


def folded(network):
    """Per layer: weights [out, in per group, kernel, kernel] and bias, batch norm folded in."""
    result = []
    for layer in network.layers:
        conv = next(part for part in layer if isinstance(part, nn.Conv2d))
        norm = next((part for part in layer if isinstance(part, nn.BatchNorm2d)), None)
        weights = conv.weight.detach().clone()
        if norm is None:
            bias = conv.bias.detach().clone()
        else:
            factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
            weights *= factor[:, None, None, None]
            bias = (norm.bias - norm.running_mean * factor).detach().clone()
        result.append([weights, bias])
    return result


def rescale(weights, layer, factors):
    """Multiplies the outputs of a layer by factors and takes them back in the next layer."""
    by_output, by_input = factors[:, None, None, None], factors[:, None, None]
    weights[layer][0] *= by_output
    weights[layer][1] *= factors
    weights[layer + 1][0] /= by_output if LAYERS[layer + 1][1] == DEPTHWISE else by_input


def unbalance(weights):
    """Channels of very different range, the function unchanged since ReLU(ax) = aReLU(x).

    A spread makes one scale for all channels too coarse for the quiet ones: no option of the next
    layer helps, only fp32. One loud channel wastes the range that minmax finds: kl cuts it off.
    """
    names = [layer[0] for layer in LAYERS]
    generator = torch.Generator().manual_seed(2)
    for name, spread in SPREADS.items():
        outputs = len(weights[names.index(name)][1])
        steps = torch.linspace(0, 1, outputs)[torch.randperm(outputs, generator=generator)]
        rescale(weights, names.index(name), spread ** (steps - 0.5))
    for name, factor in LOUD.items():
        index = names.index(name)
        use = weights[index + 1][0].abs().sum((0, 2, 3))
        factors = torch.ones(len(use))
        factors[use.argmin()] = factor
        rescale(weights, index, factors)


def run(weights, images):
    for layer, (weight, bias) in zip(LAYERS, weights):
        _, kind, inputs, _, kernel, stride, _, relu, average = layer
        images = images.mean((2, 3), keepdim=True) if average else images
        groups = inputs if kind == DEPTHWISE else 1
        images = nn.functional.conv2d(images, weight, bias, stride, kernel // 2, groups=groups)
        images = images.relu() if relu else images
    return images.flatten(1)


def accuracy(logits, labels):
    return (logits.argmax(1).numpy() == labels).mean()


def write_model(path, weights, pixels, labels):
    """The format is described in model.h."""
    with open(path, "wb") as out:
        out.write(struct.pack("<4s5I", b"DGT1", len(LAYERS), SIDE, CALIBRATION, HELD_OUT, 10))
        for (name, *numbers), (weight, bias) in zip(LAYERS, weights):
            out.write(struct.pack("<16s8I", name.encode(), *map(int, numbers)))
            out.write(weight.numpy().astype("<f4").tobytes())
            out.write(bias.numpy().astype("<f4").tobytes())
        out.write(pixels.tobytes())
        out.write(labels.tobytes())


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve().parent
    options.add_argument("--output", type=pathlib.Path, default=here / "model.bin")
    options.add_argument("--epochs", type=int, default=30)
    options = options.parse_args()

    pixels, labels = load_images()
    trained_on = slice(0, len(pixels) - HELD_OUT)
    held_out = slice(len(pixels) - HELD_OUT, None)
    network = train(
        as_input(pixels[trained_on]), torch.tensor(labels[trained_on]).long(), options.epochs
    )
    weights = folded(network)
    with torch.no_grad():
        before = run(weights, as_input(pixels[held_out]))
        unbalance(weights)
        after = run(weights, as_input(pixels[held_out]))
    print(f"held-out accuracy {accuracy(before, labels[held_out]):.4f}, ", end="")
    print(f"{accuracy(after, labels[held_out]):.4f} with unbalanced channels")

    kept = numpy.r_[0:CALIBRATION, len(pixels) - HELD_OUT : len(pixels)]
    write_model(options.output, weights, pixels[kept], labels[kept])


if __name__ == "__main__":
    main()
