"""Charts: few points that stand for all trials, whatever their number."""

import unittest

import jobkit
from jobkit import body, everything, finished, get, submit, wait_until
from wirekit import Case

MANY = 3000
POINTS = 500


def imported(number):
    """A measurement whose accuracy and latency pull against each other, with some noise."""
    quick = (number * 7919) % MANY / MANY
    noise = (number * 104729) % 997 / 997
    return {
        "config": {"ops": {"op0": {"mode": "fp32"}}} if number % 2 else {"ops": {}},
        "accuracy": 0.9 - 0.1 * quick - 0.05 * noise,
        "latency_ms": 20 - 10 * quick + 5 * noise,
    }


def baseline_only(question, headers):
    """Keeps its job open."""
    if question["question"] == "baseline":
        return {"accuracy": 0.9, "latency_ms": 20}
    return 503, {}, {"Retry-After": "100000"}


class Charts(Case):
    def chart(self, job, name):
        document = get(self.daemon, f"/v1/jobs/{job}/charts/{name}")
        self.assertLessEqual(len(document["items"]), POINTS)
        return document

    def measured(self, job, *kinds):
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?state=told")
        return [trial for trial in trials if trial["kind"] in kinds]

    def test_trials_by_what_an_operator_is_lowered_to(self):
        job = submit(self.daemon, body(self.evaluator.url, tuning_criterion={
            "strategy": "tpe", "objective": "latency_ms", "max_trials": 30, "stop_on": "budget"}, confirm=0))
        finished(self.daemon, job)
        lowered = {}
        for trial in everything(self.daemon, f"/v1/jobs/{job}/trials"):
            ops = get(self.daemon, f"/v1/jobs/{job}/trials/{trial['number']}")["config"]["ops"]
            lowered[trial["number"]] = {
                name: op.get("weight", {}).get("dtype", op["mode"]) for name, op in ops.items()}
        lowered.pop(0)  # the baseline is no config of the space
        values = {name: {trial[name] for trial in lowered.values()} for name in lowered[1]}
        first, second = [name for name, several in values.items() if len(several) > 1][:2]
        one, other = sorted(values[first])[:2]
        for wanted in ({first: one}, {first: other}, {first: "int2"},
                       {first: one, second: min(values[second])}):
            query = "&".join(f"op.{name}={value}" for name, value in wanted.items())
            path = f"/v1/jobs/{job}/trials?limit=7&order=-accuracy&kind=evaluate&{query}"
            found = everything(self.daemon, path)
            self.assertEqual({t["number"] for t in found},
                             {n for n, ops in lowered.items() if wanted.items() <= ops.items()}, query)
            accuracies = [t["accuracy"] for t in found]
            self.assertEqual(accuracies, sorted(accuracies, reverse=True))
        status, _, problem = self.daemon.request("GET", f"/v1/jobs/{job}/trials?op.none=int8")
        self.assertEqual((status, problem["detail"]), (400, "the job has no operator none"))

    def test_of_few_trials_every_one_is_there(self):
        job = submit(self.daemon, body(self.evaluator.url, tuning_criterion={
            "strategy": "random", "objective": "latency_ms", "max_trials": 30, "stop_on": "budget"}))
        document = finished(self.daemon, job)
        trials = self.measured(job, "evaluate")
        history = self.chart(job, "history")
        self.assertEqual([p["trial"] for p in history["items"]], [t["number"] for t in trials])
        self.assertEqual(history["total"], len(trials))
        best = None
        for point in history["items"]:
            value = point["objective_value"]
            better = point["feasible"] and (best is None or value < best)
            self.assertEqual(point["best"], better, point)
            best = value if better else best
        scatter = self.chart(job, "scatter")
        with_baseline = self.measured(job, "baseline", "evaluate")
        self.assertEqual(len(scatter["items"]), len(with_baseline))
        front = {p["trial"] for p in scatter["items"] if p["front"]}
        pareto = get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]
        values = {(t["accuracy"], t["objective_value"]) for t in pareto}
        self.assertEqual(values, {(t["accuracy"], t["objective_value"]) for t in with_baseline
                                  if t["number"] in front})
        timeline = self.chart(job, "timeline")
        self.assertEqual(timeline["total"], len(timeline["items"]))
        self.assertTrue(all(span["worker"] == self.evaluator.url for span in timeline["items"]))
        self.map_is_right(job, document)

    def map_is_right(self, job, document):
        chart = self.chart(job, "precision")
        names = [op["name"] for op in get(self.daemon, f"/v1/jobs/{job}/space")["ops"]]
        self.assertEqual(chart["ops"], names)
        self.assertEqual(chart["formats"][0], "fp32")
        hashes = set()
        for row in chart["items"]:
            trial = get(self.daemon, f"/v1/jobs/{job}/trials/{row['trial']}")
            hashes.add(trial["hash"])
            for name, format_index in zip(names, row["formats"], strict=True):
                op = trial["config"]["ops"][name]
                lowered = op.get("weight", {}).get("dtype", op["mode"])
                self.assertEqual(chart["formats"][format_index], lowered)
        self.assertEqual(len(hashes), len(chart["items"]), "each config once")
        order = [(not r["feasible"], r["objective_value"]) for r in chart["items"] if r["feasible"]]
        self.assertEqual(order, sorted(order))
        self.assertTrue(chart["items"][0]["feasible"] or not document["best"]["feasible"])

    def test_of_many_trials_few_stand_for_all(self):
        evaluator = jobkit.Evaluator(baseline_only)
        self.addCleanup(evaluator.close)
        job = submit(self.daemon, body(evaluator.url, tuning_criterion={
            "strategy": "random", "objective": "latency_ms"}))
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["state"] == "running")
        for start in range(0, MANY, 1000):
            trials = [imported(n) for n in range(start, start + 1000)]
            self.ask("POST", f"/v1/jobs/{job}/trials", 200, {"trials": trials})
        told = self.measured(job, "evaluate")
        self.assertEqual(len(told), MANY)
        by_number = {t["number"]: t for t in self.measured(job, "baseline", "evaluate")}
        for name in ("history", "scatter"):
            chart = self.chart(job, name)
            self.assertEqual(chart["total"], MANY + (name == "scatter"))
            self.assertGreater(len(chart["items"]), POINTS / 4)
            for point in chart["items"]:
                trial = by_number[point["trial"]]
                for member in ("accuracy", "objective_value", "feasible"):
                    self.assertEqual(point[member], trial[member])
            ends = [f(t["objective_value"] for t in told) for f in (min, max)]
            shown = [f(p["objective_value"] for p in chart["items"]) for f in (min, max)]
            self.assertEqual(ends[0], shown[0])
            self.assertEqual(name == "scatter" or ends[1] == shown[1], True)
        front = [p for p in self.chart(job, "scatter")["items"] if p["front"]]
        for point in front:
            self.assertFalse(any(
                t["accuracy"] >= point["accuracy"] and t["objective_value"] < point["objective_value"]
                for t in told), point)

    def test_what_is_not_a_chart_is_not_there(self):
        job = submit(self.daemon, body("", evaluator={"pool": "nobody"}))
        self.ask("GET", f"/v1/jobs/{job}/charts/pie", 404)
        for name in ("history", "scatter", "precision", "timeline"):
            self.ask("GET", f"/v1/jobs/job_none/charts/{name}", 404)
            self.assertLessEqual(self.chart(job, name)["total"], 1)


if __name__ == "__main__":
    unittest.main()
