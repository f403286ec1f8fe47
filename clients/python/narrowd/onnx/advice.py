"""What can be done next where a search ends with the model as it came: one line, of what the daemon knows of its job."""

import math
import os
import shlex
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..client import Client, Job
from ..errors import Refused
from ..server import how_to_ask
from ..types import Best
from .points import ROUNDING, TIMES, TIMES_AS_MUCH, lost, shown

LITTLE = 0.05  # of the accuracy, where nothing may be lost
BLUR = 0.5  # of what may be lost: so much two sets of samples may differ in and still tell it
MUCH_SMALLER = 1.1  # times
BY_CPU_TIME = "the same call by the CPU clock"
TIMES_AS_MANY = (2, 3, 5, 10, 20, 50, 100)  # samples: of few configs it is known coarsely, beyond that not at all


@dataclass(frozen=True)
class Call:
    """What a search was called with, as far as a next step depends on it."""

    model: str
    out: str  # a file that may be written
    calibration: str  # a path, or a word in the place of one
    accept: bool  # whether the winner is judged by a function of its own
    for_speed: bool
    approach: str
    refuted: bool  # the trials said that it is worth it, and turns with the model that it is not
    client: Client
    weights_alone: bool = True  # whether "weight_only" lowers most of the weights, which it does in no Conv
    scattered: bool = False  # whether latencies by the wall clock scatter
    threads: int | None = None

    def build(self, job: Job, *which: str) -> str:
        """The command that makes a config of the search a file."""
        return self.where() + shlex.join(["narrow-onnx", "build", self.model, job.id, self.out, "--calib", self.calibration, *which])

    def where(self) -> str:
        """What a command of narrow-onnx has before it, to ask the daemon of this search."""
        if self.client.server is not None or os.environ.get("NARROWD_URL") == self.client.url:
            return ""
        return f"NARROWD_URL={shlex.quote(self.client.url)} "


def both(python: str, options: str, where: str = "") -> str:
    """How a call is made another one: by its arguments, and by options of narrow-onnx."""
    return f"({python}; {where}narrow-onnx: {options})"


def how_often(measurements: int | None) -> str:
    return "once" if measurements in (None, 1) else f"{measurements} times"


def rounded_up(loss: float) -> float:
    """To three digits, so that what loses so much is within it."""
    digits = 2 - math.floor(math.log10(loss))
    return round(math.ceil(round(loss * 10 ** digits, 6)) / 10 ** digits, max(digits, 0))


def most_of(best: Best, criterion: Any) -> float:
    """How much more than may be lost is looked at."""
    allowed: float = criterion["tolerable_loss"]
    return TIMES_AS_MUCH * allowed if allowed > 0 else LITTLE if criterion["criterion"] == "relative" else best["accuracy_loss"] or 0


def at_a_larger_loss(job: Job, best: Best, criterion: Any) -> tuple[float, Best] | None:
    """Of what was measured the best that is worth it where more may be lost, and how much that is: what the nearest loses is
    looked at, then the most."""
    allowed, most = criterion["tolerable_loss"], most_of(best, criterion)
    for loss in (best["accuracy_loss"] or 0, most):
        if not 0 <= allowed < loss <= most:
            continue
        try:
            found = job.best(rounded_up(loss))
            loses = found["accuracy_loss"] or 0
            within = job.best(rounded_up(loses)) if loses > allowed and not found["keep_baseline"] else None
        except Refused:  # more than all of the accuracy
            continue
        if within is not None and not within["keep_baseline"]:
            return rounded_up(loses), within
    return None


@dataclass(frozen=True)
class Judged:
    """A config that met the criterion on the data of the search, and was measured on that of `accept`."""

    trial: int
    objective: float
    loss: float
    loss_on_others: float


def judged_by_both(job: Job, criterion: Any) -> list[Judged]:
    """What the search chose once was measured again, in turns with the model as it came, which has no hash."""
    trials: list[Any] = list(job.trials())
    again = defaultdict[str | None, list[float]](list)
    for trial in trials:
        if trial["kind"] == "confirm" and isinstance(trial["accuracy"], (int, float)) and trial["subset"] is not None:
            again[trial["hash"]].append(trial["accuracy"])
    before, before_on_others = trials[0]["accuracy"], again.pop(None, [])
    return [Judged(trial["number"], trial["objective_value"] or 0, lost(trial["accuracy"], before, criterion),
                   lost(fmean(again[trial["hash"]]), fmean(before_on_others), criterion))
            for trial in trials if before_on_others and trial["kind"] == "evaluate" and trial["feasible"] and trial["hash"] in again]


def rejected(judged: list[Judged], best: Best, allowed: float) -> Judged | None:
    """Of those that miss the criterion on the data of `accept` the one that `best` is about, else the one with the best objective."""
    missed = [one for one in judged if one.loss_on_others > allowed + ROUNDING]
    return min(missed, key=lambda one: (one.trial != best["trial"], one.objective), default=None)


def times_as_many(judged: list[Judged], allowed: float) -> str:
    """How many times as many samples tell what is allowed: what two sets of them say differs by less with the root of their number."""
    differ = math.sqrt(fmean((one.loss_on_others - one.loss) ** 2 for one in judged))
    return next((f"some {times}" for times in TIMES_AS_MANY if differ <= math.sqrt(times) * BLUR * allowed), "many")


