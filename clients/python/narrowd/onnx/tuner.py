"""A model, its data, and how configs of it are built, measured and scored."""

import math
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from ..errors import CannotRun
from ..evaluator import ACCEPTED, AS_IT_CAME, Evaluator, answer_of, number_of, say_raised, takes_two
from ..journal import Journal
from ..measuring import Comparison, Timing, compare, measure
from ..types import Config, Question
from .graph import Graph
from .quantizer import Feed, Quantizer, feeds_of
from .quiet import options_of, silent

Accuracy = Callable[..., Any]  # of a session, and of the path of its file where it takes two
SCORED_AT_MOST = 500  # builds of the model for one table of scores
SCORED_ON = 8  # samples
METRICS = ["accuracy", "latency_ms", "model_size_bytes"]
CAME = "the model as it came"  # where its latency is noted, among the answers of a search
TURNS, TURNS_S, ENOUGH = 15, 10, 0.01  # of a trial with the model as it came: the end measures the winner more often
ROWS = " (of arrays a sample is row i of each, array[i:i + 1]; for inputs without such rows call narrowd.onnx.tune with a list of feeds)"


class Tuner:
    """One model, its data, and how both are measured."""

    def __init__(self, model: Path, calibration: Any, evaluate: Accuracy, folder: str, threads: int | None,
                 clock: Callable[[], float], accept: Accuracy | None = None, in_turns: bool = True):
        """`in_turns`: whether latencies matter so much that those of trials are measured in turns with the model as it came."""
        self.in_turns = in_turns
        self.model, self.evaluate, self.folder, self.clock = model, evaluate, folder, clock
        self.accept = accept or evaluate
        self.threads = threads
        self.feeds = self.running(calibration)  # before the model is prepared, which may take minutes
        self.graph = Graph(model, folder)
        self.quantizer = Quantizer(self.graph, self.feeds, folder)
        self.built = os.path.join(folder, "built.onnx")
        self.fp32_outputs: list[list[np.ndarray]] | None = None
        self.accepted_before: float | None = None  # the accuracy of the model as it came by `accept`, once it is known
        self.beside: ort.InferenceSession | None = None  # the model as it came, once it takes turns with what is measured

    def running(self, calibration: Any) -> list[Feed]:
        """Feeds, with the first of which the model as it came runs."""
        try:
            session = self.session(self.model)
        except Exception as error:  # ONNX Runtime has a class of its own for each fault
            raise ValueError(f"ONNX Runtime cannot run {self.model}: {error}") from None
        inputs = session.get_inputs()
        feeds = feeds_of(calibration, [value.name for value in inputs], {value.name for value in inputs if value.type == "tensor(float)"})
        try:
            session.run(None, feeds[0])
        except Exception as error:
            raise ValueError(f"{self.model} does not run with the first sample of the calibration data: {' '.join(str(error).split())}"
                             + ROWS * (not isinstance(calibration, list))) from None
        return feeds

    def session(self, path: str | Path) -> ort.InferenceSession:
        options = options_of()
        if self.threads is not None:
            options.intra_op_num_threads = options.inter_op_num_threads = self.threads
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def build(self, config: Config | None, path: str) -> None:
        with silent():
            self.quantizer.build(config, path)

    def ready(self, config: Config | None) -> ort.InferenceSession:
        try:
            self.build(config, self.built)
            return self.session(self.built)
        except Exception as error:
            raise CannotRun(f"{type(error).__name__}: {error}") from error

    def latency(self, session: ort.InferenceSession, came_ms: float | None) -> Timing:
        """In turns with the model as it came, which took `came_ms` when the search began, and told as if it took that now: else a trial
        that was measured while others worked on the machine would be a slow one."""
        if came_ms is None:
            return measure(lambda: session.run(None, self.feeds[0]), clock=self.clock)
        self.beside = beside = self.beside or self.session(self.model)
        both = compare(lambda: session.run(None, self.feeds[0]), lambda: beside.run(None, self.feeds[0]), clock=self.clock,
                       samples=TURNS, limit_s=TURNS_S, precision=ENOUGH)
        return both.where_baseline_takes(came_ms)

    def measure(self, config: Config, question: Question, notes: Journal) -> dict[str, Any]:
        quantized = any(op["mode"] != "fp32" for op in config["ops"].values())
        path = self.built if quantized else self.model
        session = self.ready(config) if quantized else self.session(path)
        came = notes.get(CAME)
        timing = self.latency(session, came["latency_ms"] if came is not None and self.in_turns else None)
        if not quantized and came is None:
            notes.put(CAME, {"latency_ms": timing.median_ms})
        judge = self.accept if question.get("subset") == ACCEPTED else self.evaluate
        returned = judged(judge, session, path)
        if not quantized:
            before = number_of(returned, self.called(judge), AS_IT_CAME)
            if judge is not self.evaluate and self.accepted_before is None:
                self.accepted_before = before
        return {"latency_ms": timing.told, "model_size_bytes": os.path.getsize(path), **answer_of(returned)}

    def called(self, judge: Accuracy) -> str:
        return "evaluate" if judge is self.evaluate else "accept"

    def number(self, judge: Accuracy, session: ort.InferenceSession, path: str | Path, what: str) -> float:
        return number_of(judged(judge, session, path), self.called(judge), what)

    def in_the_end(self, judge: Accuracy, path: str | Path, what: str) -> float:
        """The accuracy of a file when the search is over; whatever the function raises is its own fault, and none of a file or an option."""
        session = self.session(path)
        try:
            return self.number(judge, session, path, what)
        except CannotRun:
            raise
        except Exception as error:
            say_raised(self.called(judge), error)
            raise CannotRun(f"{self.called(judge)} raised {type(error).__name__} for {what}: {error}") from None

    def outputs(self, session: ort.InferenceSession) -> list[list[np.ndarray]]:
        return [session.run(None, feed) for feed in self.feeds[:SCORED_ON]]

    def scores(self, question: Question, report: Callable[..., None]) -> dict[str, Any]:
        """How far the outputs move when one operator, and who is tied to it, is quantized in each of its ways."""
        config, tied = question["config"], question.get("tied", {})
        if self.fp32_outputs is None:
            self.fp32_outputs = self.outputs(self.ready(None))
        options = question.get("options") or {name: [config["ops"][name]] for name in question["ops"]}
        total, done, unfit = sum(map(len, options.values())), count(1), list[CannotRun]()

        def moved(name: str, option: Any) -> float:
            report(seen=next(done), total=total)
            if option["mode"] == "fp32":
                return 0.0
            try:
                return self.moved({**config, "ops": dict.fromkeys([name, *tied.get(name, [])], option)})
            except CannotRun as error:
                unfit.append(error)
                return math.inf

        table = {name: [moved(name, option) for option in options[name]] for name in question["ops"]}
        known = [score for row in table.values() for score in row if score < math.inf]
        if unfit and not any(known):
            raise unfit[0]
        # What cannot be built is no better than the worst that can; that it cannot its trial will say.
        table = {name: [min(score, max(known)) for score in row] for name, row in table.items()}
        return table if "options" in question else {name: row[0] for name, row in table.items()}

    def moved(self, config: Config) -> float:
        """How far the outputs are from those in fp32."""
        pairs = zip(self.outputs(self.ready(config)), self.fp32_outputs or [], strict=True)
        distance = float(np.mean([apart(a, b) for new, old in pairs for a, b in zip(new, old, strict=True)]))
        if not math.isfinite(distance):
            raise CannotRun("the outputs are no numbers")
        return distance


