"""What becomes of a database when another version of narrowd gets it: of every schema there was, killed in the middle."""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import unittest

import rules_kit
from daemon import Daemon
from patience import PATIENCE_S
from test_rules import FIXTURES, differences

NARROWD = os.environ["NARROWD_BIN"]
UPGRADE = os.environ["STORE_UPGRADE_BIN"]
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "store" / "schema"
STEPS = sorted(SCHEMA.glob("*.sql"))
NEWEST = len(STEPS)
FIXTURE = 4  # the schema of tests/data/rules1
KILLS = 10
# Kinds of question that the first two schemas did not have.
ADVISED = ("remote", "sigopt")
PATHS = ("", "/best", "/trials?limit=1000")


def version_of(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return database.execute("PRAGMA user_version").fetchone()[0]
    finally:
        database.close()


class Upgrade(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.expected = json.loads((FIXTURES / "rules1" / "expected.json").read_text())
        cls.databases = {}
        cls.jobs = {name: job for name, job in cls.expected["jobs"].items() if name not in ADVISED}
        rules_kit.load((FIXTURES / "rules1" / "database.sql").read_text(), cls.path(FIXTURE))
        with sqlite3.connect(cls.path(FIXTURE)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("DELETE FROM submission WHERE id NOT IN (SELECT value FROM json_each(?))",
                             (json.dumps(list(cls.jobs.values())),))
        database.close()
        for version in range(1, FIXTURE):
            cls.make_older(version)
        for version in range(FIXTURE + 1, NEWEST + 1):
            shutil.copy(cls.path(FIXTURE), cls.path(version))
            cls.run_upgrade(cls.path(version), version)

    @classmethod
    def path(cls, version):
        return cls.folder / f"schema{version}.db"

    @classmethod
    def make_older(cls, version):
        """The fixture's rows under an older schema: what that did not have yet was not there."""
        with sqlite3.connect(cls.path(version)) as database:
            for step in STEPS[:version]:
                database.executescript(step.read_text())
            database.execute("ATTACH ? AS later", (str(cls.path(FIXTURE)),))
            tables = [name for (name,) in database.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
            for table in sorted(tables, key=lambda name: name != "submission"):
                columns = [row[1] for row in database.execute(f"PRAGMA main.table_info({table})")]
                names = ", ".join(columns)
                database.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM later.{table}")
            database.commit()
            database.execute(f"PRAGMA user_version = {version}")
            database.execute("PRAGMA application_id = 0x6e617277")
        database.close()

    @staticmethod
    def run_upgrade(path, version, kill=None):
        return subprocess.run([UPGRADE, path, str(version), *([str(kill)] if kill else [])],
                              capture_output=True, text=True, timeout=PATIENCE_S)

    def place(self, version):
        """A data directory with the database of that schema."""
        data = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copy(self.path(version), data / "narrowd.db")
        shutil.copy(self.folder / "narrowd.key", data)
        return data

    def serves(self, data):
        """The daemon says of every job what the one that wrote the database said."""
        with Daemon(data, "--evaluator-policy=off") as daemon:
            for name, job in self.jobs.items():
                for path in PATHS:
                    if path in self.expected["documents"][name]:
                        status, _, said = daemon.request("GET", f"/v1/jobs/{job}{path}")
                        self.assertEqual(status, 200, said)
                        self.assertEqual(list(differences(self.expected["documents"][name][path], said)), [], f"{name} {path}")
        done = subprocess.run([NARROWD, "--data-dir", data, "check"], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(version_of(data / "narrowd.db"), NEWEST)

    def test_from_every_schema(self):
        self.assertGreater(len(self.jobs), 10)
        for version in range(1, NEWEST + 1):
            with self.subTest(version=version):
                self.assertEqual(version_of(self.path(version)), version)
                data = self.place(version)
                self.serves(data)
                before = data / f"narrowd.db.before-{NEWEST}"
                self.assertEqual(before.exists(), version < NEWEST)
                if before.exists():
                    self.assertEqual(version_of(before), version, "the way back")

    def test_secrets_are_sealed(self):
        """What an older version stored as it was given is sealed, and used as before."""
        data = self.place(FIXTURE + 1)
        document = {"id": "evl_00000000000000000000000000", "url": "http://127.0.0.1:9/x?key=query-canary", "created_at": "2026-01-01T00:00:00.000Z"}
        hook = {"id": "whk_00000000000000000000000000", "name": None, "url": "http://127.0.0.1:9/h?key=query-canary", "events": ["job.completed"], "job": None,
                "labels": {}, "secret": {"set": True}, "created_at": "2026-01-01T00:00:00.000Z"}
        with sqlite3.connect(data / "narrowd.db") as database:
            database.execute("INSERT INTO evaluator (id, document, secrets) VALUES ('evl_00000000000000000000000000', ?, ?)",
                             (json.dumps(document), json.dumps({"secret": "secret-canary"})))
            database.execute("INSERT INTO webhook (id, document, secret) VALUES ('whk_00000000000000000000000000', ?, 'secret-canary')", (json.dumps(hook),))
            database.execute("INSERT INTO idempotency VALUES ('api', 'k', 'f', 201, NULL, '\"secret-canary\"', 0)")
        database.close()
        self.assertIn(b"canary", (data / "narrowd.db").read_bytes())
        self.serves(data)
        (data / f"narrowd.db.before-{NEWEST}").unlink()
        with sqlite3.connect(data / "narrowd.db") as database:
            kept = database.execute("SELECT DISTINCT substr(evaluator, 1, 9) FROM submission").fetchall()
        database.close()
        self.assertEqual(kept, [("sealed:1:",)])
        self.assertEqual([path.name for path in data.iterdir() if b"canary" in path.read_bytes()], [])
        with Daemon(data, "--evaluator-policy=off") as daemon:
            self.assertEqual(daemon.request("GET", "/v1/evaluators/evl_00000000000000000000000000")[2]["url"], "http://127.0.0.1:9/x?...")
            self.assertEqual(daemon.request("GET", "/v1/webhooks/whk_00000000000000000000000000")[2]["url"], "http://127.0.0.1:9/h?...")

    def test_killed_in_the_middle(self):
        whole = self.place(1)
        times = int(self.run_upgrade(whole / "narrowd.db", NEWEST).stdout)
        self.assertGreater(times, 10 * KILLS)
        versions = set()
        for kill in range(KILLS):
            data = self.place(1)
            done = self.run_upgrade(data / "narrowd.db", NEWEST, 1 + kill * (times - 1) // (KILLS - 1))
            self.assertEqual(done.returncode, -signal.SIGKILL, "it was in the middle")
            versions.add(version_of(data / "narrowd.db"))
            self.serves(data)
            shutil.rmtree(data)
        self.assertEqual((min(versions), max(versions)), (1, NEWEST))
        self.assertGreater(len(versions), 2)

    def test_back_to_the_version_before(self):
        """A database of a later version is refused and left alone; what was copied before the upgrade is put back."""
        data = self.place(FIXTURE)
        self.serves(data)
        with sqlite3.connect(data / "narrowd.db") as database:
            database.execute(f"PRAGMA user_version = {NEWEST + 1}")
        database.close()
        later = (data / "narrowd.db").read_bytes()
        done = subprocess.run([NARROWD, "--listen=127.0.0.1:0", "--data-dir", data], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn(f"schema version {NEWEST + 1}", done.stderr)
        self.assertEqual((data / "narrowd.db").read_bytes(), later)
        done = subprocess.run([NARROWD, "--data-dir", data, "restore", data / f"narrowd.db.before-{NEWEST}"],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(version_of(data / "narrowd.db"), FIXTURE)
        (old,) = data.glob("narrowd.db.replaced-*")
        self.assertEqual(version_of(old), NEWEST + 1)
        self.serves(data)


if __name__ == "__main__":
    unittest.main()
