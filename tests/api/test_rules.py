"""Databases that released versions left behind: today's daemon means by them what those did."""

import json
import pathlib
import sqlite3
import tempfile
import unittest

import rules_kit
from daemon import Daemon
from jobkit import finished, get, wait_until
from test_history import BUDGET, HistoryCase

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "data"
# What follows from when and where it is asked; everything else that was said is still said.
PASSING = {"elapsed_s"}


def differences(was, now, where=""):
    """What `was` says and `now` does not; members that were added are none."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in was.keys() - PASSING:
            yield from differences(was[key], now.get(key, "is not there"), f"{where}/{key}")
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, value in enumerate(was):
            yield from differences(value, now[index], f"{where}/{index}")
    elif was != now:
        yield f"{where}: {was!r} became {now!r}"


class Rules1(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        folder = FIXTURES / "rules1"
        adviser = rules_kit.Adviser()
        cls.addClassCleanup(adviser.stop)
        text, expected = (
            (folder / name).read_text().replace(rules_kit.PLACEHOLDER, adviser.url)
            for name in ("database.sql", "expected.json")
        )
        cls.expected = json.loads(expected)
        rules_kit.load(text, f"{directory.name}/narrowd.db")
        cls.daemon = Daemon(directory.name, "--data", "")
        cls.daemon.start()
        cls.addClassCleanup(cls.daemon.stop)

    def test_it_says_and_does_the_same(self):
        urls = {"remote": "", "sigopt": ""}
        quirks = {name: quirk for name, (*_, quirk) in rules_kit.jobs([], urls).items()}
        self.assertGreater(len(self.expected["jobs"]), len(quirks))
        for name, job in self.expected["jobs"].items():
            with self.subTest(name):
                said = rules_kit.documents(self.daemon, job)
                documents = self.expected["documents"][name]
                was = {path: documents[path] for path in rules_kit.DOCUMENTS if path in documents}
                self.assertEqual(list(differences(was, said)), [])
                self.assertEqual(said[""]["rules"], 1)
                if name in self.expected["courses"]:
                    rules_kit.work(self.daemon, job, name, quirks.get(name), 1000)
                    self.assertEqual(
                        rules_kit.course(self.daemon, job), self.expected["courses"][name]
                    )

    def test_differences_are_seen(self):
        was = {"a": [1, {"b": 2}], "elapsed_s": 1}
        self.assertEqual(list(differences(was, {**was, "elapsed_s": 2, "new": 3})), [])
        self.assertEqual(len(list(differences(was, {"a": [1, {"b": 3}]}))), 1)
        self.assertEqual(len(list(differences(was, {"a": [1]}))), 1)
        self.assertEqual(len(list(differences(was, {}))), 1)


class Divergence(HistoryCase):
    """The space that is built from what is stored is another one than configs were chosen from."""

    def change(self, job, edit):
        """What the job's stored capability was, and is after `edit`."""
        with sqlite3.connect(f"{self.daemon.directory}/narrowd.db") as database:
            select = "SELECT capability FROM submission WHERE id = ?"
            (was,) = database.execute(select, (job,)).fetchone()
            assert edit(was) != was, was
            update = "UPDATE submission SET capability = ?, sum = NULL WHERE id = ?"
            database.execute(update, (edit(was), job))
        database.close()
        return was

    def diverged(self, edit):
        """An open job whose capability was changed under it, and what that was."""
        _, job, gate = self.held(3, tuning_criterion=BUDGET, confirm=0)
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/pause")[0], 200)
        gate.set()
        self.daemon.stop()
        was = self.change(job, edit)
        self.daemon.start()
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["pause"]["reason"] != "requested")
        return job, was

    def test_it_is_paused_and_says_why(self):
        swapped = ('["minmax","kl"]', '["kl","minmax"]')
        for edit in (
            lambda text: text.replace(*swapped),
            lambda text: json.dumps({**json.loads(text), "ops": json.loads(text)["ops"][1:]}),
            lambda text: text.replace('"op1"', '"op9"'),
        ):
            job, was = self.diverged(edit)
            document = get(self.daemon, f"/v1/jobs/{job}")
            self.assertEqual(document["state"], "paused")
            self.assertEqual(document["pause"]["reason"], "replay_divergence")
            for path in ("/resume", "/trials/1/retry"):
                status, _, problem = self.daemon.request("POST", f"/v1/jobs/{job}{path}")
                self.assertEqual(status, 409, problem)
                self.assertIn("space", problem["detail"])
            self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/pause")[0], 200)
            self.assertEqual(len(get(self.daemon, f"/v1/jobs/{job}/trials")["items"]),
                             document["progress"]["asked"] + 1)
            status, _, problem = self.daemon.request("GET", f"/v1/jobs/{job}/best")
            self.assertEqual(problem["type"], "urn:narrowd:problem:replay_divergence")
            events = get(self.daemon, f"/v1/jobs/{job}/events", Accept="application/json")
            self.daemon.restart()
            again = get(self.daemon, f"/v1/jobs/{job}/events", Accept="application/json")
            self.assertEqual(again, events, "it is said once")
            self.daemon.stop()
            self.change(job, lambda _, was=was: was)
            self.daemon.start()
            self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/resume")[0], 200)
            document = finished(self.daemon, job)
            self.assertEqual((document["state"], document["pause"]), ("completed", None))

    def test_it_can_be_cancelled_and_deleted(self):
        job, _ = self.diverged(lambda text: text.replace('"op1"', '"op9"'))
        for _ in range(2):
            status, _, document = self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
            self.assertEqual((status, document["state"]), (200, "cancelled"), document)
        self.assertEqual(document["progress"]["running"], 0)
        self.daemon.restart()
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["state"], "cancelled")
        self.assertEqual(self.daemon.request("DELETE", f"/v1/jobs/{job}")[0], 204)

    def test_a_job_that_is_over_is_not_read_wrongly(self):
        job = self.run_job(self.evaluator().url, tuning_criterion=BUDGET)
        self.daemon.stop()
        self.change(job, lambda text: text.replace('"op1"', '"op9"'))
        self.daemon.start()
        status, _, problem = self.daemon.request("GET", f"/v1/jobs/{job}/best")
        self.assertEqual((status, problem["type"]),
                         (409, "urn:narrowd:problem:replay_divergence"))
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["state"], "completed")


if __name__ == "__main__":
    unittest.main()
