#!/usr/bin/python3
"""A real PostgreSQL in a temporary directory, on a unix socket alone: started, asked, stopped, killed, suspended.

Run as a program it serves until its standard input ends, for tests that are written in C: it prints the URL, and does
what it reads there, a line each: `stop`, `kill9`, `start`, `suspend`, `resume`, or SQL. Each is answered with one line.

It does not flush to disk unless it is to be durable: nothing here takes the power away, and what a killed process has
written is still there.
"""

import atexit
import contextlib
import glob
import os
import pathlib
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from patience import PATIENCE_S

PORT = 5432
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{directory}'
port = {port}
wal_level = replica
max_connections = 60
shared_buffers = 16MB
log_min_messages = warning
wal_retrieve_retry_interval = 100ms
"""
FORGETFUL = """\
fsync = off
full_page_writes = off
"""


def programs():
    """The folder of PostgreSQL's programs: Debian keeps them by version."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"),
                   key=lambda path: int(path.split("/")[4]))
    if not found:
        raise AssertionError("PostgreSQL is missing: tools/setup installs it")
    return pathlib.Path(found[-1]).parent


class Server:
    def __init__(self, durable=False):
        self.settings = SETTINGS if durable else SETTINGS + FORGETFUL
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="narrowd-postgresql-"))
        self.data = self.directory / "data"
        self.url = f"postgresql://test@/postgres?host={self.directory}&port={PORT}"
        self.process = None
        self.who = ["setpriv", "--pdeathsig", "INT"]
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            os.chmod(self.directory, 0o755)
            self.who += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *args):
        self.remove()

    def run(self, program, *arguments, **more):
        """One of PostgreSQL's programs, as the user that may start a server."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.directory)}
        return subprocess.run([*self.who, programs() / program, *arguments], env=environment, cwd=self.directory,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, **more)

    def make(self):
        made = self.run("initdb", "-D", self.data, "-A", "trust", "-U", "test", "--no-sync", "-E", "UTF8",
                        "--locale=C.UTF-8", "--no-instructions")
        assert made.returncode == 0, made.stdout
        self.configure()

    def configure(self):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(self.settings.format(directory=self.directory, port=PORT))

    def is_ready(self):
        return self.run("pg_isready", "-q", "-h", self.directory, "-p", str(PORT)).returncode == 0

    def start(self):
        """Also after kill9(), whose last processes may still be there for a moment."""
        if not self.data.exists():
            self.make()
        until = time.monotonic() + PATIENCE_S
        while True:
            with open(self.directory / "log", "ab") as log:
                self.process = subprocess.Popen([*self.who, programs() / "postgres", "-D", self.data],
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                                                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
            while self.process.poll() is None:
                if self.is_ready():
                    return
                time.sleep(0.05)
            assert time.monotonic() < until, (self.directory / "log").read_text(encoding="utf-8")
            time.sleep(0.1)

    def sql(self, text, url=None):
        """What it answers to SQL: rows of columns that are separated by |."""
        said = self.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url or self.url, "-c", text)
        assert said.returncode == 0, said.stdout
        return said.stdout.strip()

    def hold(self, text, url):
        """A session that has run that and stays open until what this returns, a process, gets the end of its input."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.directory)}
        session = subprocess.Popen([*self.who, programs() / "psql", "-X", "-A", "-t", "-q", "-d", url], env=environment,
                                   cwd=self.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        session.stdin.write(f"{text};\n\\echo done\n")
        session.stdin.flush()
        while session.stdout.readline() != "done\n":
            pass
        return session

    def end(self, how):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
            self.process = None

    def stop(self):
        """Breaks every connection off."""
        self.end(signal.SIGINT)

    def kill9(self):
        """With its backends, which would else do what they were asked a moment before."""
        self.suspend()
        backends = [os.pidfd_open(pid) for pid in self.backends()]
        for backend in backends:
            signal.pidfd_send_signal(backend, signal.SIGKILL)
        self.end(signal.SIGKILL)
        for backend in backends:
            assert select.select([backend], [], [], PATIENCE_S)[0], "a backend does not end"
            os.close(backend)

    def backends(self):
        return [int(pid) for pid in subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], stdout=subprocess.PIPE, text=True,
            check=False).stdout.split()]

    def signal_all(self, how):
        """Itself first, so that it starts no backend that is missed."""
        os.kill(self.process.pid, how)
        for pid in self.backends():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)

    def suspend(self):
        """It says nothing more, and its connections stay open."""
        self.signal_all(signal.SIGSTOP)

    def resume(self):
        self.signal_all(signal.SIGCONT)

    def remove(self):
        if self.process is not None:
            self.resume()
        self.stop()
        shutil.rmtree(self.directory)


class Standby(Server):
    """Follows that server, and can only be read until it is promoted."""

    def __init__(self, primary):
        super().__init__()
        self.primary = primary

    def make(self):
        made = self.run("pg_basebackup", "-h", self.primary.directory, "-p", str(PORT), "-U", "test", "-D", self.data,
                        "-R", "-c", "fast", "-X", "stream", "--no-sync")
        assert made.returncode == 0, made.stdout
        self.configure()

    def is_waited_for(self):
        """From now on the primary says that something is stored when it is stored here, too."""
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.sql("SELECT pg_reload_conf()")
        until = time.monotonic() + PATIENCE_S
        while self.primary.sql("SELECT sync_state FROM pg_stat_replication") != "sync":
            assert time.monotonic() < until, "it does not follow"
            time.sleep(0.01)

    def promote(self):
        assert self.sql("SELECT pg_promote()") == "t"


COMMON = []
DATABASES = {}


def common():
    """The one server of this process, which ends with it."""
    if not COMMON:
        server = Server()
        atexit.register(server.remove)
        server.start()
        COMMON.append(server)
    return COMMON[0]


def database_of(directory):
    """The URL of a database for what is in that directory, empty when it is asked for first."""
    directory = os.path.abspath(directory)
    if directory not in DATABASES:
        name = f"data{len(DATABASES)}"
        common().sql(f"CREATE DATABASE {name} STRATEGY file_copy")
        DATABASES[directory] = common().url.replace("/postgres?", f"/{name}?")
    return DATABASES[directory]


def serve():
    with Server() as server:
        print(server.url, flush=True)
        for line in sys.stdin:
            command = line.strip()
            if command in ("stop", "kill9", "start", "suspend", "resume"):
                getattr(server, command)()
                print("done", flush=True)
            else:
                print(server.sql(command).replace("\n", " "), flush=True)


if __name__ == "__main__":
    serve()
