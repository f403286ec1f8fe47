"""Jobs that begin with what earlier jobs of the same owner learnt of operators like theirs."""

import time
import unittest

import exposition
import jobkit
from jobkit import body, finished, get, submit
from test_access import bearer, new_token
from test_history import HistoryCase

KILLER = "the one that suffers"


def capability(count, killer, granularities=("per_channel", "per_tensor"), **more):
    """Operators of two shapes, of which one ruins the model."""
    weight = {"dtype": ["int8"], "granularity": list(granularities)}
    modes = {"static": {"weight": weight, "activation": {"dtype": ["uint8"]}}}
    return {
        "op_types": {"Linear": modes},
        "ops": [{"name": f"op{i}", "type": "Linear",
                 "shape": KILLER if i == killer else f"64x64, {i % 3}"} for i in range(count)],
        "metrics": ["accuracy", "latency_ms"],
        **more,
    }  # fmt: skip


def answer(can_do):
    """What that model answers."""
    shapes = {op["name"]: op["shape"] for op in can_do["ops"]}

    def reply(question, headers):
        told = {"accuracy": 0.9, "latency_ms": 8.0 * len(shapes)}
        for name, op in (question["config"] or {"ops": {}})["ops"].items():
            if op["mode"] == "static":
                coarse = op["weight"].get("granularity") == "per_tensor"
                told["accuracy"] -= 0.3 if shapes[name] == KILLER else 0.00005 * (1 + coarse)
                told["latency_ms"] -= 4 + coarse
        return told

    return reply


