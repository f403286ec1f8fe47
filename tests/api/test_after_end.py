"""What clients may still do, and are told, when a job has ended; and what is best before it has."""

import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit, wait_until
from test_workers import PullCase, pool_body


class EndCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def evaluator(self, reply):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def ask(self, method, path, expected=200, body=None, **headers):
        status, sent, document = self.daemon.request(method, path, body, headers)
        self.assertEqual(status, expected, document)
        return sent, document

    def best(self, job, expected=200):
        return self.ask("GET", f"/v1/jobs/{job}/best", expected)[1]


def failing(question, headers):
    if question["question"] == "baseline":
        return {"accuracy": 0.9, "latency_ms": 100}
    return {"failed": True, "error": "no kernel for op1", "retryable": False}


class Best(EndCase):
    def keeps(self, best, because):
        self.assertEqual((best["keep_baseline"], best["keep_baseline_because"]), (True, because))

    def is_baseline(self, best):
        self.keeps(best, "nothing_measured")
        self.assertEqual((best["trial"], best["accuracy"], best["objective_value"]), (0, 0.9, 100))
        self.assertEqual((best["feasible"], best["accuracy_loss"], best["nearest"]), (True, 0, None))
        self.assertEqual({op["mode"] for op in best["config"]["ops"].values()}, {"fp32"})
        self.assertEqual(best["metrics"], {"latency_ms": 100})

    def test_from_the_baseline_on(self):
        baseline, config = threading.Event(), threading.Event()
        self.addCleanup(baseline.set)
        self.addCleanup(config.set)

        def reply(question, headers):
            (baseline if question["question"] == "baseline" else config).wait()
            return {"accuracy": 0.9, "latency_ms": 100 if question["question"] == "baseline" else 50}

        job = submit(self.daemon, body(self.evaluator(reply).url, confirm=0))
        self.assertIn("baseline has not been measured", self.best(job, 409)["detail"])
        self.ask("GET", f"/v1/jobs/{job}/export?format=inc", 409)
        baseline.set()
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["baseline"])
        self.is_baseline(self.best(job))
        _, export = self.ask("GET", f"/v1/jobs/{job}/export")
        self.assertEqual(export["best"], self.best(job))
        _, inc = self.ask("GET", f"/v1/jobs/{job}/export?format=inc")
        self.assertEqual({op["weight"]["dtype"] for op in inc["op"].values()}, {"fp32"})
        config.set()
        finished(self.daemon, job)
        best = self.best(job)
        self.assertEqual((best["keep_baseline"], best["keep_baseline_because"]), (False, None))
        self.assertEqual(best["trial"], 1)

    def test_every_config_failed(self):
        for rules, reason, criterion in (
            (2, "max_trials", {"strategy": "random", "max_trials": 3}),
            (2, "space_exhausted", {"strategy": "conservative", "max_trials": 100000}),
            (1, "max_trials", {"strategy": "random", "max_trials": 3}),
        ):
            with self.subTest(reason, rules=rules):
                evaluator = self.evaluator(failing)
                spec = body(evaluator.url, tuning_criterion=criterion, rules=rules)
                job = submit(self.daemon, spec)
                document = finished(self.daemon, job)
                self.assertEqual(document["state"], "failed" if rules == 2 else "completed")
                self.assertEqual(document["exit"]["reason"], reason)
                self.assertIn("no kernel for op1", document["exit"]["detail"])
                self.is_baseline(self.best(job))

    def test_no_baseline(self):
        evaluator = self.evaluator(lambda question, headers: (400, {}))
        job = submit(self.daemon, body(evaluator.url))
        finished(self.daemon, job)
        self.assertIn("baseline was never measured", self.best(job, 409)["detail"])

    def test_several_objectives(self):
        evaluator = self.evaluator(failing)
        objective = [{"metric": "latency_ms", "weight": 0.5}, {"metric": "accuracy", "weight": 0.5}]
        criterion = {"strategy": "random", "max_trials": 1, "objective": objective}
        job = submit(self.daemon, body(evaluator.url, tuning_criterion=criterion))
        finished(self.daemon, job)
        self.keeps(self.best(job), "nothing_measured")

    def test_why_the_baseline_is_kept(self):
        for answer, because, feasible in (
            ({"accuracy": 0.1, "latency_ms": 50}, "criterion_missed", False),
            ({"accuracy": 0.9, "latency_ms": 100}, "no_gain", True),
        ):
            with self.subTest(because):
                def reply(question, headers):
                    return failing(question, headers) if question["trial"] == 0 else answer

                evaluator = self.evaluator(reply)
                criterion = {"strategy": "random", "max_trials": 2, "stop_on": "budget"}
                job = body(evaluator.url, tuning_criterion=criterion, confirm=0)
                job = submit(self.daemon, job)
                finished(self.daemon, job)
                best = self.best(job)
                self.keeps(best, because)
                self.assertEqual(best["feasible"], feasible)
                self.assertEqual(best["nearest"] is None, feasible)


