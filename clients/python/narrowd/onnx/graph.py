"""A model made ready for configs: every node has a name, what can be folded is folded, operators are known."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import onnx
import onnx.version_converter
import onnxruntime as ort
from google.protobuf.message import EncodeError
from onnx.external_data_helper import uses_external_data
from onnxruntime.quantization.onnx_model import ONNXModel

from ..layers import blocks_of
from .quiet import options_of

# These have no choice: they are in int8 when what they read is.
FOLLOWERS = {"Relu", "Clip", "MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"}
QUANTIZED = ("Conv", "MatMul")
INTEGER = {"QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits"}
NAMED_SHARE = 0.01  # of the weights; what stays as it is and has less is not worth a word
MUCH_LARGER = 1.1  # than the model as it came
FIRST_WITH_CHANNELS = 13  # the opset that has scales per channel


def name_nodes(nodes: Iterable[Any]) -> None:
    """Nodes without a name are called by their type and first output: a config speaks of operators by name."""
    taken: set[str] = set()
    for node in nodes:
        name = node.name or f"{node.op_type}:{node.output[0]}"
        while name in taken:  # ONNX Runtime would quantize both
            name += "'"
        node.name = name
        taken.add(name)


def nbytes(weight: Any) -> int:
    size: int = onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize
    return math.prod(weight.dims) * size


def weights_of(node: Any, left: dict[str, int]) -> int:
    """Bytes of the weights that a node reads and nobody before it, which are taken out of `left`, and of those in its branches."""
    size = sum(left.pop(name, 0) for name in node.input)
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for graph in graphs:
            size += sum(map(nbytes, graph.initializer)) + sum(weights_of(inner, left) for inner in graph.node)
        if node.op_type == "Constant" and attribute.name == "value":
            size += nbytes(attribute.t)
    return size


def load(path: str | os.PathLike[str], **how: Any) -> Any:
    try:
        return onnx.load(path, **how)
    except OSError:
        raise
    except Exception as error:  # of protobuf, or for weights that are not there
        raise ValueError(f"{os.fspath(path)} is no model in ONNX: {error}") from None


def in_one_file(path: Path, folder: str) -> Path:
    """The model with its weights: exporters of PyTorch leave them in a file beside it, which belongs to the model."""
    if not any(map(uses_external_data, load(path, load_external_data=False).graph.initializer)):
        return path
    model, whole = load(path), Path(folder, "whole.onnx")
    try:
        onnx.save(model, whole)
    except (EncodeError, ValueError) as error:
        raise ValueError(f"{path} has more than the 2 GB that ONNX can have in one file: it cannot be tuned here") from error
    return whole


def in_float16(graph: Any) -> str:
    """Which operators with weights are in float16, that ONNX Runtime computes in fp32 by casting them: "6 Conv, 1 MatMul"."""
    half = {weight.name for weight in graph.initializer if weight.data_type == onnx.TensorProto.FLOAT16}
    half |= {output for node in graph.node if node.op_type == "Constant" for output in node.output
             if any(attribute.t.data_type == onnx.TensorProto.FLOAT16 for attribute in node.attribute)}
    kinds = Counter(node.op_type for node in graph.node if node.op_type in (*QUANTIZED, "Gemm") and half.intersection(node.input[1:2]))
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def in_integers(graph: Any) -> str:
    """Which operators with weights somebody has quantized before: "53 Conv, 1 MatMul"."""
    again = {output for node in graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    kinds = Counter(node.op_type for node in graph.node if node.op_type in INTEGER or
                    node.op_type in (*QUANTIZED, "Gemm") and again.intersection(node.input[1:2]))
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def simplify(model: Any, path: str, disabled: list[str]) -> None:
    """Writes the model as ONNX Runtime makes it simpler: constants are computed, batch normalisation becomes part of others."""
    options = options_of()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = path
    ort.InferenceSession(model.SerializeToString(), options, disabled_optimizers=disabled, providers=["CPUExecutionProvider"])


class Graph:
    """The prepared model is in `folder`; what is asked of it stands in the members.

    `ops` are the operators that can be quantized, by name, in graph order; `types` are the types of all by
    name; `known` are all names of nodes and tensors; `halves` says what is in float16 and so is not among `ops`, `quantized` what
    somebody has quantized before.
    """

    def __init__(self, path: str | os.PathLike[str], folder: str):
        self.path = os.path.join(folder, "prepared.onnx")
        model = load(path)
        if any(o.domain in ("", "ai.onnx") and o.version < FIRST_WITH_CHANNELS for o in model.opset_import):
            model = onnx.version_converter.convert_version(model, FIRST_WITH_CHANNELS)
        self.halves, self.quantized = in_float16(model.graph), in_integers(model.graph)
        name_nodes(model.graph.node)  # before they are folded into others: so one finds them in one's own file
        try:
            simplify(model, self.path, ["MatMulAddFusion"])
            if os.path.getsize(self.path) > MUCH_LARGER * model.ByteSize():  # tables that a node computes, in place of the node
                simplify(model, self.path, ["MatMulAddFusion", "ConstantFolding"])
        except Exception as error:  # ONNX Runtime has a class of its own for each fault
            raise ValueError(f"ONNX Runtime cannot run {os.fspath(path)}: {error}") from None
        prepared = ONNXModel(onnx.load(self.path))
        prepared.replace_gemm_with_matmul()  # as quantize_dynamic does, which gives them other names
        prepared.topological_sort()
        nodes = prepared.graph().node
        name_nodes(nodes)
        onnx.save(prepared.model, self.path)
        self.dims = {weight.name: tuple(weight.dims) for weight in prepared.initializer()}
        inputs = [value for value in prepared.graph().input if value.name not in self.dims]
        self.inputs = [value.name for value in inputs]
        self.singles = {value.name for value in inputs if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        self.known = {"", *(x for node in nodes for x in (node.name, *node.input, *node.output))}
        self.types: dict[str, str] = {node.name: node.op_type for node in nodes}
        self.followers = [node.name for node in nodes if node.op_type in FOLLOWERS]
        readers = Counter(name for node in nodes for name in node.input)
        # Weights that several nodes read cannot be what each of them chose: these stay in fp32.
        self.ops: dict[str, Any] = {
            node.name: node for node in nodes if node.op_type in QUANTIZED
            and len(node.input) > 1 and node.input[1] in self.dims and readers[node.input[1]] == 1}
        self.size: dict[str, int] = Counter()  # bytes of weights by node; those of several count for the first
        left = {weight.name: nbytes(weight) for weight in prepared.initializer()}
        for node in nodes:
            self.size[node.name] += weights_of(node, left)
        self.rank = {name: len(self.dims[node.input[1]]) for name, node in self.ops.items()}
        self.sizes = {  # by tensor, 0 where the file leaves it open
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*prepared.graph().value_info, *prepared.graph().output)}

    def untouched(self, touched: Container[str]) -> str:
        """Which types have much of the weights and stay as they are: "1 LSTM (16.8 of 54.0 MB of weights)"."""
        total = sum(self.size.values())
        rest: dict[str, list[int]] = defaultdict(list)
        for name, size in self.size.items():
            if name not in touched and size:
                rest[self.types[name]].append(size)
        large = {kind: sizes for kind, sizes in rest.items() if sum(sizes) >= NAMED_SHARE * total}
        return ", ".join(f"{len(sizes)} {kind} ({sum(sizes) / 1e6:.3g} of {total / 1e6:.3g} MB of weights)"
                         for kind, sizes in sorted(large.items(), key=lambda item: -sum(item[1])))

    def share(self, names: Container[str]) -> float:
        """How much of the weights these operators have."""
        return sum(size for name, size in self.size.items() if name in names) / max(1, sum(self.size.values()))

    def axis(self, name: str) -> int:
        """Where the weight of an operator has its output channels."""
        return 0 if self.ops[name].op_type == "Conv" else self.rank[name] - 1

    def shape(self, name: str) -> str:
        """What makes operators of a type alike: the size of the weight, and for a Conv how it goes over pictures of which
        size, where the file says that: "64x32x3x3, strides 2x2, to 56x56"."""
        node = self.ops[name]
        text = "x".join(map(str, self.dims[node.input[1]]))
        attributes = {attribute.name: attribute for attribute in node.attribute}
        for word in ("group", "strides", "dilations"):
            value = onnx.helper.get_attribute_value(attributes[word]) if word in attributes else 1
            values = value if isinstance(value, list) else [value]
            if any(number != 1 for number in values):
                text += f", {word} {'x'.join(map(str, values))}"
        pictures = self.sizes.get(node.output[0], [])[2:] if node.op_type == "Conv" else []
        return text + f", to {'x'.join(map(str, pictures))}" * (len(pictures) > 0 and all(pictures))

    def tied(self) -> list[list[str]]:
        """MatMuls that read the same tensor, as Q, K and V, or gate and up: they share its quantization."""
        readers: dict[str, list[str]] = defaultdict(list)
        for name, node in self.ops.items():
            if node.op_type == "MatMul" and self.rank[name] == 2:
                readers[node.input[0]].append(name)
        return [group for group in readers.values() if len(group) > 1]

    def blocks(self) -> list[list[str]]:
        return blocks_of(self.ops)
