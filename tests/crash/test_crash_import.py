"""kill -9 in the middle of imports: each is there as a whole or not at all, and counts once.

Imports are sent again and again under their keys while the daemon is killed at random moments,
up to one and a half times what the first one took undisturbed. NARROWD_IMPORT_KILLS says how often.
"""

import http.client
import os
import random
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files  # noqa: E402

KILLS = int(os.environ.get("NARROWD_IMPORT_KILLS", "25"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
OPERATORS = 12
TRIALS = 400
MODES = [{"mode": "bf16"}, {"mode": "fp32"}]


class CrashImport(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.acknowledged = 0

    def trials(self):
        return [
            {
                "config": {
                    "ops": {
                        f"op{i}": self.random.choice(MODES)
                        for i in range(OPERATORS)
                        if self.random.random() < 0.3
                    }
                },
                "accuracy": 0.5 + 0.4 * self.random.random(),
                "latency_ms": 10 + self.random.random(),
            }
            for _ in range(TRIALS)
        ]

    def import_one(self, daemon, job):
        """Sends the next import; one without an answer comes again, unchanged."""
        self.pending = self.pending or {"trials": self.trials()}
        key = f"import-{self.acknowledged}"
        status, _, answer = daemon.request(
            "POST", f"/v1/jobs/{job}/trials", self.pending, {"Idempotency-Key": key}
        )
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["first"], 1 + self.acknowledged * TRIALS)
        self.acknowledged += 1
        self.pending = None

    def undisturbed(self, daemon, job):
        """Seconds that an import takes on this machine, with these sanitizers."""
        started = time.monotonic()
        self.import_one(daemon, job)
        return time.monotonic() - started

    def one_life(self, daemon, job, longest):
        daemon.start()
        killer = threading.Timer(self.random.uniform(0, longest), daemon.kill9)
        killer.start()
        try:
            while killer.is_alive():
                self.import_one(daemon, job)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            killer.join()

    def check(self, daemon, job):
        """What is on disk is whole imports: those with an answer, and at most one more."""
        status, _, document = daemon.request("GET", f"/v1/jobs/{job}")
        self.assertEqual(status, 200, document)
        imported = document["progress"]["imported"]
        self.assertIn(imported, (self.acknowledged * TRIALS, (self.acknowledged + 1) * TRIALS))

    def test_kill(self):
        self.pending = None
        with tempfile.TemporaryDirectory() as directory:
            daemon = Daemon(directory)
            daemon.start()
            body = {
                "capability": crash_model.capability(OPERATORS),
                "evaluator": {"pool": "nobody"},  # so that no trial but imported ones is begun
                "tuning_criterion": {
                    "strategy": "random", "stop_on": "budget", "max_trials": 5,
                },
            }
            status, _, job = daemon.request("POST", "/v1/jobs", body)
            self.assertEqual(status, 201, job)
            job = job["id"]
            longest = 1.5 * self.undisturbed(daemon, job)
            daemon.kill9()
            for _ in range(KILLS):
                self.one_life(daemon, job, longest)
                daemon.start()
                self.check(daemon, job)
                daemon.kill9()
            daemon.start()
            try:
                status, _, answer = daemon.request("POST", f"/v1/jobs/{job}/cancel")
                self.assertEqual(status, 200, answer)
            finally:
                daemon.stop()
            check_files(self, directory)
        print(f"{KILLS} kills, {self.acknowledged} imports of {TRIALS} trials")


if __name__ == "__main__":
    unittest.main()
