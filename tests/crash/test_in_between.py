"""What comes while a daemon begins anew, what comes twice while PostgreSQL is away, and what a spare does not note."""

import concurrent.futures
import http.client
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
from test_access import bearer, new_token  # noqa: E402

from daemons_kit import Daemons, metric  # noqa: E402

IN_PROGRESS = "urn:narrowd:problem:idempotency_in_progress"
KEY = {"Idempotency-Key": "k"}


def pool_job():
    return {"capability": kit.capability(2), "evaluator": {"pool": "nobody"}}


class BeginsAnew(Daemons):
    def test_it_may_be_stopped_while_it_begins_anew(self):
        for pause in (0, 0.05, 0.1, 0.2, 0.4):
            with self.subTest(pause):
                self.key = None
                first, second = self.pair(takeover_s=3)
                first.kill9()
                kit.wait_until(lambda second=second: "this one takes its place" in second.log())
                time.sleep(pause)
                second.stop()  # it ends with status 0
                kept = self.sql("SELECT count(*) FROM narrowd.daemon WHERE seen > '-infinity'")
                self.sql("DROP SCHEMA narrowd CASCADE")
                self.assertEqual(kept, "0", "the place is kept for nobody")


class Twice(Daemons):
    """A POST and its repetition, while the first one waits for PostgreSQL: done once, and nobody is told anything else."""

    def ask(self, daemon):
        status, sent, answer = daemon.request("POST", "/v1/jobs", pool_job(), KEY)
        return status, sent["idempotency-replayed"], answer

    def go_away(self):
        """Until the test says so, or ends."""
        self.server.stop()
        self.addCleanup(lambda: self.server.process or self.server.start())

    def check(self, daemon, first):
        self.assertEqual(self.ask(daemon), (201, "true", first))
        self.assertEqual([job["id"] for job in kit.get(daemon, "/v1/jobs")["items"]], [first["id"]])

    def test_who_waits_gets_the_answer_and_the_repetition_is_told_that_it_waits(self):
        first, second = self.pair(takeover_s=3600)
        self.go_away()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waits = pool.submit(self.ask, first)
            kit.wait_until(lambda: metric(first, "narrowd_store_writable") == 0)
            for daemon in (first, second):
                status, replayed, problem = self.ask(daemon)
                self.assertEqual((status, replayed, problem["type"]), (409, None, IN_PROGRESS), problem)
            self.assertFalse(waits.done())
            self.server.start()
            status, replayed, job = waits.result()
        self.assertEqual((status, replayed), (201, None))
        self.check(first, job)

    def test_who_left_has_asked_nevertheless(self):
        daemon = self.daemon()
        self.go_away()
        for _ in range(3):  # each of which is gone before the next one comes
            left = http.client.HTTPConnection("127.0.0.1", daemon.port)
            left.request("POST", "/v1/jobs", json.dumps(pool_job()), {"Content-Type": "application/json", **KEY})
            kit.wait_until(lambda: metric(daemon, "narrowd_store_writable") == 0)
            left.close()
            kit.wait_until(lambda: metric(daemon, "narrowd_http_connections") <= 1)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waits = pool.submit(self.ask, daemon)
            kit.wait_until(lambda: waits.done() or metric(daemon, "narrowd_store_queued") > 0)
            self.server.start()
            status, _, answer = waits.result()
        while status == 409:
            self.assertEqual(answer["type"], IN_PROGRESS)
            status, _, answer = self.ask(daemon)
        self.assertEqual(status, 201, answer)
        self.check(daemon, answer)


class Tokens(Daemons):
    def test_a_use_is_what_was_handed_on(self):
        directory = self.directory()
        first = self.daemon("--auth", "always", directory=directory, takeover_s=3600)
        admin, other = new_token(directory, "admin"), new_token(directory, "admin")
        second = self.daemon("--auth", "always")
        kit.wait_until(lambda: second.request("GET", "/readyz", headers=bearer(admin))[0] == 200)

        def used():
            return sorted(token["last_used_at"] is not None for token in
                          first.request("GET", "/v1/tokens", headers=bearer(admin))[2]["items"])

        self.assertEqual(second.request("GET", "/v1/jobs", headers=bearer(other))[0], 200)
        self.assertEqual(second.request("POST", "/v1/jobs", pool_job(), bearer(admin))[0], 201)
        kit.wait_until(lambda: any(used()))
        self.assertEqual(used(), [False, True])
        self.assertEqual(second.request("POST", "/v1/jobs", pool_job(), bearer(other))[0], 201)
        kit.wait_until(lambda: all(used()))


del Daemons  # which is no test of its own

if __name__ == "__main__":
    unittest.main()
