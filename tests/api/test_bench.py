"""`narrowd bench`: what this machine can do, with nothing left behind."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest


class Bench(unittest.TestCase):
    def run_in(self, folder, name="data"):
        return subprocess.run([os.environ["NARROWD_BIN"], "--data-dir", str(folder / name), "bench"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def test_it_says_what_was_measured(self):
        with tempfile.TemporaryDirectory() as directory:
            folder = pathlib.Path(directory)
            done = self.run_in(folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            told = dict(re.findall(r"^(\w+) +(\d+) a second   \S", done.stdout, re.MULTILINE))
            self.assertEqual(list(told), ["requests", "trials", "commits"], done.stdout)
            self.assertGreater(min(map(int, told.values())), 0)
            self.assertEqual(list(folder.iterdir()), [])

    def test_where_nothing_can_be_made(self):
        done = self.run_in(pathlib.Path("/proc"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot make /proc/data.bench-", done.stderr)


if __name__ == "__main__":
    unittest.main()
