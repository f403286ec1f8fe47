"""Two fidelities: part of the data ranks, all of it decides."""

import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit

SUBSET = {"images": 100, "of": ["calibration"]}
RANKING = {"subset": SUBSET}


def answer(question, headers=None):
    """Everything looks better on the subset, good enough even; op1 is what suffers."""
    if question["question"] == "score":
        return {"scores": {op: 2.0 if op == "op1" else 1.0 for op in question["ops"]}}
    ops = (question["config"] or {"ops": {}})["ops"]
    low = [name for name, op in ops.items() if op["mode"] == "static"]
    accuracy = 0.9 - 0.001 * len(low) - (0.05 if "op1" in low else 0)
    if "subset" in question:
        accuracy = 0.95 - 0.001 * len(low) - (0.001 if "op1" in low else 0)
    return {"accuracy": accuracy, "latency_ms": 100 - 5 * len(low)}


class Ranking(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        self.evaluator = jobkit.Evaluator(answer)
        self.addCleanup(self.evaluator.close)

    def job(self, strategy="basic", **more):
        capability = {**jobkit.capability(4), "answers": ["evaluate", "score:mse", "score:hawq_v2"]}
        return body(self.evaluator.url, **{
            "capability": capability, "ranking": RANKING, "confirm": 0,
            "accuracy_criterion": {"tolerable_loss": 0.006},
            "tuning_criterion": {"strategy": strategy}, **more})

    def run_job(self, *arguments, **more):
        self.evaluator.calls.clear()
        document = finished(self.daemon, submit(self.daemon, self.job(*arguments, **more)))
        trials = everything(self.daemon, f"/v1/jobs/{document['id']}/trials")
        return document, trials, [call[1] for call in self.evaluator.calls]

    def test_only_what_is_ranked_is_asked_of_the_subset(self):
        document, trials, questions = self.run_job()
        stages = {t["number"]: t["stage"] for t in trials}
        for question in questions:
            ranks = stages[question["trial"]] == "instance_fallback"
            self.assertEqual(question.get("subset"), SUBSET if ranks else None)
        ranked = [t for t in trials if t["stage"] == "instance_fallback"]
        self.assertEqual(len(ranked), 4)
        bound = document["criterion"]["bound"]
        for trial in ranked:
            self.assertGreater(trial["accuracy"], bound, "good enough, were it all the data")
            self.assertEqual((trial["feasible"], trial["subset"]), (False, SUBSET))
        self.assertEqual({str(t["subset"]) for t in trials} - {str(SUBSET)}, {"None"})

    def test_what_is_accepted_was_measured_on_all_data(self):
        document, trials, questions = self.run_job()
        self.assertEqual(document["exit"]["reason"], "criterion_met")
        best = trials[document["best"]["trial"]]
        self.assertEqual(best["stage"], "accumulated_fallback")
        asked = [q for q in questions if q["trial"] == best["number"]][0]
        high = [name for name, op in asked["config"]["ops"].items() if op["mode"] != "static"]
        self.assertEqual(high, ["op1"], "the best alone comes first, on all data")
        again = [q for q in questions if q["config"] == asked["config"]]
        self.assertEqual(["subset" in q for q in again], [True, False])
        pareto = get(self.daemon, f"/v1/jobs/{document['id']}/pareto")["items"]
        self.assertEqual([t["number"] for t in pareto if t["subset"]], [])

    def test_the_rest_of_the_job_does_not_see_them(self):
        document, trials, _ = self.run_job()
        known = get(self.daemon, f"/v1/jobs/{document['id']}/sensitivity")
        full = [t for t in trials if t["kind"] == "evaluate" and not t["subset"]]
        self.assertEqual(known["model"]["trials"], len(full))
        clone = submit(self.daemon, self.job(warm_start={"job": document["id"]}))
        self.assertEqual(finished(self.daemon, clone)["progress"]["imported"], len(full))

    def test_they_are_skipped_in_imports(self):
        document, trials, _ = self.run_job()
        job = submit(self.daemon, self.job(evaluator={"pool": "nobody"}))  # it stays open
        listed = f"/v1/jobs/{document['id']}/trials"
        full = [get(self.daemon, f"{listed}/{t['number']}") for t in trials]
        status, _, receipt = self.daemon.request("POST", f"/v1/jobs/{job}/trials", {"trials": full})
        self.assertEqual(status, 200, receipt)
        kept = [t for t in trials if t["kind"] == "evaluate" and not t["subset"]]
        self.assertEqual(receipt["imported"], len(kept))

    def test_scores(self):
        for strategy in ("mse", "hawq_v2", "sgp"):
            _, trials, questions = self.run_job(strategy)
            kinds = {q["question"]: q.get("subset") for q in questions}
            self.assertEqual(kinds["score"], SUBSET)
            self.assertIsNone(kinds["evaluate"])
            self.assertTrue(any(t["kind"] == "score" for t in trials))

    def test_without_a_subset_nothing_changes(self):
        _, trials, questions = self.run_job(ranking=None)
        self.assertFalse(any("subset" in q for q in questions))
        first = [t for t in trials if t["stage"] == "accumulated_fallback"]
        self.assertEqual(first, [], "one operator alone met the criterion")

    def test_it_survives_a_kill(self):
        _, _, undisturbed = self.run_job()
        job = submit(self.daemon, self.job())
        self.evaluator.calls.clear()
        for _ in range(6):
            self.daemon.kill9()
            self.daemon.start()
        finished(self.daemon, job)
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials")
        self.assertEqual(len(trials), len({q["trial"] for q in undisturbed}))

    def test_faults(self):
        for ranking, pointer in (({}, "/ranking/subset"), ({"subset": 0.1}, "/ranking/subset"),
                                 ({"subset": {}, "share": 1}, "/ranking/share"), (1, "/ranking")):
            status, _, problem = self.daemon.request("POST", "/v1/jobs", self.job(ranking=ranking))
            self.assertEqual(status, 422)
            self.assertEqual([e["pointer"] for e in problem["errors"]], [pointer])


if __name__ == "__main__":
    unittest.main()
