"""The bars of bars.py that searches are held to: what they hand over, and after how many evaluations."""

import math
import statistics

import arena
import compare
import families
import walks

BUDGET, SHORT_BUDGET = 50, 6
RIVALS = ("bisect", "tpe", "bayesian", "Optuna TPE", "greedy revert, scores")
TOLD = "sgp, option scores, latencies"
ILP = "ILP, option scores, latencies"
PACKAGED = ("Optuna TPE", ILP)  # need other packages
BARS = {"a1": 0.05, "a2": 0.05, "b": 0.05, "c": 0.15, "e": 0.05}
NOISY, OF_BITS = "d", "e"
NOISY_BAR, NOISY_TIMES = 0.15, 4  # as many times as many seeds
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


def median_and_each(numbers):
    return f"{statistics.median(numbers):g} ({', '.join(f'{number:g}' for number in sorted(numbers))})"


def budget_of(options, usual=BUDGET):
    return SHORT_BUDGET if options.short else usual


def run_all(options, daemon, problem, names):
    """What each searcher comes to, the trials of each, and the least cost that is known."""
    known, runs, trials = compare.Known(problem), {}, {}
    for name in names:
        if options.short and name in PACKAGED:
            continue
        meter = walks.Meter(problem, budget_of(options))
        runs[name], trials[name] = compare.search(daemon, meter, known, name), meter.trials
        arena.say(f"{problem.family} {problem.seed} {name}: {runs[name].cost / problem.bc:.3f} of fp32"
                  f"{'' if runs[name].truly else ', which truly misses'}")
    return runs, trials, compare.least_of(problem, runs.values())


def fastest_handed_over(problem, run):
    """Of an exact problem: whether nothing that was measured is faster and meets the criterion."""
    return run.cost <= run.best * (1 + SAME)


def evaluations_until(problem, trials, best):
    """The first evaluation that meets the criterion and is within a share of the best."""
    for number, (config, quality, cost) in enumerate(trials, 1):
        if problem.ok(quality) and cost <= best * (1 + ILP_WITHIN):
            return number
    return math.inf


def measure(options, daemon, make, seeds):
    """{family: {searcher: [(regret, ...)]}}; how many runs of exact evaluators handed over the fastest, of how many; how
    many evaluations it took to come within a share of the integer program's best."""
    table, fastest, needed = {}, [], []
    for family in options.only:
        for seed in seeds:
            problem = make(family, seed)
            runs, trials, least = run_all(options, daemon, problem, ("sgp", TOLD, *RIVALS, ILP))
            for name, run in runs.items():
                table.setdefault(family, {}).setdefault(name, []).append((run.regret(problem, least),))
            if family != NOISY:
                fastest += [fastest_handed_over(problem, runs[name]) for name in ("sgp", TOLD)]
            if family == OF_BITS and ILP in runs:
                needed.append(evaluations_until(problem, trials[TOLD], runs[ILP].best))
    return table, fastest, needed


def add_regrets(bars, table):
    for family, rows in table.items():
        regret, bar = median(rows["sgp"]), BARS.get(family)
        if family != NOISY:
            bars.add(f"regret of {family}", bar and f"{bar:g}", f"{regret:.2f}", bar is None or regret <= bar)
    if "c" in table:
        regret = median(table["c"][TOLD])
        bars.add("... of c, told option scores and latencies", f"{COSTS_BAR:g}", f"{regret:.2f}", regret <= COSTS_BAR)


def add_rivals(bars, table):
    """How far sgp is behind whoever is best at a family, over all seeds."""
    behind = {family: median(rows["sgp"]) - min(median(rows[name]) for name in RIVALS if name in rows)
              for family, rows in table.items()}
    middle, family = statistics.median(behind.values()), max(behind, key=behind.get)
    bars.add("regret more than the best rival's, median of the families, all seeds", f"{BEHIND_MEDIAN:g}", f"{middle:z.2f}",
             middle <= BEHIND_MEDIAN)
    bars.add("... in the worst family", f"{BEHIND_ANY:g}", f"{behind[family]:z.2f} ({family})",
             behind[family] <= BEHIND_ANY)


