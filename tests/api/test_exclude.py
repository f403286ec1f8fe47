"""Measurements that were wrong: taken out of what counts, in again, and made again."""

import os
import sqlite3
import subprocess
import threading
import unittest

from jobkit import body, everything, finished, get, submit, wait_until
from test_after_end import EndCase

BUDGET = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 5}
#         trial 1   2   3   4   5
LATENCY = [100, 50, 20, 40, 30, 60]
REASON = {"reason": "another process used the board"}


class ExcludeCase(EndCase):
    def setUp(self):
        super().setUp()
        self.directory = self.daemon.directory
        self.answers = {}  # of trials, instead of what their number says
        self.held = set()
        self.gate = threading.Condition()
        self.server = self.evaluator(self.reply)
        self.addCleanup(self.release)

    def reply(self, question, headers):
        trial = question["trial"]
        with self.gate:
            self.gate.wait_for(lambda: trial not in self.held)
        if trial in self.answers:
            return self.answers[trial]
        return {"accuracy": 0.9, "latency_ms": LATENCY[trial] if trial < len(LATENCY) else 70}

    def release(self, *trials):
        with self.gate:
            self.held -= set(trials) or self.held
            self.gate.notify_all()

    def start(self, **more):
        criterion = more.pop("tuning_criterion", BUDGET)
        return submit(self.daemon, body(self.server.url, confirm=0, tuning_criterion=criterion,
                                        **more))

    def ended(self, **more):
        job = self.start(**more)
        return job, finished(self.daemon, job)

    def exclude(self, job, trial, expected=200, reason=None, **headers):
        return self.ask("POST", f"/v1/jobs/{job}/trials/{trial}/exclude", expected,
                        reason or REASON, **headers)[1]

    def include(self, job, trial, expected=200):
        return self.ask("POST", f"/v1/jobs/{job}/trials/{trial}/include", expected)[1]

    def trial(self, job, number):
        return get(self.daemon, f"/v1/jobs/{job}/trials/{number}?config=none")

    def pareto(self, job):
        return {t["number"] for t in get(self.daemon, f"/v1/jobs/{job}/pareto")["items"]}

    def events(self, job):
        return [(e["type"], e["trial"]) for e in everything(
            self.daemon, f"/v1/jobs/{job}/events?limit=1000")]

    def best_of(self, job):
        """The same number wherever it is said."""
        document = get(self.daemon, f"/v1/jobs/{job}")
        best = self.best(job)
        if document["best"] is None:
            self.assertEqual(best["keep_baseline_because"], "nothing_measured")
        else:
            self.assertEqual(document["best"]["trial"], best["trial"])
            self.assertEqual(document["best"]["objective_value"], best["objective_value"])
        return best["trial"]

    def unchanged_by_a_crash(self, job):
        documents = [f"/v1/jobs/{job}", f"/v1/jobs/{job}/trials", f"/v1/jobs/{job}/best"]
        before = [get(self.daemon, path) for path in documents]
        self.daemon.kill9()
        subprocess.run([os.environ["STORE_VERIFY_BIN"], self.directory], check=True)
        self.daemon.start()
        for path, document in zip(documents, before):
            now = get(self.daemon, path)
            for each in (now, document):  # what goes on
                each.get("budget", {}).pop("elapsed_s", None)
                each.get("progress", {}).pop("out", None)
                each.pop("clock", None)
                each["items"] = [t for t in each.get("items", []) if t["state"] == "told"]
            self.assertEqual(now, document)


