"""From a model file to a tuned one: narrowd.onnx.tune."""

import filecmp
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from ..calls import check, client_of, identity_of, name_of, search
from ..client import Client, Job
from ..errors import CannotRun
from ..evaluator import AS_IT_CAME, judges_of, subset_of
from ..journal import Journal
from ..measuring import LATENCY, Comparison
from ..scores import Scores, tell
from ..types import Best, Config
from .advice import BY_CPU_TIME, Call, next_step
from .graph import in_one_file
from .points import CALIBRATION, Point, check_out, digest_of, front_of, within
from .quantizer import Feed, modes_of
from .quiet import quiet
from .tuner import METRICS, Accuracy, Tuner, evaluator_of, in_turns

MOST_WEIGHTS = 0.5  # of their bytes: where a way to lower them touches fewer it hardly makes a file smaller
WIDE = 2  # times
CALLED = {  # by where a job's body has it
    "/tuning_criterion/max_trials": "max_trials", "/tuning_criterion/objective": "objective", "/tuning_criterion/strategy": "strategy",
    "/accuracy_criterion/tolerable_loss": "max_drop", "/accuracy_criterion/criterion": "criterion",
    "/accuracy_criterion/higher_is_better": "higher_is_better", "/approach": "approach", "/warm_start/job": "warm_start",
}


