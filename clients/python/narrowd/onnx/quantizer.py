"""What ONNX Runtime can do to a model, and a config made into a model file."""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_dynamic, quantize_static

from ..types import Config, OpConfig
from .graph import Graph
from .quiet import weights_module

Feed = dict[str, np.ndarray]
# Entropy is left out: with ONNX Runtime's own number of bins its ranges are those of MinMax, in every model that was tried.
METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
# Both are arguments of a whole call.
UNIFORM = ["activation.scheme", "activation.algorithm"]
STATIC = {
    "weight": {"dtype": ["int8"], "granularity": ["per_tensor", "per_channel"]},
    "activation": {"dtype": ["uint8"], "scheme": ["asym", "sym"], "algorithm": list(METHODS)},
}
DYNAMIC = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}}
WEIGHT_ONLY = {"weight": {"dtype": ["int"], "bits": [4, 8], "group_size": [32, 128], "scheme": ["asym", "sym"]}}

MODES: dict[str, dict[str, Any]] = {
    "Conv": {"static": STATIC},
    "MatMul": {"static": STATIC, "dynamic": DYNAMIC, "weight_only": WEIGHT_ONLY},
}

BRANCHES = {"If", "Loop", "Scan"}  # types that have graphs of their own


def modes_of(approach: str) -> dict[str, dict[str, Any]]:
    """What an approach tries, by the type of an operator."""
    tried = {"auto": ("static", "dynamic")}.get(approach, (approach,))
    modes = {kind: {mode: what for mode, what in ways.items() if mode in tried} for kind, ways in MODES.items()}
    if not any(modes.values()):
        raise ValueError(f"there is no approach {approach} here: it is none of auto, static, dynamic and weight_only")
    return modes


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """`options` have ONNX Runtime take feeds of different shapes one by one: Percentile cannot stack their outputs."""

    def __init__(self, feeds: Sequence[Feed]):
        self.all = feeds
        self.feeds: Iterator[Feed] = iter(feeds)
        shapes = {tuple(np.shape(feed[name]) for name in sorted(feed)) for feed in feeds}
        self.options = {"CalibStridedMinMax": 1} if len(shapes) > 1 else {}

    def __len__(self) -> int:
        return len(self.all)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.feeds = iter(self.all[start_index:end_index])

    def get_next(self) -> Feed | None:
        return next(self.feeds, None)


class Quantizer:
    """Applies configs to one model. Ranges are calibrated once for each method, on the model in fp32."""

    def __init__(self, graph: Graph, calibration: Sequence[Feed], folder: str):
        self.graph, self.calibration, self.folder = graph, calibration, folder
        # Ranges of these alone: the logarithm of 0 has none, and need not have one.
        self.ranged = sorted({graph.types[name] for name in (*graph.ops, *graph.followers)})

    def lowered_by(self, approach: str) -> dict[str, str]:
        """The types of the operators that have a mode of an approach, by name."""
        modes = modes_of(approach)
        return {name: node.op_type for name, node in self.graph.ops.items()
                if modes[node.op_type] and (approach != "weight_only" or self.graph.rank[name] == 2)}

    def capability(self, approach: str) -> dict[str, Any]:
        """The modes that an approach tries, for the operators that have one of them. A model that is quantized in part is refused
        as well: what ONNX Runtime would add has the names of what is there."""
        if self.graph.quantized:
            raise ValueError(f"the model is quantized already ({self.graph.quantized}): give the model in fp32 that it was made of")
        modes, ops = modes_of(approach), self.lowered_by(approach)
        if not ops:
            kinds = " or ".join(kind for kind in MODES if modes[kind])
            why = f"no {kinds} with constant weights"
            inside = sorted(BRANCHES.intersection(self.graph.types.values()))
            if self.graph.halves:
                why += f" in fp32: {self.graph.halves} have weights in float16; give the model in float32 that it was made of"
            why += f" outside of {' and '.join(inside)}, and what is inside stays as it is" if inside else ""
            raise ValueError(f"the model has no operator for the approach {approach}: {why}")
        # Others of these types have no choice; an export has to name them all the same.
        every = [{"name": name, "type": kind, **({"shape": self.graph.shape(name)} if name in ops else {"modes": {}})}
                 for name, kind in self.graph.types.items() if kind in MODES]
        return {
            "framework": "onnxruntime", "op_types": modes, "ops": every,
            "uniform": UNIFORM if any("static" in ways for ways in modes.values()) else [], "blocks": within(self.graph.blocks(), ops),
            "tied": [group for group in within(self.graph.tied(), ops) if len(group) > 1],
            "calibration_sampling_sizes": [len(self.calibration)],
        }

    def build(self, config: Config | None, path: str) -> None:
        """Writes the model with a config, or none, applied to the letter. A name that it lacks is an error:
        ONNX Runtime would ignore it."""
        chosen = config["ops"] if config else {}
        unknown = [name for name, op in chosen.items()
                   if name not in (self.graph.types if op["mode"] == "fp32" else self.graph.ops)]
        if unknown:
            raise ValueError(f"the model has no operator {unknown[0]!r} that could be quantized")
        modes: dict[str, dict[str, OpConfig]] = defaultdict(dict)
        for name, op in chosen.items():
            modes[op["mode"]][name] = op
        left = set(modes) - {"fp32", "static", "dynamic", "weight_only"}
        if left:
            raise ValueError(f"mode {left.pop()} is not for ONNX Runtime on a CPU")
        shutil.copy(self.graph.path, path)
        if modes["dynamic"]:  # an empty list would mean all
            quantize_dynamic(path, path, nodes_to_quantize=list(modes["dynamic"]))
            self._rename(path)
        if modes["static"]:
            self._static(modes["static"], path)
        if modes["weight_only"]:
            self._weight_only(modes["weight_only"], path)

    def _static(self, ops: dict[str, OpConfig], path: str) -> None:
        overrides = {}  # per_channel=True would mean all operators
        for name, op in ops.items():
            if op.get("weight", {}).get("granularity") == "per_channel":
                overrides[self.graph.ops[name].input[1]] = [{"axis": self.graph.axis(name)}]
        activation = next(iter(ops.values())).get("activation", {})
        method = str(activation.get("algorithm", "minmax"))
        self._quantize(path, path, method, nodes_to_quantize=[*ops, *self.graph.followers], extra_options={
            "ActivationSymmetric": activation.get("scheme") == "sym", "TensorQuantOverrides": overrides})

    def _quantize(self, source: str, path: str, method: str, **arguments: Any) -> None:
        cache = os.path.join(self.folder, f"{method}.json")
        if not os.path.exists(cache):
            if source != self.graph.path:  # ranges are those of the model in fp32, whatever else is quantized
                with tempfile.TemporaryDirectory() as place:
                    self._quantize(self.graph.path, os.path.join(place, "all.onnx"), method)
        reader = Reader(self.calibration)
        extra = {**arguments.pop("extra_options", {}), **reader.options}
        quantize_static(source, path, reader, calibrate_method=METHODS[method], op_types_to_quantize=self.ranged,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        calibration_cache_path=cache, extra_options=extra, **arguments)

    def _weight_only(self, ops: dict[str, OpConfig], path: str) -> None:
        ort_weights = weights_module()
        model = onnx.load(path)
        alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for name, op in ops.items():
            weight = op.get("weight", {})
            alike[weight.get("bits", 4), weight.get("group_size", 32), weight.get("scheme")].append(name)
        for (bits, size, scheme), names in alike.items():
            how = ort_weights.DefaultWeightOnlyQuantConfig(block_size=size, is_symmetric=scheme == "sym", bits=bits)
            # Not nodes_to_include, which takes all other MatMuls as well.
            others = [node.name for node in model.graph.node if node.name not in names]
            quantizer = ort_weights.MatMulNBitsQuantizer(model, algo_config=how, nodes_to_exclude=others)
            quantizer.process()
            model = quantizer.model.model
        onnx.save(model, path)

    def _rename(self, path: str) -> None:
        """What quantize_dynamic adds has the very names that quantize_static gives to its own."""
        model = onnx.load(path)

        def own(name: str) -> str:
            return name if name in self.graph.known else f"dynamic/{name}"

        for thing in (*model.graph.node, *model.graph.initializer):
            thing.name = own(thing.name)
        for node in model.graph.node:
            node.input[:] = map(own, node.input)
            node.output[:] = map(own, node.output)
        del model.graph.value_info[:]
        onnx.save(model, path)


