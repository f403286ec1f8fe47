"""Prometheus' own tool reads what the daemon exposes and what is shipped for it."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
from daemon import Daemon  # noqa: E402

PROMETHEUS = ROOT / "packaging" / "prometheus"


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Promtool(unittest.TestCase):
    def test_metrics(self):
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            daemon.request("POST", "/v1/leases", {"pool": "gpu", "worker": "w"})
            text = daemon.request("GET", "/metrics")[2]
        self.assertEqual(promtool("check", "metrics", text=text), (0, ""))
        self.assertNotEqual(promtool("check", "metrics", text=text + "x_total\n")[0], 0)

    def test_rules(self):
        rules = PROMETHEUS / "narrowd.rules.yml"
        code, said = promtool("check", "rules", rules)
        self.assertEqual(code, 0, said)
        self.assertIn(f"{rules.read_text().count('alert:')} rules found", said)

    def test_configuration(self):
        with tempfile.TemporaryDirectory() as directory:
            config = pathlib.Path(directory, "prometheus.yml")
            config.write_text(f"rule_files: [{PROMETHEUS / 'narrowd.rules.yml'}]\n"
                              + (PROMETHEUS / "narrowd.scrape.yml").read_text())
            code, said = promtool("check", "config", config)
            self.assertEqual(code, 0, said)

    def test_alerts_fire(self):
        with tempfile.TemporaryDirectory() as directory:
            os.symlink(PROMETHEUS / "narrowd.rules.yml", f"{directory}/narrowd.rules.yml")
            os.symlink(pathlib.Path(__file__).with_name("alerts_test.yml"), f"{directory}/alerts_test.yml")
            code, said = promtool("test", "rules", f"{directory}/alerts_test.yml")
            self.assertEqual(code, 0, said)


if __name__ == "__main__":
    unittest.main()