def judged(judge: Accuracy, session: ort.InferenceSession, path: str | Path) -> Any:
    return judge(session, str(path)) if takes_two(judge) else judge(session)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The mean square of the difference; an output of other shape or without numbers says nothing."""
    if a.shape != b.shape or not np.issubdtype(a.dtype, np.floating):
        return 0.0
    return float(np.square(a.astype(np.float64) - b).mean())


def evaluator_of(tuner: Tuner, offered: dict[str, Any], approach: str, scores: bool | None) -> Evaluator:
    evaluator = Evaluator({**offered, "metrics": METRICS})
    evaluator.evaluate(lambda config, question: tuner.measure(config, question, evaluator.journal))
    options = 8 if approach == "weight_only" else 3
    if scores or scores is None and options * len(tuner.graph.ops) <= SCORED_AT_MOST:
        evaluator.score("mse", "mse:options")(lambda question: tuner.scores(question, evaluator.progress))
    return evaluator


def in_turns(tuner: Tuner, path: str | None) -> Comparison:
    """The file in turns with the model; without one the model by itself."""
    before = tuner.session(tuner.model)
    if path is None:
        same = measure(lambda: before.run(None, tuner.feeds[0]), clock=tuner.clock)
        return Comparison(same, same)
    after = tuner.session(path)
    return compare(lambda: after.run(None, tuner.feeds[0]), lambda: before.run(None, tuner.feeds[0]), clock=tuner.clock)
