"""The strategy sigopt against a server that checks every field as the published one does."""

import json
import threading

import jobkit
from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S
from scripted import Reply
from sigopt_server import PROJECT, TOKEN, SigoptServer
from test_remote import RemoteCase


class SigoptCase(RemoteCase):
    def server(self, fault=None, **more):
        server = SigoptServer(fault, **more)
        self.addCleanup(server.stop)
        return server

    def spec(self, url, criterion=None, operators=3, **more):
        kwargs = {
            "base_url": url,
            "sigopt_api_token": TOKEN,
            "sigopt_project_id": PROJECT,
            "fallback": True,
            **more.pop("kwargs", {}),
        }
        criterion = {
            "strategy": "sigopt",
            "strategy_kwargs": kwargs,
            "stop_on": "budget",
            "max_trials": 8,
            **(criterion or {}),
        }
        more = {"tuning_criterion": criterion, "confirm": 0, **more}
        return body(self.evaluator.url, operators, **more)

    def ends(self, job, reason):
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], reason, document["exit"])
        return document

    def asked(self, server, method, what):
        return [r for r in server.requests if r.method == method and r.path.endswith(what)]


class Protocol(SigoptCase):
    def test_a_whole_search(self):
        server = self.server()
        job = submit(self.daemon, self.spec(server.url))
        document = self.ends(job, "max_trials")
        self.assertEqual(server.refusals, [])
        (experiment,) = server.experiments.values()
        self.assertEqual(experiment["name"], "nc-tune")
        self.assertEqual((experiment["observation_budget"], experiment["parallel_bandwidth"]), (8, 1))
        space = get(self.daemon, f"/v1/jobs/{job}/space")
        bounds = {"min": 0, "max": space["ops"][0]["choices"] - 1}
        self.assertEqual(
            experiment["parameters"],
            [{"name": f"op_{i}", "type": "int", "bounds": bounds} for i in range(3)],
        )
        self.assertEqual(
            experiment["metrics"],
            [
                {"name": "accuracy", "objective": "maximize", "strategy": "constraint",
                 "threshold": document["criterion"]["bound"]},
                {"name": "latency_ms", "objective": "minimize", "strategy": "optimize"},
            ],
        )  # fmt: skip
        trials = [
            t for t in everything(self.daemon, f"/v1/jobs/{job}/trials") if t["kind"] == "evaluate"
        ]
        self.assertEqual(len(experiment["observations"]), len(trials))
        for trial, told in zip(trials, experiment["observations"]):
            if trial["state"] == "failed":
                self.assertEqual(told, {"suggestion": told["suggestion"], "failed": True})
                continue
            values = {value["name"]: value["value"] for value in told["values"]}
            self.assertEqual(values["accuracy"], trial["accuracy"])
            self.assertEqual(values["latency_ms"], trial["metrics"]["latency_ms"])
        self.assertTrue(all(s["state"] == "closed" for s in experiment["suggestions"].values()))

    def test_an_integer_is_the_place_of_a_choice(self):
        server = self.server()
        server.assignments = lambda experiment: {"op_0": 0, "op_1": 5, "op_2": 4}
        job = submit(self.daemon, self.spec(server.url, {"max_trials": 1}))
        self.ends(job, "max_trials")
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/3")
        modes = [trial["config"]["ops"][f"op{i}"]["mode"] for i in range(3)]
        self.assertEqual(modes, ["static", "fp32", "bf16"])

    def test_without_fallback_only_options_of_the_default_mode_and_no_fixed_ones(self):
        server = self.server()
        names = {"op0": {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}}
        job = submit(
            self.daemon,
            self.spec(
                server.url,
                kwargs={"fallback": False},
                op_name_dict=names,
                calibration_sampling_size=[50, 100, 200],
            ),
        )
        finished(self.daemon, job)
        self.assertEqual(server.refusals, [])
        (experiment,) = server.experiments.values()
        parameters = {p["name"]: p["bounds"]["max"] for p in experiment["parameters"]}
        self.assertEqual(parameters, {"calibration_sampling_size": 2, "op_1": 3, "op_2": 3})

    def test_lower_is_better_and_several_accuracies(self):
        server = self.server()
        job = self.spec(server.url, {"max_trials": 2})
        job["accuracy_criterion"] = {"higher_is_better": False, "tolerable_loss": 0.1}
        document = self.ends(submit(self.daemon, job), "max_trials")
        (experiment,) = server.experiments.values()
        constraint = experiment["metrics"][0]
        self.assertEqual(constraint["objective"], "minimize")
        self.assertEqual(constraint["threshold"], document["criterion"]["bound"])

        def reply(question, headers):
            return {"accuracy": {"a": 0.9, "b": 0.5}, "latency_ms": 1.0}

        self.evaluator.reply = reply
        several = self.server()
        metrics = [{"name": "a"}, {"name": "b"}]
        job = self.spec(several.url, {"max_trials": 2, "objective": ["latency_ms", "accuracy"]})
        job["accuracy_criterion"] = {"metrics": metrics}
        self.ends(submit(self.daemon, job), "max_trials")
        self.assertEqual(several.refusals, [])
        (experiment,) = several.experiments.values()
        self.assertEqual(
            [(m["name"], m["objective"], m.get("threshold")) for m in experiment["metrics"]],
            [("margin", "maximize", 0.0), ("objective", "minimize", None)],
        )
        self.assertEqual(experiment["observations"][0]["values"][0]["value"], 1.0)

    def test_parallel(self):
        server = self.server()
        job = submit(self.daemon, self.spec(server.url, parallel=3))
        self.ends(job, "max_trials")
        self.assertEqual(server.refusals, [])
        (experiment,) = server.experiments.values()
        self.assertEqual(experiment["parallel_bandwidth"], 3)
        self.assertGreaterEqual(len(experiment["observations"]), 8)