class Cancel(PullCase):
    def control(self, job, action):
        status, sent, document = self.daemon.request("POST", f"/v1/jobs/{job}/{action}")
        return status, document, sent["ETag"]

    def test_what_has_ended_is_answered_as_it_is(self):
        ends = {
            "completed": body(None, evaluator={"pool": "gpu"}, confirm=0),
            "failed": pool_body(retry={"max_attempts": 1}),
            "cancelled": pool_body(),
        }
        for state, spec in ends.items():
            with self.subTest(state):
                job = submit(self.daemon, spec)
                if state == "completed":
                    self.work(job)
                elif state == "failed":
                    self.complete(self.one(), {"failed": True, "error": "no", "retryable": False})
                else:
                    self.control(job, "cancel")
                document = finished(self.daemon, job)
                self.assertEqual(document["state"], state)
                for _ in range(2):
                    status, answer, tag = self.control(job, "cancel")
                    self.assertEqual((status, answer), (200, document))
                    self.assertIsNotNone(tag)
                key = {"Idempotency-Key": state}
                for replayed in (None, "true"):
                    status, sent, answer = self.daemon.request(
                        "POST", f"/v1/jobs/{job}/cancel", None, key)
                    self.assertEqual((status, answer), (200, document))
                    self.assertEqual(sent["Idempotency-Replayed"], replayed)
                for action in ("pause", "resume"):
                    status, problem, _ = self.control(job, action)
                    self.assertEqual(status, 409)
                    self.assertIn(state, problem["detail"])

    def test_racing_with_the_end(self):
        for _ in range(20):
            spec = pool_body(confirm=0, tuning_criterion={"strategy": "random", "max_trials": 1})
            job = submit(self.daemon, spec)
            self.complete(self.one())
            last = self.one()
            answers = []
            cancels = [
                threading.Thread(target=lambda: answers.append(self.control(job, "cancel")[0]))
                for _ in range(3)
            ]
            for i, thread in enumerate(cancels):
                thread.start()
                if i == 0:
                    self.daemon.request("POST", f"/v1/leases/{last['lease']}/complete",
                                        {"accuracy": 0.9, "latency_ms": 1})
            for thread in cancels:
                thread.join()
            self.assertEqual(answers, [200] * 3)
            self.assertIsNotNone(finished(self.daemon, job)["exit"])


class Edit(EndCase):
    def ended(self, **more):
        evaluator = self.evaluator(None)
        job = submit(self.daemon, body(evaluator.url, name="first", labels={"a": "1"}, **more))
        finished(self.daemon, job)
        return f"/v1/jobs/{job}"

    def test_name_and_labels_of_an_ended_job(self):
        path = self.ended()
        sent, before = self.ask("GET", path)
        for _ in range(2):  # the second one is answered from memory
            self.ask("GET", path, 304, **{"If-None-Match": sent["ETag"]})
        edited, document = self.ask("PATCH", path, body={"name": "second"})
        self.assertEqual(document, {**before, "name": "second"})
        self.assertNotEqual(edited["ETag"], sent["ETag"])
        again, now = self.ask("GET", path, **{"If-None-Match": sent["ETag"]})
        self.assertEqual((now, again["ETag"]), (document, edited["ETag"]))
        _, document = self.ask("PATCH", path, body={"labels": {"b": "2"}, "max_trials": None})
        self.assertEqual((document["name"], document["labels"]), ("second", {"b": "2"}))
        self.assertEqual(get(self.daemon, "/v1/jobs?label.b=2")["items"], [document])
        self.assertEqual(get(self.daemon, "/v1/jobs?name=first")["items"], [])
        events = get(self.daemon, path + "/events?limit=1000")["items"]
        self.assertEqual([e["type"] for e in events[-2:]], ["job_edited"] * 2)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(get(self.daemon, path), document)
        _, clone = self.ask("POST", path + "/clone", 201)
        self.assertEqual(clone["name"], "first (2)", "a clone takes the spec as it was submitted, and a name of its own")

    def test_what_is_refused(self):
        path = self.ended()
        sent, before = self.ask("GET", path)
        for edits in ({"parallel": 2}, {"max_trials": 9}, {"timeout": 1}, {"name": "x", "timeout": 1}):
            problem = self.ask("PATCH", path, 409, edits)[1]
            self.assertIn("is completed", problem["detail"])
            self.assertIn("only name and labels can be changed", problem["detail"])
        for edits in ({"name": 1}, {"labels": []}, {"seed": 1}, {"name": "x", "parallel": 0}):
            self.ask("PATCH", path, 422, edits)
        self.ask("PATCH", path, 412, {"name": "x"}, **{"If-Match": '"1"'})
        self.assertEqual(self.ask("GET", path)[1], before)
        self.ask("PATCH", path, 200, {"name": "x"}, **{"If-Match": sent["ETag"]})
        self.ask("PATCH", path, 412, {"name": "y"}, **{"If-Match": sent["ETag"]})
        self.ask("DELETE", path, 204)
        self.ask("PATCH", path, 404, {"name": "x"})

    def test_many_at_once(self):
        """Each reads the log, and one of them is quicker."""
        path = self.ended()
        sent, before = self.ask("GET", path)
        answers = []
        edits = [
            threading.Thread(target=lambda i=i: answers.append(self.daemon.request(
                "PATCH", path, {"labels": {"i": str(i)}}, {"If-Match": sent["ETag"]} if i < 2 else {})[0]))
            for i in range(6)
        ]
        for thread in edits:
            thread.start()
        for thread in edits:
            thread.join()
        self.assertLessEqual(answers.count(412), 2)
        self.assertGreaterEqual(answers.count(412), 1, "two rest on the same version")
        self.assertEqual(answers.count(200) + answers.count(412), 6)
        events = get(self.daemon, path + "/events?limit=1000")["items"]
        self.assertEqual([e["type"] for e in events].count("job_edited"), answers.count(200))

    def test_whatever_the_end_was(self):
        for answer, state in (({"failed": True, "error": "e", "retryable": False}, "failed"), (None, "cancelled")):
            with self.subTest(state):
                gate = threading.Event()
                self.addCleanup(gate.set)
                evaluator = self.evaluator(lambda q, h: answer or gate.wait() or answer)
                job = submit(self.daemon, body(evaluator.url, retry={"max_attempts": 1}))
                if answer is None:
                    self.ask("POST", f"/v1/jobs/{job}/cancel")
                self.assertEqual(finished(self.daemon, job)["state"], state)
                _, document = self.ask("PATCH", f"/v1/jobs/{job}", body={"name": "kept"})
                self.assertEqual((document["state"], document["name"]), (state, "kept"))


