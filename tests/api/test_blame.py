"""Who is charged for an attempt that ended without an answer, and who is not."""

import tempfile
import time
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until

ONCE = {"max_attempts": 1, "backoff_s": 0.01}
BUSY = {"Retry-After": "0"}


def measured(question, headers):
    return {"accuracy": 0.9, "latency_ms": 100 - question["trial"]}


class BlameCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name, "--evaluator-probe-s=1")
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def evaluator(self, reply=measured):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def job(self, evaluator, **more):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 2}
        return submit(self.daemon, body(None, **{
            "evaluator": evaluator, "tuning_criterion": criterion, "confirm": 0, "retry": ONCE,
            **more}))

    def trials(self, job):
        return everything(self.daemon, f"/v1/jobs/{job}/trials?limit=1000")

    def events(self, job, kind):
        return [e for e in everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")
                if e["type"] == kind]

    def post(self, path, sent=None, expected=200):
        status, _, answer = self.daemon.request("POST", path, sent)
        self.assertEqual(status, expected, answer)
        return answer

    def take(self, worker="w1", wait_s=10):
        asked = {"pool": "gpu", "worker": worker, "wait_s": wait_s}
        return self.post("/v1/leases", asked)["items"]

    def one(self, worker="w1"):
        items = self.take(worker)
        self.assertEqual(len(items), 1)
        return items[0]

    def answer(self, question, expected=200):
        return self.post(f"/v1/leases/{question['lease']}/complete", measured(question, None),
                         expected)


class Later(BlameCase):
    def test_not_now_is_nobodys_fault(self):
        for status, headers in ((429, BUSY), (429, {}), (503, BUSY)):
            for first in (0, 1):
                with self.subTest((status, headers, first)):
                    left = [4]

                    def reply(question, _, status=status, headers=headers, first=first, left=left):
                        left[0] -= question["trial"] == first
                        if question["trial"] == first and left[0] >= 0:
                            return (status, {"error": "loading"}, headers)
                        return measured(question, _)

                    evaluator = self.evaluator(reply)
                    job = self.job({"url": evaluator.url})
                    document = finished(self.daemon, job)
                    self.assertEqual(document["exit"]["reason"], "max_trials")
                    self.assertEqual(document["progress"]["failed"], 0)
                    self.assertEqual(len(evaluator.calls), 3 + 4)

    def test_but_not_for_ever(self):
        for first, reason in ((0, "baseline_failed"), (1, "max_trials")):
            with self.subTest(first):
                evaluator = self.evaluator(
                    lambda q, h, first=first: measured(q, h) if q["trial"] < first
                    else (503, {"error": "loading"}, {"Retry-After": "3600"}))
                document = finished(self.daemon, self.job({"url": evaluator.url}, busy_s=0.2))
                self.assertEqual(document["exit"]["reason"], reason)
                self.assertIn("busy_s of 0.2 s", document["exit"]["detail"])
                self.assertIn("loading", document["exit"]["detail"])

    def test_for_how_long_is_kept_in_the_log(self):
        evaluator = self.evaluator(lambda q, h: (429, {}, BUSY))
        job = self.job({"url": evaluator.url}, busy_s=1.5)
        wait_until(lambda: self.events(job, "attempt_failed"))
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "baseline_failed")

    def test_who_asks_to_be_left_alone_is_not_down(self):
        evaluator = self.evaluator(lambda q, h: (429, {}, BUSY) if q["trial"] else measured(q, h))
        job = self.job({"url": evaluator.url}, parallel=4)
        wait_until(lambda: len(evaluator.calls) > 8)
        document = get(self.daemon, f"/v1/jobs/{job}")
        self.assertIsNone(document["progress"]["waiting"])
        self.assertIn("429", document["progress"]["out"][0]["last_error"])
        self.assertLessEqual({out["attempt"] for out in document["progress"]["out"]}, {0, 1}, "none was charged")
        self.post(f"/v1/jobs/{job}/cancel")

    def test_limits(self):
        for member, bad, good in (("busy_s", (-1, 2592001, "1"), (0, 2592000)),
                                  ("max_question_s", (0, 0.5, 2592001, "1"), (1, 2592000))):
            for value in bad:
                status, _, problem = self.daemon.request(
                    "POST", "/v1/jobs", body(None, evaluator={"pool": "none"}, **{member: value}))
                self.assertEqual((status, problem["errors"][0]["pointer"]), (422, f"/{member}"))
            for value in good:
                job = submit(self.daemon, body(None, evaluator={"pool": "none"}, **{member: value}))
                self.post(f"/v1/jobs/{job}/cancel")


