"""What well-behaved HTTP does besides answering: line ends, OPTIONS, cursors, filters, ends of streams."""

import http.client
import json
import tempfile
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

    def raw(self, method, path, document=None, **headers):
        """(status, headers, bytes) of an answer as it is on the wire."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if document is not None:
            named.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        text = None if document is None else json.dumps(document)
        connection.request(method, path, text, named)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def ask(self, method, path, expected, document=None, **headers):
        status, sent, text = self.raw(method, path, document, **headers)
        self.assertEqual(status, expected, (method, path, text))
        return sent, json.loads(text) if text else None

    def done(self, **more):
        job = submit(self.daemon, body(self.evaluator.url, **more))
        finished(self.daemon, job)
        return job


class Lines(Case):
    def test_json_ends_its_line(self):
        job = self.done()
        for method, path, document in (
            ("GET", "/healthz", None),
            ("GET", "/openapi.json", None),
            ("GET", "/v1/jobs", None),
            ("GET", f"/v1/jobs/{job}", None),
            ("GET", f"/v1/jobs/{job}/events", None),
            ("GET", f"/v1/jobs/{job}/export", None),
            ("GET", "/v1/nothing", None),
            ("POST", "/v1/jobs", {"surprise": 1}),
            ("POST", "/v1/spaces", body(self.evaluator.url)),
            ("DELETE", "/v1/strategies", None),
        ):
            with self.subTest(path):
                _, sent, text = self.raw(method, path, document)
                self.assertTrue(text.endswith(b"}\n"), text[-20:])
                self.assertFalse(text.endswith(b"\n\n"), text[-20:])
                self.assertEqual(int(sent["content-length"]), len(text))


class Options(Case):
    def test_a_resource_says_what_it_takes(self):
        for path, allow in (
            ("/v1/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
            ("/v1/jobs/job_none", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
            ("/v1/jobs/job_none/pause", {"POST", "OPTIONS"}),
            ("/", {"GET", "HEAD", "OPTIONS"}),
        ):
            with self.subTest(path):
                status, sent, text = self.raw("OPTIONS", path)
                self.assertEqual((status, text), (204, b""))
                self.assertEqual(set(sent["allow"].split(", ")), allow)
                self.assertEqual("PATCH" in allow, sent["accept-patch"] is not None)
        self.ask("OPTIONS", "/v1/nothing", 404)
        sent, _ = self.ask("PUT", "/v1/jobs", 405)
        self.assertEqual(sent["allow"], "POST, GET, HEAD, OPTIONS")

    def test_the_server_itself(self):
        status, sent, text = self.raw("OPTIONS", "*")
        self.assertEqual((status, text), (204, b""))
        self.assertIn("PATCH", sent["allow"])
        self.ask("GET", "*", 404)

    def test_patches_of_another_type(self):
        for path in ("/v1/jobs/job_none", "/v1/evaluators/evl_none"):
            sent, _ = self.ask("PATCH", path, 415, {"name": "x"}, Content_Type="text/plain")
            self.assertEqual(
                set(sent["accept-patch"].split(", ")),
                {"application/json", "application/merge-patch+json"},
            )
        sent, _ = self.ask("POST", "/v1/jobs", 415, {}, Content_Type="application/merge-patch+json")
        self.assertIsNone(sent["accept-patch"])


class Queries(Case):
    def test_every_unknown_parameter_is_named(self):
        _, problem = self.ask("GET", "/v1/jobs?one=1&limit=3&two=2&t%22=3", 400)
        self.assertEqual(problem["type"], "urn:narrowd:problem:unknown_query_parameter")
        for name in ('"one"', '"two"', '"t\\""'):
            self.assertIn(name, problem["detail"])
        self.assertNotIn("limit", problem["detail"])

    def test_filters_take_several_values(self):
        job = self.done(confirm=2)
        path = f"/v1/jobs/{job}/trials"
        trials = everything(self.daemon, path)
        for query, keep in (
            ("kind=baseline", lambda t: t["kind"] == "baseline"),
            ("kind=confirm,baseline", lambda t: t["kind"] in ("confirm", "baseline")),
            ("kind=confirm&kind=baseline", lambda t: t["kind"] in ("confirm", "baseline")),
            ("source=measured", lambda t: t["source"] == "measured"),
            ("source=imported,cache", lambda t: t["source"] in ("imported", "cache")),
            ("state=told,failed", lambda t: t["state"] in ("told", "failed")),
            ("state=failed&state=told", lambda t: t["state"] in ("told", "failed")),
            ("state=failed&kind=confirm", lambda t: False),
        ):
            with self.subTest(query):
                found = everything(self.daemon, f"{path}?limit=2&{query}")
                self.assertEqual(found, [trial for trial in trials if keep(trial)])
        for query in ("kind=", "kind=none", "kind=confirm,none", "source=x", "state=told,", "state=,"):
            self.ask("GET", f"{path}?{query}", 400)

    def test_states_of_jobs(self):
        job = self.done(labels={"test": "states"})
        mine = "label.test=states"
        for query in ("state=running,completed", "state=completed&state=running", "state=completed"):
            items = get(self.daemon, f"/v1/jobs?{query}&{mine}")["items"]
            self.assertEqual([item["id"] for item in items], [job], query)
        self.assertEqual(get(self.daemon, f"/v1/jobs?state=running,failed&{mine}")["items"], [])
        self.ask("GET", "/v1/jobs?state=completed,lost", 400)
        self.ask("GET", "/v1/jobs?state=completed&state=lost", 400)


class Faults(Case):
    BAD = {
        "surprise": 1,
        "name": 7,
        "labels": {"a": 1},
        "approach": "none",
        "op_type_dict": {"Conv2d": {"weights": {}}},
        "recipes": 4,
        "excluded_precisions": ["int3"],
        "calibration_sampling_size": 0,
        "tuning_criterion": {"strategy": "guess", "max_trials": 0, "surprise": 1},
        "accuracy_criterion": {"tolerable_loss": "much"},
        "retry": {"max_attempts": 0},
        "parallel": 0,
        "seed": -1,
        "confirm": "yes",
        "warm_start": {"job": "job_none"},
    }
    POINTERS = {
        "/surprise",
        "/name",
        "/labels/a",
        "/approach",
        "/op_type_dict/Conv2d/weights",
        "/recipes",
        "/excluded_precisions/0",
        "/calibration_sampling_size",
        "/tuning_criterion/strategy",
        "/tuning_criterion/max_trials",
        "/tuning_criterion/surprise",
        "/accuracy_criterion/tolerable_loss",
        "/retry/max_attempts",
        "/parallel",
        "/seed",
        "/confirm",
        "/warm_start/job",
    }

    def faults(self, document, path="/v1/jobs"):
        _, problem = self.ask("POST", path, 422, document)
        self.assertNotIn("errors_truncated", problem)
        pointers = [fault["pointer"] for fault in problem["errors"]]
        self.assertEqual(len(pointers), len(set(pointers)), "each once")
        return problem, set(pointers)

    def test_all_are_named_whatever_the_evaluator(self):
        url = self.evaluator.url
        for evaluator, pointers in (
            ({"url": url}, set()),
            (None, {"/evaluator"}),
            (7, {"/evaluator"}),
            ([], {"/evaluator"}),
            ({}, {"/evaluator/url"}),
            ({"id": "evl_none"}, {"/evaluator/id"}),
            ({"id": 3, "zz": 1}, {"/evaluator/id", "/evaluator/zz"}),
            ({"url": "http://169.254.169.254/", "zz": 1}, {"/evaluator/url", "/evaluator/zz"}),
            ({"url": url, "timeout_s": 0}, {"/evaluator/timeout_s"}),
            (
                [{"url": url, "zz": 1}, {"id": "evl_none"}, {"url": "ftp://x/"}, {"pool": "p"}, {"url": url}],
                {"/evaluator/0/zz", "/evaluator/1/id", "/evaluator/2/url", "/evaluator/3/pool", "/evaluator/4"},
            ),
        ):
            for capability in ({"capability": jobkit.capability(3)}, {}):
                with self.subTest(evaluator=evaluator, capability=bool(capability)):
                    document = {"evaluator": evaluator, **capability, **self.BAD}
                    for path in ("/v1/jobs", "/v1/spaces"):
                        expected = self.POINTERS | pointers
                        if path == "/v1/spaces" and evaluator is None and capability:
                            expected -= {"/evaluator"}
                        self.assertEqual(self.faults(document, path)[1], expected)

    def test_the_first_fault_gives_the_kind(self):
        denied = {"url": "http://169.254.169.254/"}
        problem, _ = self.faults(body("", evaluator=denied, parallel=0))
        self.assertEqual(problem["type"], "urn:narrowd:problem:evaluator_denied")
        problem, _ = self.faults(body("", evaluator={"zz": 1, **denied}, parallel=0))
        self.assertEqual(problem["type"], "urn:narrowd:problem:invalid_field")

    def test_the_space_is_checked_as_well(self):
        faulty = {"op_name_dict": {"op(": {"weight": {"dtype": ["int8"]}}}, "parallel": 0}
        for evaluator in ({"url": self.evaluator.url}, {"id": "evl_none"}, None):
            _, pointers = self.faults(body("", evaluator=evaluator, **faulty))
            self.assertLessEqual({"/op_name_dict/op(", "/parallel"}, pointers)
        capability = jobkit.capability(2)
        capability["ops"][0]["type"] = "Unknown"
        _, pointers = self.faults(body("", evaluator=None, capability=capability, seed=-1))
        self.assertLessEqual({"/evaluator", "/seed"}, pointers)
        self.assertTrue(any(pointer.startswith("/capability/ops/0") for pointer in pointers))

    def test_no_answer_of_the_evaluator(self):
        silent = jobkit.Evaluator(can_do=lambda: {"ops": 3})
        self.addCleanup(silent.close)
        document = body(silent.url, parallel=0)
        del document["capability"]
        _, pointers = self.faults(document)
        self.assertIn("/parallel", pointers)
        document["evaluator"] = {"pool": "p"}
        self.assertEqual(self.faults(document)[1], {"/capability", "/parallel"})

    def test_a_list_that_is_cut_says_so(self):
        document = body(self.evaluator.url, **{f"m{n}": 1 for n in range(51)})
        _, problem = self.ask("POST", "/v1/jobs", 422, document)
        self.assertEqual((len(problem["errors"]), problem["errors_truncated"]), (50, True))
        del document["m50"]
        self.assertEqual(len(self.faults(document)[1]), 50)

    def test_a_dry_run_needs_no_evaluator(self):
        document = body(self.evaluator.url)
        _, expected = self.ask("POST", "/v1/spaces", 200, document)
        del document["evaluator"]
        for changed in (document, {**document, "evaluator": None}):
            _, space = self.ask("POST", "/v1/spaces", 200, changed)
            self.assertEqual(space, expected)
            self.assertEqual(self.faults(changed)[1], {"/evaluator"}, "a job does")
        del document["capability"]
        self.assertEqual(self.faults(document, "/v1/spaces")[1], {"/evaluator"})


class Cursors(Case):
    def test_a_cursor_belongs_to_its_list(self):
        jobs = [self.done(confirm=1) for _ in range(2)]
        trials = f"/v1/jobs/{jobs[0]}/trials"
        for path, others in (
            (
                f"{trials}?order=-accuracy&state=told&limit=1",
                (
                    f"{trials}?order=latency_ms&state=told",
                    f"{trials}?order=-accuracy",
                    f"{trials}?order=-accuracy&state=failed",
                    f"/v1/jobs/{jobs[1]}/trials?order=-accuracy&state=told",
                    f"/v1/jobs/{jobs[0]}/events?",
                    "/v1/jobs?",
                    "/v1/evaluators?",
                    "/v1/webhooks?",
                ),
            ),
            ("/v1/jobs?limit=1", ("/v1/jobs?state=completed", f"{trials}?")),
        ):
            cursor = get(self.daemon, path)["next"]
            self.assertIsNotNone(cursor)
            self.ask("GET", f"{path}&cursor={cursor}", 200)
            for other in others:
                with self.subTest(other):
                    _, problem = self.ask("GET", f"{other}&cursor={cursor}".replace("?&", "?"), 400)
                    self.assertIn("cursor", problem["detail"])
        order = f"{trials}?limit=1&state=told&order=-accuracy"
        cursor = get(self.daemon, order)["next"]
        self.ask("GET", f"{trials}?cursor={cursor}&order=-accuracy&limit=50&state=told", 200)

    def test_garbage(self):
        for cursor in ("", "0", "zz", "20", "2020", "312032", "00" * 100, "%20"):
            self.ask("GET", f"/v1/jobs?cursor={cursor}", 400)


class Patches(Case):
    MERGE = "application/merge-patch+json"

    def setUp(self):
        job = body(self.evaluator.url, name="n", labels={"a": "1", "b": "2"})
        job["evaluator"] = {"pool": "nobody"}
        self.path = f"/v1/jobs/{submit(self.daemon, job)}"
        wait_until(lambda: get(self.daemon, self.path)["state"] == "baseline")
        self.addCleanup(self.ask, "POST", f"{self.path}/cancel", 200)

    def patch(self, change, expected=200, **headers):
        return self.ask("PATCH", self.path, expected, change, **headers)[1]

    def test_labels_are_merged_or_replaced(self):
        merge = {"Content_Type": f"{self.MERGE}; charset=utf-8"}
        labels = self.patch({"labels": {"b": None, "c": "3", "none": None}}, **merge)["labels"]
        self.assertEqual(labels, {"a": "1", "c": "3"})
        self.assertEqual(self.patch({"labels": {"d": ""}})["labels"], {"d": ""})
        labels = self.patch({"labels": {"e": "5"}}, **merge)["labels"]
        self.assertEqual(labels, {"d": "", "e": "5"}, "with those of an edit, not of the submission")
        self.assertEqual(self.patch({"labels": None})["labels"], {"d": "", "e": "5"})
        self.daemon.restart()
        labels = self.patch({"labels": {"f": "6"}}, **merge)["labels"]
        self.assertEqual(labels, {"d": "", "e": "5", "f": "6"}, "also after a restart")
        events = everything(self.daemon, f"{self.path}/events")
        edits = [e["data"]["labels"] for e in events if e["type"] == "job_edited"]
        self.assertEqual(edits[-1], labels, "events have all labels")
        self.assertEqual(self.patch({"labels": None}, **merge)["labels"], {})

    def test_final_jobs(self):
        path = f"/v1/jobs/{self.done(labels={'a': '1'})}"
        merge = {"Content_Type": self.MERGE}
        self.ask("PATCH", path, 200, {"labels": {"b": "2"}}, **merge)
        _, job = self.ask("PATCH", path, 200, {"labels": {"a": None, "c": "3"}}, **merge)
        self.assertEqual(job["labels"], {"b": "2", "c": "3"})
        sent, before = self.ask("GET", path, 200)
        for change in ({}, {"parallel": None}):
            answer, after = self.ask("PATCH", path, 200, change)
            self.assertEqual((answer["etag"], after), (sent["etag"], before))
        self.ask("PATCH", path, 409, {"parallel": 2.0})
        self.ask("PATCH", path, 422, {"labels": {"": "x"}}, **merge)

    def test_what_changes_nothing(self):
        sent, before = self.ask("GET", self.path, 200)
        for change, headers in (
            ({}, {}),
            ({}, {"Content_Type": self.MERGE}),
            ({"parallel": None, "labels": None, "max_trials": None, "timeout": None}, {}),
        ):
            answer, after = self.ask("PATCH", self.path, 200, change, **headers)
            self.assertEqual((answer["etag"], after), (sent["etag"], before))

    def test_numbers(self):
        document = self.patch({"parallel": 2.0, "max_trials": 40.0, "timeout": 7})
        self.assertEqual((document["parallel"], document["budget"]["max_trials"]), (2, 40))
        self.patch({"max_trials": None})
        self.assertEqual(get(self.daemon, self.path)["budget"]["max_trials"], 40)
        problem = self.patch({"parallel": None}, 422, Content_Type=self.MERGE)
        self.assertEqual(problem["errors"][0]["pointer"], "/parallel")
        self.assertIsNone(self.patch({"name": None}, Content_Type=self.MERGE)["name"])

    def test_bad_labels(self):
        for labels, pointer in (
            ({"a": 1}, "/labels/a"),
            ({"": "x"}, "/labels/"),
            ({"a": "x" * 1025}, "/labels/a"),
            ([], "/labels"),
            ({str(n): "" for n in range(65)}, "/labels"),
        ):
            for headers in ({}, {"Content_Type": self.MERGE}):
                problem = self.patch({"labels": labels}, 422, **headers)
                self.assertEqual(problem["errors"][0]["pointer"], pointer)
            _, problem = self.ask("POST", "/v1/jobs", 422, body("", evaluator={"pool": "p"}, labels=labels))
            self.assertEqual(problem["errors"][0]["pointer"], pointer)
        self.patch({"labels": {"a": None}}, 422)

    def test_evaluators(self):
        made, _ = self.ask("POST", "/v1/evaluators", 201, {"url": self.evaluator.url, "name": "e"})
        path = made["location"]
        sent, before = self.ask("GET", path, 200)
        self.ask("PATCH", path, 200, {}, Content_Type=self.MERGE)
        again, after = self.ask("GET", path, 200)
        self.assertEqual((again["etag"], after), (sent["etag"], before))
        self.ask("PATCH", path, 200, {"max_concurrency": 2}, Content_Type=self.MERGE)
        _, after = self.ask("PATCH", path, 200, {"name": None}, Content_Type=self.MERGE)
        self.assertEqual((after["max_concurrency"], after.get("name")), (2, None))


class Streams(Case):
    def test_no_more_events_is_no_content(self):
        job = self.done()
        path = f"/v1/jobs/{job}/events"
        last = everything(self.daemon, path)[-1]["seq"]
        stream = {"Accept": "text/event-stream"}
        for seq in (last, last + 1, 10**30):
            status, sent, text = self.raw("GET", path, Last_Event_ID=str(seq), **stream)
            self.assertEqual((status, text), (204, b""), seq)
        status, _, text = self.raw("GET", path, Last_Event_ID=str(last - 1), **stream)
        self.assertEqual(status, 200)
        self.assertIn(f"id: {last}\n".encode(), text)
        self.assertEqual(self.raw("GET", path, **stream)[0], 200)
        self.ask("GET", path, 400, Last_Event_ID="x", **stream)


class Integers(Case):
    def test_integral_numbers_are_integers(self):
        job = body(self.evaluator.url, parallel=3.0, confirm=0.0)
        job["tuning_criterion"]["max_trials"] = 1e2
        job = submit(self.daemon, job)
        document = finished(self.daemon, job)
        self.assertEqual((document["parallel"], document["budget"]["max_trials"]), (3, 100))
        capability = jobkit.capability(2)
        capability["calibration_sampling_sizes"] = [100.0]
        weight = {"dtype": ["int8"], "bits": [4.0, 8.0], "group_size": [32]}
        capability["op_types"] = {"Linear": {"weight_only": {"weight": weight}, "fp32": {}}}
        for op in capability["ops"]:
            op["type"] = "Linear"
            op.pop("modes", None)
        whole = body(self.evaluator.url, capability=capability, approach="weight_only", quant_level=1.0)
        _, space = self.ask("POST", "/v1/spaces", 200, whole)
        weight["bits"] = [4, 8]
        whole["quant_level"] = 1
        self.assertEqual(self.ask("POST", "/v1/spaces", 200, whole)[1], space)
        for number in (2.5, 1e300, -1.0, 0.0):
            _, problem = self.ask("POST", "/v1/jobs", 422, body(self.evaluator.url, parallel=number))
            self.assertEqual(problem["errors"][0]["pointer"], "/parallel")


if __name__ == "__main__":
    unittest.main()
