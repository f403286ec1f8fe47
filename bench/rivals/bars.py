#!/usr/bin/python3
"""What sgp is held to on problems like real networks: each bar beside what is reached, on two ranges of seeds.

bench/rivals/bars.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-5] [--fresh 6-10]

Families are those of a folder whose problems.py has a1, a2, b, c, d and e (compare.py says what a family is). All searches have 50
evaluations. A regret is the median over the seeds, against the best that any searcher measured, or a descent from it. Exits with 1
when a bar is missed.
"""

import math
import statistics
import sys

import arena
import compare
import families
import walks

BUDGET = 50
RIVALS = ("bisect", "tpe", "bayesian", "Optuna TPE", "greedy revert, scores")
TOLD = "sgp, option scores, latencies"
ILP = "ILP, option scores, latencies"
BARS = {"a1": 0.05, "a2": 0.05, "b": 0.05, "c": 0.15, "d": 0.15, "e": 0.05}
NOISY, OF_BITS = "d", "e"
COSTS_BAR = 0.05  # c, told what options cost
MET_BAR = 0.95
BEHIND_MEDIAN, BEHIND_ANY = 0.02, 0.05
ENDED_REGRET, ENDED_BAR, ENDED_BUDGET = 0.05, 0.02, 100
FASTEST_BAR = 0.99
ILP_WITHIN, ILP_BAR = 0.01, 7
KILLER_HIGH, KILLER_BAR = 3, 16  # operators in high precision, evaluations
SAME = 1e-3  # of costs: a job takes these for equal


def median(rows, at=0):
    return statistics.median(row[at] for row in rows)


class Bars:
    """Lines of the table, a figure for each range of seeds."""

    def __init__(self, ranges):
        self.ranges, self.lines, self.missed = ranges, {}, 0

    def add(self, name, bar, shown, holds):
        self.lines.setdefault((name, bar), []).append(shown if holds else f"**{shown}**")
        self.missed += not holds

    def show(self):
        spans = [f"seeds {seeds[0]} to {seeds[-1]}" for seeds in self.ranges]
        print(f"| | bar | {' | '.join(spans)} |")
        print("|---" * (2 + len(spans)) + "|")
        for (name, bar), cells in self.lines.items():
            print(f"| {' | '.join([name, bar, *cells])} |")


def add_regrets(bars, table):
    for family, bar in BARS.items():
        if family in table:
            regret = median(table[family]["sgp"])
            bars.add(family, f"{bar:g}", f"{regret:.2f}", regret <= bar)
    if "c" in table:
        regret = median(table["c"][TOLD])
        bars.add("c, told option scores and latencies", f"{COSTS_BAR:g}", f"{regret:.2f}", regret <= COSTS_BAR)


def add_rivals(bars, table):
    behind = {family: median(rows["sgp"]) - min(median(rows[name]) for name in RIVALS)
              for family, rows in table.items()}
    if behind:
        middle, family = statistics.median(behind.values()), max(behind, key=behind.get)
        bars.add("behind the best rival, median of the families", f"{BEHIND_MEDIAN:g}", f"{middle:z.2f}",
                 middle <= BEHIND_MEDIAN)
        bars.add("... in the worst", f"{BEHIND_ANY:g}", f"{behind[family]:z.2f} ({family})",
                 behind[family] <= BEHIND_ANY)


def fastest_handed_over(problem, run):
    """Of an exact problem: whether nothing that was measured is faster and meets the criterion."""
    return run.cost <= run.best * (1 + SAME)


def measure(options, daemon, make, seeds):
    """The table of compare.py; how many runs of exact evaluators handed over the fastest, of how many; how many
    evaluations it took to come within a share of the integer program's best."""
    table, fastest, needed = {}, [], []
    for family in options.only:
        for seed in seeds:
            problem = make(family, seed)
            known, runs, trials = compare.Known(problem), {}, {}
            for name in ("sgp", TOLD, *RIVALS, ILP):
                meter = walks.Meter(problem, BUDGET)
                runs[name], trials[name] = compare.search(daemon, meter, known, name), meter.trials
                arena.say(f"{family} {seed} {name}: {runs[name].cost / problem.bc:.3f} of fp32"
                          f"{'' if runs[name].truly else ', which truly misses'}")
            least = compare.least_of(problem, runs.values())
            for name, run in runs.items():
                table.setdefault(family, {}).setdefault(name, []).append(
                    (run.regret(problem, least), run.truly, run.count))
            if family != NOISY:
                fastest += [fastest_handed_over(problem, runs[name]) for name in ("sgp", TOLD)]
            if family == OF_BITS:
                needed.append(evaluations_until(problem, trials[TOLD], runs[ILP].best))
    return table, fastest, needed


