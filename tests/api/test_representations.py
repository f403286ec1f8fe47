"""What HTTP adds to the resources: conditions, negotiation, pages, keys, streams, exports."""

import ast
import csv
import http.client
import io
import json
import re
import tempfile
import threading
import time
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(cls.directory.name)
        cls.daemon.start()
        cls.evaluator = jobkit.Evaluator()

    @classmethod
    def tearDownClass(cls):
        cls.evaluator.close()
        cls.daemon.stop()
        cls.directory.cleanup()

    def ask(self, method, path, expected, document=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, sent, value = self.daemon.request(method, path, document, named)
        self.assertEqual(status, expected, (method, path, value))
        return sent, value

    def register(self, **more):
        sent, document = self.ask(
            "POST", "/v1/evaluators", 201, {"url": self.evaluator.url, **more}
        )
        return sent["location"], document

    def done(self, **more):
        """The id of a job that has ended."""
        job = submit(self.daemon, body(self.evaluator.url, **more))
        finished(self.daemon, job)
        return job


class Conditions(Case):
    def test_a_final_job_is_remembered_until_it_is_deleted(self):
        path = f"/v1/jobs/{self.done()}"
        sent, _ = self.ask("GET", path, 200)
        for _ in range(3):
            self.ask("GET", path, 304, If_None_Match=sent["etag"])
        self.ask("GET", path, 200, If_None_Match='"another"')
        self.ask("DELETE", path, 204)
        self.ask("GET", path, 404, If_None_Match=sent["etag"])

    def test_every_read_has_a_tag(self):
        """A strong one, but for the job's document, which holds the time that goes by."""
        job = self.done()
        evaluator, _ = self.register()
        for path in (
            "/v1/jobs",
            f"/v1/jobs/{job}",
            f"/v1/jobs/{job}/best",
            f"/v1/jobs/{job}/space",
            f"/v1/jobs/{job}/spec",
            f"/v1/jobs/{job}/pareto",
            f"/v1/jobs/{job}/trials",
            f"/v1/jobs/{job}/trials/1",
            f"/v1/jobs/{job}/events",
            f"/v1/jobs/{job}/export",
            "/v1/strategies",
            "/v1/strategies/basic",
            "/v1/evaluators",
            evaluator,
            "/v1/config",
            "/openapi.json",
        ):
            with self.subTest(path):
                sent, _ = self.ask("GET", path, 200)
                weak = "W/" if path == f"/v1/jobs/{job}" else ""
                self.assertRegex(sent["etag"], f'^{weak}"[0-9a-f]+"$')
                again, nothing = self.ask(
                    "GET", path, 304,
                    If_None_Match=f'"other", W/{sent["etag"].removeprefix(weak)}'
                )
                self.assertEqual((again["etag"], nothing), (sent["etag"], None))
                self.ask("GET", path, 200, If_None_Match='"other"')

    def test_evaluators_are_changed_under_a_condition(self):
        path, _ = self.register(name="one")
        sent, _ = self.ask("GET", path, 200)
        first = sent["etag"]
        self.ask("PATCH", path, 412, {"name": "two"}, If_Match='"other"')
        self.ask("PATCH", path, 412, {"name": "two"}, If_Match=f"W/{first}")
        _, changed = self.ask("PATCH", path, 200, {"name": "two"}, If_Match=first)
        self.assertEqual(changed["name"], "two")
        self.ask("DELETE", path, 412, If_Match=first)
        sent, _ = self.ask("GET", path, 200)
        self.ask("DELETE", path, 204, If_Match=sent["etag"])
        self.ask("DELETE", path, 404)

    def test_jobs_are_deleted_under_a_condition(self):
        path = f"/v1/jobs/{self.done()}"
        sent, _ = self.ask("GET", path, 200)
        self.ask("DELETE", path, 412, If_Match='"1"')
        self.ask("DELETE", path, 204, If_Match=sent["etag"])

    def test_waiting_says_what_it_applied(self):
        held = threading.Event()
        self.addCleanup(held.set)
        slow = jobkit.Evaluator(lambda question, headers: held.wait(PATIENCE_S) and {})
        self.addCleanup(slow.close)
        job = submit(self.daemon, body(slow.url))
        wait_until(lambda: slow.calls)
        sent, _ = self.ask("GET", f"/v1/jobs/{job}", 200)
        condition = {"If_None_Match": sent["etag"]}
        sent, _ = self.ask("GET", f"/v1/jobs/{job}", 304, Prefer="return=minimal, wait=1", **condition)
        self.assertEqual(sent["preference-applied"], "wait=1")
        sent, _ = self.ask("GET", f"/v1/jobs/{job}", 304, Prefer="wait=no", **condition)
        self.assertIsNone(sent["preference-applied"])
        self.ask("POST", f"/v1/jobs/{job}/cancel", 200)


class Negotiation(Case):
    def test_head_is_get_without_a_body(self):
        for path in ("/v1/jobs", "/openapi.json", "/", "/healthz"):
            got, _ = self.ask("GET", path, 200)
            sent, nothing = self.ask("HEAD", path, 200)
            self.assertIsNone(nothing)
            for name in ("content-type", "content-length", "etag"):
                self.assertEqual(sent[name], got[name], (path, name))
        self.ask("HEAD", "/v1/jobs/job_none", 404)
        sent, _ = self.ask("DELETE", "/v1/strategies", 405)
        self.assertEqual(sent["allow"], "GET, HEAD, OPTIONS")

    def test_accept(self):
        for accept in ("application/json", "*/*", "text/html, application/*;q=0.1"):
            self.ask("GET", "/v1/jobs", 200, Accept=accept)
        for accept in ("text/html", "application/json;q=0", "text/event-stream"):
            _, problem = self.ask("GET", "/v1/jobs", 406, Accept=accept)
            self.assertEqual(problem["type"], "urn:narrowd:problem:not_acceptable")
        self.ask("GET", "/", 200, Accept="text/html")
        self.ask("GET", "/metrics", 406, Accept="application/json")
        _, problem = self.ask("POST", "/v1/jobs", 406, body(self.evaluator.url), Accept="image/png")
        self.assertEqual(problem["status"], 406)

    def test_bodies_without_members(self):
        job, (evaluator, _) = self.done(), self.register()
        for path in (f"/v1/jobs/{job}/pause", f"{evaluator}/probe"):
            _, problem = self.ask("POST", path, 422, {"surprise": 1})
            self.assertEqual(problem["errors"][0]["pointer"], "/surprise")

    def test_evaluators_are_checked(self):
        path, document = self.register(name="e")
        for bad, pointer in (
            ({"url": "http://169.254.169.254/"}, "/url"),
            ({"url": "ftp://127.0.0.1/"}, "/url"),
            ({"max_concurrency": 0}, "/max_concurrency"),
            ({"surprise": 1}, "/surprise"),
            ({"id": "evl_mine"}, "/id"),
        ):
            whole = {"url": self.evaluator.url, **bad}
            for method, where, sent in (("POST", "/v1/evaluators", whole), ("PATCH", path, bad)):
                _, problem = self.ask(method, where, 422, sent)
                self.assertIn(pointer, [fault["pointer"] for fault in problem["errors"]])
        self.assertEqual(self.ask("GET", path, 200)[1], document)


class Pages(Case):
    def follow(self, path):
        """All items, by the Link header alone."""
        items = []
        while path:
            sent, page = self.ask("GET", path, 200)
            items += page["items"]
            link = sent["link"]
            self.assertEqual(link is None, page["next"] is None)
            path = re.fullmatch(r'<([^>]+)>; rel="next"', link)[1] if link else None
        return items

    def test_labels_and_links(self):
        odd = 'a b&c="ü%'
        jobs = [
            submit(self.daemon, body(self.evaluator.url, labels={"team": odd, "n": str(n % 2)}))
            for n in range(4)
        ]
        label = "%61%20b%26c%3D%22%C3%BC%25"
        items = self.follow(f"/v1/jobs?limit=1&label.team={label}&label.n=1")
        self.assertEqual([item["id"] for item in items], [jobs[3], jobs[1]])
        self.assertEqual(len(self.follow(f"/v1/jobs?limit=3&label.team={label}")), 4)
        self.assertEqual(self.follow(f"/v1/jobs?label.team={label}&label.n=2"), [])
        for job in jobs:
            finished(self.daemon, job)

    def test_limits_are_coerced_and_choices_are_not(self):
        job = self.done()
        trials = f"/v1/jobs/{job}/trials"
        for limit, count in (("0", 1), ("-5", 1), ("2", 2)):
            self.assertEqual(len(self.ask("GET", f"{trials}?limit={limit}", 200)[1]["items"]), count)
        _, page = self.ask("GET", f"{trials}?limit=99999999999999999999", 200)
        self.assertIsNone(page["next"])
        for query in ("limit=many", "limit=", "state=lost", "feasible=1", "order=", "cursor=00"):
            self.ask("GET", f"{trials}?{query}", 400)
            self.ask("GET", f"{trials}?{query}", 400, If_None_Match="*")
        self.ask("GET", f"/v1/jobs/{job}/events?cursor=00", 400, If_None_Match="*")
        self.ask("GET", "/v1/jobs?state=lost", 400)
        self.ask("GET", f"{trials}/1?config=some", 400)
        self.ask("GET", f"/v1/jobs/{job}/export?format=xml", 400)
        for number in ("99999", "x", "-1", "1x"):
            self.ask("GET", f"{trials}/{number}", 404)


class Keys(Case):
    def test_keys_of_other_posts(self):
        document = {"url": self.evaluator.url, "name": "keyed"}
        sent, first = self.ask("POST", "/v1/evaluators", 201, document, Idempotency_Key="k1")
        again, second = self.ask("POST", "/v1/evaluators", 201, document, Idempotency_Key='"k1"')
        self.assertEqual((second, again["location"]), (first, sent["location"]))
        self.assertEqual(again["idempotency-replayed"], "true")
        self.assertIsNone(sent["idempotency-replayed"])
        path = f"/v1/jobs/{self.endless()}"
        _, paused = self.ask("POST", f"{path}/pause", 200, Idempotency_Key="k2")
        self.ask("POST", f"{path}/resume", 200)
        again, replay = self.ask("POST", f"{path}/pause", 200, Idempotency_Key="k2")
        self.assertEqual((replay, again["idempotency-replayed"]), (paused, "true"))
        self.assertEqual(get(self.daemon, path)["state"], "running", "nothing was done again")
        self.ask("POST", f"{path}/resume", 422, Idempotency_Key="k2")
        self.ask("POST", f"{path}/cancel", 200)

    def endless(self):
        job = body(self.evaluator.url, operators=12, accuracy_criterion={"tolerable_loss": -0.5})
        job["tuning_criterion"] = {"strategy": "exhaustive", "max_trials": 100000}
        job = submit(self.daemon, job)
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["state"] == "running")
        return job

    def test_malformed_keys(self):
        for key in ("", '""', "two words", "x" * 129):
            self.ask("POST", "/v1/jobs", 400, body(self.evaluator.url), Idempotency_Key=key)

    def test_refused_requests_leave_the_key_free(self):
        self.ask("POST", "/v1/jobs", 422, {"evaluator": {}}, Idempotency_Key="k3")
        submit(self.daemon, body(self.evaluator.url), **{"Idempotency-Key": "k3"})

    def test_first_request_still_runs(self):
        asked, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def held():
            asked.set()
            release.wait(PATIENCE_S)
            return jobkit.capability(4)

        slow = jobkit.Evaluator(can_do=held)
        self.addCleanup(slow.close)
        job = body(slow.url)
        del job["capability"]
        path, answers = "/v1/jobs", []
        key = {"Idempotency-Key": "k4"}
        first = threading.Thread(
            target=lambda: answers.append(self.daemon.request("POST", path, job, key))
        )
        first.start()
        self.assertTrue(asked.wait(PATIENCE_S))
        _, problem = self.ask("POST", path, 409, job, Idempotency_Key="k4")
        self.assertEqual(problem["type"], "urn:narrowd:problem:idempotency_in_progress")
        release.set()
        first.join()
        self.assertEqual(answers[0][0], 201, answers)
        sent, again = self.ask("POST", path, 201, job, Idempotency_Key="k4")
        self.assertEqual((again, sent["idempotency-replayed"]), (answers[0][2], "true"))


