"""Jobs that start from another one's spec and measurements, and what those say of operators."""

import unittest

import jobkit
from jobkit import body, finished, get, submit
from test_history import BUDGET, HistoryCase

MSE = {"strategy": "mse", "stop_on": "budget", "max_trials": 12}


def sensitive(question, headers):
    """The model of the crash test with scores; op1 is the one that suffers."""
    if question["question"] == "score":
        return {"scores": {name: 5.0 if name == "op1" else 1.0 for name in question["ops"]}}
    answer = {"accuracy": 0.9, "latency_ms": 100.0}
    for name, op in (question["config"] or {"ops": {}})["ops"].items():
        if op["mode"] == "static":
            answer["accuracy"] -= 0.1 if name == "op1" else 0.001
            answer["latency_ms"] -= 10
    return answer


def scored_capability(operators=4):
    return {**jobkit.capability(operators), "answers": ["evaluate", "score:mse"]}


class CloneCase(HistoryCase):
    def scored(self, url, **more):
        more = {"capability": scored_capability(), "tuning_criterion": MSE, "confirm": 0, **more}
        return body(url, **more)

    def clone(self, job, overrides=None, expected=201, **headers):
        status, sent, answer = self.daemon.request(
            "POST", f"/v1/jobs/{job}/clone", overrides, headers
        )
        self.assertEqual(status, expected, answer)
        if expected == 201:
            self.assertEqual(sent["location"], f"/v1/jobs/{answer['id']}")
        return answer

    def asked(self, evaluator, kind):
        return [q for _, q, _ in evaluator.calls if q.get("question") == kind]


class WarmStart(CloneCase):
    def test_measurements_and_scores_answer_for_those_of_the_same_space(self):
        evaluator = self.evaluator(sensitive)
        source = finished(self.daemon, submit(self.daemon, self.scored(evaluator.url)))
        asked, scored = (self.asked(evaluator, kind) for kind in ("evaluate", "score"))
        self.assertGreater(len(asked), 3)
        self.assertGreaterEqual(len(scored), 1)
        warm = self.scored(evaluator.url, warm_start={"job": source["id"]}, name="warm")
        document = submit(self.daemon, warm)
        document = finished(self.daemon, document)
        self.assertEqual(document["progress"]["imported"], len(asked))
        self.assertEqual(self.asked(evaluator, "score"), scored, "the scores are known")
        configs = [q["config"] for q in self.asked(evaluator, "evaluate")]
        again = [c for c in configs[len(asked):] if c in configs[:len(asked)]]
        self.assertEqual(again, [], "it was measured before")
        self.assertEqual(document["best"]["objective_value"], source["best"]["objective_value"])
        self.assertEqual(get(self.daemon, f"/v1/jobs/{document['id']}/spec")["warm_start"],
                         {"job": source["id"]})

    def test_it_survives_a_kill(self):
        evaluator = self.evaluator(sensitive)
        source = finished(self.daemon, submit(self.daemon, self.scored(evaluator.url)))
        job = submit(self.daemon, self.scored(evaluator.url, warm_start={"job": source["id"]}))
        self.daemon.kill9()
        self.daemon.start()
        document = finished(self.daemon, job)
        self.assertEqual(document["progress"]["imported"],
                         source["budget"]["trials_measured"])

    def test_a_job_that_measured_in_another_way_is_warned_of(self):
        wall = self.evaluator(lambda q, h: {**sensitive(q, h), "latency_ms": 24.7})
        source = self.run_job(self.evaluator(sensitive).url, tuning_criterion=BUDGET)

        def warnings(url):
            job = self.run_job(url, tuning_criterion=BUDGET, warm_start={"job": source})
            return [w["detail"] for w in get(self.daemon, f"/v1/jobs/{job}")["warnings"]]

        warning, = [w for w in warnings(wall.url) if "not comparable" in w]
        self.assertIn(f"imported from {source} ", warning)
        self.assertIn("latency_ms is 100 there and 24.7 here", warning)
        self.assertEqual([w for w in warnings(self.evaluator(sensitive).url) if "comparable" in w], [])

    def test_another_space_is_refused_with_the_difference(self):
        url = self.evaluator(sensitive).url
        source = self.run_job(url)

        def refused(**more):
            job = body(url, warm_start={"job": source}, **more)
            status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
            self.assertEqual(status, 422, problem)
            fault, = problem["errors"]
            self.assertEqual(fault["pointer"], "/warm_start/job")
            return fault["detail"]

        self.assertIn("4 operators, the other 5", refused(operators=5))
        self.assertIn("op0", refused(op_name_dict={"op0": {"weight": {"dtype": ["fp32"]}}}))
        renamed = jobkit.capability(4)
        renamed["ops"][2]["name"] = "other"
        self.assertIn("op2 in one and other", refused(capability=renamed))
        retyped = jobkit.capability(4)
        retyped["ops"][2]["type"] = "Conv2d"
        self.assertIn("Linear", refused(capability=retyped))
        self.assertIn("calibration", refused(calibration_sampling_size=[7, 9]))

    def test_faults(self):
        url = self.evaluator(sensitive).url
        for value, pointer in (({"job": "job_none"}, "/warm_start/job"),
                               ({"job": 7}, "/warm_start/job"), ({}, "/warm_start/job"),
                               ("job_none", "/warm_start"),
                               ({"job": 7, "x": 1}, "/warm_start/x /warm_start/job")):
            status, _, problem = self.daemon.request("POST", "/v1/jobs",
                                                     body(url, warm_start=value))
            self.assertEqual(status, 422, problem)
            self.assertEqual(" ".join(e["pointer"] for e in problem["errors"]), pointer, problem)

    def test_what_lacks_a_metric_that_this_job_needs_is_left_out(self):
        url = self.evaluator(lambda q, h: {"accuracy": 0.9, "metrics": {"latency_ms": 1}}).url
        source = self.run_job(url, tuning_criterion=BUDGET)
        metrics = {"latency_ms": 1, "model_size_bytes": 7}
        sized = self.evaluator(lambda q, h: {"accuracy": 0.9, "metrics": metrics}).url
        capability = jobkit.capability(4)
        capability["metrics"].append("model_size_bytes")
        job = self.run_job(sized, warm_start={"job": source}, capability=capability,
                           tuning_criterion={**BUDGET, "objective": "model_size_bytes"})
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["progress"]["imported"], 0)


