"""The private daemon: one for all processes of a user, found again, ended with its last user."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import kit  # noqa: F401
from jobkit import wait_until
from patience import PATIENCE_S

import narrowd
import narrowd.server

USE = "import narrowd, sys; s = narrowd.Server(); s.start(); print(s.pid(), flush=True); sys.stdin.read(); s.close()"


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class PrivateServer(unittest.TestCase):
    def setUp(self):
        self.home = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.home))

    def user(self):
        """Another process that uses it, which says the daemon's pid."""
        process = subprocess.Popen([sys.executable, "-B", "-c", USE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_all_processes_use_the_same_until_the_last_ends(self):
        users = [self.user() for _ in range(4)]  # all start at once
        pid, *others = {int(user.stdout.readline()) for user in users}
        self.assertEqual(others, [])
        for user in users[:-1]:
            user.stdin.close()
            self.assertEqual(user.wait(PATIENCE_S), 0)
            self.assertTrue(runs(pid))
        users[-1].stdin.close()
        self.assertEqual(users[-1].wait(PATIENCE_S), 0)
        self.assertFalse(runs(pid))

    def test_one_that_another_daemon_keeps_out_says_so(self):
        data = os.path.join(self.home, "data")
        other = subprocess.Popen([narrowd.server.program(), "--listen", "127.0.0.1:0", "--data-dir", data], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(other.wait)
        self.addCleanup(other.terminate)
        self.addCleanup(other.stdout.close)
        other.stdout.readline()
        said = io.StringIO()
        with mock.patch.multiple(narrowd.server, HELD_S=2, PATIENT_S=0), contextlib.redirect_stderr(said):
            with self.assertRaisesRegex(narrowd.Unreachable, "another narrowd has .* open: end it, or set NARROWD_URL"):
                narrowd.Server().start()
        self.assertEqual(said.getvalue(), f"narrowd: another narrowd has {data} open; waiting for it to end, up to 2 s in all\n")

    def test_one_that_was_left_behind_is_found_again(self):
        user = self.user()
        pid = int(user.stdout.readline())
        user.kill()
        user.wait()
        self.assertTrue(runs(pid), "it does not end with who started it")
        with narrowd.Server() as server:
            self.assertEqual(server.pid(), pid)
        wait_until(lambda: not runs(pid))

    def test_one_that_nobody_comes_back_to_ends_by_itself(self):
        with mock.patch.object(narrowd.server, "IDLE_EXIT_S", 1), narrowd.Server() as server:
            pid = server.pid()
            wait_until(lambda: not runs(pid))
            server.ensure()
            self.assertTrue(runs(server.pid()), "who comes later has another")

    def test_one_that_was_killed_is_started_again_and_knows_its_jobs(self):
        with narrowd.Client() as client:
            job = client.submit(kit.pooled("x"))
            os.kill(client.server.pid(), signal.SIGKILL)
            self.assertEqual(job.get()["id"], job.id)
            again = client.server.pid()
        self.assertFalse(runs(again))
        with narrowd.Client() as client:
            self.assertEqual([document["id"] for document in client.jobs()], [job.id])

    def test_an_empty_setting_is_none(self):
        with mock.patch.dict(os.environ, NARROWD_URL="", NARROWD_TOKEN="", NARROWD_TOKEN_FILE="", NARROWD_CA=""):
            with narrowd.Client() as client:
                self.assertEqual(client.url, narrowd.Server().url)
        with mock.patch.dict(os.environ, NARROWD_HOME="", XDG_CACHE_HOME=self.home):
            self.assertEqual(str(narrowd.server.home()), os.path.join(self.home, "narrowd"))

    def test_only_a_socket_in_a_folder_of_the_user(self):
        home = os.path.join(self.home, "inner")
        with narrowd.Server(home) as server:
            self.assertEqual(os.stat(home).st_mode & 0o777, 0o700)
            self.assertTrue(server.url.startswith("unix:"))
            listens = subprocess.run(["ss", "-ltnp"], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertNotIn(f"pid={server.pid()},", listens)

    def test_what_keeps_it_from_starting_is_said(self):
        with mock.patch.dict(os.environ, NARROWD_BIN="/bin/false"), self.assertRaises(narrowd.Unreachable):
            narrowd.Server().start()
        os.makedirs(os.path.join(self.home, "data", "narrowd.db"))  # no file
        server = narrowd.Server()
        with self.assertRaises(narrowd.Unreachable) as error:
            server.start()
        self.assertIn("narrowd.db", str(error.exception))
        with self.assertRaises(narrowd.NarrowdError):
            narrowd.Server(os.path.join(self.home, "x" * 120))


if __name__ == "__main__":
    unittest.main()
