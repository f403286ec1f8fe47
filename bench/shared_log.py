#!/usr/bin/python3
"""Durable trials per second with the log in PostgreSQL beside pgbench, and what taking a lease takes beside idle waiters.

bench/shared_log.py [--build DIR] [--trials N] [--waiters N] [--rounds N]

A PostgreSQL of its own, which flushes each commit. Jobs are run to their end by 64 workers that answer at once (workers.c);
then pgbench runs the statement with which the daemon appends, on one connection as the daemon does, with as many operations
and bytes in each as the daemon had. The ratio is operations per second by operations per second. Then so many workers wait
for questions that never come, and others measure how long taking a lease takes, in turns of a daemon with its log there and
of one without. `--rounds 0` measures that alone.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import workers

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))
import postgresql  # noqa: E402

WORKERS, JOBS, PGBENCH_S = 64, 4, 10
TAKERS, OF_ONE_ADDRESS = 4, 60  # connections; the daemon allows one address 64
TURNS, OF_A_TURN = 3, 1000
APPEND = """\
WITH me AS (UPDATE narrowd.daemon SET serial = serial + {count}, seen = clock_timestamp() WHERE id = 'bench' AND epoch = 1
 RETURNING id, serial - {count} AS before), head AS (UPDATE narrowd.head SET position = position + {count}
 WHERE EXISTS (SELECT 1 FROM me) RETURNING position - {count} AS base),
 added AS (INSERT INTO narrowd.op (position, daemon, epoch, serial, kind, payload)
 SELECT base + i, 'bench', 1, before + i, kind, payload FROM head, me, (VALUES {rows}) AS given (i, kind, payload))
 SELECT base::text, pg_notify('narrowd', '')::text FROM head;
"""


def commits(daemon):
    return int(re.search(r"^narrowd_store_commits_total (\d+)", daemon.request("GET", "/metrics")[2], re.M).group(1))


def trials_per_second(kit, daemon, build, trials):
    names = [kit.submit(daemon, workers.job(trials // JOBS, JOBS)) for _ in range(JOBS)]
    start = time.monotonic()
    done = subprocess.run([f"{build}/bench/workers", str(daemon.port), "bench", str(WORKERS)], stdout=subprocess.PIPE,
                          text=True, check=False)
    seconds = time.monotonic() - start - 1  # the last second was idle
    answers, wrong = map(int, done.stdout.split())
    if wrong or answers != (trials // JOBS + 1) * JOBS:
        raise SystemExit(f"{answers} answers, {wrong} requests went wrong")
    for name in names:
        workers.check(kit, daemon, name, trials // JOBS)
    return answers / seconds, seconds


def pgbench(server, directory, count, size):
    """Operations per second of the daemon's statement, on the log that the daemon has left."""
    server.sql("INSERT INTO narrowd.daemon (id, host) VALUES ('bench', 'bench')")
    rows = ", ".join(f"({i + 1}, 'append'::text, repeat('x', {size})::bytea)" for i in range(count))
    script = pathlib.Path(directory) / "append.sql"
    script.write_text(APPEND.format(count=count, rows=rows).replace("\n", " ").rstrip() + "\n", encoding="utf-8")
    script.chmod(0o644)
    pathlib.Path(directory).chmod(0o755)
    said = server.run("pgbench", "-n", "-M", "extended", "-c", "1", "-T", str(PGBENCH_S), "-f", script, "-h",
                      server.directory, "-U", "test", "postgres")
    found = re.search(r"^tps = ([\d.]+)", said.stdout, re.M)
    if found is None:
        raise SystemExit(said.stdout)
    return float(found.group(1)) * count


