"""The loop never waits: what grows with a job is done beside it.

Judged by the daemon's own measure, the CPU clock of its loop thread: it names every piece of work that took
longer than a piece may, and how busy the machine is changes nothing.
"""

import random
import tempfile
import unittest

from daemon import Daemon
from jobkit import get, submit, wait_until

HELD_UP = "the loop was held up"
NAMES = [f"l{i}" for i in range(20)]
INT8 = {"mode": "static", "weight": {"dtype": "int8"}, "activation": {"dtype": "uint8"}}
CAPABILITY = {
    "ops": [{"name": name, "type": "Conv2d"} for name in NAMES],
    "op_types": {"Conv2d": {"static": {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}},
                            "fp32": {}}},
}


def held_up(daemon):
    return [line for line in daemon.log().splitlines() if HELD_UP in line]


class History(unittest.TestCase):
    """A strategy that learns is told of hundreds of measurements at once, and again after a restart."""

    TRIALS = 200

    def trial(self, rng):
        chosen = [name for name in NAMES if rng.random() < 0.5]
        return {
            "accuracy": 0.7 - 0.001 * len(chosen) * rng.random(),
            "latency_ms": 11 - 0.3 * len(chosen),
            "config": {"ops": {name: INT8 if name in chosen else {"mode": "fp32"} for name in NAMES}},
        }

    def answer(self, daemon, **metrics):
        lease = {"pool": "p", "worker": "w", "wait_s": 25, "ttl_s": 600}
        items = wait_until(lambda: daemon.request("POST", "/v1/leases", lease)[2]["items"])
        path = f"/v1/leases/{items[0]['lease']}/complete"
        self.assertEqual(daemon.request("POST", path, metrics)[0], 200)

    def test_fitting_is_done_beside_the_loop(self):
        rng = random.Random(1)
        job = {"capability": CAPABILITY, "evaluator": {"pool": "p"}, "confirm": 0,
               "tuning_criterion": {"strategy": "sgp", "max_trials": 1000, "stop_on": "budget"}}
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            number = submit(daemon, job)
            self.answer(daemon, accuracy=0.7, latency_ms=11)
            for _ in range(self.TRIALS // 20):
                body = {"trials": [self.trial(rng) for _ in range(20)]}
                status, _, answer = daemon.request("POST", f"/v1/jobs/{number}/trials", body)
                self.assertEqual(status, 200, answer)
            self.answer(daemon, accuracy=0.69, latency_ms=9)
            daemon.kill9()
            daemon.start()
            self.answer(daemon, accuracy=0.69, latency_ms=9)
            self.assertEqual(held_up(daemon), [])

    def test_a_stop_does_not_wait_for_it(self):
        rng = random.Random(2)
        job = {"capability": CAPABILITY, "evaluator": {"pool": "p"}, "confirm": 0,
               "tuning_criterion": {"strategy": "sgp", "max_trials": 1000, "stop_on": "budget"}}
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            number = submit(daemon, job)
            self.answer(daemon, accuracy=0.7, latency_ms=11)
            body = {"trials": [self.trial(rng) for _ in range(self.TRIALS)]}
            self.assertEqual(daemon.request("POST", f"/v1/jobs/{number}/trials", body)[0], 200)
            daemon.stop()
            daemon.start()
            self.answer(daemon, accuracy=0.69, latency_ms=9)


class WarmStart(unittest.TestCase):
    """What another job has measured is taken over beside the loop, however much that is."""

    TRIALS = 4000

    def test_many_measurements_are_taken_over(self):
        job = {"capability": CAPABILITY, "evaluator": {"pool": "p"}, "confirm": 0,
               "tuning_criterion": {"strategy": "random", "max_trials": 5, "stop_on": "budget"}}
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            source = submit(daemon, job)
            for first in range(0, self.TRIALS, 500):
                trials = [{"accuracy": 0.7, "latency_ms": 1 + i, "config": {"ops": {
                    name: {"mode": "fp32"} for k, name in enumerate(NAMES) if i >> k & 1}}}
                    for i in range(first, first + 500)]
                self.assertEqual(daemon.request("POST", f"/v1/jobs/{source}/trials", {"trials": trials})[0], 200)
            known = len(held_up(daemon))
            warm = submit(daemon, {**job, "warm_start": {"job": source}})
            self.assertEqual(get(daemon, f"/v1/jobs/{warm}")["progress"]["imported"], self.TRIALS)
            status, _, _ = daemon.request("POST", f"/v1/jobs/{warm}/cancel")
            self.assertEqual(status, 200)
            self.assertEqual(held_up(daemon)[known:], [])


class Reads(unittest.TestCase):
    """What is read of a job of many operators is made beside the loop, and its space once."""

    OPERATORS = 10000

    def test_reads_of_a_large_job(self):
        ops = [{"name": f"op{i}", "type": "Conv2d"} for i in range(self.OPERATORS)]
        job = {"capability": {**CAPABILITY, "ops": ops}, "evaluator": {"pool": "p"}, "confirm": 0,
               "tuning_criterion": {"strategy": "random", "max_trials": 5, "stop_on": "budget"}}
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            path = f"/v1/jobs/{submit(daemon, job)}"
            for accuracy in (0.7, 0.69):
                lease = {"pool": "p", "worker": "w", "wait_s": 25, "ttl_s": 600}
                items = wait_until(lambda: daemon.request("POST", "/v1/leases", lease)[2]["items"])
                answer = {"accuracy": accuracy, "latency_ms": 10}
                report = f"/v1/leases/{items[0]['lease']}/complete"
                self.assertEqual(daemon.request("POST", report, answer)[0], 200)
            before = len(held_up(daemon))
            for read in ("/trials/1", "/trials/1?config=delta", "/space", "/best", "/sensitivity", "/export?format=inc",
                         "/export", "/pareto", "/spec"):
                with self.subTest(read):
                    known = len(held_up(daemon))
                    self.assertEqual(daemon.request("GET", path + read)[0], 200)
                    self.assertEqual(held_up(daemon)[known:], [])
            self.assertEqual(len(get(daemon, path + "/trials/1")["config"]["ops"]), self.OPERATORS)
            self.assertEqual(len(held_up(daemon)), before)


class Scores(unittest.TestCase):
    """A report on every operator of a large job is read, written and taken up beside the loop."""

    OPERATORS = 20000

    def answer(self, daemon, accuracy):
        lease = {"pool": "p", "worker": "w", "wait_s": 25, "ttl_s": 600}
        items = wait_until(lambda: daemon.request("POST", "/v1/leases", lease)[2]["items"])
        path = f"/v1/leases/{items[0]['lease']}/complete"
        self.assertEqual(daemon.request("POST", path, {"accuracy": accuracy, "latency_ms": 10})[0], 200)

    def test_a_report_on_many_operators(self):
        names = [f"op{i}" for i in range(self.OPERATORS)]
        numbers = {name: i + 1 for i, name in enumerate(names)}
        entries = {name: [{"when": {"mode": mode}, "score": i + 1} for mode in ("static", "dynamic", "weight_only")]
                   for i, name in enumerate(names)}  # fmt: skip
        ops = [{"name": name, "type": "Conv2d"} for name in names]
        for strategy in ("sgp", "knapsack"):
            job = {"capability": {**CAPABILITY, "ops": ops}, "evaluator": {"pool": "p"}, "confirm": 0,
                   "tuning_criterion": {"strategy": strategy, "max_trials": 8, "stop_on": "budget"}}
            with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
                path = f"/v1/jobs/{submit(daemon, job)}/scores"
                self.answer(daemon, 0.7)
                self.answer(daemon, 0.69)
                for scores in (numbers, entries):
                    status, _, receipt = daemon.request("POST", path, {"scores": scores})
                    self.assertEqual((status, receipt.get("operators")), (200, self.OPERATORS), receipt)
                    self.answer(daemon, 0.69)
                self.assertEqual([line for line in held_up(daemon) if "intake.c" in line], [])


if __name__ == "__main__":
    unittest.main()
