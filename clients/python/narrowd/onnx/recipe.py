"""What narrowd exports for ONNX Runtime, carried out: `narrow export JOB --format onnxruntime`."""

import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_dynamic, quantize_static

from .graph import Graph
from .quantizer import Reader, feeds_of
from .quiet import quiet, silent, weights_module

TYPES = {"weight_type": QuantType, "activation_type": QuantType, "calibrate_method": CalibrationMethod}


def check_names(arguments: dict[str, Any], graph: Graph) -> None:
    """ONNX Runtime ignores names that a model lacks, and would then quantize what was to stay in fp32."""
    unknown = [name for name in arguments.get("nodes_to_exclude", []) if name not in graph.types]
    if unknown:
        raise ValueError(f"the model has no operator {unknown[0]!r}" + f" and {len(unknown) - 1} more" * (len(unknown) > 1))
    for kind in arguments.get("op_types_to_quantize", []):
        if kind in ("Conv", "MatMul") and kind not in graph.types.values():
            raise ValueError(f"the model has no operator of the type {kind}")


def document_of(recipe: dict[str, Any] | str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """The function that an export names, and its arguments."""
    document: Any = recipe
    if not isinstance(recipe, dict):
        with open(recipe, encoding="utf-8") as file:
            try:
                document = json.load(file)
            except ValueError as error:
                raise ValueError(f"{os.fspath(recipe)} is no JSON: {error}") from None
    if not isinstance(document, dict) or [type(member) for member in document.values()] != [dict]:
        raise ValueError("the recipe is not what `narrow export JOB --format onnxruntime` prints: one function of "
                         "ONNX Runtime with its arguments")
    (name, arguments), = document.items()
    return name, arguments


def quantize(model: str | os.PathLike[str], recipe: dict[str, Any] | str | os.PathLike[str],
             out: str | os.PathLike[str], calibration: Any = None) -> None:
    """Writes `out`: the model, its nodes named and folded as narrowd.onnx.tune does it, with the recipe.

    `recipe` is the exported document or the path of one; `calibration` is as tune takes it, and only
    quantize_static needs it. A name that the model lacks is a ValueError.
    """
    name, said = document_of(recipe)
    arguments = {key: TYPES[key][value] if key in TYPES else value for key, value in said.items()}
    with quiet(), tempfile.TemporaryDirectory(prefix="narrowd-") as folder, silent():
        graph = Graph(model, folder)
        check_names(said, graph)
        if name == "quantize_static":
            if calibration is None:
                raise ValueError("quantize_static needs calibration data")
            reader = Reader(feeds_of(calibration, graph.inputs, graph.singles))
            arguments["extra_options"] = {**arguments.get("extra_options", {}), **reader.options}
            quantize_static(graph.path, os.fspath(out), reader, **arguments)
        elif name == "quantize_dynamic":
            quantize_dynamic(graph.path, os.fspath(out), **arguments)
        else:
            onnx.save(weights_alone(name)(onnx.load(graph.path), arguments), os.fspath(out))


def weights_alone(name: str) -> Callable[[Any, dict[str, Any]], Any]:
    if name != "MatMulNBitsQuantizer":
        raise ValueError(f"{name} is no function of ONNX Runtime that narrowd exports arguments for")

    ort_weights = weights_module()

    def run(model: Any, arguments: dict[str, Any]) -> Any:
        how = {key: value for key, value in arguments.items() if key != "nodes_to_exclude"}
        quantizer = ort_weights.MatMulNBitsQuantizer(
            model, algo_config=ort_weights.DefaultWeightOnlyQuantConfig(**how), nodes_to_exclude=arguments["nodes_to_exclude"])
        quantizer.process()
        return quantizer.model.model

    return run
