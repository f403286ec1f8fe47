"""What ONNX Runtime can do to a model, and a config made into a model file. In your evaluator this is another framework."""

import os
import shutil
import types
from collections import Counter

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel

# What ONNX Runtime has for a tensor may be chosen for each operator, what it has for a whole call for all (UNIFORM) or not.
DYNAMIC = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}}
STATIC = {"weight": {"dtype": ["int8"], "granularity": ["per_tensor", "per_channel"]},
          "activation": {"dtype": ["uint8"], "algorithm": ["MinMax", "Percentile"]}}  # and "Entropy"
UNIFORM = ["activation.algorithm"]  # calibrate_method
MODES = {"Conv": {"static": STATIC}, "MatMul": {"static": STATIC, "dynamic": DYNAMIC}}
# These have no choice: they are in int8 when what they read is.
FOLLOWERS = {"Relu", "Clip", "MaxPool", "Reshape", "Flatten", "Transpose"}
RANGED = [*MODES, *FOLLOWERS]  # types whose tensors need ranges: the logarithm of 0 has none


def name_nodes(nodes):
    for node in nodes:  # a config speaks of operators by name
        node.name = node.name or f"{node.op_type}:{node.output[0]}"


class Quantizer:
    def __init__(self, path, folder, calibration):
        self.folder, self.calibration = folder, calibration
        self.prepared = prepared = os.path.join(folder, "prepared.onnx")  # the file that configs are applied to
        model = onnx.load(path)
        if any(o.domain in ("", "ai.onnx") and o.version < 13 for o in model.opset_import):
            model = onnx.version_converter.convert_version(model, 13)  # the first with scales per channel
        name_nodes(model.graph.node)  # before they are folded into others: so one finds them in one's own file
        options = ort.SessionOptions()  # folds constants and batch normalisation
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = prepared
        ort.InferenceSession(model.SerializeToString(), options, disabled_optimizers=["MatMulAddFusion"])
        model = ONNXModel(onnx.load(prepared))
        model.replace_gemm_with_matmul()  # as quantize_dynamic does, which gives them other names
        nodes = model.graph().node
        self.input = model.graph().input[0].name
        name_nodes(nodes)
        onnx.save(model.model, prepared)
        self.known = {"", *(x for node in nodes for x in (node.name, *node.input, *node.output))}
        self.followers = [node.name for node in nodes if node.op_type in FOLLOWERS]
        self.dims = {weight.name: list(weight.dims) for weight in model.initializer()}
        readers = Counter(name for node in nodes for name in node.input)
        # Weights that several nodes read cannot be what each of them chose: these stay in fp32.
        self.ops = {
            node.name: node for node in nodes if node.op_type in MODES
            and node.input[1] in self.dims and readers[node.input[1]] == 1}

    def capability(self):
        return {
            "framework": "onnxruntime", "op_types": MODES, "uniform": UNIFORM,
            "ops": [{"name": name, "type": node.op_type, "shape": self.shape(node)} for name, node in self.ops.items()],
            "calibration_sampling_sizes": [len(self.calibration)],
        }

    def shape(self, node):
        """What makes operators of a type alike, in words of our own: by it a job can begin with what earlier ones learnt."""
        ways = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute if one.name in ("group", "strides", "dilations")}
        return ", ".join(["x".join(map(str, self.dims[node.input[1]])),
                          *(f"{word} {value}" for word, value in sorted(ways.items()) if value not in (1, [1, 1]))])

    def build(self, config, path):
        """Applies a config, or none, to the letter. The winner becomes a file by these lines, too."""
        chosen = config["ops"] if config else {}
        for name in set(chosen) - set(self.ops):  # ONNX Runtime would pass over it in silence
            raise ValueError(f"this model has no operator {name} that can be quantized: the config is of another model")
        dynamic = [name for name in chosen if chosen[name]["mode"] == "dynamic"]
        static = [name for name in chosen if chosen[name]["mode"] == "static"]
        shutil.copy(self.prepared, path)
        if dynamic:  # an empty list would mean all
            quantize_dynamic(path, path, nodes_to_quantize=dynamic)
            self.rename(path)
        if static:
            axes = {}  # of the output channels; per_channel=True would mean all operators
            for name in static:
                if chosen[name]["weight"]["granularity"] == "per_channel":
                    weight = self.ops[name].input[1]
                    axis = 0 if self.ops[name].op_type == "Conv" else len(self.dims[weight]) - 1
                    axes[weight] = [{"axis": axis}]
            method = chosen[static[0]]["activation"]["algorithm"]  # uniform: as all
            quantize_static(
                path, path, None, calibration_cache_path=self.ranges(method, config["calibration_sampling_size"]),
                calibrate_method=CalibrationMethod[method], nodes_to_quantize=static + self.followers, op_types_to_quantize=RANGED,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, extra_options={"TensorQuantOverrides": axes})

    def ranges(self, method, size):
        """The file with the ranges of all tensors, those of the model in fp32. To find them takes longer than all else
        that a build does, so that is done once for each method."""
        cache = os.path.join(self.folder, f"{method}-{size}.json")
        if not os.path.exists(cache):
            feeds = iter([{self.input: image[np.newaxis]} for image in self.calibration[:size]])
            quantize_static(self.prepared, cache + ".onnx", types.SimpleNamespace(get_next=lambda: next(feeds, None)),
                            op_types_to_quantize=RANGED, calibrate_method=CalibrationMethod[method], calibration_cache_path=cache)
        return cache

    def rename(self, path):
        """What quantize_dynamic adds has the very names that quantize_static gives to its own."""
        model = onnx.load(path)

        def own(name):
            return name if name in self.known else f"dynamic/{name}"

        for thing in (*model.graph.node, *model.graph.initializer):
            thing.name = own(thing.name)
        for node in model.graph.node:
            node.input[:] = map(own, node.input)
            node.output[:] = map(own, node.output)
        del model.graph.value_info[:]
        onnx.save(model, path)