class Resumption(SigoptCase):
    def test_a_restart_goes_on_with_the_same_experiment(self):
        server = self.server()
        gate = threading.Event()
        self.addCleanup(gate.set)

        def reply(question, headers):
            if question["trial"] > 6:
                gate.wait(PATIENCE_S)
            return jobkit.crash_model.answer(question)

        self.evaluator.reply = reply
        job = submit(self.daemon, self.spec(server.url))
        wait_until(lambda: any(q.get("trial", 0) > 6 for _, q, _ in self.evaluator.calls))
        self.daemon.kill9()
        gate.set()
        self.daemon.start()
        self.ends(job, "max_trials")
        self.assertEqual((len(server.experiments), server.refusals), (1, []))
        (experiment,) = server.experiments.values()
        self.assertTrue(all(s["state"] == "closed" for s in experiment["suggestions"].values()))

    def lost(self, what, **more):
        """The third answer of this kind is lost, after the server has carried it out."""
        seen = []

        def fault(method, path):
            if method == "POST" and path.endswith(what):
                seen.append(path)
                return "lose" if len(seen) == 3 else None
            return None

        server = self.server(fault, **more)
        self.ends(submit(self.daemon, self.spec(server.url)), "max_trials")
        self.assertEqual(server.refusals, [])
        (experiment,) = server.experiments.values()
        self.assertTrue(all(s["state"] == "closed" for s in experiment["suggestions"].values()))
        self.assertEqual(len(experiment["suggestions"]), len(experiment["observations"]))
        marks = [s["metadata"]["narrowd"] for s in experiment["suggestions"].values()]
        self.assertEqual(len(marks), len(set(marks)), "nothing was suggested twice")
        return server

    def test_a_lost_suggestion_is_found_by_its_metadata(self):
        server = self.lost("suggestions")
        self.assertEqual(len(self.asked(server, "GET", "suggestions")), 1)

    def test_a_lost_observation_is_not_made_twice(self):
        self.lost("observations")

    def test_a_lost_suggestion_is_found_on_a_later_page(self):
        holder = []

        def fault(method, path):
            posts = self.asked(holder[0], "POST", "suggestions")
            if method == "POST" and path.endswith("suggestions") and len(posts) == 2:
                return "lose"
            if method == "GET" and path.endswith("suggestions"):
                # Somebody else's open suggestions are newer than ours.
                (experiment,) = holder[0].experiments.values()
                while len(experiment["suggestions"]) < 8:
                    holder[0].suggest(experiment, {})
            return None

        holder.append(self.server(fault, page=2))
        server = holder[0]
        self.ends(submit(self.daemon, self.spec(server.url, {"max_trials": 3})), "max_trials")
        self.assertEqual(server.refusals, [])
        self.assertGreater(len(self.asked(server, "GET", "suggestions")), 2)
        (experiment,) = server.experiments.values()
        ours = [s for s in experiment["suggestions"].values() if s["metadata"]]
        self.assertTrue(all(s["state"] == "closed" for s in ours))
        self.assertEqual(len(ours), len({s["metadata"]["narrowd"] for s in ours}))

    def test_an_observation_that_did_not_arrive_is_made(self):
        seen = []

        def fault(method, path):
            if method == "POST" and path.endswith("observations"):
                seen.append(path)
                return Reply(502, b"<html>bad gateway</html>") if len(seen) == 2 else None
            return None

        server = self.server(fault)
        self.ends(submit(self.daemon, self.spec(server.url)), "max_trials")
        (experiment,) = server.experiments.values()
        self.assertEqual(server.refusals, [])
        self.assertTrue(all(s["state"] == "closed" for s in experiment["suggestions"].values()))


