"""Three daemons on one PostgreSQL, hundreds of workers or thousands, and everything between them breaks: nothing that was
acknowledged is lost, no trial counts twice, budgets hold to the trial.

Daemons are killed and stopped for shorter and longer than their lease lasts, PostgreSQL is restarted at once (as `pg_ctl
restart -m immediate` does) and cuts its connections; whatever has ended is started again. Workers ask whichever daemon
answers. A blow falls each time that so many more trials have their result, so that the test is as long as its trials; or
a daemon is killed every so many seconds, and the other blows fall between.

NARROWD_DAEMONS_TRIALS says how many, NARROWD_DAEMONS_WORKERS who measures them, NARROWD_DAEMONS_KILL_S after how many seconds,
NARROWD_SEED what happens.
"""

import collections
import contextlib
import http.client
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
import postgresql  # noqa: E402
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, read_log  # noqa: E402
from crowd import Crowd  # noqa: E402
from daemons_kit import free_port  # noqa: E402
from lease_ledger import Book, check_truth  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

TRIALS = int(os.environ.get("NARROWD_DAEMONS_TRIALS", "1200"))
WORKERS = int(os.environ.get("NARROWD_DAEMONS_WORKERS", "200"))
KILL_S = float(os.environ.get("NARROWD_DAEMONS_KILL_S", "0"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
DAEMONS, BLOWS = 3, 12
PARALLEL = 250  # questions of a job that may be out, at most 256
JOBS = max(4, WORKERS // PARALLEL)  # so that nobody need be idle
MEASURING_S = max(0.5, WORKERS / 500)  # at most, so that all of them together finish a thousand a second
POOL, TTL_S = "daemons", round(20 + MEASURING_S)
WAIT_S = min(max(0.5, WORKERS / 250), 20)
PAUSE_S = max(0.05, WORKERS / 2000)  # before asking again, so that all of them together do not ask more often than they are answered
LEASE_S = 15  # of a daemon
FATES = {"answer": 0.95, "die": 0.01, "late": 0.01, "twice": 0.03}
WEIGHTS = {"kill": 4, "stop": 4, "restart": 2, "cut": 2}
GONE = "SELECT count(*) FROM narrowd.op WHERE position <= (SELECT max(last) FROM narrowd.past)"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'narrowd'"


class Supervised(threading.Thread):
    """A daemon that is started again whenever it has ended."""

    def __init__(self, directory, url):
        super().__init__()
        self.directory = directory
        self.daemon_of = Daemon(directory, "--data", url, "--log-level", "warning", "--snapshot-operations",
                                str(max(500, TRIALS // 20)), "--max-connections", str(max(2048, 3 * WORKERS)),
                                port=free_port())
        self.ending = threading.Event()
        self.lives = 0

    def run(self):
        while not self.ending.is_set():
            # It does not start while PostgreSQL is away.
            with contextlib.suppress(AssertionError):
                self.daemon_of.start()
                self.lives += 1
                while self.daemon_of.process.poll() is None and not self.ending.is_set():
                    time.sleep(0.05)
                if not self.ending.is_set():
                    self.daemon_of.forget()
            self.ending.wait(0.2)

    def send(self, number):
        process = self.daemon_of.process
        if process is not None:
            process.send_signal(number)

    def end(self):
        self.ending.set()
        self.join()
        if self.daemon_of.errors is not None:
            self.daemon_of.stop()


class Daemons(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.counts = collections.Counter()
        self.server = postgresql.Server()
        self.server.start()
        self.addCleanup(self.server.remove)
        self.daemons = []
        for _ in range(DAEMONS):
            directory = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, directory)
            if self.daemons:
                shutil.copy(os.path.join(self.daemons[0].directory, "narrowd.key"), directory)
            self.daemons.append(Supervised(directory, self.server.url))
            self.daemons[-1].start()
            self.addCleanup(self.daemons[-1].ending.set)
            kit.wait_until(lambda: self.daemons[-1].lives)
        self.addCleanup(lambda: [daemon.send(signal.SIGKILL) for daemon in self.daemons])

    def crowd_of(self):
        addresses = [("127.0.0.1", daemon.daemon_of.port) for daemon in self.daemons]
        crowd = Crowd(WORKERS, addresses=addresses, pool=POOL, seed=SEED, ttl_s=TTL_S, measuring_s=MEASURING_S,
                      wait_s=WAIT_S, pause_s=PAUSE_S, fates=FATES)
        self.addCleanup(crowd.kill)
        return crowd

    def ask(self, method, path, body=None):
        """What any daemon answers, repeated until one does."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for daemon in self.daemons:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection("127.0.0.1", daemon.daemon_of.port, timeout=3)
                    with contextlib.closing(connection):
                        connection.request("GET", "/readyz")  # one that is stopped, or can hand nothing on, has not the newest
                        if connection.getresponse().status != 200:
                            continue
                    status, _, answer = daemon.daemon_of.request(method, path, body, key if body else None)
                    if status < 500:
                        return status, answer
            time.sleep(0.1)
        raise AssertionError(f"nobody answers {method} {path}")

    def submit(self):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": TRIALS // JOBS}
        status, job = self.ask("POST", "/v1/jobs", {
            "capability": crash_model.capability(8), "evaluator": {"pool": POOL}, "tuning_criterion": criterion,
            "confirm": 0, "parallel": PARALLEL, "max_failed_trials": TRIALS, "retry": {"max_attempts": 20, "backoff_s": 0.01}})
        self.assertEqual(status, 201, job)
        return job["id"]

    # What happens to whom.

    def who_writes(self):
        """None while nobody does."""
        for daemon in self.daemons:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", daemon.daemon_of.port, timeout=1)
                with contextlib.closing(connection):
                    connection.request("GET", "/metrics")
                    if b"\nnarrowd_spare 0\n" in connection.getresponse().read():
                        return daemon
        return None

    def victim(self):
        writer = self.who_writes() if self.random.random() < 0.7 else None
        return writer or self.random.choice(self.daemons)

    def kill(self):
        self.victim().send(signal.SIGKILL)

    def stop(self):
        """Shorter than the lease of a daemon, or longer, up to a minute."""
        daemon = self.victim()
        seconds = self.random.choice([1, 3, LEASE_S + 5, LEASE_S + 15, 60])
        daemon.send(signal.SIGSTOP)
        self.counts[f"stopped for {seconds} s"] += 1
        timer = threading.Timer(seconds, daemon.send, (signal.SIGCONT,))
        timer.start()
        self.addCleanup(timer.join)

    def restart(self):
        self.server.end(signal.SIGQUIT)
        self.server.start()

    def cut(self):
        self.server.sql(CUT)

    def blow(self, what):
        self.counts[what] += 1
        getattr(self, what)()

    def wreak(self):
        for blow in range(1, BLOWS + 1):
            kit.wait_until(lambda b=blow: self.crowd.told() >= b * TRIALS // (BLOWS + 2))
            self.blow(self.random.choices(list(WEIGHTS), WEIGHTS.values())[0])

    def wreak_by_the_clock(self):
        others = {what: weight for what, weight in WEIGHTS.items() if what != "kill"}
        told, since = 0, time.monotonic()
        while told < BLOWS * TRIALS // (BLOWS + 2):
            time.sleep(KILL_S / 2)
            self.blow("kill")
            time.sleep(KILL_S / 2)
            if self.random.random() < 0.5:
                self.blow(self.random.choices(list(others), others.values())[0])
            if self.crowd.told() > told:
                told, since = self.crowd.told(), time.monotonic()
            self.assertLess(time.monotonic() - since, PATIENCE_S, f"nothing happens any more behind {told} answers")

    def check_job(self, job, helds):
        status, document = self.ask("GET", f"/v1/jobs/{job}")
        self.assertEqual((status, document["state"]), (200, "completed"), document)
        logs = [read_log(daemon.daemon_of, job) for daemon in self.daemons]
        for log in logs[1:]:
            self.assertEqual(log, logs[0], "every daemon has the same log")
        book = Book(job, logs[0])
        book.check_asked([held.question for held in helds])
        book.check_answers(helds)
        book.check_late()
        book.check_told({held.question["lease"]: held.expires for held in helds})
        trials = kit.everything(self.daemons[0].daemon_of, f"/v1/jobs/{job}/trials?limit=1000")
        states = collections.Counter(trial["state"] for trial in trials
                                     if trial["kind"] == "evaluate" and trial["source"] == "measured")
        self.assertEqual(book.charged, TRIALS // JOBS)
        self.assertEqual(states["told"] + states["failed"], book.charged)
        self.assertEqual(document["budget"]["trials_measured"], states["told"])
        self.assertEqual(book.open, {})
        check_truth([self.daemons[0].daemon_of.request("GET", f"/v1/jobs/{job}/trials/{trial['number']}")[2]
                     for trial in self.random.sample(trials, 20)])
        self.counts["trials"] += len(trials)
        self.counts["leases"] += len(book.leases)

    def is_final(self, daemon, job):
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, document = daemon.request("GET", f"/v1/jobs/{job}")
            return status == 200 and document["exit"] is not None
        return False

    def test_whatever_breaks_the_ledgers_hold(self):
        jobs = [self.submit() for _ in range(JOBS)]
        self.crowd = self.crowd_of()
        if KILL_S > 0:
            self.wreak_by_the_clock()
        else:
            self.wreak()
        for daemon in self.daemons:
            for job in jobs:
                kit.wait_until(lambda d=daemon, j=job: self.is_final(d.daemon_of, j))
        helds, wrong = self.crowd.end()
        self.assertEqual(wrong, [])
        for job in jobs:
            self.check_job(job, [held for held in helds if held.question["job"] == job])
        # The newest snapshot may be on its way.
        shorter = kit.wait_until(lambda: int(self.server.sql("SELECT count(*) FROM narrowd.past")))
        self.assertEqual(self.server.sql(GONE), "0", "what stands before the end of the past is gone")
        last = kit.wait_until(self.who_writes)  # who ends before it takes no place, in the middle of which it could not end in peace
        for daemon in [*(daemon for daemon in self.daemons if daemon is not last), last]:
            daemon.end()
            check_files(self, daemon.directory)
        self.counts["lives of daemons"] = sum(daemon.lives for daemon in self.daemons)
        print(f"seed {SEED}: {WORKERS} workers, {dict(self.counts)}, {shorter} stretches of the log removed")


if __name__ == "__main__":
    unittest.main()
