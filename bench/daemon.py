#!/usr/bin/python3
"""What the whole daemon sustains: polls, requests and durable trials per second.

bench/daemon.py [--build DIR] [--rounds N]

Prints, as medians with the range over the rounds:
- a poll of one job whose ETag has not changed: milliseconds on one connection, and the daemon's
  own CPU time;
- requests per second on 32 connections against those of a bare libmicrohttpd server that answers a
  constant, in turns: of /healthz, which is a constant too, and of that poll;
- trials per second of 64 jobs whose evaluator answers at once, each trial on disk before the next
  is asked, with the disk's own commits per second beside it.

Exits with 1 when a figure misses what is promised. Needs wrk.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from load import SECONDS, cpu_seconds, wrk

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]

JOBS, TRIALS = 64, 40
PROMISED = {"poll ms": 1.0, "ratio": 0.60, "trials/s": 300}


def commits_per_second(directory):
    """Appends of a page, each made durable: what a commit cannot be faster than."""
    path = pathlib.Path(directory) / "commits"
    page, count, start = b"x" * 4096, 0, time.monotonic()
    with path.open("wb", buffering=0) as file:
        while time.monotonic() - start < 1:
            file.write(page)
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count / (time.monotonic() - start)


def bare_server(build):
    process = subprocess.Popen(
        [f"{build}/bench/bare_mhd", "18585"], stdout=subprocess.DEVNULL
    )
    time.sleep(0.5)
    return process


def trials_per_second(kit, crash_model, daemon):
    def answer(question, headers):
        return crash_model.answer(question)

    evaluator = kit.Evaluator(answer)
    start = time.monotonic()
    jobs = [
        kit.submit(
            daemon,
            kit.body(
                evaluator.url,
                operators=12,
                tuning_criterion={
                    "strategy": "random", "max_trials": TRIALS, "stop_on": "budget"
                },
                confirm=0,
                seed=seed,
            ),
        )
        for seed in range(JOBS)
    ]
    for job in jobs:
        kit.finished(daemon, job)
    seconds = time.monotonic() - start
    evaluator.close()
    return JOBS * TRIALS / seconds


def show(name, values, unit=""):
    print(
        f"{name}: {statistics.median(values):.3g}{unit} "
        f"({min(values):.3g} to {max(values):.3g} in {len(values)} rounds)"
    )
    return statistics.median(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import crash_model
    import daemon as daemons
    import jobkit as kit

    polls, cpu, ratios, statuses, trials, disks = [], [], [], [], [], []
    with tempfile.TemporaryDirectory(dir=ROOT) as directory:
        with daemons.Daemon(directory) as daemon:
            evaluator = kit.Evaluator()
            job = kit.submit(daemon, kit.body(evaluator.url))
            kit.finished(daemon, job)
            path = f"{daemon.url}/v1/jobs/{job}"
            _, sent, _ = daemon.request("GET", f"/v1/jobs/{job}")
            known = f"If-None-Match: {sent['etag']}"
            bare = bare_server(options.build)
            try:
                for _ in range(options.rounds):
                    before = cpu_seconds(daemon.process.pid)
                    rate, latency = wrk(path, 1, known)
                    polls.append(latency)
                    spent = cpu_seconds(daemon.process.pid) - before
                    cpu.append(spent / (rate * SECONDS) * 1e3)
                    constant, _ = wrk("http://127.0.0.1:18585/hello", 32)
                    ratios.append(wrk(f"{daemon.url}/healthz", 32)[0] / constant)
                    statuses.append(wrk(path, 32, known)[0] / constant)
                    disks.append(commits_per_second(directory))
                    trials.append(trials_per_second(kit, crash_model, daemon))
            finally:
                bare.kill()
                bare.wait()
                evaluator.close()
    poll = show("poll of an unchanged job", polls, " ms")
    show("... the daemon's CPU for it", cpu, " ms")
    ratio = show("requests/s over a bare server's", ratios)
    show("polls/s over the same", statuses)
    show("commits/s of the disk", disks)
    rate = show(f"durable trials/s with {JOBS} jobs", trials)
    good = (
        poll < PROMISED["poll ms"] and ratio >= PROMISED["ratio"] and rate >= PROMISED["trials/s"]
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
