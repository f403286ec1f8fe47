#!/usr/bin/env python3
"""Writes MODEL.onnx and DATA.npz for evaluator.py: the network of ../digits, trained by train.py there, with its images.

    digits.py MODEL.onnx DATA.npz

Its operators have no names, as it is with many exporters. The format of the file is described in ../digits/model.h.
"""

import pathlib
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODEL = pathlib.Path(__file__).resolve().parent.parent / "digits" / "model.bin"
LINEAR = 2


class Graph:
    """A chain of operators that grows at its end."""

    def __init__(self):
        self.nodes, self.weights, self.last = [], [], "image"

    def constant(self, array):
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator, *constants, **attributes):
        inputs = [self.last, *map(self.constant, constants)]
        self.last = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [self.last], **attributes))

    def model(self, side, classes):
        ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, side, side]),
                helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ["n", classes])]
        graph = helper.make_graph(self.nodes, "digits", ends[:1], ends[1:], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    data, at = MODEL.read_bytes(), 24

    def floats(count):
        nonlocal at
        at += 4 * count
        return np.frombuffer(data, "<f4", count, at - 4 * count)

    magic, layers, side, calibration, held_out, classes = struct.unpack_from("<4s5I", data)
    assert magic == b"DGT1", MODEL
    graph = Graph()
    for _ in range(layers):
        _, kind, inputs, outputs, kernel, stride, _, relu, average = struct.unpack_from("<16s8I", data, at)
        at += 48
        groups = inputs if kind == 1 else 1
        weight = floats(outputs * inputs // groups * kernel * kernel)
        weight = weight.reshape(outputs, inputs // groups, kernel, kernel)
        bias = floats(outputs)
        if average:
            graph.add("GlobalAveragePool")
            graph.add("Flatten")
        if kind == LINEAR:
            graph.add("MatMul", weight[:, :, 0, 0].T)
            graph.add("Add", bias)
        else:
            graph.add("Conv", weight, bias, group=groups, strides=[stride] * 2, pads=[kernel // 2] * 4)
        if relu:
            graph.add("Relu")
    count = calibration + held_out
    images = np.frombuffer(data, np.uint8, count * side * side, at).reshape(count, 1, side, side)
    images = images.astype(np.float32) / 255
    labels = np.frombuffer(data, np.uint8, count, at + count * side * side)
    onnx.save(graph.model(side, classes), sys.argv[1])
    np.savez(sys.argv[2], calibration=images[:calibration], inputs=images[calibration:],
             labels=labels[calibration:])


if __name__ == "__main__":
    main()
