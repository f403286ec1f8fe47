"""How the kit measures, and what it tells of many samples."""

import itertools
import unittest
from unittest import mock

import kit  # noqa: F401: where the package is
from patience import PATIENCE_S

import narrowd
from narrowd import measuring


class Measuring(unittest.TestCase):
    def test_samples_and_spread(self):
        clock = itertools.accumulate(itertools.cycle([0, 0.010, 0, 0.010, 0, 0.012]))
        timing = narrowd.measure(lambda: None, warm_up=0, samples=9, precision=0, clock=lambda: next(clock))
        self.assertEqual([round(sample) for sample in timing.samples], [10, 10, 12] * 3)
        self.assertAlmostEqual(timing.median_ms, 10)
        self.assertAlmostEqual(timing.spread, 0.2)
        with self.assertRaises(ValueError):
            narrowd.measure(lambda: None, samples=2)

    def test_an_answer_tells_of_many_samples_what_matters(self):
        few, many = measuring.Timing([3.0, 1.0, 2.0]), measuring.Timing([float(i * 7919 % 1000) for i in range(1000)])
        self.assertEqual(few.told, [3.0, 1.0, 2.0])
        self.assertEqual(len(many.told), 100)
        self.assertAlmostEqual(measuring.Timing(many.told).median_ms, many.median_ms, delta=5)
        self.assertAlmostEqual(measuring.Timing(many.told).spread, many.spread, delta=0.02)

    def test_as_many_samples_as_the_median_needs(self):
        """A short run has them at once; one that is calm, or slow, ends after those that were asked for."""
        def taken(durations, **more):
            clock = itertools.accumulate(part for seconds in itertools.cycle(durations) for part in (0, seconds))
            return len(narrowd.measure(lambda: None, warm_up=0, clock=lambda: next(clock), **more).samples)

        with mock.patch.object(measuring, "MORE_S", PATIENCE_S):
            self.assertEqual(taken([0.0001]), 30)
            self.assertEqual(taken([0.0001, 0.00011]), 330)  # 0.0886 / sqrt(n) of the median
            self.assertEqual(taken([0.0001, 0.0002]), 1000)
            self.assertEqual(taken([0.0001, 0.0002], samples=7, precision=0), 7)
        with mock.patch.object(measuring, "MORE_S", 0):
            self.assertLess(taken([0.0001, 0.0002]), 1000)

    def test_turns(self):
        calls = []
        narrowd.compare(lambda: calls.append("c"), lambda: calls.append("b"), warm_up=2, samples=4, precision=0)
        self.assertEqual("".join(calls), "cbcb" + "ccccbbbb" + "bbbbcccc" + "ccccbbbb" + "bbbbcccc")

    def test_what_the_other_one_left_in_the_caches_is_not_timed(self):
        now, last = [0.0], ["", 0]

        def takes(name, seconds):
            last[:] = name, last[1] + 1 if last[0] == name else 0
            now[0] += seconds * (1 + max(0, 3 - last[1]))  # three runs until it has the caches to itself

        both = narrowd.compare(lambda: takes("c", 1), lambda: takes("b", 3), warm_up=0, samples=9, clock=lambda: now[0])
        self.assertEqual(({*both.candidate.samples}, {*both.baseline.samples}), ({1000.0}, {3000.0}))

    def test_what_slows_both_down_cancels(self):
        """The machine gets five times as slow in the middle: medians by themselves would not see it alike."""
        now, pace = [0.0], [1.0]

        def takes(seconds):
            now[0] += seconds * pace[0]
            pace[0] = 5.0 if 1 < now[0] < 4 else 1.0

        both = narrowd.compare(lambda: takes(0.05), lambda: takes(0.1), warm_up=0, samples=31, precision=0, clock=lambda: now[0])
        self.assertAlmostEqual(both.speedup, 2, places=6)
        told = both.where_baseline_takes(70.0)  # as if the machine had been as it was for that all the time
        self.assertEqual(len(told.samples), 31)
        self.assertAlmostEqual(told.median_ms, 35, places=6)