class Returned(BlameCase):
    def give_back(self, question, sent, expected=200):
        return self.post(f"/v1/leases/{question['lease']}/return", sent, expected)

    def test_nothing_is_charged(self):
        job = self.job({"pool": "gpu"})
        for number in (0, 1):
            for _ in range(5):
                question = self.one()
                self.assertEqual((question["trial"], question["attempt"]), (number, 1))
                self.give_back(question, {"reason": "stopping", "detail": "deploy\u001b[2J"})
                self.answer(question, 410)
                self.give_back(question, {"reason": "stopping"}, 410)
            out = get(self.daemon, f"/v1/jobs/{job}")["progress"]["out"][0]
            self.assertEqual((out["worker"], out["attempt"], out["last_error"]),
                             (None, 0, "deploy [2J"))
            self.daemon.kill9()
            self.daemon.start()
            self.answer(self.one())
        self.answer(self.one())
        document = finished(self.daemon, job)
        self.assertEqual((document["exit"]["reason"], document["progress"]["failed"]),
                         ("max_trials", 0))
        self.assertEqual([t["attempts"] for t in self.trials(job)], [1, 1, 1])

    def test_who_cannot_is_not_asked_again_for_a_while(self):
        job = self.job({"pool": "gpu"})
        other = self.job({"pool": "gpu"})
        question = self.one("w1")
        self.assertEqual(question["job"], job)
        self.give_back(question, {"reason": "cannot", "detail": "no such framework"})
        question = self.one("w1")
        self.assertEqual(question["job"], other, "another job's")
        self.assertEqual(self.take("w1", wait_s=0), [])
        taken = self.one("w2")
        self.assertEqual(taken["job"], job)
        self.give_back(taken, {"reason": "stopping"})
        self.give_back(question, {"reason": "cannot"})
        wait_until(lambda: [q for q in self.take("w1", wait_s=0) if q["job"] == job])

    def test_what_is_wrong_with_it(self):
        self.job({"pool": "gpu"})
        question = self.one()
        for sent, pointer in (({}, "/reason"), ({"reason": "tired"}, "/reason"),
                              ({"reason": "stopping", "detail": 3}, "/detail"),
                              ({"reason": "stopping", "more": 1}, "/more")):
            problem = self.give_back(question, sent, 422)
            self.assertEqual(problem["errors"][0]["pointer"], pointer)
        self.post("/v1/leases/lse_none/return", {"reason": "stopping"}, 404)
        self.answer(question)

    def test_an_evaluator_that_said_202(self):
        evaluator = self.evaluator(lambda q, h: (202, {}))
        job = self.job({"url": evaluator.url})
        wait_until(lambda: evaluator.calls)
        question = evaluator.calls[0][1]
        wait_until(lambda: self.events(job, "lease_accepted"))
        self.give_back(question, {"reason": "stopping"})
        evaluator.reply = measured
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "max_trials")


