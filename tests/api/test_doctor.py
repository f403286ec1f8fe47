"""`narrowd doctor` and `narrow doctor`: each of the faults that are made here is found, and nothing else."""

import contextlib
import ctypes
import datetime
import fcntl
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import unittest.mock

import jobkit
import scripted
import test_full_disk
from certificates import KEY, openssl
from daemon import Daemon
from patience import PATIENCE_S
from scripted import Reply, Server
from test_access import bearer, new_token
from worker_kit import free_port

NARROWD, NARROW = os.environ["NARROWD_BIN"], os.environ["NARROW_BIN"]
DISK_BYTES = 8 << 20
WEEKS_S = 30 * 86400


def examine(*command, environment=None, before=None):
    """What was found, by check; and that each has its cure."""
    done = subprocess.run([*map(str, command)], env={**os.environ, **(environment or {})}, capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False, preexec_fn=before)
    found, wrong = {}, set()
    lines = done.stdout.splitlines()
    for line, after in zip(lines, lines[1:]):
        if told := re.fullmatch(r"(WRONG|note ) ?\s*(\w+): (.*)", line):
            found.setdefault(told[2], []).append(told[3])
            wrong |= {told[2]} if told[1] == "WRONG" else set()
            assert re.match(r"(WRONG|note )  ?\w+: |       cure: \S", after), f"no cure: {done.stdout}"
    assert re.search(r"^\d+ checks, \d+ found what is wrong$", lines[-1]), done.stdout + done.stderr
    assert done.returncode == (1 if wrong else 0), done.stdout + done.stderr
    return found, wrong


def version_of_sqlite():
    """Of the library that the daemon is linked with, which Python's need not be."""
    linked = subprocess.run(["ldd", NARROWD], capture_output=True, text=True, check=True).stdout
    library = ctypes.CDLL(re.search(r"(?:libsqlite3\S* => )?(\S*libsqlite3\S*) \(", linked)[1])
    library.sqlite3_libversion.restype = ctypes.c_char_p
    return library.sqlite3_libversion().decode()


def certificate(folder, name, days, alternative):
    openssl("req", "-x509", *KEY, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-days", days,
            "-subj", "/CN=tuner", "-addext", f"subjectAltName={alternative}")
    return "--tls-cert", folder / f"{name}.pem", "--tls-key", folder / f"{name}.key"


class Evaluator(jobkit.Evaluator):
    def dispatch(self, request):
        return Reply(404) if request.path == "/healthz" else super().dispatch(request)


