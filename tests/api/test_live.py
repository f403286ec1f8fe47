"""What a job's document says of this moment: what is out, what is waited for, how far its clock is."""

import tempfile
import threading
import time
import unittest

import jobkit
from daemon import PATIENCE_S, Daemon
from jobkit import body, finished, get, submit, wait_until


def measured(question, headers):
    return {"accuracy": 0.9, "latency_ms": 100 - question["trial"]}


class Live(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name, "--evaluator-probe-s=1")
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        self.evaluators = []
        self.open = threading.Event()  # lets evaluators answer what is no baseline
        self.addCleanup(self.open.set)

    def evaluator(self, reply=None):
        def held(question, headers):
            if question["trial"]:
                self.open.wait(PATIENCE_S)
            return measured(question, headers)

        evaluator = jobkit.Evaluator(reply or held)
        self.addCleanup(evaluator.close)
        self.evaluators.append(evaluator)
        return evaluator

    def job(self, evaluator, **more):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 3}
        return submit(self.daemon, body(None, **{
            "evaluator": evaluator, "tuning_criterion": criterion, "confirm": 0, **more}))

    def out(self, job):
        """The one question that is out, which is not the baseline."""
        def check():
            out = get(self.daemon, f"/v1/jobs/{job}")["progress"]["out"]
            sent = any(question["trial"] for e in self.evaluators for _, question, _ in e.calls)
            return out if sent and out and out[0]["trial"] else None

        return wait_until(check)[0]

    def test_a_question_that_is_out(self):
        evaluator = self.evaluator()
        job = self.job({"url": evaluator.url})
        out = self.out(job)
        self.assertEqual((out["trial"], out["kind"], out["attempt"]), (1, "evaluate", 1))
        self.assertEqual(out["evaluator"], evaluator.url)
        self.assertEqual((out["last_error"], out["next_try_at"]), (None, None))
        leased = [e["at"] for e in get(self.daemon, f"/v1/jobs/{job}/events")["items"]
                  if e["type"] == "question_leased" and e["trial"] == 1]
        self.assertEqual([out["since"]], leased)
        self.open.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["progress"]["out"], [])
        self.assertIsNone(document["progress"]["waiting"])
        self.assertEqual(document["clock"], {"active_s": document["budget"]["elapsed_s"],
                                             "running_since": None})

    def test_a_worker_and_a_restart(self):
        job = self.job({"pool": "gpu"})
        out = wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["out"])[0]
        self.assertEqual((out["trial"], out["kind"], out["worker"]), (0, "baseline", None))
        take = {"pool": "gpu", "worker": "w1", "wait_s": 10}
        self.assertEqual(len(self.daemon.request("POST", "/v1/leases", take)[2]["items"]), 1)
        out = get(self.daemon, f"/v1/jobs/{job}")["progress"]["out"][0]
        self.assertEqual((out["worker"], out["attempt"]), ("w1", 1))
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["progress"]["out"], [out])

    def test_a_pool_to_which_nobody_comes(self):
        """It is said from the answer to the submission on, with how a worker is started, of clones as well."""
        def waiting(job):
            return get(self.daemon, f"/v1/jobs/{job}")["progress"]["waiting"]

        target = {"pool": "call-7", "start": "run tune.py again"}
        status, _, first = self.daemon.request("POST", "/v1/jobs", body("http://unused", evaluator=target))
        self.assertEqual((status, first["evaluator"]), (201, target))
        status, _, clone = self.daemon.request("POST", f"/v1/jobs/{first['id']}/clone", {})
        self.assertEqual((status, clone["evaluator"]), (201, target))
        for document in (first, clone):
            said = document["progress"]["waiting"]
            self.assertEqual((said["reason"], said["evaluator"]), ("no_worker", None))
            self.assertEqual(said["detail"], "no worker is there for pool call-7; to start one: run tune.py again")
        self.assertRegex(wait_until(lambda: waiting(first["id"])["since"]), "^20.*Z$")
        other = self.job({"pool": "gpu"})
        self.assertIn("to start one: narrow worker --pool gpu -- COMMAND", waiting(other)["detail"])
        tag = self.daemon.request("GET", f"/v1/jobs/{other}")[1]["etag"]
        self.assertEqual(self.daemon.request("POST", "/v1/leases", {"pool": "gpu", "worker": "w", "max": 1, "wait_s": 20})[0], 200)
        self.assertNotEqual(self.daemon.request("GET", f"/v1/jobs/{other}")[1]["etag"], tag)
        self.assertIsNone(waiting(other))
        self.assertIsNone(waiting(self.job({"pool": "gpu"})), "who came for another job may come for this one")
        self.daemon.request("POST", f"/v1/jobs/{first['id']}/pause")
        self.assertIsNone(waiting(first["id"]))
        for wrong in ({"pool": "x", "start": ""}, {"pool": "x", "start": 7}, {"url": "http://h", "start": "x"}):
            self.assertEqual(self.daemon.request("POST", "/v1/jobs", body("http://unused", evaluator=wrong))[0], 422)

    def test_between_two_attempts(self):
        evaluator = self.evaluator(lambda q, h: (500, {"error": "no axis"}) if q["trial"]
                                   else measured(q, h))
        job = self.job({"url": evaluator.url}, retry={"max_attempts": 9, "backoff_s": 60})
        wait_until(lambda: self.out(job)["next_try_at"])
        out = self.out(job)
        self.assertIn("no axis", out["last_error"])
        self.assertGreater(out["next_try_at"], out["since"])
        path = f"/v1/jobs/{job}/events"  # what is on disk
        wait_until(lambda: "attempt_failed" in [e["type"] for e in get(self.daemon, path)["items"]])
        self.daemon.kill9()
        self.daemon.start()
        self.assertIn("no axis", self.out(job)["last_error"])

    def test_the_clock_moves_and_its_tag_does_not(self):
        evaluator = self.evaluator()
        job = self.job({"url": evaluator.url})
        self.out(job)
        path = f"/v1/jobs/{job}"
        status, headers, first = self.daemon.request("GET", path)
        self.assertTrue(headers["etag"].startswith('W/"'))
        again = wait_until(lambda: (lambda d: d if d["budget"]["elapsed_s"]
                                    > first["budget"]["elapsed_s"] else None)(
                                        get(self.daemon, path)))
        self.assertEqual(again["clock"], first["clock"])
        self.assertIsNotNone(first["clock"]["running_since"])
        self.assertGreater(again["budget"]["elapsed_s"], again["clock"]["active_s"])
        tag = headers["etag"]
        for known in (tag, tag[2:]):
            self.assertEqual(self.daemon.request(
                "GET", path, headers={"If-None-Match": known})[0], 304)
        for cut in (0, 2):
            given = tag[cut:]
            status, changed, _ = self.daemon.request("PATCH", path, {"name": given},
                                                     {"If-Match": given})
            self.assertEqual(status, 200)
            self.assertEqual(self.daemon.request("PATCH", path, {"name": "x"},
                                                 {"If-Match": given})[0], 412)
            tag = changed["etag"]
            self.assertTrue(tag.startswith('W/"'))
        self.daemon.request("POST", path + "/cancel")
        tag = self.daemon.request("GET", path)[1]["etag"]
        self.assertEqual(self.daemon.request("DELETE", path, headers={"If-Match": 'W/"1"'})[0], 412)
        self.assertEqual(self.daemon.request("DELETE", path, headers={"If-Match": tag})[0], 204)

    def test_an_evaluator_that_is_down_is_seen_by_who_watches(self):
        """Also by who watches another of its jobs, of which nothing else changes."""
        state = {"down": False}

        def reply(question, headers):
            if question["trial"] and state["down"]:
                return (404, {"error": "moved"})
            if question["trial"]:
                self.open.wait(PATIENCE_S)
            return measured(question, headers)

        evaluator = self.evaluator(reply)
        target = {"url": evaluator.url, "max_concurrency": 2}
        held = self.job(target)
        self.out(held)
        path = f"/v1/jobs/{held}"
        headers = self.daemon.request("GET", path)[1]
        state["down"] = True
        other = self.job(target)
        document, waits = None, []
        while document is None or document["progress"]["waiting"] is None:
            waits.append(time.monotonic())
            status, headers, document = self.daemon.request("GET", path, headers={
                "If-None-Match": headers["etag"], "Prefer": "wait=25"})
            self.assertEqual(status, 200, "it was not found by the end of the wait")
        self.assertLess(len(waits), 9)
        waiting = document["progress"]["waiting"]
        self.assertEqual((waiting["reason"], waiting["evaluator"]),
                         ("evaluator_down", evaluator.url))
        self.assertIn("moved", waiting["detail"])
        self.assertRegex(waiting["since"], "^20.*Z$")
        self.assertEqual(self.daemon.request("PATCH", path, {"name": "x"},
                                             {"If-Match": headers["etag"]})[0], 200)
        self.assertIsNotNone(get(self.daemon, f"/v1/jobs/{other}")["progress"]["waiting"])
        state["down"] = False
        self.open.set()
        self.assertIsNone(finished(self.daemon, held)["progress"]["waiting"])


if __name__ == "__main__":
    unittest.main()
