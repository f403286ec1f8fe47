"""Strategies over HTTP: a scripted one, failures, restarts, secrets."""

import base64
import hashlib
import hmac
import json
import os
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S
from scripted import Reply, Server

MODES = ("static", "bf16", "fp32")


class Adviser(Server):
    """Suggests {op0: a mode, op1: a mode}, all combinations, then is done. `fault(name, question)`
    may return something else to answer."""

    def __init__(self, fault=None):
        self.fault = fault or (lambda name, question: None)
        self.heard = []  # (name, question), in order
        self.open = []  # suggestions without an observation
        self.keys = []
        super().__init__(self.reply)

    def reply(self, request):
        name, question = request.path.rsplit("/", 1)[-1], json.loads(request.body)
        self.keys.append((request.headers["Idempotency-Key"], name))
        faulty = self.fault(name, question)
        if faulty is not None:
            return faulty
        self.heard.append((name, question))
        if name == "next":
            number = len(self.of("next")) - 1
            if number >= len(MODES) ** 2:
                return {"done": True}
            pair = MODES[number % 3], MODES[number // 3]
            self.open.append(question["trial"])
            return {"config": {"ops": {f"op{i}": choice(mode) for i, mode in enumerate(pair)}}}
        if name == "observe":
            self.open.remove(question["suggestion"])
        return {}

    def of(self, name):
        return [question for heard, question in self.heard if heard == name]


def choice(mode):
    if mode != "static":
        return {"mode": mode}
    return {
        "mode": "static",
        "weight": {"dtype": "int8", "granularity": "per_tensor"},
        "activation": {"dtype": "uint8", "algorithm": "kl"},
    }


class RemoteCase(unittest.TestCase):
    arguments = ()

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.daemon = Daemon(directory.name, *self.arguments)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.stop())
        self.evaluator = jobkit.Evaluator()
        self.addCleanup(self.evaluator.stop)

    def adviser(self, fault=None):
        adviser = Adviser(fault)
        self.addCleanup(adviser.stop)
        return adviser

    def job(self, url, criterion=None, **more):
        criterion = {
            "strategy": "remote",
            "strategy_kwargs": {"url": url, **more.pop("kwargs", {})},
            "stop_on": "budget",
            **(criterion or {}),
        }
        return body(
            self.evaluator.url, 3, tuning_criterion=criterion, **{"confirm": 0, **more}
        )

    def failed(self, job):
        document = finished(self.daemon, job)
        self.assertEqual((document["state"], document["exit"]["reason"]), ("failed", "error"))
        return document["exit"]["detail"]

    def evaluated(self):
        return [question for path, question, _ in self.evaluator.calls if path == "/evaluate"]


