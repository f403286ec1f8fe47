"""What can be done next where a search ends with the model as it came: one line, of what the daemon knows of its job."""

import math
import os
import shlex
from dataclasses import dataclass
from typing import Any

from ..client import Client, Job
from ..errors import Refused
from ..server import how_to_ask
from ..types import Best
from .points import TIMES

TIMES_AS_MUCH = 5  # so much more than may be lost is looked at, as far as a search of the whole front goes
LITTLE = 0.05  # of the accuracy, where nothing may be lost


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


def shown(loss: float, criterion: Any) -> str:
    """As the daemon says it: a share in percent, or an amount."""
    return f"{100 * loss:.3g} %" if criterion["criterion"] == "relative" else f"{loss:.3g}"


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


def next_step(call: Call, job: Job, best: Best) -> str:
    """One line, or nothing where what was said before says it all. Numbers that scatter advise nothing before they are measured better."""
    step = by_what_was_measured(call, job, best)
    if not (step and call.scattered):
        return step and f"next: {step}"
    one = call.threads not in (None, 1)  # thread, of which alone CPU time says something
    clock = both("clock=time.process_time" + ", threads=1" * one, "--clock cpu" + " --threads 1" * one)
    return f"next: the same call by the CPU clock {clock}, for latencies scatter so widely that the speed-ups may be far off; or {step}"


def by_what_was_measured(call: Call, job: Job, best: Best) -> str:
    """What can be done, as if all numbers were good."""
    because = "no_gain" if call.refuted else best["keep_baseline_because"]
    trial, document = str(best["trial"]), job.get()
    criterion, ended = document["criterion"], (document["exit"] or {"reason": ""})["reason"]
    if because == "not_accepted" and ended == "timeout":
        return "give the search max_trials in place of a timeout, for one that is out of time judges nothing on the acceptance data"
    if because == "not_proved":
        return f"the same call again when less runs on the machine; or what looks best as a file all the same: {call.build(job, '--trial', trial)}"
    if because not in ("criterion_missed", "no_gain"):
        return ""
    loss = best["accuracy_loss"]
    if because == "criterion_missed" and call.accept and loss is not None and job.trial(best["trial"])["feasible"]:
        return f"if a loss of {shown(loss, criterion)} on the acceptance data will do, trial {trial} as a file: {call.build(job, '--trial', trial)}"
    larger = at_a_larger_loss(job, best, criterion) if not call.refuted else None
    if larger is not None:
        loss, found = larger
        metric = found.get("objective") or document["objective"][0]["metric"]
        gains = f"{found['speedup']:.3g} {TIMES.get(metric, f'times less {metric}')}" if found["speedup"] else "better"
        return f"if a loss of {shown(loss, criterion)} will do, trial {found['trial']} is {gains}, by what was measured; as a file: " \
            f"{call.build(job, '--tolerable-loss', repr(loss))}"
    return another_search(call, job.id, because == "criterion_missed", ended, document["budget"]["max_trials"])


def another_search(call: Call, job: str, missed: bool, ended: str, trials: int) -> str:
    """Where nothing that was measured is worth it at any loss that was looked at another search may find what is."""
    size = both('objective="model_size_bytes", approach="weight_only"', "--objective model_size_bytes --approach weight_only")
    more = both(f'max_trials={2 * trials}, job={{"warm_start": {{"job": "{job}"}}}}', f"--max-trials {2 * trials} --warm-start {job}", call.where())
    wider = both('approach="auto"', "--approach auto")
    weights = both('approach="weight_only"', "--approach weight_only")
    ways = {
        f"more trials, which go on from these {more}": missed and ended == "max_trials",
        f"static and dynamic int8 {wider}": call.approach in ("static", "dynamic"),
        f"size instead of speed {size}": call.for_speed and call.approach != "weight_only",
        f"weights alone, in 4 and 8 bits {weights}": not call.for_speed and call.approach != "weight_only",
    }
    if any(ways.values()):
        return f"try {', or '.join(way for way, fits in ways.items() if fits)}"
    if not missed:
        return ""
    return 'leave out of the search what loses most, by job={"op_name_dict": ...} of narrowd.onnx.tune; to see what does when this process has ended: ' \
        + how_to_ask(call.client.url, f"sensitivity {job}")