def evaluations_until(problem, trials, best):
    """The first evaluation that meets the criterion and is within a share of the best."""
    for number, (config, quality, cost) in enumerate(trials, 1):
        if problem.ok(quality) and cost <= best * (1 + ILP_WITHIN):
            return number
    return math.inf


def ended_early(options, daemon, make, seeds):
    """Of sgp with twice the budget: how many runs ended by themselves though much was left to gain, of how many."""
    early, runs = 0, 0
    for family in options.only:
        for seed in seeds:
            problem = make(family, seed)
            meter = walks.Meter(problem, ENDED_BUDGET)
            run = compare.search(daemon, meter, None, "sgp")
            runs += 1
            early += run.count < ENDED_BUDGET and run.regret(problem, compare.least_of(problem, [run])) > ENDED_REGRET
            arena.say(f"{family} {seed} sgp, {ENDED_BUDGET}: {run.count} evaluations")
    return early, runs


def until_killer(daemon, seed):
    """Of one operator of a thousand that ruins the model: the first evaluation that meets the criterion with few operators in
    high precision."""
    problem = families.make("one_of_1000", seed)
    meter = walks.Meter(problem, 2 * KILLER_BAR)
    compare.search(daemon, meter, None, "sgp")
    for number, (config, quality, _) in enumerate(meter.trials, 1):
        high = sum(choice == last for choice, last in zip(config, problem.xb))
        if problem.ok(quality) and high <= KILLER_HIGH:
            return number
    return math.inf


def add_all(bars, options, daemon, make, seeds):
    table, fastest, needed = measure(options, daemon, make, seeds)
    add_regrets(bars, table)
    if NOISY in options.only:
        met = [row[1] for row in table[NOISY]["sgp"]]
        bars.add("d, truly meets", f"{MET_BAR:.0%}", f"{sum(met)} of {len(met)}", sum(met) >= MET_BAR * len(met))
    add_rivals(bars, table)
    early, runs = ended_early(options, daemon, make, seeds)
    bars.add(f"ends by itself before {ENDED_BUDGET} with more than {ENDED_REGRET:g} left", f"{ENDED_BAR:.0%}",
             f"{early} of {runs}", early <= ENDED_BAR * runs)
    bars.add("exact: hands over the fastest that it measured to meet the criterion", f"{FASTEST_BAR:.0%}",
             f"{sum(fastest)} of {len(fastest)}", sum(fastest) >= FASTEST_BAR * len(fastest))
    if needed:
        bars.add("e, told option scores and sizes: evaluations until within 1 % of the ILP, median and most",
                 f"{ILP_BAR}", f"{statistics.median(needed):g}, {max(needed):g}", max(needed) <= ILP_BAR)
    found = [until_killer(daemon, seed) for seed in seeds]
    bars.add("one killer of 1,000: evaluations, median and most", f"{KILLER_BAR}",
             f"{statistics.median(found):g}, {max(found):g}", statistics.median(found) <= KILLER_BAR)


def main():
    parser = arena.parser(__doc__)
    parser.add_argument("--fresh", type=arena.numbers, help="another range of seeds beside the first")
    options = parser.parse_args()
    make = arena.enter(options)
    ranges = [options.seeds, *([options.fresh] if options.fresh else [])]
    bars = Bars(ranges)
    with arena.Daemon() as daemon:
        for seeds in ranges:
            add_all(bars, options, daemon, make, seeds)
    bars.show()
    return bars.missed > 0


if __name__ == "__main__":
    sys.exit(main())
