"""A hundred workers that die, sleep and answer late: no two have a trial at one time.

What each was told of its leases is compared with the daemon's log, to the millisecond. A dead worker
is noticed when its lease ends; how much later is printed. NARROWD_LEASES_SECONDS says for how long
workers come at least, NARROWD_SEED who does what.
"""

import collections
import os
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit  # noqa: E402
from daemon import Daemon  # noqa: E402

from crash_kit import check_files, read_log, wait_final  # noqa: E402
from lease_ledger import Book  # noqa: E402
from pull_client import Client  # noqa: E402

SECONDS = float(os.environ.get("NARROWD_LEASES_SECONDS", "15"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
WORKERS, JOBS, PARALLEL = 100, 4, 32
TTL_S = 5  # the shortest there is
FATES = {"answer": 0.90, "die": 0.04, "late": 0.03, "twice": 0.03}


class Leases(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name, "--log-level", "error")
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.errors and self.daemon.kill9())
        self.ending = threading.Event()
        self.addCleanup(self.ending.set)
        address = ("127.0.0.1", self.daemon.port)
        self.clients = [
            Client(address, "many", f"w{number}", SEED, self.ending, TTL_S, 0.2, FATES)
            for number in range(WORKERS)
        ]

    def refused(self):
        """How many answers came after their lease: the daemon had noticed that it ended."""
        return sum(held.completes.count(410) for client in self.clients
                   for held in list(client.held))

    def has_happened(self):
        """Whether there was as much as is to be checked, however slow the machine is."""
        return (sum(len(client.held) for client in self.clients) > 10 * WORKERS
                and any(client.deaths for client in self.clients) and self.refused() > 0)

    def submit(self):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 100000}
        return jobkit.submit(self.daemon, jobkit.body(
            None, operators=8, evaluator={"pool": "many"}, tuning_criterion=criterion,
            parallel=PARALLEL, retry={"max_attempts": 20, "backoff_s": 0.01},
            max_failed_trials=100000))

    def check_job(self, job):
        """Returns the job's leases, and how late each end was noticed."""
        wait_final(self.daemon, job)
        book = Book(job, read_log(self.daemon, job))
        helds = [held for client in self.clients for held in client.held
                 if held.question["job"] == job]
        told = collections.defaultdict(list)
        for held in helds:
            told[held.question["lease"]] += held.expires
        book.check_asked([held.question for held in helds])
        book.check_answers(helds)
        book.check_late()
        return book.leases, book.check_told(told)

    def test_a_hundred_workers(self):
        jobs = [self.submit() for _ in range(JOBS)]
        for client in self.clients:
            client.start()
        time.sleep(SECONDS)
        jobkit.wait_until(self.has_happened)
        self.ending.set()
        for client in self.clients:
            client.join()
        self.assertEqual([client.wrong for client in self.clients if client.wrong], [])
        leases, lateness = 0, []
        for job in jobs:
            status, _, answer = self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
            self.assertEqual(status, 200, answer)
            of_job, late = self.check_job(job)
            leases += len(of_job)
            lateness += late
        self.daemon.stop()
        check_files(self, self.daemon.directory)
        deaths = sum(client.deaths for client in self.clients)
        self.assertGreaterEqual(leases, 10 * WORKERS)
        self.assertGreater(len(lateness), 0, "no dead worker was noticed")
        print(f"seed {SEED}: {WORKERS} workers, {leases} leases, {deaths} deaths, {len(lateness)} "
              f"noticed, at most {max(lateness)} ms after their time, {self.refused()} answers too late")


if __name__ == "__main__":
    unittest.main()
