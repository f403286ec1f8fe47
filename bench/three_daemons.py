#!/usr/bin/python3
"""What three daemons on one PostgreSQL can take by what one can, by the CPU time of the busiest of them.

bench/three_daemons.py [--build DIR] [--trials N]

One daemon has 64 workers (workers.c), then is read from. Then there are three, and the workers ask the two spares, which
hand on to the one that writes and run what it appends; one of the spares is read from. Reads are a job's document and a page
of a hundred trials, in turns. From the CPU time of each daemon for a trial and for a read follows how busy the busiest
of three is when reads go to whoever is least so, as behind a load balancer: how much more three can take than one where
each has a machine of its own, and the database is not the limit.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import workers
from load import SECONDS, cpu_seconds, wrk

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]
import daemon as daemons  # noqa: E402
import jobkit as kit  # noqa: E402
import postgresql  # noqa: E402
from daemons_kit import free_port, hands_on  # noqa: E402

WORKERS, JOBS, READERS = 64, 4, 8
READS_OF_A_TRIAL = (0, 1, 10, 100)


def measure(started, asked, build, trials):
    """Seconds of CPU for a trial, of each daemon; the jobs are run by workers that ask those of `asked`."""
    names = [kit.submit(started[0], workers.job(trials // JOBS, JOBS)) for _ in range(JOBS)]
    before = [cpu_seconds(daemon.process.pid) for daemon in started]
    players = [subprocess.Popen([f"{build}/bench/workers", str(daemon.port), "bench", str(WORKERS // len(asked))],
                                stdout=subprocess.PIPE, text=True) for daemon in asked]
    said = [tuple(map(int, player.communicate()[0].split())) for player in players]
    after = [cpu_seconds(daemon.process.pid) for daemon in started]
    if sum(answers for answers, _ in said) != (trials // JOBS + 1) * JOBS or any(wrong for _, wrong in said):
        raise SystemExit(f"{said}: answers, requests that went wrong")
    for name in names:
        workers.check(kit, started[0], name, trials // JOBS)
    return names[0], [(late - early) / trials for early, late in zip(before, after)]


def read(daemon, job):
    """Seconds of CPU for a read, the mean of the two kinds."""
    costs = []
    for path in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/trials?limit=100"):
        before = cpu_seconds(daemon.process.pid)
        rate, _ = wrk(f"http://127.0.0.1:{daemon.port}{path}", READERS)
        costs.append((cpu_seconds(daemon.process.pid) - before) / (rate * SECONDS))
    return sum(costs) / len(costs)


def start(stack, url, count):
    """The first one writes."""
    started = []
    for _ in range(count):
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        if started:
            shutil.copy(os.path.join(started[0].directory, "narrowd.key"), directory)
        started.append(stack.enter_context(daemons.Daemon(directory, "--data", url, port=free_port())))
    for spare in started[1:]:
        hands_on(spare)
    return started


def play(options, count):
    with postgresql.Server(durable=True) as server, contextlib.ExitStack() as stack:
        started = start(stack, server.url, count)
        job, trials = measure(started, started[1:] or started, options.build, options.trials)
        return trials, read(started[-1], job)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--trials", type=int, default=8000)
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{os.path.abspath(options.build)}/daemon/narrowd"
    (alone,), alone_read = play(options, 1)
    (writer, *spares), spare_read = play(options, 3)
    spare = max(spares)
    print(f"a trial takes one daemon {1e3 * alone:.2f} ms of CPU; of three the one that writes {1e3 * writer:.2f}, a spare {1e3 * spare:.2f}")
    print(f"a read takes one daemon {1e3 * alone_read:.2f} ms, a spare {1e3 * spare_read:.2f}")
    for reads in READS_OF_A_TRIAL:
        one = alone + reads * alone_read
        shared = (writer + sum(spares) + reads * spare_read) / 3
        print(f"{reads} reads for each trial: three daemons take {one / max(writer, spare, shared):.2f} of what one does")


if __name__ == "__main__":
    main()
