"""A job that begins in a data directory, goes on in PostgreSQL, and ends in another directory decides what it would have
decided in one place. A migration that is killed leaves nothing behind, or all.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402
import postgresql  # noqa: E402
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
from crash_kit import check_files, normal, read_log, wait_final  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from scripted import Reply  # noqa: E402

TRIALS = 25
HASH = re.compile(r"^sha256  ([0-9a-f]{64}) ", re.MULTILINE)
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'narrowd'"


def job_of(evaluator):
    return kit.body(evaluator.url, operators=6, seed=7, deterministic=True, capability=crash_model.capability(6),
                    tuning_criterion={"strategy": "random", "max_trials": TRIALS, "stop_on": "budget"})


class Holding(crash_model.Ledger):
    """Answers so many questions more, `left`, and has no time for others."""

    def __init__(self, count):
        self.left = count
        super().__init__()

    def take_down(self, request):
        if self.left == 0:
            return Reply(503, {}, {"Retry-After": "1"})
        self.left -= 1
        return super().take_down(request)


class Migrate(unittest.TestCase):
    def setUp(self):
        self.server = postgresql.Server()
        self.server.start()
        self.addCleanup(self.server.remove)

    def folder(self, key_of=None):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        if key_of:
            shutil.copy(os.path.join(key_of, "narrowd.key"), directory)
        return directory

    def migrate(self, *arguments):
        said = subprocess.run([os.environ["NARROWD_BIN"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(said.returncode, 0, said.stdout)
        return HASH.search(said.stdout).group(1)

    def undisturbed(self):
        """The log of a job that nothing happens to."""
        evaluator = crash_model.Ledger()
        self.addCleanup(evaluator.stop)
        with Daemon(self.folder(), "--data", "") as daemon:
            job = kit.submit(daemon, job_of(evaluator))
            wait_final(daemon, job)
            return normal(read_log(daemon, job))

    def test_a_job_goes_to_postgresql_and_back(self):
        model = self.undisturbed()
        held = Holding(TRIALS // 3)
        self.addCleanup(held.stop)
        first, second = self.folder(), None
        with Daemon(first, "--data", "", "--drain-timeout-s=0") as daemon:
            job = kit.submit(daemon, job_of(held))
            kit.wait_until(lambda: held.left == 0)
        there = self.migrate("--data-dir", first, "migrate", "--to", self.server.url)
        second = self.folder(first)
        held.left = TRIALS // 3
        with Daemon(second, "--data", self.server.url, "--drain-timeout-s=0") as daemon:
            kit.wait_until(lambda: held.left == 0)
        check_files(self, second)
        third = self.folder(first)
        here = self.migrate("--data", self.server.url, "migrate", "--to", third)
        self.assertNotEqual(here, there)
        held.left = TRIALS
        with Daemon(third, "--data", "") as daemon:
            wait_final(daemon, job)
            self.assertEqual(normal(read_log(daemon, job)), model)
        check_files(self, third)

    def moving(self, directory):
        """A move from there of which the first line was read: the daemon is to be stopped."""
        command = [os.environ["NARROWD_BIN"], "--data-dir", directory, "migrate", "--to", self.server.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertIn("Stop the daemon now", line + ("" if "Stop" in line else process.stdout.read()))
        return process

    def test_a_daemon_at_work_goes_to_postgresql(self):
        model = self.undisturbed()
        held = Holding(TRIALS // 3)
        self.addCleanup(held.stop)
        first = self.folder()
        with Daemon(first, "--data", "", "--drain-timeout-s=0") as daemon:
            job = kit.submit(daemon, job_of(held))
            kit.wait_until(lambda: held.left == 0)
            move = self.moving(first)
            self.assertEqual(self.server.sql("SELECT to_regclass('narrowd.head')"), "")
            again = subprocess.run(move.args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False)
            self.assertEqual(again.returncode, 75, again.stdout)
            self.assertIn("is being moved by another narrowd", again.stdout)
            held.left = TRIALS // 3
            kit.wait_until(lambda: held.left == 0)
        said, _ = move.communicate(timeout=PATIENCE_S)
        self.assertEqual(move.returncode, 0, said)
        self.assertLess(said.index("Start narrowd now"), said.index("sha256"))
        self.assertEqual([name for name in os.listdir(first) if "mov" in name], [])
        held.left = TRIALS
        second = self.folder(first)
        with Daemon(second, "--data", self.server.url) as daemon:
            wait_final(daemon, job)
            self.assertEqual(normal(read_log(daemon, job)), model)
        check_files(self, second)

    def test_it_is_killed_at_any_moment(self):
        """The move, or PostgreSQL under it: the directory goes on as before, and what is in PostgreSQL is nothing or all."""
        first = self.folder()
        job = None
        kills = [(who, stop, pause) for who in ("move", "server") for stop in (False, True) for pause in (0, 0.02, 0.05, 0.1)]
        for who, stop, pause in kills:
            with self.subTest(who=who, stop=stop, pause=pause):
                daemon = Daemon(first, "--data", "")
                daemon.start()
                self.addCleanup(lambda daemon=daemon: daemon.errors and daemon.kill9())
                if job is None:
                    job = kit.submit(daemon, {"capability": crash_model.capability(2), "evaluator": {"pool": "nobody"}})
                name = f"{who} {stop} {pause}"
                move = self.moving(first)
                self.assertEqual(daemon.request("PATCH", f"/v1/jobs/{job}", {"name": name})[0], 200)
                if stop:
                    daemon.kill9()
                time.sleep(pause)
                if who == "move":
                    move.kill()
                else:
                    self.server.kill9()
                    self.server.start()
                    self.assertIn(move.wait(PATIENCE_S), (0, 74))
                move.wait(PATIENCE_S)
                kit.wait_until(lambda: self.server.sql(CONNECTED) == "0")
                if not stop:
                    self.assertEqual(kit.get(daemon, f"/v1/jobs/{job}")["name"], name)
                    daemon.stop()
                check_files(self, first)
                if self.server.sql("SELECT to_regclass('narrowd.head')"):
                    self.assertTrue(stop)
                    with Daemon(self.folder(first), "--data", self.server.url) as moved:
                        self.assertEqual(kit.get(moved, f"/v1/jobs/{job}")["name"], name)
                    self.server.sql("DROP SCHEMA narrowd CASCADE")

    def test_what_was_moved_is_the_same_on_the_other_side(self):
        evaluator = crash_model.Ledger()
        self.addCleanup(evaluator.stop)
        first = self.folder()
        with Daemon(first, "--data", "") as daemon:
            wait_final(daemon, kit.submit(daemon, job_of(evaluator)))
        there = self.migrate("--data-dir", first, "migrate", "--to", self.server.url)
        again = self.folder(first)
        self.assertEqual(self.migrate("--data", self.server.url, "migrate", "--to", again), there)

    def test_the_directory_of_a_spare_has_most_of_it_already(self):
        evaluator = crash_model.Ledger()
        self.addCleanup(evaluator.stop)
        with tempfile.TemporaryDirectory() as first, Daemon(first, "--data", self.server.url) as daemon:
            job = kit.submit(daemon, job_of(evaluator))
            back = self.folder(first)
            with Daemon(back, "--data", self.server.url) as spare:
                wait_final(daemon, job)
                model = normal(read_log(daemon, job))
                kit.wait_until(lambda: normal(read_log(spare, job)) == model)
                spare.kill9()
                spare.start()
            self.assertEqual(daemon.request("PATCH", f"/v1/jobs/{job}", {"name": "later"})[0], 200)
        own = self.folder(back)
        with Daemon(own, "--data", ""):
            pass
        command = [os.environ["NARROWD_BIN"], "--data", self.server.url, "migrate", "--to", own]
        self.assertEqual(subprocess.run(command, stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=False).returncode, 65)
        inode = os.stat(os.path.join(back, "narrowd.db")).st_ino
        self.migrate("--data", self.server.url, "migrate", "--to", back)
        self.assertEqual(os.stat(os.path.join(back, "narrowd.db")).st_ino, inode)
        with Daemon(back, "--data", "") as daemon:
            self.assertEqual(kit.get(daemon, f"/v1/jobs/{job}")["name"], "later")
        check_files(self, back)

    def test_one_that_is_killed_leaves_nothing(self):
        first = self.folder()
        with Daemon(first, "--data", "") as daemon:
            job = kit.submit(daemon, {"capability": crash_model.capability(2), "evaluator": {"pool": "nobody"}})
        command = [os.environ["NARROWD_BIN"], "--data-dir", first, "migrate", "--to", self.server.url]
        # Whoever makes a log waits for this lock, so it is killed in the middle.
        with subprocess.Popen([*self.server.who, postgresql.programs() / "psql", "-X", "-q", "-d", self.server.url],
                              stdin=subprocess.PIPE, cwd=self.server.directory, text=True) as lock:
            lock.stdin.write("BEGIN; SELECT pg_advisory_xact_lock(1852796535) \\g /dev/null\n")
            lock.stdin.flush()
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            kit.wait_until(lambda: self.server.sql(waits.replace("AND NOT", "AND")) == "1")
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as killed:
                kit.wait_until(lambda: self.server.sql(waits) == "1")
                killed.kill()
            lock.stdin.close()
        kit.wait_until(lambda: self.server.sql(CONNECTED) == "0")
        self.assertEqual(self.server.sql("SELECT to_regclass('narrowd.head')"), "")
        self.migrate(*command[1:])
        with Daemon(self.folder(first), "--data", self.server.url) as daemon:
            self.assertEqual(kit.get(daemon, f"/v1/jobs/{job}")["id"], job)

    def test_a_log_that_goes_on_while_it_is_taken_back_is_not_ended(self):
        """Somebody writes between what was fetched and the end: as when a supervisor starts a daemon again."""
        first = self.folder()
        with Daemon(first, "--data", "") as daemon:
            kit.submit(daemon, {"capability": crash_model.capability(2), "evaluator": {"pool": "nobody"}})
        self.migrate("--data-dir", first, "migrate", "--to", self.server.url)
        self.server.sql("CREATE FUNCTION public.goes_on() RETURNS trigger LANGUAGE plpgsql AS $$"
                        " BEGIN UPDATE narrowd.head SET position = position + 1; RETURN OLD; END $$;"
                        " CREATE TRIGGER goes_on AFTER UPDATE ON narrowd.daemon FOR EACH ROW WHEN (NEW.seen = '-infinity') EXECUTE FUNCTION public.goes_on()")
        back = self.folder(first)
        command = [os.environ["NARROWD_BIN"], "--data", self.server.url, "migrate", "--to", back]
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False)
        self.assertNotEqual(said.returncode, 0)
        self.assertIn("has written to the log while it was fetched", said.stdout)
        self.assertEqual(self.server.sql("SELECT ended FROM narrowd.head"), "")
        self.server.sql("DROP TRIGGER goes_on ON narrowd.daemon; UPDATE narrowd.head SET position = position - 1")
        self.migrate("--data", self.server.url, "migrate", "--to", self.folder(first))
        self.assertNotEqual(self.server.sql("SELECT ended FROM narrowd.head"), "")

    def test_what_it_is_told_wrongly(self):
        directory = self.folder()
        for arguments, status in ((["migrate"], 64), (["migrate", "--to", directory], 64), (["--to", "x"], 64),
                                  (["migrate", "--from", "x"], 64), (["migrate", "--to", "postgresql://"], 74)):
            with self.subTest(arguments):
                said = subprocess.run([os.environ["NARROWD_BIN"], "--data-dir", directory, *arguments],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      timeout=PATIENCE_S, check=False)
                self.assertEqual(said.returncode, status, said.stdout)


if __name__ == "__main__":
    unittest.main()
