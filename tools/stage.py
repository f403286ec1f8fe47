"""What a stage of tools/test runs, and what came of it."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build-logs"


class Failed(Exception):
    """A stage cannot go on; the text says why."""


class Stage:
    """What one stage runs: a log file, the sanitizers' reports, and how many tests passed."""

    def __init__(self, name):
        self.name = name
        self.log = LOGS / f"{name}.log"
        self.reports = LOGS / f"{name}.reports"
        self.passed, self.failed, self.cpu = 0, 0, 0.0
        self.complaints = []
        self.reports.mkdir()

    def environment(self, more):
        path = self.reports / "report"
        return {
            **os.environ,
            "ASAN_OPTIONS": f"log_path={path}:detect_leaks=1:allocator_may_return_null=1",
            # UBSan ignores log_path in company: it must end the program to be noticed.
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
            "TSAN_OPTIONS": f"log_path={path}:second_deadlock_stack=1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def run(self, *command, **more):
        """Runs a command; returns its exit status and what it wrote."""
        with self.log.open("a", encoding="utf-8", errors="replace") as log:
            print("$", *command, file=log, flush=True)
            start = log.tell()
            done = subprocess.run(
                [str(part) for part in command],
                cwd=ROOT,
                env=self.environment(more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        with self.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(start)
            return done.returncode, log.read()

    def must(self, *command, **more):
        code, output = self.run(*command, **more)
        if code != 0:
            raise Failed("\n".join(output.splitlines()[-40:]))
        return output

    def result(self, passed, failed, complaint=""):
        self.passed += passed
        self.failed += failed
        if complaint:
            self.complaints.append(complaint)

    def close(self):
        """Any sanitizer report fails the stage, whatever the tests said."""
        for report in sorted(self.reports.iterdir()):
            lines = report.read_text(encoding="utf-8", errors="replace").splitlines()
            self.result(0, 1, f"{report}:\n" + "\n".join(lines[:30]))