class Again(PullCase):
    """Answers that are sent again: their own answer was lost, or somebody repeats himself."""

    ENDS = {
        "the job goes on": {"stop_on": "budget", "max_trials": 9},
        "ends the job": {"max_trials": 1},
    }
    MEASURED = {"accuracy": 0.7, "latency_ms": 1}
    FAILED = {"failed": True, "error": "no kernel", "retryable": False}

    def answered(self, criterion, answer):
        job = submit(self.daemon, pool_body(confirm=0, tuning_criterion={
            "strategy": "random", **criterion}))
        self.complete(self.one(), self.MEASURED)
        question = self.one()
        self.complete(question, answer)
        return job, question

    def same_and_other(self, question, answer):
        turned = dict(reversed(answer.items()))
        for _ in range(2):
            self.complete(question, answer)
            self.complete(question, turned)
            self.complete(question, {"accuracy": 0.1, "latency_ms": 1}, expected=409)
            self.complete(question, {**self.FAILED, "error": "other"}, expected=409)
        self.beat(question, expected=410)

    def test_the_same_counts_and_another_does_not(self):
        for answer in (self.MEASURED, self.FAILED):
            for title, criterion in self.ENDS.items():
                with self.subTest(title, **answer):
                    job, question = self.answered(criterion, answer)
                    self.same_and_other(question, answer)
                    before = get(self.daemon, f"/v1/jobs/{job}/trials")
                    self.killed_and_started()
                    self.same_and_other(question, answer)
                    self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/trials"), before)
                    self.assertNotIn("late_answer", [e["type"] for e in self.events(job)])
                    self.daemon.request("POST", f"/v1/jobs/{job}/cancel")

    def test_an_attempt_that_failed(self):
        """The question went on to somebody else; the first one's answer was heard all the same."""
        submit(self.daemon, pool_body(retry={"max_attempts": 3, "backoff_s": 0.01}))
        self.complete(self.one(), self.MEASURED)
        question, answer = self.one(), {**self.FAILED, "retryable": True}
        self.complete(question, answer)
        second = self.one("w2")
        self.assertEqual(second["trial"], question["trial"])
        self.same_and_other(question, answer)
        self.complete(second, self.MEASURED)
        self.same_and_other(question, answer)
        self.same_and_other(second, self.MEASURED)

    def test_nobody_was_given_that_lease(self):
        lease = {"lease": "lse_00000000000000000000000000"}
        self.complete(lease, self.MEASURED, expected=404)
        self.beat(lease, expected=404)

    def test_what_was_answered_in_place_has_its_answer(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        job = submit(self.daemon, body(evaluator.url))
        finished(self.daemon, job)
        for _, question, _ in evaluator.calls:
            if not jobkit.crash_model.answer(question).get("failed"):
                self.complete(question, self.MEASURED, expected=409)

    def test_a_deleted_job_takes_its_leases_along(self):
        job, question = self.answered(self.ENDS["ends the job"], self.MEASURED)
        finished(self.daemon, job)
        self.assertEqual(self.daemon.request("DELETE", f"/v1/jobs/{job}")[0], 204)
        self.complete(question, self.MEASURED, expected=404)


if __name__ == "__main__":
    unittest.main()
