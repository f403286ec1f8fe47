"""What well-behaved HTTP does besides answering: line ends, OPTIONS, cursors, filters, ends of streams."""

import unittest

import jobkit
from jobkit import body, everything, finished, get, submit
from wirekit import Case


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
            ("/v1/jobs/delete", {"POST", "OPTIONS"}),
            ("/", {"GET", "HEAD", "OPTIONS"}),
        ):
            with self.subTest(path):
                status, sent, text = self.raw("OPTIONS", path)
                self.assertEqual((status, text), (204, b""))
                self.assertEqual(set(sent["allow"].split(", ")), allow)
                self.assertEqual("PATCH" in allow, sent["accept-patch"] is not None)
        self.ask("OPTIONS", "/v1/nothing", 404)
        self.ask("PATCH", "/v1/jobs/delete", 405, {"name": "x"})
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