def search(bars, options, daemon, make):
    """sgp beside its rivals on all families (a quarter of an hour for five seeds)"""
    whole = {}
    for seeds in bars.ranges:
        table, fastest, needed = measure(options, daemon, make, seeds)
        for family, rows in table.items():
            for name, more in rows.items():
                whole.setdefault(family, {}).setdefault(name, []).extend(more)
        add_regrets(bars, table)
        if fastest:
            bars.add("exact: hands over the fastest that it measured to meet the criterion", f"{FASTEST_BAR:.0%}",
                     f"{sum(fastest)} of {len(fastest)}", sum(fastest) >= FASTEST_BAR * len(fastest))
        if needed:
            bars.add("e, told option scores and sizes: evaluations until within 1 % of the ILP, median and each",
                     f"{ILP_BAR} each", median_and_each(needed), max(needed) <= ILP_BAR)
    add_rivals(bars, whole)


def noise(bars, options, daemon, make):
    """sgp on d, four times as many seeds (some minutes)"""
    for seeds in bars.ranges:
        if NOISY not in options.only:
            return
        rows = []
        for seed in range(NOISY_TIMES * (seeds[0] - 1) + 1, NOISY_TIMES * seeds[-1] + 1):
            problem = make(NOISY, seed)
            runs, _, least = run_all(options, daemon, problem, ("sgp", TOLD, ILP))
            rows.append((runs["sgp"].regret(problem, least), runs["sgp"].truly))
        met = [row[1] for row in rows]
        bars.add(f"regret of d, {NOISY_TIMES} times as many seeds", f"{NOISY_BAR:g}", f"{median(rows):.2f}",
                 median(rows) <= NOISY_BAR)
        bars.add("... truly meets", f"{MET_BAR:.0%}", f"{sum(met)} of {len(met)}", sum(met) >= MET_BAR * len(met))


def ends(bars, options, daemon, make):
    """sgp with twice the budget: how often it ends by itself too early (some minutes)"""
    budget = budget_of(options, ENDED_BUDGET)
    for seeds in bars.ranges:
        early, runs = 0, 0
        for family in options.only:
            for seed in seeds:
                problem = make(family, seed)
                run = compare.search(daemon, walks.Meter(problem, budget), None, "sgp")
                runs += 1
                early += run.count < budget and run.regret(problem, compare.least_of(problem, [run])) > ENDED_REGRET
                arena.say(f"{family} {seed} sgp, {budget}: {run.count} evaluations")
        bars.add(f"ends by itself before {budget} with more than {ENDED_REGRET:g} left", f"{ENDED_BAR:.0%}",
                 f"{early} of {runs}", early <= ENDED_BAR * runs)


def until_killer(daemon, seed, budget):
    """The first evaluation that meets the criterion with few operators in high precision."""
    problem = families.make("one_of_1000", seed)
    meter = walks.Meter(problem, budget)
    compare.search(daemon, meter, None, "sgp")
    for number, (config, quality, _) in enumerate(meter.trials, 1):
        high = sum(choice == last for choice, last in zip(config, problem.xb))
        if problem.ok(quality) and high <= KILLER_HIGH:
            return number
    return math.inf


def killer(bars, options, daemon, make):
    """one operator of a thousand that ruins the model, nothing known (a minute)"""
    for seeds in bars.ranges:
        found = [until_killer(daemon, seed, budget_of(options, 2 * KILLER_BAR)) for seed in seeds]
        bars.add(f"one killer of 1,000: evaluations until met with at most {KILLER_HIGH} in high precision, median and each",
                 f"{KILLER_BAR}", median_and_each(found), statistics.median(found) <= KILLER_BAR)


PARTS = {"search": search, "noise": noise, "ends": ends, "killer": killer}
