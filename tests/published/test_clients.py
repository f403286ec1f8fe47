"""Clients that published generators make from /openapi.json, on real jobs.

The generators come from the package index, into a virtual environment that is thrown away; so this
is run by `tools/test --all` alone. openapi-generator needs a Java of 11 or later.
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "api"))
from daemon import Daemon, without_nulls  # noqa: E402
from jobkit import Evaluator, everything  # noqa: E402
from packages import python_with  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

PYTHON_CLIENT = ("openapi-python-client==0.29.1",)
# With what its clients need.
GENERATOR = (
    "openapi-generator-cli==7.26.0", "pydantic", "python-dateutil", "typing-extensions", "urllib3",
)
TRIALS = 10  # with the baseline
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


def plain(value):
    """Without nulls, which clients leave out, and with times that compare however they are written."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in without_nulls(value).items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and TIME.fullmatch(value):
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value


class GeneratedClients(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def start(self):
        """A daemon and its own document in a file."""
        self.evaluator = Evaluator()
        self.addCleanup(self.evaluator.close)
        self.daemon = Daemon(self.directory / "data")
        self.daemon.start()
        self.addCleanup(self.daemon.stop)
        document = self.daemon.request("GET", "/openapi.json")[2]
        self.document = self.directory / "openapi.json"
        self.document.write_text(json.dumps(document), encoding="utf-8")

    def run_program(self, python, program):
        """A user's program sees by the client what the daemon says without it."""
        done = subprocess.run(
            [python, os.path.join(HERE, program), self.daemon.url, self.evaluator.url],
            env={**os.environ, "PYTHONPATH": str(self.directory)},
            stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True,
        )
        told = json.loads(done.stdout)
        self.assertGreater(len(told["seen"]), 15)
        for path, seen in told["seen"].items():
            said = self.daemon.request("GET", path)[2]
            if said.get("next"):
                said = {"items": everything(self.daemon, path), "next": None}
            with self.subTest(path=path):
                self.assertEqual(plain(seen), plain(said))
        job = f"/v1/jobs/{told['job']}"
        self.assertEqual(told["seen"][job]["name"], "renamed")
        self.assertEqual(told["seen"][job]["labels"], {"made": "by a client"})
        self.assertEqual(told["deletable"], {"items": [told["job"]], "skipped": 0, "more": False})
        trials = told["seen"][f"{job}/trials"]["items"]
        self.assertGreaterEqual(len(trials), TRIALS)
        lowered = told["seen"][f"{job}/trials?op.op0=int8"]["items"]
        self.assertTrue(0 < len(lowered) < len(trials), lowered)
        pooled = told["seen"][f"/v1/jobs/{told['pooled']}"]
        self.assertEqual((pooled["state"], pooled["warnings"]), ("completed", []))
        self.assertEqual(pooled["baseline"]["metrics"]["latency_ms"], 5.25)
        self.assertEqual(told["refused"]["status"], 422)
        faults = [fault["pointer"] for fault in told["refused"]["errors"]]
        self.assertEqual(faults, ["/tuning_criterion/strategy"])

    def test_openapi_python_client(self):
        python = python_with(self.directory, *PYTHON_CLIENT)
        self.start()
        settings = self.directory / "settings.yml"
        settings.write_text("post_hooks: []\n", encoding="utf-8")
        subprocess.run(
            [
                os.path.join(os.path.dirname(python), "openapi-python-client"), "generate",
                "--path", self.document, "--config", settings, "--meta", "none",
                "--output-path", self.directory / "narrowd_client", "--fail-on-warning",
            ],
            timeout=PATIENCE_S, check=True,
        )
        self.run_program(python, "python_client.py")

    def test_openapi_generator(self):
        python = python_with(self.directory, *GENERATOR)
        self.start()
        subprocess.run(
            [
                os.path.join(os.path.dirname(python), "openapi-generator-cli"), "generate",
                "-g", "python", "-i", self.document, "-o", self.directory / "generated",
            ],
            stdout=subprocess.DEVNULL, timeout=PATIENCE_S, check=True,
        )
        (self.directory / "openapi_client").symlink_to("generated/openapi_client")
        self.run_program(python, "generator_client.py")


if __name__ == "__main__":
    unittest.main()
