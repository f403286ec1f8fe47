"""narrowd.search: a whole search in one call, with a function of this process, on a private daemon."""

import contextlib
import io
import math
import os
import re
import subprocess
import tempfile
import unittest
from unittest import mock

from kit import CAPABILITY, JOB, made, measured

import narrowd


class Searches(unittest.TestCase):
    def setUp(self):
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))

    def test_whoever_waits_is_told_how_far_it_is(self):
        evaluator, said = made(), io.StringIO()

        @evaluator.score("mse:options")
        def score(question):
            for _ in range(3):  # lines are as rare as people read
                evaluator.progress(seen=12, total=120)
            return {name: [0.1] * len(options) for name, options in question["options"].items()}

        capability = {name: value for name, value in CAPABILITY.items() if name != "answers"}
        evaluator.capability(lambda: capability)
        with contextlib.redirect_stderr(said), mock.patch("narrowd.progress.tqdm_bar", lambda total: None):
            narrowd.search(evaluator, JOB)
        self.assertEqual(said.getvalue().count("narrowd: 0 of 8 trials, scoring 12 of 120\n"), 1, said.getvalue())
        self.assertNotRegex(said.getvalue(), "running: (default|score|sgp|opening)\\b")
        self.assertRegex(said.getvalue(), r"^narrowd: job_\w+, to watch it: narrow --server unix:/.*/narrowd\.sock watch job_\w+ "
                                          r"\(for the pages, too: start a narrowd and set NARROWD_URL to its address before the call\)\n")
        self.assertEqual(said.getvalue().count("NARROWD_URL"), 1)

    def test_what_is_no_accuracy_of_the_model_as_it_came_fails_the_job(self):
        """Whatever it is: nobody has to mend a job that waits, and the sentence says what was returned."""
        def raises(config):
            raise narrowd.CannotRun("no data")

        for function, words in ((lambda config: math.nan, "the function returned NaN for the model as it came"),
                                (lambda config: {"accuracy": -math.inf}, "the function returned -inf for the model as it came"),
                                (lambda config: "good", "the function returned 'good'"),
                                (lambda config: None, "the function returned nothing"), (raises, "no data")):
            with self.assertRaisesRegex(narrowd.NarrowdError, rf"^job_\w+ failed \(baseline_failed\): .*{words}"), \
                    contextlib.redirect_stderr(io.StringIO()):
                narrowd.search(made(function), JOB, progress=False, identity=words)
        with narrowd.Client() as client:
            self.assertEqual([document["state"] for document in client.jobs()], ["failed"] * 5)

    def test_what_is_wrong_on_the_acceptance_data_is_found_before_the_first_trial(self):
        """With the model as it came; a function that cannot see which data is meant is refused before there is a job."""
        job, asked = {**JOB, "acceptance": {"subset": {"split": "test"}}, "retry": {"max_attempts": 1}}, []

        def of(other):
            def evaluate(config, question):
                asked.append((question["question"], question.get("subset")))
                return other() if question.get("subset") == {"split": "test"} else measured(config)

            return evaluate

        missing = "CannotRun on the acceptance data: the function returned no "
        for other, words in ((lambda: math.nan, "CannotRun on the acceptance data: the function returned NaN for the model as it came"),
                             (lambda: [][0], "IndexError on the acceptance data: list index out of range"),
                             (lambda: 0.9, f"{missing}latency_ms that is a number, which the job goes by there, too"), (lambda: {"latency_ms": 1.0}, f"{missing}accuracy"),
                             (lambda: {"failed": True, "error": "no labels"}, "CannotRun on the acceptance data: no labels")):
            asked.clear()
            with self.subTest(words), contextlib.redirect_stderr(io.StringIO()), self.assertRaisesRegex(
                    narrowd.NarrowdError, rf"^job_\w+ failed \(baseline_failed\): \S+ {words}.*: mend that and call again$"):
                narrowd.search(made(of(other)), job, progress=False, identity=words)
            self.assertEqual(asked, [("baseline", None), ("baseline", {"split": "test"})])
        with narrowd.Client() as client:
            known = len(list(client.jobs()))
            with self.assertRaisesRegex(ValueError, r"give it a second parameter, evaluate\(config, question\)"):
                narrowd.search(made(), job, client=client, progress=False)
            self.assertEqual(len(list(client.jobs())), known)
            evaluator = made(of(lambda: {"accuracy": 0.9, "latency_ms": 1.0}))
            self.assertEqual(narrowd.search(evaluator, job, client=client, progress=False).get()["state"], "completed")
            self.assertIsNone(evaluator.acceptance)

    def test_a_failure_on_the_acceptance_data_that_may_pass_is_tried_again(self):
        """As one on the search's own data is, and without measuring on that once more."""
        def busy():
            return {"failed": True, "retryable": True, "error": "busy"}

        faults = {"ours": [busy], "theirs": [busy, lambda: [][0]]}
        asked = []

        def evaluate(config, question):
            data = "theirs" if question.get("subset") else "ours"
            asked.append(data)
            return faults[data].pop(0)() if faults[data] else {"accuracy": 0.9, "latency_ms": 1.0}

        job = {**JOB, "acceptance": {"subset": {"split": "test"}}, "retry": {"max_attempts": 4, "backoff_s": 0.01}}
        with narrowd.Client() as client, contextlib.redirect_stderr(io.StringIO()):
            found = narrowd.search(made(evaluate), job, client=client, progress=False, identity="passes")
            failed = [event["data"]["error"] for event in found.events() if event["type"] == "attempt_failed"]
            self.assertEqual(found.get()["state"], "completed")
        self.assertEqual(failed, ["busy", "failed on the acceptance data: busy", "IndexError on the acceptance data: list index out of range"])
        self.assertEqual(asked[:6], ["ours", "ours", "theirs", "theirs", "theirs", "ours"], "the last is of the first trial")

    def test_what_a_function_raises_is_told_once(self):
        """The traceback begins where the user's own code does; each attempt that fails alike is a line."""
        def wrong(config):
            return [].missing

        said, cause = io.StringIO(), "AttributeError: 'list' object has no attribute 'missing'"
        with self.assertRaisesRegex(narrowd.NarrowdError, rf"baseline_failed\): .*{cause}\. Without a number for the model as it came nothing is searched: mend that and call again$") as left, contextlib.redirect_stderr(said):
            narrowd.search(made(wrong), {**JOB, "retry": {"max_attempts": 3, "backoff_s": 0.01}}, progress=False)
        first, *steps = said.getvalue().splitlines()
        self.assertEqual(first, f"narrowd: the function that measures raised {cause}")
        self.assertEqual(steps[0], "Traceback (most recent call last):")
        self.assertRegex(steps[1], r"test_search\.py\", line \d+, in wrong$")
        self.assertEqual(steps[-3:], [cause, f"{first}, as before", f"{first}, as before"])
        self.assertIsNone(left.exception.__cause__)

    def test_a_search_that_fails_or_pauses_says_why(self):
        answers, job = {"accuracy": 0.9}, {**JOB, "retry": {"max_attempts": 1}}

        def lacks(config):
            return {**answers, **({} if "latency_ms" not in answers else measured(config))}

        def breaks(config):
            return [][0]

        def says(config):
            return {"accuracy": 0.9, "latency_ms": "fast"}

        for function, words in ((lacks, "cannot be used: latency_ms: "), (breaks, "IndexError"), (says, ', and it is "fast"')):
            with self.assertRaises(narrowd.NarrowdError) as raised:
                narrowd.search(made(function), job, progress=False)
            self.assertIn(words, str(raised.exception))
        answers["latency_ms"] = 1.0
        with narrowd.Client() as client:
            self.assertEqual({document["state"] for document in client.jobs()}, {"failed", "cancelled"}, "nobody would come for them again")
            mended = narrowd.search(made(lacks), job, client=client, progress=False)
            self.assertEqual(mended.get()["state"], "completed", "what could not be used is not remembered")
        with narrowd.Client() as client:
            job = narrowd.search(made(), JOB, client=client, progress=False)
            self.assertTrue(job.best()["feasible"])
            other = narrowd.search(made(), JOB, client=client, progress=False)
            self.assertNotEqual(other.id, job.id, "a call that came to its end begins anew")

    def test_a_search_that_somebody_cancels_says_so(self):
        def evaluate(config):
            for document in client.jobs(state="running"):
                client.job(document["id"]).cancel()
            return measured(config)

        with narrowd.Client() as client, self.assertRaisesRegex(narrowd.NarrowdError, r"^job_\w+ was cancelled: "):
            narrowd.search(made(evaluate), JOB, client=client, progress=False, identity="cancelled")

    def test_a_search_that_was_killed_is_seen_to_be_so(self):
        """Its question is let go of as soon as one of any other worker, for heartbeats keep it while there is somebody."""
        with narrowd.Client() as client:
            job = narrowd.search(made(), JOB, client=client, progress=False)
            leases = {event["data"]["ttl_ms"] for event in job.events() if event["type"] == "question_leased"}
        self.assertEqual(leases, {60_000})

    def test_a_clone_is_measured_by_the_same_call(self):
        """Its evaluator is a function in that process; until it comes the clone says how to have it measured."""
        with narrowd.Client() as client:
            first = narrowd.search(made(), JOB, client=client, progress=False)
            clone = first.clone(tuning_criterion={"max_trials": 3}, warm_start=True)
            self.assertEqual(clone.get()["evaluator"], first.get()["evaluator"])
            self.assertTrue(clone.get()["evaluator"]["start"].startswith("run the same script or command again"))
            with contextlib.redirect_stderr(io.StringIO()) as told:
                self.assertEqual(narrowd.search(made(), JOB, client=client).id, clone.id)
            self.assertIn(f"goes on with {clone.id} (no name), which has measured 0 of 3 trials", told.getvalue())
            self.assertIn("WARNING: that is a clone with other settings, by which the result is judged: "
                          "tuning_criterion.max_trials is 3 where this call says ", told.getvalue())
            self.assertEqual((clone.get()["state"], clone.get()["budget"]["max_trials"]), ("completed", 3))

    def test_only_a_name_that_the_daemon_gave_a_clone_is_made_anew(self):
        """It would not say what the clone searches for; one with a number in it may be somebody's own."""
        with narrowd.Client() as client:
            def call():
                with contextlib.redirect_stderr(io.StringIO()):
                    return narrowd.search(made(), JOB, client=client, model="net").get()["name"]

            first = narrowd.search(made(), JOB, client=client, model="net", progress=False)
            for source, more, wanted in ((first, {}, "net 4%"), (first, {"name": "net (7)"}, r"net \(7\)$"), (first, {"name": "net (2)"}, r"net \(2\)$"),
                                         (first, {"name": "net (2) (1)"}, r"net \(2\) \(1\)$")):
                clone = source.clone(accuracy_criterion={"tolerable_loss": 0.04}, **more)
                self.assertEqual(clone.get()["name"], more.get("name", f"{first.get()['name']} (2)"))
                self.assertRegex(call(), wanted)
            second = first.clone(name="theirs (3)")
            call()
            third = second.clone()
            self.assertEqual(third.get()["name"], "theirs (4)")
            self.assertRegex(call(), "^net 2%", "a clone of what had a number has the next one")
            for source, wanted in ((first, rf"^{re.escape(first.get()['name'])} \(3\)$"), (second, r"^theirs \(5\)$")):
                between, clone = source.clone(), source.clone(accuracy_criterion={"tolerable_loss": 0.04})
                between.cancel()
                between.delete()
                self.assertRegex(clone.get()["name"], wanted)
                self.assertRegex(call(), "^net 4%", "the number before was another's, which is gone")

    def test_a_clone_that_is_taken_up_waits_until_its_fault_is_mended(self):
        """Somebody made it, by hand, and would look for it; a job that the call itself began is cancelled, and said to be."""
        latency = [1.0]

        def evaluate(config):
            return {"accuracy": 0.9, "latency_ms": latency[0]}

        with narrowd.Client() as client:
            first = narrowd.search(made(evaluate), JOB, client=client, progress=False)
            clone = first.clone(name="by hand")
            latency[0] = "fast"
            with self.assertRaises(narrowd.NarrowdError), contextlib.redirect_stderr(io.StringIO()):
                narrowd.search(made(evaluate), JOB, client=client, progress=False)
            self.assertNotIn(clone.get()["state"], ("cancelled", "failed"))
            latency[0] = 1.0
            self.assertEqual(narrowd.search(made(evaluate), JOB, client=client, progress=False).id, clone.id)
            paused = narrowd.JobPaused("job_1 paused itself (evaluator_broken): no number")
            with mock.patch("narrowd.calls.run", side_effect=paused), self.assertRaisesRegex(
                    narrowd.JobPaused, r"^job_1 paused itself \(evaluator_broken\): no number. It had no baseline yet and was cancelled: "):
                narrowd.search(made(evaluate), JOB, client=client, progress=False)
            self.assertEqual(next(client.jobs())["state"], "cancelled")

    def test_what_best_advises_for_another_loss_makes_the_same_call_search_for_that(self):
        with narrowd.Client() as client:
            first = narrowd.search(made(), JOB, client=client, progress=False)
            ask = [os.environ["NARROW_BIN"], "best", first.id, "--tolerable-loss", "0.04"]
            said = subprocess.run(ask, env={**os.environ, "NARROWD_URL": client.url}, stdout=subprocess.PIPE, text=True, check=False).stdout
            command = re.search("To search on and measure again: narrow (.*); to have that measured: run the same script or command again", said)
            clone = subprocess.run([ask[0], *command[1].split()], env={**os.environ, "NARROWD_URL": client.url}, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
            with contextlib.redirect_stderr(io.StringIO()) as told:
                second = narrowd.search(made(), JOB, client=client, progress=False)
            document, sources = second.get(), {trial["source"] for trial in second.trials()}
        self.assertEqual((second.id, document["criterion"]["tolerable_loss"], document["state"]), (clone, 0.04, "completed"))
        self.assertIn("imported", sources)
        self.assertIn("accuracy_criterion.tolerable_loss is 0.04 where this call says 0.02", told.getvalue())

    def test_the_same_call_twice_at_once(self):
        """The second says which process has the call; what goes by other numbers is another call."""
        said = []

        def twice(config):
            if not said:
                with self.assertRaises(narrowd.NarrowdError) as raised:
                    narrowd.search(evaluator, JOB, progress=False)
                said.append(str(raised.exception))
            return measured(config)

        evaluator = made(twice)
        self.assertTrue(narrowd.search(evaluator, JOB, progress=False).best()["feasible"])
        self.assertEqual(said, [f"the same call runs already in process {os.getpid()}: wait until it ends, or end it and call "
                                "again, which goes on where it was"])


if __name__ == "__main__":
    unittest.main()
