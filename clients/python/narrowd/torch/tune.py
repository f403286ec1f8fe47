"""From a module to a tuned one: narrowd.torch.tune."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchao
from torch import nn

from .. import exports
from ..calls import identity_of, name_of, search
from ..client import Client, Job
from ..errors import CannotRun
from ..evaluator import ACCEPTED, AS_IT_CAME, Evaluator, answer_of, judges_of, number_of, source_of, subset_of
from ..measuring import LATENCY, compare, measure
from ..scores import Scores, tell
from ..types import Config, Question
from .quantizer import BITS, GROUPS, applied, capability, errors, layers_of, size_of


@dataclass(frozen=True)
class Tuned:
    """What became of the model, and what was measured of that and of the model as it came."""

    keep_fp32: bool  # then the model is as it came
    verdict: str
    accuracy: float  # by `accept` where that was given
    accuracy_before: float
    speedup: float | None  # of both in turns; None without an example
    size_bytes: int
    size_bytes_before: int
    as_in_trial: bool  # whether the accuracy is to the last digit that of its trial
    recipe: dict[str, Any] | None  # what torchao's config_from_dict reads
    job: str


class Tuner:
    """One model, and how it is measured."""

    def __init__(self, model: nn.Module, evaluate: Callable[[nn.Module], Any], run: Callable[[], object] | None,
                 loss: Callable[[nn.Module], torch.Tensor] | None, clock: Callable[[], float], timed: bool,
                 accept: Callable[[nn.Module], Any] | None = None):
        self.model, self.evaluate, self.run, self.loss, self.clock = model, evaluate, run, loss, clock
        self.accept = accept or evaluate
        self.timed = timed  # in each trial; what comes of it is in any case
        self.importance: dict[str, torch.Tensor] = {}

    def measure(self, config: Config, question: Question) -> dict[str, Any]:
        return self.measured(config, self.accept if question.get("subset") == ACCEPTED else self.evaluate)

    def measured(self, config: Config, judge: Callable[[nn.Module], Any]) -> dict[str, Any]:
        size = size_of(self.model, config)
        try:
            with applied(self.model, config):
                timed = {"latency_ms": measure(self.run, clock=self.clock).told} if self.run and self.timed else {}
                with torch.no_grad():
                    return {"model_size_bytes": size, **timed, **answer_of(judge(self.model))}
        except (NotImplementedError, ValueError) as error:  # torchao has no kernel for it
            raise CannotRun(f"{type(error).__name__}: {error}") from error

    def scores(self, question: Question) -> dict[str, Any]:
        """Of each option, from one backward pass: the squares of the gradients say how much each weight matters."""
        layers, tied = layers_of(self.model), question.get("tied", {})
        if not self.importance:
            self._weigh(layers)
        options = question.get("options") or {name: [question["config"]["ops"][name]] for name in question["ops"]}

        def of(name: str) -> list[float]:
            rows = [errors(layers[member], options[name], self.importance[member]) for member in (name, *tied.get(name, []))]
            return [sum(column) for column in zip(*rows, strict=True)]

        table = {name: of(name) for name in question["ops"]}
        return table if "options" in question else {name: row[0] for name, row in table.items()}

    def _weigh(self, layers: dict[str, nn.Linear]) -> None:
        assert self.loss is not None
        wanted = {name: layer.weight.requires_grad for name, layer in layers.items()}
        self.model.zero_grad()
        for layer in layers.values():
            layer.weight.requires_grad_(True)
        with torch.enable_grad():
            self.loss(self.model).backward()
        for name, layer in layers.items():
            gradient = layer.weight.grad
            self.importance[name] = torch.zeros_like(layer.weight) if gradient is None else gradient.detach().float() ** 2
            layer.weight.requires_grad_(wanted[name])
        self.model.zero_grad()

    def finish(self, job: Job, insist: bool) -> Tuned:
        """Carries out the export of the winner on the model, and measures that beside the model as it came."""
        best = job.best()
        worth_it = best["feasible"] and best["trial"] > 0 if insist else not best["keep_baseline"]
        config = best["config"] if worth_it else None
        fp32: Config = {"ops": {}}
        before = size_of(self.model, fp32)
        size = size_of(self.model, config) if config else before
        accuracy_before = number_of(self.measured(fp32, self.accept), self.called(self.accept), AS_IT_CAME)
        recipe = job.export("torchao") if config else None
        speedup = self._speedup(config) if self.run and config else None
        if recipe:
            exports.torchao(self.model, recipe)
        accuracy = self.number(self.accept)
        as_searched = accuracy if self.accept is self.evaluate else self.number(self.evaluate)
        trial = job.trial(best["trial"] if config else 0)
        return Tuned(
            keep_fp32=config is None, verdict=best["verdict"] or "", accuracy=accuracy, accuracy_before=accuracy_before,
            speedup=speedup, size_bytes=size, size_bytes_before=before, as_in_trial=trial["accuracy"] == as_searched,
            recipe=recipe, job=job.id)

    def called(self, judge: Callable[[nn.Module], Any]) -> str:
        return "evaluate" if judge is self.evaluate else "accept"

    def number(self, judge: Callable[[nn.Module], Any]) -> float:
        """What a function says of the model as it now is."""
        with torch.no_grad():
            return number_of(judge(self.model), self.called(judge), "the model that the search made")

    def _speedup(self, config: Config) -> float:
        assert self.run is not None
        run = self.run

        def quantized() -> None:
            with quantized_weights:
                run()

        quantized_weights = Swapped(self.model, config)
        return compare(quantized, run, clock=self.clock).speedup


class Swapped:
    """Puts the weights of a config, quantized once, into a model and takes them out again, at next to no cost."""

    def __init__(self, model: nn.Module, config: Config):
        modules = dict(model.named_modules())
        self.layers = [modules[name] for name, op in config["ops"].items() if op["mode"] != "fp32"]
        self.own = [layer.weight for layer in self.layers]
        with applied(model, config):
            self.other = [layer.weight for layer in self.layers]

    def __enter__(self) -> None:
        for layer, weight in zip(self.layers, self.other, strict=True):
            layer.weight = weight

    def __exit__(self, *_: object) -> None:
        for layer, weight in zip(self.layers, self.own, strict=True):
            layer.weight = weight


def digest_of(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().contiguous().cpu().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def is_of_latency(tuning: dict[str, Any]) -> bool:
    """Whether the objective has to do with time: one metric, or several; the daemon's default does."""
    text = json.dumps(tuning.get("objective", LATENCY[0]))
    return any(f'"{name}"' in text for name in LATENCY)


