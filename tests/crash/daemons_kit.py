"""Several daemons on one PostgreSQL database, as on machines of their own."""

import http.client
import os
import shutil
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
import postgresql  # noqa: E402
from daemon import Daemon  # noqa: E402
from jobkit import get, wait_until  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metric(daemon, name):
    status, _, text = daemon.request("GET", "/metrics")
    if status != 200:
        raise ConnectionError(f"{status}: {text}")  # it begins or ends
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


def writes(daemon):
    """Also while it begins anew: it stops, and then nobody listens."""
    try:
        status, _, text = daemon.request("GET", "/metrics")
    except (OSError, http.client.HTTPException):
        return False
    return status == 200 and "\nnarrowd_spare 0\n" in text


def hands_on(spare):
    """Waits until it knows where the one that writes is reached."""
    wait_until(lambda: spare.request("GET", "/readyz")[0] == 200)


class Daemons(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = postgresql.Server()
        cls.server.start()
        cls.addClassCleanup(cls.server.remove)
        cls.count = 0

    def setUp(self):
        type(self).count += 1
        name = f"test{self.count}"
        self.server.sql(f"CREATE DATABASE {name}")
        self.url = self.server.url.replace("/postgres?", f"/{name}?")
        self.key = None

    def sql(self, text):
        return self.server.sql(text, self.url)

    def directory(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        if self.key is not None:
            shutil.copy(self.key, directory)
        self.key = os.path.join(directory, "narrowd.key")
        return directory

    def daemon(self, *arguments, directory=None, takeover_s=10):
        """With nothing but the key of those before."""
        daemon = Daemon(directory or self.directory(), "--data", self.url, "--takeover-s", str(takeover_s), *arguments,
                        port=free_port())
        daemon.start()
        self.addCleanup(self.end, daemon)
        return daemon

    @staticmethod
    def end(daemon):
        if daemon.errors is not None:
            daemon.kill9()

    def pair(self, *arguments, **more):
        """One that writes and one that follows, and can hand on."""
        first, second = self.daemon(*arguments, **more), self.daemon(*arguments, **more)
        hands_on(second)
        return first, second

    def set_to_work(self, make):
        """Workers that make(ending) makes, at work until dismiss()."""
        ending = threading.Event()
        self.addCleanup(ending.set)  # also of a test that has failed
        workers = make(ending)
        for worker in workers:
            worker.start()
        return ending, workers

    def dismiss(self, ending, workers):
        """What they were told of the questions that they had."""
        ending.set()
        for worker in workers:
            worker.join()
            self.assertIsNone(worker.wrong)
        return [held for worker in workers for held in worker.held]

    @staticmethod
    def told(daemon, job):
        return get(daemon, f"/v1/jobs/{job}")["progress"]["told"]
