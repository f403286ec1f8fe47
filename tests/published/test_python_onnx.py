"""narrowd.onnx under the published ONNX Runtime, on networks that ship in a package; the cases are in onnx_cases.py.

The packages come from the index, into a virtual environment that is thrown away; so this is run by
`tools/test --all` alone. There the types of the whole Python package are checked, too, by mypy.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from packages import python_with

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parents[1] / "clients/python"
PACKAGES = ("onnxruntime==1.32.0", "onnx==1.23.2", "onnx_ir==1.1.0", "pillow==13.0.0", "mypy==2.4.1")
NETWORKS = "rapidocr-onnxruntime==1.4.4"  # whose own needs are not ours


class UnderOnnxRuntime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.python = python_with(cls.place, *PACKAGES)
        subprocess.run([cls.python, "-m", "pip", "install", "-q", "--no-deps", NETWORKS], check=True)

    def run_python(self, *arguments):
        done = subprocess.run(
            [self.python, *arguments], cwd=PACKAGE, check=False, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": f"{PACKAGE}:{HERE}", "PYTHONDONTWRITEBYTECODE": "1"})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_cases(self):
        output = self.run_python("-m", "unittest", "onnx_cases")
        self.assertGreaterEqual(int(re.search(r"^Ran (\d+) tests", output, re.M)[1]), 10)

    def test_types(self):
        self.assertIn("Success", self.run_python("-m", "mypy", "--cache-dir", self.place, "-p", "narrowd"))


if __name__ == "__main__":
    unittest.main()
