"""The way between workers and the daemon, which can be cut.

`Veth` is two network namespaces that a pair of virtual interfaces joins: taking one of the two down
loses packets as a pulled cable does. It needs root. `Proxy` is for where that cannot be had: a
forwarder on loopback that stands still. In both the daemon listens on its own loopback, and workers
come through the forwarder.
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys

from patience import PATIENCE_S

FORWARDER = pathlib.Path(__file__).with_name("forwarder.py")
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def namespace():
    """The network namespace that this thread is in. It lives as long as somebody has it."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def new_namespace():
    """Makes one and enters it."""
    checked(libc.unshare(CLONE_NEWNET))
    return namespace()


@contextlib.contextmanager
def inside(fd):
    """This thread, and the threads and processes that it starts, are there meanwhile."""
    before = namespace()
    checked(libc.setns(fd, CLONE_NEWNET))
    try:
        yield
    finally:
        checked(libc.setns(before, CLONE_NEWNET))
        os.close(before)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Path:
    """`daemon_port` is where the daemon is to listen on 127.0.0.1; workers go to `host`:`port`.
    `allowed_host` is what the daemon is to be told about the name that they use."""

    def start_forwarder(self):
        with self.at_daemon():
            self.forwarder = subprocess.Popen(
                [sys.executable, FORWARDER, f"{self.host}:{self.port}",
                 f"127.0.0.1:{self.daemon_port}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            )
            assert self.forwarder.stdout.readline() == b"ready\n"

    def stop_forwarder(self):
        self.forwarder.kill()
        self.forwarder.communicate()

    def reset(self):
        """The proxy dies, and every connection through it."""
        self.stop_forwarder()
        self.start_forwarder()


class Veth(Path):
    host, port, daemon_port = "10.77.0.1", 8585, 8585

    def __init__(self):
        before = namespace()
        try:
            self.ends = [new_namespace(), new_namespace()]
        finally:
            checked(libc.setns(before, CLONE_NEWNET))
            os.close(before)
        daemon, worker = self.ends
        self.ip(worker, "link add path0 type veth peer name path0 netns", f"/proc/self/fd/{daemon}")
        for number, end in enumerate(self.ends, 1):
            self.ip(end, f"addr add 10.77.0.{number}/24 dev path0")
            self.ip(end, "link set lo up")
            self.ip(end, "link set path0 up")
        self.start_forwarder()

    def ip(self, end, command, *more):
        with inside(end):
            subprocess.run(["ip", *command.split(), *more], check=True, pass_fds=self.ends,
                           timeout=PATIENCE_S)

    def at_daemon(self):
        return inside(self.ends[0])

    def at_worker(self):
        return inside(self.ends[1])

    def cut(self, rng):
        """At either end: a worker finds no way at once, or finds nobody at the other end."""
        self.down = rng.choice(self.ends)
        self.ip(self.down, "link set path0 down")

    def heal(self):
        self.ip(self.down, "link set path0 up")

    def close(self):
        self.stop_forwarder()
        for end in self.ends:
            os.close(end)


class Proxy(Path):
    host = "127.0.0.1"

    def __init__(self):
        self.daemon_port, self.port = free_port(), free_port()
        self.start_forwarder()

    def at_daemon(self):
        return contextlib.nullcontext()

    def at_worker(self):
        return contextlib.nullcontext()

    def cut(self, rng):
        """Nothing goes through, and nobody says so."""
        self.forwarder.send_signal(signal.SIGSTOP)

    def heal(self):
        self.forwarder.send_signal(signal.SIGCONT)

    def close(self):
        self.stop_forwarder()


def best():
    """Namespaces where they can be had; says aloud when they cannot."""
    try:
        return Veth()
    except (OSError, subprocess.SubprocessError) as why:
        print(f"NO NETWORK NAMESPACES HERE ({why}): the path is cut by stopping a proxy",
              file=sys.stderr, flush=True)
        return Proxy()