class Search(RemoteCase):
    def test_who_waits_for_advice_waits_for_no_worker(self):
        held = threading.Event()
        self.addCleanup(held.set)
        adviser = self.adviser(lambda name, question: held.wait(PATIENCE_S) and None)
        job = submit(self.daemon, {**self.job(adviser.url), "evaluator": {"pool": "gpu"}})
        take = {"pool": "gpu", "worker": "w", "wait_s": 20}
        item = wait_until(lambda: self.daemon.request("POST", "/v1/leases", take)[2]["items"])[0]
        self.daemon.request("POST", f"/v1/leases/{item['lease']}/complete", jobkit.crash_model.answer(item))
        wait_until(lambda: len(adviser.keys) == 1)
        self.daemon.kill9()  # it knows of no worker afterwards
        self.daemon.start()
        wait_until(lambda: len(adviser.keys) == 2)
        progress = get(self.daemon, f"/v1/jobs/{job}")["progress"]
        self.assertEqual(([out["kind"] for out in progress["out"]], progress["waiting"]), (["begin"], None))

    def test_what_is_suggested_is_measured_and_told(self):
        adviser = self.adviser()
        job = submit(self.daemon, self.job(adviser.url))
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "space_exhausted")
        self.assertEqual([name for name, _ in adviser.heard][:4], ["begin", "next", "observe", "next"])
        begin = adviser.of("begin")[0]
        self.assertEqual(begin["space"], get(self.daemon, f"/v1/jobs/{job}/space"))
        self.assertEqual(begin["baseline"]["accuracy"], 0.9)
        self.assertEqual(begin["baseline"]["bound"], document["criterion"]["bound"])
        self.assertEqual((begin["seed"], begin["parallel"], begin["max_trials"]), (42, 1, 100))
        self.assertEqual(len(self.evaluated()), 9)
        self.assertEqual(len(adviser.of("observe")), 9)
        self.assertEqual(adviser.open, [])
        for question, told in zip(self.evaluated(), adviser.of("observe")):
            self.assertEqual(told["config"], question["config"])
            trial = get(self.daemon, f"/v1/jobs/{job}/trials/{question['trial']}")
            self.assertEqual(told["failed"], trial["state"] == "failed")
            for member in ("accuracy", "metrics", "feasible", "objective_value", "margin"):
                if not told["failed"]:
                    self.assertEqual(told[member], trial[member])
        for key, name in adviser.keys:
            self.assertRegex(key, rf'^"{job}\.\d+"$', name)
        self.assertEqual(len(adviser.keys), len(set(adviser.keys)))

    def test_the_last_result_is_told_before_the_job_ends(self):
        for criterion, reason in (
            ({"max_trials": 3}, "max_trials"),
            ({"stop_on": "first_feasible"}, "criterion_met"),
        ):
            for parallel in (1, 3):
                with self.subTest(reason=reason, parallel=parallel):
                    adviser = self.adviser()
                    job = submit(
                        self.daemon, self.job(adviser.url, criterion, parallel=parallel)
                    )
                    document = finished(self.daemon, job)
                    self.assertEqual(document["exit"]["reason"], reason)
                    told = [question["suggestion"] for question in adviser.of("observe")]
                    self.assertEqual(len(told), len(set(told)))
                    trials = everything(self.daemon, f"/v1/jobs/{job}/trials")
                    known = [
                        t for t in trials if t["kind"] == "evaluate" and t["state"] == "told"
                    ]
                    if reason == "max_trials":
                        self.assertEqual((len(known), len(told)), (3, 3))
                    self.assertGreaterEqual(len(told), 1)

    def test_parallel_jobs_do_not_depend_on_who_answers_first(self):
        def shuffled(question, headers):
            threading.Event().wait(0.02 * (question["trial"] % 3))
            return jobkit.crash_model.answer(question)

        seen = []
        for reply in (None, shuffled):
            self.evaluator.reply = reply or self.evaluator.reply
            adviser = self.adviser()
            job = submit(self.daemon, self.job(adviser.url, parallel=3))
            self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "space_exhausted")
            self.assertEqual(adviser.open, [])
            seen.append([(n, q["trial"], q.get("suggestion")) for n, q in adviser.heard])
        self.assertEqual(*seen)

    def test_asked_of_the_adviser_is_no_config(self):
        adviser = self.adviser()
        job = submit(self.daemon, self.job(adviser.url, {"max_trials": 2}))
        document = finished(self.daemon, job)
        self.assertEqual(document["progress"]["told"], 2)
        kinds = {t["number"]: t["kind"] for t in everything(self.daemon, f"/v1/jobs/{job}/trials")}
        expected = "baseline begin suggest evaluate observe suggest evaluate observe".split()
        self.assertEqual([kinds[i] for i in range(len(kinds))], expected)
        export = get(self.daemon, f"/v1/jobs/{job}/export")
        for trial in export["trials"]:
            self.assertEqual("config" in trial, trial["kind"] in ("baseline", "evaluate"))
            single = get(self.daemon, f"/v1/jobs/{job}/trials/{trial['number']}")
            self.assertEqual("config" in single, "config" in trial)

    def test_who_only_repeats_himself_is_not_asked_for_ever(self):
        adviser = self.adviser(lambda name, q: {"config": {}} if name == "next" else None)
        adviser.open = type("Any", (list,), {"remove": lambda self, x: None})()
        document = finished(self.daemon, submit(self.daemon, self.job(adviser.url)))
        self.assertEqual(document["exit"]["reason"], "space_exhausted")
        self.assertEqual(len(self.evaluated()), 1)
        self.assertEqual(len(adviser.of("observe")), 101)

    def test_a_dry_run_asks_nobody(self):
        adviser = self.adviser()
        status, _, document = self.daemon.request("POST", "/v1/spaces", self.job(adviser.url))
        self.assertEqual((status, document["first"]), (200, []))
        self.assertEqual(adviser.requests, [])


