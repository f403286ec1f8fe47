"""kill -9 while the final choice is confirmed changes nothing: neither what is chosen nor the log.

The evaluator itself kills the daemon: in the middle of the first attempt of every confirmation, and
at a random moment after its answer to the second. It contradicts the first winners, so that the
choice is made again.
"""

import http.client
import json
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
from crash_kit import check_files, normal, read_log, wait_final  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

CONTRADICTED = 2  # so many winners do not hold
SEED = int(os.environ.get("NARROWD_SEED", "1"))


class Killer(crash_model.Ledger):
    """Kills the daemon that it is given while that has a winner confirmed."""

    def __init__(self):
        self.daemon = None
        self.lock = threading.Lock()
        self.killed = threading.Event()
        self.kills = []  # one for each, "during" or "after" an attempt
        self.timers = []
        self.attempts = {}
        self.asked = set()  # the keys of all confirmations
        self.confirmed = []  # configs, in the order in which they were chosen
        self.random = random.Random(SEED)
        super().__init__()

    def take_down(self, request):
        question = json.loads(request.body)
        answer = super().take_down(request)
        config = json.dumps(question["config"], sort_keys=True)
        key = request.headers["Idempotency-Key"]
        if question["question"] == "baseline" or question["kind"] != "confirm":
            return answer
        self.asked.add(key)
        if config not in self.confirmed:
            self.confirmed.append(config)
        if self.confirmed.index(config) < CONTRADICTED:
            answer = {"accuracy": 0.5, "latency_ms": answer["latency_ms"]}
        if self.daemon is not None:
            self.strike(key)
        return answer

    def strike(self, key):
        self.attempts[key] = self.attempts.get(key, 0) + 1
        if self.attempts[key] == 1:
            self.kill("during")
        elif self.attempts[key] == 2:
            timer = threading.Timer(self.random.uniform(0, 0.02), self.kill, ["after"])
            self.timers.append(timer)
            timer.start()

    def kill(self, when):
        with self.lock:
            if not self.killed.is_set():
                self.daemon.kill9()
                self.kills.append(when)
                self.killed.set()

    def revive(self):
        with self.lock:
            if self.killed.is_set():
                self.daemon.start()
                self.killed.clear()


class Confirm(unittest.TestCase):
    def setUp(self):
        self.evaluator = Killer()
        self.addCleanup(self.evaluator.stop)

    def submit(self, daemon):
        body = {
            "tuning_criterion": {"strategy": "sgp", "stop_on": "budget", "max_trials": 16},
            "accuracy_criterion": {"tolerable_loss": 0.02},
            "capability": crash_model.capability(8),
            "evaluator": {"url": self.evaluator.url},
            "confirm": 2,
            "retry": {"max_attempts": 3, "backoff_s": 0.01},
        }
        status, _, job = daemon.request("POST", "/v1/jobs", body)
        self.assertEqual(status, 201, job)
        return job["id"]

    def outcome(self, daemon, job):
        document = wait_final(daemon, job)
        log = read_log(daemon, job)
        chosen = {key: document["best"][key] for key in ("trial", "feasible")}
        return chosen, document["exit"]["reason"], normal(log)

    def undisturbed(self):
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            return self.outcome(daemon, self.submit(daemon))

    def outlive(self, daemon, job):
        """Starts the daemon again after each death, until the job has ended and nobody kills."""
        deadline = time.monotonic() + PATIENCE_S
        ended = False
        while not ended:
            self.assertLess(time.monotonic(), deadline, "the job does not end")
            self.evaluator.revive()
            try:
                ended = daemon.request("GET", f"/v1/jobs/{job}")[2]["exit"] is not None
            except (OSError, http.client.HTTPException, TypeError):
                pass  # it is down, or dies now
            time.sleep(0.005)
        for timer in self.evaluator.timers:
            timer.join()
        self.evaluator.revive()

    def test_kill_while_the_choice_is_confirmed(self):
        expected = self.undisturbed()
        types = [event[0] for event in expected[2]]
        self.assertIn("measurement_disagrees", types, "no choice was made again")
        self.assertTrue(expected[0]["feasible"])
        undisturbed = len(self.evaluator.asked)
        self.assertGreaterEqual(undisturbed, 2 * (CONTRADICTED + 1), "two of each choice at least")
        self.evaluator.confirmed.clear()
        with tempfile.TemporaryDirectory() as directory:
            daemon = Daemon(directory)
            daemon.start()
            self.evaluator.daemon = daemon
            try:
                job = self.submit(daemon)
                self.outlive(daemon, job)
                self.assertEqual(self.outcome(daemon, job), expected)
            finally:
                daemon.stop()
            check_files(self, directory)
        attempts = self.evaluator.attempts.values()
        self.assertEqual(len(attempts), undisturbed, "as many as undisturbed")
        self.assertGreaterEqual(min(attempts), 2, "each was lost once")
        self.assertEqual(set(self.evaluator.kills), {"during", "after"})


if __name__ == "__main__":
    unittest.main()
