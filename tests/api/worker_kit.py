"""What the tests of `narrow worker` share: a real daemon, and workers whose command a file gives orders."""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

from cli_kit import NARROW, OK
from daemon import Daemon
from jobkit import body, everything, get, submit, wait_until
from patience import PATIENCE_S

COMMAND = pathlib.Path(__file__).with_name("worker_command.py")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


class WorkerCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.orders = self.directory / "orders"
        self.daemon = Daemon(self.directory / "data", port=free_port())
        (self.directory / "data").mkdir()
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def worker(self, *arguments, before=(), command=None, url=None):
        command = command or [sys.executable, str(COMMAND), str(self.orders)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NARROWD_")}
        environment["NARROWD_URL"] = url or f"http://127.0.0.1:{self.daemon.listen_port}"
        process = subprocess.Popen(
            [*before, NARROW, "worker", "--pool", "gpu", *arguments, "--", *command],
            env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def ended(self, process, status=OK):
        _, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, status, errors)
        return errors

    def job(self, **more):
        return submit(self.daemon, body(None, **{"evaluator": {"pool": "gpu"}, **more}))

    def trials(self, job):
        return everything(self.daemon, f"/v1/jobs/{job}/trials")

    def trial(self, job, number=0):
        return get(self.daemon, f"/v1/jobs/{job}/trials/{number}")

    def busy(self, job):
        """Waits until a worker has the baseline and its command runs; returns the command's pid."""
        file = self.directory / "pid"
        wait_until(lambda: file.exists() and file.read_text())
        self.assertEqual(self.trial(job)["state"], "leased")
        return self.pids()[-1]

    def pids(self):
        """Of the processes that were asked, question by question."""
        return [int(line) for line in (self.directory / "pid").read_text().splitlines()]

    def slow_orders(self, seconds=30):
        self.orders.write_text(f"pid {self.directory / 'pid'}\nsleep {seconds}\n")