class Ended(ExcludeCase):
    def test_the_next_best_and_back(self):
        job, document = self.ended()
        self.assertEqual(document["best"]["trial"], 2)
        self.assertEqual(self.pareto(job), {2})
        sent, _ = self.ask("GET", f"/v1/jobs/{job}")
        answer = self.exclude(job, 2)
        self.assertEqual((answer["state"], answer["exit"]), (document["state"], document["exit"]))
        self.assertEqual(answer["best"]["trial"], 4)
        again, now = self.ask("GET", f"/v1/jobs/{job}", **{"If-None-Match": sent["ETag"]})
        self.assertEqual(now, answer)
        self.assertEqual(self.events(job)[-2:], [("trial_excluded", 2), ("new_best", 4)])
        trial = self.trial(job, 2)
        self.assertEqual(trial["excluded"]["reason"], REASON["reason"])
        self.assertIsNotNone(trial["excluded"]["at"])
        self.assertEqual((trial["state"], trial["accuracy"]), ("told", 0.9))
        self.assertIsNone(self.trial(job, 3)["excluded"])
        self.assertEqual(self.pareto(job), {4})
        self.unchanged_by_a_crash(job)
        for number in (4, 3, 1, 5):
            self.exclude(job, number)
        self.assertEqual(self.best_of(job), 0)
        self.assertEqual(self.pareto(job), {0})
        self.unchanged_by_a_crash(job)
        self.include(job, 3)
        self.assertEqual(self.best_of(job), 3)
        self.include(job, 2)
        self.include(job, 5)
        self.assertEqual(self.best_of(job), 2)
        self.assertIsNone(self.trial(job, 2)["excluded"])
        self.unchanged_by_a_crash(job)

    def test_repeating(self):
        job, _ = self.ended()
        self.include(job, 2)
        first = self.exclude(job, 2)
        trial = self.trial(job, 2)
        self.assertEqual(self.exclude(job, 2, reason={"reason": "other"}), first)
        self.assertEqual(self.trial(job, 2), trial)
        for number in (2, 2, 2):
            self.include(job, number)
        self.assertEqual([t for t, _ in self.events(job)].count("trial_included"), 1)
        key = {"Idempotency-Key": "mine"}
        answers = [self.exclude(job, 3, **key) for _ in range(2)]
        self.assertEqual(*answers)
        self.exclude(job, 3, 422, reason={"reason": "x"}, **key)

    def test_several_at_once(self):
        job, document = self.ended()
        path = f"/v1/jobs/{job}/exclude"
        self.ask("POST", path, 404, {"trials": [2, 99], **REASON})
        self.ask("POST", path, 409, {"trials": [2, 0], **REASON})
        for bad in ({"trials": [2]}, REASON, {"trials": [], **REASON}):
            self.ask("POST", path, 422, bad)
        self.assertEqual(self.best_of(job), 2, "all or none")
        key = {"Idempotency-Key": "several"}
        answers = [self.ask("POST", path, 200, {"trials": [2, 4, 2], **REASON}, **key)[1]
                   for _ in range(2)]
        self.assertEqual(*answers)
        self.assertEqual([self.trial(job, n)["excluded"] is None for n in range(1, 6)],
                         [True, False, True, False, True])
        self.assertEqual(self.best_of(job), 3)
        self.unchanged_by_a_crash(job)
        self.ask("POST", f"/v1/jobs/{job}/include", 422, {"trials": [2], **REASON})
        back = self.ask("POST", f"/v1/jobs/{job}/include", 200, {"trials": [2, 4]})[1]
        self.assertEqual(back["best"], document["best"])
        self.ask("POST", "/v1/jobs/job_none/exclude", 404, {"trials": [2], **REASON})

    def test_what_is_not_best_changes_nothing(self):
        job, document = self.ended()
        for number in (1, 3):
            self.assertEqual(self.exclude(job, number)["best"], document["best"])
            self.assertEqual(self.include(job, number)["best"], document["best"])
        self.assertNotIn("new_best", [t for t, _ in self.events(job)[-4:]])

    def test_what_the_job_did_not_wait_for(self):
        """The job ended with the first that met the criterion; a later one was measured by then."""
        self.held = {1, 3}
        job = self.start(parallel=3, tuning_criterion={"strategy": "exhaustive"},
                         evaluator={"url": self.server.url, "max_concurrency": 3})
        wait_until(lambda: self.trial_told(job, 2))
        self.release(1)
        document = finished(self.daemon, job)
        self.assertEqual(document["best"]["trial"], 1, "in the order of trials")
        self.assertEqual(self.exclude(job, 3, 409)["status"], 409)
        self.assertEqual(self.exclude(job, 1)["best"]["trial"], 2)
        self.unchanged_by_a_crash(job)
        self.assertEqual(self.include(job, 1)["best"], document["best"])
        self.exclude(job, 2)
        self.assertEqual(self.best_of(job), 1)

    def trial_told(self, job, number):
        status, _, document = self.daemon.request("GET", f"/v1/jobs/{job}/trials/{number}")
        return status == 200 and document["state"] == "told"

    def test_nearest_when_none_that_counts_meets_the_criterion(self):
        for number in range(1, 6):
            self.answers[number] = {"accuracy": 0.9 if number == 3 else 0.5 + number / 100,
                                    "latency_ms": 50}
        job, document = self.ended()
        self.assertEqual(document["best"]["trial"], 3)
        self.exclude(job, 3)
        best = self.best(job)
        self.assertEqual((best["trial"], best["feasible"]), (5, False))
        self.assertEqual(best["keep_baseline_because"], "criterion_missed")

    def test_several_objectives(self):
        criterion = {**BUDGET, "objective": [{"metric": "latency_ms", "weight": 0.5},
                                             {"metric": "accuracy", "weight": 0.5}]}
        job, document = self.ended(tuning_criterion=criterion)
        first = document["best"]["trial"]
        second = self.exclude(job, first)["best"]["trial"]
        self.assertNotEqual(first, second)
        self.unchanged_by_a_crash(job)
        self.include(job, first)
        self.assertEqual(self.best_of(job), first)

    def test_a_log_that_does_not_say_what_was_settled(self):
        """As older versions wrote them."""
        job, document = self.ended()
        self.daemon.stop()
        with sqlite3.connect(os.path.join(self.directory, "narrowd.db")) as database:
            database.execute("UPDATE event SET data = json_remove(data, '$.seen'), sum = NULL"
                             " WHERE type = 'state_changed'")
        database.close()
        self.daemon.start()
        self.assertEqual(self.exclude(job, 1)["best"], document["best"])
        self.assertEqual(self.exclude(job, 2)["best"]["trial"], 4)
        self.assertEqual(self.include(job, 2)["best"], document["best"])

    def test_many_at_once(self):
        job, _ = self.ended()
        threads = [threading.Thread(target=self.exclude, args=(job, n)) for n in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([self.trial(job, n)["excluded"] is None for n in range(6)],
                         [True] + [False] * 5)
        self.assertEqual(self.best_of(job), 0)
        self.unchanged_by_a_crash(job)

    def test_what_is_refused(self):
        self.answers[4] = {"failed": True, "error": "e", "retryable": False}
        criterion = {**BUDGET, "max_trials": 4}
        job = submit(self.daemon, body(self.server.url, confirm=1, tuning_criterion=criterion))
        finished(self.daemon, job)
        self.assertIn("baseline", self.exclude(job, 0, 409)["detail"])
        self.assertIn("no measurement", self.exclude(job, 4, 409)["detail"])
        self.assertIn("exclude that one", self.exclude(job, 5, 409)["detail"])
        self.exclude(job, 99, 404)
        self.exclude(job, "x", 404)
        self.include(job, 99, 404)
        self.exclude("job_none", 1, 404)
        self.ask("POST", f"/v1/jobs/{job}/trials/2/retry", 409)
        for bad in ({}, {"reason": ""}, {"reason": 1}, {"reason": None}, {"reason": "x" * 257},
                    {"reason": "a\nb"}, {"reason": "x", "more": 1}):
            problem = self.exclude(job, 2, 422, reason=bad or {"reason": None})
            self.assertTrue(problem["errors"])
        self.ask("POST", f"/v1/jobs/{job}/trials/2/exclude", 400)
        self.exclude(job, 2, reason={"reason": "\u00e9" * 128})

    def test_later_jobs(self):
        job, _ = self.ended()
        self.exclude(job, 2)
        _, clone = self.ask("POST", f"/v1/jobs/{job}/clone", 201, {"warm_start": True})
        self.assertEqual(clone["progress"]["imported"], 4)
        self.ask("POST", f"/v1/jobs/{clone['id']}/cancel")
        _, export = self.ask("GET", f"/v1/jobs/{job}/export")
        self.held = {1}
        other = self.start()
        trials = {"trials": [t for t in export["trials"] if t["number"] > 0]}
        _, receipt = self.ask("POST", f"/v1/jobs/{other}/trials", body=trials)
        self.assertEqual((receipt["imported"], receipt["skipped"]), (4, 1))


class CommandLine(ExcludeCase):
    def narrow(self, *arguments, expected=0):
        url = f"http://127.0.0.1:{self.daemon.port}"
        run = subprocess.run([os.environ["NARROW_BIN"], *arguments, "--server", url],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, expected, run.stderr)
        return run.stdout if expected == 0 else run.stderr

    def test_exclude_and_include(self):
        job, _ = self.ended()
        text = self.narrow("exclude", job, "--trial", "2", "--reason", "busy \u00e9")
        self.assertIn("trial 2 excluded, best: trial 4", text)
        row = self.narrow("trials", job).splitlines()[3]
        self.assertIn("excluded: busy \u00e9", row)
        self.assertIn("trial 2 included, best: trial 2", self.narrow("include", job, "--trial", "2"))
        self.assertIn("--trial", self.narrow("exclude", job, "--reason", "x", expected=2))
        self.assertIn("reason", self.narrow("exclude", job, "--trial", "2", expected=3))


class Open(ExcludeCase):
    def held_job(self, **more):
        """Three trials are told, the fourth is out."""
        self.held = {4}
        job = self.start(**more)
        wait_until(lambda: len([e for e in self.server.calls if e[1].get("trial") == 4]) == 1)
        return job

    def test_the_best_of_an_open_job(self):
        job = self.held_job()
        self.assertEqual(self.best_of(job), 2)
        self.assertEqual(self.exclude(job, 2)["best"]["trial"], 3)
        self.exclude(job, 3)
        self.exclude(job, 1)
        self.assertEqual(self.best_of(job), 0)
        self.unchanged_by_a_crash(job)
        self.include(job, 1)
        self.assertEqual(self.best_of(job), 1)
        self.release(4)
        document = finished(self.daemon, job)
        self.assertEqual(document["best"]["trial"], 4)
        self.assertEqual(document["budget"]["trials_measured"], 5)
        self.include(job, 2)
        self.assertEqual(self.best_of(job), 2)
        self.unchanged_by_a_crash(job)

    def test_measured_again(self):
        job = self.held_job()
        path = f"/v1/jobs/{job}/trials/2/retry"
        self.assertIn("exclude it first", self.ask("POST", path, 409)[1]["detail"])
        self.exclude(job, 2)
        self.held.add(2)
        counts = get(self.daemon, f"/v1/jobs/{job}")
        self.ask("POST", path)
        trial = self.trial(job, 2)
        self.assertEqual((trial["state"] in ("asked", "leased"), trial["accuracy"]), (True, None))
        self.assertIn("being measured again", self.include(job, 2, 409)["detail"])
        self.exclude(job, 2)
        now = get(self.daemon, f"/v1/jobs/{job}")
        self.assertEqual(now["progress"]["told"], counts["progress"]["told"] - 1)
        self.answers[2] = {"accuracy": 0.9, "latency_ms": 45}
        self.release(4)
        wait_until(lambda: len([c for c in self.server.calls if c[1].get("trial") == 2]) == 2)
        self.release(2)
        document = finished(self.daemon, job)
        trial = self.trial(job, 2)
        self.assertEqual((trial["state"], trial["excluded"], trial["attempts"]), ("told", None, 2))
        self.assertEqual(trial["metrics"], {"latency_ms": 45})
        self.assertEqual(document["best"]["trial"], 4)
        self.assertEqual(document["budget"]["trials_measured"], 5, "the same trial")
        self.assertEqual(document["progress"]["told"], 5)
        self.unchanged_by_a_crash(job)
        self.exclude(job, 4)
        self.assertEqual(self.best_of(job), 3)
        configs = [q["config"] for _, q, _ in self.server.calls if q.get("trial") == 2]
        self.assertEqual(*configs)

    def test_measured_again_and_failed(self):
        job = self.held_job()
        self.exclude(job, 2)
        self.answers[2] = {"failed": True, "error": "broken", "retryable": False}
        self.ask("POST", f"/v1/jobs/{job}/trials/2/retry")
        self.release(4)
        document = finished(self.daemon, job)
        trial = self.trial(job, 2)
        self.assertEqual((trial["state"], trial["excluded"]), ("failed", None))
        self.assertEqual((document["progress"]["told"], document["progress"]["failed"]), (4, 1))
        self.assertEqual(document["best"]["trial"], 4)
        self.unchanged_by_a_crash(job)

    def test_the_search_goes_on_without_what_met_the_criterion(self):
        """The one that was confirmed is excluded before its job has ended."""
        self.answers = {1: {"accuracy": 0.9, "latency_ms": 1}, 2: {"accuracy": 0.9, "latency_ms": 1}}
        self.held = {2}
        job = submit(self.daemon, body(self.server.url, confirm=1,
                                       tuning_criterion={"strategy": "exhaustive"}))
        wait_until(lambda: len(self.server.calls) == 3)
        self.exclude(job, 1)
        self.release(2)
        document = finished(self.daemon, job)
        self.assertEqual(document["best"]["trial"], 3)
        self.assertEqual(document["exit"]["reason"], "criterion_met")

    def test_what_shares_the_measurement(self):
        job = self.held_job()
        config = get(self.daemon, f"/v1/jobs/{job}/trials/4")["config"]
        self.ask("POST", f"/v1/jobs/{job}/cancel")
        self.held = {1}
        job = self.start(tuning_criterion={**BUDGET, "max_trials": 4})
        wait_until(lambda: len([c for c in self.server.calls if c[1]["job"] == job]) == 2)
        imported = {"config": config, "accuracy": 0.9, "latency_ms": 5}
        self.ask("POST", f"/v1/jobs/{job}/trials", body={"trials": [imported]})
        self.release(1)
        finished(self.daemon, job)
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials")
        source = [t["number"] for t in trials if t["source"] == "imported"]
        shared = [t["number"] for t in trials if t["source"] == "cache"]
        self.assertEqual((len(source), len(shared)), (1, 1))
        self.assertIn(f"trial {source[0]}: exclude that one", self.exclude(job, shared[0], 409)["detail"])
        self.assertIn(self.best_of(job), source + shared)
        self.exclude(job, source[0])
        self.assertNotIn(self.best_of(job), source + shared)
        self.assertIsNotNone(self.trial(job, shared[0])["excluded"])
        self.include(job, source[0])
        self.assertIn(self.best_of(job), source + shared)
        self.assertIsNone(self.trial(job, shared[0])["excluded"])
        self.unchanged_by_a_crash(job)


if __name__ == "__main__":
    unittest.main()