class Restart(RemoteCase):
    def test_a_replay_asks_nobody_again(self):
        held = threading.Event()
        self.addCleanup(held.set)

        def hold(name, question):
            if name == "next" and len(adviser.of("next")) == 4 and not held.is_set():
                held.wait(PATIENCE_S)
            return None

        adviser = self.adviser(hold)
        job = submit(self.daemon, self.job(adviser.url))
        wait_until(lambda: len(adviser.of("observe")) == 4 and len(adviser.requests) == 10)
        self.daemon.kill9()
        held.set()
        asked = adviser.requests[-1]
        wait_until(lambda: len(adviser.of("next")) == 5)
        # What was lost is asked again under the same key: to be told as new would be wrong.
        adviser.heard.pop()
        adviser.open.pop()
        before = len(adviser.requests)
        self.daemon.start()
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "space_exhausted")
        again = adviser.requests[before]
        self.assertEqual(again.headers["Idempotency-Key"], asked.headers["Idempotency-Key"])
        self.assertEqual(again.path, asked.path)
        self.assertEqual(len(adviser.of("begin")), 1)
        self.assertEqual(len(self.evaluated()), 9)
        self.assertEqual(adviser.open, [])


class Failure(RemoteCase):
    def test_a_bad_adviser_ends_the_job_with_a_reason(self):
        wrong = {"config": {"ops": {"op0": {"mode": "int3"}}}}
        cases = (
            ("begin", Reply(500, {}), "answered 500 instead of 200", 3),
            ("next", Reply(404, {}), "answered 404 instead of 200", 1),
            ("next", Reply(302, {}, {"Location": "/x"}), "a redirect", 1),
            ("next", Reply(200, b"<html>"), "content type", 1),
            ("next", {}, "/config", 1),
            ("next", wrong, "/config/ops/op0/mode", 1),
            ("next", {"config": {"ops": {"nobody": {"mode": "fp32"}}}}, "/config/ops/nobody", 1),
            ("next", {"config": {}, "done": True}, "/config", 1),
            ("next", {"suggestion": {}}, "/suggestion", 1),
            ("observe", Reply(503, {}, {"Retry-After": "0"}), "answered 503", 3),
        )
        for name, answer, detail, attempts in cases:
            with self.subTest(name=name, detail=detail):
                tries = []

                def fault(asked, question, name=name, answer=answer, tries=tries):
                    if asked == name:
                        tries.append(question["trial"])
                        return answer
                    return None

                adviser = self.adviser(fault)
                said = self.failed(submit(self.daemon, self.job(adviser.url)))
                self.assertIn("the remote strategy", said)
                self.assertIn(detail, said)
                self.assertEqual(len(tries), attempts)
                self.assertEqual(len(set(tries)), 1)

    def test_silence_and_nobody_there(self):
        held = threading.Event()
        self.addCleanup(held.set)
        adviser = self.adviser(
            lambda name, q: held.wait(PATIENCE_S) and None if name == "next" else None
        )
        job = self.job(
            adviser.url, kwargs={"timeout_s": 0.2}, retry={"max_attempts": 2, "backoff_s": 0.01}
        )
        self.assertIn("remote strategy", self.failed(submit(self.daemon, job)))
        held.set()
        gone = Adviser()
        gone.stop()
        self.assertIn("remote strategy", self.failed(submit(self.daemon, self.job(gone.url))))

    def test_a_failure_that_passes_is_no_failure(self):
        down = []

        def fault(name, question):
            if (name, question["trial"]) not in down:
                down.append((name, question["trial"]))
                return Reply(503, {}, {"Retry-After": "0"})
            return None

        adviser = self.adviser(fault)
        document = finished(self.daemon, submit(self.daemon, self.job(adviser.url)))
        self.assertEqual(document["exit"]["reason"], "space_exhausted")
        self.assertEqual((len(adviser.of("begin")), adviser.open), (1, []))

    def test_cancelled_while_the_adviser_thinks(self):
        held = threading.Event()
        self.addCleanup(held.set)
        adviser = self.adviser(
            lambda name, q: held.wait(PATIENCE_S) and None if name == "next" else None
        )
        job = submit(self.daemon, self.job(adviser.url))
        wait_until(lambda: any(r.path == "/next" for r in adviser.requests))
        status, _, _ = self.daemon.request("POST", f"/v1/jobs/{job}/cancel", {})
        self.assertEqual(status, 200)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["state"], "cancelled")

    def test_nobody_else_answers_for_the_adviser(self):
        held = threading.Event()
        self.addCleanup(held.set)
        adviser = self.adviser(
            lambda name, q: held.wait(PATIENCE_S) and None if name == "next" else None
        )
        job = submit(self.daemon, self.job(adviser.url))
        wait_until(lambda: any(r.path == "/next" for r in adviser.requests))
        events = get(self.daemon, f"/v1/jobs/{job}/events", Accept="application/json")["items"]
        lease = [e for e in events if e["type"] == "question_leased"][-1]["data"]["lease"]
        answer = {"accuracy": 0.9, "latency_ms": 1}
        status, _, _ = self.daemon.request("POST", f"/v1/leases/{lease}/complete", answer)
        self.assertEqual(status, 410)


