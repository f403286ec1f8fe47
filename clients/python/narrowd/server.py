"""A private daemon: started when nobody else has, found again by every process of this user.

Its folder is NARROWD_HOME or, where that is not set, `narrowd` in the user's cache folder:

    data/         the daemon's database
    narrowd.sock  where it listens, and nowhere else: a unix socket, which only this user's processes may use
    start.lock    held while somebody starts or stops it
    users.lock    held, shared, by every process that uses it; the kernel lets go of it whatever kills them
    daemon.log    what it says
"""

import atexit
import contextlib
import fcntl
import http.client
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO

from .errors import NarrowdError, Unreachable
from .transport import Transport

STARTED_S, STOPPED_S = 120, 60  # guards against hanging
PATIENT_S = 3  # until it is said who is waited for
HELD_S = 15  # until one that was told to stop has ended, or is none that will
IDLE_EXIT_S = 600  # nobody stops the daemon of processes that were killed: it ends by itself when nobody comes for so long
SOCKET = "narrowd.sock"
LONGEST_SOCKET = 100  # bytes of the path; the kernel takes 107


def home() -> pathlib.Path:
    named = os.environ.get("NARROWD_HOME")
    if named:
        return pathlib.Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "narrowd"


def program(name: str = "narrowd") -> str:
    """The file of `narrowd` or `narrow`: NARROWD_BIN or NARROW_BIN, what came with this package, or what is on the PATH."""
    packed = pathlib.Path(__file__).parent / "bin" / name
    variable = f"{name.upper()}_BIN"
    found = os.environ.get(variable) or (str(packed) if packed.exists() else shutil.which(name))
    if found is None:
        raise NarrowdError(f"there is no {name}: install a wheel that brings it, put it on the PATH, or name it by {variable}"
                           + " (or a daemon that runs by NARROWD_URL)" * (name == "narrowd"))
    return found


def is_private(url: str) -> bool:
    """Whether the daemon at `url` is that of this user's folder, which ends when nobody uses it."""
    return url == f"unix:{(home() / SOCKET).resolve()}"


def how_to_ask(url: str, command: str) -> str:
    """A command of narrow that asks the daemon at `url` when this process has ended, to be read and copied by people."""
    if not is_private(url):
        return f"narrow --server {shlex.quote(url)} {command}"
    return f"{shlex.join([program(), '--data-dir', str((home() / 'data').resolve())])} and then, beside it, narrow {command}"


def where_to_look(url: str, job: str) -> str:
    """What opens a job of the daemon at `url` again, to be read and copied by people."""
    shown = how_to_ask(url, f"show {job}")
    if not is_private(url):
        return f"the search stays in the daemon: {shown}"
    return f"to look at the search when this process has ended: {shown}, or http://127.0.0.1:8585 in a browser"


def how_to_watch(url: str, job: str) -> str:
    """What shows a job of the daemon at `url` while it runs, to be read and copied by people."""
    pages = " (for the pages, too: start a narrowd and set NARROWD_URL to its address before the call)" * is_private(url)
    return f"to watch it: narrow --server {shlex.quote(url)} watch {job}{pages}"


class Server:
    """The daemon of a folder. `start` makes sure that it runs, `close` stops it unless others use it."""

    def __init__(self, folder: str | os.PathLike[str] | None = None):
        self.folder = pathlib.Path(folder) if folder is not None else home()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket = self.folder.resolve() / SOCKET
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET:
            raise NarrowdError(f"{self.socket} is too long for a socket: name a shorter folder by NARROWD_HOME")
        self.url = f"unix:{self.socket}"
        self.users: IO[str] | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> str:
        """Its address. Until `close`, or the end of this process, nobody stops it."""
        if self.users is None:
            self.users = self._open("users.lock")
            fcntl.flock(self.users, fcntl.LOCK_SH)
            atexit.register(self.close)
        try:
            self.ensure()
        except BaseException:
            self.close()
            raise
        return self.url

    def ensure(self) -> None:
        """Starts it when it does not run."""
        if self._answers():
            return
        with self._alone():
            if not self._answers():
                self._start()

    def close(self) -> None:
        """Stops it when this was the last process to use it. What its jobs have measured stays on disk."""
        if self.users is None:
            return
        atexit.unregister(self.close)
        with self._alone():
            try:
                fcntl.flock(self.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            except BlockingIOError:
                pass  # others use it
            finally:
                self._reap()
                self.users.close()
                self.users = None

    def _open(self, name: str) -> IO[str]:
        return open(self.folder / name, "a+", encoding="utf-8")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._open("start.lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _answers(self) -> bool:
        try:
            return Transport(self.url).attempt("GET", "/healthz", None, {}, timeout=STARTED_S).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def _start(self) -> None:
        """A daemon in a session of its own, so that what ends this process does not end it."""
        log = self.folder / "daemon.log"
        command = [program(), "--listen", self.url, "--data-dir", str(self.folder / "data"), "--log-format", "text",
                   "--idle-exit-s", str(IDLE_EXIT_S)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NARROWD_")}
        deadline = time.monotonic() + STARTED_S
        told = taken = False
        since = time.monotonic()
        held = f"another narrowd has {self.folder / 'data'} open"
        while True:
            with open(log, "ab") as errors:
                begin = errors.tell()
                self._reap()
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                    env=environment, start_new_session=True, cwd=self.folder)
            while self.process.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return
                time.sleep(0.01)
            said = log.read_bytes()[begin:].decode(errors="replace").strip()
            waits = "is in use by another narrowd" in said
            taken = taken or waits
            if not waits or time.monotonic() > since + HELD_S:
                raise Unreachable(f"{held}: end it, or set NARROWD_URL to its address, as http://127.0.0.1:8585, so that the search is there" if taken
                                  else f"{command[0]} did not start: {said or 'it said nothing'}")
            if not told and time.monotonic() > since + PATIENT_S:
                print(f"narrowd: {held}; waiting for it to end, up to {HELD_S} s in all", file=sys.stderr, flush=True)
                told = True
            time.sleep(0.1)  # one that was told to stop may still be at it

    def _reap(self) -> None:
        """Lets go of a child, whether it has ended or goes on for others."""
        if self.process is not None and self.process.poll() is None:
            self.process.returncode = 0
        self.process = None

    def pid(self) -> int | None:
        """Of the daemon, as the kernel knows who listens; None when nobody does."""
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self.socket))
            except OSError:
                return None
            pid: int = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            return pid

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not select.select([handle], [], [], STOPPED_S)[0]:
                print(f"narrowd: process {pid} does not stop", file=sys.stderr)
        finally:
            os.close(handle)
