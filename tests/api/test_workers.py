"""Workers that come for questions: leases, what becomes of them, and who gets which."""

import http.client
import json
import tempfile
import threading
import time
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S

TTL_S = 5  # the shortest there is


def pool_body(pool="gpu", **more):
    return body(None, **{"evaluator": {"pool": pool}, **more})


def busy_body(parallel):
    """As many questions at once as there may be."""
    criterion = {"strategy": "exhaustive", "stop_on": "budget"}
    return pool_body(parallel=parallel, tuning_criterion=criterion)


class PullCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def killed_and_started(self):
        self.daemon.kill9()
        self.daemon.start()

    def take(self, worker="w1", pool="gpu", expected=200, **more):
        request = {"pool": pool, "worker": worker, "wait_s": 10, **more}
        status, _, answer = self.daemon.request("POST", "/v1/leases", request)
        self.assertEqual(status, expected, answer)
        return answer["items"] if status == 200 else answer

    def one(self, worker="w1", **more):
        items = wait_until(lambda: self.take(worker, **more))
        self.assertEqual(len(items), 1)
        return items[0]

    def complete(self, question, answer=None, expected=200):
        path = f"/v1/leases/{question['lease']}/complete"
        answer = answer or jobkit.crash_model.answer(question)
        status, _, document = self.daemon.request("POST", path, answer)
        self.assertEqual(status, expected, document)

    def beat(self, question, expected=200):
        path = f"/v1/leases/{question['lease']}/heartbeat"
        status, _, answer = self.daemon.request("POST", path, {})
        self.assertEqual(status, expected, answer)
        return answer

    def work(self, job, name="w1", pool="gpu"):
        """A worker that answers all there is until the job has ended. Returns what it was asked."""
        asked = []
        while get(self.daemon, f"/v1/jobs/{job}")["exit"] is None:
            for question in self.take(name, pool, wait_s=0.2):
                asked.append(question)
                self.complete(question)
        return asked

    def waiting(self, job):
        """How many questions are out, None when the job has ended."""
        document = get(self.daemon, f"/v1/jobs/{job}")
        return None if document["exit"] else document["progress"]["running"]

    def events(self, job):
        return everything(self.daemon, f"/v1/jobs/{job}/events")


