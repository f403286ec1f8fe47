"""kill -9 and a receiver that drops a third: every event still arrives, each job's in order.

NARROWD_KILLS says how often to kill.
"""

import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit  # noqa: E402
from daemon import Daemon  # noqa: E402
from receiver import Receiver  # noqa: E402
from scripted import Reply  # noqa: E402

KILLS = int(os.environ.get("NARROWD_KILLS", "300")) // 10
SEED = int(os.environ.get("NARROWD_SEED", "1"))
OPEN_JOBS = 3
TYPES = ["job_submitted", "state_changed", "question_asked", "question_leased", "trial_told",
         "new_best", "stage_entered", "baseline_measured"]


class CrashWebhooks(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        waits = " ".join(["0"] * 32)
        self.daemon = Daemon(directory.name, "--webhook-schedule-s", waits, "--log-level", "error")
        self.evaluator = jobkit.Evaluator()
        self.addCleanup(self.evaluator.close)
        self.receiver = Receiver(self.reply)
        self.addCleanup(self.receiver.stop)
        self.jobs = []

    def reply(self, message):
        with self.receiver.lock:
            draw = self.random.random()
        if draw < 0.1:
            return None
        if draw < 0.2:
            return Reply(500)
        if draw < 0.3:
            return Reply(503, b"", {"Retry-After": "0"})
        return Reply(204)

    def submit(self):
        job = jobkit.body(self.evaluator.url, tuning_criterion={"strategy": "basic",
                          "stop_on": "budget", "max_trials": 20})
        self.jobs.append(jobkit.submit(self.daemon, job))

    def one_life(self):
        self.daemon.start()
        killer = threading.Timer(self.random.uniform(0, 0.4), self.daemon.kill9)
        killer.start()
        try:
            while killer.is_alive():
                page = self.daemon.request("GET", "/v1/jobs?limit=1000")[2]
                if sum(item["exit"] is None for item in page["items"]) < OPEN_JOBS:
                    self.submit()
                time.sleep(0.01)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            killer.join()

    def settled(self, webhook):
        path = f"/v1/webhooks/{webhook}/deliveries"
        for job in self.jobs:
            jobkit.finished(self.daemon, job)
        jobkit.wait_until(
            lambda: not jobkit.get(self.daemon, path + "?state=pending&limit=1")["items"]
        )
        return jobkit.everything(self.daemon, path + "?limit=1000")

    def test_every_event_arrives_in_order(self):
        with self.daemon:
            webhook = self.receiver.register(self.daemon, TYPES)["id"]
            self.submit()
        for _ in range(KILLS):
            self.one_life()
        with self.daemon:
            items = self.settled(webhook)
            logs = {}
            for job in [item["id"] for item in jobkit.everything(self.daemon, "/v1/jobs")]:
                events = jobkit.everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")
                logs[job] = [event for event in events if event["type"] in TYPES]
        self.assertEqual(self.receiver.faults, [])
        self.assertEqual({item["state"] for item in items}, {"delivered"})
        first = {}
        for message in self.receiver.taken:
            first.setdefault(message["id"], message["data"])
        arrived = {job: [] for job in logs}
        for event in first.values():
            arrived[event["job"]].append(event)
        for job, events in logs.items():
            self.assertEqual(arrived[job], events, job)
        self.assertLessEqual(set(self.jobs), set(logs))
        self.assertEqual(len(items), len(first))
        self.assertGreater(len(self.receiver.seen), len(first), "none was dropped")
        done = subprocess.run([os.environ["STORE_VERIFY_BIN"], self.daemon.directory], check=False)
        self.assertEqual(done.returncode, 0)
        print(f"{KILLS} kills, {len(logs)} jobs, {len(first)} events, "
              f"{len(self.receiver.seen)} attempts, {len(self.receiver.taken)} taken")


if __name__ == "__main__":
    unittest.main()
