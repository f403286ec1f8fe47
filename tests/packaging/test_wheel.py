"""The wheel in a root that has Python and no library of ours: it brings the daemon, and needs nothing from an index."""

import pathlib
import re
import subprocess
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_BYTES = 15_000_000


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.wheel = pathlib.Path(run("tools/wheel", cls.folder).split()[-1])

    def test_its_size_and_its_name(self):
        self.assertLessEqual(self.wheel.stat().st_size, LIMIT_BYTES)
        self.assertRegex(self.wheel.name, r"^narrowd-[\d.]+-py3-none-manylinux_2_\d+_x86_64\.whl$")
        with zipfile.ZipFile(self.wheel) as wheel:
            self.assertIn("narrowd/licenses/libsqlite3-0", wheel.namelist())
            self.assertNotIn("libdnnl.so", "".join(wheel.namelist()))

    def test_in_a_bare_root(self):
        """What Python itself needs of our libraries is taken out of the linker's sight, so that the daemon has its own alone."""
        said = run("tools/minbase", "--network", f"""
            apt-get update -q >/dev/null
            apt-get install -y -q --no-install-recommends python3-venv >/dev/null
            python3 -m venv /opt/v
            cd /tmp
            /opt/v/bin/pip install -q --no-index /given/{self.wheel.name}
            place=$(/opt/v/bin/python -c 'import narrowd, os; print(os.path.dirname(narrowd.__file__))')
            for program in narrowd narrow; do /lib64/ld-linux-x86-64.so.2 --list $place/bin/$program; done
            /opt/v/bin/python -m narrowd demo 2>/dev/null
            ls ~/.cache/narrowd/data/
            /opt/v/bin/narrow --version
            /opt/v/bin/narrowd --version
        """, self.folder)
        found = re.findall(r"^\s+\S+ => (\S+)", said, re.MULTILINE)
        self.assertGreater(len(found), 20)
        for path in found:
            self.assertRegex(path, r"^(/opt/v/|/lib/[^/]+/(libc|libm|libdl|librt|libpthread|libresolv)\.so)")
        self.assertNotIn("not found", said)
        self.assertRegex(said, r"(?s)\nsearching for .*smaller.*\n  in .*bits.*\n.*narrowd\.db.*narrow \d.*narrowd \d")


if __name__ == "__main__":
    unittest.main()