class Protocol(BlameCase):
    """Answers that cannot be used: whose fault they are."""

    WRONG = (
        {"accuracy": 0.9},
        {"accuracy": "0.9", "latency_ms": 1},
        {"accuracy": 0.9, "latency_ms": "7.0"},
        [1],
        (200, b"please log in", {"Content-Type": "text/html"}),
        (200, b"{", {}),
        {"accuracy": 0.9, "latency_ms": 1, "trial": 77},
    )
    RUINED = (b'{"accuracy": NaN, "latency_ms": 1}', b'{"accuracy": null, "latency_ms": 1}',
              b'{"accuracy": 0.9, "latency_ms": -Infinity}')

    def paused(self, job):
        document = wait_until(lambda: (lambda d: d if d["state"] == "paused" else None)(
            get(self.daemon, f"/v1/jobs/{job}")))
        self.assertEqual(document["pause"]["reason"], "evaluator_broken")
        self.assertEqual(document["progress"]["failed"], 0)
        return document["pause"]

    def test_the_evaluators_own_pause_the_job(self):
        for first in (0, 1):
            for wrong in self.WRONG:
                with self.subTest((first, wrong)):
                    evaluator = self.evaluator(
                        lambda q, h, first=first, wrong=wrong: wrong if q["trial"] == first
                        else measured(q, h))
                    job = self.job({"url": evaluator.url})
                    pause = self.paused(job)
                    self.assertEqual(pause["by"], evaluator.url)
                    self.assertTrue(pause["since"] and pause["detail"])
                    evaluator.reply = measured
                    self.post(f"/v1/jobs/{job}/resume")
                    document = finished(self.daemon, job)
                    self.assertEqual((document["exit"]["reason"], document["pause"]),
                                     ("max_trials", None))
                    asked = [q["trial"] for _, q, _ in evaluator.calls]
                    self.assertEqual(asked, sorted([0, 1, 2, first]), "the same trial again")

    def test_a_restart_while_it_is_paused(self):
        evaluator = self.evaluator(lambda q, h: {} if q["trial"] == 1 else measured(q, h))
        job = self.job({"url": evaluator.url})
        pause = self.paused(job)
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["pause"], pause)
        evaluator.reply = measured
        self.post(f"/v1/jobs/{job}/resume")
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "max_trials")

    def test_what_is_no_number_is_the_configs(self):
        for body_of in self.RUINED:
            with self.subTest(body_of):
                evaluator = self.evaluator(lambda q, h, b=body_of: (200, b, {})
                                           if q["trial"] == 1 else measured(q, h))
                job = self.job({"url": evaluator.url}, retry={"max_attempts": 3})
                finished(self.daemon, job)
                trial = self.trials(job)[1]
                self.assertEqual((trial["state"], trial["attempts"]), ("failed", 1))
                self.assertIn("the answer is not a number: the config ruins the model",
                              trial["error"])
                evaluator = self.evaluator(lambda q, h, b=body_of: (200, b, {}))
                self.paused(self.job({"url": evaluator.url}))

    def test_one_of_several_is_left_out(self):
        broken = self.evaluator(lambda q, h: measured(q, h) if not q["trial"] else {})
        good = self.evaluator()
        job = self.job([{"url": broken.url}, {"url": good.url}], tuning_criterion={
            "strategy": "exhaustive", "stop_on": "budget", "max_trials": 20}, parallel=2)
        document = finished(self.daemon, job)
        self.assertEqual((document["exit"]["reason"], document["progress"]["failed"]),
                         ("max_trials", 0))
        self.assertEqual({t["worker"] for t in self.trials(job)[1:]}, {good.url})
        self.assertEqual(len(document["warnings"]), 1)
        self.assertIn(broken.url, document["warnings"][0]["detail"])

    def complete(self, question, sent, expected):
        path = f"/v1/leases/{question['lease']}/complete"
        return self.post(path, sent, expected)

    def test_a_worker(self):
        job = self.job({"pool": "gpu"})
        question = self.one()
        problem = self.complete(question, {"accuracy": 0.9}, 422)
        self.assertIn("latency_ms", str(problem["errors"]))
        self.assertEqual(self.paused(job)["by"], "w1")
        self.answer(question)
        self.post(f"/v1/jobs/{job}/resume")
        question = self.one()
        self.complete(question, {"accuracy": 0.9, "latency_ms": 1, "trial": 9}, 409)
        self.complete(question, {"accuracy": []}, 422)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["state"], "running")
        problem = self.complete(question, "Collecting data", 422)
        self.assertIn("the answer is no JSON", problem["detail"])
        self.assertEqual(self.paused(job)["by"], "w1", "nobody else is there")
        self.answer(question)
        self.post(f"/v1/jobs/{job}/resume")
        self.assertEqual(self.take("w1", wait_s=0), [])
        question = self.one("w2")
        self.complete(question, {"accuracy": None, "latency_ms": 1}, 200)
        document = finished(self.daemon, job)
        self.assertEqual(document["progress"]["failed"], 1)
        self.assertIn("ruins the model", self.trials(job)[2]["error"])


