#!/usr/bin/python3
"""narrowd's strategies and what users pick instead of it, on the same problems with the same budget, in one table.

bench/rivals/compare.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-5] [--budget 50] [--searchers a,b]

Strategies run in the daemon, their evaluator answers over HTTP; rivals (walks.py) run in this process and measure the
same function. Regret is what is left of the way from fp32 to the best config that is known: 0 is that config, 1 is fp32;
it is the true one of what is handed over, the median over the seeds, and 1 where that truly misses the criterion. The
best that is known is the best that any of them measured, or a descent from it. Scores are true single losses times
log-normal noise of 0.4; latencies and sizes of options are known where it says so. Families are those of families.py; those of another
folder that has a problems.py are measured with --families. Everything that is needed comes from PyPI into
DIR/rivals, a virtual environment.
"""

import math
import random
import statistics
import sys

import arena
import walks

SPREAD = 0.4  # of scores, as the deviation of a logarithm
PRECISE = {"bayesian": {"fallback": True}}  # high precision is an option, too

# What each is told: nothing, scores of operators, or scores and costs of options.
OURS = {
    "sgp": ("sgp", None),
    "sgp, scores": ("sgp", "operators"),
    "sgp, option scores, latencies": ("sgp", "options"),
    "bisect": ("bisect", None),
    "bisect, scores": ("bisect", "operators"),
    "knapsack, option scores, latencies": ("knapsack", "options"),
    "tpe": ("tpe", None),
    "bayesian": ("bayesian", None),
}


class Known:
    """What is known beforehand: scores of operators and of options, and what options cost."""

    def __init__(self, problem):
        rng = random.Random(f"scores {problem.family} {problem.seed}")
        self.options = [[max(loss, 0) * math.exp(SPREAD * rng.gauss(0, 1)) for loss in row]
                        for row in problem.singles()]
        self.scores = [max(row[0], 1e-6) for row in self.options]
        self.costs = [list(row)[: problem.K[op]] for op, row in enumerate(problem.T)]


def with_facts(problem, known, told):
    """The capability, with what a strategy is told."""
    answers = ["evaluate"]
    if told is not None:
        answers.append("score:hawq_v2:options" if told == "options" else "score:hawq_v2")
    capability = problem.capability(answers)
    fact = "latency_ms" if problem.objective == "latency_ms" else "size_bytes"
    for op, document in enumerate(capability["ops"]):
        if told == "options":
            document["known"] = [
                {"when": when(option), fact: float(cost)}
                for option, cost in zip(problem.opts[op], known.costs[op])
            ]
    return capability


def when(option):
    mode, activation, weight = option
    sides = {"activation": activation, "weight": weight}
    return {"mode": mode, **{side: items for side, items in sides.items() if items}}


def answer_scores(problem, known, question):
    names = {name: op for op, (name, _) in enumerate(problem.ops)}
    if "options" not in question:
        return {"scores": {name: known.scores[names[name]] for name in question["ops"]}}
    scores = {}
    for name, options in question["options"].items():
        op = names[name]
        places = [problem.lookup[op][problem.sig(o["mode"], o.get("activation"), o.get("weight"))]
                  for o in options]
        scores[name] = [known.options[op][place] for place in places]
    return {"scores": scores}


def ours(daemon, meter, known, name):
    """What a job hands over."""
    strategy, told = OURS[name]
    problem = meter.problem
    tuning = {"strategy": strategy, "strategy_kwargs": PRECISE.get(strategy, {})}
    return daemon.search(meter, with_facts(problem, known, told), tuning, seed=problem.seed,
                         scores=lambda question: answer_scores(problem, known, question))[0]


def descend(problem, config):
    """Single changes that are better, until there is none."""
    config, cost = list(config), problem.true(tuple(config))[1]
    moved = True
    while moved:
        moved = False
        for op in range(problem.n):
            was = config[op]
            for choice in range(problem.K[op]):
                trial = (*config[:op], choice, *config[op + 1:])
                quality, other = problem.true(trial)
                if other < cost * (1 - 1e-9) and problem.ok(quality):
                    config, cost, moved = list(trial), other, True
            moved = moved and config[op] != was or moved
    return cost


class Run:
    """What one searcher came to on one problem."""

    def __init__(self, meter, picked):
        problem = meter.problem
        quality, self.cost = problem.true(tuple(picked))
        self.truly = problem.ok(quality)
        self.count = len(meter.trials)
        good = [(cost, config) for config, _, _ in meter.trials
                for quality, cost in [problem.true(tuple(config))] if problem.ok(quality)]
        self.best, self.config = min(good, default=(problem.bc, problem.xb))

    def regret(self, problem, least):
        return (self.cost - least) / (problem.bc - least) if self.truly else 1.0


def search(daemon, meter, known, name):
    if name in OURS:
        return Run(meter, ours(daemon, meter, known, name))
    meter.run(walks.RIVALS[name], known)
    return Run(meter, meter.best())


def least_of(problem, runs):
    """The least cost that is known: what any of them measured, or a descent from it."""
    nearest = min(runs, key=lambda run: run.best)
    return min(nearest.best, descend(problem, nearest.config))


def measure(options, daemon, make):
    """{family: {searcher: [(regret, whether it truly meets, evaluations)]}}"""
    table = {}
    for family, seed, problem in arena.problems(options, make):
        known, runs = Known(problem), {}
        for name in options.searchers:
            run = runs[name] = search(daemon, walks.Meter(problem, options.budget), known, name)
            arena.say(f"{family} {seed} {name}: {run.cost / problem.bc:.3f} of fp32"
                      f"{'' if run.truly else ', which truly misses'}, {run.count} evaluations")
        least = least_of(problem, runs.values())
        for name, run in runs.items():
            row = (run.regret(problem, least), run.truly, run.count)
            table.setdefault(family, {}).setdefault(name, []).append(row)
    return table


def read_options(arguments=None):
    parser = arena.parser(__doc__)
    arena.add_searchers(parser, None, 50)
    return parser.parse_args(arguments)


def play(options):
    make = arena.enter(options)
    options.searchers = options.searchers or [
        *OURS, *(name for name in walks.RIVALS if name != walks.NEEDS_TORCH or arena.has_torch())]
    with arena.Daemon() as daemon:
        table = measure(options, daemon, make)
    arena.show(options, table,
               truly_meets=lambda rows: f"{sum(row[1] for row in rows)} of {len(rows)}",
               evaluations=lambda rows: f"{statistics.median(row[2] for row in rows):g}")


if __name__ == "__main__":
    sys.exit(play(read_options()))
