"""Copies of the database of a running daemon, and putting one back."""

import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import everything, submit
from patience import PATIENCE_S

NARROWD = os.environ["NARROWD_BIN"]


def body():
    return {**jobkit.body("http://unused"), "evaluator": {"pool": "nobody"}}


class Backup(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.data, self.backups = self.folder / "data", self.folder / "backups"
        self.backups.mkdir()
        self.daemon = Daemon(self.data)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.process.poll() is None and self.daemon.kill9())

    def run_narrowd(self, *arguments, expected=0):
        done = subprocess.run([NARROWD, "--data-dir", self.data, *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, expected, done.stderr)
        return done.stdout if expected == 0 else done.stderr

    def ids(self):
        return [job["id"] for job in everything(self.daemon, "/v1/jobs")]

    def names(self):
        return sorted(path.name for path in self.backups.iterdir())

    def test_by_date_and_the_newest_stay(self):
        old = [f"narrowd-2026010{day}T000000Z.db" for day in range(1, 5)]
        others = ["narrowd-20260101T000000Z.db.txt", "narrowd-20260101.db", "notes"]
        for name in old + others:
            (self.backups / name).write_text("x")
        self.assertIn("a number from 1", self.run_narrowd("backup", self.backups, "--keep", "0", expected=64))
        self.assertIn("needs a folder", self.run_narrowd("backup", self.folder / "one.db", "--keep", "3", expected=64))
        self.assertEqual(self.names(), sorted(old + others))
        job = submit(self.daemon, body())
        made = self.run_narrowd("backup", self.backups, "--keep", "3").strip()
        self.assertRegex(made, rf"^{re.escape(str(self.backups))}/narrowd-\d{{8}}T\d{{6}}Z\.db$")
        self.assertEqual(self.names(), sorted(old[2:] + [os.path.basename(made)] + others))
        self.assertEqual(os.stat(made).st_mode & 0o777, 0o600)
        with sqlite3.connect(made) as copy:
            self.assertEqual(copy.execute("SELECT id FROM submission").fetchall(), [(job,)])
        copy.close()

    def test_what_is_not_sound_is_no_backup(self):
        job = submit(self.daemon, body())
        self.daemon.stop()
        with sqlite3.connect(self.data / "narrowd.db") as database:
            database.execute("UPDATE job SET max_trials = 7 WHERE id = ?", (job,))
        database.close()
        self.assertIn("max_trials", self.run_narrowd("backup", self.backups, "--keep", "1", expected=65))
        self.assertEqual(self.names(), [])
        (self.data / "narrowd.db").unlink()
        self.assertIn("--data-dir", self.run_narrowd("backup", self.backups, expected=74))

    def test_putting_one_back(self):
        first = submit(self.daemon, body())
        copy = self.folder / "copy.db"
        self.run_narrowd("backup", copy)
        second = submit(self.daemon, body())
        self.assertIn("in use", self.run_narrowd("restore", copy, expected=75))
        self.assertEqual(self.ids(), [second, first])
        self.daemon.kill9()  # so that there is a -wal, which belongs to the old one
        said = self.run_narrowd("restore", copy)
        old = pathlib.Path(re.search(r"the one before is (.*)\n", said).group(1))
        self.daemon.start()
        self.assertEqual(self.ids(), [first])
        self.assertNotIn("are not in the database", self.daemon.log())
        third = submit(self.daemon, body())
        self.daemon.stop()
        self.run_narrowd("check")
        self.run_narrowd("restore", old)
        self.daemon.start()
        self.assertEqual(self.ids(), [second, first], "nothing of the old one was lost")
        self.assertNotIn(third, self.ids())

    def test_what_is_no_backup_is_not_put_back(self):
        job = submit(self.daemon, body())
        copy = self.folder / "copy.db"
        self.run_narrowd("backup", copy)
        whole = copy.read_bytes()
        self.daemon.stop()
        with sqlite3.connect(self.folder / "later.db") as later:
            later.executescript("PRAGMA application_id = 0x6e617277; PRAGMA user_version = 1000")
        later.close()
        (self.folder / "cut.db").write_bytes(whole[:len(whole) // 2])
        (self.folder / "text.db").write_text("no database " * 1000)
        sqlite3.connect(self.folder / "empty.db").close()
        for name, status in (("later", 78), ("cut", 65), ("text", 65), ("empty", 65), ("absent", 74)):
            with self.subTest(name):
                self.run_narrowd("restore", self.folder / f"{name}.db", expected=status)
        self.assertEqual([path.name for path in self.data.glob("*replaced*")], [])
        self.daemon.start()
        self.assertEqual(self.ids(), [job])

    def test_a_database_that_cannot_be_read_is_replaced(self):
        job = submit(self.daemon, body())
        copy = self.folder / "copy.db"
        self.run_narrowd("backup", copy)
        self.daemon.kill9()
        (self.data / "narrowd.db").write_text("spoilt " * 1000)
        self.run_narrowd("restore", copy)
        self.daemon.start()
        self.assertEqual(self.ids(), [job])

    def test_without_its_key_it_does_not_start(self):
        key = self.data / "narrowd.key"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        hook = {"url": "http://127.0.0.1:9000/x?key=1", "events": ["job.completed"], "secret": "a-secret-of-a-hook"}
        self.assertEqual(self.daemon.request("POST", "/v1/webhooks", hook)[0], 201)
        self.daemon.stop()
        kept, content = key.read_text(), (self.data / "narrowd.db").read_bytes()
        start = [NARROWD, "--listen=127.0.0.1:0", "--data-dir", self.data]
        for other, word in ((None, "is not at"), ("A" * 43 + "=\n", "is not the one"), ("short\n", "is no key"), ("", "is no key")):
            with self.subTest(word):
                key.unlink(missing_ok=True)
                if other is not None:
                    key.write_text(other)
                done = subprocess.run(start, capture_output=True, text=True, timeout=PATIENCE_S)
                self.assertEqual(done.returncode, 78, done.stderr)
                self.assertIn(word, done.stderr)
                self.assertIn(str(key), done.stderr)
        self.assertEqual((self.data / "narrowd.db").read_bytes(), content)
        self.run_narrowd("check")
        elsewhere = self.folder / "elsewhere.key"
        elsewhere.write_text(kept)
        elsewhere.chmod(0o600)
        key.unlink()
        self.daemon.arguments = (f"--key-file={elsewhere}",)
        self.daemon.start()
        self.assertEqual([hook["url"] for hook in everything(self.daemon, "/v1/webhooks")], ["http://127.0.0.1:9000/x?..."])
        self.assertFalse(key.exists())

    def test_killed_in_the_middle(self):
        first = submit(self.daemon, body())
        copy = self.folder / "copy.db"
        self.run_narrowd("backup", copy)
        second = submit(self.daemon, body())
        for life in range(20):
            self.daemon.kill9()
            with subprocess.Popen([NARROWD, "--data-dir", self.data, "restore", copy], stdout=subprocess.DEVNULL) as restoring:
                timer = threading.Timer(0.004 * life, restoring.send_signal, (signal.SIGKILL,))
                timer.start()
                restoring.wait(PATIENCE_S)
                timer.cancel()
            self.daemon.start()
            self.assertIn(self.ids(), ([second, first], [first]))
            if second not in self.ids():
                second = submit(self.daemon, body())
        self.daemon.stop()
        self.run_narrowd("check")


if __name__ == "__main__":
    unittest.main()