class Pull(PullCase):
    def test_a_job_is_what_it_is_with_an_evaluator(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        pushed = finished(self.daemon, submit(self.daemon, body(evaluator.url)))
        job = submit(self.daemon, pool_body())
        asked = self.work(job)
        pulled = finished(self.daemon, job)
        self.assertEqual([q["config"] for q in asked], [c[1]["config"] for c in evaluator.calls])
        for member in ("state", "exit", "best", "baseline", "progress"):
            self.assertEqual(pulled[member], pushed[member])
        self.assertEqual(pulled["evaluator"], {"pool": "gpu"})
        pushed_document = evaluator.calls[1][1]
        self.assertEqual(set(asked[1]), set(pushed_document), "the same document")
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/1")
        self.assertEqual((trial["worker"], trial["attempts"]), ("w1", 1))

    def test_many_at_once(self):
        job = submit(self.daemon, busy_body(4))
        self.complete(self.one())
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["running"] == 4)
        items = self.take(max=3)
        self.assertEqual([q["trial"] for q in items], [1, 2, 3])
        self.assertEqual(len({q["lease"] for q in items}), 3)
        self.assertEqual([q["trial"] for q in self.take(max=64)], [4])

    def test_waiting(self):
        self.assertEqual(self.take(wait_s=0), [])
        before = time.monotonic()
        self.assertEqual(self.take(wait_s=0.5), [])
        self.assertGreaterEqual(time.monotonic() - before, 0.5)
        got = []
        waiting = threading.Thread(target=lambda: got.extend(self.take(wait_s=20)))
        waiting.start()
        self.assertEqual(self.take("other", "cpu", wait_s=0), [])
        job = submit(self.daemon, pool_body())
        waiting.join(PATIENCE_S)
        self.assertEqual([q["job"] for q in got], [job])

    def test_who_left_while_waiting_gets_nothing(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port)
        request = json.dumps({"pool": "gpu", "worker": "gone", "wait_s": 20})
        connection.request("POST", "/v1/leases", request, {"Content-Type": "application/json"})
        wait_until(lambda: get(self.daemon, "/v1/workers")["items"])
        connection.close()
        submit(self.daemon, pool_body(retry={"max_attempts": 1, "backoff_s": 0.01}))
        question = self.one("w1")
        self.assertEqual((question["question"], question["attempt"]), ("baseline", 1))

    def test_a_worker_that_dies_is_noticed(self):
        job = submit(self.daemon, pool_body())
        lost = self.one("dead", ttl_s=TTL_S)
        before = time.monotonic()
        again = self.one("alive", wait_s=TTL_S + 1)
        self.assertGreaterEqual(time.monotonic() - before, TTL_S - 1)
        self.assertEqual((again["trial"], again["attempt"]), (lost["trial"], 2))
        self.assertNotEqual(again["lease"], lost["lease"])
        self.complete(lost, expected=410)
        self.complete(lost, expected=410)
        self.beat(lost, expected=410)
        self.complete(again)
        self.work(job)
        document = finished(self.daemon, job)
        self.assertEqual(document["state"], "completed")
        notes = [e for e in self.events(job) if e["type"] == "late_answer"]
        self.assertEqual(len(notes), 1, "one note, however often it is sent")
        self.assertEqual(notes[0]["data"]["answer"], jobkit.crash_model.answer(lost))
        told = [e["trial"] for e in self.events(job) if e["type"] == "trial_told"]
        self.assertEqual(len(told), len(set(told)))
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/trials/0")["worker"], "alive")

    def test_a_heartbeat_keeps_it(self):
        submit(self.daemon, pool_body())
        question = self.one(ttl_s=TTL_S)
        ends = {question["expires_at"]}
        for _ in range(4):
            time.sleep(TTL_S / 3)
            answer = self.beat(question)
            self.assertTrue(answer["continue"])
            ends.add(answer["expires_at"])
        self.assertEqual(len(ends), 5)
        self.complete(question)

    def test_attempts_are_limited(self):
        """A config that kills its workers does not do so for ever."""
        job = submit(self.daemon, pool_body(retry={"max_attempts": 2, "backoff_s": 0.01}))
        self.complete(self.one())
        first = self.one(ttl_s=TTL_S)
        self.assertEqual(self.one(ttl_s=TTL_S)["attempt"], 2)
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}/trials/1")["state"] == "failed")
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/{first['trial']}")
        self.assertIn("lease", trial["error"])
        self.assertEqual(self.one()["trial"], 2)

    def test_failures(self):
        job = submit(self.daemon, pool_body())
        self.complete(self.one())
        self.complete(self.one(), {"failed": True, "error": "no memory", "retryable": True})
        again = self.one()
        self.assertEqual((again["trial"], again["attempt"]), (1, 2))
        self.complete(again, {"accuracy": "high"}, expected=422)
        self.beat(again)
        self.complete(again, {"failed": True, "error": "no kernel", "retryable": False})
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/1")
        self.assertEqual((trial["state"], trial["error"]), ("failed", "no kernel"))

    def test_a_pause(self):
        job = submit(self.daemon, pool_body())
        held = self.one()
        self.daemon.request("POST", f"/v1/jobs/{job}/pause")
        self.complete(held)
        self.assertEqual(self.take(wait_s=0.2), [])
        self.daemon.request("POST", f"/v1/jobs/{job}/resume")
        question = self.one()
        self.assertEqual(question["trial"], 1)
        self.daemon.request("POST", f"/v1/jobs/{job}/pause")
        self.complete(question, {"failed": True, "error": "away", "retryable": True})
        self.assertEqual(self.take(wait_s=0.2), [], "not again while it is paused")
        self.killed_and_started()
        self.assertEqual(self.take(wait_s=0.2), [], "nor after a restart")
        self.daemon.request("POST", f"/v1/jobs/{job}/resume")
        self.assertEqual(self.one()["trial"], 1)

    def test_an_ended_job(self):
        job = submit(self.daemon, pool_body())
        question = self.one()
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        finished(self.daemon, job)
        wait_until(lambda: self.daemon.request("POST", f"/v1/leases/{question['lease']}/heartbeat")[0]
                   == 410)
        self.complete(question, expected=410)
        self.assertEqual(self.take(wait_s=0), [])

    def test_the_same_request_again(self):
        submit(self.daemon, busy_body(4))
        self.complete(self.one())
        request = {"pool": "gpu", "worker": "w1", "max": 2, "wait_s": 10}
        answers = []
        for _ in range(2):
            answers.append(self.daemon.request("POST", "/v1/leases", request,
                                               {"Idempotency-Key": "mine"}))
        (status, _, first), (again, headers, second) = answers
        self.assertEqual((status, again, headers["Idempotency-Replayed"]), (200, 200, "true"))
        self.assertEqual(first, second)
        self.complete(first["items"][0])

    def test_the_last_answer_again(self):
        """Under its key an answer that counted has counted, though the job has ended over it."""
        job = submit(self.daemon, pool_body(confirm=0))
        while True:
            question = self.one()
            answer = jobkit.crash_model.answer(question)
            path = f"/v1/leases/{question['lease']}/complete"
            key = {"Idempotency-Key": question["lease"]}
            first = self.daemon.request("POST", path, answer, key)
            self.assertEqual(first[0], 200)
            wait_until(lambda: self.waiting(job) != 0)
            if self.waiting(job) is None:
                break
        for _ in range(2):
            status, headers, document = self.daemon.request("POST", path, answer, key)
            self.assertEqual((status, document), (200, first[2]))
            self.assertEqual(headers["Idempotency-Replayed"], "true")
            self.killed_and_started()

    def test_jobs_take_turns(self):
        jobs = [submit(self.daemon, busy_body(8)) for _ in range(3)]
        for question in self.take(max=3):
            self.complete(question)
        for job in jobs:
            wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["running"] == 8)
        order = [self.one()["job"] for _ in range(12)]
        for i in range(0, 12, 3):
            self.assertEqual(set(order[i:i + 3]), set(jobs))

    def test_workers(self):
        self.assertEqual(get(self.daemon, "/v1/workers"), {"items": [], "next": None})
        job = submit(self.daemon, pool_body())
        self.complete(self.one("b"))
        held = self.one("b")
        self.take("a", wait_s=0)
        items = get(self.daemon, "/v1/workers")["items"]
        self.assertEqual([(w["pool"], w["name"]) for w in items], [("gpu", "a"), ("gpu", "b")])
        self.assertEqual([w["answers"] for w in items], [0, 1])
        self.assertEqual(items[1]["trials_per_hour"], 1)
        lease = {"lease": held["lease"], "job": job, "trial": 1, "expires_at": held["expires_at"]}
        self.assertEqual([w["leases"] for w in items], [[], [lease]])

    def test_faults(self):
        for request, pointer in (
            ({"worker": "w"}, "/pool"),
            ({"pool": "gpu"}, "/worker"),
            ({"pool": "a b", "worker": "w"}, "/pool"),
            ({"pool": "", "worker": "w"}, "/pool"),
            ({"pool": "x" * 65, "worker": "w"}, "/pool"),
            ({"pool": "gpu", "worker": 1}, "/worker"),
            ({"pool": "gpu", "worker": "w", "max": 0}, "/max"),
            ({"pool": "gpu", "worker": "w", "max": 65}, "/max"),
            ({"pool": "gpu", "worker": "w", "wait_s": 26}, "/wait_s"),
            ({"pool": "gpu", "worker": "w", "ttl_s": 4}, "/ttl_s"),
            ({"pool": "gpu", "worker": "w", "ttl_s": 3601}, "/ttl_s"),
            ({"pool": "gpu", "worker": "w", "job": "job_1"}, "/job"),
        ):
            status, _, problem = self.daemon.request("POST", "/v1/leases", request)
            self.assertEqual(status, 422, request)
            self.assertEqual([e["pointer"] for e in problem["errors"]], [pointer], request)

    def test_faults_of_jobs(self):
        job = pool_body()
        del job["capability"]
        for job, pointer in (
            (job, "/capability"),
            (pool_body("a/b"), "/evaluator/pool"),
            (pool_body(evaluator={"pool": "gpu", "url": "http://127.0.0.1:9000"}), "/evaluator/url"),
        ):
            status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
            self.assertEqual(status, 422)
            self.assertEqual([e["pointer"] for e in problem["errors"]], [pointer])


