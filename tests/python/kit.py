"""What the tests of the Python package share: the package itself, a model that follows from its config, and an evaluator of it."""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "clients/python"
sys.path[:0] = [str(PACKAGE), str(ROOT / "tests/api"), str(ROOT / "tests/crash")]
os.environ["PYTHONPATH"] = str(PACKAGE)
for name in ("NARROWD_URL", "NARROWD_TOKEN", "NARROWD_TOKEN_FILE", "NARROWD_CA"):
    os.environ.pop(name, None)

import crash_model  # noqa: E402

import narrowd  # noqa: E402

OPERATORS = 6
CAPABILITY = crash_model.capability(OPERATORS)
JOB = {
    "approach": "auto",
    "tuning_criterion": {"strategy": "sgp", "stop_on": "budget", "max_trials": 8},
    "accuracy_criterion": {"tolerable_loss": 0.02},
}


def measured(config):
    """What crash_model says of a config, and nothing that cannot be run."""
    answer = crash_model.answer({"question": "evaluate", "config": config})
    return {"accuracy": 0.5, "latency_ms": 100.0} if "failed" in answer else answer


def pooled(pool, **more):
    """A job's body for workers."""
    return {**JOB, "capability": CAPABILITY, "evaluator": {"pool": pool}, **more}


def made(function=measured, **more):
    evaluator = narrowd.Evaluator(CAPABILITY, **more)
    evaluator.evaluate(function)
    return evaluator