class Offline(unittest.TestCase):
    """Without a daemon. All begin with the data of a daemon that was killed, after a job of a registered evaluator."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.evaluator = Evaluator()
        cls.addClassCleanup(cls.evaluator.close)
        cls.killed = cls.folder / "killed"
        daemon = Daemon(cls.killed)
        daemon.start()
        made = daemon.request("POST", "/v1/evaluators", {"url": cls.evaluator.url, "secret": "hidden"})[2]
        job = jobkit.submit(daemon, {**jobkit.body(None), "evaluator": {"id": made["id"]}})
        jobkit.finished(daemon, job)
        subprocess.run([NARROWD, "--data-dir", cls.killed, "backup", cls.folder / "backup.db"], check=True, capture_output=True)
        daemon.kill9()
        certificate(cls.folder, "good", 60, "IP:192.0.2.1,DNS:tuner.example")

    def setUp(self):
        self.data = self.folder / self.id().rsplit(".", 1)[1]
        shutil.copytree(self.killed, self.data, ignore=shutil.ignore_patterns("control.sock"))
        os.utime(self.data / "narrowd.backed-up")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)
        self.here = self.data.with_suffix(".more")
        self.here.mkdir()
        self.addCleanup(shutil.rmtree, self.here)

    def find(self, check, words, *arguments, also=(), before=None):
        """That check alone finds something, and says these words."""
        if "--listen" not in arguments:
            arguments = ("--listen", f"127.0.0.1:{free_port()}", *arguments)
        found, wrong = examine(NARROWD, "--data-dir", self.data, *arguments, "doctor", before=before)
        self.assertEqual(wrong - set(also), {check} if check else set(), found)
        if check:
            self.assertIn(words, " ".join(found[check]))
        return found

    def write(self, sql):
        with contextlib.closing(sqlite3.connect(self.data / "narrowd.db")) as database, database:
            database.execute(sql)

    def test_nothing(self):
        found = self.find(None, None)
        printed = subprocess.run([NARROWD, "--version"], capture_output=True, text=True, check=True).stdout
        versions = dict(line.split() for line in printed.splitlines())
        self.assertLessEqual({"sqlite", "libmicrohttpd", "curl", "gnutls", "jansson", "libuv", "openssl", "pcre2", "zlib", "narrowd"},
                             set(versions))
        self.assertEqual(versions["sqlite"], version_of_sqlite())
        for line in found.get("libraries", []):
            name, version = line.split(":")[0].split()
            self.assertEqual(versions[name], version)

    def test_it_changes_nothing(self):
        def all_of():
            return {path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
                    for path in self.data.iterdir() if not path.name.endswith("-shm")}
        before = all_of()
        self.find(None, None)
        self.assertEqual(all_of(), before)

    def test_beside_a_daemon(self):
        with Daemon(self.data) as daemon:
            self.find(None, None, "--listen", f"127.0.0.1:{daemon.port}")

    def test_settings(self):
        self.find("settings", 'did you mean "log_level"', "--config", self.config("log_levle = debug\n"))

    def config(self, text, mode=0o600):
        path = self.here / "conf"
        path.write_text(text)
        path.chmod(mode)
        return path

    def test_settings_that_others_may_write(self):
        self.find("settings_file", "mode 0666", "--config", self.config("", 0o666))

    def test_directory_that_cannot_be_made(self):
        self.data = self.here / "none" / "data"
        self.find("data_dir", "cannot be made")

    def test_permissions(self):
        (self.data / "narrowd.db").chmod(0o644)
        self.find("permissions", "mode 0644")

    def test_files_of_another_user(self):
        owner = 12345 if os.geteuid() == 0 else os.geteuid()  # root alone gives files away
        for path in (self.data, *self.data.iterdir()):
            os.chown(path, owner, -1)
        self.find(None, None)
        if owner != os.geteuid():
            os.chown(self.data / "narrowd.key", 0, 0)
            self.find("permissions", f"narrowd.key belongs to user 0, and not to user {owner}")

    def test_a_link_in_the_place_of_a_file(self):
        (self.data / "narrowd.reserve").unlink()
        (self.data / "narrowd.reserve").symlink_to("/dev/null")
        self.find("permissions", "neither a file")

    def test_second_process(self):
        held = os.open(self.data, os.O_RDONLY)
        self.addCleanup(os.close, held)
        fcntl.flock(held, fcntl.LOCK_EX)
        self.find("second_process", "does not answer")

    def test_port(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.find("port", "in use", "--listen", f"127.0.0.1:{other.getsockname()[1]}")

    def test_full_disk(self):
        pid = os.fork()  # the small disk is this child's alone
        if pid == 0:
            status = 1
            with contextlib.suppress(BaseException):
                libc = test_full_disk.enter_namespace()
                test_full_disk.call(libc.mount, b"tmpfs", str(self.here).encode(), b"tmpfs", 0, f"size={DISK_BYTES},mode=700".encode())
                shutil.copytree(self.data, self.here / "data", ignore=shutil.ignore_patterns("narrowd.reserve"))
                self.data = self.here / "data"
                self.find("disk", "MB left", also=("permissions",))
                status = 0
            os._exit(status)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)

    def test_limit_of_the_database(self):
        self.find("disk", "database_max_bytes", "--database-max-bytes", "4000")

    def test_open_files(self):
        self.find("open_files", "may have 512", before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)))

    def test_access_log(self):
        self.find("access_log", "cannot be written", "--access-log", self.here / "none" / "log")

    def test_key_that_is_missing(self):
        (self.data / "narrowd.key").unlink()
        self.find("key_file", "not at", also=("evaluators", "database"))

    def test_key_that_is_another(self):
        (self.data / "narrowd.key").write_text("A" * 43 + "=\n")
        self.find("key_file", "not the one", also=("database",))

    def test_key_that_others_may_read(self):
        key = self.here / "key"
        shutil.move(self.data / "narrowd.key", key)
        key.chmod(0o644)
        self.find("key_file", "mode 0644", "--key-file", key)

    def test_planted_triggers(self):
        self.write("CREATE TRIGGER planted AFTER INSERT ON event BEGIN DELETE FROM event; END")
        self.find("strangers", "planted")

    def test_newer_schema(self):
        self.write("PRAGMA user_version = 999")
        self.find("schema", "newer")

    def test_write_ahead_log_that_was_removed(self):
        (self.data / "narrowd.db-wal").unlink()
        (self.data / "narrowd.db-shm").unlink(missing_ok=True)
        self.find("lost_events", "was removed or cut", also=("strangers", "key_file"))

    def test_damaged_database(self):
        self.write("UPDATE job SET max_trials = max_trials + 1")
        self.find("database", "max_trials")

    def test_clock_that_was_ahead(self):
        self.write("UPDATE event SET at_ms = at_ms + 86400000")
        self.find("clock", "ahead", also=("database",))

    def test_old_backup(self):
        old = time.time() - WEEKS_S
        os.utime(self.data / "narrowd.backed-up", (old, old))
        self.find("backup", "30 days ago")

    def test_no_backup(self):
        (self.data / "narrowd.backed-up").unlink()
        self.find("backup", "no backup")

    def test_no_token(self):
        self.find("tokens", "there is no token", "--listen", "0.0.0.0:0", "--allow-cleartext", "--evaluator-policy", "lan")

    def test_certificate_that_ends(self):
        self.find("certificate_end", "the certificate ends at", *certificate(self.here, "short", 3, "IP:127.0.0.1"))

    def test_certificate_of_another_name(self):
        tls = ("--tls-cert", self.folder / "good.pem", "--tls-key", self.folder / "good.key")
        self.find(None, None, *tls, "--callback-url", "https://192.0.2.1:1")
        self.find("certificate_name", "other.example", *tls, "--callback-url", "https://192.0.2.1:1", "--allowed-hosts", "other.example")

    def test_certificate_without_its_key(self):
        certificate(self.here, "stranger", 60, "IP:127.0.0.1")
        self.find("settings", "TLS", "--tls-cert", self.folder / "good.pem", "--tls-key", self.here / "stranger.key")

    def test_allow_list(self):
        self.find("allow_list", self.evaluator.url, "--evaluator-policy", "allowlist", "--evaluator-allow", "127.0.0.1/32:1")

    def test_evaluator_that_is_not_there(self):
        self.write(f"UPDATE evaluator SET document = json_set(document, '$.url', 'http://127.0.0.1:{free_port()}')")
        self.find("evaluators", "cannot be connected", also=("database",))

    def test_plug_ins_that_others_may_write(self):
        self.here.chmod(0o777)
        self.find("settings", str(self.here), "--plugin-dir", self.here)


class Online(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        self.data = self.folder / "data"
        self.admin = new_token(str(self.data), "admin")
        self.daemon = Daemon(self.data, "--auth", "always")
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def find(self, check, words, url=None, token=None):
        found, wrong = examine(NARROW, "doctor", "--server", url or self.daemon.url,
                               environment={"NARROWD_TOKEN": token or self.admin})
        self.assertEqual(wrong, {check} if check else set(), found)
        if check:
            self.assertIn(words, " ".join(found[check]))
        return found

    def ask(self, method, path, body=None):
        status, _, answer = self.daemon.request(method, path, body, bearer(self.admin))
        self.assertIn(status, (200, 201, 202), answer)
        return answer

    def test_from_well_to_ill(self):
        found = self.find(None, None)
        self.assertIn("no backup", found["backup"][0])
        job = self.ask("POST", "/v1/jobs", {**jobkit.body(None), "evaluator": {"pool": "gpu"}})["id"]
        jobkit.wait_until(lambda: self.ask("GET", f"/v1/jobs/{job}")["progress"]["out"])
        self.find("waiting", "no worker is there for pool gpu")
        lease = self.ask("POST", "/v1/leases", {"pool": "gpu", "worker": "silent", "max": 1, "wait_s": 1, "ttl_s": 3600})["items"]
        self.assertEqual(len(lease), 1)
        self.find(None, None)
        self.find("token", "token", token="nrw_" + "x" * 43)
        self.assertEqual(json.loads(subprocess.run(
            [NARROW, "doctor", "--json", "--server", self.daemon.url], env={**os.environ, "NARROWD_TOKEN": self.admin},
            capture_output=True, text=True, check=True).stdout)["items"][0]["check"], "server")
        new_token(str(self.data), "read", expires="3d")
        self.find("tokens", "ends in")

    def test_receiver_that_wants_no_more(self):
        receiver = Server(lambda request: Reply(410))
        self.addCleanup(receiver.stop)
        hook = self.ask("POST", "/v1/webhooks", {"url": receiver.url, "events": ["job.cancelled"]})["id"]
        job = self.ask("POST", "/v1/jobs", {**jobkit.body(None), "evaluator": {"pool": "gpu"}})["id"]
        self.ask("POST", f"/v1/jobs/{job}/cancel", {})
        jobkit.wait_until(lambda: self.ask("GET", f"/v1/webhooks/{hook}")["state"] == "disabled")
        self.find("webhooks", hook)

    def test_nobody_and_somebody_else(self):
        found, wrong = examine(NARROW, "doctor", "--server", f"127.0.0.1:{free_port()}")
        self.assertEqual(wrong, {"server"}, found)
        other = Server(lambda request: Reply(404, b"not here"))
        self.addCleanup(other.stop)
        found, wrong = examine(NARROW, "doctor", "--server", other.url)
        self.assertEqual(wrong, {"server"}, found)
        self.assertIn("404", found["server"][0])


class Scripted(unittest.TestCase):
    """What a real daemon does only after a long time, or on another machine."""

    def find(self, check, words, answers, date=None):
        answers = {"/healthz": {"status": "ok"}, "/readyz": {"status": "ok"}, "/v1/jobs": {"items": [], "next": None},
                   "/v1/session": {"owner": "local", "scopes": ["admin"], "pools": None, "token": None}, **answers}

        def answer(request):
            path = request.path.split("?")[0]
            given = answers.get(path)
            headers = {"Content-Type": "application/json"}
            return Reply(200 if given else 404, json.dumps(given or {}).encode(), headers)

        if date:
            # Python's server would write its own beside it.
            clock = unittest.mock.patch.object(scripted.Handler, "date_time_string", lambda *_: date)
            clock.start()
            self.addCleanup(clock.stop)
        server = Server(answer)
        self.addCleanup(server.stop)
        found, wrong = examine(NARROW, "doctor", "--server", server.url)
        self.assertEqual(wrong | set(found), {check}, found)
        self.assertIn(words, found[check][0])

    def test_worker_that_is_silent(self):
        lease = {"lease": "lse_1", "job": "job_1", "trial": 17, "expires_at": soon(0, seconds=5)}
        worker = {"pool": "gpu", "name": "gpu-3", "last_seen": soon(0, seconds=-55), "answers": 1, "trials_per_hour": 1,
                  "leases": [lease], "owner": "local"}
        self.find("workers", "gpu-3 of pool gpu holds trial 17", {"/v1/workers": {"items": [worker], "next": None}},
                  date=http_date(0))

    def test_clocks_that_are_apart(self):
        self.find("clock", "s behind", {}, date=http_date(-3600))

    def test_job_that_paused_itself(self):
        pause = {"reason": "evaluator_broken", "detail": "not JSON", "since": soon(0), "by": None}
        job = {"id": "job_1", "state": "paused", "pause": pause, "progress": {"out": []}}
        self.find("paused", "not JSON", {"/v1/jobs": {"items": [job], "next": None}})

    def test_old_libraries(self):
        library = {"name": "pcre2", "version": "10.45", "fault": "reads beyond"}
        self.find("libraries", "pcre2 10.45: reads beyond", {"/v1/config": {"version": version(), "libraries": [library]}})

    def test_another_version(self):
        self.find("version", "9.9.9", {"/v1/config": {"version": "9.9.9", "libraries": []}})


def version():
    return subprocess.run([NARROW, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def soon(days, seconds=0):
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(seconds):
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT")


if __name__ == "__main__":
    unittest.main()