class Clone(CloneCase):
    def test_a_clone_has_a_name_of_its_own(self):
        """A number behind it, unless the body names it or there is no room."""
        long, url = "n" * 1022, self.evaluator(sensitive).url
        for name, called in (("a", "a (2)"), ("b (2)", "b (3)"), ("a (9)", "a (10)"), ("a (1)", "a (1) (2)"), ("a (x)", "a (x) (2)"),
                             ("(2)", "(2) (2)"), (long, long), (None, None)):
            with self.subTest(name):
                source = submit(self.daemon, self.scored(url, **({"name": name} if name else {})))
                self.assertEqual(self.clone(source)["name"], called)
        self.assertEqual([self.clone(source, {"name": "mine"})["name"] for _ in range(2)], ["mine"] * 2)

    def test_several_clones_of_a_job_are_told_apart(self):
        source = submit(self.daemon, self.scored(self.evaluator(sensitive).url, name="twice"))
        clones = [self.clone(source) for _ in range(3)]
        clones.append(self.clone(clones[0]["id"]))
        self.assertEqual([job["name"] for job in clones], [f"twice ({n})" for n in (2, 3, 4, 5)])

    def test_not_any_number_of_names_is_tried(self):
        """Each is a search of all jobs: the 20th stays, and a clone of it has the next ones."""
        pool = {**self.scored("http://unused"), "evaluator": {"pool": "none"}}
        source = submit(self.daemon, {**pool, "name": "many"})
        for number in range(2, 21):
            last = submit(self.daemon, {**pool, "name": f"many ({number})"})
        self.assertEqual([self.clone(source)["name"] for _ in range(2)], ["many (21)"] * 2)
        self.assertEqual(self.clone(last)["name"], "many (22)")

    def test_the_same_again(self):
        url = self.evaluator(sensitive).url
        source = self.run_job(url, name="first", seed=5, labels={"team": "a"})
        job = self.clone(source)
        self.assertNotEqual(job["id"], source)
        self.assertEqual((job["name"], job["seed"], job["labels"]), ("first (2)", 5, {"team": "a"}))
        finished(self.daemon, job["id"])
        specs = [get(self.daemon, f"/v1/jobs/{j}/spec") for j in (source, job["id"])]
        self.assertEqual(specs[1]["evaluator"].pop("max_concurrency"), 1, "what was a default")
        self.assertEqual({**specs[0], "name": "first (2)"}, specs[1])

    def test_members_of_the_body_are_put_in_its_place(self):
        url = self.evaluator(sensitive).url
        source = self.run_job(url, tuning_criterion=BUDGET, seed=5)
        job = self.clone(source, {"seed": 6, "tuning_criterion": {"max_trials": 3}})
        document = finished(self.daemon, job["id"])
        self.assertEqual((document["seed"], document["strategy"]), (6, "exhaustive"))
        self.assertEqual(document["budget"]["max_trials"], 3)
        problem = self.clone(source, {"sead": 6}, 422)
        self.assertEqual(problem["errors"][0]["pointer"], "/sead")
        self.clone("job_none", expected=404)

    def test_warm(self):
        evaluator = self.evaluator(sensitive)
        source = finished(self.daemon, submit(self.daemon, self.scored(evaluator.url)))
        scored = self.asked(evaluator, "score")
        job = finished(self.daemon, self.clone(source["id"], {"warm_start": True})["id"])
        self.assertEqual(job["progress"]["imported"], source["budget"]["trials_measured"])
        self.assertEqual(self.asked(evaluator, "score"), scored)
        cold = self.clone(job["id"], {"warm_start": False})
        self.assertEqual(cold["progress"]["imported"], 0)

    def test_the_evaluators_secret_goes_along(self):
        evaluator = self.evaluator(sensitive)
        secret = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
        source = self.run_job(None, evaluator={"url": evaluator.url, "secret": secret})
        before = len(evaluator.calls)
        job = self.clone(source)
        finished(self.daemon, job["id"])
        self.assertGreater(len(evaluator.calls), before)
        for _, _, headers in evaluator.calls:
            self.assertIn("webhook-signature", {name.lower() for name in headers})
        spec = get(self.daemon, f"/v1/jobs/{job['id']}/spec")
        self.assertEqual(spec["evaluator"]["secret"], {"set": True})

    def test_it_takes_the_newest_rules_and_says_so(self):
        url = self.evaluator(sensitive).url
        old = self.run_job(url, rules=1)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{old}")["rules"], 1)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{old}/spec")["rules"], 1)
        job = self.clone(old)
        self.assertEqual(job["rules"], 2)
        self.assertIn("rules", str(job["warnings"]))
        again = self.clone(job["id"])
        self.assertEqual((again["rules"], again["warnings"]), (2, []))
        kept = self.clone(old, {"rules": 1})
        self.assertEqual((kept["rules"], kept["warnings"]), (1, []))

    def test_a_key_makes_one(self):
        source = self.run_job(self.evaluator(sensitive).url)
        key = {"Idempotency-Key": "once"}
        self.assertEqual(self.clone(source, **key)["id"], self.clone(source, **key)["id"])


