"""Jobs in which accuracy and another metric are both open: sgp fills the front, whatever the tolerance."""

import tempfile
import unittest

import jobkit
from cli_kit import OK, CliTest
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until

OPS = 12
BOTH = [{"metric": "latency_ms", "weight": 3}, "accuracy"]
TRIALS = 24
MOST_LOST = 5  # tolerances: as far as the front is searched


def capability():
    modes = {"static": {"weight": {"dtype": ["int8"]}}, "fp32": {}}
    ops = [{"name": f"op{i}", "type": "Linear"} for i in range(OPS)]
    return {"op_types": {"Linear": modes}, "ops": ops, "answers": ["evaluate"],
            "metrics": ["accuracy", "latency_ms"]}


def measured(question, headers):
    """All lose much: what 1 % allows is a part of what 5 % would."""
    if question["question"] == "baseline":
        return {"accuracy": 0.8, "latency_ms": 30}
    config = question["config"]
    lowered = [i for i in range(OPS) if config["ops"][f"op{i}"]["mode"] == "static"]
    lost = sum(0.001 * (2 + i * 5 % 7) for i in lowered)
    return {"accuracy": 0.8 * (1 - lost), "latency_ms": 30 - sum(1 + i % 3 for i in lowered)}


class Front(CliTest):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def serve(self, reply=measured):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def job(self, url, objective=BOTH, **more):
        tuning = {"strategy": "sgp", "stop_on": "budget", "max_trials": TRIALS,
                  "objective": objective, **more.pop("tuning", {})}
        return body(url, **{"capability": capability(), "confirm": 0, "tuning_criterion": tuning,
                            "accuracy_criterion": {"tolerable_loss": 0.01}, **more})

    def run_job(self, *args, reply=measured, **more):
        return finished(self.daemon, submit(self.daemon, self.job(self.serve(reply).url, *args, **more)))

    def stages(self, job):
        return [trial["stage"] for trial in everything(self.daemon, f"/v1/jobs/{job['id']}/trials")]

    def thirds(self, job):
        """How many points of the front there are by the third of the losses of interest."""
        counts = [0, 0, 0]
        for trial in get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]:
            lost = (1 - trial["accuracy"] / 0.8) / 0.01
            if 0 < lost < MOST_LOST:
                counts[int(lost / MOST_LOST * 3)] += 1
        return counts

    def test_the_front_is_filled(self):
        both, one = self.run_job(), self.run_job("latency_ms")
        self.assertGreaterEqual(min(self.thirds(both)), 3)
        self.assertGreater(min(self.thirds(both)), min(self.thirds(one)))
        self.assertIn("front", self.stages(both))
        self.assertNotIn("front", self.stages(one))
        self.assertEqual(both["exit"]["reason"], "max_trials", "the budget is spent")

    def test_the_best_is_that_of_the_criterion(self):
        job = self.run_job()
        trials = everything(self.daemon, f"/v1/jobs/{job['id']}/trials")
        values = [trial["objective_value"] for trial in trials if trial["feasible"]]
        best = get(self.daemon, f"/v1/jobs/{job['id']}/best")
        self.assertTrue(best["feasible"])
        self.assertLessEqual(best["accuracy_loss"], 0.01 + 1e-9)
        self.assertEqual(best["objective_value"], min(values))
        gain = (3 * (1 - best["metrics"]["latency_ms"] / 30) + best["accuracy"] / 0.8 - 1) / 4
        self.assertAlmostEqual(best["objective_value"], 1 - gain, places=9)
        wider = get(self.daemon, f"/v1/jobs/{job['id']}/best?tolerable_loss=0.03")
        self.assertLess(wider["metrics"]["latency_ms"], best["metrics"]["latency_ms"])

    def test_where_the_loss_is_said_the_other_metric_decides(self):
        """For each loss the least latency that was measured within it, and its gain is one of latency alone."""
        job = self.run_job()
        trials = [t for t in everything(self.daemon, f"/v1/jobs/{job['id']}/trials") if t["kind"] == "evaluate"]
        weighed = get(self.daemon, f"/v1/jobs/{job['id']}/best")
        self.assertNotIn("objective", weighed)
        for loss in (0.003, 0.01, 0.02, 0.03, 0.05):
            least = min((t["metrics"]["latency_ms"] for t in trials if 1 - t["accuracy"] / 0.8 <= loss + 1e-9), default=30)
            best = get(self.daemon, f"/v1/jobs/{job['id']}/best?tolerable_loss={loss}")
            with self.subTest(loss):
                self.assertEqual(best["objective"], "latency_ms")
                self.assertEqual((best["objective_value"], best["metrics"]["latency_ms"]), (least, least))
                self.assertAlmostEqual(best["speedup"], 30 / least)
                self.assertAlmostEqual(best["gain"], 1 - least / 30)
        said = self.runs(OK, self.daemon.url, "best", job["id"], "--tolerable-loss", "0.03")
        self.assertRegex(said, r"objective +latency_ms [0-9.]+, baseline 30, speed-up [0-9.]+x\n")

    def test_its_points_say_what_they_cost_and_gain(self):
        """Who looks at the front chooses himself: milliseconds, not a number that weighs them."""
        for objective in (BOTH, "latency_ms"):
            job = self.run_job(objective)
            items = get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]
            self.assertTrue(items)
            for trial in items:
                latency = trial["metrics"]["latency_ms"]
                with self.subTest(objective, trial=trial["number"]):
                    self.assertEqual((trial["objective"], trial["value"]), ("latency_ms", latency))
                    self.assertAlmostEqual(trial["speedup"], 30 / latency)
                    self.assertAlmostEqual(trial["gain"], 1 - latency / 30)
                    self.assertAlmostEqual(trial["accuracy_loss"], 1 - trial["accuracy"] / 0.8)
                    self.assertEqual(trial["objective_value"] == latency, objective == "latency_ms")
            heads, *rows = self.runs(OK, self.daemon.url, "pareto", job["id"]).split("\n\n")[0].splitlines()
            self.assertEqual(heads.split(), "TRIAL ACCURACY LOSS LATENCY_MS SPEED-UP MET STAGE NOTE".split())
            self.assertEqual(len(rows), len(items))
            for row, trial in zip(rows, items):
                number, accuracy, lost, percent, latency, speedup, *_ = row.split()
                self.assertEqual((number, percent, float(latency)), (str(trial["number"]), "%", trial["value"]))
                self.assertRegex(speedup, r"^[0-9.]+x$")
                self.assertAlmostEqual(float(lost) / 100, trial["accuracy_loss"], places=3)

    def test_what_gains_accuracy_does_not_read_as_a_loss(self):
        """A front begins with its best accuracy, which is often above the baseline's."""
        def gaining(question, headers):
            answer = measured(question, headers)
            return answer if question["question"] == "baseline" else {**answer, "accuracy": answer["accuracy"] + 0.012}

        for criterion, unit in (("relative", "%"), ("absolute", None)):
            job = self.run_job(BOTH, reply=gaining, accuracy_criterion={"tolerable_loss": 0.01, "criterion": criterion})
            items = get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]
            self.assertLess(items[0]["accuracy_loss"], 0)
            self.assertGreater(items[-1]["accuracy_loss"], 0)
            rows = self.runs(OK, self.daemon.url, "pareto", job["id"]).split("\n\n")[0].splitlines()[1:]
            for row, trial in zip(rows, items, strict=True):
                lost, after = row.split()[2:4]
                with self.subTest(criterion, row=row):
                    self.assertEqual(after == "%", unit == "%")
                    self.assertAlmostEqual(float(lost) / (100 if unit else 1), trial["accuracy_loss"], places=3)

    def test_before_the_baseline_no_loss_is_known(self):
        job = submit(self.daemon, self.job(self.serve(lambda q, h: (503, {}, {"Retry-After": "100000"})).url))
        config = {"ops": {f"op{i}": {"mode": "static", "weight": {"dtype": "int8"}} for i in range(OPS)}}
        status, _, answer = self.daemon.request("POST", f"/v1/jobs/{job}/trials", {"trials": [{"config": config, "accuracy": 0.79, "latency_ms": 20}]})
        self.assertEqual(status, 200, answer)
        (trial,) = get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]
        self.assertEqual([trial[member] for member in ("value", "accuracy_loss", "speedup", "gain")], [20, None, None, None])
        row = self.runs(OK, self.daemon.url, "pareto", job).splitlines()[1].split()
        self.assertEqual(row[1:5], ["0.79", "-", "20", "-"])

    def test_its_plot_has_the_metric_as_measured(self):
        job = self.run_job()
        trials = {t["number"]: t for t in everything(self.daemon, f"/v1/jobs/{job['id']}/trials") if t["kind"] in ("baseline", "evaluate")}
        chart = get(self.daemon, f"/v1/jobs/{job['id']}/charts/scatter")
        self.assertEqual((chart["total"], [p["trial"] for p in chart["items"]]), (len(trials), sorted(trials)))
        for point in chart["items"]:
            trial = trials[point["trial"]]
            self.assertEqual(point["value"], trial["metrics"]["latency_ms"])
            for member in ("kind", "stage", "accuracy", "objective_value", "feasible"):
                self.assertEqual(point[member], trial[member])
        front = {t["number"] for t in get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]}
        self.assertEqual({p["trial"] for p in chart["items"] if p["front"]}, front)
        one = get(self.daemon, f"/v1/jobs/{self.run_job('latency_ms')['id']}/charts/scatter")
        self.assertFalse([p for p in one["items"] if "value" in p])

    def test_few_points_of_its_plot_stand_for_many(self):
        many = 1200
        evaluator = self.serve(lambda q, h: measured(q, h) if q["question"] == "baseline" else (503, {}, {"Retry-After": "100000"}))
        trials = [{"config": {"ops": {f"op{i}": {"mode": "static", "weight": {"dtype": "int8"}} if n >> i & 1 else {"mode": "fp32"} for i in range(OPS)}},
                   "accuracy": 0.8 - 0.1 * (n * 7919 % many) / many - 0.03 * (n * 104729 % 997) / 997, "latency_ms": 30 - 20 * (n * 7919 % many) / many}
                  for n in range(1, many)]
        job = submit(self.daemon, self.job(evaluator.url))
        for start in range(0, len(trials), 1000):
            status, _, answer = self.daemon.request("POST", f"/v1/jobs/{job}/trials", {"trials": trials[start:start + 1000]})
            self.assertEqual(status, 200, answer)
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["baseline"])
        chart = get(self.daemon, f"/v1/jobs/{job}/charts/scatter")
        self.assertLess(len(chart["items"]), 500)
        self.assertGreater(len(chart["items"]), 100)
        self.assertEqual((chart["total"], chart["items"][0]["kind"]), (many, "baseline"))
        front = {t["number"] for t in get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]}
        self.assertEqual({p["trial"] for p in chart["items"] if p["front"]}, front)

    def test_of_a_large_front_its_plot_has_the_best(self):
        """Those that meet the criterion before those that do not; the newest are the best here."""
        evaluator = self.serve(lambda q, h: measured(q, h) if q["question"] == "baseline" else (503, {}, {"Retry-After": "100000"}))
        job = submit(self.daemon, self.job(evaluator.url))
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["baseline"])
        trials = [{"config": {"ops": {f"op{i}": {"mode": "static", "weight": {"dtype": "int8"}} if n >> i & 1 else {"mode": "fp32"} for i in range(OPS)}},
                   "accuracy": 0.799 - 0.00004 * n - (0.1 if n > 120 else 0), "latency_ms": 29 - 0.1 * n} for n in range(1, 151)]
        status, _, answer = self.daemon.request("POST", f"/v1/jobs/{job}/trials", {"trials": trials})
        self.assertEqual(status, 200, answer)
        front = get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]
        self.assertEqual((len(front), sum(t["feasible"] for t in front)), (151, 121), "the baseline, too")
        best = sorted((t for t in front if t["feasible"]), key=lambda t: t["objective_value"])[:99]
        drawn = [p["trial"] for p in get(self.daemon, f"/v1/jobs/{job}/charts/scatter")["items"] if p["front"]]
        self.assertEqual(drawn, sorted(t["number"] for t in best))

    def test_of_several_metrics_none_is_named(self):
        job = self.run_job([{"metric": "latency_ms", "weight": 3}, "model_size_bytes", "accuracy"], capability={**capability(), "metrics": ["accuracy", "latency_ms", "model_size_bytes"]},
                           reply=lambda q, h: {**measured(q, h), "metrics": {"model_size_bytes": 1000}})
        for trial in get(self.daemon, f"/v1/jobs/{job['id']}/pareto")["items"]:
            self.assertEqual((trial["objective"], trial["value"], trial["speedup"], trial["gain"]), (None,) * 4)
            self.assertAlmostEqual(trial["accuracy_loss"], 1 - trial["accuracy"] / 0.8)
        heads, *_ = self.runs(OK, self.daemon.url, "pareto", job["id"]).splitlines()
        self.assertEqual(heads.split(), "TRIAL ACCURACY LOSS OBJECTIVE MET STAGE NOTE".split())

    def test_it_is_the_same_after_a_restart(self):
        undisturbed = self.run_job()
        evaluator = self.serve()
        job = submit(self.daemon, self.job(evaluator.url))
        wait_until(lambda: len(evaluator.calls) > TRIALS // 2)
        self.daemon.kill9()
        self.daemon.start()
        again = finished(self.daemon, job)
        self.assertEqual(self.course(again), self.course(undisturbed))

    def course(self, job):
        path = f"/v1/jobs/{job['id']}/trials"
        return [(trial["stage"], trial["accuracy"], trial["metrics"])
                for trial in everything(self.daemon, path)]

    def test_when_it_is_not(self):
        """Jobs that mean something else by two objectives, and those of the first rules."""
        others = [{"tuning": {"stop_on": "first_gain"}}, {"rules": 1},
                  {"tuning": {"strategy": "knapsack"}},
                  {"objective": [*BOTH, "model_size_bytes"]},
                  {"accuracy_criterion": {"tolerable_loss": 0}},
                  {"objective": ["latency_ms", {"metric": "accuracy", "direction": "min"}]}]
        metrics = {**capability(), "metrics": ["accuracy", "latency_ms", "model_size_bytes"]}

        def reply(question, headers):
            answer = measured(question, headers)
            return {**answer, "metrics": {"model_size_bytes": 1000 * answer["latency_ms"]}}

        for more in others:
            with self.subTest(more):
                tuning = {"max_trials": 12, **more.get("tuning", {})}
                job = self.job(self.serve(reply).url, **{**more, "tuning": tuning},
                               capability=metrics)
                job = finished(self.daemon, submit(self.daemon, job))
                self.assertNotIn("front", self.stages(job))


if __name__ == "__main__":
    unittest.main()
