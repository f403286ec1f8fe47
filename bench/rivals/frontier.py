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

import argparse
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
import walks

MOST_LOST = 5  # tolerances
POPULATION = 12  # of NSGA-II: five generations of 60 evaluations

# What each is told to search, as a job's objective.
OURS = {
    "`sgp`, both open": lambda other: [other, "accuracy"],
    "`sgp`, one tolerance": lambda other: other,
}


def ours(kit, daemon, meter, objective):
    problem = meter.problem

    def reply(question, headers):
        if question["question"] == "baseline" or question.get("subject") == 0:
            quality, cost = problem.bq, problem.bc
        else:
            config = problem.index(question["config"])
            quality, cost = meter.measure(config)
            if question["kind"] == "evaluate":
                meter.trials.append((config, quality, cost))
        metrics = {} if problem.objective == "latency_ms" else {problem.objective: cost}
        return {"accuracy": quality, "latency_ms": cost, "metrics": metrics}

    with kit.Evaluator(reply) as evaluator:
        job = kit.submit(daemon, {
            "capability": problem.capability(["evaluate"]), "approach": problem.approach,
            "evaluator": {"url": evaluator.url}, "seed": problem.seed, "confirm": 0,
            "tuning_criterion": {"strategy": "sgp", "objective": objective(problem.objective),
                                 "stop_on": "budget", "max_trials": meter.budget},
            "accuracy_criterion": {"higher_is_better": problem.higher, "criterion": "relative",
                                   "tolerable_loss": problem.tol},
        })
        kit.finished(daemon, job)


def optuna_sampler(name, **more):
    """A sampler of two objectives, which is told fp32 and begins with the default."""

    def search(meter, seed):
        import warnings

        import optuna

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        problem = meter.problem
        sampler = getattr(optuna.samplers, name)(seed=seed, **more)
        study = optuna.create_study(sampler=sampler, directions=["minimize", "minimize"])
        space = {str(i): optuna.distributions.CategoricalDistribution(tuple(range(count)))
                 for i, count in enumerate(problem.K) if count > 1}
        study.add_trial(optuna.trial.create_trial(
            params={key: problem.xb[int(key)] for key in space}, distributions=space,
            values=[0.0, problem.bc]))
        study.enqueue_trial({key: 0 for key in space})
        while True:
            trial = study.ask(space)
            study.tell(trial, meter([trial.params.get(str(i), 0) for i in range(problem.n)]))

    return search


def at_random(meter, seed):
    """So many operators lowered, whichever these are, as a draw says: to draw each operator's option alone would
    only give configs of which half is lowered."""
    problem, rng = meter.problem, random.Random(seed)
    meter(problem.x0)
    while True:
        share = rng.random()
        meter([rng.randrange(count) if rng.random() < share else high
               for count, high in zip(problem.K, problem.xb)])


RIVALS = {
    "Optuna's NSGA-II": optuna_sampler("NSGAIISampler", population_size=POPULATION),
    "Optuna's TPE of two objectives": optuna_sampler("TPESampler", multivariate=True),
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


def search(kit, daemon, problem, name, budget):
    meter = walks.Meter(problem, budget)
    if name in OURS:
        ours(kit, daemon, meter, OURS[name])
    else:
        try:
            RIVALS[name](meter, problem.seed)
        except walks.Spent:
            pass
    return [config for config, _, _ in meter.trials]


def measure(options, kit, daemon, make):
    """{family: {searcher: [(share, share at the job's tolerance)]}}"""
    table = {}
    for family in options.only:
        rows = table.setdefault(family, {})
        for seed in options.seeds:
            problem = make(family, seed)
            found = {name: list(truths(problem, search(kit, daemon, problem, name, options.budget)))
                     for name in options.searchers}
            known = [*truths(problem, lowered(problem)), *sum(found.values(), [])]
            whole, one = hypervolume(known), saved(known)
            for name, points in found.items():
                row = (hypervolume(points) / whole, saved(points) / one)
                rows.setdefault(name, []).append(row)
                print(f"{family} {seed} {name}: {row[0]:.3f}, at the job's tolerance {row[1]:.3f},"
                      f" {len(points)} evaluations",
                      file=sys.stderr, flush=True)
    return table


def show(options, table):
    print(f"| searcher | {' | '.join(options.only)} | worst | at 1 |")
    print("|---" * (len(options.only) + 3) + "|")
    for name in options.searchers:
        cells = [f"{statistics.median(row[0] for row in table[family][name]):.2f}"
                 for family in options.only]
        rows = [row for family in options.only for row in table[family][name]]
        worst, one = min(row[0] for row in rows), statistics.median(row[1] for row in rows)
        print(f"| {name} | {' | '.join(cells)} | {worst:.2f} | {one:.2f} |")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-release")
    parser.add_argument("--families", type=pathlib.Path, default=HERE)
    parser.add_argument("--only")
    parser.add_argument("--seeds", default="1-5")
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--searchers", help="names with semicolons between them")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    options.seeds = range(int(first), int(last or first) + 1)
    everybody = [*OURS, *RIVALS]
    options.searchers = options.searchers.split(";") if options.searchers else everybody
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

    with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
        show(options, measure(options, kit, daemon, make))
    return 0


if __name__ == "__main__":
    sys.exit(main())
