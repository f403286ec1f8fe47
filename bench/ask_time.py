#!/usr/bin/python3
"""Milliseconds per suggestion, narrowd's strategies and Optuna's samplers beside them.

bench/ask_time.py [--build DIR] [--quick]

A suggestion of narrowd is what it takes to choose it and to take in what it came to, when sgp thinks. Both get the
same kind of problem in the same run: categorical parameters (options of operators), one
objective and one constraint, and so many random trials that are known. Times are of one CPU. Optuna is
installed from PyPI into DIR/optuna, a virtual environment of its own; without it only narrowd is measured.
Its GPSampler needs PyTorch, whose newest build comes with gigabytes that no CPU needs: TORCH is what is asked
for, and without it nothing is put beside bayesian.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIMENSIONS = (10, 50, 200)
TRIALS = (10, 100, 1000, 5000)
# How many known trials are worth the wait, and what is beside a strategy: sampler and most trials.
MOST = {"tpe": 5000, "bayesian": 1000, "sgp": 100}
SAMPLERS = {"tpe": ("TPESampler", 5000), "bayesian": ("GPSampler", 100)}
# What is promised: strategy, operators, trials, milliseconds.
PROMISED = (
    ("tpe", 50, 1000, 1.5),
    ("tpe", 200, 5000, 10),
    ("bayesian", 50, 100, 15),
    ("bayesian", 50, 1000, 300),
    ("sgp", 300, 100, 5),
)

TORCH = "torch==2.13.0"

OPTUNA = r"""
import json, random, sys, time, warnings
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial, TrialState
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
name, dimensions, trials, asks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(101)
space = {f"op{i}": CategoricalDistribution(tuple(range(rng.choice((2, 3, 6, 10))))) for i in range(dimensions)}
constraint = lambda trial: (trial.system_attrs["missed"] if "missed" in trial.system_attrs else 0.0,)
def values(params):
    ones = sum(params[k] / len(space[k].choices) for k in params) / dimensions
    return ones, 0.5 - ones + 0.1 * rng.random()
samplers = {
    "TPESampler": lambda: optuna.samplers.TPESampler(multivariate=True, seed=1, constraints_func=constraint),
    "GPSampler": lambda: optuna.samplers.GPSampler(seed=1, constraints_func=constraint),
}
study = optuna.create_study(sampler=samplers[name]())
known = []
for _ in range(trials):
    params = {k: rng.choice(d.choices) for k, d in space.items()}
    value, missed = values(params)
    known.append(create_trial(state=TrialState.COMPLETE, params=params, distributions=space, value=value,
                              system_attrs={"constraints": (missed,), "missed": missed}))
study.add_trials(known)
took = []
for _ in range(asks):
    start = time.process_time()
    trial = study.ask(space)
    took.append(time.process_time() - start)
    study.tell(trial, values(trial.params)[0])
print(json.dumps(1e3 * sum(took) / len(took)))
"""


def install(build):
    """The Python of a virtual environment that has Optuna; None when it cannot be had."""
    directory = build / "optuna"
    python = directory / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "optuna", "scipy"], check=True)
        version = subprocess.run(
            [python, "-c", "import optuna; print(optuna.__version__)"], check=True, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        print(f"Optuna cannot be installed, so only narrowd is measured: {error}\n")
        return None
    print(f"Optuna {version.stdout.strip()}; TPESampler with multivariate=True")
    torch = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:", TORCH]
    if subprocess.run(torch, capture_output=True).returncode != 0:
        print(f"{TORCH} cannot be installed, so nothing is put beside bayesian")
        del SAMPLERS["bayesian"]
    return python


def number(command, timeout):
    """What the command prints, or in words why it prints nothing."""
    try:
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=one_thread)
    except subprocess.TimeoutExpired:
        return f"> {timeout} s"
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return last if len(last) < 60 else last[:57] + "..."
    return json.loads(done.stdout)


def show(value):
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def compare(ask_time, python, quick):
    print("\n| operators | trials | strategy | ms | sampler | ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for strategy, most in MOST.items():
        sampler, most_theirs = SAMPLERS.get(strategy, (None, 0))
        for dimensions in DIMENSIONS:
            for trials in (t for t in TRIALS if t <= (min(most, 100) if quick else most)):
                ours = number([ask_time, strategy, str(dimensions), str(trials)], 600)
                theirs = "-"
                if python and sampler and trials <= most_theirs:
                    theirs = number([python, "-c", OPTUNA, sampler, str(dimensions), str(trials), "3"], 300)
                both = isinstance(ours, float) and isinstance(theirs, float)
                ratio = f"{theirs / ours:.0f}" if both else "-"
                row = (dimensions, trials, strategy, show(ours), sampler or "-", show(theirs), ratio)
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


def promised(ask_time):
    missed = 0
    for strategy, dimensions, trials, most in PROMISED:
        took = number([ask_time, strategy, str(dimensions), str(trials)], 600)
        holds = isinstance(took, float) and took <= most
        missed += not holds
        print(f"{strategy}, {dimensions} operators, {trials} trials: {show(took)} ms <= {most}: "
              f"{'holds' if holds else 'MISSED'}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build-release"))
    parser.add_argument("--quick", action="store_true", help="no more than 100 trials")
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    ask_time = build / "bench" / "ask_time"
    if not ask_time.exists():
        sys.exit(f"{ask_time} is missing: meson compile -C {build}")
    missed = promised(ask_time)
    compare(ask_time, install(build), options.quick)
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
