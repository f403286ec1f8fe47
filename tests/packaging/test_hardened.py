"""The service's sandbox, and the script that says how programs were built."""

import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import jobkit  # noqa: E402
from daemon import Daemon  # noqa: E402

UNIT = ROOT / "packaging" / "narrowd.service.in"
MOST_EXPOSED = 1.2
SOURCE = """
#include <stdio.h>
#include <string.h>
int main(int count, char **words)
{
	char text[64];
	strncpy(text, words[0], (size_t)count * 7);
	return printf("%s", text) < 0;
}
"""
FLAGS = ["-O2", "-fPIE", "-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-fstack-protector-strong",
         "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]
# Runs the rest of the command where only these system calls are possible; the others fail with EPERM.
SANDBOX = """
import errno, os, sys, seccomp
allowed = sys.argv[1].split(",")
filter = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
for name in allowed:
    try:
        filter.add_rule(seccomp.ALLOW, name)
    except RuntimeError:
        pass  # of another architecture
filter.load()
os.execv(sys.argv[2], sys.argv[2:])
"""


def settings(name):
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


class Hardened(unittest.TestCase):
    def check(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "a.c").write_text(SOURCE)
            subprocess.run(["gcc", *flags, "-o", f"{folder}/a", f"{folder}/a.c"], check=True, capture_output=True)
            done = subprocess.run([ROOT / "tools" / "hardened", f"{folder}/a"], capture_output=True, text=True)
        return done.returncode, done.stdout

    def test_the_script_sees_what_is_missing(self):
        self.assertEqual(self.check(*FLAGS)[0], 0, self.check(*FLAGS)[1])
        for without, instead, said in (
                (("-fPIE", "-pie"), ("-fno-pie", "-no-pie"), "position independence"),
                (("-Wl,-z,relro",), ("-Wl,-z,norelro",), "relro"), (("-Wl,-z,now",), ("-Wl,-z,lazy",), "-z now"),
                (("-Wl,-z,noexecstack",), ("-Wl,-z,execstack",), "not executable"),
                (("-fstack-protector-strong",), ("-fno-stack-protector",), "canaries"),
                (("-D_FORTIFY_SOURCE=3",), (), "sizes of buffers"),
                ((), ("-Wl,-rpath,/tmp/lib",), "run path")):
            code, out = self.check(*[flag for flag in FLAGS if flag not in without], *instead)
            self.assertEqual(code, 1, said)
            self.assertRegex(out, rf"lacks .*{said}")

    def test_no_core_files_and_no_tracing(self):
        with tempfile.TemporaryDirectory() as directory:
            before = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)
            with Daemon(directory) as daemon:
                limits = pathlib.Path(f"/proc/{daemon.process.pid}/limits").read_text()
                self.assertRegex(limits, r"Max core file size +0 +0 ")
                status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
                self.assertRegex(status, r"NoNewPrivs:\s+1")


class Unit(unittest.TestCase):
    def test_its_exposure(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder, "narrowd.service")
            for text, fits in ((UNIT.read_text().replace("@bindir@", "/usr/bin"), True),
                               (re.sub(r"^(Protect|Private|System).*$", "", unit_text(), flags=re.MULTILINE), False)):
                unit.write_text(text)
                done = subprocess.run(["systemd-analyze", "security", "--offline=true",
                                       f"--threshold={int(MOST_EXPOSED * 10)}", unit],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode == 0, fits, done.stdout + done.stderr)

    def test_metadata_services_are_out_of_reach(self):
        self.assertEqual(settings("IPAddressDeny"), ["169.254.0.0/16 fe80::/10"])
        self.assertEqual(settings("LimitCORE"), ["0"])

    def allowed(self):
        """The system calls that the unit's filters leave."""
        calls = set()
        for rule in settings("SystemCallFilter"):
            names = set()
            for word in rule.lstrip("~").split():
                names |= self.expand(word)
            calls = calls - names if rule.startswith("~") else calls | names
        return calls

    def expand(self, word):
        if not word.startswith("@"):
            return {word}
        listed = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
        names = re.findall(r"^ +([@a-z0-9_-]+)$", listed.stdout, re.MULTILINE)
        return set().union(*(self.expand(name) for name in names))

    def test_it_can_work_with_the_system_calls_that_are_left(self):
        allowed = self.allowed()
        self.assertIn("epoll_wait", allowed)
        self.assertNotIn("ptrace", allowed)
        self.assertNotIn("setrlimit", allowed)
        with tempfile.TemporaryDirectory() as directory:
            runner = pathlib.Path(directory, "narrowd")
            runner.write_text(f"#!/bin/sh\nexec /usr/bin/python3 -c '{SANDBOX}' {','.join(sorted(allowed | {'execve'}))} "
                              f"{os.environ['NARROWD_BIN']} \"$@\"\n")
            runner.chmod(0o755)
            own = os.environ["NARROWD_BIN"]
            os.environ["NARROWD_BIN"] = str(runner)
            self.addCleanup(os.environ.__setitem__, "NARROWD_BIN", own)
            os.mkdir(f"{directory}/data")
            evaluator = jobkit.Evaluator()
            self.addCleanup(evaluator.close)
            # A sanitizer at the end of a process wants to trace it.
            os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
            with Daemon(f"{directory}/data") as daemon:
                status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
                self.assertRegex(status, r"Seccomp:\s+2")
                job = jobkit.submit(daemon, jobkit.body(evaluator.url))
                self.assertEqual(jobkit.finished(daemon, job)["state"], "completed")
                daemon.restart()
                self.assertEqual(jobkit.get(daemon, f"/v1/jobs/{job}")["state"], "completed")
            self.assertNotIn("Operation not permitted", daemon.log())


def unit_text():
    return UNIT.read_text().replace("@bindir@", "/usr/bin")


if __name__ == "__main__":
    unittest.main()
