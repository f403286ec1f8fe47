"""The evaluator of the example model, running."""

import os
import signal
import subprocess

from patience import PATIENCE_S


class Evaluator:
    def __init__(self, *options):
        self.options = options
        self.process = None
        self.url = None

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.environ["DIGITS_EVALUATOR"], "--port", "0", *self.options],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert "listening on http://" in line, line
        self.url = line.split()[-1]
        return self

    def __exit__(self, *args):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        self.process.wait(PATIENCE_S)