class Restarts(PullCase):
    def test_a_lease_survives_a_kill(self):
        job = submit(self.daemon, pool_body())
        question = self.one()
        self.killed_and_started()
        self.assertEqual(self.take(wait_s=0.2), [], "somebody has it")
        self.beat(question)
        self.complete(question)
        self.complete(question)
        self.complete(question, {"accuracy": 0.1, "latency_ms": 1}, expected=409)
        self.killed_and_started()
        self.complete(question)
        self.work(job)
        self.assertEqual(finished(self.daemon, job)["state"], "completed")

    def test_it_ends_after_a_kill(self):
        submit(self.daemon, pool_body())
        lost = self.one(ttl_s=TTL_S)
        self.killed_and_started()
        again = self.one(wait_s=TTL_S + 1)
        self.assertEqual((again["trial"], again["attempt"]), (lost["trial"], 2))
        self.killed_and_started()
        self.complete(lost, expected=410)
        self.complete(again)

    def test_what_waits_is_there_after_a_kill(self):
        job = submit(self.daemon, busy_body(3))
        self.complete(self.one())
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["running"] == 3)
        self.killed_and_started()
        self.assertEqual([q["trial"] for q in self.take(max=8)], [1, 2, 3])

    def test_a_stop_does_not_wait_for_workers(self):
        submit(self.daemon, pool_body())
        question = self.one()
        waiting = threading.Thread(target=self.take, args=("w2",), kwargs={"wait_s": 25})
        waiting.start()
        wait_until(lambda: len(get(self.daemon, "/v1/workers")["items"]) == 2)
        self.daemon.restart()
        waiting.join(PATIENCE_S)
        self.assertFalse(waiting.is_alive())
        self.complete(question)

    def test_decisions_do_not_depend_on_kills(self):
        asked = []
        for kills in (False, True):
            job = submit(self.daemon, pool_body(parallel=3))
            configs = {}
            while get(self.daemon, f"/v1/jobs/{job}")["exit"] is None:
                for question in self.take(max=2, wait_s=0.2):
                    configs[question["trial"]] = question["config"]
                    self.complete(question)
                    if kills and question["trial"] % 3 == 0:
                        self.killed_and_started()
            asked.append(configs)
        self.assertGreater(len(asked[0]), 5)
        self.assertEqual(asked[0], asked[1])