class Library(HistoryCase):
    def job(self, can_do, strategy="sgp", trials=14, reply=None, **more):
        evaluator = self.evaluator(reply or answer(can_do))
        return body(evaluator.url, capability=can_do, confirm=0,
                    tuning_criterion={"strategy": strategy, "max_trials": trials,
                                      "stop_on": "budget"}, **more)  # fmt: skip

    def learnt(self, **more):
        """A job that has learnt something."""
        return finished(self.daemon, submit(self.daemon, self.job(capability(12, 4), **more)))["id"]

    def dry(self, job):
        status, _, space = self.daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 200, space)
        return space["job"]["learnt"], [warning["detail"] for warning in space["warnings"]]

    def begin(self, job):
        """What is stored of its beginning."""
        return get(self.daemon, f"/v1/jobs/{submit(self.daemon, job)}/spec").get("warm_start")

    def json_bytes(self):
        """Memory of all the daemon's JSON trees."""
        page = self.daemon.request("GET", "/metrics")[2]
        return exposition.families(page)["narrowd_json_bytes"].value()

    def asked(self, job):
        trials = jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials")
        return [trial["hash"] for trial in trials if trial["kind"] == "evaluate"]

    def test_it_begins_with_what_was_learnt_of_the_same_types_and_shapes(self):
        source = self.learnt()
        other = capability(20, 17)
        begun = self.begin(self.job(other, warm_start={"library": True}))
        self.assertEqual((begun["library"], begun["from"]), (True, [source]))
        scores = {group["shape"]: group["known"][0]["score"] for group in begun["known"]}
        self.assertEqual(max(scores, key=scores.get), KILLER, scores)
        self.assertGreater(scores[KILLER], 3 * sorted(scores.values())[-2], scores)
        for group in begun["known"]:
            modes = [entry["when"]["mode"] for entry in group["known"]]
            self.assertEqual(modes, ["static", "static", "fp32"])
            self.assertEqual(group["known"][-1]["score"], 0)
            self.assertLess(group["known"][0]["latency_ms"], group["known"][-1]["latency_ms"])

    def early(self, **more):
        """The best that a job of a larger relative has after three trials, and what it cannot be better than."""
        job = submit(self.daemon, self.job(capability(40, 29), trials=3, **more))
        document = finished(self.daemon, job)
        return (document["best"] or document["baseline"])["objective_value"], 40 * 4 + 4

    def test_a_larger_relative_is_fast_at_once(self):
        self.learnt()
        warm, _ = self.early(warm_start={"library": True})
        cold, _ = self.early()
        self.assertLess(warm, cold - 20)

    def test_knapsack_weighs_by_it(self):
        self.learnt()
        hashes = []
        for more in ({}, {"warm_start": {"library": True}}):
            job = submit(self.daemon, self.job(capability(20, 17), "knapsack", 3, **more))
            finished(self.daemon, job)
            hashes.append(self.asked(job))
        self.assertNotEqual(*hashes)

    def test_bisect_puts_back_what_suffered_elsewhere(self):
        self.learnt()
        warm, least = self.early(strategy="bisect", warm_start={"library": True})
        cold, _ = self.early(strategy="bisect")
        self.assertEqual(warm, least)
        self.assertGreater(cold, least + 20)

    def test_others_say_that_they_do_not_use_it(self):
        self.learnt()
        _, warnings = self.dry(self.job(capability(5, 1), "tpe", warm_start={"library": True}))
        self.assertIn("does not use what other jobs learnt", str(warnings))

    def test_it_is_off_unless_it_is_asked_for(self):
        self.learnt()
        job = self.job(capability(20, 17))
        self.assertIsNone(self.begin(job))
        self.assertEqual(self.dry(job), (None, []))
        off = self.job(capability(20, 17), warm_start={"library": False})
        self.assertEqual(self.begin(off), {"library": False})

    def test_the_dry_run_says_what_it_finds(self):
        job = self.job(capability(20, 17), warm_start={"library": True})
        nothing, warnings = self.dry(job)
        self.assertEqual(nothing, {"from": [], "operators": 0, "of": 20})
        self.assertIn("begins with nothing", str(warnings))
        source = self.learnt()
        job["capability"]["ops"][3]["shape"] = "of nobody else"
        self.assertEqual(self.dry(job), ({"from": [source], "operators": 19, "of": 20}, []))
        strange = self.job(capability(20, 17), warm_start={"library": True})
        for op in strange["capability"]["ops"]:
            op["type"] = "MatMul"
        strange["capability"]["op_types"]["MatMul"] = strange["capability"]["op_types"]["Linear"]
        self.assertEqual(self.dry(strange)[0], {"from": [], "operators": 0, "of": 20})

    def test_looking_through_it_leaves_no_memory_behind(self):
        """What is kept of each look is missing in the budget of all requests, in the end to every one of them."""
        self.learnt()
        job = self.job(capability(20, 17), warm_start={"library": True})
        self.dry(job)
        before = self.json_bytes()
        for _ in range(12):
            self.dry(job)
        for _ in range(50):  # a request lets go of its trees after it was answered
            after = self.json_bytes()
            if after < before + 4096:
                return
            time.sleep(0.02)
        self.fail(f"{after - before:.0f} bytes are left of 12 looks")

    def test_a_space_with_more_or_fewer_options_takes_what_fits(self):
        source = self.learnt()
        for granularities in (["per_tensor"], ["per_tensor", "per_group", "per_channel"]):
            job = self.job(capability(9, 2, granularities), warm_start={"library": True})
            self.assertEqual(self.dry(job)[0], {"from": [source], "operators": 9, "of": 9})

    def test_what_the_capability_tells_is_not_taken_from_elsewhere(self):
        """Its units are its own: one operator's score says nothing beside another job's."""
        self.learnt()
        told = capability(12, 4)
        told["ops"][7]["score"] = {"static": 9.0}
        job = submit(self.daemon, self.job(told, warm_start={"library": True}))
        plain = submit(self.daemon, self.job(told))
        for name in (job, plain):
            finished(self.daemon, name)
        self.assertNotEqual(self.asked(job), self.asked(plain), "latencies are known")
        told["ops"][7]["latency_ms"] = {"static": 4.0}
        job = submit(self.daemon, self.job(told, warm_start={"library": True}))
        plain = submit(self.daemon, self.job(told))
        for name in (job, plain):
            finished(self.daemon, name)
        self.assertEqual(self.asked(job), self.asked(plain))

    def test_a_capability_that_tells_all_of_it_says_so(self):
        """Or the job would seem to begin with what it does not use."""
        self.learnt()
        told = capability(12, 4)
        told["ops"][7].update(score={"static": 9.0})
        job = self.job(told, warm_start={"library": True})
        self.assertEqual(self.dry(job)[1], [], "latencies are news")
        told["ops"][7].update(latency_ms={"static": 4.0})
        self.assertIn("the capability itself tells all that other jobs learnt", str(self.dry(job)[1]))

    def test_measured_scores_come_first(self):
        self.learnt()
        can_do = {**capability(12, 4), "answers": ["evaluate", "score:mse"]}
        model = answer(can_do)

        def reply(question, headers):
            return ({"scores": {name: 1.0 for name in question["ops"]}}
                    if question["question"] == "score" else model(question, headers))

        for strategy in ("sgp", "knapsack", "bisect"):
            job = submit(self.daemon, self.job(can_do, strategy, reply=reply,
                                               warm_start={"library": True}))
            finished(self.daemon, job)
            kinds = [trial["kind"] for trial in jobkit.everything(self.daemon,
                                                                  f"/v1/jobs/{job}/trials")]
            self.assertIn("score", kinds, strategy)

    def test_it_is_fixed_at_submission(self):
        """Neither a restart nor the end of its source changes what is asked."""
        source = self.learnt()
        other = capability(20, 17)
        warm = {"library": True}
        undisturbed = submit(self.daemon, self.job(other, warm_start=warm))
        finished(self.daemon, undisturbed)
        known = get(self.daemon, f"/v1/jobs/{undisturbed}/spec")["warm_start"]["known"]
        job = submit(self.daemon, self.job(other, warm_start={"known": known}))
        jobkit.wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["told"] > 2)
        self.daemon.kill9()
        self.daemon.start()
        finished(self.daemon, job)
        self.assertEqual(self.asked(job), self.asked(undisturbed))
        status, _, _ = self.daemon.request("DELETE", f"/v1/jobs/{source}")
        self.assertEqual(status, 204)
        self.daemon.kill9()
        self.daemon.start()
        again = submit(self.daemon, self.job(other, warm_start={"known": known}))
        finished(self.daemon, again)
        self.assertEqual(self.asked(again), self.asked(undisturbed))

    def test_a_clone_looks_again(self):
        first = self.learnt()
        job = submit(self.daemon, self.job(capability(20, 17), warm_start={"library": True}))
        finished(self.daemon, job)
        status, _, clone = self.daemon.request("POST", f"/v1/jobs/{job}/clone", {})
        self.assertEqual(status, 201, clone)
        begun = get(self.daemon, f"/v1/jobs/{clone['id']}/spec")["warm_start"]
        self.assertEqual(begun["from"], [job, first], "the newest first")

    def test_measurements_of_a_job_and_the_library_go_together(self):
        source = self.learnt()
        job = self.job(capability(12, 4), warm_start={"job": source, "library": True})
        begun = submit(self.daemon, job)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{begun}/spec")["warm_start"]["from"], [source])
        self.assertGreater(get(self.daemon, f"/v1/jobs/{begun}")["progress"]["imported"], 3)

    def test_faults(self):
        known = {"type": "Linear", "known": []}
        for value, pointers in (
                ({"library": 1}, "/warm_start/library"),
                ({"known": [], "from": ["x" * 99]}, "/warm_start/from/0"),
                ({"known": {}}, "/warm_start/known"),
                ({"known": [7]}, "/warm_start/known/0"),
                ({"known": [{}]}, "/warm_start/known/0/known /warm_start/known/0/type"),
                ({"known": [{**known, "shape": 7}]}, "/warm_start/known/0/shape"),
                ({"known": [{**known, "name": "op1"}]}, "/warm_start/known/0/name"),
                ({"known": [{**known, "known": [{"when": {"mode": "x"}}]}]},
                 "/warm_start/known/0/known/0/when/mode")):
            job = body("http://127.0.0.1:9009", capability=capability(3, 1), warm_start=value)
            status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
            self.assertEqual(status, 422, problem)
            found = sorted(error["pointer"] for error in problem["errors"])
            self.assertEqual(" ".join(found), pointers)
        can_do = capability(3, 1)
        can_do["ops"][1]["shape"] = [64, 64]
        job = body("http://127.0.0.1:9009", capability=can_do)
        status, _, problem = self.daemon.request("POST", "/v1/jobs", job)
        self.assertEqual(problem["errors"][0]["pointer"], "/capability/ops/1/shape", problem)

    def test_what_others_learnt_stays_with_them(self):
        directory = self.daemon.directory
        tokens = {owner: new_token(directory, "read", "submit", owner=owner)
                  for owner in ("ann", "bob")}
        tokens["admin"] = new_token(directory, "admin")

        def ask(owner, method, path, document=None):
            status, _, reply = self.daemon.request(method, path, document, bearer(tokens[owner]))
            self.assertIn(status, (200, 201), reply)
            return reply

        job = ask("ann", "POST", "/v1/jobs", self.job(capability(12, 4)))["id"]
        jobkit.wait_until(lambda: ask("ann", "GET", f"/v1/jobs/{job}")["exit"])
        dry = self.job(capability(20, 17), warm_start={"library": True})
        found = {owner: ask(owner, "POST", "/v1/spaces", dry)["job"]["learnt"]["from"]
                 for owner in tokens}
        self.assertEqual(found, {"ann": [job], "bob": [], "admin": []})


if __name__ == "__main__":
    unittest.main()
