"""tools/demo --postgresql does what it says: both daemons take the job over from each other, each trial counted once."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
from patience import PATIENCE_S  # noqa: E402

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


class Demonstration(unittest.TestCase):
    def test_each_daemon_takes_over_from_the_other(self):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for folder in ("tools", "bin", "build/daemon"):
            (root / folder).mkdir(parents=True)
        (root / "build/build.ninja").touch()
        (root / "build/daemon/narrowd").symlink_to(os.environ["NARROWD_BIN"])
        (root / "tools/demo_postgresql.py").symlink_to(TOOLS / "demo_postgresql.py")
        shutil.copy(TOOLS / "demo", root / "tools/demo")
        for needless in ("tools/setup", "bin/meson"):  # nothing has to be installed or built
            (root / needless).symlink_to("/bin/true")
        done = subprocess.run([root / "tools/demo", "--postgresql"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}"}, text=True,
                              timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        for words in ("the first daemon is killed: kill -9 ", "the second daemon has taken its place",
                      "the second daemon is killed: kill -9 ", "the first daemon has taken its place",
                      "90 trials and the baseline have a result, 0 of them more than once",
                      "the budget of 90 was charged 90 times", "Every trial was counted once."):
            self.assertIn(words, done.stdout)


if __name__ == "__main__":
    unittest.main()
