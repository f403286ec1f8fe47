"""What test_onnxruntime.py does with ONNX in the environment of the example.

    onnx_kit.py accuracy MODEL DATA       prints the accuracy of a file
    onnx_kit.py ways MODEL                prints how each of its weights is quantized, by the shape of the weights
    onnx_kit.py twins MODEL DATA          writes a model with shared tensors, nodes without names, and an old opset
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH = 8


def accuracy(model, data):
    data, session = np.load(data), onnxruntime.InferenceSession(model)
    outputs, = session.run(None, {session.get_inputs()[0].name: data["inputs"]})
    print(json.dumps(float((outputs.argmax(1) == data["labels"]).mean())))


def ways(model):
    """Per weight in the order of the graph: its operator's type, and how many scales it has; 0 for fp32."""
    graph = onnx.load(model).graph
    constants = {constant.name: constant for constant in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    found = []
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul"):
            weight = made.get(node.input[1])
            scales = constants[weight.input[1]].dims if weight is not None else None
            found.append([node.op_type, 0 if scales is None else int(np.prod(scales))])
        elif node.op_type == "MatMulInteger":
            found.append(["dynamic", 1])
    print(json.dumps(found))


def twins(model, data):
    """x -> a, b; a + b -> c -> d, with c and d of the same weights."""
    rng = np.random.default_rng(3)
    weights = [numpy_helper.from_array(rng.standard_normal((WIDTH, WIDTH)).astype(np.float32), w) for w in "uvw"]
    nodes = [
        helper.make_node("MatMul", ["x", "u"], ["a"]), helper.make_node("MatMul", ["x", "v"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["c"]), helper.make_node("MatMul", ["c", "w"], ["d"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xd"]
    graph = helper.make_graph(nodes, "twins", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8), model)
    samples = rng.standard_normal((20, WIDTH)).astype(np.float32)
    np.savez(data, calibration=samples, inputs=samples, labels=np.zeros(20, np.int64))


{"accuracy": accuracy, "ways": ways, "twins": twins}[sys.argv[1]](*sys.argv[2:])
