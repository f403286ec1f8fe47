#!/usr/bin/python3
"""Shows how two daemons on one PostgreSQL take a search over from each other: the one that writes is killed, and later
the other one, too.

tools/demo --postgresql builds and runs this; NARROWD_BIN names the program. Everything is in a temporary directory and
listens on this machine alone; nothing is left behind.
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import postgresql  # noqa: E402

TRIALS, WORKERS, KILLS_AT = 90, 4, (20, 50)
MEASURING_S, PAUSE_S, PATIENCE_S = 0.2, 0.2, 300
OPERATORS = [f"layer{i}" for i in range(1, 9)]
INT8 = {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
        "activation": {"dtype": ["uint8"], "algorithm": ["minmax", "kl"]}}
JOB = {
    "name": "demo",
    "evaluator": {"pool": "demo"},
    "deterministic": True,
    "seed": 1,
    "confirm": 0,
    "capability": {"op_types": {"Conv2d": {"static": INT8, "bf16": {}, "fp32": {}}},
                   "ops": [{"name": name, "type": "Conv2d"} for name in OPERATORS],
                   "answers": ["evaluate"], "metrics": ["accuracy", "latency_ms"]},
    "tuning_criterion": {"strategy": "random", "max_trials": TRIALS, "stop_on": "budget"},
    "parallel": WORKERS,
}


def say(text=""):
    print(text, flush=True)


class Daemon:
    def __init__(self, name, folder, data):
        self.name, self.folder = name, folder / name
        self.folder.mkdir(mode=0o700)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [os.environ["NARROWD_BIN"], "--listen", f"127.0.0.1:{self.port}", "--data", data, "--data-dir",
                        str(self.folder), "--log-format", "text"]
        self.process = None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        if not self.process.stdout.readline().startswith(b"narrowd: listening"):
            raise SystemExit(f"{self.name} does not start:\n" + (self.folder / "log").read_text(encoding="utf-8"))

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def ask(self, method, path, body=None, **headers):
        """Status and document; 0 when nobody is there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            said = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(said) if is_json and said else said.decode()
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def is_ready(self):
        return self.ask("GET", "/readyz")[0] == 200

    def writes(self):
        status, said = self.ask("GET", "/metrics")
        return status == 200 and "\nnarrowd_spare 0\n" in said