class Limits(BlameCase):
    def test_an_attempt_that_takes_too_long(self):
        """Heartbeats do not help, and a restart does not give more time."""
        job = self.job({"pool": "gpu"}, max_question_s=2, retry={"max_attempts": 5},
                       max_failed_trials=0)
        self.answer(self.one())
        question = self.one()
        path = f"/v1/leases/{question['lease']}/heartbeat"
        self.assertTrue(self.post(path, {})["continue"])
        self.daemon.kill9()
        self.daemon.start()
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "too_many_failures")
        self.assertIn("max_question_s of 2 s", document["exit"]["detail"])
        trial = self.trials(job)[1]
        self.assertEqual((trial["attempts"], trial["worker"]), (1, "w1"))
        self.answer(question, 410)

    def test_whoever_answers(self):
        def accepted(question, headers):
            return (202, {})

        def silent(question, headers):
            time.sleep(5)
            return measured(question, headers)

        for reply in (accepted, silent):
            with self.subTest(reply.__name__):
                job = self.job({"url": self.evaluator(reply).url}, max_question_s=1)
                end = finished(self.daemon, job)["exit"]
                self.assertEqual(end["reason"], "baseline_failed")
                self.assertIn("max_question_s", end["detail"])

    def give_up(self, job, number, expected=200):
        return self.post(f"/v1/jobs/{job}/trials/{number}/cancel", None, expected)

    def test_one_is_given_up_by_hand(self):
        job = self.job({"pool": "gpu"}, max_failed_trials=0, tuning_criterion={
            "strategy": "exhaustive", "stop_on": "budget", "max_trials": 3})
        self.answer(self.one())
        question = self.one()
        self.give_up(job, 1)
        self.answer(question, 410)
        self.give_up(job, 1, 409)
        self.give_up(job, 0, 409)
        self.give_up(job, 99, 404)
        failed = self.events(job, "trial_failed")
        self.assertEqual([(e["trial"], e["data"]["by_hand"]) for e in failed], [(1, True)])
        self.daemon.kill9()
        self.daemon.start()
        self.post(f"/v1/jobs/{job}/trials/1/retry")
        again = self.one()
        while again["trial"] != 1:
            self.answer(again)
            again = self.one()
        self.give_up(job, 1)
        while get(self.daemon, f"/v1/jobs/{job}")["exit"] is None:
            for question in self.take(wait_s=0.2):
                self.answer(question)
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "max_trials", "it counts for no limit")
        self.give_up(job, 1, 409)

    def test_one_that_nobody_has(self):
        job = self.job({"pool": "gpu"})
        wait_until(lambda: self.trials(job))
        self.give_up(job, 0)
        end = finished(self.daemon, job)["exit"]
        self.assertEqual(end["reason"], "baseline_failed")
        self.assertIn("given up", end["detail"])
        self.assertEqual(self.take(wait_s=0), [])


if __name__ == "__main__":
    unittest.main()
