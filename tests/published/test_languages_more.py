"""The evaluators of examples/languages in Go and for PyTorch, which are installed for `tools/test --all` alone."""

import os
import pathlib
import socket
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/api"))
from jobkit import wait_until  # noqa: E402
from language_kit import EXAMPLE, LanguageCase  # noqa: E402
from packages import python_with  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Languages(LanguageCase):
    def start(self, *command, **more):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **more)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_go(self):
        program, port = self.place / "evaluator", free_port()
        subprocess.run(["go", "build", "-o", program, EXAMPLE / "evaluator.go", EXAMPLE / "network.go"], check=True,
                       env={**os.environ, "GOCACHE": str(self.place / "cache"), "GOPROXY": "off"})
        process = self.start(program, EXAMPLE / "model.json", f"127.0.0.1:{port}")
        wait_until(lambda: answers(port) or self.assertIsNone(process.poll()))
        url = f"http://127.0.0.1:{port}"
        self.check_search({"url": url})
        self.check_errors({"url": url})
        self.check_one_at_a_time(port)
        self.check_length("evaluator.go")

    def test_torch(self):
        python = python_with(self.place, "torch==2.13.0", "numpy")
        process = self.start(python, "-B", EXAMPLE / "evaluator_torch.py", "0", stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": str(ROOT / "clients/python")})
        self.addCleanup(process.stdout.close)
        url = process.stdout.readline().split()[-1]
        self.check_search({"url": url})
        self.check_errors({"url": url})
        self.check_length("evaluator_torch.py")


if __name__ == "__main__":
    unittest.main()
