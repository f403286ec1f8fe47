"""Careless files and people: what is in the way of the daemon, or done to its files, behind its back."""

import os
import signal
import socket
import tempfile
import unittest

from daemon import Daemon
from test_process import BUSY, UNAVAILABLE, ProcessTest, run

STORAGE = 74


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Sockets(ProcessTest):
    def listen(self, path):
        return run("--listen", f"unix:{path}", "--data-dir", self.path("data"))

    def test_a_file_that_is_no_socket_stays(self):
        path = self.write("precious", "precious")
        os.symlink(path, self.path("link"))
        os.mkdir(self.path("folder"))
        for name in ("precious", "link", "folder"):
            with self.subTest(name):
                done = self.listen(self.path(name))
                self.assertEqual(done.returncode, UNAVAILABLE, done.stderr)
                self.assertIn("no socket", done.stderr)
                self.assertEqual(read(path), "precious")

    def test_a_stale_socket_is_replaced(self):
        path = self.path("s")
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(path)
        with Daemon(self.path("d"), "--listen", f"unix:{path}"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
        self.assertFalse(os.path.exists(path))

    def test_what_took_the_place_of_our_socket_stays(self):
        path = self.path("s")
        with Daemon(self.path("d"), "--listen", f"unix:{path}"):
            os.unlink(path)
            self.write("s", "precious")
        self.assertEqual(read(path), "precious")


class Hangup(ProcessTest):
    def test_it_is_ignored_and_logged(self):
        with Daemon(self.path("d")) as daemon:
            daemon.process.send_signal(signal.SIGHUP)
            # Signals are handled before requests that come after them, or a moment later.
            while "SIGHUP" not in daemon.log():
                self.assertEqual(daemon.request("GET", "/readyz")[0], 200)


class Directory(ProcessTest):
    def test_the_lock_holds_without_its_file(self):
        with Daemon(self.path("d")):
            os.unlink(self.path("d/narrowd.lock"))
            done = run("--data-dir", self.path("d"), "--listen", "127.0.0.1:0")
            self.assertEqual(done.returncode, BUSY, done.stderr)
            self.assertIn("in use", done.stderr)

    def test_links_under_our_names_are_refused(self):
        for name in ("db", "db-wal", "db-shm", "lock", "reserve"):
            with self.subTest(name), tempfile.TemporaryDirectory() as directory:
                target = self.write("target", "precious")
                os.symlink(target, os.path.join(directory, f"narrowd.{name}"))
                done = run("--data-dir", directory, "--listen", "127.0.0.1:0")
                self.assertEqual(done.returncode, STORAGE, done.stderr)
                self.assertIn(f"narrowd.{name} is a symbolic link", done.stderr)
                self.assertEqual(read(target), "precious")

    def test_what_others_may_use_is_named(self):
        with Daemon(self.path("d")) as daemon:
            self.assertNotIn("others", daemon.log())
            daemon.stop()
            os.chmod(self.path("d"), 0o770)
            os.chmod(self.path("d/narrowd.db"), 0o644)
            daemon.start()
            said = [line for line in daemon.log().splitlines() if "others than the owner" in line]
            self.assertEqual(len(said), 2, daemon.log())
            self.assertIn("0770", said[0])
            self.assertIn("narrowd.db", said[1])
            self.assertIn("0644", said[1])
            if os.geteuid() == 0:  # who alone can give files away
                daemon.stop()
                os.chown(self.path("d/narrowd.db"), 12345, -1)
                daemon.start()
                self.assertIn("12345", daemon.log())


if __name__ == "__main__":
    unittest.main()