def within(groups: list[list[str]], ops: Container[str]) -> list[list[str]]:
    """Groups of operators without those that are not among `ops`."""
    return [kept for group in groups if (kept := [name for name in group if name in ops])]


def arrays_of(path: str | os.PathLike[str]) -> Any:
    try:
        file = np.load(path)
        return file if isinstance(file, np.ndarray) else dict(file)
    except (EOFError, ValueError, BadZipFile) as error:
        why = "" if "pickle" in str(error) else f": {error}"  # advice for who trusts a file is of no use here
        raise ValueError(f"{os.fspath(path)} is no .npy or .npz file of numbers{why}") from None


def named(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def as_single(array: Any) -> Any:
    return array.astype(np.float32) if isinstance(array, np.ndarray) and array.dtype == np.float64 else array


def feeds_of(calibration: Any, inputs: list[str], singles: Container[str] = ()) -> list[Feed]:
    """Calibration data as one feed a sample: a list of feeds, an array of samples for a model of one input, a
    dictionary of arrays by input, or the path of an .npy or .npz file of these. What numpy makes where nothing is said,
    float64, becomes float32 for the inputs in `singles`, which take nothing else."""
    if isinstance(calibration, (str, os.PathLike)):
        calibration = arrays_of(calibration)
    if isinstance(calibration, np.ndarray):
        if len(inputs) != 1:
            raise ValueError(f"the model has the inputs {inputs}: give a dictionary with an array for each")
        calibration = {inputs[0]: calibration}
    if isinstance(calibration, dict):
        missing = [name for name in inputs if name not in calibration]
        if missing:
            raise ValueError(f"the calibration data has nothing for the input {missing[0]!r}: the model wants {named(inputs)}, "
                             f"and the data has {named(calibration)}")
        single = [name for name in inputs if np.ndim(calibration[name]) == 0]
        if single:
            raise ValueError(f"the calibration data has one number for the input {single[0]!r} where a row for each run is wanted: "
                             "give a list of feeds, each what session.run takes")
        count = min(len(calibration[name]) for name in inputs)
        calibration = [{name: calibration[name][i:i + 1] for name in inputs} for i in range(count)]
    feeds = [{name: as_single(array) if name in singles else array for name, array in feed.items()} for feed in calibration]
    if not feeds:
        raise ValueError("there is no calibration data")
    for number, feed in enumerate(feeds):
        for name, array in feed.items():
            if np.issubdtype(np.asarray(array).dtype, np.inexact) and np.isnan(array).any():
                raise ValueError(f"sample {number} of the calibration data (the first is 0) has NaN in the input {name!r}: no range has a "
                                 "place for that; leave the sample out or mend it")
    return feeds
