"""docs/two-machines.md, as it stands: two roots that have nothing but what is essential, the bundle, and what that page
says that a machine needs, each in a network namespace of its own. Only `scp` is done by this test."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
from patience import PATIENCE_S  # noqa: E402
from test_bundle import Bundled  # noqa: E402

PAGE = (ROOT / "docs" / "two-machines.md").read_text()
STEP = re.compile(r"^```sh \(not run: on (\S+), by tests/packaging\)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Debian's essential packages lack these two.
NEEDED = ("openssl", "xz")
ADDRESSES = {"tuner.lab": "10.78.0.1", "gpu1": "10.78.0.2"}


class Machine:
    """A shell in a bare root with a network of its own."""

    def __init__(self, folder):
        self.count = 0
        self.shell = subprocess.Popen([ROOT / "tools" / "minbase", "cd; exec sh -eu", folder], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.run(":")  # what follows has its root
        children = pathlib.Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text().split()
        [self.pid] = children
        self.root = pathlib.Path(f"/proc/{self.pid}/root")
        self.home = self.root / "root"
        self.have_tools()

    def have_tools(self):
        """With their libraries where only they look."""
        apart = self.root / "opt" / "apart"
        apart.mkdir()
        for name in NEEDED:
            program = shutil.which(name)
            for library in re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout):
                if "/libc.so" not in library:
                    shutil.copy(library, apart)
            shutil.copy(program, apart / name)
            wrapper = self.root / "usr" / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH=/opt/apart exec /opt/apart/{name} "$@"\n')
            wrapper.chmod(0o755)
        (self.root / "usr" / "lib" / "ssl").mkdir()
        shutil.copy("/etc/ssl/openssl.cnf", self.root / "usr" / "lib" / "ssl")

    def run(self, text):
        """In the one shell of this machine, as when somebody pastes it; what it says."""
        self.count += 1
        end = f"step {self.count} is over"
        if self.count == 1:
            self.shell.stdin.write(f"{text}\necho '{end}'\n")
        else:
            (self.root / "tmp" / "step").write_text(text)
            self.shell.stdin.write(f". /tmp/step </dev/null\necho '{end}'\n")
        self.shell.stdin.flush()
        said = []
        for line in self.shell.stdout:
            if line.rstrip() == end:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"{text}\nsaid:\n{''.join(said)}")

    def close(self):
        self.shell.stdin.close()
        self.shell.stdout.read()
        self.shell.wait(PATIENCE_S)
        self.shell.stdout.close()


def join(machines):
    """A cable between the two, and names on both."""
    (one, first), (other, second) = machines.items()
    subprocess.run(["ip", "link", "add", "cable", "netns", str(first.pid), "type", "veth", "peer", "name", "cable",
                    "netns", str(second.pid)], check=True)
    for name, machine in machines.items():
        inside = ["nsenter", f"--net=/proc/{machine.pid}/ns/net", "ip"]
        subprocess.run([*inside, "address", "add", f"{ADDRESSES[name]}/24", "dev", "cable"], check=True)
        subprocess.run([*inside, "link", "set", "cable", "up"], check=True)
        (machine.root / "etc" / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{address} {host}\n" for host, address in ADDRESSES.items()))


class WalkThrough(Bundled):
    def setUp(self):
        self.machines = {}
        for name in ADDRESSES:
            self.machines[name] = Machine(self.folder.name)
            self.addCleanup(self.machines[name].close)
        self.tuner, self.worker = self.machines.values()
        join(self.machines)
        for home in (machine.home for machine in self.machines.values()):
            (home / "new").mkdir()
            shutil.copy(self.archive, home / "new")
        shutil.copy(self.archive, self.tuner.home)

    def copy(self, text):
        """What `scp` would."""
        *names, target = shlex.split(text)[1:]
        to = self.machines[target.removesuffix(":")].home
        for name in names:
            [path] = self.tuner.home.glob(name)
            shutil.copy(path, to)

    def steps(self, heading):
        """Those below it, in order."""
        [text] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
        said = ""
        for machine, step in STEP.findall(text):
            self.taken += 1
            if step.startswith("scp "):
                self.copy(step)
            else:
                said += self.machines[machine].run(step)
        return said

    def jobs(self):
        said = json.loads(self.tuner.run("narrow --server unix:data/control.sock jobs --json"))
        return {job["name"]: job for job in said["items"]}

    def test_every_step(self):
        self.taken = 0
        self.assertIn("narrowd", self.steps("The daemon"))
        self.steps("The worker")
        self.assertIn("sgp", self.steps("Tune"))
        # Somebody measures, or a restart would prove nothing.
        until = time.monotonic() + PATIENCE_S
        while (job := self.jobs()["digits"])["state"] in ("queued", "baseline") and time.monotonic() < until:
            time.sleep(0.2)
        self.assertEqual(job["state"], "running", (self.worker.home / "worker.log").read_text())
        self.steps("Restart")
        job = self.jobs()["digits"]
        self.assertEqual(job["state"], "completed", job)
        self.steps("Back up")
        self.steps("Upgrade")
        later = self.jobs()
        self.assertEqual({name: job["state"] for name, job in later.items()}, {"digits": "completed", "after-the-upgrade": "completed"})
        self.steps("Restore")
        self.assertEqual(self.jobs(), {"digits": later["digits"]})
        self.assertEqual(self.taken, len(re.findall(r"^```", PAGE, re.MULTILINE)) // 2, "every block of the page")
        # The worker of the upgraded bundle found the daemon again, as its token lets it.
        self.worker.run("kill $WORKER; wait $WORKER")
        for log in (self.tuner.home / "narrowd.log", self.worker.home / "worker.log"):
            self.assertNotRegex(log.read_text(), r"(?i)\berror\b")


if __name__ == "__main__":
    unittest.main()
