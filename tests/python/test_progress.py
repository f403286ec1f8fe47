"""What whoever waits is told of a search: how far it is, and how long it will take."""

import contextlib
import io
import re
import unittest
from unittest import mock

import kit  # noqa: F401  the package is on the path then

from narrowd.progress import BESIDE_BAR, Pace, Progress, beside_bar


class Told(unittest.TestCase):
    def test_whoever_waits_is_told_how_long(self):
        document = {"state": "running", "exit": None, "best": None, "warnings": [], "budget": {"trials_measured": 0, "max_trials": 10},
                    "progress": {"failed": 0, "stage": "sgp", "stage_words": "what is best"}}
        steps = [(0, 0, 0.0, {}, "narrowd: 0 of 10 trials, running: what is best\n"),
                 (1, 0, 900.0, {}, "narrowd: 1 of 10 trials, running: what is best\n"),  # scores took long: trials do not
                 (2, 1, 920.0, {}, "narrowd: 2 of 10 trials, 1 failed, about 1m10s left, running: what is best\n"),
                 (2, 2, 930.0, {}, "narrowd: 2 of 10 trials, 2 failed, about 1m00s left, running: what is best\n"),
                 (5, 2, 1400.0, {}, "narrowd: 5 of 10 trials, 2 failed, about 4m10s left, running: what is best\n"),
                 (9, 2, 1450.0, {"stage": "confirm", "stage_words": "to be sure"},
                  "narrowd: 9 of 10 trials, 2 failed, running: to be sure\n")]
        shown = Progress(True)
        for measured, failed, now, more, says in steps:
            said = io.StringIO()
            with contextlib.redirect_stderr(said), mock.patch("narrowd.progress.tqdm_bar", lambda total: None), \
                    mock.patch("time.monotonic", lambda: now):
                shown.update({**document, "budget": {"trials_measured": measured, "max_trials": 10},
                              "progress": {**document["progress"], "failed": failed, **more}})
            self.assertEqual(said.getvalue(), says)

    def test_warnings_are_said_once(self):
        document = {"state": "running", "exit": None, "best": None, "warnings": [{"pointer": "/a", "detail": "is odd"}],
                    "budget": {"trials_measured": 0, "max_trials": 10}, "progress": {"failed": 0, "stage": "sgp"}}
        said, shown = io.StringIO(), Progress(True)
        with contextlib.redirect_stderr(said), mock.patch("narrowd.progress.tqdm_bar", lambda total: None):
            shown.update(document)
            shown.update(document)
            shown.update({**document, "warnings": [*document["warnings"], {"pointer": None, "detail": "it is late"}]})
        self.assertEqual([line for line in said.getvalue().splitlines() if "warning" in line],
                         ["narrowd: warning: /a: is odd", "narrowd: warning: it is late"])

    def test_a_job_that_has_ended_says_why_and_no_stage(self):
        for state, ended, why in (("failed", "failed", "more trials failed than it may"), ("cancelled", "was cancelled", "cancelled by request"),
                                  ("completed", "completed", "all trials are measured")):
            document = {"state": state, "exit": {"reason": "any", "detail": why}, "best": None, "warnings": [],
                        "budget": {"trials_measured": 1, "max_trials": 10}, "progress": {"failed": 2, "stage": "culprit"}}
            with contextlib.redirect_stderr(io.StringIO()) as said, mock.patch("narrowd.progress.tqdm_bar", lambda total: None):
                Progress(True).update(document)
            self.assertEqual(said.getvalue(), f"narrowd: 1 of 10 trials, 2 failed, the job {ended}: {why}\n")

    def test_beside_a_bar_no_word_is_cut(self):
        text = "running: so far keep fp32: no config that meets the criterion is better by 2 % (1.02 times as fast) or more; the best is 1 times as fast"
        said = beside_bar(text)
        self.assertTrue(said.endswith(" …") and text.startswith(f"{said[:-2]} ") and len(said) <= BESIDE_BAR, said)
        short, = re.findall("^.{,90} better", text)
        self.assertEqual(beside_bar(short), short)

    def test_what_counts_itself_says_how_long(self):
        pace = Pace(3)
        steps = [("score", 1, 0.0, ""), ("score", 11, 20.0, "about 3m38s left"), ("score", 120, 200.0, "about 0 s left"),
                 ("evaluate", 5, 300.0, ""), ("evaluate", 5, 301.0, ""), ("evaluate", 65, 330.0, "about 28 s left"),
                 ("evaluate", 1, 400.0, ""),  # the next question
                 ("score", 0, 410.0, ""), ("score", 1, 440.0, ""), ("score", 2, 452.0, ""),  # the first ones were slow
                 ("score", 3, 452.5, "about 27m38s left"),
                 # What comes last is what takes long: only of that it can be told what is to come.
                 *(("score", n, 500.0 + n, None) for n in range(1, 61)), *(("score", n, 560.0 + 9 * (n - 60), None) for n in range(61, 80)),
                 ("score", 80, 740.0, "about 6m00s left")]
        for kind, seen, now, says in steps:
            with mock.patch("time.monotonic", lambda: now):
                said = pace.left(kind, seen, 120)
            if says is not None:
                self.assertEqual(said, says, (kind, seen))


if __name__ == "__main__":
    unittest.main()
