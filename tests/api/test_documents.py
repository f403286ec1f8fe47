"""The commands that the documents show are run: page by page, in a scratch directory, with a real
daemon and the real digits evaluator.

Every block that begins with ```sh is run, all blocks of a page in one shell that reads them from its
standard input, one right after the other, as when somebody pastes them: what has to be waited for, the
page waits for. A block that a test cannot run says why, as in "```sh (not run: installs packages)",
and is counted below. Only ports and absolute paths are replaced.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from patience import PATIENCE_S

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ["NARROWD_BIN"]).parent.parent
# Blocks that are not run, by page. One more is a decision to be made here.
NOT_RUN = {
    "README.md": 1,
    "CONTRIBUTING.md": 5,
    "docs/getting-started.md": 1,
    "docs/operating.md": 7,
    "docs/plugins.md": 1,
    "docs/promises.md": 5,
    # By tests/published/test_python_onnx.py (4 of both pages), tests/python/test_package.py and tests/packaging/test_wheel.py.
    "docs/python.md": 5,
    "docs/python-reference.md": 1,
    "docs/two-machines.md": 12,  # run by tests/packaging/test_walk_through.py
    "examples/digits/README.md": 3,
    "examples/languages/README.md": 3,  # tests/published/test_languages_more.py does as much
    "examples/onnxruntime/README.md": 6,  # run by tests/published/test_onnxruntime.py
}
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"sh \(not run: [^()]+\)")

PORTS = (8585, 8443, 9001, 9002)  # of the daemon, with TLS, and of two evaluators, in the pages
# The first pages of a newcomer, who reads on in the same shell.
FIRST_PAGES = ["README.md", "docs/getting-started.md"]

# What a job gains is the machine's business, which may be a busy one: with status 5 the baseline is to be kept.
JUDGES = re.compile(r"^((?:build/cli/)?narrow (?:watch|wait|best|submit|clone) [^|;&\n]*)$", re.MULTILINE)
PREAMBLE = """set -eu -o pipefail
trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT
"""
START = """build/daemon/narrowd --data-dir "$NARROWD_DATA_DIR" &
build/examples/digits/digits-evaluator --port 9001 &
curl -s --retry 60 --retry-delay 1 --retry-connrefused localhost:8585/readyz localhost:9001/healthz
"""


def pages():
    found = [path for below in ("*.md", "docs/**/*.md", "examples/**/*.md", "clients/**/*.md") for path in ROOT.glob(below)]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def blocks(page):
    """The shell blocks of a page: those to run, and how many are not."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    shell = [(head, text) for head, text in found if re.match(r"(ba|z)?sh\b|shell|console", head)]
    wrong = [head for head, _ in shell if head != "sh" and not MARK.fullmatch(head)]
    assert not wrong, f"{page}: {wrong}: sh or sh (not run: WHY) is expected"
    return [text for head, text in shell if head == "sh"], sum(head != "sh" for head, _ in shell)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Documents(unittest.TestCase):
    def scratch(self):
        """A directory that looks like the tree after a build."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        scratch = pathlib.Path(directory.name)
        for name in ("etc/narrowd", "var/backups", "var/lib/narrowd", "tmp"):
            (scratch / name).mkdir(parents=True)
        (scratch / "build").symlink_to(BUILD)
        for name in ("clients", "examples"):
            (scratch / name).symlink_to(ROOT / name)
        return scratch

    def script(self, texts, scratch, ports):
        started = any(re.search("narrowd --data-dir .* &$", text, re.MULTILINE) for text in texts)
        script = PREAMBLE + ("" if started else START)
        for number, text in enumerate(texts):
            script += JUDGES.sub(r"\1 || test $? -eq 5", text) + f"echo 'block {number} done'\n"
        for port, other in ports.items():
            script = re.sub(rf"\b{port}\b", str(other), script)
        return re.sub(r"(?<![\w.$/}])/(etc|var)/", rf"{scratch}/\1/", script)

    def run_pages(self, *names):
        texts = [text for page in names for text in blocks(page)[0]]
        scratch, ports = self.scratch(), {port: free_port() for port in PORTS}
        environment = {
            **{name: value for name, value in os.environ.items() if "NARROW" not in name},
            "NARROWD_LISTEN": f"127.0.0.1:{ports[8585]}",
            "NARROWD_DATA_DIR": str(scratch / "var/lib/narrowd"),
            "NARROWD_URL": f"http://127.0.0.1:{ports[8585]}",
            "TMPDIR": str(scratch / "tmp"),
            "XDG_CACHE_HOME": str(scratch / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{BUILD}/daemon:{BUILD}/cli:{os.environ['PATH']}",
        }
        shell = subprocess.Popen(
            ["bash", "-s"], cwd=scratch, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        try:
            output, _ = shell.communicate(self.script(texts, scratch, ports), timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            output, _ = shell.communicate()
        self.assertEqual(shell.returncode, 0, f"{names}\n{output}")
        for number in range(len(texts)):
            self.assertIn(f"block {number} done\n", output)
        return output

    def test_every_command_runs(self):
        ran = 0
        for page in pages():
            texts, _ = blocks(page)
            if texts and page != FIRST_PAGES[0]:  # the next test begins with that
                with self.subTest(page):
                    self.run_pages(page)
                    ran += len(texts)
        self.assertGreaterEqual(ran, 10)

    def test_first_pages_run_one_after_the_other(self):
        self.run_pages(*FIRST_PAGES)

    def test_what_is_not_run_is_known(self):
        left_out = {page: blocks(page)[1] for page in pages()}
        self.assertEqual({page: n for page, n in left_out.items() if n}, NOT_RUN)

    def test_commands_stand_in_blocks_that_are_run(self):
        """An indented command would escape the test."""
        for page in pages():
            text = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
            shown = re.findall(r"^    (?:narrowd?|curl|tools/|build/|meson|ninja|apt)\b.*", text, re.M)
            self.assertEqual(shown, [], page)


if __name__ == "__main__":
    unittest.main()
