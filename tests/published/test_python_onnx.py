"""narrowd.onnx under the published ONNX Runtime, on networks that ship in a package; the cases are in onnx_cases.py,
onnx_command_cases.py, onnx_search_cases.py and onnx_odd_cases.py, and what docs/python.md and docs/python-reference.md show is run.

The packages come from the index, into a virtual environment that is thrown away; so this is run by
`tools/test --all` alone. There the types of the whole Python package are checked, too, by mypy.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from packages import python_with

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parents[1] / "clients/python"
PACKAGES = ("onnxruntime==1.32.0", "onnx==1.23.2", "onnx_ir==1.1.0", "pillow==13.0.0", "mypy==2.4.1")
NETWORKS = ("rapidocr-onnxruntime==1.4.4", "openwakeword==0.4.0")  # whose own needs are not ours

TQDM = "tqdm==4.70.1"  # not beside the others, whose cases read lines

# Goes on with 14 trials of 25, and measures another.
BAR = """
import unittest.mock
from narrowd.progress import Progress

with Progress(True) as shown:
    for measured, now in ((14, 0.0), (15, 3.0)):
        with unittest.mock.patch("time.monotonic", lambda: now):
            shown.update({"state": "running", "exit": None, "best": None, "warnings": [], "budget": {"trials_measured": measured, "max_trials": 25},
                          "progress": {"failed": 0, "stage": "sgp", "stage_words": "what is best"}})
        shown.measuring("evaluate", {"seen": 3, "total": 9})
"""

# What the page takes for granted before each of its scripts.
PREAMBLES = ("""
import directions
(images, labels), calibration = (directions.IMAGES, directions.LABELS), directions.pictures(2, directions.CALIBRATION)[0]
""", """
import directions, onnxruntime
from onnx_cases import Loader
loader = Loader()
def evaluate(model):
    return directions.accuracy(onnxruntime.InferenceSession(model.SerializeToString()))
""")


class UnderOnnxRuntime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.python = python_with(cls.place, *PACKAGES)
        subprocess.run([cls.python, "-m", "pip", "install", "-q", "--no-deps", *NETWORKS], check=True)

    def run_python(self, *arguments):
        done = subprocess.run(
            [self.python, *arguments], cwd=PACKAGE, check=False, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": f"{PACKAGE}:{HERE}:{HERE.parent / 'api'}", "PYTHONDONTWRITEBYTECODE": "1"})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_cases(self):
        for cases, fewest in (("onnx_cases", 10), ("onnx_command_cases", 6), ("onnx_search_cases", 8), ("onnx_odd_cases", 3)):
            output = self.run_python("-m", "unittest", cases)
            self.assertGreaterEqual(int(re.search(r"^Ran (\d+) tests", output, re.M)[1]), fewest)

    def test_its_page(self):
        """All that both pages show of ONNX, as a reader does it, with the package installed from a copy of the tree."""
        text = "".join((PACKAGE.parents[1] / "docs" / name).read_text(encoding="utf-8") for name in ("python.md", "python-reference.md"))
        shell = re.findall(r"^```sh \(not run: needs packages of the index\)\n(.*?)^```$", text, re.M | re.S)
        scripts = [block for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
                   if "narrowd.onnx" in block or "narrowd.inc" in block]
        self.assertEqual((len(shell), len(scripts)), (4, 2))
        page = pathlib.Path(self.place)  # where the `venv` is that the page would make
        shutil.copytree(PACKAGE, page / "clients/python", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        (page / "module.py").write_text("from directions import accuracy as evaluate\n")
        (page / "recipe.json").write_text('{"quantize_static": {"calibrate_method": "MinMax", "op_types_to_quantize": ["Conv"]}}')
        lines = ["set -e", "python -B \"$KIT/directions.py\" in.onnx data.npz", *shell[:3]]
        for number, script in enumerate(scripts):
            (page / f"{number}.py").write_text(PREAMBLES[number] + script)
            lines.append(f"rm -f out.onnx; python -B {number}.py; test -s out.onnx")
        lines += ["rm out.onnx", shell[3], "test -s out.onnx", "pip uninstall -q -y narrowd"]
        keep = "tune in.onnx --calib data.npz --eval module:evaluate --out out.onnx"  # what is gained is the machine's business
        other = "--tolerable-loss 0.03"
        self.assertEqual((shell[1].count(keep), shell[2].count(other)), (1, 1))
        done = subprocess.run(
            ["bash", "-s"], input="\n".join(lines).replace(keep, f"{keep} || test $? -eq 5").replace(other, f"{other} || test $? -eq 5"), cwd=page, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{pathlib.Path(self.python).parent}:{os.environ['PATH']}", "KIT": str(HERE), "PYTHONPATH": str(HERE),
                 "NARROWD_HOME": str(page / "home")})
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("by the trials: ", done.stdout)

    def test_the_bar_of_a_call_that_goes_on(self):
        """It forecasts by the trials of its own process."""
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run([python_with(place, TQDM), "-c", BAR], env={**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONIOENCODING": "utf-8"}, check=True,
                                  text=True, stderr=subprocess.PIPE)
        lines = [re.sub(r"\[\d\d:\d\d", "[", re.sub(r"\|.*\|", "|", line)).strip() for line in re.split(r"[\r\n]+", done.stderr)]
        self.assertEqual([line for line in lines if line][1:], [
            "running: what is best:  56%| 14/25 trials []", "measuring 3 of 9:  56%| 14/25 trials []",
            "running: what is best:  60%| 15/25 trials [, about 30 s left]", "measuring 3 of 9:  60%| 15/25 trials []",
            "measuring 3 of 9:  60%| 15/25 trials []"])

    def test_types(self):
        self.assertIn("Success", self.run_python("-m", "mypy", "--cache-dir", self.place, "-p", "narrowd"))


if __name__ == "__main__":
    unittest.main()
