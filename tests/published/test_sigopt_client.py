"""The face of a SigOpt server under the published Python client.

The client comes from the package index, into a virtual environment that is thrown away; so this is
run by `tools/test --all` alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "api"))
from daemon import Daemon  # noqa: E402
from packages import python_with  # noqa: E402

CLIENT = "sigopt==8.8.3"
BUDGET = 15


class PublishedClient(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def test_its_loop(self):
        python = python_with(self.directory, CLIENT)
        with Daemon(os.path.join(self.directory, "data")) as daemon:
            done = subprocess.run(
                [python, os.path.join(HERE, "sigopt_client.py"), f"{daemon.url}/sigopt"],
                stdout=subprocess.PIPE, text=True, timeout=120, check=True,
            )
            seen = json.loads(done.stdout)
            job = daemon.request("GET", f"/v1/jobs/{seen['id']}")[2]
        self.assertEqual(len(seen["measured"]), BUDGET - 1)
        self.assertEqual((job["progress"]["told"], job["progress"]["failed"]), (BUDGET - 1, 1))
        allowed = [pair for pair in seen["measured"] if pair[1]["acc"] >= 0.5]
        self.assertEqual(seen["best"][1]["lat"], min(values["lat"] for _, values in allowed))
        self.assertIn(seen["best"], allowed)
        self.assertEqual(seen["refused"][0], 400)
        self.assertIn("over", seen["refused"][1])


if __name__ == "__main__":
    unittest.main()
