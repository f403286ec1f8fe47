"""Jobs through the front door: the real daemon, an evaluator that the test scripts."""

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


class JobCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def killed_and_started(self):
        self.daemon.kill9()
        self.daemon.start()

    def evaluator(self, reply=None):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def refused(self, job, status=422):
        code, headers, problem = self.daemon.request("POST", "/v1/jobs", job)
        self.assertEqual(code, status, problem)
        self.assertEqual(headers["content-type"], "application/problem+json")
        self.assertTrue(problem["type"].startswith("urn:narrowd:problem:"))
        return {fault["pointer"]: fault["detail"] for fault in problem.get("errors", [])}


class Life(JobCase):
    def test_from_post_to_best(self):
        evaluator = self.evaluator()
        job = submit(self.daemon, body(evaluator.url))
        document = finished(self.daemon, job)
        self.assertEqual(document["state"], "completed")
        self.assertEqual(document["exit"]["reason"], "criterion_met")
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        self.assertTrue(best["feasible"])
        self.assertGreaterEqual(best["accuracy"], document["criterion"]["bound"])
        self.assertAlmostEqual(best["speedup"], 100.0 / best["objective_value"])
        asked = next(q for _, q, _ in evaluator.calls if q.get("trial") == best["trial"])
        self.assertEqual(best["config"], asked["config"], "best is what was measured")

    def test_capability_is_asked_for_when_the_job_has_none(self):
        evaluator = self.evaluator()
        job = body(evaluator.url)
        del job["capability"]
        finished(self.daemon, submit(self.daemon, job))
        self.assertEqual(evaluator.calls[0][0], "/capability")

    def test_questions_carry_what_the_contract_says(self):
        evaluator = self.evaluator()
        job = submit(self.daemon, body(evaluator.url))
        finished(self.daemon, job)
        path, question, headers = evaluator.calls[0]
        self.assertEqual(path, "/baseline")
        self.assertEqual(headers["Idempotency-Key"], f'"{job}.0"')
        self.assertEqual({op["mode"] for op in question["config"]["ops"].values()}, {"fp32"})
        path, question, headers = evaluator.calls[1]
        self.assertEqual((path, question["question"]), ("/evaluate", "evaluate"))
        self.assertEqual((question["trial"], question["attempt"]), (1, 1))
        self.assertRegex(headers["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertTrue(question["callback"].endswith(f"/v1/leases/{question['lease']}"))
        self.assertEqual(question["config"]["calibration_sampling_size"], 100)

    def test_budget_is_exact(self):
        for parallel in (1, 4):
            evaluator = self.evaluator()
            job = body(evaluator.url, parallel=parallel, confirm=0)
            job["tuning_criterion"] = {"strategy": "random", "max_trials": 9, "stop_on": "budget"}
            job["evaluator"]["max_concurrency"] = 8
            document = finished(self.daemon, submit(self.daemon, job))
            self.assertEqual(document["exit"]["reason"], "max_trials")
            self.assertEqual(document["budget"]["trials_measured"], 9)
            self.assertEqual(len(evaluator.calls), 10, "the baseline and nine configs")

    def test_parallel_decides_as_one_at_a_time_does(self):
        logs = []
        for parallel in (1, 5):
            slow = threading.Semaphore(1)

            def reply(question, headers, slow=slow):
                if question["trial"] % 3 == 0:
                    with slow:
                        time.sleep(0.02)
                return jobkit.crash_model.answer(question)

            evaluator = self.evaluator(reply)
            job = body(evaluator.url, operators=6, parallel=parallel)
            job["evaluator"]["max_concurrency"] = 8
            document = finished(self.daemon, submit(self.daemon, job))
            best = get(self.daemon, f"/v1/jobs/{document['id']}/best")
            asked = everything(self.daemon, f"/v1/jobs/{document['id']}/trials?limit=7")
            told = [t["hash"] for t in asked if t["number"] <= best["trial"]]
            logs.append((best["trial"], best["config"], told))
        self.assertEqual(logs[0], logs[1])

    def test_winner_is_confirmed_and_rejected_when_it_does_not_hold(self):
        seen = {}

        def reply(question, headers):
            config = json.dumps(question["config"], sort_keys=True)
            seen[config] = seen.get(config, 0) + 1
            answer = jobkit.crash_model.answer(question)
            if question["question"] == "evaluate":
                lucky = len(seen) == 3 and seen[config] == 1
                answer = {"accuracy": 0.9 if lucky or len(seen) > 6 else 0.5, "latency_ms": 50}
            return answer

        evaluator = self.evaluator(reply)
        job = submit(self.daemon, body(evaluator.url))
        document = finished(self.daemon, job)
        types = [e["type"] for e in everything(self.daemon, f"/v1/jobs/{job}/events")]
        self.assertIn("measurement_disagrees", types)
        self.assertTrue(document["best"]["feasible"])
        self.assertGreater(document["best"]["trial"], 3)

    def test_time_limit_ends_the_job(self):
        evaluator = self.evaluator(lambda q, h: time.sleep(0.05) or jobkit.crash_model.answer(q))
        job = body(evaluator.url, accuracy_criterion={"tolerable_loss": -0.5})
        job["tuning_criterion"] = {"strategy": "exhaustive", "timeout": 3, "max_trials": 100000}
        job["capability"] = jobkit.capability(12)
        document = finished(self.daemon, submit(self.daemon, job))
        self.assertEqual(document["exit"]["reason"], "timeout")
        best = get(self.daemon, f"/v1/jobs/{document['id']}/best")
        self.assertFalse(best["feasible"])
        self.assertGreater(best["nearest"]["misses_by"], 0)
        self.assertTrue(best["keep_baseline"])

    def test_baseline_zero_is_explained(self):
        evaluator = self.evaluator(lambda q, h: {"accuracy": 0, "latency_ms": 1})
        document = finished(self.daemon, submit(self.daemon, body(evaluator.url)))
        self.assertEqual(document["exit"]["reason"], "baseline_failed")
        self.assertIn("absolute", document["exit"]["detail"])


class Control(JobCase):
    def endless(self, evaluator):
        job = body(evaluator.url, accuracy_criterion={"tolerable_loss": -0.5})
        job["tuning_criterion"] = {"strategy": "exhaustive", "max_trials": 100000}
        job["capability"] = jobkit.capability(12)
        return submit(self.daemon, job)

    def post(self, job, action, expected=200):
        status, _, document = self.daemon.request("POST", f"/v1/jobs/{job}/{action}")
        self.assertEqual(status, expected, document)
        return document

    def test_pause_resume_cancel(self):
        evaluator = self.evaluator()
        job = self.endless(evaluator)
        wait_until(lambda: len(evaluator.calls) > 5)
        self.assertEqual(self.post(job, "pause")["state"], "paused")
        self.assertEqual(self.post(job, "pause")["state"], "paused")
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["running"] == 0)
        calls = len(evaluator.calls)
        time.sleep(0.1)
        self.assertEqual(len(evaluator.calls), calls, "a paused job asks nothing")
        self.assertEqual(self.post(job, "resume")["state"], "running")
        wait_until(lambda: len(evaluator.calls) > calls)
        self.assertEqual(self.post(job, "cancel")["state"], "cancelled")
        self.assertEqual(self.post(job, "cancel")["state"], "cancelled")
        self.post(job, "resume", 409)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["exit"]["reason"], "cancelled")

    def test_delete_only_when_final(self):
        evaluator = self.evaluator()
        job = self.endless(evaluator)
        self.assertEqual(self.daemon.request("DELETE", f"/v1/jobs/{job}")[0], 409)
        self.post(job, "cancel")
        self.assertEqual(self.daemon.request("DELETE", f"/v1/jobs/{job}")[0], 204)
        get(self.daemon, f"/v1/jobs/{job}", 404)
        self.assertEqual(self.daemon.request("DELETE", f"/v1/jobs/{job}")[0], 404)

    def test_patch(self):
        evaluator = self.evaluator()
        job = self.endless(evaluator)
        status, headers, document = self.daemon.request(
            "PATCH", f"/v1/jobs/{job}", {"name": "renamed", "labels": {"a.b": "c"}, "parallel": 2}
        )
        self.assertEqual((status, document["name"], document["parallel"]), (200, "renamed", 2))
        listed = get(self.daemon, "/v1/jobs?label.a.b=c")["items"]
        self.assertEqual([item["id"] for item in listed], [job])
        self.assertEqual(get(self.daemon, "/v1/jobs?label.a.b=d")["items"], [])
        status, _, problem = self.daemon.request("PATCH", f"/v1/jobs/{job}", {"seed": 1})
        self.assertEqual((status, problem["errors"][0]["pointer"]), (422, "/seed"))
        status, _, _ = self.daemon.request(
            "PATCH", f"/v1/jobs/{job}", {"name": "x"}, {"If-Match": '"1"'}
        )
        self.assertEqual(status, 412)
        self.post(job, "cancel")

    def test_resume_after_kill(self):
        evaluator = self.evaluator()
        job = self.endless(evaluator)
        wait_until(lambda: len(evaluator.calls) > 10)
        self.killed_and_started()
        calls = len(evaluator.calls)
        wait_until(lambda: len(evaluator.calls) > calls + 10)
        self.post(job, "cancel")
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?limit=1000")
        self.assertEqual([t["number"] for t in trials], list(range(len(trials))))


