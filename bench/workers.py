#!/usr/bin/python3
"""Trials per second against the number of workers, and whether all is counted once.

bench/workers.py [--build DIR] [--trials N] [--jobs J] [WORKERS...]

For each number of workers a daemon of its own runs J jobs of N trials together; the workers (workers.c)
answer at once over loopback. Checked for each job: the budget is exact to the trial, each trial has
one result, none failed, no request went wrong. Beside it stands how many commits the disk does in a
second, one transaction each.
"""

import argparse
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))

OPERATORS = 12


def capability():
    static = {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
              "activation": {"dtype": ["uint8"], "algorithm": ["kl", "minmax"]}}
    modes = {"static": static, "fp32": {}}
    return {"op_types": {"Conv2d": modes}, "answers": ["evaluate"],
            "ops": [{"name": f"op{i}", "type": "Conv2d"} for i in range(OPERATORS)]}


def job(trials, jobs):
    return {
        "capability": capability(), "evaluator": {"pool": "bench"}, "confirm": 0,
        "parallel": max(256 // jobs, 4), "quant_level": 1,
        "tuning_criterion": {"strategy": "exhaustive", "stop_on": "budget", "max_trials": trials},
    }


def commits_per_second(directory):
    database = sqlite3.connect(os.path.join(directory, "probe.db"), isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table t (x)")
    start, count = time.monotonic(), 0
    while time.monotonic() - start < 1:
        database.execute("insert into t values (1)")
        count += 1
    database.close()
    return count / (time.monotonic() - start)


def resident_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def check(kit, daemon, name, trials):
    document = kit.finished(daemon, name)
    numbers = [t["number"] for t in kit.everything(daemon, f"/v1/jobs/{name}/trials?limit=1000")
               if t["state"] == "told"]
    wanted = {"asked": trials, "told": trials, "failed": 0, "running": 0}
    found = {member: document["progress"][member] for member in wanted}
    if found != wanted or document["budget"]["trials_measured"] != trials:
        raise SystemExit(f"the budget is not exact: {document}")
    if numbers != list(range(trials + 1)):
        raise SystemExit(f"{len(numbers)} results for {trials} trials and the baseline")


def run(kit, daemons, build, workers, trials, jobs):
    with tempfile.TemporaryDirectory() as directory:
        disk = commits_per_second(directory)
        with daemons.Daemon(os.path.join(directory, "data")) as daemon:
            names = [kit.submit(daemon, job(trials, jobs)) for _ in range(jobs)]
            start = time.monotonic()
            done = subprocess.run(
                [f"{build}/bench/workers", str(daemon.port), "bench", str(workers)],
                stdout=subprocess.PIPE, text=True, check=False)
            seconds = time.monotonic() - start - 1  # the last second was idle
            answers, wrong = map(int, done.stdout.split())
            memory = resident_mb(daemon.process.pid)
            for name in names:
                check(kit, daemon, name, trials)
        if wrong or answers != (trials + 1) * jobs:
            raise SystemExit(f"{answers} answers, {wrong} requests went wrong")
    rate = answers / seconds
    print(f"| {workers} | {jobs} | {trials * jobs} | {rate:.0f} | {rate / disk:.2f} | {memory:.0f} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--trials", type=int, default=20000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("workers", nargs="*", type=int, default=[1, 8, 64, 256])
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import daemon as daemons
    import jobkit as kit

    print("| workers | jobs | trials | trials/s | of the disk's commits/s | MB at the end |")
    print("|---|---|---|---|---|---|")
    for workers in options.workers:
        run(kit, daemons, options.build, workers, options.trials, options.jobs)


if __name__ == "__main__":
    main()
