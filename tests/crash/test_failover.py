"""The server that has the log is lost, and its standby takes its place: what was acknowledged is there, where it was waited
for; where it was not, who has run what the standby lacks says so and goes on with nothing.
"""

import collections
import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import threading
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
import postgresql  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, read_log  # noqa: E402
from daemons_kit import Daemons, metric, writes  # noqa: E402
from lease_ledger import Book, check_truth  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from pull_client import Anywhere  # noqa: E402

POOL = "gpu"
TRIALS = 60
MANY_TRIALS = 400  # are not at their end before a server has been asked and stopped
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'narrowd'"
POSITION = "SELECT position FROM narrowd.head"


def job_of(pool, trials=TRIALS):
    return {"capability": crash_model.capability(6), "evaluator": {"pool": pool}, "seed": 7, "deterministic": True,
            "parallel": 4, "retry": {"max_attempts": 20, "backoff_s": 0.01}, "max_failed_trials": 1000, "confirm": 0,
            "tuning_criterion": {"strategy": "random", "max_trials": trials, "stop_on": "budget"}}


class Failover(Daemons):
    @classmethod
    def setUpClass(cls):
        cls.count = 0

    def setUp(self):
        self.server = postgresql.Server()
        self.addCleanup(self.server.remove)
        self.server.start()
        super().setUp()
        self.standby = postgresql.Standby(self.server)
        self.addCleanup(self.standby.remove)
        self.standby.start()
        self.base = self.url.split("?")[0]
        self.url = self.at(self.standby, self.server)  # the first of them is not taken until it is promoted

    def at(self, *servers):
        hosts = ",".join(str(server.directory) for server in servers)
        return f"{self.base}?host={hosts}&port={postgresql.PORT}&target_session_attrs=read-write"

    def sql(self, text):
        return self.server.sql(text, self.at(self.server))

    def at_standby(self, text):
        return self.standby.sql(text, f"{self.base}?host={self.standby.directory}&port={postgresql.PORT}")

    def workers(self, *daemons):
        addresses = [("127.0.0.1", daemon.port) for daemon in daemons]
        return self.set_to_work(lambda ending: [Anywhere(addresses, POOL, f"w{i}", 1, ending, fates={"answer": 0.9, "twice": 0.1}) for i in range(6)])

    @staticmethod
    def is_final(daemon, job):
        return kit.get(daemon, f"/v1/jobs/{job}")["exit"] is not None

    def check(self, daemon, job, helds, lost=()):
        """The ledger of a job that has ended, as that daemon has it; what was said to some workers is `lost`."""
        events = read_log(daemon, job)
        book = Book(job, events)
        trials = kit.get(daemon, f"/v1/jobs/{job}")["budget"]["max_trials"]
        self.assertEqual((book.charged, set(book.results.values()), book.open), (trials, {1}, {}))
        book.check_asked([held.question for held in [*helds, *(held for held in lost if held.question["lease"] in book.leases)]])
        book.check_answers(helds)
        book.check_late()
        trials = kit.everything(daemon, f"/v1/jobs/{job}/trials?limit=1000")
        check_truth([kit.get(daemon, f"/v1/jobs/{job}/trials/{trial['number']}") for trial in trials])
        return events

    def submit_until(self, ending, daemon, made):
        """Jobs that nobody measures, each until it is acknowledged."""
        while not ending.is_set():
            key = {"Idempotency-Key": uuid.uuid4().hex}
            status = None
            while status != 201:
                status, _, job = daemon.request("POST", "/v1/jobs", {**job_of("nobody"), "capability": kit.capability(2)}, key)
            made.append(job["id"])
            ending.wait(0.2)

    def fails_over(self, lose):
        self.standby.is_waited_for()
        pair = self.pair(takeover_s=300)  # nobody is dead but the server
        first, second = pair
        hands = self.workers(*pair)
        job = kit.submit(first, job_of(POOL))
        ending, made = threading.Event(), []
        self.addCleanup(ending.set)
        submitting = threading.Thread(target=self.submit_until, args=(ending, second, made))
        submitting.start()
        kit.wait_until(lambda: self.told(second, job) >= TRIALS // 3)
        lose()
        kit.wait_until(lambda: first.request("GET", "/readyz")[0] == 503)
        self.assertEqual([daemon.process.poll() for daemon in pair], [None, None])
        lost = len(made)
        self.standby.promote()
        kit.wait_until(lambda: self.is_final(first, job) and len(made) > lost)
        ending.set()
        submitting.join()
        helds = self.dismiss(*hands)
        kit.wait_until(lambda: self.is_final(second, job))
        self.assertEqual(self.check(first, job, helds), self.check(second, job, helds))
        for daemon in pair:
            listed = [each["id"] for each in kit.everything(daemon, "/v1/jobs?limit=100")]
            self.assertEqual(collections.Counter(listed), collections.Counter([job, *made]))
        for daemon in (second, first):
            daemon.stop()
            check_files(self, daemon.directory)

    def test_nothing_that_was_acknowledged_is_lost_with_a_server_that_is_killed(self):
        self.fails_over(self.server.kill9)

    def test_nothing_that_was_acknowledged_is_lost_with_a_server_that_falls_silent(self):
        """As when its machine loses its power: connections stay, and connecting takes for ever."""
        self.url = self.at(self.server, self.standby)
        self.fails_over(self.server.suspend)

    def starts_not(self, directory, status=65):
        said = subprocess.run([os.environ["NARROWD_BIN"], "--listen", "127.0.0.1:0", "--data-dir", directory, "--data",
                               self.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE_S, check=False)
        self.assertEqual(said.returncode, status, said.stdout)
        return said.stdout

    def test_a_standby_is_not_taken_for_the_log(self):
        kit.submit(self.daemon(), job_of(POOL))
        position = self.sql(POSITION)
        kit.wait_until(lambda: int(self.at_standby(POSITION)) >= int(position))
        self.url = self.at(self.standby).replace("read-write", "any")
        self.assertIn("session is read-only", self.starts_not(self.directory(), 74))

    def write_what_the_standby_lacks(self, job, first, second):
        """Results that were acknowledged, and that the one that writes alone has run."""
        ending, workers = self.workers(first)
        kit.wait_until(lambda: self.told(second, job) >= TRIALS // 6)
        held = self.dismiss(ending, workers)
        second.process.send_signal(signal.SIGSTOP)
        position = self.sql(POSITION)
        kit.wait_until(lambda: int(self.at_standby(POSITION)) >= int(position))
        self.standby.stop()
        behind = self.told(first, job)
        ending, workers = self.workers(first)
        kit.wait_until(lambda: self.told(first, job) >= behind + TRIALS // 6)
        return held + self.dismiss(ending, workers)

    def test_who_has_run_what_an_asynchronous_standby_lacks_goes_on_with_nothing(self):
        first, second = self.pair(takeover_s=20)
        job = kit.submit(first, job_of(POOL, MANY_TRIALS))
        lost = self.write_what_the_standby_lacks(job, first, second)
        position = self.sql(POSITION)
        self.server.kill9()
        self.standby.start()
        self.standby.promote()
        self.assertLess(int(self.at_standby(POSITION)), int(position))
        self.assertEqual(first.process.wait(PATIENCE_S), 65)
        first.forget()
        words = f"up to {position}: it was restored from an older backup, or failed over to a standby that was not synchronous"
        self.assertIn(words, first.log())
        self.assertIn(words, self.starts_not(first.directory))

        second.process.send_signal(signal.SIGCONT)
        kit.wait_until(lambda: writes(second))
        helds = self.dismiss(*self.until_final(second, job))
        events = self.check(second, job, helds, lost)
        self.assertIn("PostgreSQL lacks operations", self.starts_not(first.directory), "also when others stand there")
        for name in ("narrowd.db", "narrowd.db-wal", "narrowd.db-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(first.directory, name))
        third = self.daemon(directory=first.directory)
        self.assertEqual(metric(third, "narrowd_spare"), 1)
        self.assertEqual(read_log(third, job), events)

    def until_final(self, daemon, job):
        hands = self.workers(daemon)
        kit.wait_until(lambda: self.is_final(daemon, job))
        return hands

    def test_who_breaks_off_the_wait_for_the_standby_acknowledges_nothing(self):
        self.standby.is_waited_for()
        daemon = self.daemon(takeover_s=300)
        self.standby.suspend()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(daemon.request, "POST", "/v1/jobs", job_of(POOL))
            pids = kit.wait_until(lambda: self.sql(WAITING))
            self.assertEqual(self.sql(f"SELECT pg_cancel_backend({pids})"), "t")
            kit.wait_until(lambda: asked.done() or self.sql(WAITING) not in ("", pids))
            self.assertFalse(asked.done(), "the standby has nothing of it")
            self.standby.resume()
            self.assertEqual(asked.result()[0], 201)
        self.assertEqual(len(kit.get(daemon, "/v1/jobs")["items"]), 1)


del Daemons  # which is no test of its own

if __name__ == "__main__":
    unittest.main()
