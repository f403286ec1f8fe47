"""Latencies that compare: warmed up, many samples, in turns with what they are compared to."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

FEWEST = 3
MOST = 1000  # samples that an answer may have
MORE_S = 1.0  # for samples beyond those that were asked for
TOLD = 100  # samples of an answer: a job's log keeps them all
TORN = 1.25  # times
SETTLES = 3  # runs until what another one has left in the caches is gone
LATENCY = ("latency_ms", "performance")  # what an objective of speed is called


@dataclass(frozen=True)
class Timing:
    """Milliseconds of each run."""

    samples: list[float]

    @property
    def told(self) -> list[float]:
        """What an answer says of them: where there are many, as many as are needed for their median and spread, evenly by rank."""
        ordered, count = sorted(self.samples), len(self.samples)
        return self.samples if count <= TOLD else [ordered[(2 * i + 1) * count // (2 * TOLD)] for i in range(TOLD)]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """The middle half of the samples, as a share of their median: 0.02 is calm, 0.2 is not."""
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / self.median_ms if self.median_ms else 0.0

    @property
    def uncertainty(self) -> float:
        """The standard error of the median, as a share of it, by the middle half of the samples: that of few is a guess."""
        return 1.2533 * self.spread / 1.349 / math.sqrt(len(self.samples))


@dataclass(frozen=True)
class Comparison:
    """A candidate and a baseline that took turns, so that both have met the same machine."""

    candidate: Timing
    baseline: Timing

    @property
    def speedup(self) -> float:
        """The median over the turns of baseline divided by candidate: what slows both down for a while cancels."""
        return statistics.median(b / c for b, c in zip(self.baseline.samples, self.candidate.samples, strict=True))

    def where_baseline_takes(self, ms: float) -> Timing:
        """The candidate, each turn told as if its baseline had taken so long: of two comparisons at different times these compare."""
        return Timing([ms * c / b for b, c in zip(self.baseline.samples, self.candidate.samples, strict=True)])

    @property
    def torn(self) -> bool:
        """Whether the medians of both say something else than the turns do, as on a busy machine: then neither says much."""
        medians = self.baseline.median_ms / self.candidate.median_ms
        return not 1 / TORN < medians / self.speedup < TORN


def once_ms(run: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return 1000 * (clock() - start)


def measure(run: Callable[[], object], *, warm_up: int = 5, samples: int = 30, limit_s: float = 10, precision: float = 0.005,
            clock: Callable[[], float] = time.perf_counter) -> Timing:
    """Times `run`, which takes no argument: `samples` times, and then on until the median is known to `precision`, a share of
    it (0: no more than `samples`), for one second at most and up to 1000 samples. What takes 0.1 ms needs them, and has them
    at once. After `limit_s` there are no more samples, but at least three.

    Where others work on the machine, `clock=time.process_time` counts what this process does alone.
    """
    return _turns([run], warm_up, samples, limit_s, precision, clock)[0]


def compare(run: Callable[[], object], baseline: Callable[[], object], *, warm_up: int = 5, samples: int = 30,
            limit_s: float = 20, precision: float = 0.005, clock: Callable[[], float] = time.perf_counter) -> Comparison:
    """Times both in turns, as often as `measure` does. Which one begins changes from turn to turn.

    Each runs three times without being timed before it is: the other one has filled the caches, which happens in no deployment.
    """
    return Comparison(*_turns([run, baseline], warm_up, samples, limit_s, precision, clock))


def _turns(runs: list[Callable[[], object]], warm_up: int, samples: int, limit_s: float, precision: float,
           clock: Callable[[], float]) -> list[Timing]:
    if samples < FEWEST:
        raise ValueError(f"at least {FEWEST} samples are needed for a spread")
    for _ in range(warm_up):
        for run in runs:
            run()
    deadline = time.monotonic() + limit_s
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(max(samples, MOST if precision > 0 else 0)):
        if turn == samples:
            deadline = min(deadline, time.monotonic() + MORE_S)
        if turn >= FEWEST and time.monotonic() > deadline:
            break
        if turn >= samples and (turn - samples) % samples == 0 and all(Timing(each).uncertainty <= precision for each in times):
            break
        for i in range(len(runs)) if turn % 2 == 0 else reversed(range(len(runs))):
            for _ in range(SETTLES if len(runs) > 1 else 0):
                runs[i]()
            times[i].append(once_ms(runs[i], clock))
    return [Timing(each) for each in times]
