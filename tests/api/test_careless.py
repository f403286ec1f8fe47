"""Careless files and people: what is in the way of the daemon, or done to its files, behind its back."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from patience import PATIENCE_S
from test_process import BUSY, UNAVAILABLE, ProcessTest, run

DAMAGED, STORAGE = 65, 74


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


class Strangers(ProcessTest):
    """Others at the database: refused, or noticed, and nothing that was acknowledged is lost."""

    def setUp(self):
        super().setUp()
        self.daemon = Daemon(self.path("d"))
        self.database = self.path("d/narrowd.db")

    def submit(self):
        status, _, job = self.daemon.request("POST", "/v1/jobs", {**jobkit.body(""), "evaluator": {"pool": "p"}})
        self.assertEqual(status, 201)
        return job["id"]

    def ended(self, status):
        """The daemon stops by itself, with this status and a line that says why. Returns its log."""
        self.assertEqual(self.daemon.process.wait(PATIENCE_S), status)
        self.daemon.forget()
        self.assertIn("not ours alone", self.daemon.log())
        return self.daemon.log()

    def goes_on(self, jobs):
        self.daemon.start()
        items = self.daemon.request("GET", "/v1/jobs?limit=1000")[2]["items"]
        self.assertLessEqual(jobs, {job["id"] for job in items})
        self.daemon.stop()

    def verify(self):
        verified = subprocess.run([os.environ["STORE_VERIFY_BIN"], self.path("d")], check=False)
        self.assertEqual(verified.returncode, 0)

    def test_writers_are_refused_a_thousand_times(self):
        """One that gets in right between two transactions of ours counts for nothing, and is noticed."""
        self.daemon.start()
        jobs, refused, noticed = {self.submit()}, 0, 0
        with contextlib.closing(sqlite3.connect(self.database, timeout=0, isolation_level=None)) as stranger:
            while refused < 1000:
                if refused % 10 == 0:
                    jobs.add(self.submit())
                try:
                    stranger.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    self.assertIn("locked", str(error))
                    refused += 1
                else:
                    # There and back: what changes nothing at all SQLite does not write.
                    stranger.execute("UPDATE job SET version = version + 1")
                    stranger.execute("UPDATE job SET version = version - 1")
                    stranger.execute("COMMIT")
                    noticed += 1
                    self.assertIn("another program has written", self.ended(BUSY))
                    self.verify()
                    self.daemon.start()
        self.assertEqual(self.daemon.log().count("not ours alone"), noticed)
        self.daemon.stop()
        self.verify()
        self.goes_on(jobs)

    def test_who_got_in_between_is_noticed(self):
        self.daemon.start()
        jobs, ready = {self.submit()}, threading.Event()

        def get_in():
            # Waits for its turn, as sqlite3's own programs can be told to.
            with contextlib.closing(sqlite3.connect(self.database, timeout=0, isolation_level=None)) as stranger:
                while True:
                    try:
                        stranger.execute("UPDATE job SET name = 'other'")
                        return
                    except sqlite3.OperationalError:
                        ready.set()

        thread = threading.Thread(target=get_in)
        thread.start()
        ready.wait(PATIENCE_S)
        while thread.is_alive():
            try:
                status, _, job = self.daemon.request("POST", "/v1/jobs", {**jobkit.body(""), "evaluator": {"pool": "p"}})
            except OSError:
                break
            if status == 201:
                jobs.add(job["id"])
        thread.join(PATIENCE_S)
        self.assertIn("another program has written", self.ended(BUSY))
        self.goes_on(jobs)

    def test_files_that_are_taken_away_are_noticed(self):
        for name in ("narrowd.db", "narrowd.db-wal", "narrowd.db-shm"):
            with self.subTest(name):
                self.daemon = Daemon(self.path(name))
                self.daemon.start()
                job = self.submit()
                path = os.path.join(self.path(name), name)
                os.rename(path, path + ".away")
                self.assertIn(name, self.ended(STORAGE))
                if name == "narrowd.db":
                    os.rename(path + ".away", path)
                self.daemon.start()
                self.assertEqual(self.daemon.request("GET", f"/v1/jobs/{job}")[0], 200)
                self.daemon.stop()

    def test_a_log_that_is_gone_is_missed(self):
        for how in ("removed", "cut"):
            with self.subTest(how):
                self.daemon = Daemon(self.path(how))
                self.daemon.start()
                self.submit()
                self.daemon.kill9()
                path = os.path.join(self.path(how), "narrowd.db-wal")
                if how == "removed":
                    os.unlink(path)
                else:
                    os.truncate(path, 0)
                self.daemon.start()
                self.assertIn("events that were stored are not in the database", self.daemon.log())
                said = self.daemon.log().count("are not in the database")
                self.daemon.restart()
                self.assertEqual(self.daemon.log().count("are not in the database"), said)
                self.daemon.stop()


class Damage(ProcessTest):
    """A job that is not what was written is left out and named; the others go on."""

    def test_the_others_run(self):
        for table, column in (("event", "data"), ("submission", "spec")):
            with self.subTest(table):
                daemon = Daemon(self.path(table))
                daemon.start()
                body = {**jobkit.body(""), "evaluator": {"pool": "p"}, "name": "one"}
                hurt, whole = (jobkit.submit(daemon, {**body, "evaluator": {"pool": pool}}) for pool in "ab")
                daemon.stop()
                with contextlib.closing(sqlite3.connect(self.path(f"{table}/narrowd.db"))) as database, database:
                    key = "id" if table == "submission" else "job"
                    text = f"json_set({column}, '$.x', 1)"
                    database.execute(f"UPDATE {table} SET {column} = {text} WHERE {key} = ?", (hurt,))
                done = run("--data-dir", self.path(table), "check")
                self.assertEqual((done.returncode, done.stdout), (DAMAGED, ""))
                self.assertIn(hurt, done.stderr)
                daemon.start()
                jobkit.wait_until(lambda: "cannot go on" in daemon.log())
                said = [json.loads(line) for line in daemon.log().splitlines() if "cannot go on" in line]
                self.assertEqual([line["job"] for line in said], [hurt], daemon.log())
                status, _, problem = daemon.request("GET", f"/v1/jobs/{hurt}/events" if table == "event" else f"/v1/jobs/{hurt}")
                self.assertEqual((status, problem["type"]), (500, "urn:narrowd:problem:corrupt"))
                self.assertIn(hurt, problem["detail"])
                self.assertEqual(daemon.request("GET", f"/v1/jobs/{whole}")[2]["state"], "baseline")
                for pool, count in (("a", 0), ("b", 1)):
                    lease = {"pool": pool, "worker": "w", "wait_s": 0}
                    self.assertEqual(len(daemon.request("POST", "/v1/leases", lease)[2]["items"]), count)
                daemon.stop()

    def test_check_says_when_all_is_well(self):
        with Daemon(self.path("d")) as daemon:
            jobkit.submit(daemon, {**jobkit.body(""), "evaluator": {"pool": "p"}})
            for _ in range(2):  # while it runs, and afterwards
                done = run("--data-dir", self.path("d"), "check")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("is sound", done.stdout)
        done = run("check", "--data-dir", self.path("nothing"))
        self.assertEqual(done.returncode, STORAGE, done.stderr)


if __name__ == "__main__":
    unittest.main()
