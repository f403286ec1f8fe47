#!/usr/bin/python3
"""What it gains to begin with what an earlier job learnt: search one network, then a relative of it.

bench/rivals/reuse.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-3] [--budgets 10,20] [--strategies sgp]

A job of sgp with 50 evaluations searches a problem of families.py (or of another folder's problems.py). Then relatives are
searched without anything, and with "warm_start": {"library": true}:

    retrained  the same operators; losses are other ones by a log-normal factor of 0.4, times by one of 0.1
    larger     half as many operators more, of the same shapes, and so changed
    strange    retrained, but the shapes are dealt out anew: what was learnt misleads

Regret as in compare.py, of what is handed over; the median over families and seeds, and of each family. The best that is
known is the best that any of them handed over, or a descent from it.
"""

import argparse
import copy
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]

import compare

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


class Runner:
    def __init__(self, kit, daemon):
        self.kit, self.daemon = kit, daemon

    def job(self, url, problem, strategy, budget, more):
        return {
            "capability": capability_of(problem), "approach": problem.approach,
            "evaluator": {"url": url}, **more,
            "tuning_criterion": {"strategy": strategy, "objective": problem.objective,
                                 "stop_on": "budget", "max_trials": budget},
            "accuracy_criterion": {"higher_is_better": problem.higher, "criterion": "relative",
                                   "tolerable_loss": problem.tol},
        }

    def search(self, problem, strategy, budget, **more):
        """(what is handed over, the job)"""
        def reply(question, headers):
            quality, cost = problem.bq, problem.bc
            if question["config"] is not None and question.get("subject") != 0:
                quality, cost = problem.measure(problem.index(question["config"]),
                                                question.get("repeat", 0))
            metrics = {} if problem.objective == "latency_ms" else {problem.objective: cost}
            return {"accuracy": quality, "latency_ms": cost, "metrics": metrics}

        with self.kit.Evaluator(reply) as evaluator:
            job = self.kit.submit(self.daemon, self.job(evaluator.url, problem, strategy, budget, more))
            self.kit.finished(self.daemon, job)
            best = self.kit.get(self.daemon, f"/v1/jobs/{job}/best")
        return problem.xb if best["keep_baseline"] else problem.index(best["config"]), job

    def learnt(self, problem):
        """What a job would begin with."""
        with self.kit.Evaluator(lambda question, headers: 500) as evaluator:
            body = self.job(evaluator.url, problem, "sgp", 1, {"warm_start": {"library": True}})
            job = self.kit.submit(self.daemon, body)
            spec = self.kit.get(self.daemon, f"/v1/jobs/{job}/spec")
            self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        return {"known": spec["warm_start"]["known"]}


def measure(options, kit, Daemon, make, family, seed):
    """[(kind, strategy, budget, whether it begins with something, regret)]"""
    problem = make(family, seed)
    problem.family, problem.seed = family, seed
    problem.shapes = [f"shape {i}" for i in range(problem.n)]
    rows = []
    with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
        runner = Runner(kit, daemon)
        runner.search(problem, "sgp", LEARNT_WITH)
        for kind in options.kinds:
            other = relative(problem, kind)
            warm = {"warm_start": runner.learnt(other)}
            found = [(kind, strategy, budget, bool(more), runner.search(other, strategy, budget, **more)[0])
                     for strategy in options.strategies for budget in options.budgets
                     for more in ({}, warm)]
            good = [x for *_, x in found if other.ok(other.true(tuple(x))[0])]
            nearest = min(good or [other.xb], key=lambda x: other.true(tuple(x))[1])
            least = min(compare.descend(other, nearest), other.true(tuple(nearest))[1])
            for *key, config in found:
                quality, cost = other.true(tuple(config))
                rows.append((*key, (cost - least) / (other.bc - least) if other.ok(quality) else 1.0))
                print(family, seed, *rows[-1], file=sys.stderr, flush=True)
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


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-release")
    parser.add_argument("--families", type=pathlib.Path, default=HERE)
    parser.add_argument("--only")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seeds", default="1-3")
    parser.add_argument("--budgets", default="10,20")
    parser.add_argument("--strategies", default="sgp")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    options.seeds = range(int(first), int(last or first) + 1)
    options.budgets = [int(budget) for budget in options.budgets.split(",")]
    options.kinds, options.strategies = options.kinds.split(","), options.strategies.split(",")
    return options


def main():
    options = read_options()
    python = compare.install(options.build.resolve())
    if pathlib.Path(sys.prefix).resolve() != python.parents[1].resolve():
        return subprocess.run([python, __file__, *sys.argv[1:]]).returncode
    make = compare.load(options)
    os.environ["NARROWD_BIN"] = str(options.build.resolve() / "daemon" / "narrowd")
    import jobkit as kit
    from daemon import Daemon

    table = {}
    for family in options.only:
        table[family] = [row for seed in options.seeds
                         for row in measure(options, kit, Daemon, make, family, seed)]
    show(options, table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