class Failure(SigoptCase):
    def test_too_many_requests_and_bad_gateways_are_waited_out(self):
        for answer in (
            Reply(429, {"message": "temporarily disabled because of too many requests", "status": 429}),
            Reply(503, {"message": "busy", "status": "503"}),
            Reply(504, b"gateway"),
        ):
            seen = set()

            def fault(method, path, answer=answer, seen=seen):
                if (method, path) in seen:
                    return None
                seen.add((method, path))
                return answer

            server = self.server(fault)
            retry = {"max_attempts": 5, "backoff_s": 0.01}
            job = submit(self.daemon, self.spec(server.url, {"max_trials": 3}, retry=retry))
            self.ends(job, "max_trials")
            self.assertEqual((len(server.experiments), server.refusals), (1, []))

    def test_refusals_end_the_job_with_the_servers_words(self):
        cases = (
            ({"sigopt_project_id": "nobody"}, None, "404: no such project", 1),
            ({"sigopt_api_token": "wrong"}, None, "SigOpt answered 403", 1),
            ({}, Reply(500, b"oops"), "SigOpt answered 500", 1),
            ({}, Reply(200, b"[]"), "no JSON object", 1),
            ({}, Reply(200, {"id": "../x"}), "gave it no id", 1),
            ({}, Reply(429, {"message": "too many", "status": 429}), "429: too many", 3),
        )
        for kwargs, answer, words, attempts in cases:
            with self.subTest(words=words):
                server = self.server(lambda method, path, answer=answer: answer)
                said = self.failed(submit(self.daemon, self.spec(server.url, kwargs=kwargs)))
                self.assertIn(words, said)
                self.assertNotIn("wrong", said, "a token that the server quotes")
                self.assertEqual(len(server.requests), attempts)

    def test_what_is_no_choice_is_refused(self):
        for value in (6, -1, 1.5, "1", None):
            server = self.server()
            server.assignments = lambda e, v=value: {"op_0": v, "op_1": 0, "op_2": 0}
            said = self.failed(submit(self.daemon, self.spec(server.url)))
            self.assertIn('no integer from 0 to 5 for "op_0"', said)

    def test_silence(self):
        held = threading.Event()
        self.addCleanup(held.set)

        def fault(method, path):
            if path.endswith("suggestions"):
                held.wait(PATIENCE_S)
            return None

        server = self.server(fault)
        job = self.spec(
            server.url,
            kwargs={"timeout_s": 0.2},
            retry={"max_attempts": 2, "backoff_s": 0.01},
        )
        self.assertIn("SigOpt", self.failed(submit(self.daemon, job)))

    def test_arguments(self):
        kwargs = "/tuning_criterion/strategy_kwargs"
        job = self.spec("http://127.0.0.1:4444")
        given = job["tuning_criterion"]["strategy_kwargs"]
        for change, pointer in (
            ({"base_url": None}, "/base_url"),
            ({"sigopt_api_token": None}, "/sigopt_api_token"),
            ({"sigopt_project_id": None}, "/sigopt_project_id"),
            ({"sigopt_experiment_name": "x" * 101}, "/sigopt_experiment_name"),
            ({"base_url": "http://169.254.169.254"}, "/base_url"),
        ):
            job["tuning_criterion"]["strategy_kwargs"] = {**given, **change}
            status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
            self.assertEqual(status, 422, problem)
            self.assertEqual([e["pointer"] for e in problem["errors"]], [kwargs + pointer])

    def test_nothing_to_choose(self):
        job = self.spec("http://127.0.0.1:1", kwargs={"fallback": False}, operators=1)
        fixed = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
        job["op_name_dict"] = {"op0": fixed}
        status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
        self.assertEqual((status, problem["errors"][0]["pointer"]), (422, "/tuning_criterion/strategy"))


class Secret(SigoptCase):
    def test_the_token_is_nowhere(self):
        server = self.server()
        job = submit(self.daemon, self.spec(server.url))
        finished(self.daemon, job)
        kwargs = get(self.daemon, f"/v1/jobs/{job}/spec")["tuning_criterion"]["strategy_kwargs"]
        self.assertEqual(kwargs["sigopt_api_token"], {"set": True})
        for path in ("", "/spec", "/space", "/best", "/trials/2", "/export", "/events"):
            headers = {"Accept": "application/json"}
            _, _, document = self.daemon.request("GET", f"/v1/jobs/{job}{path}", headers=headers)
            self.assertNotIn(TOKEN, json.dumps(document))
        self.assertNotIn(TOKEN, self.daemon.log())
        schema = get(self.daemon, "/v1/strategies/sigopt")["strategy_kwargs"]
        self.assertTrue(schema["properties"]["sigopt_api_token"]["writeOnly"])
        self.assertEqual(
            schema["required"], ["base_url", "sigopt_api_token", "sigopt_project_id"]
        )
        # Who copies the job searches with the same token.
        before = len(server.experiments)
        status, _, clone = self.daemon.request("POST", f"/v1/jobs/{job}/clone", {})
        self.assertEqual(status, 201)
        self.ends(clone["id"], "max_trials")
        self.assertEqual(len(server.experiments), before + 1)


del RemoteCase
