"""The package as such: what importing it costs, and its types against the daemon's OpenAPI document."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import typing
import unittest

from kit import PACKAGE, ROOT
from patience import PATIENCE_S
from typed import OF, SCHEMAS, members

import narrowd

USED = "import narrowd; narrowd.Client, narrowd.Evaluator, narrowd.search, narrowd.measure"
ATTEMPTS = 5
IMPORT_S = 0.1


class Package(unittest.TestCase):
    def test_types_are_those_of_the_document(self):
        for name, hint in OF.items():
            with self.subTest(name):
                self.assertIsNone(members(hint, SCHEMAS[name]))

    def test_the_comparison_sees_faults(self):
        schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": ["integer", "null"]}}}
        right = typing.TypedDict("right", {"a": int | None})
        self.assertIsNone(members(right, schema))
        for wrong in ({"a": int}, {"a": int | str | None}, {"a": float | None}, {"b": int | None}, {},
                      {"a": typing.NotRequired[int | None]}, {"a": list[int] | None}, {"a": typing.Literal[1] | None}):
            self.assertIsNotNone(members(typing.TypedDict("wrong", wrong), schema), wrong)

    def test_importing_needs_the_standard_library_alone(self):
        for code in ("import narrowd", USED):
            subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(PACKAGE)!r}); {code}"],
                           check=True)

    def test_importing_costs_little(self):
        """In CPU time, without the interpreter's own; the least of some attempts, for others work here, too, and the first one
        compiles what an installed package has compiled."""
        program = f"import time; started = time.process_time(); {USED}; print(time.process_time() - started)"
        compiled = self.enterContext(tempfile.TemporaryDirectory())
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        spent = [float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment).stdout)
                 for _ in range(ATTEMPTS)]
        self.assertLessEqual(min(spent), IMPORT_S)

    def test_the_demo(self):
        """It leaves no daemon behind, and its other words are the daemon's."""
        with tempfile.TemporaryDirectory() as home:
            run = [sys.executable, "-S", "-m", "narrowd"]
            environment = {**os.environ, "NARROWD_HOME": home}
            done = subprocess.run([*run, "demo"], check=True, env=environment, capture_output=True, text=True)
            self.assertRegex(done.stdout, r"(?s)\d times smaller.*\n  in +\d bits.*\n  middle .*\n  out ")
            self.assertIn("20 of 20 trials, completed", done.stderr)
            self.assertIsNone(narrowd.Server(home).pid())
            self.look_again(done.stderr, home)
        version = subprocess.run([*run, "--version"], check=True, capture_output=True, text=True).stdout
        self.assertEqual(version, subprocess.run([os.environ["NARROWD_BIN"], "--version"], capture_output=True, text=True).stdout)

    def look_again(self, said, home):
        """By the command that was printed, but for where it listens: others may have that port."""
        command, job = re.search(r"has ended: (.+) and then, beside it, narrow show (\w+),", said).groups()
        url = f"unix:{home}/look.sock"
        daemon = subprocess.Popen([*shlex.split(command), "--listen", url], stderr=subprocess.DEVNULL)
        try:
            self.assertEqual(narrowd.Client(url).job(job).get()["state"], "completed")
        finally:
            daemon.terminate()
            daemon.wait()

    def test_looking_again_as_the_page_shows_it(self):
        """docs/python.md runs a search, and then the daemon on its data; but for where that listens."""
        page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
        search, = re.findall(r"^```sh\n(cat >tune.py .*?)^```$", page, re.M | re.S)
        look, = re.findall(r"^```sh \(not run: does not end\)\n(.*?)^```$", page, re.M | re.S)
        daemon, show = (re.sub(" *#.*", "", line) for line in look.splitlines())
        ways = [show, *(show.replace("show", word) for word in re.search("or (best), (trials), (why)$", look, re.M).groups())]
        ways[-1] += " fc1"
        with tempfile.TemporaryDirectory() as home:
            url = f"unix:{home}/look.sock"
            environment = {name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "NARROWD_HOME")}
            programs = [os.path.dirname(os.environ[name]) for name in ("NARROWD_BIN", "NARROW_BIN")]
            environment.update(HOME=home, PATH=":".join([*programs, environment["PATH"]]))
            script = "\n".join(["set -eu", search, f"{daemon} --listen {url} &", "trap 'kill $!; wait' EXIT", f"export NARROWD_URL={url}",
                                "for _ in $(seq 600); do narrow strategies >strategies && break; sleep 0.1; done", *(f"{way} || test $? -eq 5" for way in ways)])
            done = subprocess.run(["bash", "-s"], input=script, cwd=home, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("completed", "times as fast", "In the best config"):
            self.assertIn(word, done.stdout)

    def test_every_name_is_there(self):
        self.assertGreater(len(narrowd.__all__), 10)
        for name in narrowd.__all__:
            self.assertEqual(getattr(narrowd, name).__name__, name)
        with self.assertRaises(AttributeError):
            narrowd.nothing  # noqa: B018


if __name__ == "__main__":
    unittest.main()
