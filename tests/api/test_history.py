"""Measurements from elsewhere: imports, and what jobs do with them."""

import json
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit, wait_until

BUDGET = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 6}


class HistoryCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def evaluator(self, reply=None):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def run_job(self, url, **more):
        return finished(self.daemon, submit(self.daemon, body(url, **more)))["id"]

    def trial(self, job, number, form="full"):
        return get(self.daemon, f"/v1/jobs/{job}/trials/{number}?config={form}")

    def send(self, job, trials, expected=200, **headers):
        status, _, answer = self.daemon.request(
            "POST", f"/v1/jobs/{job}/trials", {"trials": trials}, headers
        )
        self.assertEqual(status, expected, answer)
        return answer

    def held(self, answers=0, **more):
        """An evaluator that answers so many questions, and more only when told to, and its job."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def reply(question, headers):
            if len(evaluator.calls) > answers:
                gate.wait()
            return jobkit.crash_model.answer(question)

        evaluator = self.evaluator(reply)
        job = submit(self.daemon, body(evaluator.url, **more))
        wait_until(lambda: len(evaluator.calls) > answers)
        return evaluator, job, gate


class Import(HistoryCase):
    def test_what_is_printed_can_be_imported(self):
        """Every way of printing a trial is taken, and the trials come out as they went in."""
        source = self.run_job(self.evaluator().url, tuning_criterion=BUDGET, confirm=1)
        export = get(self.daemon, f"/v1/jobs/{source}/export")
        numbers = [t["number"] for t in export["trials"]]
        told = [
            t for t in export["trials"] if t["kind"] == "evaluate" and t["state"] == "told"
        ]
        self.assertGreater(len(told), 3)
        forms = [export["trials"]]
        forms += [[self.trial(source, n, form) for n in numbers] for form in ("full", "delta")]
        for trials in forms:
            _, job, gate = self.held(tuning_criterion=BUDGET)
            none = [t for t in trials if t["kind"] == "baseline"]
            self.assertEqual(self.send(job, none), {"imported": 0, "skipped": len(none), "first": None})
            receipt = self.send(job, trials)
            self.assertEqual(
                receipt,
                {"imported": len(told), "skipped": len(numbers) - len(told), "first": 1},
            )
            gate.set()
            document = finished(self.daemon, job)
            self.assertEqual(document["progress"]["imported"], len(told))
            for number, original in enumerate(told, 1):
                copy = self.trial(job, number)
                self.assertEqual((copy["source"], copy["state"]), ("imported", "told"))
                for member in ("accuracy", "metrics", "config", "feasible", "margin", "hash",
                               "objective_value"):
                    self.assertEqual(copy[member], original[member], member)

    def test_they_answer_questions_and_cost_no_budget(self):
        url = self.evaluator().url
        source = self.run_job(url, tuning_criterion=BUDGET, confirm=0)
        known = [t for t in get(self.daemon, f"/v1/jobs/{source}/export")["trials"]
                 if t["kind"] == "evaluate" and t["state"] == "told"]
        evaluator, job, gate = self.held(tuning_criterion=BUDGET, confirm=0)
        self.send(job, known)
        gate.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "max_trials")
        self.assertEqual(document["budget"]["trials_measured"]
                         + document["progress"]["failed"], BUDGET["max_trials"])
        self.assertEqual(document["progress"]["cached"], len(known))
        asked = [q["config"] for path, q, _ in evaluator.calls if path == "/evaluate"]
        for trial in known:
            self.assertNotIn(trial["config"], asked, "it was measured before")
        texts = [json.dumps(config, sort_keys=True) for config in asked]
        self.assertEqual(len(texts), len(set(texts)))

    def test_an_import_can_be_the_best(self):
        _, job, gate = self.held(tuning_criterion=BUDGET, confirm=0)
        fast = {"config": {"ops": {"op0": {"mode": "bf16"}}}, "accuracy": 0.9, "latency_ms": 1.5}
        self.send(job, [fast])
        self.assertIsNone(self.trial(job, 1)["feasible"], "there is no baseline to compare with")
        gate.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["best"]["trial"], 1)
        self.assertTrue(document["best"]["feasible"])
        front = get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]
        self.assertIn(1, [trial["number"] for trial in front])
        self.assertEqual(self.trial(job, 1)["objective_value"], 1.5)

    def test_an_import_ends_a_job_that_only_looks_for_a_feasible_config(self):
        evaluator, job, gate = self.held(confirm=1)
        modes = ("fp32", "bf16", "fp32", "fp32")  # measured again, it still meets the criterion
        good = {"config": {"ops": {f"op{i}": {"mode": mode} for i, mode in enumerate(modes)}},
                "accuracy": 0.9, "latency_ms": 99}
        self.send(job, [good])
        gate.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "criterion_met")
        self.assertEqual(document["best"]["trial"], 1)
        paths = [path for path, _, _ in evaluator.calls]
        self.assertEqual(paths, ["/baseline", "/baseline", "/evaluate"],
                         "both are measured once more to confirm it")

    def test_while_running_and_paused(self):
        gate = threading.Event()
        self.addCleanup(gate.set)

        def reply(question, headers):
            if question["trial"] == 2:
                gate.wait()
            return jobkit.crash_model.answer(question)

        job = submit(self.daemon, body(self.evaluator(reply).url, tuning_criterion=BUDGET,
                                       confirm=0))
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["asked"] == 2)
        good = {"config": {"ops": {f"op{i}": {"mode": "fp32"} for i in range(4)}}, "accuracy": 0.9,
                "latency_ms": 2}
        self.assertEqual(self.send(job, [good])["first"], 3)
        self.assertTrue(self.trial(job, 3)["feasible"])
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/pause")[0], 200)
        better = dict(good, latency_ms=1, config={"ops": {"op0": {"mode": "bf16"}}})
        self.assertEqual(self.send(job, [better])["first"], 4)
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(self.trial(job, 4)["source"], "imported")
        gate.set()
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/resume")[0], 200)
        document = finished(self.daemon, job)
        self.assertEqual(document["best"]["trial"], 4)
        self.assertEqual(document["budget"]["trials_measured"]
                         + document["progress"]["failed"], BUDGET["max_trials"])

    def test_a_queued_job_takes_them_across_a_restart(self):
        gate = threading.Event()
        self.addCleanup(gate.set)

        def reply(question, headers):
            gate.wait()
            return jobkit.crash_model.answer(question)

        url = self.evaluator(reply).url
        evaluator = {"url": url, "max_concurrency": 1}
        blocking = submit(self.daemon, body(url, evaluator=evaluator))
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{blocking}")["state"] == "baseline")
        job = submit(self.daemon, body(url, evaluator=evaluator, tuning_criterion=BUDGET))
        known = {"config": {"ops": {}}, "accuracy": 0.5, "metrics": {"latency_ms": 3}}
        self.send(job, [known])
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["state"], "queued")
        get(self.daemon, f"/v1/jobs/{job}/trials/0", 404)
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["progress"]["imported"], 1)
        self.assertEqual(self.send(job, [known])["first"], 2)
        gate.set()
        document = finished(self.daemon, job)
        self.assertEqual(document["state"], "completed")
        self.assertEqual(self.trial(job, 0)["kind"], "baseline")
        self.assertFalse(self.trial(job, 1)["feasible"])

    def test_a_queued_job_with_imports_can_be_cancelled(self):
        _, blocking, _ = self.held()
        url = get(self.daemon, f"/v1/jobs/{blocking}")["evaluator"]["url"]
        evaluator = {"url": url, "max_concurrency": 1}
        job = submit(self.daemon, body(url, evaluator=evaluator))
        self.send(job, [{"config": {"ops": {}}, "accuracy": 0.5, "latency_ms": 3}])
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/cancel")[0], 200)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["state"], "cancelled")

    def test_all_or_nothing_and_every_fault(self):
        _, job, _ = self.held(recipes={"fast_bias_correction": True})
        good = {"config": {"ops": {}}, "accuracy": 0.5, "latency_ms": 3}
        static = {"mode": "static", "weight": {"dtype": "int8", "granularity": "per_channel"},
                  "activation": {"dtype": "uint8", "algorithm": "minmax"}}
        bad = [
            (dict(good, accuracy="high"), "/accuracy"),
            ({"config": {"ops": {}}, "latency_ms": 3}, "/accuracy"),
            ({"config": {"ops": {}}, "accuracy": 0.5}, "/latency_ms"),
            (dict(good, latency_ms=-1), "/latency_ms"),
            ({"accuracy": 0.5, "latency_ms": 3}, "/config"),
            (dict(good, config={"ops": {"nobody": static}}), "/config/ops/nobody"),
            (dict(good, config={"ops": {"op0": {"mode": "static"}}}), "/config/ops/op0"),
            (dict(good, config={"ops": {"op0": {"weight": {}}}}), "/config/ops/op0/mode"),
            (dict(good, config={"ops": {"op0": dict(static, type="Linear")}}),
             "/config/ops/op0/type"),
            (dict(good, config={"ops": {"op0": dict(static, weight={"dtype": "int3"})}}),
             "/config/ops/op0/weight/dtype"),
            (dict(good, config={"ops": {"op0": dict(static, weight={"colour": "red"})}}),
             "/config/ops/op0/weight/colour"),
            (dict(good, config={"calibration_sampling_size": 7}),
             "/config/calibration_sampling_size"),
            (dict(good, config={"recipes": {"fast_bias_correction": False}}),
             "/config/recipes/fast_bias_correction"),
            (dict(good, colour="red"), "/colour"),
            (dict(good, state="lost"), "/state"),
            (7, ""),
        ]
        trials = [good] + [trial for trial, _ in bad]
        problem = self.send(job, trials, 422)
        expected = [f"/trials/{i}{pointer}" for i, (_, pointer) in enumerate(bad, 1)]
        self.assertEqual([fault["pointer"] for fault in problem["errors"]], expected)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["progress"]["imported"], 0)
        self.assertEqual(self.send(job, [good] * 2501, 422)["errors"][0]["pointer"], "/trials")
        for wrong in ({}, {"trials": {}}, {"trials": [], "more": 1}):
            status, _, _ = self.daemon.request("POST", f"/v1/jobs/{job}/trials", wrong)
            self.assertEqual(status, 422, wrong)

    def test_several_accuracies(self):
        metrics = [{"name": "top1"}, {"name": "top5"}]

        def reply(question, headers):
            answer = jobkit.crash_model.answer(question)
            if "accuracy" in answer:
                answer["accuracy"] = {"top1": answer["accuracy"], "top5": answer["accuracy"]}
            return answer

        job = body(self.evaluator(reply).url, tuning_criterion=BUDGET)
        job["accuracy_criterion"]["metrics"] = metrics
        job = submit(self.daemon, job)
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/pause")[0], 200)
        trial = {"config": {"ops": {}}, "accuracy": 0.5, "latency_ms": 3}
        self.assertEqual(self.send(job, [trial], 422)["errors"][0]["pointer"],
                         "/trials/0/accuracy")
        self.send(job, [dict(trial, accuracy={"top1": 0.9, "top5": 0.9})])
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/resume")[0], 200)
        finished(self.daemon, job)

    def test_alphas_are_read_back(self):
        recipes = {"smooth_quant": True, "smooth_quant_args": {"alpha": [0.4, 0.5, 0.6]}}
        _, job, _ = self.held(recipes=recipes)
        for alpha in (0.4, 0.6):
            config = {"ops": {}, "recipes": {"smooth_quant_alpha": alpha}}
            first = self.send(job, [{"config": config, "accuracy": 1, "latency_ms": 1}])["first"]
            self.assertEqual(self.trial(job, first)["config"]["recipes"]["smooth_quant_alpha"],
                             alpha)
        config["recipes"]["smooth_quant_alpha"] = 0.9
        problem = self.send(job, [{"config": config, "accuracy": 1, "latency_ms": 1}], 422)
        self.assertEqual(problem["errors"][0]["pointer"],
                         "/trials/0/config/recipes/smooth_quant_alpha")

    def test_a_key_makes_it_once(self):
        _, job, _ = self.held()
        trial = {"config": {"ops": {}}, "accuracy": 0.5, "latency_ms": 3}
        first = self.send(job, [trial], **{"Idempotency-Key": "once"})
        self.assertEqual(self.send(job, [trial], **{"Idempotency-Key": "once"}), first)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["progress"]["imported"], 1)

    def test_only_open_jobs(self):
        job = self.run_job(self.evaluator().url)
        trial = {"config": {"ops": {}}, "accuracy": 0.5, "latency_ms": 3}
        self.assertIn("completed", self.send(job, [trial], 409)["detail"])
        self.send("job_none", [trial], 404)


if __name__ == "__main__":
    unittest.main()
