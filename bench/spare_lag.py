#!/usr/bin/python3
"""How long an answer that the writing daemon has acknowledged takes to be seen on a spare.

bench/spare_lag.py NARROWD [TRIALS]

Two daemons on one PostgreSQL, which is started for this. A worker answers one trial after the other at the one that
writes, and asks the spare for that trial until it has its result. Prints the median, the 99th percentile and the
largest of the times from the acknowledgement to there, in ms, and how often PostgreSQL has told of something new.
"""

import http.client
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]
import postgresql  # noqa: E402
from daemon import Daemon  # noqa: E402
from daemons_kit import free_port, hands_on, metric  # noqa: E402
from jobkit import capability, submit  # noqa: E402


class Client:
    """On one connection."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(self.connection.getresponse().read())


def lags(writer, spare, trials):
    job = submit(writer, {"capability": capability(12), "evaluator": {"pool": "gpu"}, "confirm": 0,
                          "tuning_criterion": {"strategy": "random", "max_trials": trials, "stop_on": "budget"}})
    worker, reader = Client(writer), Client(spare)
    for number in range(trials):
        lease = worker.ask("POST", "/v1/leases", {"pool": "gpu", "worker": "w", "wait_s": 20})["items"][0]
        worker.ask("POST", f"/v1/leases/{lease['lease']}/complete", {"accuracy": 0.9, "latency_ms": 100 - number / trials})
        since = time.monotonic()
        while reader.ask("GET", f"/v1/jobs/{job}/trials/{lease['trial']}").get("state") != "told":
            pass
        yield 1000 * (time.monotonic() - since)


def main():
    os.environ["NARROWD_BIN"] = sys.argv[1]
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with postgresql.Server() as server, tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        with Daemon(first, "--data", server.url, port=free_port()) as writer:
            shutil.copy(os.path.join(first, "narrowd.key"), second)
            with Daemon(second, "--data", server.url, port=free_port()) as spare:
                hands_on(spare)
                found = sorted(lags(writer, spare, trials))
                print(f"{len(found)} trials: median {statistics.median(found):.2f} ms, p99 "
                      f"{found[len(found) * 99 // 100]:.2f} ms, largest {found[-1]:.2f} ms; told "
                      f"{metric(spare, 'narrowd_store_notified_total'):.0f} times")


if __name__ == "__main__":
    main()