class Streams(Case):
    def open(self, job, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Accept": "text/event-stream", **headers}
        connection.request("GET", f"/v1/jobs/{job}/events", headers=headers)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        return connection, answer

    def test_a_long_log_reaches_a_slow_reader_whole(self):
        job = body(self.evaluator.url, operators=40, confirm=0)
        job["tuning_criterion"] = {"strategy": "random", "max_trials": 600, "stop_on": "budget"}
        job = submit(self.daemon, job)
        finished(self.daemon, job)
        _, answer = self.open(job)
        time.sleep(0.3)
        text = answer.read().decode()
        self.assertGreater(len(text), 512 * 1024, "more than the server keeps for one client")
        sent = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        self.assertEqual(sent, everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000"))

    def test_an_idle_stream_is_silent_until_there_is_news(self):
        held = threading.Event()
        self.addCleanup(held.set)
        slow = jobkit.Evaluator(lambda question, headers: held.wait(PATIENCE_S) and {})
        self.addCleanup(slow.close)
        job = submit(self.daemon, body(slow.url))
        wait_until(lambda: slow.calls)
        last = everything(self.daemon, f"/v1/jobs/{job}/events")[-1]["seq"]
        connection, answer = self.open(job, Last_Event_ID=str(last))
        connection.sock.settimeout(0.5)
        text = b""
        with self.assertRaises(TimeoutError):
            while True:
                text += answer.read1(65536)
        self.assertLess(len(text), 64, text[:200])
        self.ask("POST", f"/v1/jobs/{job}/cancel", 200)
        log = everything(self.daemon, f"/v1/jobs/{job}/events")
        self.assertEqual(log[-1]["data"]["state"], "cancelled")
        _, rest = self.open(job, Last_Event_ID=str(last))
        ids = re.findall(r"^id: (\d+)$", rest.read().decode(), re.MULTILINE)
        self.assertEqual(ids, [str(event["seq"]) for event in log if event["seq"] > last])

    def test_refusals(self):
        job = self.done()
        stream = {"Accept": "text/event-stream"}
        self.ask("GET", "/v1/jobs/job_none/events", 404, **stream)
        self.ask("GET", f"/v1/jobs/{job}/events", 400, Last_Event_ID="x", **stream)
        self.ask("GET", f"/v1/jobs/{job}/events", 406, Accept="text/html")


class Results(Case):
    def test_export_is_the_whole_job(self):
        job = self.done()
        path = f"/v1/jobs/{job}"
        _, export = self.ask("GET", f"{path}/export", 200)
        self.assertEqual(export["job"], get(self.daemon, path))
        for name in ("spec", "best"):
            self.assertEqual(export[name], get(self.daemon, f"{path}/{name}"))
        self.assertEqual(export["capability"], jobkit.capability(4))
        self.assertEqual(export["baseline"], export["job"]["baseline"])
        self.assertEqual(export["events"], everything(self.daemon, f"{path}/events"))
        listed = everything(self.daemon, f"{path}/trials")
        self.assertEqual([trial["number"] for trial in export["trials"]], list(range(len(listed))))
        for trial in export["trials"]:
            self.assertEqual(trial, get(self.daemon, f"{path}/trials/{trial['number']}"))

    def test_export_as_table(self):
        def reply(question, headers):
            if question["question"] == "baseline":
                return {"accuracy": 0.9, "latency_ms": 10}
            return {"failed": True, "error": '=cmd|"x", y', "retryable": False}

        bad = jobkit.Evaluator(reply)
        self.addCleanup(bad.close)
        job = submit(self.daemon, body(bad.url))
        finished(self.daemon, job)
        sent, text = self.ask("GET", f"/v1/jobs/{job}/export?format=csv", 200, Accept="text/csv")
        self.assertEqual(sent.get_content_type(), "text/csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials")
        self.assertEqual([row["number"] for row in rows], [str(t["number"]) for t in trials])
        self.assertEqual(rows[0]["accuracy"], "0.9")
        self.assertEqual(json.loads(rows[0]["metrics"]), trials[0]["metrics"])
        self.assertEqual(rows[1]["state"], "failed")
        self.assertEqual(rows[1]["error"], '\'=cmd|"x", y', "no formula for a spreadsheet")

    def test_export_for_inc(self):
        capability = jobkit.capability(3)
        name = "it's \\ odd"
        capability["ops"][0]["name"] = name
        job = self.done(capability=capability)
        _, export = self.ask("GET", f"/v1/jobs/{job}/export?format=inc", 200)
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        keys = [ast.literal_eval(key) for key in export["op"]]
        self.assertEqual(keys, [(op["name"], op["type"]) for op in capability["ops"]])
        for (name, _), op in zip(keys, export["op"].values()):
            measured = best["config"]["ops"][name]
            self.assertEqual(op["activation"].pop("quant_mode"), measured["mode"])
            if measured["mode"] == "fp32":
                self.assertEqual(op, {"weight": {"dtype": "fp32"}, "activation": {"dtype": "fp32"}})
            else:
                self.assertEqual(op["activation"], measured["activation"])
                self.assertEqual(op["weight"], measured["weight"])
        self.assertEqual(
            export["calib_sampling_size"], best["config"]["calibration_sampling_size"]
        )

    def test_export_for_inc_says_what_inc_would(self):
        """Each mode as INC 2.6's OpTuningConfig.get_state() has it, alpha among the arguments."""
        weight = {"dtype": ["int8"], "scheme": ["sym"]}
        types = {
            "Linear": {"static": {"weight": weight, "activation": {"dtype": ["uint8"]}}, "bf16": {}},
            "Half": {"bf16": {}},
            "Add": {"static": {"activation": {"dtype": ["uint8"]}}},
            "Bare": {"static": {"weight": {"scheme": ["sym"]}}},
        }
        capability = {
            "framework": "onnxrt_qdq", "op_types": types,
            "ops": [{"name": name, "type": kind} for name, kind in
                    (("q", "Linear"), ("half", "Half"), ("sum", "Add"), ("bare", "Bare"),
                     ("kept", "Linear"), ("sum32", "Add"))],
        }
        fp32 = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
        for args, expected in (
            ({"alpha": [0.3, 0.6]}, {"alpha": 0.3, "folding": True}),
            ({"alpha": 0.7, "folding": False}, {"alpha": 0.7, "folding": False}),
            (None, {"alpha": 0.5, "folding": True}),
        ):
            recipes = {"smooth_quant": True}
            if args is not None:
                recipes["smooth_quant_args"] = args
            job = self.done(
                capability=capability, recipes=recipes, accuracy_criterion={"tolerable_loss": 0.99},
                op_name_dict={"kept": fp32, "sum32": fp32}, quant_level=1, confirm=0,
            )
            _, export = self.ask("GET", f"/v1/jobs/{job}/export?format=inc", 200)
            self.assertEqual(export["recipe_cfgs"]["smooth_quant_args"], expected)
            self.assertNotIn("smooth_quant_alpha", export["recipe_cfgs"])
        self.assertEqual(
            export.keys(), {"op", "calib_sampling_size", "calib_iteration", "recipe_cfgs"}
        )
        ops = {ast.literal_eval(key)[0]: op for key, op in export["op"].items()}
        self.assertEqual(ops["q"], {"weight": {"dtype": "int8", "scheme": "sym"},
                                    "activation": {"dtype": "uint8", "quant_mode": "static"}})
        self.assertEqual(ops["half"], {"weight": {"dtype": "bf16"},
                                       "activation": {"dtype": "bf16", "quant_mode": "bf16"}})
        self.assertEqual(ops["sum"], {"activation": {"dtype": "uint8", "quant_mode": "static"}})
        self.assertEqual(ops["bare"], {"weight": {"dtype": "int8", "scheme": "sym"},
                                       "activation": {"dtype": "uint8", "quant_mode": "static"}})
        for name in ("kept", "sum32"):
            self.assertEqual(ops[name]["activation"], {"dtype": "fp32", "quant_mode": "fp32"})

    def test_no_baseline(self):
        bad = jobkit.Evaluator(lambda question, headers: (400, {}))
        self.addCleanup(bad.close)
        job = submit(self.daemon, body(bad.url))
        finished(self.daemon, job)
        self.ask("GET", f"/v1/jobs/{job}/best", 409)
        self.ask("GET", f"/v1/jobs/{job}/export?format=inc", 409)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}/pareto")["items"], [])
        _, export = self.ask("GET", f"/v1/jobs/{job}/export", 200)
        self.assertIsNone(export["best"])

    def test_pareto_front(self):
        def reply(question, headers):
            answer = jobkit.crash_model.answer(question)
            if "accuracy" in answer:
                size = jobkit.crash_model.unit("size", question["config"])
                answer["metrics"] = {"model_size_bytes": round(size, 1)}
            return answer

        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        capability = jobkit.capability(5)
        capability["metrics"].append("model_size_bytes")
        job = body(evaluator.url, capability=capability, confirm=0)
        job["tuning_criterion"] = {
            "strategy": "random",
            "max_trials": 60,
            "stop_on": "budget",
            "objective": [
                {"metric": "latency_ms", "weight": 0.5},
                {"metric": "model_size_bytes", "weight": 0.5},
            ],
        }
        job = submit(self.daemon, job)
        finished(self.daemon, job)
        costs = {
            t["number"]: (
                -t["accuracy"],
                t["metrics"]["latency_ms"],
                t["metrics"]["model_size_bytes"],
            )
            for t in everything(self.daemon, f"/v1/jobs/{job}/trials?state=told&limit=1000")
            if t["kind"] in ("baseline", "evaluate")
        }
        front = {
            number
            for number, cost in costs.items()
            if not any(
                other != cost and all(a <= b for a, b in zip(other, cost))
                for other in costs.values()
            )
        }
        items = get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]
        self.assertEqual({t["number"] for t in items}, front)
        self.assertLess(len(front), len(costs))
        best_first = [-t["accuracy"] for t in items]
        self.assertEqual(best_first, sorted(best_first))


if __name__ == "__main__":
    unittest.main()
