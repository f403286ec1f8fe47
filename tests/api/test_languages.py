"""The evaluators of examples/languages whose tools every machine with the tests has: each is asked by a job, to its end."""

import contextlib
import os
import signal
import subprocess
import unittest

from cli_kit import NARROW
from language_kit import CAPABILITY, EXAMPLE, LanguageCase
from patience import PATIENCE_S

POOL = {"pool": "digits"}
SLOW_TRIALS = 8  # where a measurement takes a second


class Languages(LanguageCase):
    def start(self, *command, **more):
        """Runs it until the test ends, with all that it started."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
            env={**os.environ, "NARROWD_URL": self.daemon.url}, **more)

        def end():
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        self.addCleanup(end)
        return process

    def test_javascript(self):
        process = self.start("node", EXAMPLE / "evaluator.mjs", "0", stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        url = process.stdout.readline().split()[-1]
        self.check_search({"url": url})
        self.check_errors({"url": url})
        self.check_one_at_a_time(int(url.rpartition(":")[2]))
        self.check_length("evaluator.mjs")

    def test_c(self):
        evaluator = os.environ["LANGUAGE_EVALUATOR"]
        self.start(NARROW, "worker", "--pool", "digits", "--persistent", "--", evaluator, EXAMPLE / "model.json")
        self.check_search(POOL, capability=CAPABILITY)
        self.check_errors(POOL)
        self.check_length("evaluator.c")

    def test_curl_and_jq(self):
        self.start(EXAMPLE / "worker.sh", "digits")
        self.check_search(POOL, SLOW_TRIALS, confirm=0, capability=CAPABILITY)
        self.check_errors(POOL)
        self.check_length("worker.sh")


if __name__ == "__main__":
    unittest.main()
