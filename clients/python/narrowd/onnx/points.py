"""The whole front: what each loss is worth, and any point of it as a file."""

import math
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..calls import identity_of
from ..client import Job
from ..types import Best, Config, Trial
from .graph import Graph, in_one_file
from .quantizer import Feed, Quantizer, feeds_of
from .quiet import quiet, silent

CALIBRATION = "narrowd-calibration"  # the label of a job that has a digest of what its configs were calibrated with
TIMES_AS_MUCH = 5  # so much more than may be lost is looked at, as far as a search of the whole front goes
ROUNDING = 1e-9  # of a loss, as the daemon judges
TIMES = {"latency_ms": "times as fast", "model_size_bytes": "times smaller"}


@dataclass(frozen=True)
class Point:
    """A config that no other one that was measured beats in accuracy and objective."""

    trial: int  # 0 is the model as it came
    accuracy: float
    objective: float  # in the metric's unit
    loss: float  # of accuracy, as the criterion counts it: a share of that of the model as it came, or an amount
    times: float  # what the objective of the model as it came is of this one's
    lowered: int  # operators
    operators: int  # that can be lowered
    config: Config = field(repr=False)
    metric: str = field(repr=False)
    relative: bool = field(repr=False)  # whether `loss` is a share
    model: Path = field(repr=False, compare=False)
    calibration: list[Feed] = field(repr=False, compare=False)

    def __str__(self) -> str:
        measured = f"accuracy {self.accuracy:.4f}, {self.metric} {self.objective:.6g}"
        if self.trial == 0:
            return f"the model as it came: {measured}"
        loses = "no accuracy" if self.loss <= 0 else f"{100 * self.loss:.3g} %" if self.relative else f"{self.loss:.3g}"
        times = f"{self.times:.3g} {TIMES.get(self.metric, f'times less {self.metric}')}"
        return f"trial {self.trial}: loses {loses}, {times}, {self.lowered} of {self.operators} operators lowered ({measured})"

    def write(self, out: str | os.PathLike[str]) -> None:
        """Makes it the file `out`, which is the one that was measured."""
        build(self.model, self.config, out, self.calibration)


def check_out(out: str | os.PathLike[str], model: Path) -> None:
    """What would be found out at the end of a search otherwise."""
    place = Path(out).resolve()
    if place == model:
        raise ValueError(f"{os.fspath(out)} is the model itself, which would be lost: name another file to write")
    why = "it is a folder" if place.is_dir() else \
        f"there is no folder {place.parent}" if not place.parent.is_dir() else \
        f"you may not write in {place.parent}" if not os.access(place.parent, os.W_OK) else ""
    if why:
        raise ValueError(f"{os.fspath(out)} cannot be written: {why}")


def config_in(document: Any) -> Config:
    """A config, or that of the document of a best or of a trial."""
    found = document.get("config", document) if isinstance(document, dict) else document
    if not isinstance(found, dict) or not isinstance(found.get("ops"), dict):
        raise ValueError('this is no config, which has the member "ops", nor a best or a trial that has one: give what narrow best JOB --json '
                         "prints, or the config in it")
    return Config(**found)  # type: ignore[typeddict-item]


def digest_of(feeds: list[Feed]) -> str:
    return identity_of(*(part for feed in feeds for name in sorted(feed) for part in (name.encode(), np.ascontiguousarray(feed[name]).tobytes())))


def build(model: str | os.PathLike[str], config: Config | Best | Trial, out: str | os.PathLike[str], calibration: Any, made_with: str = "") -> None:
    """Writes `out`: `model` with a config of a search in it, or with that of a best or of a trial; `calibration` is as
    narrowd.onnx.tune takes it, and other data than that with the digest `made_with` is warned of."""
    chosen, differs = config_in(config), False
    check_out(out, Path(model).resolve(strict=True))
    draft = f"{os.fspath(out)}.part"
    try:
        with quiet(), tempfile.TemporaryDirectory(prefix="narrowd-") as folder, silent():
            whole = in_one_file(Path(model).resolve(strict=True), folder)
            if all(op["mode"] == "fp32" for op in chosen["ops"].values()):
                shutil.copyfile(whole, draft)
            else:
                graph = Graph(whole, folder)
                feeds = feeds_of(calibration, graph.inputs, graph.singles)
                differs = made_with not in ("", digest_of(feeds))
                Quantizer(graph, feeds, folder).build(chosen, draft)
        os.replace(draft, out)
    finally:
        Path(draft).unlink(missing_ok=True)
    if differs:
        warnings.warn("the search calibrated with other data than this, so the file is another one than was measured: its accuracy "
                      "may be far from what the search says", stacklevel=2)


def within(points: tuple[Point, ...], loss: float, job: Job) -> Point:
    """What the daemon says is best where so much may be lost; the model as it came where nothing is worth it."""
    if not loss >= 0:
        raise ValueError(f"a loss is 0 or more, not {loss:g}")
    best, any_of = job.best(loss), points[0]
    number = 0 if best["keep_baseline"] else best["trial"]
    found = [point for point in points if point.trial == number] or \
        points_of(job, [number], any_of.metric, any_of.model, any_of.calibration, any_of.operators)
    return found[0]


def quotient(a: float, b: float) -> float:
    return a / b if b else math.copysign(math.inf, a) if a else 0.0


def lost(accuracy: float, before: float, criterion: Any) -> float:
    """What is lost of `before`, as the criterion counts it: a share of it, or an amount; less than 0 where it is better."""
    amount = (before - accuracy) if criterion["higher_is_better"] else (accuracy - before)
    return quotient(amount, abs(before)) if criterion["criterion"] == "relative" else amount


def shown(loss: float, criterion: Any) -> str:
    """As the daemon says it: a share in percent, or an amount."""
    return f"{100 * loss:.3g} %" if criterion["criterion"] == "relative" else f"{loss:.3g}"


def front_of(job: Job, metric: str, model: Path, calibration: list[Feed], operators: int) -> tuple[tuple[Point, ...], str]:
    """The points of a job that lose no more than it looked for, the model as it came first unless one beats it, and what was left out,
    in words. `operators` can be lowered."""
    criterion: Any = job.get()["criterion"]
    most = TIMES_AS_MUCH * criterion["tolerable_loss"]
    found = points_of(job, [trial["number"] for trial in job.pareto()], metric, model, calibration, operators)
    front = [point for point in found if point.loss <= most + ROUNDING or most == 0]
    out = len(found) - len(front)
    return (tuple(sorted(front, key=lambda point: (point.trial > 0, -point.objective))),
            f"{out} point{'s that lose' if out > 1 else ' that loses'} more than {shown(most, criterion)}" if out else "")


def points_of(job: Job, numbers: list[int], metric: str, model: Path, calibration: list[Feed], operators: int) -> list[Point]:
    criterion: Any = job.get()["criterion"]
    before: Any = job.trial(0)

    def point_of(trial: Any) -> Point:
        accuracy, objective = trial["accuracy"], trial["metrics"][metric]
        return Point(trial["number"], accuracy, objective, lost(accuracy, before["accuracy"], criterion),
                     quotient(before["metrics"][metric], objective), sum(op["mode"] != "fp32" for op in trial["config"]["ops"].values()),
                     operators, trial["config"], metric, criterion["criterion"] == "relative", model, calibration)

    return [point_of(job.trial(number)) for number in numbers]
