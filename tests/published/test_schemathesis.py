"""Schemathesis with all its checks and phases finds nothing that the document says otherwise.

It comes from the package index, into a virtual environment that is thrown away; so this is run by
`tools/test --all` alone. What it may not judge is in schemathesis.toml, and why. NARROWD_SEED
chooses what it makes up.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "api"))
from daemon import Daemon  # noqa: E402
from jobkit import Evaluator, crash_model, get  # noqa: E402
from packages import python_with  # noqa: E402

PACKAGES = ("schemathesis==4.32.5",)
REQUESTS_PER_OPERATION = 10


def reply(body, _):
    """To questions as an evaluator, to messages as a receiver."""
    return crash_model.answer(body) if "question" in body else {}


class Schemathesis(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def test_document_and_daemon_say_the_same(self):
        python = python_with(self.directory, *PACKAGES)
        evaluator = Evaluator(reply)
        self.addCleanup(evaluator.close)
        (self.directory / "run").mkdir()
        with Daemon(self.directory / "data") as daemon:
            done = subprocess.run(
                [
                    os.path.join(os.path.dirname(python), "st"),
                    "--config-file", os.path.join(HERE, "schemathesis.toml"),
                    "run", f"{daemon.url}/openapi.json", "--continue-on-failure",
                    "--max-examples", str(REQUESTS_PER_OPERATION),
                    "--seed", os.environ.get("NARROWD_SEED", "1"),
                ],
                cwd=self.directory / "run",
                env={**os.environ, "PYTHONPATH": HERE, "EVALUATOR_URL": evaluator.url},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            self.assertEqual(done.returncode, 0, done.stdout[-20000:])
            self.assertGreater(len(get(daemon, "/v1/jobs")["items"]), 10)
        self.assertGreater(len(evaluator.calls), 100)


if __name__ == "__main__":
    unittest.main()
