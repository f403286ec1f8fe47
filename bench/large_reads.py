#!/usr/bin/python3
"""What a job of 20 000 operators costs to read and to keep, and what it costs to delete many jobs.

bench/large_reads.py [--build DIR] [--operators N] [--repeats N]

Each read is repeated; printed are the daemon's CPU milliseconds for one, all threads together, and their ratio to
the CPU milliseconds that Python's json.loads() needs for the answer, which is what is promised: machines differ and are
busy with other things. Then what one more open job of so many operators keeps in memory, and the daemon's CPU time
for deleting 1 000 final jobs. Exits with 1 when a promise is missed.
"""

import argparse
import json
import os
import pathlib
import re
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "bench")]

READS = {  # path: the most, as a share of what json.loads() takes
    "/trials/1": 0.4, "/trials/1?config=delta": 0.4, "/best": 0.4, "/space": 1, "/sensitivity": 0.8, "/export": 0.3,
}
TRIALS, KEPT, DELETED = 5, 4, 1000
MOST_MIB, MOST_DELETING_S = 2.2, 2


def cpu_ms(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e6


def capability(count):
    static = {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
              "activation": {"dtype": ["uint8"], "algorithm": ["kl", "minmax"]}}
    return {"op_types": {"Conv2d": {"static": static, "fp32": {}}},
            "ops": [{"name": f"model/layers.{i}/conv", "type": "Conv2d"} for i in range(count)]}


def answer_all(kit, daemon, job):
    """Until the job has ended."""
    while kit.get(daemon, f"/v1/jobs/{job}")["exit"] is None:
        lease = {"pool": "bench", "worker": "w", "wait_s": 1, "ttl_s": 600}
        for item in daemon.request("POST", "/v1/leases", lease)[2]["items"]:
            path = f"/v1/leases/{item['lease']}/complete"
            daemon.request("POST", path, {"accuracy": 0.9, "latency_ms": 1.0})


def read(daemon, path):
    """The text of the answer, not parsed."""
    with urllib.request.urlopen(daemon.url + path) as answer:
        return answer.read()


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def delete_many(kit, daemon):
    """The daemon's CPU seconds for it."""
    jobs = [kit.submit(daemon, {**kit.body(""), "evaluator": {"pool": "bench"}}) for _ in range(DELETED)]
    for job in jobs:
        daemon.request("POST", f"/v1/jobs/{job}/cancel")
    before = cpu_ms(daemon.process.pid)
    for job in jobs:
        if daemon.request("DELETE", f"/v1/jobs/{job}")[0] != 204:
            raise SystemExit(f"{job} cannot be deleted")
    return (cpu_ms(daemon.process.pid) - before) / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--operators", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import daemon as daemons
    import jobkit as kit

    missed = False
    with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
        pid = daemon.process.pid
        job = {"capability": capability(options.operators), "evaluator": {"pool": "bench"}, "confirm": 0,
               "tuning_criterion": {"strategy": "random", "max_trials": TRIALS, "stop_on": "budget"}}
        name = kit.submit(daemon, job)
        answer_all(kit, daemon, name)
        print("| read | CPU ms | of json.loads() | promised | MB |")
        print("|---|---|---|---|---|")
        for path, promised in READS.items():
            read(daemon, f"/v1/jobs/{name}{path}")
            before = cpu_ms(pid)
            for _ in range(options.repeats):
                text = read(daemon, f"/v1/jobs/{name}{path}")
            spent = (cpu_ms(pid) - before) / options.repeats
            start = time.process_time()
            json.loads(text)
            share = spent / ((time.process_time() - start) * 1e3)
            missed = missed or share > promised
            print(f"| {path} | {spent:.1f} | {share:.2f} | {promised} | {len(text) / 1e6:.2f} |", flush=True)
        before = resident_mib(pid)
        for _ in range(KEPT):
            kit.submit(daemon, job)
        each = (resident_mib(pid) - before) / KEPT
        print(f"one more open job: {each:.2f} MiB, promised {MOST_MIB}")
    with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
        spent = delete_many(kit, daemon)
        print(f"deleting {DELETED} jobs: {spent:.2f} s of CPU, promised {MOST_DELETING_S}")
    sys.exit(1 if missed or each > MOST_MIB or spent > MOST_DELETING_S else 0)


if __name__ == "__main__":
    main()
