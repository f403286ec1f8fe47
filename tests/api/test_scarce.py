"""Memory that ends: each allocation whose size a client chooses is made to fail, one after the other.

The daemon is one whose allocations this test can make fail (tests/unit/scarce.c). Whatever fails, the request is
answered as usual or refused with 413 or 503, and everything goes on.
"""

import mmap
import os
import struct
import tempfile
import unittest
from unittest import mock

from daemon import Daemon
from jobkit import submit

FROM_BYTES = 32 * 1024
OPERATORS = 1000
CAPABILITY = {
    "ops": [{"name": f"op{i}", "type": "Conv2d"} for i in range(OPERATORS)],
    "op_types": {"Conv2d": {"static": {"weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
                                       "activation": {"dtype": ["uint8"]}}, "fp32": {}}},
}


class Control:
    """Which allocation of the daemon fails."""

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.write(struct.pack("qqq", FROM_BYTES, 0, 0))
            file.flush()
            self.memory = mmap.mmap(file.fileno(), 24)

    def fail(self, number):
        """The number-th one from now on, counted from 1; 0: none."""
        self.memory[8:24] = struct.pack("qq", number, 0)

    def failed(self):
        return struct.unpack("q", self.memory[16:24])[0]

    def close(self):
        self.memory.close()


class Scarce(unittest.TestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.control = Control(os.path.join(directory, "control"))
        self.addCleanup(self.control.close)
        self.enterContext(mock.patch.dict(os.environ, {
            "NARROWD_SCARCE": os.path.join(directory, "control"), "NARROWD_BIN": os.environ["NARROWD_SCARCE_BIN"]}))
        self.daemon = self.enterContext(Daemon(os.path.join(directory, "data")))

    def each_fails(self, method, path, body, usual):
        """Returns how many allocations were made to fail before the request met none, and how often it was refused."""
        refused = 0
        for number in range(1, 1000):
            self.control.fail(number)
            status, _, answer = self.daemon.request(method, path, body)
            failed = self.control.failed()
            self.control.fail(0)
            self.assertIn(status, (usual, 413, 503), (path, number, answer))
            refused += status != usual
            self.assertEqual(self.daemon.request("GET", "/readyz")[0], 200)
            if failed == 0:
                self.assertEqual(status, usual, answer)
                return number - 1, refused
        raise AssertionError(f"{method} {path} allocates without end")

    def answer(self, **metrics):
        lease = {"pool": "p", "worker": "w", "wait_s": 25, "ttl_s": 600}
        item = self.daemon.request("POST", "/v1/leases", lease)[2]["items"][0]
        path = f"/v1/leases/{item['lease']}/complete"
        self.assertEqual(self.daemon.request("POST", path, metrics)[0], 200)

    def test_every_allocation_that_a_client_makes_large(self):
        job = {"capability": CAPABILITY, "evaluator": {"pool": "p"}, "confirm": 0,
               "tuning_criterion": {"strategy": "random", "max_trials": 10000, "stop_on": "budget"}}
        path = f"/v1/jobs/{submit(self.daemon, job)}"
        self.answer(accuracy=0.7, latency_ms=11)
        self.answer(accuracy=0.69, latency_ms=9)
        known = self.daemon.request("GET", f"{path}/trials/1")[2]["config"]
        trials = {"trials": [{"accuracy": 0.6, "latency_ms": 8, "config": known}]}
        # What a space is tried out with is as long as the job, so that one is short.
        short = {**job, "tuning_criterion": {"strategy": "random", "max_trials": 3}}
        failed = refused = 0
        for method, where, body, usual in (
            ("POST", "/v1/jobs", {**job, "evaluator": {"pool": "q"}}, 201),
            ("POST", "/v1/spaces", short, 200),
            ("POST", f"{path}/trials", trials, 200),
            ("GET", f"{path}/space", None, 200),
            ("GET", f"{path}/trials/1", None, 200),
            ("GET", f"{path}/trials?limit=1000", None, 200),
            ("GET", f"{path}/best", None, 200),
            ("GET", f"{path}/sensitivity", None, 200),
            ("GET", f"{path}/spec", None, 200),
            ("GET", f"{path}/export", None, 200),
            ("GET", f"{path}/export?format=inc", None, 200),
        ):
            with self.subTest(f"{method} {where}"):
                more, no = self.each_fails(method, where, body, usual)
                failed += more
                refused += no
        self.assertGreater(failed, 50)
        self.assertGreater(refused, 10)
        self.assertEqual(self.daemon.request("GET", f"{path}/trials/1")[2]["config"], known)


if __name__ == "__main__":
    unittest.main()
