#!/usr/bin/python3
"""What the daemon takes of a machine, each figure beside what it was at first and what is promised.

bench/costs.py [--build DIR] [NAME...]

Measures the parts that are named, or all. CPU time is of all threads of the daemon, and the longest piece that of
its event loop by its own measure, so other work on the machine changes little; rates are ratios to a bare server in the
same run. What was at first is of the first version, on another machine. "trials" and "starting" have the daemon answer
200,000 questions before, which takes minutes. Exits with 1 when a promise is missed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "bench")]

import large_reads  # noqa: E402

OPERATORS, MANY_JOBS, OPEN_JOBS, TRIALS = 20000, 1000, 100, 100000
ROWS = []


def row(what, value, unit, first, promised, least=False):
    """`first` None: nobody measured it then; `promised` None: nothing is. It is the most, or the `least`."""
    holds = promised is None or (value >= promised if least else value <= promised)
    ROWS.append(holds)
    shown = ["" if x is None else f"{x:,.3g}" if x < 1000 else f"{x:,.0f}" for x in (value, first, promised)]
    bound = "" if promised is None else f"{'>=' if least else '<='} {shown[2]}"
    print(f"| {what} | {shown[0]} | {shown[1]} | {bound} | {unit} | {'' if holds else 'MISSED'} |", flush=True)


def repeated(work, pid, times):
    """CPU ms of one, after one that warms up."""
    work()
    before = large_reads.cpu_ms(pid)
    for _ in range(times):
        work()
    return (large_reads.cpu_ms(pid) - before) / times


def with_large_job(kit, daemon):
    job = {"capability": large_reads.capability(OPERATORS), "evaluator": {"pool": "bench"}, "confirm": 0,
           "tuning_criterion": {"strategy": "random", "max_trials": 5, "stop_on": "budget"}}
    name = kit.submit(daemon, job)
    large_reads.answer_all(kit, daemon, name)
    return name


def reads(kit, daemon):
    path, pid = f"/v1/jobs/{with_large_job(kit, daemon)}", daemon.process.pid
    for read, first, promised in (("/trials/1", 114, 5), ("/sensitivity", 13000, 100), ("/best", None, None),
                                  ("/space", None, None), ("/export", None, None)):
        spent = repeated(lambda: large_reads.read(daemon, path + read), pid, 20)
        row(f"GET {read}, {OPERATORS:,} operators", spent, "ms of CPU", first, promised)


def deleting(kit, daemon):
    row(f"deleting {MANY_JOBS:,} jobs", large_reads.delete_many(kit, daemon), "s of CPU", 18, 2)


def memory(kit, daemon):
    import burden as burdens

    load = burdens.Burden(daemon, OPERATORS)
    name, before = with_large_job(kit, daemon), 0
    job = {"capability": large_reads.capability(OPERATORS), "evaluator": {"pool": "nobody"}}
    for kept in range(12):
        before = load.resident_mib() if kept == 4 else before
        kit.submit(daemon, job)
    row(f"one more open job of {OPERATORS:,} operators", (load.resident_mib() - before) / 8, "MiB", 11, 2.2)
    load.large, before = name, forget_peak(daemon, load)
    burdens.SLOW_READERS = 100
    load.readers()
    row("100 readers of 7 MB that do not read", load.resident_mib("VmHWM") - before, "MiB more", 500, 64)
    before = forget_peak(daemon, load)
    load.go_on("trees", 1)
    row("a body of 3 MB of {}", load.resident_mib("VmHWM") - before, "MiB more", 239, 128)


def forget_peak(daemon, load):
    pathlib.Path(f"/proc/{daemon.process.pid}/clear_refs").write_text("5", encoding="ascii")
    return load.resident_mib()


def fill(kit, daemon, build, jobs, trials):
    """So many open jobs with so many trials in all; each gets as many, so it is enough to look at one."""
    import workers

    names = [kit.submit(daemon, workers.job(trials, jobs)) for _ in range(jobs)]
    player = subprocess.Popen([f"{build}/bench/workers", str(daemon.port), "bench", "64"], stdout=subprocess.DEVNULL)
    while kit.get(daemon, f"/v1/jobs/{names[-1]}")["progress"]["told"] < trials / jobs:
        time.sleep(0.5)
    player.kill()
    player.wait()


def until_ready(daemon):
    """CPU seconds, and the time by the clock, which other work lengthens."""
    begun = time.monotonic()
    daemon.start()
    while daemon.request("GET", "/readyz")[0] != 200:
        time.sleep(0.01)
    return large_reads.cpu_ms(daemon.process.pid) / 1e3, time.monotonic() - begun


def all_read(daemon):
    """CPU seconds until it has read what it has served without."""
    while "\nnarrowd_unread_jobs 0\n" not in daemon.request("GET", "/metrics")[2]:
        time.sleep(0.01)
    return large_reads.cpu_ms(daemon.process.pid) / 1e3


def trials_kept(kit, daemon, build):
    import burden as burdens

    load = burdens.Burden(daemon, OPERATORS)
    empty = load.resident_mib()
    fill(kit, daemon, build, OPEN_JOBS, TRIALS)
    full = load.resident_mib()
    row(f"{OPEN_JOBS} open jobs with {TRIALS:,} trials", full, "MiB resident", None, 64)
    row("... each trial, without what the daemon has empty", (full - empty) * 2**20 / TRIALS, "bytes", 4000, 600)
    daemon.stop()
    row("... ready after a restart", until_ready(daemon)[0], "s of CPU", None, 2)
    all_read(daemon)
    row("... each trial then", (load.resident_mib() - empty) * 2**20 / TRIALS, "bytes", 4000, 600)


def starting(kit, daemon, build):
    fill(kit, daemon, build, MANY_JOBS, TRIALS)
    daemon.kill9()
    spent, waited = until_ready(daemon)
    row(f"{MANY_JOBS:,} open jobs with {TRIALS:,} trials: ready", spent, "s of CPU", None, 2)
    row("... by the clock, from the start of the process", waited, "s", None, 2)
    row("... all of them read", all_read(daemon), "s of CPU", None, None)


def starting_large(kit, daemon):
    job = {"capability": large_reads.capability(OPERATORS), "evaluator": {"pool": "nobody"}}
    for _ in range(16):
        kit.submit(daemon, job)
    daemon.kill9()
    spent, waited = until_ready(daemon)
    row(f"16 open jobs of {OPERATORS:,} operators: ready", spent, "s of CPU", 46, 2)
    row("... by the clock, from the start of the process", waited, "s", None, 2)
    row("... all of them read", all_read(daemon), "s of CPU", None, None)


def pieces(kit, daemon):
    """Each of what once stopped the daemon, by itself."""
    import burden as burdens

    load = burdens.Burden(daemon, OPERATORS)
    load.prepare()
    for kind, first in (("patterns", 2000), ("names", 24000), ("imports", 19000), ("trees", None), ("reads", 13000),
                        ("sigopt", None), ("readers", None)):
        known = len(load.held_up())
        load.go_on(kind, load.done.get(kind, 0) + 3)
        slow = [json.loads(line) for line in load.held_up()[known:]]
        longest = max((piece["cpu_us"] / 1e3 for piece in slow), default=0)
        row(f"longest piece of the loop: {kind}", longest, "ms of CPU", first, 5)
        for piece in slow:
            print(f"    {piece['by']}: {piece['cpu_us'] / 1e3} ms", file=sys.stderr)
    if load.faults:
        raise SystemExit(load.faults)


def suggestions(kit, daemon, build):
    del kit, daemon
    done = subprocess.run([f"{build}/bench/ask_time", "sgp", "300", "100"], check=True, capture_output=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    row("a suggestion of sgp, 300 operators, 100 trials", float(done.stdout), "ms", 8, 5)


def rates(kit, daemon, build):
    """Against bare libmicrohttpd, in turns."""
    import importlib.util

    # tests/api has a module of this name, too.
    spec = importlib.util.spec_from_file_location("rates", ROOT / "bench" / "daemon.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    evaluator = kit.Evaluator()
    job = kit.submit(daemon, kit.body(evaluator.url))
    kit.finished(daemon, job)
    path = f"{daemon.url}/v1/jobs/{job}"
    known = f"If-None-Match: {daemon.request('GET', f'/v1/jobs/{job}')[1]['etag']}"
    bare = bench.bare_server(build)
    asked = {"bare": ("http://127.0.0.1:18585/hello",), "health": (f"{daemon.url}/healthz",), "poll": (path, known)}
    spent = {name: [] for name in asked}
    try:
        for _ in range(3):
            for name, (url, *headers) in asked.items():
                pid = bare.pid if name == "bare" else daemon.process.pid
                before = large_reads.cpu_ms(pid)
                rate = bench.wrk(url, 32, *headers)[0]
                spent[name].append((large_reads.cpu_ms(pid) - before) / (rate * bench.SECONDS))
    finally:
        bare.kill()
        bare.wait()
        evaluator.close()
    bare_ms, health_ms, poll_ms = (statistics.median(spent[name]) for name in ("bare", "health", "poll"))
    row("/healthz for the CPU time of a bare server's answer", bare_ms / health_ms, "", 0.56, 0.8, least=True)
    row("polls of an unchanged job for the same", bare_ms / poll_ms, "", None, 0.95, least=True)


PARTS = {"reads": (reads,), "deleting": (deleting,), "memory": (memory,), "pieces": (pieces,),
         "starting-large": (starting_large,), "rates": (rates, "build"), "suggestions": (suggestions, "build"),
         "trials": (trials_kept, "build"), "starting": (starting, "build")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("parts", nargs="*", metavar="NAME", help=", ".join(PARTS))
    options = parser.parse_args()
    strangers = [name for name in options.parts if name not in PARTS]  # choices= refuses none at all before Python 3.12
    if strangers:
        parser.error(f"{strangers[0]} is none of {', '.join(PARTS)}")
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import daemon as daemons
    import jobkit as kit

    print("| figure | now | at first | promised | | |")
    print("|---|---|---|---|---|---|")
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
            measure, *needs = PARTS[name]
            measure(kit, daemon, *(getattr(options, need) for need in needs))
    sys.exit(0 if all(ROWS) else 1)


if __name__ == "__main__":
    main()
