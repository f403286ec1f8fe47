#!/usr/bin/python3
"""How much of the front between accuracy and cost is found with one budget, by narrowd and by what users pick instead.

bench/rivals/frontier.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-5] [--budget 60] [--searchers a;b]

What a searcher measured makes every tolerance worth the least cost of a config that truly loses no more. A figure is the
hypervolume of that: the integral over tolerances l, from 0 to 5 times what the job may lose, of

    1 - least cost of what loses at most l / cost of fp32

with fp32 itself among what was measured, as a share of the same of the best front that is known: what any of them
measured, and what is found by lowering, from fp32 on, the option that saves most for what it alone truly loses.
*At 1* is the same at the job's tolerance alone: what is saved there of what could be. Medians over the seeds; families, seeds and the virtual environment as in compare.py.
"""

import random
import statistics
import sys

import arena
import walks

MOST_LOST = 5  # tolerances
POPULATION = 12  # of NSGA-II: five generations of 60 evaluations

# What each is told to search, as a job's objective.
OURS = {
    "`sgp`, both open": lambda other: [other, "accuracy"],
    "`sgp`, one tolerance": lambda other: other,
}


def at_random(meter, known, seed):
    """So many operators lowered, whichever these are, as a draw says: to draw each operator's option alone would
    only give configs of which half is lowered."""
    problem, rng = meter.problem, random.Random(seed)
    meter(problem.x0)
    while True:
        share = rng.random()
        meter([rng.randrange(count) if rng.random() < share else high
               for count, high in zip(problem.K, problem.xb)])


RIVALS = {
    "Optuna's NSGA-II": walks.optuna_front("NSGAIISampler", population_size=POPULATION),
    "Optuna's TPE of two objectives": walks.optuna_front("TPESampler", multivariate=True),
    "at random": at_random,
}


def lowered(problem):
    """Configs from fp32 on, by what single options truly save and lose."""
    losses, config = problem.singles(), list(problem.xb)
    while True:
        yield tuple(config)
        moves = []
        for op in range(problem.n):
            now = config[op]
            for choice in range(problem.K[op]):
                saved = problem.T[op][now] - problem.T[op][choice]
                lost = max(losses[op][choice] - losses[op][now], 1e-9)
                if saved > 0:
                    moves.append((saved / lost, op, choice))
        if not moves:
            return
        _, op, choice = max(moves)
        config[op] = choice


def truths(problem, configs):
    """Of each config how much is truly lost, in tolerances, and the share of fp32's cost."""
    for config in configs:
        quality, cost = problem.true(tuple(config))
        yield max(problem.loss(quality), 0), cost / problem.bc


def hypervolume(points):
    area, least, at = 0.0, 1.0, 0.0
    for lost, cost in sorted(points):
        if cost < least and lost < MOST_LOST:
            area += (lost - at) * (1 - least)
            least, at = cost, lost
    return area + (MOST_LOST - at) * (1 - least)


def saved(points):
    """By the cheapest that loses no more than the job may."""
    return 1 - min([cost for lost, cost in points if lost <= 1 + 1e-9] + [1.0])


def search(daemon, problem, name, budget):
    meter = walks.Meter(problem, budget)
    if name in OURS:
        tuning = {"strategy": "sgp", "objective": OURS[name](problem.objective)}
        daemon.search(meter, problem.capability(["evaluate"]), tuning, seed=problem.seed, confirm=0)
    else:
        meter.run(RIVALS[name])
    return [config for config, _, _ in meter.trials]


def measure(options, daemon, make):
    """{family: {searcher: [(share, share at the job's tolerance)]}}"""
    table = {}
    for family, seed, problem in arena.problems(options, make):
        found = {name: list(truths(problem, search(daemon, problem, name, options.budget)))
                 for name in options.searchers}
        known = [*truths(problem, lowered(problem)), *sum(found.values(), [])]
        whole, one = hypervolume(known), saved(known)
        for name, points in found.items():
            row = (hypervolume(points) / whole, saved(points) / one)
            table.setdefault(family, {}).setdefault(name, []).append(row)
            arena.say(f"{family} {seed} {name}: {row[0]:.3f}, at the job's tolerance {row[1]:.3f},"
                      f" {len(points)} evaluations")
    return table


def read_options(arguments=None):
    parser = arena.parser(__doc__)
    arena.add_searchers(parser, [*OURS, *RIVALS], 60)
    return parser.parse_args(arguments)


def play(options):
    make = arena.enter(options)
    with arena.Daemon() as daemon:
        table = measure(options, daemon, make)
    arena.show(options, table, worst=lambda rows: f"{min(row[0] for row in rows):.2f}",
               at_1=lambda rows: f"{statistics.median(row[1] for row in rows):.2f}")


if __name__ == "__main__":
    sys.exit(play(read_options()))
