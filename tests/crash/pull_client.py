"""A light worker that comes for questions, dies, sleeps and answers late as a draw decides.

It writes down all that it was told. Each request is repeated until it is answered, under its key, so
that what a cut or a kill swallowed is known in the end.
"""

import http.client
import json
import random
import threading
import time
import uuid

import crash_model

FATES = {"answer": 0.80, "die": 0.06, "late": 0.05, "long": 0.05, "twice": 0.04}


class Held:
    """What a worker knows of one lease."""

    def __init__(self, question):
        self.question = question
        self.trial = (question["job"], question["trial"])
        self.expires = [question["expires_at"]]
        self.beats, self.completes = [], []  # statuses, in order


class Client(threading.Thread):
    """Runs from start() until `ending` is set and what it does then is done."""

    def __init__(self, address, pool, name, seed, ending, ttl_s=5, measuring_s=0.1, fates=None, wait_s=0.5,
                 pause_s=0.05):
        super().__init__(name=name)
        self.address = address
        self.pool, self.ttl_s, self.measuring_s = pool, ttl_s, measuring_s
        self.fates = fates or FATES
        self.wait_s, self.pause_s = wait_s, pause_s
        self.counted = 0  # answers that were acknowledged
        self.rng = random.Random(f"{seed} {name}")
        self.ending = ending
        self.connection = None
        self.held = []
        self.deaths = 0
        self.wrong = None  # what ended the thread

    def ask_once(self, path, body, key):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=self.wait_s + 1.5)
        headers = {"Content-Type": "application/json", **key}
        try:
            self.connection.request("POST", path, json.dumps(body), headers)
            response = self.connection.getresponse()
            return response.status, json.loads(response.read())
        except BaseException:
            self.connection.close()
            self.connection = None
            raise

    def ask(self, path, body, **key):
        """Status and answer; (0, None) when the test ends before there is one."""
        while True:
            try:
                status, answer = self.ask_once(path, body, key)
                if status < 500 and not answer.get("type", "").endswith("_in_progress"):
                    return status, answer
            except (OSError, http.client.HTTPException, ValueError):
                if self.ending.is_set():
                    return 0, None
            time.sleep(self.pause_s * self.rng.uniform(0.5, 1.5))

    def take(self):
        body = {"pool": self.pool, "worker": self.name, "wait_s": self.wait_s, "ttl_s": self.ttl_s}
        status, answer = self.ask("/v1/leases", body, **{"Idempotency-Key": uuid.uuid4().hex})
        assert status in (0, 200), (status, answer)
        held = [Held(question) for question in answer["items"]] if status == 200 else []
        self.held += held
        return held

    def beat(self, held):
        status, answer = self.ask(f"/v1/leases/{held.question['lease']}/heartbeat", {})
        assert status in (0, 200, 410), (status, answer)
        held.beats.append(status)
        if status == 200:
            held.expires.append(answer["expires_at"])

    def complete(self, held):
        lease, answer = held.question["lease"], crash_model.answer(held.question)
        key = {"Idempotency-Key": lease}
        status, _ = self.ask(f"/v1/leases/{lease}/complete", answer, **key)
        held.completes.append(status)
        self.counted += status == 200

    def measure_for_long(self, held):
        """Longer than the lease lasts, with signs of life."""
        until = time.monotonic() + self.ttl_s * self.rng.uniform(1, 1.4)
        while time.monotonic() < until and not self.ending.is_set():
            time.sleep(self.ttl_s / 6)
            self.beat(held)

    def answer(self, held):
        fate = self.rng.choices(list(self.fates), self.fates.values())[0]
        if fate == "die":
            self.deaths += 1  # and another one comes, who has the name and knows nothing
            return
        if fate == "late":
            time.sleep(self.ttl_s * self.rng.uniform(0.9, 1.5))
        elif fate == "long":
            self.measure_for_long(held)
        else:
            time.sleep(self.measuring_s * self.rng.random())
        self.complete(held)
        if fate == "twice":
            self.complete(held)

    def run(self):
        try:
            while not self.ending.is_set():
                for held in self.take():
                    self.answer(held)
        except BaseException as wrong:
            self.wrong = wrong
            raise
        finally:
            if self.connection is not None:
                self.connection.close()


class Anywhere(Client):
    """Asks whichever daemon answers."""

    def __init__(self, addresses, *rest, **more):
        super().__init__(addresses[0], *rest, **more)
        self.addresses = addresses

    def turn(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.address = self.rng.choice(self.addresses)

    def ask_once(self, path, body, key):
        try:
            status, answer = super().ask_once(path, body, key)
        except BaseException:
            self.turn()
            raise
        if status >= 500:
            self.turn()
            time.sleep(max(0.2, self.pause_s))
        return status, answer
