"""What one owner of several may take of a daemon, and in whose turn."""

import tempfile
import unittest

import jobkit
from daemon import Daemon
from test_access import bearer, new_token


class Quotas(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name
        self.tokens = {owner: new_token(self.directory, "submit", "read", "work", owner=owner) for owner in ("ann", "bob")}

    def submit(self, daemon, owner, path="/v1/jobs", **more):
        body = {**jobkit.body("http://unused", **more), "evaluator": {"pool": "gpu"}}
        return daemon.request("POST", path, body, bearer(self.tokens[owner]))

    def refused(self, daemon, owner, words, **more):
        status, sent, answer = self.submit(daemon, owner, **more)
        self.assertEqual((status, answer["type"]), (429, "urn:narrowd:problem:too_many_requests"), answer)
        self.assertIn(words, answer["detail"])
        self.assertGreater(int(sent["Retry-After"]), 0)

    def test_whom_jobs_may_ask_by_the_policy_registered(self):
        admin = new_token(self.directory, "admin")
        with Daemon(self.directory, "--evaluator-policy=registered", "--evaluator-allow=127.0.0.0/8:9001") as daemon:
            def made(token, **more):
                return daemon.request("POST", "/v1/evaluators", {"url": "http://127.0.0.1:9001", **more}, bearer(token))[2]["id"]

            def fault(evaluator):
                body = {**jobkit.body("http://unused"), "evaluator": evaluator}
                status, _, answer = daemon.request("POST", "/v1/spaces", body, bearer(self.tokens["ann"]))
                return status == 422 and [fault["detail"] for fault in answer["errors"]]

            self.assertIn("only registered evaluators", fault({"url": "http://127.0.0.1:9001"})[0])
            self.assertIn("that an admin shares", fault({"id": made(self.tokens["ann"])})[0])
            self.assertEqual(fault({"id": made(admin, shared=True)}), False)
            self.assertEqual(fault({"pool": "gpu"}), False)

    def test_open_jobs(self):
        with Daemon(self.directory, "--quota-open-jobs=2") as daemon:
            first = [self.submit(daemon, "ann")[2]["id"] for _ in range(2)][0]
            for _ in range(2):
                self.refused(daemon, "ann", "2 jobs of this owner are open")
                self.assertEqual(self.submit(daemon, "ann", "/v1/spaces")[0], 200, "trying opens none")
                daemon.restart()
            self.assertEqual(self.submit(daemon, "bob")[0], 201)
            for _ in range(3):  # admins have no quota
                self.assertEqual(daemon.request("POST", "/v1/jobs", {**jobkit.body("http://unused"), "evaluator": {"pool": "x"}})[0], 201)
            daemon.request("POST", f"/v1/jobs/{first}/cancel", {}, bearer(self.tokens["ann"]))
            self.assertEqual(self.submit(daemon, "ann")[0], 201)

    def test_bytes_of_open_jobs(self):
        with Daemon(self.directory, "--quota-open-bytes=20000") as daemon:
            self.assertEqual(self.submit(daemon, "ann", operators=40)[0], 201)
            self.refused(daemon, "ann", "bytes", operators=2000)
            self.assertEqual(self.submit(daemon, "bob", operators=40)[0], 201)

    def test_scores_that_a_job_is_told_are_bytes_of_it(self):
        """Also behind a restart, and until the job ends. Of strategies that make no use of them, too: they are kept as well."""
        report = {"scores": {f"op{i}": [{"when": {"mode": "static"}, "score": i}] * 35 for i in range(40)}}

        def told(owner, job):
            return daemon.request("POST", f"/v1/jobs/{job}/scores", report, bearer(self.tokens[owner]))

        with Daemon(self.directory, "--quota-open-bytes=100000") as daemon:
            for criterion in ({"strategy": "sgp"}, {"strategy": "basic"}):
                job = self.submit(daemon, "ann", operators=40, tuning_criterion=criterion)[2]["id"]
                self.assertEqual(told("ann", job)[0], 200)
                for _ in range(2):
                    status, sent, answer = told("ann", job)
                    self.assertEqual((status, answer["type"]), (429, "urn:narrowd:problem:too_many_requests"), answer)
                    self.assertIn("bytes, at most 100000: wait for one to end", answer["detail"])
                    self.assertGreater(int(sent["Retry-After"]), 0)
                    self.refused(daemon, "ann", "bytes", operators=1200)
                    daemon.restart()
                    jobkit.wait_until(lambda job=job: daemon.request("GET", f"/v1/jobs/{job}")[0] == 200)
                other = self.submit(daemon, "bob", operators=40)[2]["id"]
                self.assertEqual(told("bob", other)[0], 200)
                self.assertEqual(daemon.request("POST", f"/v1/jobs/{job}/scores", report)[0], 200, "admins have no quota")
                for owner, ended in (("ann", job), ("bob", other)):
                    self.assertEqual(daemon.request("POST", f"/v1/jobs/{ended}/cancel", {}, bearer(self.tokens[owner]))[0], 200)

    def test_submissions_a_second(self):
        with Daemon(self.directory, "--quota-submits-per-s=1") as daemon:
            self.assertEqual([self.submit(daemon, "ann", "/v1/spaces")[0] for _ in range(5)], [200] * 5)
            empty = ("POST", "/v1/spaces", {}, bearer(self.tokens["ann"]))
            jobkit.wait_until(lambda: daemon.request(*empty)[0] == 429)
            self.assertEqual(self.submit(daemon, "bob")[0], 201)

    def test_questions_a_day(self):
        with Daemon(self.directory, "--quota-trials-per-day=1") as daemon:
            self.assertEqual(self.submit(daemon, "ann")[0], 201)
            ask = {"pool": "gpu", "worker": "w", "wait_s": 20}
            taken = daemon.request("POST", "/v1/leases", ask, bearer(self.tokens["ann"]))[2]["items"]
            self.assertEqual(len(taken), 1)
            self.refused(daemon, "ann", "within 24 hours")
            self.assertEqual(self.submit(daemon, "bob")[0], 201)

    def test_turns_go_around_by_owner(self):
        with Daemon(self.directory) as daemon:
            jobs = {self.submit(daemon, owner)[2]["id"]: owner for owner in ("ann",) * 8 + ("bob",)}
            jobkit.wait_until(lambda: sum(len(daemon.request("GET", f"/v1/jobs/{job}")[2]["progress"]["out"]) for job in jobs) == 9)
            ask = {"pool": "gpu", "worker": "w", "max": 4}
            taken = daemon.request("POST", "/v1/leases", ask)[2]["items"]
            self.assertIn("bob", [jobs[item["job"]] for item in taken[:2]])


if __name__ == "__main__":
    unittest.main()