def wait_until(what, condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not happen in {PATIENCE_S} s")
        time.sleep(PAUSE_S)


def measure(ops):
    """Made up: each layer that is lowered costs accuracy, the first ones more, and saves time."""
    cost = {"static": 0.004, "bf16": 0.001, "fp32": 0.0}
    gain = {"static": 1.0, "bf16": 0.4, "fp32": 0.0}
    modes = [ops[name]["mode"] for name in OPERATORS]
    return {"accuracy": 0.9 - sum(cost[mode] / (1 + i) for i, mode in enumerate(modes)),
            "latency_ms": 10.0 - sum(gain[mode] for mode in modes)}


class Search:
    """The job, the daemons and the workers."""

    def __init__(self, daemons):
        self.daemons = daemons
        self.ended = threading.Event()
        self.measured = collections.Counter()  # by worker
        status, job = daemons[0].ask("POST", "/v1/jobs", JOB)
        if status != 201:
            raise SystemExit(f"the job was refused: {job}")
        self.path = f"/v1/jobs/{job['id']}"
        self.workers = [threading.Thread(target=self.work, args=(f"worker{i + 1}",)) for i in range(WORKERS)]
        for worker in self.workers:
            worker.start()

    def ask_any(self, method, path, body=None):
        """Asks one daemon after the other until one answers: a request that is repeated counts once, by its key."""
        key = f'"{uuid.uuid4()}"'
        while not self.ended.is_set():
            for daemon in self.daemons:
                status, answer = daemon.ask(method, path, body, **{"Idempotency-Key": key})
                if status not in (0, 500, 502, 503):
                    return status, answer
            time.sleep(PAUSE_S)
        return 0, None

    def work(self, name):
        while not self.ended.is_set():
            status, answer = self.ask_any("POST", "/v1/leases", {"pool": "demo", "worker": name, "wait_s": 5})
            for lease in answer["items"] if status == 200 else []:
                time.sleep(MEASURING_S)
                result = measure(lease["config"]["ops"])
                self.ask_any("POST", f"/v1/leases/{lease['lease']}/complete", result)
                self.measured[name] += 1

    def document(self):
        for daemon in self.daemons:
            status, document = daemon.ask("GET", self.path)
            if status == 200:
                return document
        return None

    def told(self):
        document = self.document()
        return document["progress"]["told"] if document else 0

    def is_over(self):
        document = self.document()
        return document is not None and document["exit"] is not None

    def end(self):
        self.ended.set()
        for worker in self.workers:
            worker.join()

    def count(self, daemon):
        """How often each trial has a result in the log that this daemon has, and what the budget says."""
        status, page = daemon.ask("GET", f"{self.path}/events?limit=1000", Accept="application/json")
        if status != 200 or page["next"] is not None:
            raise SystemExit(f"the events cannot be read: {page}")
        results = collections.Counter(event["trial"] for event in page["items"] if event["type"] == "trial_told")
        return results, self.document()["budget"]["trials_measured"]


def take_over(search, dying, other):
    """Kills the daemon that writes; the other one has taken its place when this returns."""
    say(f"{search.told()} trials have their result. Now the {dying.name} daemon is killed: kill -9 {dying.process.pid}.")
    dying.end()
    killed = time.monotonic()
    say(f"The {other.name} one answers what is read, a moment behind: {search.told()} results at this moment. "
        "The workers keep what they measure, and ask again.")
    wait_until("the take-over", other.writes)
    say(f"After {time.monotonic() - killed:.0f} s the {other.name} daemon has taken its place (it takes a daemon for dead "
        "that was not seen for 15 s), and goes on with the job.")


def show(folder, server):
    first, second = (Daemon(name, folder, server.url) for name in ("first", "second"))
    with contextlib.ExitStack() as stack:
        for daemon in (first, second):
            stack.callback(daemon.end)
        first.start()
        shutil.copy(first.folder / "narrowd.key", second.folder)
        second.start()
        say(f"Two daemons share it: the first one, process {first.process.pid}, writes; the second one, process "
            f"{second.process.pid}, follows and waits.")
        search = Search([first, second])
        stack.callback(search.end)
        say(f"A job of {TRIALS} trials is submitted, and {WORKERS} workers measure.")
        for told, dying, other in zip(KILLS_AT, (first, second), (second, first)):
            wait_until(f"{told} results", lambda told=told: search.told() >= told)
            take_over(search, dying, other)
            dying.start()
            say(f"The {dying.name} one is started again, as process {dying.process.pid}, and follows now.")
        wait_until("the end of the job", search.is_over)
        return judge(search, first)


def judge(search, daemon):
    results, charged = search.count(daemon)
    twice = [trial for trial, times in results.items() if times != 1]
    say(f"The job has ended. {len(results) - 1} trials and the baseline have a result, {len(twice)} of them more than "
        f"once; the budget of {TRIALS} was charged {charged} times.")
    good = not twice and charged == TRIALS and len(results) == TRIALS + 1
    say("Every trial was counted once." if good else "That is WRONG: every trial is to be counted once.")
    return 0 if good else 1


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="narrowd-demo-") as folder:
        try:
            server = postgresql.Server()
            server.start()
        except AssertionError as fault:
            raise SystemExit(f"tools/demo: {fault}") from None
        say(f"A PostgreSQL of its own runs in {server.directory}.")
        try:
            return show(pathlib.Path(folder), server)
        finally:
            server.remove()
            say("Everything that was started has ended.")


if __name__ == "__main__":
    sys.exit(main())