def one_round(kit, daemons, options):
    with postgresql.Server(durable=True) as server, tempfile.TemporaryDirectory() as directory:
        with daemons.Daemon(os.path.join(directory, "data"), "--data", server.url) as daemon:
            before, place = commits(daemon), int(server.sql("SELECT position FROM narrowd.head"))
            rate, seconds = trials_per_second(kit, daemon, options.build, options.trials)
            appended = int(server.sql("SELECT position FROM narrowd.head")) - place
            groups = commits(daemon) - before
        size = round(float(server.sql("SELECT avg(octet_length(payload)) FROM narrowd.op")))
        count = max(round(appended / groups), 1)
        peer = pgbench(server, directory, count, size)
    ratio = appended / seconds / peer
    print(f"| {rate:.0f} | {appended / seconds:.0f} | {count} of {size} bytes | {peer:.0f} | {ratio:.2f} |", flush=True)
    return ratio


def wait_idle(port, number, waiting):
    """A worker that waits for a question of a pool in which there is none, again and again."""
    body = json.dumps({"pool": "idle", "worker": f"i{number}", "wait_s": 25})
    request = (f"POST /v1/leases HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    connection = socket.create_connection(("127.0.0.1", port), source_address=(
        f"127.0.{1 + number // OF_ONE_ADDRESS // 250}.{1 + number // OF_ONE_ADDRESS % 250}", 0))
    connection.sendall(request)
    waiting.append(connection)


def take(port, number, times, wanted):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    while len(times) < wanted:
        start = time.monotonic()
        connection.request("POST", "/v1/leases", json.dumps({"pool": "bench", "worker": f"t{number}"}), headers)
        items = json.load(connection.getresponse())["items"]
        if items:
            times.append(time.monotonic() - start)
        for item in items:
            connection.request("POST", f"/v1/leases/{item['lease']}/complete", '{"accuracy": 0.5, "latency_ms": 9}', headers)
            connection.getresponse().read()
    connection.close()


def one_turn(kit, daemons, waiters, *data):
    """How long each lease took, in ms, and how many waited meanwhile."""
    with tempfile.TemporaryDirectory() as directory:
        with daemons.Daemon(os.path.join(directory, "data"), *data, "--max-connections", "32768") as daemon:
            kit.submit(daemon, workers.job(10 * OF_A_TURN, 1))
            waiting, times = [], []
            for number in range(waiters):
                wait_idle(daemon.port, number, waiting)
            said = daemon.request("GET", "/metrics")[2]
            held = int(re.search(r"^narrowd_http_waiting (\d+)", said, re.M).group(1))
            takers = [threading.Thread(target=take, args=(daemon.port, n, times, OF_A_TURN)) for n in range(TAKERS)]
            for taker in takers:
                taker.start()
            for taker in takers:
                taker.join()
            for connection in waiting:
                connection.close()
    return [1e3 * seconds for seconds in times], held


def lease_times(kit, daemons, waiters):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    times, held = {"PostgreSQL": [], "SQLite": []}, []
    for _ in range(TURNS):
        with postgresql.Server(durable=True) as server:
            for engine, data in (("PostgreSQL", ["--data", server.url]), ("SQLite", [])):
                found, waited = one_turn(kit, daemons, waiters, *data)
                times[engine] += found
                held.append(waited)
    shares = {engine: statistics.quantiles(found, n=100) for engine, found in times.items()}
    for engine, share in shares.items():
        print(f"taking a lease beside {min(held)} who wait, log in {engine}: median {share[49]:.1f} ms, p99 {share[98]:.1f} ms "
              f"({TAKERS} at a time, {len(times[engine])} leases in {TURNS} turns)")
    print(f"p99 by p99: {shares['PostgreSQL'][98] / shares['SQLite'][98]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--trials", type=int, default=20000)
    parser.add_argument("--waiters", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{os.path.abspath(options.build)}/daemon/narrowd"
    import daemon as daemons
    import jobkit as kit

    if options.rounds > 0:
        print("| trials/s | operations/s | in a group | pgbench's operations/s | ratio |")
        print("|---|---|---|---|---|")
        ratios = [one_round(kit, daemons, options) for _ in range(options.rounds)]
        print(f"ratio, median of {len(ratios)}: {statistics.median(ratios):.2f}")
    lease_times(kit, daemons, options.waiters)


if __name__ == "__main__":
    main()
