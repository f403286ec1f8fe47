"""What the tests of the command line share: running it, and a server that can break the contract.

NARROW_BIN names the program.
"""

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import unittest

from patience import PATIENCE_S
from scripted import Reply, Server

NARROW = os.environ["NARROW_BIN"]
JOB = "job_01JD9W3V8Q5T0Z6K4M2N7P1R3X"
PROBLEM = {"Content-Type": "application/problem+json"}

OK, NOT_MET, USAGE, REFUSED, UNREACHABLE, KEEP = range(6)


def job(state="running", measured=0, best=None, **members):
    document = {
        "id": JOB,
        "name": "resnet50-int8",
        "labels": {},
        "state": state,
        "created_at": "2026-03-02T09:00:00.000Z",
        "started_at": "2026-03-02T09:00:00.021Z",
        "finished_at": None,
        "strategy": "basic",
        "quant_level": 1,
        "budget": {
            "max_trials": 100, "timeout": 0, "trials_measured": measured,
            "elapsed_s": 3.0 * measured,
        },
        "progress": {"stage": "fallback", "asked": measured, "told": measured, "failed": 0},
        "criterion": {
            "higher_is_better": True, "criterion": "relative", "tolerable_loss": 0.01,
            "bound": 0.753489,
        },
        "objective": [{"metric": "latency_ms", "weight": 1, "direction": "min"}],
        "baseline": {"trial": 0, "accuracy": 0.7611, "metrics": {"latency_ms": 28.4}},
        "best": best,
        "exit": None,
        "warnings": [],
        "evaluator": {"url": "http://127.0.0.1:9001"},
    }
    if state in ("completed", "failed", "cancelled"):
        document["exit"] = {"reason": "criterion_met", "detail": "trial 23 meets it"}
    document.update(members)
    return document


def best_trial(feasible):
    return {
        "trial": 23, "feasible": feasible, "accuracy": 0.7543, "accuracy_loss": 0.0089,
        "objective_value": 12.3, "speedup": 2.309, "gain": 0.5669,
    }


def problem(status, name, title, detail, **members):
    kind = f"urn:narrowd:problem:{name}"
    document = {"type": kind, "title": title, "status": status, "detail": detail, **members}
    return Reply(status, json.dumps(document).encode(), PROBLEM)


class CliTest(unittest.TestCase):
    def serve(self, answer, **kwargs):
        server = Server(answer if callable(answer) else lambda _: answer, **kwargs)
        self.addCleanup(server.stop)
        return server

    def serve_in_turn(self, *answers):
        """One answer after the other; asking once more is an error that a test sees."""
        turns = iter(answers)
        return self.serve(lambda _: next(turns, Reply(500, b"one request too many")))

    def environment(self, server, **variables):
        url = server.url if isinstance(server, Server) else server
        mine = {k: v for k, v in os.environ.items() if not k.startswith("NARROWD_")}
        return {**mine, "NARROWD_URL": url, "TERM": "xterm", **variables}

    def narrow(self, server, *arguments, stdin=b"", env=None, stdout=subprocess.PIPE):
        done = subprocess.run(
            [NARROW, *arguments], input=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False,
            env=self.environment(server, **(env or {})), timeout=PATIENCE_S,
        )
        done.out = (done.stdout or b"").decode()
        done.errors = done.stderr.decode()
        return done

    def runs(self, code, server, *arguments, **kwargs):
        """Runs it, expects that exit code, returns standard output; 0 and 1 mean no errors."""
        done = self.narrow(server, *arguments, **kwargs)
        self.assertEqual(done.returncode, code, done.errors)
        if code in (OK, NOT_MET, KEEP):
            self.assertEqual(done.errors, "")
        return done.out

    def fails(self, code, server, *arguments, **kwargs):
        """Runs it, expects that exit code and silence on standard output, returns the errors."""
        done = self.narrow(server, *arguments, **kwargs)
        self.assertEqual((done.returncode, done.out), (code, ""), done.errors)
        self.assertTrue(done.errors.startswith("narrow: "), done.errors)
        return done.errors

    def on_terminal(self, server, columns, *arguments, seen=lambda output, process: None, **environment):
        """Runs it on a terminal of that width; returns (exit code, what was written).

        `seen` is told meanwhile what has been written so far.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [NARROW, *arguments], stdin=slave, stdout=slave, stderr=slave,
            env=self.environment(server, **environment),
        )
        os.close(slave)
        output = b""
        with contextlib.suppress(OSError):
            while part := os.read(master, 65536):
                output += part
                seen(output.decode(errors="replace"), process)
        os.close(master)
        return process.wait(PATIENCE_S), output.decode()
