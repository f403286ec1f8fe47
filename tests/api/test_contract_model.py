"""Traces of calls, faults and restarts against a model of the contract (contract_model.py, contract_world.py).

Each seed is a trace: jobs of a pool of their own, workers that take, answer, fail, let go and say nonsense, edits, repeats
under the same key, kill -9. Every answer is compared with what the model allows, and after each call the documents of the
jobs that it concerns. NARROWD_TRACES is how many, NARROWD_TRACE_SEED the first; a difference names its seed and the calls.
"""

import http.client
import json
import os
import random
import tempfile
import time
import unittest

import contract_traces
from contract_model import Difference, NotYet
from contract_world import World
from daemon import Daemon
from patience import PATIENCE_S

TRACES = int(os.environ.get("NARROWD_TRACES", "200"))
FIRST = int(os.environ.get("NARROWD_TRACE_SEED", "1"))
COMES_S = float(os.environ.get("NARROWD_TRACE_PATIENCE_S", PATIENCE_S))
# Workers that are left out stay so, and nobody is waited for at the end.
SETTINGS = ["--evaluator-probe-s", "3600"]


class Wire:
    """A connection that stays, and says what came."""

    def __init__(self, daemon):
        self.daemon, self.connection = daemon, None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def open(self):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)

    @staticmethod
    def parts(call):
        headers = {} if call.body is None else {"Content-Type": "application/json"}
        if call.key:
            headers["Idempotency-Key"] = call.key
        body = call.body if call.body is None or isinstance(call.body, str) else json.dumps(call.body)
        return call.method, call.path, body, headers

    def once(self, call):
        self.open()
        self.connection.request(*self.parts(call))
        response = self.connection.getresponse()
        text = response.read()
        value = json.loads(text) if text and "json" in response.headers.get("Content-Type", "") else None
        return response.status, response.headers, value

    def send(self, call):
        """Says it again as long as the answer is "not now" (503 after a start, the first with this key still running)."""
        deadline = time.monotonic() + COMES_S
        while True:
            status, headers, value = self.once(call)
            later = status == 503 or (status == 409 and value["type"].endswith(":idempotency_in_progress"))
            if not later or time.monotonic() > deadline:
                return status, headers, value
            time.sleep(0.02)

    def lose(self, call):
        """Sends it and does not wait for what becomes of it."""
        self.open()
        self.connection.request(*self.parts(call))

    def get(self, path):
        self.open()
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        value = json.loads(response.read())
        if response.status == 503:
            return None
        if response.status != 200:
            raise Difference(f"GET {path}: {response.status} {json.dumps(value)}")
        return value


