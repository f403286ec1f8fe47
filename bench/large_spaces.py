#!/usr/bin/python3
"""How submission, memory and the first question grow with the operators of a model.

bench/large_spaces.py [--build DIR] [--strategy NAME]

Submits jobs of 100 to 20 000 operators to a daemon of its own and prints, for each, the time until
201, the time from 201 until the evaluator was asked for the first config, and how much memory the
daemon took for the job.
"""

import argparse
import os
import pathlib
import re
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))

SIZES = (100, 1000, 10000, 20000)
REPEATS = 5


def capability(count):
    static = {
        "weight": {"dtype": ["int8"], "scheme": ["sym"], "granularity": ["per_channel", "per_tensor"]},
        "activation": {"dtype": ["uint8"], "scheme": ["asym", "sym"], "algorithm": ["kl", "minmax"]},
    }
    modes = {"static": static, "bf16": {}, "fp32": {}}
    return {
        "op_types": {"Conv2d": modes, "Linear": modes},
        "ops": [
            {"name": f"layers.{i}.op", "type": "Linear" if i % 3 else "Conv2d"}
            for i in range(count)
        ],
    }


def resident_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class First:
    """An evaluator that answers the baseline, notes when the first config comes, and answers no
    more than that."""

    def __init__(self, kit):
        self.asked = threading.Event()
        self.at = None
        self.evaluator = kit.Evaluator(self.reply)

    def reply(self, question, headers):
        if question["question"] != "baseline" and self.at is None:
            self.at = time.monotonic()
            self.asked.set()
        return {"accuracy": 1.0, "latency_ms": 1.0}


def measure(kit, daemon, count, strategy):
    first = First(kit)
    body = kit.body(
        first.evaluator.url,
        capability=capability(count),
        tuning_criterion={"strategy": strategy, "max_trials": 1},
    )
    before = resident_kb(daemon.process.pid)
    start = time.monotonic()
    job = kit.submit(daemon, body)
    accepted = time.monotonic()
    if not first.asked.wait(60):
        raise SystemExit(f"no question came for {count} operators")
    grown = resident_kb(daemon.process.pid) - before
    kit.finished(daemon, job)
    first.evaluator.close()
    return (accepted - start) * 1e3, (first.at - accepted) * 1e3, grown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--strategy", default="basic")
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import daemon as daemons
    import jobkit as kit

    print("operators  201 after ms  first config after ms  memory kB (first job)")
    for count in SIZES:
        with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
            runs = [measure(kit, daemon, count, options.strategy) for _ in range(REPEATS)]
        accepted, first, _ = (statistics.median(column) for column in zip(*runs))
        print(f"{count:9}  {accepted:12.1f}  {first:21.1f}  {runs[0][2]:21}")


if __name__ == "__main__":
    main()
