"""The whole front: what each loss is worth, and any point of it as a file."""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..client import Job
from ..types import Config
from .graph import Graph, in_one_file
from .quantizer import Feed, Quantizer, feeds_of
from .quiet import quiet, silent


@dataclass(frozen=True)
class Point:
    """A config that no other one that was measured beats in accuracy and objective."""

    trial: int  # 0 is the model as it came
    config: Config = field(repr=False)
    accuracy: float
    objective: float  # in the metric's unit
    model: Path = field(repr=False, compare=False)
    calibration: list[Feed] = field(repr=False, compare=False)

    def write(self, out: str | os.PathLike[str]) -> None:
        """Makes it the file `out`, which is the one that was measured."""
        build(self.model, self.config, out, self.calibration)


def build(model: str | os.PathLike[str], config: Config, out: str | os.PathLike[str], calibration: Any) -> None:
    """Writes `out`: `model` with a config of a search in it; `calibration` is as narrowd.onnx.tune takes it."""
    draft = f"{os.fspath(out)}.part"
    try:
        with quiet(), tempfile.TemporaryDirectory(prefix="narrowd-") as folder, silent():
            whole = in_one_file(Path(model).resolve(strict=True), folder)
            if all(op["mode"] == "fp32" for op in config["ops"].values()):
                shutil.copyfile(whole, draft)
            else:
                graph = Graph(whole, folder)
                Quantizer(graph, feeds_of(calibration, graph.inputs), folder).build(config, draft)
        os.replace(draft, out)
    finally:
        Path(draft).unlink(missing_ok=True)


def front_of(job: Job, metric: str, model: Path, calibration: list[Feed]) -> tuple[Point, ...]:
    """The points of a job, the model as it came first."""
    found: list[Any] = [job.trial(trial["number"]) for trial in job.pareto()]
    points = [Point(trial["number"], trial["config"], trial["accuracy"], trial["metrics"][metric], model, calibration) for trial in found]
    return tuple(sorted(points, key=lambda point: (point.trial > 0, -point.objective)))


def words(points: tuple[Point, ...], metric: str) -> str:
    """A line for each."""
    return "\n".join(f"  trial {point.trial}: accuracy {point.accuracy:.4f}, {metric} {point.objective:.6g}" for point in points)
