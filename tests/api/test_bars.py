"""bench/rivals/bars.py: a short table has a line for each bar, and says of each whether it is met."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ["NARROWD_BIN"]).parent.parent
# What a short run measures of one family that has no bar of its own; the beginning of each line, and its bar.
LINES = (
    ("regret of killer", ""),
    ("exact: hands over the fastest", "99%"),
    ("regret more than the best rival's", "0.02"),
    ("... in the worst family", "0.05"),
    ("ends by itself before", "2%"),
    ("one killer of 1,000", "16"),
    ("tables of 12 operators: latency by the optimum's, sgp in 20", "1.02"),
    ("tables of 12 operators: latency by the optimum's, bayesian in 40", "1.05"),
    ("tables of 12 operators: latency by the optimum's, tpe in 40", "1.10"),
    ("a question of sgp, 30 operators, 10 trials known", "5 ms"),
    ("a question of sgp, 500 operators, 2 trials known", ""),
    ("a question of sgp, 500 operators, 10 trials known", ""),
    ("30 imported trials", "1 s"),
    ("... each of the five after it", "1 s"),
    ("... pieces of the loop over 5 ms", "0"),
)


class Table(unittest.TestCase):
    def bars(self, *arguments):
        return subprocess.run([sys.executable, ROOT / "bench/rivals/bars.py", "--build", BUILD, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)

    def test_each_bar_has_a_line_and_a_verdict(self):
        done = self.bars("--short", "--only", "killer", "--seeds", "1")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        head, _, *lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in done.stdout.splitlines()]
        self.assertEqual(head, ["", "bar", "seeds 1 to 1", ""])
        self.assertEqual(len(lines), len(LINES), done.stdout)
        for (name, bar, shown, verdict), (begins, expected) in zip(lines, LINES, strict=True):
            with self.subTest(line=name):
                self.assertTrue(name.startswith(begins))
                self.assertEqual(bar, expected)
                self.assertRegex(shown, r"^(\*\*)?-?(\d|inf)")
                missed = re.fullmatch(r"\*\*.*\*\*", shown) is not None
                self.assertEqual(verdict, "" if not bar else "not met" if missed else "met")
        self.assertEqual(done.returncode, int(any(verdict == "not met" for *_, verdict in lines)))

    def test_two_ranges_of_seeds_stand_beside_each_other(self):
        done = self.bars("--short", "--only", "killer", "--seeds", "1", "--fresh", "2", "--parts", "killer")
        head, _, line = done.stdout.splitlines()
        self.assertEqual(head, "| | bar | seeds 1 to 1 | seeds 2 to 2 | |")
        self.assertEqual(line.count("|"), head.count("|"))

    def test_a_part_that_is_none(self):
        done = self.bars("--parts", "time,speed")
        self.assertEqual(done.returncode, 2)
        self.assertIn("speed is none of search, noise, ends, killer, synthetic, models, time", done.stderr)


if __name__ == "__main__":
    unittest.main()
