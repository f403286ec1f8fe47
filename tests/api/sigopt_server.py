"""A SigOpt server as strict as the published one: it refuses what that one refuses.

Rules are those of sigopt-server's handlers (experiments/create.py, suggestions, observations,
parameters/from_json.py, net/errors.py, api/auth.py). Suggestions are drawn at random.
"""

import base64
import binascii
import json
import math
import random

from scripted import Reply, Server

TOKEN = "CANARYTOKENABCDEFGHIJKLMNOPQRSTUVWXYZ012345678"
PROJECT = "quant-tuning"
NAME_MAX = 100
EDGE_MIN = 1e-8

EXPERIMENT = {
    "name", "project", "observation_budget", "parallel_bandwidth", "type", "parameters", "metrics",
    "metadata", "linear_constraints", "conditionals", "num_solutions", "tasks",
}  # fmt: skip


class Refused(Exception):
    def __init__(self, status, message, **more):
        super().__init__(message)
        self.reply = Reply(status, {"message": message, "status": status, **more})


def need(condition, message, status=400):
    if not condition:
        raise Refused(status, message)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_name(value):
    return isinstance(value, str) and 1 <= len(value) <= NAME_MAX


def positive(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def only(mapping, allowed, what):
    need(isinstance(mapping, dict), f"{what} must be an object")
    unknown = set(mapping) - set(allowed)
    need(not unknown, f"{what}: unknown keys {sorted(unknown)}")


def unique(pairs):
    need(len(pairs) == len({key for key, _ in pairs}), "duplicate keys")
    return dict(pairs)


def no_constant(name):
    raise Refused(400, f"{name} is not JSON")


def check_metadata(metadata):
    only(metadata, metadata, "metadata")
    need(len(metadata) <= 100, "at most 100 keys of metadata")
    for key, value in metadata.items():
        need(len(key) <= 100, "a key of metadata is too long")
        need(not isinstance(value, str) or len(value) <= 500, "a value of metadata is too long")
        need(value is None or isinstance(value, str) or is_number(value), "metadata is flat")


def check_parameter(parameter):
    only(parameter, {"name", "type", "bounds", "categorical_values", "transformation"}, "parameter")
    need(is_name(parameter.get("name")), "a parameter needs a name")
    kind = parameter.get("type")
    need(kind in ("int", "double", "categorical"), "type of a parameter")
    if kind == "categorical":
        values = parameter.get("categorical_values", [])
        need(len(values) >= 2 and len(set(values)) == len(values), "categorical values")
        need(all(isinstance(v, str) and len(v) <= 50 for v in values), "categorical values")
        return
    only(parameter.get("bounds"), {"min", "max"}, "bounds")
    low, high = parameter["bounds"].get("min"), parameter["bounds"].get("max")
    whole = kind != "int" or (isinstance(low, int) and isinstance(high, int))
    need(is_number(low) and is_number(high) and whole, "bounds")
    need(high - low >= EDGE_MIN, f"min and max of {parameter['name']} are too close")


def check_metrics(metrics):
    need(isinstance(metrics, list) and 1 <= len(metrics) <= 50, "metrics")
    for metric in metrics:
        only(metric, {"name", "objective", "strategy", "threshold"}, "metric")
        need(is_name(metric.get("name")), "a metric needs a name")
        need(metric.get("objective", "maximize") in ("maximize", "minimize"), "objective")
    by = {
        strategy: [m for m in metrics if m.get("strategy", "optimize") == strategy]
        for strategy in ("optimize", "constraint", "store")
    }
    need(sum(map(len, by.values())) == len(metrics), "strategy of a metric")
    need(len({m["name"] for m in metrics}) == len(metrics), "names of metrics are unique")
    need(1 <= len(by["optimize"]) <= 2, "one or two optimized metrics")
    need(len(by["constraint"]) <= 4, "at most four constraints")
    need(all(is_number(m.get("threshold")) for m in by["constraint"]), "constraints need thresholds")
    need(not any("threshold" in m for m in by["store"]), "no threshold for stored metrics")
    single = len(by["optimize"]) == 1
    need(not (single and "threshold" in by["optimize"][0]), "no threshold for the only objective")
    return by


class SigoptServer(Server):
    """`fault(method, path)` may return a Reply instead of the answer, or "lose": what was asked is
    carried out and the connection closed. `page` is how many suggestions one page holds."""

    def __init__(self, fault=None, page=1000):
        self.fault = fault or (lambda method, path: None)
        self.page = page
        self.experiments = {}
        self.random = random.Random(7)
        self.next_id = 1000
        self.refusals = []
        super().__init__(self.serve)

    def serve(self, request):
        fault = self.fault(request.method, request.path)
        if fault not in (None, "lose"):
            return fault
        try:
            answer = Reply(200, self.route(request))
        except Refused as refused:
            self.refusals.append(str(refused))
            answer = refused.reply
        return None if fault == "lose" else answer

    def route(self, request):
        self.authorize(request.headers)
        parts = request.path.strip("/").split("/")
        need(parts[:2] == ["v1", "experiments"], "no such route", 404)
        body = {}
        if request.method == "POST":
            body = self.parse(request.body)
        else:
            need(not request.body, "GET takes no body")
        if len(parts) == 2:
            need(request.method == "POST", "method", 405)
            return self.create(body)
        need(parts[2] in self.experiments, "no such experiment", 404)
        experiment = self.experiments[parts[2]]
        routes = {
            ("POST", "suggestions"): self.suggest,
            ("POST", "observations"): self.observe,
        }
        if request.method == "GET" and parts[3:] == ["suggestions"]:
            return self.list(experiment, request.query)
        need((request.method, *parts[3:]) in routes, "no such route", 404)
        return routes[(request.method, parts[3])](experiment, body)

    def authorize(self, headers):
        value = headers.get("Authorization")
        if value is None:
            reply = {"message": "no credentials", "status": 401}
            refused = Refused(401, "no credentials")
            refused.reply = Reply(401, reply, {"WWW-Authenticate": 'Basic realm="SigOpt"'})
            raise refused
        try:
            scheme, encoded = value.split(" ", 1)
            user, password = base64.b64decode(encoded, validate=True).decode().split(":", 1)
        except (ValueError, binascii.Error):
            raise Refused(400, "credentials cannot be parsed") from None
        need(scheme == "Basic" and password == "", "credentials cannot be parsed")
        if user != TOKEN:
            raise Refused(403, f"no valid token: {user}", token_status="expired")

    def parse(self, text):
        try:
            body = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
        except ValueError:
            raise Refused(400, "no JSON") from None
        need(isinstance(body, dict) and "\0" not in text.decode(), "a JSON object is expected")
        return body

    def new_id(self):
        self.next_id += 1
        return str(self.next_id)

    def create(self, body):
        only(body, EXPERIMENT, "experiment")
        need(is_name(body.get("name")), "name")
        need(body.get("project") in (None, PROJECT), "no such project", 404)
        need(body.get("type", "offline") in ("offline", "random", "grid"), "type")
        need(positive(body.get("parallel_bandwidth", 1)), "parallel_bandwidth")
        need(positive(body.get("observation_budget", 1)), "observation_budget")
        check_metadata(body.get("metadata", {}))
        need(isinstance(body.get("parameters"), list) and body["parameters"], "parameters")
        for parameter in body["parameters"]:
            check_parameter(parameter)
        names = [parameter["name"] for parameter in body["parameters"]]
        need(len(set(names)) == len(names), "names of parameters are unique")
        by = check_metrics(body.get("metrics"))
        budgeted = by["constraint"] or len(by["optimize"]) > 1
        need(not budgeted or "observation_budget" in body, "observation_budget is required")
        experiment = {
            "object": "experiment", "id": self.new_id(), "state": "active", "suggestions": {},
            "observations": [], **body,
        }  # fmt: skip
        self.experiments[experiment["id"]] = experiment
        progress = {"object": "progress", "observation_count": 0, "observation_budget_consumed": 0}
        return {"object": "experiment", "id": experiment["id"], "state": "active", **body,
                "progress": progress}  # fmt: skip

    def assignments(self, experiment):
        return {
            p["name"]: self.random.randint(p["bounds"]["min"], p["bounds"]["max"])
            for p in experiment["parameters"]
        }

    def suggest(self, experiment, body):
        only(body, {"metadata"}, "suggestion")
        check_metadata(body.get("metadata", {}))
        suggestion = {
            "object": "suggestion", "id": self.new_id(), "experiment": experiment["id"],
            "state": "open", "assignments": self.assignments(experiment), "created": 1700000000,
            "metadata": body.get("metadata"),
        }  # fmt: skip
        experiment["suggestions"][suggestion["id"]] = suggestion
        return suggestion

    def list(self, experiment, query):
        only(query, {"state", "limit", "before", "after"}, "query")
        need(query.get("state", "open") in ("open", "closed"), "state")
        need(0 <= int(query.get("limit", 1000)) <= 1000, "limit")
        found = [
            s for s in reversed(list(experiment["suggestions"].values()))
            if s["state"] == query.get("state", s["state"])
        ]  # fmt: skip
        count = len(found)
        if "before" in query:
            need(query["before"].startswith("m/="), "no such marker")
            found = [s for s in found if int(s["id"]) < int(query["before"][3:])]
        size = min(self.page, int(query.get("limit", 1000)))
        shown = found[:size]
        before = f"m/={shown[-1]['id']}" if len(found) > size else None
        paging = {"before": before, "after": None}
        return {"object": "pagination", "data": shown, "count": count, "paging": paging}

    def observe(self, experiment, body):
        only(body, {"suggestion", "assignments", "values", "failed", "metadata"}, "observation")
        need(("suggestion" in body) != ("assignments" in body), "suggestion or assignments")
        suggestion = experiment["suggestions"].get(str(body.get("suggestion")))
        need(suggestion is not None, "no such suggestion")
        need(suggestion["state"] == "open", "the suggestion has an observation")
        need(body.get("failed", False) in (True, False), "failed")
        if body.get("failed"):
            need("values" not in body, "no values of what failed")
        else:
            names = [m["name"] for m in experiment["metrics"]]
            values = body.get("values", [])
            for value in values:
                only(value, {"name", "value", "value_stddev"}, "value")
                need(is_number(value.get("value")) and math.isfinite(value["value"]), "value")
            need(sorted(v.get("name") for v in values) == sorted(names), "every metric, once")
        suggestion["state"] = "closed"
        experiment["observations"].append(body)
        return {"object": "observation", "id": self.new_id(), "experiment": experiment["id"], **body}
