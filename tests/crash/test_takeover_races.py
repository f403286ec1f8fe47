"""Two daemons on a real PostgreSQL, for a build that looks for races: their threads meet, as those of the log, of snapshots and of what is handed on."""

import contextlib
import http.client
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402

from crash_kit import read_log, wait_final  # noqa: E402
from daemons_kit import Daemons, metric, writes  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from pull_client import Client  # noqa: E402

POOL, TRIALS = "gpu", 40
SNAPSHOTS = "SELECT count(*) FROM narrowd.snapshot WHERE whole"


class Races(Daemons):
    def job(self):
        return {"capability": kit.capability(6), "evaluator": {"pool": POOL}, "seed": 7, "parallel": 3, "confirm": 0,
                "retry": {"max_attempts": 20, "backoff_s": 0.01}, "max_failed_trials": 1000,
                "tuning_criterion": {"strategy": "random", "max_trials": TRIALS, "stop_on": "budget"}}

    def workers(self, *daemons):
        ending = threading.Event()
        workers = [Client(("127.0.0.1", daemon.port), POOL, f"w{i}-{daemon.port}", 1, ending, fates={"answer": 1})
                   for daemon in daemons for i in range(2)]
        self.addCleanup(ending.set)
        for worker in workers:
            worker.start()
        return ending, workers

    def listen(self, daemon):
        """Whoever reads what happens there, until it breaks off."""
        def read():
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE_S)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
                stream = connection.getresponse()
                while stream.readline():
                    pass

        threading.Thread(target=read, daemon=True).start()

    def look(self, daemon, ending):
        """At what the threads count, all the while."""
        def read():
            while not ending.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    daemon.request("GET", "/metrics")
                    daemon.request("GET", "/readyz")

        threading.Thread(target=read, daemon=True).start()

    def test_a_job_goes_on_when_its_daemon_ends(self):
        first, second = self.pair("--snapshot-operations=20", "--drain-timeout-s=0")
        ending, workers = self.workers(first, second)
        self.listen(second)
        for daemon in (first, second):
            self.look(daemon, ending)
        job = kit.submit(second, self.job())

        def told():
            return kit.get(second, f"/v1/jobs/{job}")["progress"]["told"]

        kit.wait_until(lambda: told() >= TRIALS // 4)
        self.server.stop()  # what is written waits, on both
        kit.wait_until(lambda: metric(first, "narrowd_store_writable") == 0)
        self.server.start()
        kit.wait_until(lambda: told() >= TRIALS // 2)
        first.stop()
        kit.wait_until(lambda: writes(second))
        document = wait_final(second, job)
        ending.set()
        for worker in workers:
            worker.join()
        self.assertEqual(document["exit"]["reason"], "max_trials")
        self.assertEqual(len([event for event in read_log(second, job) if event["type"] == "question_asked"
                              and event["data"]["kind"] == "evaluate"]), TRIALS)
        for i in range(40):
            self.assertEqual(second.request("PATCH", f"/v1/jobs/{job}", {"name": f"n{i}"})[0], 200)
        kit.wait_until(lambda: self.sql(SNAPSHOTS) != "0")
        second.stop()


del Daemons  # which is no test of its own

if __name__ == "__main__":
    unittest.main()