def tune(model: nn.Module, evaluate: Callable[[nn.Module], Any], *, accept: Callable[[nn.Module], Any] | None = None, example: tuple[Any, ...] | None = None,
         loss: Callable[[nn.Module], torch.Tensor] | None = None, scores: Scores | None = None, approach: str = "weight_only", max_drop: float = 0.01,
         criterion: str = "relative", higher_is_better: bool = True, objective: Any = "model_size_bytes",
         bits: tuple[int, ...] = BITS, groups: tuple[int, ...] = GROUPS, max_trials: int = 25, strategy: str = "sgp",
         out: str | os.PathLike[str] | None = None, clock: Callable[[], float] = time.perf_counter, identity: str = "",
         job: dict[str, Any] | None = None, insist: bool = False, client: Client | None = None, progress: bool = True) -> Tuned:
    """Searches for the best config of the linear layers of `model`, and quantizes them by torchao, in place.

    `evaluate(model)` returns the accuracy, or {"accuracy": ..., more metrics}; a perplexity is one with `higher_is_better=False`.
    `accept` is as `evaluate`, on data that the search has not seen: by it the winner is judged in the end, and what is returned.
    `approach`: "weight_only", in `bits` and `groups` (how many weights share a scale; -1: those of an output), or "dynamic" (int8).
    With `example`, the arguments of a call of the model, layers that read the same tensor are tied, the speed-up of what comes out is
    measured, and the objective may be "latency_ms": a job that names it measures it in each trial. With `loss(model)`, a scalar to call backward() of, every option has a score beforehand; `scores`
    are those that narrowd.scores has read, and come before.
    `out` gets the recipe, which narrowd.exports.torchao carries out on the model as it came. `job` has members of docs/jobs.md
    that win over all of these.

    Where nothing is worth it, the model stays as it came. Killed and called again, it goes on where it was.
    """
    body = {
        "approach": approach,
        "tuning_criterion": {"strategy": strategy, "objective": objective, "stop_on": "budget", "max_trials": max_trials},
        "accuracy_criterion": {"criterion": criterion, "tolerable_loss": max_drop, "higher_is_better": higher_is_better},
        **subset_of(accept, job or {}),
        **(job or {}),
    }
    run = (lambda: run_once(model, example)) if example is not None else None
    timed = run is not None and is_of_latency(body["tuning_criterion"])
    tuner = Tuner(model, evaluate, run, loss, clock, timed, accept)
    offered = capability(model, approach, bits, groups, run)
    if scores is not None:
        offered = tell(offered, scores)
    evaluator = Evaluator({**offered, "metrics": ["accuracy", "model_size_bytes", *(["latency_ms"] if timed else [])]})
    evaluator.evaluate(tuner.measure)
    if loss is not None:
        evaluator.score("mse", "mse:options")(tuner.scores)
    results: list[Tuned] = []
    same = identity_of(torch.__version__, torchao.__version__, digest_of(model), judges_of(evaluate, accept) + identity, source_of(loss), name_of(clock))
    options = (approach if approach != "weight_only" else "", objective if objective != "model_size_bytes" else "")
    search(evaluator, body, identity=same, model=type(model).__name__, options=options, client=client, progress=progress,
           finish=lambda found: results.append(tuner.finish(found, insist)))
    if out is not None and results[0].recipe is not None:
        with open(out, "w", encoding="utf-8") as file:
            json.dump(results[0].recipe, file)
    return results[0]


def run_once(model: nn.Module, example: tuple[Any, ...]) -> None:
    with torch.no_grad():
        model(*example)
