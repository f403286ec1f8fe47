"""All that is heavy for a daemon, at once: as bench/soak.py makes them for an hour."""

import http.client
import json
import random
import re
import socket
import threading
import time

from patience import PATIENCE_S

HELD_UP = "the loop was held up"
STATIC = {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
          "activation": {"dtype": ["uint8"], "algorithm": ["kl", "minmax"]}}
TYPES = {"Conv2d": {"static": STATIC, "fp32": {}}}
INT8 = {"mode": "static", "weight": {"dtype": "int8", "granularity": "per_channel"},
        "activation": {"dtype": "uint8", "algorithm": "kl"}}
REFUSED = (413, 503)  # what is answered when memory is all in use
SLOW_READERS, HISTORY, LEARNT_OPERATORS = 20, 60, 20
WARM, SMALL_JOBS = 4000, 1000  # measurements that are taken over, jobs that are deleted


def operators(count, name="model/layers.{}/conv"):
    return {"op_types": TYPES, "ops": [{"name": name.format(i), "type": "Conv2d"} for i in range(count)]}


class Burden:
    def __init__(self, daemon, count):
        self.daemon = daemon
        self.operators = count
        self.ends = threading.Event()
        self.faults = []
        self.done = {}  # by kind, how many rounds
        self.large = self.learnt = self.source = None

    def ask(self, method, path, body=None, headers=None, least=0):
        """Returns the status and the text of the answer, of which at least so much is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read(least or None)
        finally:
            connection.close()

    def expect(self, usual, method, path, body=None, headers=None):
        status, text = self.ask(method, path, body, headers)
        if status not in (usual if isinstance(usual, tuple) else (usual, *REFUSED)):
            raise AssertionError(f"{method} {path}: {status} {text[:300]}")
        return json.loads(text) if status == usual and text else None

    def answer(self, pool, **metrics):
        """The next question of the pool."""
        lease = {"pool": pool, "worker": "w", "wait_s": 25, "ttl_s": 600}
        items = (self.expect(200, "POST", "/v1/leases", lease) or {"items": []})["items"]
        for item in items:
            self.expect(200, "POST", f"/v1/leases/{item['lease']}/complete", metrics)
        return len(items)

    def prepare(self):
        """A job of so many operators, and one whose strategy learns."""
        budget = {"max_trials": 5, "stop_on": "budget"}
        job = {"capability": operators(self.operators), "evaluator": {"pool": "large"}, "confirm": 0,
               "tuning_criterion": {"strategy": "random", **budget}}
        self.large = self.expect(201, "POST", "/v1/jobs", job)["id"]
        for accuracy in (0.7, 0.69, 0.68):
            self.answer("large", accuracy=accuracy, latency_ms=10)
        self.learn()
        self.source = self.expect(201, "POST", "/v1/jobs", self.small("source"))["id"]
        for first in range(0, WARM, 500):
            self.expect(200, "POST", f"/v1/jobs/{self.source}/trials", {"trials": [
                {"accuracy": 0.7, "latency_ms": 1 + i, "config": {"ops": {
                    f"l{k}": {"mode": "fp32"} for k in range(LEARNT_OPERATORS) if i >> k & 1}}}
                for i in range(first, min(first + 500, WARM))]})

    def small(self, pool):
        """A job of few operators that nobody works at."""
        return {"capability": operators(LEARNT_OPERATORS, "l{}"), "evaluator": {"pool": pool}, "confirm": 0,
                "tuning_criterion": {"strategy": "random", "max_trials": 5, "stop_on": "budget"}}

    def drop(self, job):
        self.expect((200, 409, *REFUSED), "POST", f"/v1/jobs/{job}/cancel")
        self.expect((204, 409, *REFUSED), "DELETE", f"/v1/jobs/{job}")

    def learn(self):
        """A new job to import into, and the end of the one before."""
        job = {"capability": operators(LEARNT_OPERATORS, "l{}"), "evaluator": {"pool": "learnt"}, "confirm": 0,
               "tuning_criterion": {"strategy": "sgp", "max_trials": 1000, "stop_on": "budget"}}
        before, self.learnt = self.learnt, None
        if before:
            self.expect(200, "POST", f"/v1/jobs/{before}/cancel")
            self.expect((204, 409), "DELETE", f"/v1/jobs/{before}")
        new = self.expect(201, "POST", "/v1/jobs", job)
        if new:
            self.answer("learnt", accuracy=0.7, latency_ms=11)
            self.learnt = new["id"]

    # One round of each kind.

    def patterns(self):
        names = operators(1000, "a" * 16 + "!{}x")
        entry = {"(a+)+x": {"weight": {"dtype": ["fp32"]}}}
        self.expect(422, "POST", "/v1/spaces", {"capability": names, "op_name_dict": entry})

    def names(self):
        entry = {f"model/layers.{i}/conv": {"weight": {"dtype": ["int8"]}} for i in range(0, self.operators, 5)}
        self.expect(200, "POST", "/v1/spaces", {"capability": operators(self.operators), "op_name_dict": entry})

    def trees(self):
        self.expect(413, "POST", "/v1/jobs", b'{"labels":[' + b"{}," * 990000 + b"{}]}")

    def readers(self):
        clients = []
        for _ in range(SLOW_READERS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", self.daemon.port))
            client.sendall(f"GET /v1/jobs/{self.large}/space HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            clients.append(client)
        for client in clients:
            client.settimeout(PATIENCE_S)
            client.recv(1)  # the answer has begun, or was refused
        for client in clients:
            client.close()

    def reads(self):
        for path in ("/trials/1", "/trials/1?config=delta", "/best", "/export", "/export?format=inc", "/sensitivity"):
            self.expect(200, "GET", f"/v1/jobs/{self.large}{path}")

    def imports(self):
        draw = random.Random(self.done.get("imports", 0))
        trials = []
        for _ in range(HISTORY):
            chosen = {f"l{i}" for i in range(LEARNT_OPERATORS) if draw.random() < 0.5}
            trials.append({"accuracy": 0.7 - 0.001 * len(chosen) * draw.random(), "latency_ms": 11 - 0.3 * len(chosen),
                           "config": {"ops": {f"l{i}": INT8 if f"l{i}" in chosen else {"mode": "fp32"}
                                              for i in range(LEARNT_OPERATORS)}}})
        if self.learnt is None or self.done.get("imports", 0) % 5 == 4:
            self.learn()
        if self.learnt:
            self.expect(200, "POST", f"/v1/jobs/{self.learnt}/trials", {"trials": trials})
            self.answer("learnt", accuracy=0.69, latency_ms=9)

    def sigopt(self):
        """Hundreds of dimensions, as its users' scripts ask."""
        headers = {"Authorization": "Basic c29tZTo="}
        names = [f"p{i}" for i in range(100)]
        made = self.expect(200, "POST", "/sigopt/v1/experiments", {
            "name": "x", "observation_budget": 4, "metrics": [{"name": "m", "objective": "maximize"}],
            "parameters": [{"name": name, "type": "categorical", "categorical_values": ["s", "d"]} for name in names],
        }, headers)
        for _ in range(4 if made else 0):
            path = f"/sigopt/v1/experiments/{made['id']}"
            asked = self.expect(200, "POST", f"{path}/suggestions", {}, headers)
            if asked:
                told = {"suggestion": asked["id"], "values": [{"name": "m", "value": 0.5}]}
                self.expect(200, "POST", f"{path}/observations", told, headers)

    def spaces(self):
        """Jobs of many operators come and go."""
        job = {"capability": operators(self.operators, "other/{}"), "evaluator": {"pool": "nobody"}}
        new = self.expect(201, "POST", "/v1/jobs", job)
        if new:
            self.drop(new["id"])

    def warm(self):
        new = self.expect(201, "POST", "/v1/jobs", {**self.small("nobody"), "warm_start": {"job": self.source}})
        if new:
            self.drop(new["id"])

    def deletions(self):
        """One request for many jobs that have ended."""
        for _ in range(SMALL_JOBS):
            new = self.expect(201, "POST", "/v1/jobs", {**self.small("nobody"), "labels": {"burden": "small"}})
            if new:
                self.expect((200, 409, *REFUSED), "POST", f"/v1/jobs/{new['id']}/cancel")
        self.expect(200, "POST", "/v1/jobs/delete", {"filter": {"labels": {"burden": "small"}}})

    KINDS = ("patterns", "names", "trees", "readers", "reads", "imports", "sigopt", "spaces", "warm", "deletions")

    def go_on(self, kind, rounds):
        try:
            while not self.ends.is_set() and (rounds is None or self.done.get(kind, 0) < rounds):
                getattr(self, kind)()
                self.done[kind] = self.done.get(kind, 0) + 1
        except Exception as fault:  # whatever it is, it is told by whoever judges
            self.faults.append(f"{kind}: {fault!r}")

    def carry(self, rounds=None, seconds=None, look=lambda: None):
        """Does every kind so often, or so long; asks /healthz all the while and calls look(). Returns how often it was answered."""
        self.ends.clear()
        threads = [threading.Thread(target=self.go_on, args=(kind, rounds)) for kind in self.KINDS]
        for thread in threads:
            thread.start()
        end, healthy = time.monotonic() + (seconds or float("inf")), 0
        while any(thread.is_alive() for thread in threads):
            try:
                status, text = self.ask("GET", "/healthz")
                look()
            except OSError as fault:
                status, text = None, f"{fault!r} {self.daemon.log()[-1000:]}"
            if status != 200:
                self.faults.append(f"/healthz: {status} {text[:1300]}")
            healthy += status == 200
            if time.monotonic() > end or self.faults:
                self.ends.set()
            time.sleep(0.05)
        return healthy

    def resident_mib(self, key="VmRSS"):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"^{key}:\s+(\d+)", file.read(), re.MULTILINE)[1]) / 1024

    def held_up(self):
        return [line for line in self.daemon.log().splitlines() if HELD_UP in line]


