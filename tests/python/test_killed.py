"""kill -9 of a script in the middle of a search costs nothing: the same call goes on, and measures nothing again.

NARROWD_SCRIPT_KILLS says how often.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import kit
from jobkit import wait_until
from patience import PATIENCE_S

import narrowd

KILLS = int(os.environ.get("NARROWD_SCRIPT_KILLS", "6"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
TRIALS = 24
CHARGED = ("lease_expired", "attempt_failed", "trial_failed", "late_answer")


def everything(job):
    """The log so far, also of a job that waits for a script that comes no more."""
    return job._ask("GET", "/events", limit=1000)["items"]


class Killed(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=str(self.home / "killed")))
        self.ledger = self.home / "ledger"

    def script(self, **environment):
        return subprocess.Popen([sys.executable, "-B", str(kit.HERE / "killed_script.py"), str(self.ledger), str(TRIALS)],
                                cwd=kit.HERE, env={**os.environ, **environment})

    def lines(self):
        text = self.ledger.read_bytes() if self.ledger.exists() else b""
        return [json.loads(line) for line in text.splitlines()]

    def answered(self):
        """Keys of the questions whose answers were known when the script was killed."""
        paths = (self.home / "killed" / "calls").glob("*.answers")
        return {json.loads(line)["key"] for path in paths for line in path.read_bytes().splitlines()
                if line.endswith(b"}}")}

    def begun(self, lines):
        return [key for _, what, key in lines if what == "begins"]

    def test_what_was_measured_is_not_measured_again(self):
        rng, kills, daemons = random.Random(SEED), 0, 0
        known, finished = set(), 0
        while kills < KILLS or not finished:
            seen = len(self.lines())
            process = self.script()
            if rng.random() < 0.5:  # while it measures, the other half at any moment
                wait_until(lambda: len(self.lines()) > seen or process.poll() is not None)
            try:
                code = process.wait(rng.uniform(0.01, 0.8) if kills < KILLS else PATIENCE_S)
                self.assertEqual(code, 0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                if rng.random() < 0.3 and narrowd.Server().pid() is not None:
                    os.kill(narrowd.Server().pid(), signal.SIGKILL)
                    daemons += 1
            new = self.lines()[seen:]
            self.assertEqual(known & set(self.begun(new)), set(), f"measured again (seed {SEED})")
            known |= self.answered()
            finished += sum(what == "finished" for _, what, _ in new)
        begun = self.begun(self.lines())
        self.assertTrue(known)
        self.assertLessEqual(len(begun) - len(set(begun)), kills, "what was being measured when it was killed")
        with narrowd.Client() as client:
            jobs = [client.job(document["id"]) for document in client.jobs()]
            told = [self.story(job) for job in jobs]
            charged = [event for job in jobs for event in everything(job) if event["type"] in CHARGED]
        self.assertEqual(charged, [], "nobody is charged for a kill")
        undisturbed = self.undisturbed()
        whole = [story for story in told if story == undisturbed]
        self.assertGreaterEqual(len(whole), 1)
        self.assertLessEqual(len(told) - len(whole), 1, "a search that came to its end is no other search")
        for story in told:
            self.assertEqual(story, undisturbed[:len(story)])
        print(f"{kills} kills of the script and {daemons} of the daemon, {len(set(begun))} measurements, "
              f"{len(begun) - len(set(begun))} begun twice, {len(jobs)} jobs (seed {SEED})")

    def story(self, job):
        """What was asked and measured, without times and attempts."""
        return [(t["number"], t["kind"], t["state"], t["accuracy"], t["metrics"], job.trial(t["number"]).get("config"))
                for t in job.trials(order="number") if t["state"] == "told"]

    def undisturbed(self):
        with mock.patch.dict(os.environ, NARROWD_HOME=str(self.home / "calm")):
            self.assertEqual(self.script().wait(PATIENCE_S), 0)
            with narrowd.Client() as client:
                document, = client.jobs()
                return self.story(client.job(document["id"]))


if __name__ == "__main__":
    unittest.main()
