"""The command line: how it says what a job is worth, so far and in the end."""

import unittest

from cli_kit import JOB, NOT_MET, OK, CliTest, best_trial, job
from scripted import Reply


class Verdicts(CliTest):
    def test_a_job_that_ended_before_the_proof_has_nothing_to_ship(self):
        keep = {**best_trial(True), "keep_baseline": True}
        timeout = self.serve({"items": [job("completed", 9, best_trial(True), exit={"reason": "timeout", "detail": "the job's time is over"})], "next": None})
        self.assertTrue(self.runs(OK, timeout, "jobs").endswith(" not proved\n"))
        for state, best, word in (("completed", best_trial(True), "ship"), ("failed", best_trial(True), "not proved"), ("cancelled", best_trial(True), "not proved"),
                                  ("cancelled", keep, "keep baseline"), ("failed", best_trial(False), "criterion missed"), ("running", best_trial(True), "so far: ship"),
                                  ("paused", keep, "so far: keep baseline"), ("running", best_trial(False), "so far: criterion missed")):
            with self.subTest(state, word=word):
                text = self.runs(OK, self.serve({"items": [job(state, 9, best)], "next": None}), "jobs")
                self.assertTrue(text.endswith(f" {word}\n"), text)

    def test_one_trial_is_no_trials_and_a_gain_no_loss(self):
        """What a criterion asks for that is negative is a gain; so is a loss below 0."""
        for loss, asked, words in ((-0.003, -0.005, ("gain 0.3 %", "missed: gains 0.3 % where a gain of 0.5 % is asked for", "relative gain of at least 0.5 %")),
                                   (0.003, -0.005, ("loss 0.3 %", "missed: loses 0.3 % where a gain of 0.5 % is asked for", "relative gain of at least 0.5 %")),
                                   (-0.003, 0.005, ("gain 0.3 %", None, "relative loss of at most 0.5 %"))):
            best = {**best_trial(words[1] is None), "accuracy_loss": loss, "nearest": {"misses_by": 0.4, "accuracy": 0.7}}
            document = job("completed", 1, best, budget={**job()["budget"], "max_trials": 1, "trials_measured": 1})
            document["criterion"] = {**document["criterion"], "tolerable_loss": asked, "bound": None}
            server = self.serve(lambda r, d=document, b=best: {"items": [], "next": None} if r.path.endswith("/trials")
                                else {**b, "config": None} if r.path.endswith("/best") else d)
            text = self.runs(OK if words[1] is None else NOT_MET, server, "best", JOB)
            for said in filter(None, words):
                with self.subTest(said):
                    self.assertIn(said, text)
            self.assertNotIn("-0.", text)
            watched = self.runs(OK if words[1] is None else NOT_MET, self.serve_in_turn(Reply(200, document)), "watch", JOB)
            self.assertIn("completed after 1 of 1 trial: ", watched)
            self.assertIn(words[0], watched)

    def test_what_measured_better_once_and_was_behind_in_the_search(self):
        """A reader of the trials would think that the wrong one was handed over. Why others were passed over the verdict says."""
        lucky = {"number": 7, "kind": "evaluate", "objective_value": 9.5, "feasible": True}
        worse = {"number": 8, "kind": "evaluate", "objective_value": 14.5, "feasible": True}
        wrong = {**lucky, "number": 9, "objective_value": 9.3, "excluded": {"reason": "busy"}}
        unfit = {**lucky, "number": 10, "objective_value": 9.4, "rejected": {"reason": "it loses more"}}
        first = {**lucky, "number": 23, "objective_value": 9.1}
        behind = {**first, "objective_value": 9.9}
        for measurements, interval, trials, why in (
            (3, None, [first, lucky], "same: 12.3 is the mean of 3 measurements, 9.5 a single one of the search, which may be lucky\n"),
            (1, [0.1, 0.2], [lucky, worse, first], "same: 12.3 was measured after it was chosen, 9.5 is a single measurement of the search, which may be lucky\n"),
            (1, None, [first, lucky], None),
            (3, None, [behind, lucky], None),
            (3, None, [lucky], None),
            (3, None, [first, worse, wrong, unfit], None),
        ):
            best = {**best_trial(True), "measurements": measurements, "gain_interval": interval}
            document = job("completed", 40, best)
            server = self.serve(lambda r, d=document, b=best, t=trials: (
                {"items": t, "next": None} if r.path.endswith("/trials")
                else {**b, "config": None} if r.path.endswith("/best") else d))
            text = self.runs(OK, server, "best", JOB)
            said = "trial 7 had latency_ms 9.5, trial 23 has 12.3 and is the best all the same: "
            self.assertEqual(said in text, why is not None, text)
            self.assertEqual("all the same" in text, why is not None, text)
            self.assertIn(why or "trial", text)


if __name__ == "__main__":
    unittest.main()