@dataclass(frozen=True)
class Tuned:
    """What was written, and what was measured of that very file and of the model as it came. Where a file was `left`, nothing was
    written, and what is said is of the model as it came."""

    path: str
    keep_fp32: bool  # then the file is the model as it came, unless it was left
    verdict: str
    accuracy: float
    accuracy_before: float
    cpu_time: bool  # whether latencies and speed-ups are CPU time of one thread
    latency_ms: float
    latency_ms_before: float
    speedup: float  # of both in turns: the median of what each turn says
    turns: int
    size_bytes: int
    size_bytes_before: int
    untouched: str  # types with much of the weights that stay as they are
    trials: int
    failed_trials: int
    failure: str  # the first of them, and why: "trial 7: RuntimeError: ..."
    scattered: bool  # whether latencies by the clock scatter so widely that the speed-ups may be far off
    undecided: bool  # measurements scatter too much to say that the best config is any faster
    learnt: str  # of how many operators it began with what earlier searches learnt: "12 of 14", "" where that was not asked for
    as_in_trial: bool  # whether the file's accuracy is to the last digit that of its trial
    for_speed: bool  # whether latency is what was to be less
    refuted: float | None  # the speed-up of the file that was not kept, because in turns with the model it was no faster
    config: Config | None
    job: str
    metric: str = ""  # what the front is of, beside accuracy
    front: tuple[Point, ...] = ()  # the model as it came first, unless one beats it; empty where one loss was asked for
    left_out: str = ""  # of the front: "2 points that lose more than 5 %", which is more than was looked for
    next_step: str = ""  # where the model as it came is the better one: what can be done, in a line
    left: bool = False  # whether nothing is worth it and the file is another one that was there before
    client: Client | None = field(default=None, repr=False, compare=False)  # which the call was given

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle has: no client, which may hold a token, and what is of this process alone."""
        return {**vars(self), "client": None}

    def within(self, loss: float) -> Point:
        """What is best in the objective and loses no more, as the criterion counts it: what `narrow best JOB --tolerable-loss` names,
        for which the daemon is asked."""
        if not self.front:
            raise ValueError("there is no front: ask for one by front=True")
        with client_of(self.client) as own:
            return within(self.front, loss, own.job(self.job))

    def __str__(self) -> str:
        cpu, advised = " of CPU time" if self.cpu_time else "", BY_CPU_TIME in self.next_step
        lines = [f"by the trials{', in CPU time' if self.cpu_time else ''}: {self.verdict}"]
        if self.refuted is not None:
            lines.append(f"but in turns with the model as it came that file was {self.refuted:.2f} times as fast, so it was not kept"
                         + ". Where others work on the machine the CPU time (--clock cpu) says more than the time that passes" * (not self.cpu_time and not advised))
        elif (self.undecided or self.scattered) and not self.cpu_time and not advised:
            what = "too much to tell" if self.undecided else "so widely that the speed-ups may be far off"
            lines.append(f"latencies scatter {what}. Where others work on the machine CPU time scatters less: "
                         "clock=time.process_time (--clock cpu)")
        if self.keep_fp32:
            what = f"{self.path} was there before and is left as it was, for the model as it came is better than what was found" if self.left else \
                f"{self.path} is the model as it came"
            lines.append(f"{what}: accuracy {self.accuracy_before:.4f}, {self.latency_ms_before:.3f} ms{cpu} just now, {self.size_bytes_before / 1e6:.2f} MB")
        else:
            size = f"{self.size_bytes / 1e6:.2f} MB (was {self.size_bytes_before / 1e6:.2f})"
            speed = f"{self.speedup:.2f} times as fast as the model in turns with it (the middle of {self.turns} turns)"
            lines.append(f"{self.path}, measured again: {speed if self.for_speed else size}, "
                         f"accuracy {self.accuracy:.4f} (was {self.accuracy_before:.4f}), "
                         f"{self.latency_ms:.3f} ms{cpu} (the model in the same turns: {self.latency_ms_before:.3f}), {size if self.for_speed else speed}")
        if self.front:
            once = ", mostly once: measure a file of it in turns with the model before you count on its speed" if self.for_speed else ""
            lines.append("\n  ".join([f"the front, of what was measured{once}:", *map(str, self.front), *([f"left out: {self.left_out}"] if self.left_out else [])]))
        if self.learnt:
            lines.append(f"began with what earlier searches learnt of {self.learnt} operators")
        if self.untouched:
            lines.append(f"not touched: {self.untouched}")
        if self.failed_trials:
            lines.append(f"{self.failed_trials} of {self.trials} trials failed; {self.failure}")
        if self.next_step:
            lines.append(self.next_step)
        return "\n".join(lines)


def digest_of_file(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(tuner: Tuner, config: Config | None, path: str, keep: Callable[[Comparison], bool], notes: Journal) -> tuple[Comparison, Config | None]:
    """Makes a config the file, if it is one to `keep` by turns with the model; else the model as it came, unless another file
    is there: that one is of an earlier search, and whoever uses it would not know that it has become the slower model. What this
    very call wrote before it was killed is noted beside its answers, and is none of these."""
    draft, note = f"{path}.part", f"file {os.path.abspath(path)}"

    def take() -> None:
        notes.put(note, {"sha256": digest_of_file(draft)})
        os.replace(draft, path)

    try:
        if config is not None:
            tuner.build(config, draft)
            both = in_turns(tuner, draft)
            if keep(both):
                take()
                return both, config
        if not os.path.exists(path) or notes.get(note) == {"sha256": digest_of_file(path)}:
            shutil.copyfile(tuner.model, draft)
            take()
        return (both if config is not None else in_turns(tuner, None)), None
    finally:
        Path(draft).unlink(missing_ok=True)


def write(tuner: Tuner, job: Job, out: str | os.PathLike[str], insist: bool, for_speed: bool, offered: dict[str, Any],
          notes: Journal) -> Tuned:
    """Makes the winner a file and measures that file. One that is for speed and no faster is not kept."""
    best, path = job.best(), os.fspath(out)
    worth_it = best["feasible"] and best["trial"] > 0 if insist else not best["keep_baseline"]
    both, config = put(tuner, best["config"] if worth_it else None, path, lambda both: insist or not for_speed or both.speedup > 1,
                       notes)
    refuted = both.speedup if worth_it and config is None else None
    if refuted is not None:
        both = in_turns(tuner, None)
    left = config is None and not filecmp.cmp(tuner.model, path, shallow=False)
    judged_file, called = (tuner.model, AS_IT_CAME) if left else (path, path)
    try:
        accuracy = tuner.in_the_end(tuner.accept, judged_file, called)
        accuracy_before = tuner.accepted_before
        if accuracy_before is None:
            accuracy_before = tuner.in_the_end(tuner.accept, tuner.model, AS_IT_CAME)
        as_searched = accuracy if tuner.accept is tuner.evaluate else \
            tuner.in_the_end(tuner.evaluate, judged_file, called)
    except CannotRun as error:
        raise CannotRun(f"{error}. {path} is {'left as it was' if left else 'written'}: the same call measures it once more") from None
    tried = [trial for trial in job.trials() if trial["kind"] == "evaluate" and trial["source"] == "measured"]
    failed = [f"trial {trial['number']}: {trial['error']}" for trial in tried if trial["state"] == "failed"]
    touched = lowerable(offered)
    trial = job.trial(0 if config is None else best["trial"])
    return Tuned(
        path=path, keep_fp32=config is None, verdict=words(best), accuracy=accuracy, accuracy_before=accuracy_before,
        cpu_time=tuner.clock is time.process_time,
        latency_ms=both.candidate.median_ms, latency_ms_before=both.baseline.median_ms, speedup=both.speedup,
        turns=len(both.candidate.samples), scattered=for_speed and tuner.clock is not time.process_time and
        (wide(best["gain_interval"]) or config is not None and both.torn),
        size_bytes=os.path.getsize(judged_file), size_bytes_before=os.path.getsize(tuner.model),
        untouched=tuner.graph.untouched(touched), trials=len(tried), failed_trials=len(failed),
        failure=failed[0] if failed else "", undecided=best["keep_baseline_because"] == "not_proved",
        learnt=learnt_of(job, [op for op in offered["ops"] if op["name"] in touched]),
        as_in_trial=trial["accuracy"] == as_searched, for_speed=for_speed, refuted=refuted, config=config, job=job.id,
        left=left)


def as_prepared(scores: Scores, names: Container[str]) -> Scores:
    """A Gemm that another tool knows as `fc` has become a MatMul `fc_MatMul`."""
    return {name if name in names or (matmul := f"{name}_MatMul") not in names else matmul: entries for name, entries in scores.items()}


def lowerable(offered: dict[str, Any]) -> set[str]:
    return {op["name"] for op in offered["ops"] if op.get("modes") != {}}


def what_is_tried(tuner: Tuner, offered: dict[str, Any]) -> str:
    """"14 operators can be lowered; not touched: 1 LSTM (16.8 of 54.0 MB of weights)"."""
    touched = lowerable(offered)
    untouched = tuner.graph.untouched(touched)
    return f"{len(touched)} operator{'s' * (len(touched) != 1)} can be lowered" + f"; not touched: {untouched}" * (untouched != "")


def learnt_of(job: Job, ops: list[dict[str, Any]]) -> str:
    """Of how many operators the job began with what others had learnt."""
    known = job.spec().get("warm_start", {}).get("known")
    kinds = {(group["type"], group.get("shape")) for group in known or []}
    return "" if known is None else f"{sum((op['type'], op.get('shape')) in kinds for op in ops)} of {len(ops)}"


def wide(gains: list[float] | None) -> bool:
    """Whether of the speed-ups of a range one end is more than twice the other."""
    return gains is not None and 1 - gains[0] > WIDE * (1 - gains[1])


def words(best: Best) -> str:
    return best["verdict"] or ""


def tune(model: str | os.PathLike[str], out: str | os.PathLike[str], calibration: Any, evaluate: Accuracy, *,
         max_drop: float = 0.01, criterion: str = "relative", higher_is_better: bool = True,
         objective: Any = "latency_ms", approach: str = "auto", max_trials: int = 25, strategy: str = "sgp",
         threads: int | None = None, clock: Callable[[], float] = time.perf_counter, scores: bool | Scores | None = None, library: bool = False,
         front: bool = False,
         job: dict[str, Any] | None = None, accept: Accuracy | None = None, insist: bool = False, evaluate_text: Callable[..., Any] | None = None,
         identity: str = "",
         client: Client | None = None, progress: bool = True) -> Tuned:
    """Searches for the best config of `model` and writes the file `out`, which ONNX Runtime runs as it is.

    `calibration` is an array of samples, or a dictionary of arrays by input, or the path of an .npz file of
    these: one row is one run, `array[i:i + 1]`. Or a list of feeds, each what session.run takes, whose shapes may
    differ. Latency is measured with the first one. `evaluate(session)` returns the accuracy of an
    onnxruntime.InferenceSession, or {"accuracy": ..., more metrics}; with a second parameter it is given the path
    of the file as well. `clock=time.process_time` measures CPU time, of one thread. `max_drop` is the share of the accuracy of `model` that may be lost
    (`criterion="relative"`), or an amount with `criterion="absolute"`; `higher_is_better=False` is for losses.
    `approach`: "auto" ("static" and "dynamic"), "static" (int8 for Conv, MatMul and Gemm, ranges by `calibration`),
    "dynamic" (int8 for MatMul and Gemm, ranges at run time) or "weight_only" (4 and 8 bits for MatMul and Gemm).
    `accept` is as `evaluate`, on data that the search has not seen: by it the winner is judged in the end, and what is returned.
    `objective`: "latency_ms" or "model_size_bytes". `library` begins with what your earlier searches learnt of operators of the
    same type and shape, in place of scores unless these are asked for; `scores` may also be what narrowd.scores has read. `front` leaves open how much may be
    lost: the best at every loss up to five times `max_drop` is searched, and `front` of what is returned lists what each is worth;
    any point of it can be written. `out` is the one that `max_drop` allows. `job` has members of docs/jobs.md that win over all
    of these.

    Where nothing is worth it, or the file of a search for speed is no faster in turns with the model, `out` is the model as it came,
    or is left as it is where another file is there; with `insist` only where nothing meets the criterion.
    `identity` is what else makes a call another one, such as a digest of the data that `evaluate` reads.
    `evaluate_text` is the function whose text makes a call another one, where that is not `evaluate`. Killed and called again, it goes on where it was.
    """
    source = Path(model).resolve(strict=True)
    check_out(out, source)
    threads = threads_of(threads, clock)
    check_functions(evaluate=evaluate, accept=accept, clock=clock)
    if front and (strategy != "sgp" or objective == "accuracy" or not isinstance(objective, str)):
        raise ValueError("front=True takes the strategy sgp, and one objective: the front is between that and the accuracy")
    body = {
        "approach": approach,
        "tuning_criterion": {"strategy": strategy, "objective": [objective, "accuracy"] if front else objective,
                             "stop_on": "budget", "max_trials": max_trials},
        "accuracy_criterion": {"criterion": criterion, "tolerable_loss": max_drop,
                               "higher_is_better": higher_is_better},
        **({"labels": {"latency_ms": "CPU time of one thread"}} if clock is time.process_time else {}),
        **subset_of(accept, job or {}),
        **({"warm_start": {"library": True}} if library else {}),
        **(job or {}),
    }
    with quiet(), tempfile.TemporaryDirectory(prefix="narrowd-") as folder, client_of(client) as own:
        check(own, body, stand_in(approach, scores), CALLED)
        for_speed = (objective if front else body["tuning_criterion"].get("objective", LATENCY[0])) in LATENCY
        tuner = Tuner(in_one_file(source, folder), calibration, evaluate, folder, threads, clock, accept, for_speed)
        offered, results = tuner.quantizer.capability(approach), list[Tuned]()
        if progress:
            print(f"narrowd: {what_is_tried(tuner, offered)}", file=sys.stderr, flush=True)
        if isinstance(scores, dict):
            offered, scores = tell(offered, as_prepared(scores, {op["name"] for op in offered["ops"]})), False
        if library and scores is None:
            scores = False  # they would take the place of what was learnt

        def finish(found: Job) -> None:
            tuned = write(tuner, found, out, insist, for_speed, offered, evaluator.journal)
            if tuned.keep_fp32:
                calling = Call(os.fspath(model), new_name(tuned), calibration if isinstance(calibration, str) else "DATA.npz", accept is not None,
                               for_speed, approach, tuned.refuted is not None, own,
                               tuner.graph.share(tuner.quantizer.lowered_by("weight_only")) >= MOST_WEIGHTS,
                               tuned.scattered or tuned.undecided and for_speed and not tuned.cpu_time, threads)
                tuned = replace(tuned, next_step=next_step(calling, found, found.best()))
            points, left_out = front_of(found, objective, source, tuner.feeds, len(lowerable(offered))) if front else ((), "")
            found.edit(labels={**found.get()["labels"], CALIBRATION: digest_of(tuner.feeds)})
            results.append(replace(tuned, metric=objective, front=points, left_out=left_out, client=client) if front else tuned)

        options = (approach if approach != "auto" else "", objective if objective != LATENCY[0] else "", "front" * front,
                   "library" * library, "cpu" * (clock is time.process_time))
        evaluator = evaluator_of(tuner, offered, approach, scores)
        search(evaluator, body, identity=data_of(tuner, judges_of(evaluate_text or evaluate, accept) + identity),
               model=source.name, options=options, client=own, progress=progress, finish=finish, called=CALLED)
        return results[0]


def new_name(tuned: Tuned) -> str:
    """Of a file to write beside one that was left."""
    stem, dot, kind = tuned.path.rpartition(".")
    return tuned.path if not tuned.left else f"{stem}.new.{kind}" if dot else f"{tuned.path}.new"


def check_functions(**functions: object) -> None:
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise ValueError(f"{name} is no function: {function!r}")


def stand_in(approach: str, scores: bool | Scores | None) -> dict[str, Any]:
    """The capability of a model that has an operator of each type, for a job's body to be looked at before its own model is prepared."""
    modes = modes_of(approach)
    return {"framework": "onnxruntime", "op_types": modes, "ops": [{"name": kind, "type": kind} for kind in modes], "metrics": METRICS,
            "answers": ["evaluate", *(["score:mse", "score:mse:options"] if scores is not False else [])]}


def threads_of(threads: int | None, clock: Callable[[], float]) -> int | None:
    """CPU time is that of all threads together, of those that wait for work, too: it says something of one alone."""
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ValueError(f"threads is {threads!r}: give a whole number from 1 on, or None for ONNX Runtime's own choice")
    if clock is not time.process_time or threads == 1:
        return threads
    if threads is not None:
        raise ValueError(f"CPU time is no latency where {threads} threads share the work: take one thread, or the wall clock")
    return 1


def data_of(tuner: Tuner, evaluate: str) -> str:
    """A digest of the model, the data and the versions: what makes two calls the same."""
    samples: Sequence[Feed] = tuner.feeds
    arrays = [part for feed in samples for name in sorted(feed) for part in (name.encode(), np.ascontiguousarray(feed[name]).tobytes())]
    return identity_of(ort.__version__, str(tuner.threads), name_of(tuner.clock), evaluate, tuner.model.read_bytes(), *arrays)
