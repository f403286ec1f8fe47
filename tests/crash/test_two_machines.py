"""Workers on another machine: TLS, a token that is bound to a pool, and nothing else lets anybody in.

The daemon is in one network namespace and the workers are in another (without root: both on this machine,
over the listener that other machines would reach).
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
from crash_model import capability  # noqa: E402
import netpath  # noqa: E402
from certificates import make_ca  # noqa: E402
from daemon import Daemon  # noqa: E402
from jobkit import wait_until  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from test_access import bearer, new_token, token_command  # noqa: E402
from worker_kit import free_port  # noqa: E402

NARROW = os.environ["NARROW_BIN"]
# Answers a question: less is better, and the accuracy is always kept.
COMMAND = ["sh", "-c", 'cat >/dev/null; echo \'{"accuracy": 0.9, "latency_ms": 5.0}\'']


class TwoMachines(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.here = pathlib.Path(temporary.name)
        self.path = netpath.best()
        self.addCleanup(self.path.close)
        self.data = str(self.here / "data")
        make_ca(self.here, "lab", ("127.0.0.1", "10.77.0.1"))
        self.port = free_port()
        self.url = f"https://{self.path.host}:{self.port}"
        self.admin = new_token(self.data, "admin")
        self.daemon = Daemon(self.data, "--listen", f"0.0.0.0:{self.port}",
                             "--tls-cert", str(self.here / "lab.crt"),
                             "--tls-key", str(self.here / "lab-leaf.key"))
        with self.path.at_daemon():
            self.daemon.start()
        self.addCleanup(self.stop)

    def stop(self):
        self.daemon.stop()

    def ask(self, token, method, path, body=None):
        with self.path.at_daemon():
            return self.daemon.request(method, path, body, bearer(token))

    def narrow(self, token, *arguments, server=None, ca="lab.pem"):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NARROWD_")}
        file = self.here / "token"
        file.write_text(f"{token}\n")
        environment.update(NARROWD_URL=server or self.url, NARROWD_TOKEN_FILE=str(file),
                           NARROWD_CA=str(self.here / ca))
        with self.path.at_worker():
            return subprocess.Popen([NARROW, *arguments], env=environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ended(self, process):
        output, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output

    def submit(self, token, pool="gpu"):
        status, _, job = self.ask(token, "POST", "/v1/jobs", {
            "capability": capability(4), "evaluator": {"pool": pool}, "confirm": 0,
            "tuning_criterion": {"strategy": "random", "stop_on": "budget", "max_trials": 12}, "parallel": 2})
        self.assertEqual(status, 201, job)
        return job["id"]

    def state(self, job):
        return self.ask(self.admin, "GET", f"/v1/jobs/{job}")[2]["state"]

    def test_workers_of_a_pool(self):
        ann = new_token(self.data, "submit", "read", owner="ann")
        bob = new_token(self.data, "submit", "read", owner="bob")
        bound = new_token(self.data, "work", owner="lab", pool="gpu")
        jobs = [self.submit(ann), self.submit(bob)]
        elsewhere = self.submit(ann, pool="cpu")
        workers = [self.narrow(bound, "worker", "--pool", "gpu", "--name", f"w{n}", "--", *COMMAND)
                   for n in range(2)]
        try:
            for job in jobs:
                wait_until(lambda job=job: self.state(job) == "completed")
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                self.assertEqual(self.ended(worker)[0], 0)
        self.assertEqual(self.state(elsewhere), "baseline", "its question waits in the other pool")
        status, output = self.ended(self.narrow(bound, "worker", "--pool", "cpu", "--idle-exit", "1", "--", *COMMAND))
        self.assertEqual(status, 3, output)
        self.assertIn("bound to other pools", output)
        # With a token of their own people on the other machine see their own.
        status, output = self.ended(self.narrow(ann, "jobs", "--json"))
        self.assertEqual(status, 0, output)
        self.assertIn(jobs[0], output)
        self.assertNotIn(jobs[1], output)

    def test_a_revoked_worker_ends(self):
        token = new_token(self.data, "work", "submit", owner="ann")
        worker = self.narrow(token, "worker", "--pool", "gpu", "--", *COMMAND)
        wait_until(lambda: self.ask(self.admin, "GET", "/v1/workers")[2]["items"])
        token_command(self.data, "revoke", token_command(self.data, "list").stdout.split("\n")[-2].split("\t")[0])
        status, output = self.ended(worker)
        self.assertEqual(status, 3, output)
        self.assertIn("in force", output)

    def test_nobody_else_gets_in(self):
        wrong = "nrw_" + "A" * 43
        status, output = self.ended(self.narrow(wrong, "jobs"))
        self.assertEqual((status, "in force" in output), (3, True), output)
        make_ca(self.here, "other")
        self.assertEqual(self.ended(self.narrow(self.admin, "jobs", ca="other.pem"))[0], 4)
        clear = f"http://{self.path.host}:{self.port}"
        self.assertEqual(self.ended(self.narrow(self.admin, "jobs", server=clear))[0], 4)


if __name__ == "__main__":
    unittest.main()
