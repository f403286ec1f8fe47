"""Databases that released versions left behind: today's daemon means by them what those did."""

import json
import pathlib
import tempfile
import unittest

import rules_kit
from daemon import Daemon
from jobkit import get

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
        cls.daemon = Daemon(directory.name)
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


if __name__ == "__main__":
    unittest.main()
