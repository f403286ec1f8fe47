"""The model of the crash test: a capability and an evaluator whose answers follow from the config.

The evaluator lives in the test's process, so its ledger survives what happens to the daemon.
"""

import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
from scripted import Server  # noqa: E402

MODES = {
    "static": {
        "weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
        "activation": {"dtype": ["uint8"], "algorithm": ["minmax", "kl"]},
    },
    "bf16": {},
    "fp32": {},
}


def capability(operators):
    return {
        "op_types": {"Conv2d": MODES, "Linear": MODES},
        "ops": [
            {"name": f"op{i}", "type": "Linear" if i % 3 == 2 else "Conv2d"}
            for i in range(operators)
        ],
        "answers": ["evaluate"],
        "metrics": ["accuracy", "latency_ms"],
    }


def unit(*parts):
    """A number in [0, 1) that follows from the parts."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def answer(question):
    """Every lowered operator costs accuracy and saves time; some configs cannot be run."""
    if question["question"] == "baseline":
        return {"accuracy": 0.9, "latency_ms": 100.0}
    config = question["config"]
    if unit("fails", config) < 0.03:
        return {"failed": True, "error": "no kernel for this", "retryable": False}
    accuracy, latency = 0.9, 100.0
    for name, op in config["ops"].items():
        if op["mode"] != "fp32":
            accuracy -= 0.004 * unit("loss", name, op)
            latency -= (6 if op["mode"] == "static" else 3) * unit("gain", name, op)
    return {"accuracy": accuracy, "latency_ms": max(latency, 1.0)}


class Ledger(Server):
    """An evaluator that answers at once and remembers who asked."""

    def __init__(self):
        self.calls = []
        super().__init__(self.take_down)

    def take_down(self, request):
        question = json.loads(request.body)
        key = request.headers["Idempotency-Key"].strip('"')
        config = json.dumps(question["config"], sort_keys=True)
        self.calls.append((key, question["attempt"], config))
        return answer(question)
