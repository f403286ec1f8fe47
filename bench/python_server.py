#!/usr/bin/python3
"""Trials per second with an evaluator on Python's http.server, beside what a bare client gets from it.

bench/python_server.py [--build DIR] [--rounds N]

The server is the plain one of the standard library with connections kept open: headers and body
leave it in two segments, the second only when the first was acknowledged. It runs in a process of
its own and answers at once. In turns, one question at a time:
- a bare client sends what a trial's question is, reads the answer and acknowledges what comes at
  once; then the same with each answer committed to SQLite before the next question, since that is
  what a trial is;
- a daemon runs a job.

Exits with 1 when the median of trials/s over the committing client's questions/s is below 0.5.
"""

import argparse
import http.server
import json
import multiprocessing
import os
import pathlib
import socket
import sqlite3
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]

PROMISED = 0.5
TRIALS = 400
ANSWER = json.dumps({"accuracy": 0.9, "latency_ms": 5.0}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *args):
        pass


def serve(pipe):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()


def questions_per_second(port, question, commit):
    head = (f"POST /evaluate HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(question)}\r\n\r\n")
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(TRIALS):
            connection.sendall(head.encode() + question)
            answer = b""
            while not answer.endswith(ANSWER):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                answer += connection.recv(65536)
            commit(answer)
    return TRIALS / (time.monotonic() - start)


def database(directory):
    made = sqlite3.connect(os.path.join(directory, "probe.db"), isolation_level=None)
    made.execute("pragma journal_mode = wal")
    made.execute("pragma synchronous = full")
    made.execute("create table t (x)")
    return made


def trials_per_second(kit, daemon, port, seed):
    start = time.monotonic()
    job = kit.submit(daemon, kit.body(
        f"http://127.0.0.1:{port}", operators=12, confirm=0, seed=seed,
        tuning_criterion={"strategy": "random", "max_trials": TRIALS, "stop_on": "budget"},
    ))
    document = kit.finished(daemon, job)
    if document["progress"]["told"] != TRIALS:
        raise SystemExit(f"not every trial was answered: {document}")
    return TRIALS / (time.monotonic() - start)


def question_of(kit, daemon):
    """What a question looks like, so that the bare client sends no less."""
    evaluator = kit.Evaluator()
    kit.finished(daemon, kit.submit(daemon, kit.body(evaluator.url, operators=12)))
    evaluator.close()
    return json.dumps(evaluator.calls[-1][1]).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    import daemon as daemons
    import jobkit as kit

    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    server.start()
    port = here.recv()
    ratios = []
    print("| questions/s | with a commit each | trials/s | over the client with commits |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=ROOT) as directory:
        with daemons.Daemon(os.path.join(directory, "data")) as daemon:
            question = question_of(kit, daemon)
            probe = database(directory)
            for seed in range(options.rounds):
                bare = questions_per_second(port, question, lambda answer: None)
                durable = questions_per_second(
                    port, question, lambda answer: probe.execute("insert into t values (?)", (answer,)))
                trials = trials_per_second(kit, daemon, port, seed)
                ratios.append(trials / durable)
                print(f"| {bare:.0f} | {durable:.0f} | {trials:.0f} | {ratios[-1]:.2f} |", flush=True)
            probe.close()
    server.terminate()
    sys.exit(0 if statistics.median(ratios) >= PROMISED else 1)


if __name__ == "__main__":
    main()