class Conditions(JobCase):
    def test_etag_and_waiting(self):
        release = threading.Event()

        def reply(question, headers):
            if question["trial"] == 2:
                release.wait(PATIENCE_S)
            return jobkit.crash_model.answer(question)

        evaluator = self.evaluator(reply)
        job = submit(self.daemon, body(evaluator.url))
        wait_until(lambda: len(evaluator.calls) == 3)
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["running"] == 1)
        path = f"/v1/jobs/{job}"
        status, headers, _ = self.daemon.request("GET", path)
        condition = {"If-None-Match": headers["etag"]}
        self.assertEqual(self.daemon.request("GET", path, headers=condition)[0], 304)
        waiting = {**condition, "Prefer": "wait=1"}
        start = time.monotonic()
        self.assertEqual(self.daemon.request("GET", path, headers=waiting)[0], 304)
        self.assertGreater(time.monotonic() - start, 0.9)
        threading.Timer(0.1, release.set).start()
        waiting["Prefer"] = "wait=20"
        status, again, document = self.daemon.request("GET", path, headers=waiting)
        self.assertEqual(status, 200)
        self.assertNotEqual(again["etag"], headers["etag"])
        finished(self.daemon, job)
        status, headers, _ = self.daemon.request("GET", path)
        condition = {"If-None-Match": headers["etag"]}
        self.assertEqual(self.daemon.request("GET", path, headers=condition)[0], 304)

    def test_idempotency(self):
        evaluator = self.evaluator()
        job, key = body(evaluator.url), {"Idempotency-Key": '"one"'}
        first = self.daemon.request("POST", "/v1/jobs", job, key)
        second = self.daemon.request("POST", "/v1/jobs", job, key)
        self.assertEqual((first[0], first[2]), (second[0], second[2]))
        self.assertEqual(second[1]["idempotency-replayed"], "true")
        self.assertEqual(second[1]["location"], first[1]["location"])
        job["name"] = "another"
        self.assertEqual(self.daemon.request("POST", "/v1/jobs", job, key)[0], 422)
        self.killed_and_started()
        job["name"] = None
        del job["name"]
        third = self.daemon.request("POST", "/v1/jobs", job, key)
        self.assertEqual((third[0], third[2]), (first[0], first[2]))
        self.assertEqual(len(get(self.daemon, "/v1/jobs")["items"]), 1)

    def test_pages(self):
        evaluator = self.evaluator()
        job = submit(self.daemon, body(evaluator.url))
        finished(self.daemon, job)
        path = f"/v1/jobs/{job}/trials"
        numbers = [t["number"] for t in everything(self.daemon, path + "?limit=3")]
        self.assertEqual(numbers, list(range(len(numbers))))
        for order, key in (("accuracy", 1), ("-accuracy", -1)):
            values = [
                key * t["accuracy"]
                for t in everything(self.daemon, f"{path}?limit=4&order={order}")
                if t["accuracy"] is not None
            ]
            self.assertEqual(values, sorted(values))
        feasible = everything(self.daemon, path + "?feasible=true")
        self.assertTrue(feasible and all(t["feasible"] for t in feasible))
        self.assertEqual(self.daemon.request("GET", path + "?cursor=zz")[0], 400)
        self.assertEqual(self.daemon.request("GET", path + "?nonsense=1")[0], 400)
        self.assertEqual(self.daemon.request("GET", path + "?order=size")[0], 400)

    def test_event_stream_is_the_log(self):
        evaluator = self.evaluator()
        job = submit(self.daemon, body(evaluator.url))
        stream = self.read_stream(f"/v1/jobs/{job}/events", {})
        log = everything(self.daemon, f"/v1/jobs/{job}/events?limit=10")
        self.assertEqual(stream, log)
        self.assertEqual([e["n"] for e in log], list(range(1, len(log) + 1)))
        half = log[len(log) // 2]["seq"]
        rest = self.read_stream(f"/v1/jobs/{job}/events", {"Last-Event-ID": str(half)})
        self.assertEqual(rest, log[len(log) // 2 + 1 :])

    def read_stream(self, path, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
        answer = connection.getresponse()
        self.assertEqual(answer.headers.get_content_type(), "text/event-stream")
        text = answer.read().decode()
        connection.close()
        return [
            json.loads(line[len("data: ") :])
            for line in text.splitlines()
            if line.startswith("data: ")
        ]


class BadInput(JobCase):
    def test_every_fault_is_named(self):
        faults = self.refused(
            {
                "capability": {"ops": [{"name": "a", "type": "X"}, {"name": "a"}]},
                "accuracy_criterion": {"tolerable_loss": "much"},
                "tuning_criterion": {"max_trials": 0, "objective": []},
                "parallel": 0,
                "surprise": 1,
                "evaluator": {"url": "http://127.0.0.1:9001"},
            }
        )
        for pointer in (
            "/capability/ops/0/type",
            "/capability/ops/1/type",
            "/accuracy_criterion/tolerable_loss",
            "/tuning_criterion/max_trials",
            "/tuning_criterion/objective",
            "/parallel",
            "/surprise",
        ):
            self.assertIn(pointer, faults)

    def test_documents_that_are_no_jobs(self):
        for text, status in (
            (b"", 400),
            (b"[]", 400),
            (b"{", 400),
            (b'{"a": 1, "a": 2}', 400),
            (b'{"seed": NaN}', 400),
            (b"[" * 5000, 400),
        ):
            with self.subTest(text[:20]):
                self.assertEqual(self.daemon.request("POST", "/v1/jobs", text)[0], status)
        self.assertEqual(
            self.daemon.request("POST", "/v1/jobs", "{}", {"Content-Type": "text/plain"})[0], 415
        )

    def test_requests_that_make_no_sense(self):
        url = "http://127.0.0.1:9001"
        strategy = {"tuning_criterion": {"strategy": "no_such"}}
        self.assertIn("/tuning_criterion/strategy", self.refused(body(url, **strategy)))
        metric = {"tuning_criterion": {"strategy": "basic", "objective": "watts"}}
        self.assertIn("/tuning_criterion/objective", self.refused(body(url, **metric)))
        self.assertIn("/evaluator", self.refused({"capability": jobkit.capability(2)}))
        self.assertIn("/evaluator/id", self.refused({"evaluator": {"id": "evl_none"}}))
        self.assertIn("/evaluator/url", self.refused(body("http://169.254.169.254/latest")))
        self.assertIn("/evaluator/url", self.refused(body("file:///etc/passwd")))
        pattern = {"op_name_dict": {"a(": {"weight": {"dtype": ["fp32"]}}}}
        self.assertIn("/op_name_dict/a(", self.refused(body(url, **pattern)))

    def test_methods_and_paths(self):
        status, headers, _ = self.daemon.request("PUT", "/v1/jobs", {})
        self.assertEqual((status, headers["allow"]), (405, "POST, GET, HEAD, OPTIONS"))
        for path in ("/v1/jobs/job_none", "/v1/jobs/job_none/best", "/v1", "/v1/jobs/"):
            get(self.daemon, path, 404)


class Evaluators(JobCase):
    def fails_then_works(self, failures):
        attempts = {}

        def reply(question, headers):
            key = headers["Idempotency-Key"]
            attempts[key] = attempts.get(key, 0) + 1
            if attempts[key] <= len(failures):
                return failures[attempts[key] - 1]
            return jobkit.crash_model.answer(question)

        return reply

    def test_retries(self):
        evaluator = self.evaluator(
            self.fails_then_works([(500, {}), (503, {}, {"Retry-After": "0"})])
        )
        job = submit(self.daemon, body(evaluator.url))
        finished(self.daemon, job)
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials")
        self.assertEqual({t["attempts"] for t in trials}, {3})
        keys = {h["Idempotency-Key"] for _, _, h in evaluator.calls}
        self.assertEqual(len(keys), len(trials), "the same key for every attempt")

    def test_answers_that_do_not_count(self):
        for answer, word in (
            ({"latency_ms": 1}, "accuracy"),
            ({"accuracy": 0.9}, "latency_ms"),
            ({"accuracy": "high", "latency_ms": 1}, "accuracy"),
            (b'{"accuracy": NaN, "latency_ms": 1}', "/accuracy: is no number"),
            ((404, {}), "404"),
            ((302, {}, {"Location": "http://127.0.0.1:1/"}), "302"),
        ):
            with self.subTest(word):
                evaluator = self.evaluator(lambda q, h, answer=answer: answer)
                job = submit(self.daemon, body(evaluator.url))
                path = f"/v1/jobs/{job}"
                wait_until(lambda path=path: get(self.daemon, path)["state"] in ("paused", "failed"))
                document = get(self.daemon, path)
                if isinstance(answer, tuple):
                    self.assertEqual(document["exit"]["reason"], "baseline_failed")
                    self.assertIn(word, document["exit"]["detail"])
                else:
                    self.assertEqual(document["pause"]["reason"], "evaluator_broken")
                    self.assertIn(word, document["pause"]["detail"])
                self.assertEqual(len(evaluator.calls), 1, "not worth another attempt")

    def test_answer_by_callback(self):
        evaluator = self.evaluator(lambda q, h: (202, {}))
        job = submit(self.daemon, body(evaluator.url))
        answered = 0
        while get(self.daemon, f"/v1/jobs/{job}")["exit"] is None:
            if len(evaluator.calls) == answered:
                time.sleep(0.005)
                continue
            question = evaluator.calls[answered][1]
            answered += 1
            lease = f"/v1/leases/{question['lease']}"
            status, _, beat = self.daemon.request("POST", lease + "/heartbeat", {})
            self.assertEqual((status, beat["continue"]), (200, True))
            answer = jobkit.crash_model.answer(question)
            self.assertEqual(self.daemon.request("POST", lease + "/complete", answer)[0], 200)
            again = self.daemon.request("POST", lease + "/complete", answer)[0]
            self.assertEqual(again, 200)
            other = {**answer, "accuracy": 0.123, "failed": False}
            code = self.daemon.request("POST", lease + "/complete", other)[0]
            self.assertEqual(code, 409)
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        self.assertTrue(best["feasible"])

    def test_accepted_question_survives_a_kill(self):
        evaluator = self.evaluator(lambda q, h: (202, {}))
        job = submit(self.daemon, body(evaluator.url))
        wait_until(lambda: len(evaluator.calls) == 1)
        types = f"/v1/jobs/{job}/events"
        wait_until(lambda: "lease_accepted" in [e["type"] for e in everything(self.daemon, types)])
        self.killed_and_started()
        question = evaluator.calls[0][1]
        answer = jobkit.crash_model.answer(question)
        path = f"/v1/leases/{question['lease']}/complete"
        self.assertEqual(self.daemon.request("POST", path, answer)[0], 200)
        wait_until(lambda: len(evaluator.calls) == 2)
        self.assertEqual(evaluator.calls[1][1]["trial"], 1, "the baseline was not asked again")
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")

    def test_registered(self):
        evaluator = self.evaluator()
        status, headers, document = self.daemon.request(
            "POST", "/v1/evaluators", {"name": "bench", "url": evaluator.url, "secret": "s3cret"}
        )
        self.assertEqual(status, 201, document)
        self.assertEqual(document["secret"], {"set": True})
        path = headers["location"]
        self.assertEqual(get(self.daemon, path)["name"], "bench")
        status, _, probe = self.daemon.request("POST", path + "/probe")
        self.assertEqual((status, probe["ok"]), (200, True))
        self.assertEqual(len(probe["capability"]["ops"]), 4)
        job = body(evaluator.url, evaluator={"id": document["id"]})
        finished(self.daemon, submit(self.daemon, job))
        self.assertIn("webhook-signature", {k.lower() for k in evaluator.calls[-1][2]})
        for page in ("/v1/jobs", "/v1/evaluators", f"{path}"):
            self.assertNotIn("s3cret", json.dumps(get(self.daemon, page)))
        status, _, document = self.daemon.request("PATCH", path, {"name": "other"})
        self.assertEqual((status, document["name"]), (200, "other"))
        self.assertEqual(self.daemon.request("DELETE", path)[0], 204)
        get(self.daemon, path, 404)

    def test_dry_run_stores_nothing(self):
        evaluator = self.evaluator()
        job = body(evaluator.url)
        job["op_type_dict"] = {"Conv2d": {"weight": {"granularity": ["per_moon"]}}}
        status, _, space = self.daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 200, space)
        self.assertEqual(space["size"], str(6**4))
        self.assertEqual(
            [w["pointer"] for w in space["warnings"]], ["/op_type_dict/Conv2d/weight/granularity"]
        )
        stages = [config["stage"] for config in space["first"]]
        self.assertEqual(stages[0], "default")
        self.assertIn("instance_fallback", stages)
        self.assertEqual(stages[-1], "accumulated_fallback")
        self.assertLessEqual(max(stages.count(stage) for stage in stages), 3)
        self.assertEqual(get(self.daemon, "/v1/jobs")["items"], [])

    def test_many_dry_runs(self):
        """Each shares what it says of its evaluator with a thread of the pool: ThreadSanitizer watches this file."""
        job = body(self.evaluator().url)
        answers = [self.daemon.request("POST", "/v1/spaces", job) for _ in range(40)]
        self.assertEqual({status for status, _, _ in answers}, {200})
        self.assertEqual({space["size"] for _, _, space in answers}, {str(6**4)})


if __name__ == "__main__":
    unittest.main()
