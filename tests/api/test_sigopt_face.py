"""The face of a SigOpt server, asked with what the published Python client (sigopt 8.8.3) sends."""

import base64
import tempfile
import unittest

import schema_check
from daemon import Daemon

CONSTRAINED = [
    {"name": "acc", "objective": "maximize", "strategy": "constraint", "threshold": 0.5},
    {"name": "lat", "objective": "minimize", "strategy": "optimize"},
]
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(b"some-token:").decode(),
    "Content-Type": "application/json",
    "User-Agent": "sigopt-python/8.8.3",
    "Accept": "*/*",
}


def experiment(**more):
    return {
        "name": "x",
        "parameters": [
            {"name": "a", "type": "int", "bounds": {"min": 2, "max": 5}},
            {"name": "b", "type": "double", "bounds": {"min": 0.0, "max": 1.0}},
            {"name": "m", "type": "categorical", "categorical_values": ["s", "d"]},
        ],
        "metrics": CONSTRAINED,
        "observation_budget": 12,
        **more,
    }


def measured(assignments):
    return {"acc": 1 - assignments["b"], "lat": assignments["a"] + (assignments["m"] == "d")}


def listed(values):
    return [{"name": name, "value": value} for name, value in values.items()]


class Face(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        self.document = self.daemon.request("GET", "/openapi.json")[2]

    def ask(self, method, path, body=None, expected=200):
        path = f"/sigopt/v1/experiments{path}"
        status, _, answer = self.daemon.request(method, path, body, HEADERS)
        self.assertEqual(status, expected, answer)
        if status == 200:
            schema = schema_check.response_schema(self.document, method, path, status)
            self.assertEqual(schema_check.check(schema, answer, self.document), [])
        else:
            self.assertEqual(answer["status"], status)
            self.assertTrue(answer["message"])
        return answer

    def create(self, **more):
        return self.ask("POST", "", experiment(**more))["id"]

    def suggest(self, job):
        return self.ask("POST", f"/{job}/suggestions", {})

    def observe(self, job, suggestion, expected=200, **more):
        body = {"suggestion": suggestion["id"], **more}
        if not more:
            body["values"] = listed(measured(suggestion["assignments"]))
        return self.ask("POST", f"/{job}/observations", body, expected)

    def loop(self, job, between=lambda count: None):
        """As the client's users write it. Returns what was measured."""
        tried = []
        shown = self.ask("GET", f"/{job}")
        while shown["progress"]["observation_count"] < shown["observation_budget"]:
            suggestion = self.suggest(job)
            between(len(tried))
            tried.append((measured(suggestion["assignments"]), suggestion["assignments"]))
            self.observe(job, suggestion)
            shown = self.ask("GET", f"/{job}")
        return tried

    def check_best(self, job, tried):
        best = self.ask("GET", f"/{job}/best_assignments")
        lowest = min(values["lat"] for values, _ in tried if values["acc"] >= 0.5)
        values = {value["name"]: value["value"] for value in best["data"][0]["values"]}
        self.assertEqual(values["lat"], lowest)
        self.assertGreaterEqual(values["acc"], 0.5)
        self.assertIn((values, best["data"][0]["assignments"]), tried)

    def killed(self):
        self.daemon.kill9()
        self.daemon.start()

    def test_a_loop(self):
        job = self.create()
        tried = self.loop(job)
        self.assertEqual(len(tried), 12)
        for _, assignments in tried:
            self.assertIn(assignments["a"], (2, 3, 4, 5))
            self.assertTrue(0 <= assignments["b"] <= 1)
            self.assertIn(assignments["m"], ("s", "d"))
        self.check_best(job, tried)
        answer = self.ask("POST", f"/{job}/suggestions", {}, 400)
        self.assertIn("over", answer["message"])

    def test_an_open_suggestion_survives_a_crash(self):
        job = self.create()
        tried = self.loop(job, lambda count: self.killed() if count in (0, 5) else None)
        self.assertEqual(len(tried), 12)
        self.check_best(job, tried)

    def test_nothing_is_best_when_nothing_meets_the_threshold(self):
        job = self.create()
        suggestion = self.suggest(job)
        self.observe(job, suggestion, values=listed({"acc": 0.1, "lat": 1}))
        self.assertEqual(self.ask("GET", f"/{job}/best_assignments")["data"], [])

    def test_one_metric_alone(self):
        job = self.create(metrics=[{"name": "f"}], observation_budget=3)
        for value in (1, 3, 2):
            self.observe(job, self.suggest(job), values=listed({"f": value}))
        best = self.ask("GET", f"/{job}/best_assignments")["data"][0]
        self.assertEqual(best["values"], [{"name": "f", "value": 3}], "the default is to maximize")

    def test_failures_are_observations(self):
        job = self.create(observation_budget=2)
        suggestion = self.suggest(job)
        self.observe(job, suggestion, failed=True)
        self.observe(job, suggestion, failed=True)
        self.observe(job, suggestion, 409, values=listed({"acc": 0.9, "lat": 1}))
        self.assertEqual(self.ask("GET", f"/{job}")["progress"]["observation_count"], 1)
        self.observe(job, self.suggest(job))
        self.assertEqual(self.ask("GET", f"/{job}")["progress"]["observation_count"], 2)

    def test_two_at_once(self):
        job = self.create(parallel_bandwidth=2)
        one, two = self.suggest(job), self.suggest(job)
        self.assertNotEqual(one["id"], two["id"])
        self.observe(job, two)
        self.observe(job, one)

    def test_observing_twice(self):
        job = self.create()
        suggestion = self.suggest(job)
        self.observe(job, suggestion)
        self.observe(job, suggestion)
        self.observe(job, suggestion, 409, values=listed({"acc": 0.1, "lat": 1}))
        self.assertEqual(self.ask("GET", f"/{job}")["progress"]["observation_count"], 1)

    def test_an_idempotency_key_brings_the_same_answer(self):
        job = self.create()
        path = f"/sigopt/v1/experiments/{job}"
        for rest, body in (
            ("suggestions", {}),
            ("observations", {"suggestion": "1", "values": listed({"acc": 1, "lat": 2})}),
        ):
            headers = {**HEADERS, "Idempotency-Key": rest}
            first = self.daemon.request("POST", f"{path}/{rest}", body, headers)
            self.assertEqual(first[0], 200, first[2])
            self.killed()
            again = self.daemon.request("POST", f"{path}/{rest}", body, headers)
            self.assertEqual(again[::2], first[::2])
            self.assertEqual(again[1]["Idempotency-Replayed"], "true")

    def test_refusals(self):
        job = self.create()
        suggestion = self.suggest(job)
        self.observe(job, suggestion, 400, values=listed({"acc": 1}))
        self.observe(job, suggestion, 400, values=listed({"acc": 1, "lat": 1, "more": 1}))
        self.observe(job, suggestion, 400, failed=True, values=[])
        self.observe(job, {"id": "77"}, 400, failed=True)
        self.observe(job, {"id": "x"}, 400, failed=True)
        self.ask("GET", "/17", expected=404)
        self.ask("POST", "/17/suggestions", {}, 404)
        same = [{"name": "a", "type": "int", "bounds": {"min": 1, "max": 1}}]
        for more in (
            {"parameters": same},
            {"observation_budget": None},
            {"budget": 3},
            {"linear_constraints": []},
            {"metrics": [{"name": "f", "threshold": 1}]},
            {"metrics": []},
            {"project": {}},
            {"parameters": [{**same[0], "bounds": {"min": 1, "max": 2}, "transformation": "exp"}]},
            {"parameters": [{**same[0], "bounds": {"min": 1, "max": 2}, "categorical_values": []}]},
            {"parameters": [{**same[0], "grid": [1, 2]}]},
            {"parameters": [{
                "name": "m", "type": "categorical", "categorical_values": ["s", "d"], "grid": [1, 2],
            }]},
        ):
            self.ask("POST", "", experiment(**more), 400)

    def test_nobody_else_takes_its_questions(self):
        job = self.create()
        pool = {"pool": f"sigopt:{job}", "worker": "w"}
        self.assertEqual(self.daemon.request("POST", "/v1/leases", pool)[0], 422)
        other = self.daemon.request("GET", f"/v1/jobs/{job}/spec")[2]
        self.assertEqual(self.daemon.request("POST", "/v1/jobs", other)[0], 422)


if __name__ == "__main__":
    unittest.main()