class Sensitivity(CloneCase):
    def items(self, job):
        answer = get(self.daemon, f"/v1/jobs/{job}/sensitivity")
        self.assertIsNone(answer["next"])
        self.assertEqual([item["op"] for item in answer["items"]],
                         ["op0", "op1", "op2", "op3"])
        return answer["items"]

    def test_scores(self):
        job = submit(self.daemon, self.scored(self.evaluator(sensitive).url))
        finished(self.daemon, job)
        for item in self.items(job):
            self.assertEqual((item["method"], item["score"]),
                             ("mse", 5.0 if item["op"] == "op1" else 1.0))

    def test_changes_of_those_that_were_tried_alone(self):
        criterion = {"strategy": "basic", "stop_on": "budget", "max_trials": 60}
        job = self.run_job(self.evaluator(sensitive).url, tuning_criterion=criterion, confirm=0)
        trials = {t["number"]: t for t in jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials")}
        for item in self.items(job):
            trial, base = trials[item["trial"]], trials[item["base"]]
            self.assertIn(item["precision"], ("bf16", "fp32"))
            self.assertAlmostEqual(item["accuracy_change"], trial["accuracy"] - base["accuracy"])
            self.assertAlmostEqual(item["accuracy_change"],
                                   0.1 if item["op"] == "op1" else 0.001)
            self.assertAlmostEqual(item["latency_change_ms"], 10)
            self.assertIsNone(item["score"])

    def test_nothing_is_known_yet(self):
        _, job, _ = self.held()
        for item in self.items(job):
            self.assertEqual(set(item.values()) - {item["op"], item["type"]}, {None})
        get(self.daemon, "/v1/jobs/job_none/sensitivity", 404)


if __name__ == "__main__":
    unittest.main()