class Rounds(PullCase):
    """A round of the end game is one worker's, for two workers differ in more than noise."""

    def setUp(self):
        super().setUp()
        self.daemon.arguments += (f"--lease-ttl-s={TTL_S}",)
        self.daemon.restart()

    def round_begun(self, worker):
        """The job, whose round's first question this worker has answered."""
        job = submit(self.daemon, pool_body())
        question = self.one(worker)
        while question["kind"] != "confirm":
            self.complete(question)
            question = self.one(worker)
        self.complete(question)
        return job

    def test_who_began_it_goes_on(self):
        job = self.round_begun("first")
        self.assertEqual(self.take("other", wait_s=0), [])
        question = self.one("first")
        self.assertEqual(question["kind"], "confirm")
        self.complete(question)
        self.work(job, "other")
        told = everything(self.daemon, f"/v1/jobs/{job}/trials")
        workers = {t["worker"] for t in told if t["kind"] == "confirm"}
        self.assertEqual(workers, {"first"}, "an exact evaluator: one round")

    def test_who_is_gone_is_not_waited_for_longer_than_a_lease(self):
        self.round_begun("first")
        before = time.monotonic()
        self.assertEqual(self.one("other", wait_s=4 * TTL_S)["kind"], "confirm")
        self.assertGreaterEqual(time.monotonic() - before, TTL_S - 1)

    def test_who_said_that_it_cannot_is_not_waited_for(self):
        self.round_begun("first")
        path = f"/v1/leases/{self.one('first')['lease']}/return"
        status, _, answer = self.daemon.request("POST", path, {"reason": "cannot"})
        self.assertEqual(status, 200, answer)
        self.assertEqual(len(self.take("other", wait_s=0)), 1)

    def test_a_restart_keeps_it(self):
        self.round_begun("first")
        self.killed_and_started()
        self.assertEqual(self.take("other", wait_s=0), [])
        self.complete(self.one("first"))


if __name__ == "__main__":
    unittest.main()
