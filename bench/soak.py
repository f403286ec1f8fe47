#!/usr/bin/python3
"""All that is heavy for a daemon at once, for as long as is wanted: whether its memory stays, and what holds it up.

bench/soak.py [--build DIR] [--seconds N] [--operators N]

The daemon runs under prlimit with as many more addresses than it has at its start as it may use for what comes in, so
that memory ends. Printed are the most that was resident, by how much more became so in an hour, and which pieces of work
held up its loop for how many CPU milliseconds; a busy machine makes these longer than they are. Exits with 1 when
/healthz was not answered, anything was answered otherwise than it may be, or memory is missed.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "bench")]

MIB = 1024 * 1024
MOST_MIB = 40 + 256  # and the budgets: 128 for trees of JSON, 64 for answers, 64 for bodies
MOST_SLOPE_MIB = 1.0
SAMPLE_S = 10


def slope(points):
    """Of a line through (seconds, MiB), by least squares, in MiB an hour."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def lowest(samples):
    """Of each minute: what is in use for a request goes up and down, what is kept does not."""
    minutes = {}
    for at, mib in samples:
        minutes[int(at // 60)] = min(mib, minutes.get(int(at // 60), mib))
    return [(60 * minute, mib) for minute, mib in sorted(minutes.items())]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--operators", type=int, default=20000)
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import burden as burdens
    import daemon as daemons

    with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
        burden, samples, began = burdens.Burden(daemon, options.operators), [], time.monotonic()
        pid = daemon.process.pid
        most = int(burden.resident_mib("VmSize") + 256) * MIB
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
        burden.prepare()

        def look():
            now = time.monotonic() - began
            if not samples or now >= samples[-1][0] + SAMPLE_S:
                samples.append((now, burden.resident_mib()))

        healthy = burden.carry(seconds=options.seconds, look=look)
        if daemon.process.poll() is not None:
            raise SystemExit(f"the daemon ended with {daemon.process.returncode}: {daemon.log()[-2000:]}")
        peak = burden.resident_mib("VmHWM")
        # The first third is when caches fill up.
        kept = [point for point in lowest(samples) if point[0] >= options.seconds / 3]
        rise = slope(kept) if len(kept) > 1 else 0.0
        slow = collections.defaultdict(list)
        for line in burden.held_up():
            piece = json.loads(line)
            slow[piece["by"].removeprefix("../")].append(piece["cpu_us"] / 1e3)
        print("rounds: " + ", ".join(f"{kind} {count}" for kind, count in sorted(burden.done.items())))
        print(f"/healthz answered {healthy} times; faults: {burden.faults or 'none'}")
        print(f"most resident: {peak:.0f} MiB, promised {MOST_MIB}")
        print(f"rise: {rise:.2f} MiB an hour over {len(kept)} minutes, promised {MOST_SLOPE_MIB}")
        print("\n| held up the loop | times | longest, CPU ms |\n|---|---|---|")
        for by, times in sorted(slow.items()):
            print(f"| {by} | {len(times)} | {max(times):.1f} |")
    sys.exit(1 if burden.faults or not healthy or peak > MOST_MIB or rise > MOST_SLOPE_MIB else 0)


if __name__ == "__main__":
    main()