def more_samples(judged: list[Judged], missed: Judged, criterion: Any) -> str:
    """What helps where luck with the samples decides what meets the criterion."""
    allowed, loses = criterion["tolerable_loss"], shown(missed.loss, criterion) if missed.loss > 0 else "nothing"
    return f"{times_as_many(judged, allowed)} times as many samples for evaluate and accept, for trial {missed.trial} loses {loses} " \
        f"on those of evaluate and {shown(missed.loss_on_others, criterion)} on those of accept: too few to tell what loses {shown(allowed, criterion)}"


def next_step(call: Call, job: Job, best: Best) -> str:
    """One line, or nothing where what was said before says it all. Numbers that are not good advise nothing before they are measured better."""
    because, criterion = why(call, best), job.get()["criterion"]
    judged = judged_by_both(job, criterion) if call.accept and not call.refuted and because in ("criterion_missed", "no_gain") else []
    missed = rejected(judged, best, criterion["tolerable_loss"]) if judged else None
    step = by_what_was_measured(call, job, best) if missed is None else \
        f"if a loss of {shown(missed.loss_on_others, criterion)} on the acceptance data will do, trial {missed.trial} as a file: " \
        f"{call.build(job, '--trial', str(missed.trial))}"
    better = [more_samples(judged, missed, criterion)] if missed is not None else []
    if call.scattered:
        better.append(f"{BY_CPU_TIME} {by_cpu_time(call)}, for latencies scatter so widely that the speed-ups may be far off")
    return step and f"next: {', and '.join(better)}{'; or ' * bool(better)}{step}"


def by_cpu_time(call: Call) -> str:
    one = call.threads not in (None, 1)  # thread, of which alone CPU time says something
    return both("clock=time.process_time" + ", threads=1" * one, "--clock cpu" + " --threads 1" * one)


def why(call: Call, best: Best) -> str | None:
    """Why the model as it came is kept."""
    return "no_gain" if call.refuted else best["keep_baseline_because"]


def by_what_was_measured(call: Call, job: Job, best: Best) -> str:
    """What can be done, as if all numbers were good."""
    because = why(call, best)
    trial, document = str(best["trial"]), job.get()
    criterion, ended = document["criterion"], (document["exit"] or {"reason": ""})["reason"]
    if because == "not_accepted" and ended == "timeout":
        return "give the search max_trials in place of a timeout, for one that is out of time judges nothing on the acceptance data"
    if because == "not_proved":
        return f"the same call again when less runs on the machine; or what looks best as a file all the same: {call.build(job, '--trial', trial)}"
    if because not in ("criterion_missed", "no_gain"):
        return ""
    larger = at_a_larger_loss(job, best, criterion) if not call.refuted else None
    if larger is not None:
        loss, found = larger
        metric = found.get("objective") or document["objective"][0]["metric"]
        gains = f"{found['speedup']:.3g} {TIMES.get(metric, f'times less {metric}')}" if found["speedup"] else "better"
        return f"if a loss of {shown(loss, criterion)} will do, trial {found['trial']} is {gains}, measured {how_often(found['measurements'])}; as a file: " \
            f"{call.build(job, '--tolerable-loss', repr(loss))}"
    smaller = smallest(call, job, criterion) if call.for_speed else ""
    return "; or ".join(filter(None, (smaller, another_search(call, job.id, because == "criterion_missed", ended, document["budget"]["max_trials"]))))


def smallest(call: Call, job: Job, criterion: Any) -> str:
    """What a search for speed has by the way measured that is smaller, as a file."""
    trials: list[Any] = [trial for trial in job.trials() if "model_size_bytes" in (trial["metrics"] or {})]
    before = trials[0]
    fits = [trial for trial in trials if trial["kind"] == "evaluate" and trial["feasible"] and not trial["excluded"] and not trial.get("rejected")]
    best = min(fits, key=lambda trial: trial["metrics"]["model_size_bytes"], default=before)
    times, loses = before["metrics"]["model_size_bytes"] / best["metrics"]["model_size_bytes"], lost(best["accuracy"], before["accuracy"], criterion)
    return f"trial {best['number']} is {times:.3g} times smaller and loses {shown(loses, criterion) if loses > ROUNDING else 'nothing'}, as a file: " \
        f"{call.build(job, '--trial', str(best['number']))}" if times >= MUCH_SMALLER else ""


def another_search(call: Call, job: str, missed: bool, ended: str, trials: int) -> str:
    """Where nothing that was measured is worth it at any loss that was looked at another search may find what is."""
    size = both('objective="model_size_bytes"' + ', approach="weight_only"' * call.weights_alone,
                "--objective model_size_bytes" + " --approach weight_only" * call.weights_alone)
    more = both(f'max_trials={2 * trials}, job={{"warm_start": {{"job": "{job}"}}}}', f"--max-trials {2 * trials} --warm-start {job}", call.where())
    wider = both('approach="auto"', "--approach auto")
    weights = both('approach="weight_only"', "--approach weight_only")
    ways = {
        f"more trials, which go on from these {more}": missed and ended == "max_trials",
        f"static and dynamic int8 {wider}": call.approach in ("static", "dynamic") or (call.approach == "weight_only" and not call.weights_alone),
        f"size instead of speed {size}": call.for_speed and call.approach != "weight_only",
        f"weights alone, in 4 and 8 bits {weights}": not call.for_speed and call.approach != "weight_only" and call.weights_alone,
    }
    if any(ways.values()):
        return f"try {', or '.join(way for way, fits in ways.items() if fits)}"
    if not missed:
        return ""
    return 'leave out of the search what loses most, by job={"op_name_dict": ...} of narrowd.onnx.tune; to see what does when this process has ended: ' \
        + how_to_ask(call.client.url, f"sensitivity {job}")
