#!/usr/bin/python3
"""What it gains to begin with what an earlier job learnt: search one network, then a relative of it.

bench/rivals/reuse.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-5] [--budgets 10,20] [--strategies sgp]

A job of sgp with 50 evaluations searches a problem of families.py (or of another folder's problems.py). Then relatives are
searched without anything, and with "warm_start": {"library": true}:

    retrained  the same operators; losses are other ones by a log-normal factor of 0.4, times by one of 0.1
    larger     half as many operators more, of the same shapes, and so changed
    strange    retrained, but the shapes are dealt out anew: what was learnt misleads

Regret as in compare.py, of what is handed over; the median over families and seeds, and of each family. The best that is
known is the best that any of them handed over, or a descent from it.
"""

import copy
import math
import random
import statistics
import sys

import arena
import compare
import walks

LEARNT_WITH = 50
PER_OPERATOR = ("ops", "opts", "modes", "T", "C", "border", "fused")
KINDS = ("retrained", "larger", "strange")


def losses_of(problem):
    return "losses" if hasattr(problem, "losses") else "L"


def changed(problem, rng):
    """The same operators, trained anew and measured on another day."""
    losses = losses_of(problem)
    for name, spread in ((losses, 0.4), ("T", 0.1)):
        factors = [math.exp(spread * rng.gauss(0, 1)) for _ in problem.ops]
        setattr(problem, name, [[value * factor for value in row]
                                for row, factor in zip(getattr(problem, name), factors)])
    rows = getattr(problem, losses)
    share = sum(row[0] for row in problem.was) / sum(row[0] for row in rows)
    setattr(problem, losses, [[value * share for value in row] for row in rows])


def grown(problem, rng):
    places = sorted([*range(problem.n), *(rng.randrange(problem.n) for _ in range(problem.n // 2))])
    for name in (*PER_OPERATOR, "shapes", losses_of(problem)):
        values = getattr(problem, name, None)
        if values is not None and not isinstance(values, float):
            setattr(problem, name, [values[place] for place in places])
    problem.ops = [(f"{i}.{name}", kind) for i, (name, kind) in enumerate(problem.ops)]


def settle(problem):
    """What follows from the tables."""
    if hasattr(problem, "build"):
        import numpy
        for name in {"border", "fused"} & vars(problem).keys():
            setattr(problem, name, numpy.array(getattr(problem, name)))
        problem.build()
        return problem
    problem.n = len(problem.opts)
    problem.K = [len(options) for options in problem.opts]
    problem.x0, problem.xb = (0,) * problem.n, tuple(count - 1 for count in problem.K)
    problem.bc = problem.cost(problem.xb)
    problem.lookup = [{problem.sig(*option): k for k, option in enumerate(options)}
                      for options in problem.opts]
    return problem


def relative(problem, kind):
    rng = random.Random(f"{kind} {problem.family} {problem.seed}")
    other = copy.copy(problem)
    other.__dict__.pop("_singles", None)
    other.was = getattr(problem, losses_of(problem))
    changed(other, rng)
    if kind == "larger":
        grown(other, rng)
    if kind == "strange":
        other.shapes = rng.sample(other.shapes, len(other.shapes))
    return settle(other)


def capability_of(problem):
    capability = problem.capability(["evaluate"])
    for document, shape in zip(capability["ops"], problem.shapes):
        document["shape"] = shape
    return capability


def search(daemon, problem, strategy, budget, **more):
    return daemon.search(walks.Meter(problem, budget), capability_of(problem), {"strategy": strategy}, **more)[0]


def learnt(daemon, problem):
    """What a job would begin with."""
    with daemon.kit.Evaluator(lambda question, headers: 500) as evaluator:
        job = daemon.submit(problem, evaluator.url, capability_of(problem), {"strategy": "sgp", "max_trials": 1},
                            warm_start={"library": True})
        spec = daemon.get(f"/v1/jobs/{job}/spec")
        daemon.cancel(job)
    return {"known": spec["warm_start"]["known"]}


def measure(options, family, seed, problem):
    """[(kind, strategy, budget, whether it begins with something, regret)]"""
    problem.family, problem.seed = family, seed
    problem.shapes = [f"shape {i}" for i in range(problem.n)]
    rows = []
    with arena.Daemon() as daemon:
        search(daemon, problem, "sgp", LEARNT_WITH)
        for kind in options.kinds:
            other = relative(problem, kind)
            warm = {"warm_start": learnt(daemon, other)}
            found = [(kind, strategy, budget, bool(more), search(daemon, other, strategy, budget, **more))
                     for strategy in options.strategies for budget in options.budgets
                     for more in ({}, warm)]
            good = [x for *_, x in found if other.ok(other.true(tuple(x))[0])]
            nearest = min(good or [other.xb], key=lambda x: other.true(tuple(x))[1])
            least = min(compare.descend(other, nearest), other.true(tuple(nearest))[1])
            for *key, config in found:
                quality, cost = other.true(tuple(config))
                rows.append((*key, (cost - least) / (other.bc - least) if other.ok(quality) else 1.0))
                arena.say(family, seed, *rows[-1])
    return rows


def show(options, table):
    families = list(table)
    print(f"| relative | strategy | evaluations | begins with | {' | '.join(families)} | all |")
    print("|---" * (len(families) + 5) + "|")
    for kind in options.kinds:
        for strategy in options.strategies:
            for budget in options.budgets:
                for warm in (False, True):
                    cells = [[row[4] for row in table[family]
                              if row[:4] == (kind, strategy, budget, warm)] for family in families]
                    medians = [f"{statistics.median(cell):.2f}" for cell in cells]
                    every = statistics.mean(value for cell in cells for value in cell)
                    print(f"| {kind} | {strategy} | {budget} | {'library' if warm else 'nothing'} |"
                          f" {' | '.join(medians)} | {every:.3f} |")


def read_options(arguments=None):
    parser = arena.parser(__doc__)
    parser.add_argument("--kinds", type=arena.words(","), default=KINDS)
    parser.add_argument("--budgets", type=lambda text: [int(budget) for budget in text.split(",")], default="10,20")
    parser.add_argument("--strategies", type=arena.words(","), default="sgp")
    return parser.parse_args(arguments)


def play(options):
    make, table = arena.enter(options), {}
    for family, seed, problem in arena.problems(options, make):
        if hasattr(problem, losses_of(problem)):
            table.setdefault(family, []).extend(measure(options, family, seed, problem))
        else:
            arena.say(f"{family} has no table of losses, of which a relative could be made: it is left out")
    show(options, table)


if __name__ == "__main__":
    sys.exit(play(read_options()))
