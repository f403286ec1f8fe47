"""Has INC quantize a small model by a configuration that narrowd exported; writes what it did.

    python inc_reader.py EXPORT.json DONE.json
"""

import ast
import json
import os
import sys
import tempfile

import numpy as np
import onnx
from neural_compressor.adaptor import FRAMEWORKS
from neural_compressor.data.dataloaders.onnxrt_dataloader import ONNXRTDataLoader
from neural_compressor.model.onnx_model import ONNXModel
from onnx import TensorProto, helper, numpy_helper

WIDTH, SAMPLES = 16, 8
OPERATORS = ("fc1", "fc2", "fc3")
ALPHA_BEFORE = 0.5  # with which INC prepares SmoothQuant, whatever it tries afterwards


def network():
    """Operators one after the other."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "input"
    for name in OPERATORS:
        weight = rng.standard_normal((WIDTH, WIDTH)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"{name}_weight"))
        nodes.append(helper.make_node("MatMul", [last, f"{name}_weight"], [f"{name}_out"], name))
        nodes.append(helper.make_node("Relu", [f"{name}_out"], [f"{name}_relu"], f"{name}_act"))
        last = f"{name}_relu"
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, WIDTH])
        for name in ("input", last)
    ]
    graph = helper.make_graph(nodes, "network", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Samples:
    def __init__(self):
        rng = np.random.default_rng(1)
        self.rows = rng.standard_normal((SAMPLES, WIDTH)).astype(np.float32)

    def __getitem__(self, index):
        return self.rows[index], 0

    def __len__(self):
        return SAMPLES


def quantized(model):
    """Operators whose inputs, their weights too, come out of int8."""
    made = {output: node.op_type for node in model.graph.node for output in node.output}
    return [
        node.name.removesuffix("_quant") for node in model.graph.node
        if node.op_type == "MatMul" and all(made.get(x) == "DequantizeLinear" for x in node.input)
    ]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        tune_cfg = json.load(file)
    tune_cfg["op"] = {ast.literal_eval(key): op for key, op in tune_cfg["op"].items()}
    adaptor = FRAMEWORKS["onnxrt_qdq"]({
        "device": "cpu", "approach": "post_training_static_quant", "backend": "default",
        "format": "QDQ", "random_seed": 1, "workspace_path": tempfile.mkdtemp(), "recipes": {},
    })
    loader = ONNXRTDataLoader(Samples(), batch_size=1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "network.onnx")
        onnx.save(network(), path)
        model = ONNXModel(path)
        if tune_cfg["recipe_cfgs"].get("smooth_quant"):
            model = adaptor.smooth_quant(
                model, loader, tune_cfg["calib_iteration"], alpha=ALPHA_BEFORE,
                folding=tune_cfg["recipe_cfgs"]["smooth_quant_args"]["folding"],
                record_max_info=True,
            )
        result = adaptor.quantize(tune_cfg, model, loader)
    said = {"quantized": sorted(quantized(result.model)), "alpha": adaptor.cur_sq_args.get("alpha")}
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(said, file)


if __name__ == "__main__":
    main()