class Trace:
    """One seed. `calls` are those that were sent, as they are shown when something differs."""

    def __init__(self, daemon, seed):
        self.daemon, self.wire = daemon, Wire(daemon)
        self.seed, self.draw = seed, random.Random(seed)
        self.world = World(f"pool-{seed}")
        self.calls = []
        self.keys = 0

    def run(self):
        try:
            contract_traces.play(self)
        except Difference as difference:
            calls = "\n".join(f"  {i}. {call}" for i, call in enumerate(self.calls, 1))
            raise AssertionError(f"seed {self.seed}, after {len(self.calls)} calls: {difference}\n{calls}") from None
        finally:
            self.wire.close()

    def key(self, call):
        self.keys += 1
        call.key = f"{self.seed}-{self.keys}"

    def judge(self, call, status, headers, answer):
        """Takes the outcome that came, which must be one that is allowed."""
        for item in (answer or {}).get("items", []):
            self.adopt(item)
        problem = answer["type"].rsplit(":", 1)[1] if status >= 400 else None
        self.calls.append(f"{call} -> {status} {problem or ''}")
        replayed = headers.get("Idempotency-Replayed") == "true"
        if getattr(call, "replays", replayed) != replayed:
            raise Difference(f"Idempotency-Replayed: {headers.get('Idempotency-Replayed')}")
        for outcome in call.outcomes:
            if (outcome.status, outcome.problem) == (status, problem):
                outcome.effect(answer)
                return
        if status in (409, 410) and self.ended(call.jobs):
            return
        raise Difference(f"{status} {json.dumps(answer)}: allowed {call.outcomes}")

    def ended(self, jobs):
        """Whether one of them was free to end between two calls, and has; what is read may come later than the refusal."""
        may_end = [job for job in jobs if not job.end and not job.deleted and job.ends()[0]]
        deadline = time.monotonic() + COMES_S
        while may_end and time.monotonic() < deadline:
            self.settle(may_end)
            if any(job.end for job in may_end):
                return True
            time.sleep(0.01)
        return False

    def adopt(self, item):
        """A question that its job was free to ask for or not, and has asked for since it was looked at."""
        for job in self.world.jobs:
            if job.id == item["job"] and item["trial"] not in job.trials and not job.deleted:
                for shown in (self.wire.get(f"/v1/jobs/{job.id}/trials?limit=1000") or {"items": []})["items"]:
                    job.adopt(shown)

    def call(self, call, lost=None):
        """`lost`: the first answer gets lost, by hanging up or by kill -9, and the call is made again under its key."""
        if call.keyed and not call.key and (lost or self.draw.random() < 0.3):
            self.key(call)
        if lost and call.key:
            self.wire.lose(call)
            self.calls.append(f"{call} -> nobody hears the answer")
            call.lost = True
            if lost == "kill":
                self.kill()
            self.wire.close()
        deadline = time.monotonic() + COMES_S
        while True:
            status, headers, answer = self.wire.send(call)
            if getattr(call, "lost", False) and status < 400:
                call.replays = headers.get("Idempotency-Replayed") == "true"  # whichever came first
            try:
                self.judge(call, status, headers, answer)
                break
            except NotYet:
                if time.monotonic() > deadline:
                    raise
                self.calls.pop()
                time.sleep(0.005)
        self.world.keep(call, status, answer)
        self.settle(call.jobs)
        return answer

    def kill(self):
        self.daemon.kill9()
        self.wire.close()
        self.daemon.start()
        self.world.restarted()
        self.calls.append("kill -9, and a start")

    def settle(self, jobs):
        """Waits until the documents say what they must; what may never be is a difference at once."""
        deadline = time.monotonic() + COMES_S
        for job in dict.fromkeys(jobs):
            faults = [] if job.deleted else ["not asked"]
            while faults:
                document = self.wire.get(f"/v1/jobs/{job.id}")
                trials = document and self.wire.get(f"/v1/jobs/{job.id}/trials?limit=1000")
                faults = job.observe(document, trials["items"]) if trials else ["503"]
                if faults and time.monotonic() > deadline:
                    raise Difference(f"{job.id}: {'; '.join(faults)}\n{json.dumps(document)}\n{json.dumps(trials)}")
                if faults:
                    time.sleep(0.005)

    @staticmethod
    def rest(seconds):
        time.sleep(seconds)

    def expire(self, lease):
        """Waits until the time of a lease that nobody keeps alive is up."""
        deadline = time.monotonic() + COMES_S
        path = f"/v1/jobs/{lease.job.id}/trials/{lease.trial.number}?config=none"
        while (self.wire.get(path) or {"state": "leased"})["state"] == "leased":
            if time.monotonic() > deadline:
                raise Difference(f"{lease.id} does not expire")
            time.sleep(0.2)
        self.calls.append(f"{lease.id} expires")
        self.world.expired(lease)
        self.settle([lease.job])


class Traces(unittest.TestCase):
    def test_answers_are_those_of_the_model(self):
        with tempfile.TemporaryDirectory() as directory, Daemon(directory, *SETTINGS) as daemon:
            for seed in range(FIRST, FIRST + TRACES):
                Trace(daemon, seed).run()


if __name__ == "__main__":
    unittest.main()