class Refusal(RemoteCase):
    def refused(self, job):
        status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
        self.assertEqual(status, 422, problem)
        return {fault["pointer"] for fault in problem["errors"]}

    def test_arguments(self):
        kwargs = "/tuning_criterion/strategy_kwargs"
        job = self.job("http://127.0.0.1:4444")
        for arguments, pointer in (
            ({}, "/url"),
            ({"url": 3}, "/url"),
            ({"url": "ftp://127.0.0.1/"}, "/url"),
            ({"url": "http://169.254.169.254/"}, "/url"),
            ({"url": "http://127.0.0.1:4444", "timeout_s": 0}, "/timeout_s"),
            ({"url": "http://127.0.0.1:4444", "secret": {"set": True}}, "/secret"),
            ({"url": "http://127.0.0.1:4444", "secret": "whsec_!"}, "/secret"),
            ({"url": "http://127.0.0.1:4444", "more": 1}, "/more"),
        ):
            job["tuning_criterion"]["strategy_kwargs"] = arguments
            self.assertEqual(self.refused(job), {kwargs + pointer}, arguments)
        del job["tuning_criterion"]["strategy_kwargs"]
        self.assertEqual(self.refused(job), {kwargs + "/url"})

    def test_the_secret_of_a_strategy_is_nobody_elses(self):
        job = self.job("http://127.0.0.1:4444")
        job["evaluator"]["strategy_secrets"] = {"secret": "x"}
        self.assertEqual(self.refused(job), {"/evaluator/strategy_secrets"})

    def test_documentation(self):
        document = get(self.daemon, "/v1/strategies/remote")
        self.assertEqual(document["origin"], "remote")
        self.assertEqual(document["strategy_kwargs"]["required"], ["url"])
        self.assertTrue(document["strategy_kwargs"]["properties"]["secret"]["writeOnly"])


class Policy(RemoteCase):
    arguments = ("--evaluator-policy", "allowlist", "--evaluator-allow", "127.0.0.1/32:1-2")

    def test_the_policy_for_evaluators_holds(self):
        adviser = self.adviser()
        job = self.job(adviser.url)
        job["evaluator"]["url"] = "http://127.0.0.1:1"
        status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
        self.assertEqual(status, 422)
        self.assertEqual(problem["type"], "urn:narrowd:problem:evaluator_denied")
        self.assertEqual(
            problem["errors"][0]["pointer"], "/tuning_criterion/strategy_kwargs/url"
        )
        self.assertEqual(adviser.requests, [])


class Secrets(RemoteCase):
    KEY = b"canary-0123456789abcdefghijklmn"
    SECRET = "whsec_" + base64.b64encode(KEY).decode()

    def test_signed_and_never_shown(self):
        adviser = self.adviser()
        job = submit(self.daemon, self.job(adviser.url, kwargs={"secret": self.SECRET}))
        wait_until(lambda: adviser.of("next"))
        self.daemon.restart()  # the secret is still known
        finished(self.daemon, job)
        for request in adviser.requests:
            stamp = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
            digest = hmac.new(self.KEY, stamp.encode() + request.body, hashlib.sha256).digest()
            self.assertEqual(
                request.headers["webhook-signature"], "v1," + base64.b64encode(digest).decode()
            )
        status, _, clone = self.daemon.request("POST", f"/v1/jobs/{job}/clone", {})
        self.assertEqual(status, 201, clone)
        self.assertEqual(finished(self.daemon, clone["id"])["exit"]["reason"], "space_exhausted")
        for request in adviser.requests:
            self.assertIn("webhook-signature", request.headers)
        spec = get(self.daemon, f"/v1/jobs/{job}/spec")
        kwargs = spec["tuning_criterion"]["strategy_kwargs"]
        self.assertEqual(kwargs, {"url": adviser.url, "secret": {"set": True}})
        for path in ("", "/spec", "/space", "/best", "/trials/2", "/export", "/events"):
            _, _, document = self.daemon.request(
                "GET", f"/v1/jobs/{job}{path}", headers={"Accept": "application/json"}
            )
            self.assertNotIn(self.SECRET, json.dumps(document))
        self.assertNotIn(self.SECRET, self.daemon.log())
        self.assertTrue(os.path.isdir(self.directory))


if __name__ == "__main__":
    unittest.main()
