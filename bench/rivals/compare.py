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

import argparse
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
NEEDED = ("numpy==2.4.6", "scipy", "scikit-learn", "optuna==5.0.0")
TORCH = "torch==2.13.0"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
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


def install(build):
    """The Python of the environment, which this program is then run by."""
    python = build / "rivals" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *NEEDED], check=True)
        if subprocess.run([*pip, "--index-url", CPU_WHEELS, TORCH]).returncode != 0:
            print(f"{TORCH} cannot be installed: without it there is no Optuna GP")
    return python


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


def ours(kit, daemon, meter, known, name, seed):
    """What a job hands over."""
    strategy, told = OURS[name]
    problem, measured = meter.problem, {}

    def reply(question, headers):
        if question["question"] == "score":
            return answer_scores(problem, known, question)
        if question["question"] == "baseline" or question.get("subject") == 0:
            quality, cost = problem.bq, problem.bc
        else:
            config = problem.index(question["config"])
            quality, cost = meter.measure(config)
            if question["kind"] == "evaluate":
                measured[question["trial"]] = (config, quality, cost)
        metrics = {} if problem.objective == "latency_ms" else {problem.objective: cost}
        return {"accuracy": quality, "latency_ms": cost, "metrics": metrics}

    with kit.Evaluator(reply) as evaluator:
        job = kit.submit(daemon, {
            "capability": with_facts(problem, known, told), "approach": problem.approach,
            "evaluator": {"url": evaluator.url}, "seed": seed,
            "tuning_criterion": {
                "strategy": strategy, "strategy_kwargs": PRECISE.get(strategy, {}),
                "objective": problem.objective, "stop_on": "budget", "max_trials": meter.budget},
            "accuracy_criterion": {"higher_is_better": problem.higher, "criterion": "relative",
                                   "tolerable_loss": problem.tol},
        })
        kit.finished(daemon, job)
        best = kit.get(daemon, f"/v1/jobs/{job}/best")
    meter.trials += measured.values()
    return problem.xb if best["keep_baseline"] else problem.index(best["config"])


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


def search(play, walks, problem, known, name, budget):
    meter = walks.Meter(problem, budget)
    if name in OURS:
        return Run(meter, play(meter, known, name))
    try:
        walks.RIVALS[name](meter, known, problem.seed)
    except walks.Spent:
        pass
    return Run(meter, meter.best())


def measure(options, play, walks, make):
    """{family: {searcher: [(regret, whether it truly meets, evaluations)]}}"""
    table = {}
    for family in options.only:
        rows = table.setdefault(family, {})
        for seed in options.seeds:
            problem = make(family, seed)
            known = Known(problem)
            runs = {}
            for name in options.searchers:
                runs[name] = search(play, walks, problem, known, name, options.budget)
                print(f"{family} {seed} {name}: {runs[name].cost / problem.bc:.3f} of fp32"
                      f"{'' if runs[name].truly else ', which truly misses'},"
                      f" {runs[name].count} evaluations", file=sys.stderr, flush=True)
            nearest = min(runs.values(), key=lambda run: run.best)
            least = min(nearest.best, descend(problem, nearest.config))
            for name, run in runs.items():
                rows.setdefault(name, []).append((run.regret(problem, least), run.truly, run.count))
    return table


def show(options, table):
    print(f"| searcher | {' | '.join(options.only)} | truly meets | evaluations |")
    print("|---" * (len(options.only) + 3) + "|")
    for name in options.searchers:
        cells = [f"{statistics.median(row[0] for row in table[family][name]):.2f}"
                 for family in options.only]
        rows = [row for family in options.only for row in table[family][name]]
        meets = sum(row[1] for row in rows)
        count = statistics.median(row[2] for row in rows)
        print(f"| {name} | {' | '.join(cells)} | {meets} of {len(rows)} | {count:g} |")


def read_options(walks):
    everybody = [*OURS, *walks.RIVALS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-release")
    parser.add_argument("--families", type=pathlib.Path, default=HERE)
    parser.add_argument("--only")
    parser.add_argument("--seeds", default="1-5")
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--searchers", help="names with semicolons between them")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    options.seeds = range(int(first), int(last or first) + 1)
    options.searchers = options.searchers.split(";") if options.searchers else everybody
    return options


def load(options):
    sys.path.insert(0, str(options.families))
    module = __import__("families" if options.families == HERE else "problems")
    options.only = options.only.split(",") if options.only else list(module.FAMILIES)
    return module.make


def main():
    sys.path[:0] = [str(HERE), str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]
    import walks

    options = read_options(walks)
    python = install(options.build.resolve())
    if pathlib.Path(sys.prefix).resolve() != python.parents[1].resolve():
        return subprocess.run([python, __file__, *sys.argv[1:]]).returncode
    make = load(options)
    os.environ["NARROWD_BIN"] = str(options.build.resolve() / "daemon" / "narrowd")
    import jobkit as kit
    from daemon import Daemon

    with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
        def play(meter, known, name):
            return ours(kit, daemon, meter, known, name, meter.problem.seed)

        show(options, measure(options, play, walks, make))
    return 0


if __name__ == "__main__":
    sys.exit(main())
