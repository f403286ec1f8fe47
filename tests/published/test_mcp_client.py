"""narrow mcp under the client of the published package `mcp`; the scripted session is in mcp_session.py."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "api"))
from daemon import Daemon  # noqa: E402
from jobkit import Evaluator  # noqa: E402
from packages import python_with  # noqa: E402
from patience import PATIENCE_S  # noqa: E402


class Session(unittest.TestCase):
    def test_a_tuning_session(self):
        place = self.enterContext(tempfile.TemporaryDirectory())
        python = python_with(place, "mcp==2.3.0")
        evaluator = Evaluator()
        self.addCleanup(evaluator.close)
        daemon = self.enterContext(Daemon(f"{place}/data"))
        done = subprocess.run([python, HERE / "mcp_session.py", os.environ["NARROW_BIN"], daemon.url, evaluator.url],
                              stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True)
        said = json.loads(done.stdout)
        self.assertEqual(said["server"], "narrowd")
        self.assertEqual(said["read_only"], ["best", "dry_run", "export", "jobs", "probe", "watch", "why"])
        self.assertLessEqual(max(len(text.encode()) for text in said["answers"].values()), 2048)
        job = said["answers"]["submit"].strip()
        self.assertEqual(daemon.request("GET", f"/v1/jobs/{job}")[2]["state"], "completed")
        self.assertIn("completed", said["answers"]["watch"])
        self.assertIn("criterion", said["answers"]["best"])
        self.assertIn("it is in", said["answers"]["why"])
        self.assertEqual(json.loads(said["answers"]["export"]), daemon.request("GET", f"/v1/jobs/{job}/export?format=inc")[2])


if __name__ == "__main__":
    unittest.main()
