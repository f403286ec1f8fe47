"""How full pools are: what autoscalers ask before they start workers."""

import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import get, wait_until
from test_access import bearer, new_token


class Pools(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.tokens = {owner: new_token(temporary.name, "submit", "read", "work", owner=owner) for owner in ("ann", "bob")}
        self.daemon = Daemon(temporary.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def submit(self, owner, pool):
        job = {**jobkit.body("http://unused"), "evaluator": {"pool": pool}}
        status, _, document = self.daemon.request("POST", "/v1/jobs", job, bearer(self.tokens[owner]))
        self.assertEqual(status, 201, document)
        return document["id"]

    def take(self, owner, pool, worker):
        body = {"pool": pool, "worker": worker, "wait_s": 20}
        status, _, taken = self.daemon.request("POST", "/v1/leases", body, bearer(self.tokens[owner]))
        self.assertEqual((status, len(taken["items"])), (200, 1), taken)

    def pool(self, owner, name):
        status, _, pool = self.daemon.request("GET", f"/v1/pools/{name}", headers=bearer(self.tokens[owner]))
        self.assertEqual(status, 200, pool)
        return pool

    def is_seen(self, owner, name, **numbers):
        expected = {"name": name, "waiting": 0, "out": 0, "workers": 0, **numbers}
        wait_until(lambda: self.pool(owner, name) == expected)
        return expected

    def test_questions_and_workers_are_counted(self):
        self.is_seen("ann", "gpu")
        for name in ("x" * 64, "sigopt:job_none"):
            self.is_seen("ann", name)
        for name in ("x" * 65, "%C2%84", "a:b", "sigopt:", "sigopt:sigopt:a"):
            self.assertEqual(self.daemon.request("GET", f"/v1/pools/{name}", headers=bearer(self.tokens["ann"]))[0], 404, name)
        self.assertEqual(get(self.daemon, "/v1/pools"), {"items": [], "next": None})
        jobs = [self.submit("ann", "gpu") for _ in range(3)]
        self.is_seen("ann", "gpu", waiting=3)
        self.take("ann", "gpu", "one")
        self.take("ann", "gpu", "two")
        anns = self.is_seen("ann", "gpu", waiting=1, out=2, workers=2)
        self.is_seen("bob", "gpu")
        self.submit("bob", "gpu")
        cpu = self.submit("bob", "cpu")
        self.is_seen("bob", "gpu", waiting=1)
        everybody = [{"name": "cpu", "waiting": 1, "out": 0, "workers": 0}, {**anns, "waiting": 2}]
        wait_until(lambda: get(self.daemon, "/v1/pools")["items"] == everybody)
        status, _, own = self.daemon.request("GET", "/v1/pools", headers=bearer(self.tokens["ann"]))
        self.assertEqual((status, own["items"]), (200, [anns]))
        self.daemon.request("POST", f"/v1/jobs/{cpu}/cancel", {})
        self.is_seen("bob", "cpu")
        for job in jobs:
            self.daemon.request("POST", f"/v1/jobs/{job}/cancel", {})
        self.is_seen("ann", "gpu", workers=2)


if __name__ == "__main__":
    unittest.main()
