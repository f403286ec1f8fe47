"""What the daemon serves and what its OpenAPI document says are the same thing."""

import json
import os
import subprocess
import tempfile
import unittest

import exposition
import jobkit
import schema_check
from daemon import Daemon
from receiver import Receiver

METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(cls.directory.name)
        cls.daemon.start()
        cls.evaluator = jobkit.Evaluator()
        cls.document = cls.daemon.request("GET", "/openapi.json")[2]

    @classmethod
    def tearDownClass(cls):
        cls.evaluator.close()
        cls.daemon.stop()
        cls.directory.cleanup()

    def test_routes_both_ways(self):
        printed = subprocess.run(
            [os.environ["NARROWD_BIN"], "--print-routes"], capture_output=True, text=True, check=True
        ).stdout.split("\n")
        documented = {
            f"{method.upper()} {path}"
            for path, item in self.document["paths"].items()
            for method in item
            if method in METHODS
        }
        self.assertEqual(set(filter(None, printed)), documented)

    def test_version(self):
        said = subprocess.run(
            [os.environ["NARROWD_BIN"], "--version"], capture_output=True, text=True, check=True
        ).stdout
        self.assertEqual(said.split()[1], self.document["info"]["version"])

    def test_query_parameters_both_ways(self):
        documented = {}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                parameters = [
                    schema_check.follow(node, self.document)
                    for node in operation.get("parameters", [])
                ]
                documented[method, path] = {
                    node["name"] for node in parameters if node["in"] == "query"
                } - {"labels", "op"}
        everywhere = set().union(*documented.values())
        self.assertLess({"limit", "cursor", "state"}, everywhere)
        for (method, path), names in documented.items():
            path = path.replace("{id}", "x").replace("{n}", "1").replace("{name}", "basic")
            for name in everywhere:
                status, _, answer = self.daemon.request(method.upper(), f"{path}?{name}=1", None)
                unknown = status == 400 and "unknown_query_parameter" in answer["type"]
                self.assertEqual(unknown, name not in names, (method, path, name))

    def ask(self, method, path, body=None, headers=None):
        """Sends a request and checks the answer against what the document promises for it."""
        status, sent, value = self.daemon.request(method, path, body, headers)
        plain = path.split("?")[0]
        schema = schema_check.response_schema(self.document, method, plain, status)
        if schema is not None and sent.get_content_type().endswith("json"):
            faults = schema_check.check(schema, value, self.document, closed=True)
            self.assertEqual(faults, [], f"{method} {path} -> {status}: {json.dumps(value)[:2000]}")
        return status, sent, value

    def test_answers_are_as_documented(self):
        url = self.evaluator.url
        job = jobkit.body(url, name="contract", labels={"a": "b"})
        self.ask("POST", "/v1/spaces", job)
        status, _, document = self.ask("POST", "/v1/jobs", job)
        self.assertEqual(status, 201)
        path = f"/v1/jobs/{document['id']}"
        self.ask("GET", path)
        jobkit.finished(self.daemon, document["id"])
        for rest in (
            "",
            "/spec",
            "/space",
            "/best",
            "/pareto",
            "/trials",
            "/trials?limit=2&order=-accuracy&feasible=true",
            "/trials/0",
            "/trials/1?config=delta",
            "/trials/1?config=none",
            "/events",
            "/events?limit=3",
            "/export",
            "/export?format=inc",
        ):
            status, _, _ = self.ask("GET", path + rest)
            self.assertEqual(status, 200, rest)
        status, sent, _ = self.daemon.request("GET", path + "/export?format=csv")
        self.assertEqual((status, sent.get_content_type()), (200, "text/csv"))
        for action, expected in (("pause", 409), ("resume", 409), ("cancel", 200)):
            self.assertEqual(self.ask("POST", f"{path}/{action}")[0], expected)
        self.assertEqual(self.ask("PATCH", path, {"name": "late"})[0], 200)
        self.assertEqual(self.ask("PATCH", path, {"parallel": 2})[0], 409)
        self.assertEqual(self.ask("GET", "/v1/jobs?state=completed&label.a=b")[0], 200)
        self.assertEqual(self.ask("GET", "/v1/jobs/job_none")[0], 404)
        self.assertEqual(self.ask("GET", path + "?x=1")[0], 400)
        self.assertEqual(self.ask("POST", "/v1/jobs", {"evaluator": {}})[0], 422)
        self.assertEqual(self.ask("POST", "/v1/jobs", b"{")[0], 400)
        self.assertEqual(self.ask("DELETE", path)[0], 204)

    def test_imports(self):
        status, _, document = self.ask("POST", "/v1/jobs", jobkit.body(self.evaluator.url))
        self.assertEqual(status, 201)
        path = f"/v1/jobs/{document['id']}"
        self.assertEqual(self.ask("POST", f"{path}/pause")[0], 200)
        example = {"config": {"ops": {"op0": {"mode": "fp32"}}}, "accuracy": 1, "latency_ms": 2}
        self.assertEqual(self.ask("POST", f"{path}/trials", {"trials": [example]})[0], 200)
        self.assertEqual(self.ask("GET", f"{path}/trials/1")[0], 200)
        self.assertEqual(self.ask("GET", f"{path}/events")[0], 200)
        self.assertEqual(self.ask("POST", f"{path}/trials", {"trials": [{}]})[0], 422)
        self.assertEqual(self.ask("POST", f"{path}/cancel")[0], 200)

    def test_other_resources(self):
        status, sent, document = self.ask(
            "POST", "/v1/evaluators", {"name": "e", "url": self.evaluator.url, "secret": "hush"}
        )
        self.assertEqual(status, 201)
        path = sent["location"]
        self.ask("GET", "/v1/evaluators")
        self.ask("GET", path)
        self.ask("POST", path + "/probe")
        self.ask("PATCH", path, {"max_concurrency": 2})
        self.assertEqual(self.ask("DELETE", path)[0], 204)
        self.assertEqual(self.ask("GET", path)[0], 404)
        for path in ("/v1/strategies", "/v1/strategies/basic", "/v1/config", "/healthz", "/readyz"):
            self.assertEqual(self.ask("GET", path)[0], 200)
        for name in ("heartbeat", "complete"):
            self.assertEqual(self.ask("POST", f"/v1/leases/lse_none/{name}", {})[0], 404)
        status, sent, text = self.daemon.request("GET", "/metrics")
        self.assertEqual(sent.get_content_type(), "text/plain")
        self.assertIn("narrowd_build_info", exposition.families(text))

    def test_webhooks(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        schemas = self.document["components"]["schemas"]
        own, derived = schemas["WebhookEventType"]["anyOf"]
        types = schema_check.follow(own, self.document)["enum"] + derived["enum"]
        body = {"name": "n", "url": receiver.url, "events": types, "labels": {"a": "b"}, "job": None}
        status, sent, made = self.ask("POST", "/v1/webhooks", body)
        self.assertEqual(status, 201)
        receiver.secret = made["secret"]
        path = sent["location"]
        job = self.ask("POST", "/v1/jobs", jobkit.body(self.evaluator.url, labels={"a": "b"}))[2]
        jobkit.finished(self.daemon, job["id"])
        jobkit.wait_until(lambda: not self.ask("GET", f"{path}/deliveries?state=pending")[2]["items"])
        delivered = self.ask("GET", f"{path}/deliveries?state=delivered&limit=2")[2]["items"]
        self.assertEqual(len(delivered), 2)
        n = delivered[0]["n"]
        self.assertEqual(self.ask("POST", f"{path}/deliveries/{n}/replay")[0], 409)
        self.assertEqual(self.ask("POST", f"{path}/test", {})[0], 200)
        self.assertEqual(self.ask("GET", "/v1/webhooks")[0], 200)
        self.assertEqual(self.ask("GET", path)[0], 200)
        self.assertEqual(self.ask("DELETE", path)[0], 204)
        self.assertEqual(self.ask("GET", f"{path}/deliveries")[0], 404)
        self.assertEqual(self.ask("POST", "/v1/webhooks", {"events": ["?"]})[0], 422)
        self.assertEqual(receiver.faults, [])
        for request in receiver.requests:
            faults = schema_check.check(
                schemas["WebhookMessage"], json.loads(request.body), self.document
            )
            self.assertEqual(faults, [], request.body)

    def test_documented_requests_are_taken(self):
        """Every member of a documented request body is known to the daemon."""
        schemas = self.document["components"]["schemas"]
        known = set(schemas["JobMembers"]["properties"]) | {"evaluator"}
        status, _, problem = self.daemon.request(
            "POST", "/v1/jobs", {name: {"?": 1} for name in known} | {"no_such_member": 1}
        )
        unknown = {
            fault["pointer"]
            for fault in problem.get("errors", [])
            if fault["detail"].startswith("unknown member") and fault["pointer"].count("/") == 1
        }
        self.assertLessEqual(unknown, {"/no_such_member"})
        self.assertEqual(status, 422)


if __name__ == "__main__":
    unittest.main()
