"""Latencies that compare: warmed up, many samples, in turns with what they are compared to."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

FEWEST = 3


@dataclass(frozen=True)
class Timing:
    """Milliseconds of each run."""

    samples: list[float]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """The middle half of the samples, as a share of their median: 0.02 is calm, 0.2 is not."""
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / self.median_ms if self.median_ms else 0.0


@dataclass(frozen=True)
class Comparison:
    """A candidate and a baseline that took turns, so that both have met the same machine."""

    candidate: Timing
    baseline: Timing

    @property
    def speedup(self) -> float:
        """The median over the turns of baseline divided by candidate: what slows both down for a while cancels."""
        return statistics.median(b / c for b, c in zip(self.baseline.samples, self.candidate.samples, strict=True))


def once_ms(run: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return 1000 * (clock() - start)


def measure(run: Callable[[], object], *, warm_up: int = 5, samples: int = 30, limit_s: float = 10,
            clock: Callable[[], float] = time.perf_counter) -> Timing:
    """Times `run`, which takes no argument. After `limit_s` there are no more samples, but at least three.

    Where others work on the machine, `clock=time.process_time` counts what this process does alone.
    """
    return _turns([run], warm_up, samples, limit_s, clock)[0]


def compare(run: Callable[[], object], baseline: Callable[[], object], *, warm_up: int = 5, samples: int = 30,
            limit_s: float = 20, clock: Callable[[], float] = time.perf_counter) -> Comparison:
    """Times both in turns. Which one begins changes from turn to turn.

    Each runs once without being timed before it is: the other one has filled the caches, which happens in no deployment.
    """
    return Comparison(*_turns([run, baseline], warm_up, samples, limit_s, clock))


def _turns(runs: list[Callable[[], object]], warm_up: int, samples: int, limit_s: float,
           clock: Callable[[], float]) -> list[Timing]:
    if samples < FEWEST:
        raise ValueError(f"at least {FEWEST} samples are needed for a spread")
    for _ in range(warm_up):
        for run in runs:
            run()
    deadline = time.monotonic() + limit_s
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(samples):
        if turn >= FEWEST and time.monotonic() > deadline:
            break
        for i in range(len(runs)) if turn % 2 == 0 else reversed(range(len(runs))):
            if len(runs) > 1:
                runs[i]()
            times[i].append(once_ms(runs[i], clock))
    return [Timing(each) for each in times]
