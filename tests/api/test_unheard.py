"""Takes whose client leaves before it has the answer, and repeats them under the same key: a lease in force, and only one."""

import itertools
import json
import os
import socket
import time
import unittest

from jobkit import submit, wait_until
from test_workers import PullCase, busy_body

keys = itertools.count()
# Whoever follows a daemon that died waits for its place at a PostgreSQL.
KILLS = 4 if os.environ.get("NARROWD_TEST_POSTGRESQL") == "1" else 24


class Unheard(PullCase):
    def lose(self, key, **more):
        """Sends a take, and in the same breath that nobody listens."""
        body = json.dumps({"pool": "gpu", "worker": "w1", "wait_s": 0, **more})
        head = ["POST /v1/leases HTTP/1.1", f"Host: 127.0.0.1:{self.daemon.port}", "Content-Type: application/json",
                f"Idempotency-Key: {key}", f"Content-Length: {len(body)}", "", body]
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as connection:
            connection.send("\r\n".join(head).encode(), socket.MSG_MORE)

    def repeat(self, key, **more):
        """The same under its key until somebody answers it."""
        def answer():
            status, headers, document = self.daemon.request(
                "POST", "/v1/leases", {"pool": "gpu", "worker": "w1", "wait_s": 0, **more}, {"Idempotency-Key": key})
            if status == 503 or (status == 409 and document["type"].endswith(":idempotency_in_progress")):
                return None
            self.assertEqual(status, 200, document)
            return headers.get("Idempotency-Replayed") == "true", document["items"]
        return wait_until(answer)

    def in_force(self, *jobs):
        """The leases that the log has given and not ended."""
        leases = set()
        for job in jobs:
            for event in self.events(job):
                lease = event["data"].get("lease")
                if event["type"] == "question_leased":
                    leases.add(lease)
                elif event["type"] in ("lease_returned", "lease_expired", "trial_told", "attempt_failed"):
                    leases.discard(lease)
        return leases

    def went_back(self, job):
        return [e["data"]["lease"] for e in self.events(job) if e["type"] == "lease_returned"]

    def goes_back(self, job, before):
        """Whether one more goes back soon; who left early may not have been given any."""
        for _ in range(50):
            if self.went_back(job) != before:
                return True
            time.sleep(0.01)
        return False

    def hold_to_one(self, items, *jobs):
        for question in items:
            self.assertTrue(self.beat(question)["continue"])
        self.assertEqual({question["lease"] for question in items}, self.in_force(*jobs))

    def give_back(self, items):
        for question in items:
            status, _, answer = self.daemon.request("POST", f"/v1/leases/{question['lease']}/return", {"reason": "stopping"})
            self.assertEqual(status, 200, answer)

    def start(self, parallel=1, jobs=1):
        """Jobs whose questions are due at once."""
        names = [submit(self.daemon, busy_body(parallel)) for _ in range(jobs)]
        self.give_back([self.one() for _ in names])
        return names

    def test_who_comes_again_gets_a_lease_in_force(self):
        (job,) = self.start()
        seen = 0
        for _ in range(200):
            if seen >= 10:
                break
            key, before = f"key-{next(keys)}", self.went_back(job)
            self.lose(key)
            seen += self.goes_back(job, before)
            _, items = self.repeat(key)
            self.assertEqual(len(items), 1)
            self.hold_to_one(items, job)
            self.assertEqual(self.repeat(key), (True, items), "from now on it is the same answer")
            self.give_back(items)
        self.assertGreater(seen, 0)

    def test_who_comes_again_at_once_gets_a_lease_in_force(self):
        (job,) = self.start()
        for _ in range(60):
            key = f"key-{next(keys)}"
            self.lose(key, wait_s=1)
            _, items = self.repeat(key, wait_s=1)
            self.hold_to_one(items, job)
            self.give_back(items)

    def test_the_daemon_may_die_between(self):
        jobs = self.start(jobs=8)
        for i in range(KILLS):
            key = f"key-{next(keys)}"
            self.lose(key, max=8)
            time.sleep(i % 8 / 2000)  # so that it dies before, in and after the writes
            self.killed_and_started()
            _, items = self.repeat(key, max=8)
            self.hold_to_one(items, *jobs)
            self.give_back(items)

    def test_what_was_heard_and_went_back_by_hand_is_answered_again(self):
        (job,) = self.start()
        _, items = self.repeat("heard")
        self.give_back(items)
        self.assertEqual(self.repeat("heard"), (True, items))
        self.assertEqual(self.in_force(job), set())


if __name__ == "__main__":
    unittest.main()
