#!/usr/bin/python3
"""Says which lines and functions of the house its unit tests and the made-up worlds run: docs/coverage.md.

tools/coverage.py                 builds, runs all of them, writes the page; fails when a function of HOUSE never runs
tools/coverage.py --no-page       the same without the page
tools/coverage.py --only FOLDER   of what has been run so far: this folder, file by file, and what of it never ran
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys

import mutants

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-cov"
PAGE = ROOT / "docs" / "coverage.md"
# What decides, and what must not lose anything: every function of it runs. What job/spec/ reads and says is tested by
# bodies that are sent to a daemon (tests/api).
HOUSE, BUT = ("job/", "dispatch/", "log/", "store/project.c"), "job/spec/"
FOLDERS = ("job/", "dispatch/", "log/", "store/", "tuner/")
SIM = "sim"
STORE_TESTS = ("test_outbox", "test_retain", "test_store", "test_store_faults", "test_store_groups", "test_store_leases",
               "test_store_safety", "test_store_strangers")
TESTS = sorted({*STORE_TESTS, *(test.split()[0] for tests in mutants.SUBJECTS.values() for test in tests)} - {SIM})
BATCH = 100  # files for one run of gcov

HEAD = """# Coverage

What the unit tests of these folders and the made-up worlds of `tests/sim/golden` and `tests/sim/regressions` run of them; the black-box tests of `tests/api` come on
top and are not counted. A line that runs is not yet a line that is tested: that is what `tools/mutants.py` is for
([docs/promises.md](promises.md#tests-that-hold)). Made by `tools/coverage.py`, which fails when a function of `job/`, `dispatch/`, `log/` or
`store/project.c` never runs. Of `job/spec/`, `store/` and `tuner/` the rest is for the black-box tests: bodies and files that people send, and a real daemon.

| folder | lines | run | functions | run |
|---|---|---|---|---|
"""


def must(*command, where=ROOT):
    done = subprocess.run([str(part) for part in command], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:])
    return done.stdout


def run_all():
    if not (BUILD / "build.ninja").exists():
        must("meson", "setup", BUILD, ROOT, "-Db_coverage=true", "-Dbuildtype=debugoptimized")
    must("ninja", "-C", BUILD, *(f"tests/{name}" for name in (*TESTS, SIM)))
    for old in BUILD.rglob("*.gcda"):
        old.unlink()
    for test in TESTS:
        must(BUILD / "tests" / test, "--tap=/dev/null", where=BUILD)
    for worlds in ("golden", "regressions"):
        must(BUILD / "tests" / SIM, f"--{worlds}", ROOT / "tests" / "sim" / worlds)


class File:
    """Lines and functions of one source, and how often each ran."""

    def __init__(self):
        self.lines, self.functions = collections.Counter(), collections.Counter()

    def add(self, found):
        for line in found["lines"]:
            self.lines[line["line_number"]] += line["count"]
        for function in found["functions"]:
            self.functions[function["name"]] += function["execution_count"]

    def never(self):
        return sorted(name for name, count in self.functions.items() if count == 0)


def read():
    """Every source of ours that was compiled, and what of it ran."""
    files = collections.defaultdict(File)
    notes = sorted(BUILD.rglob("*.gcno"))
    for i in range(0, len(notes), BATCH):
        done = subprocess.run(["gcov", "--json-format", "--stdout", *notes[i : i + BATCH]], cwd=BUILD, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True)
        for line in done.stdout.splitlines():
            for found in json.loads(line)["files"]:
                path = os.path.relpath(BUILD / found["file"], ROOT)
                if path.startswith(FOLDERS):
                    files[path].add(found)
    return files


def row(name, files):
    lines = [count > 0 for file in files for count in file.lines.values()]
    functions = [count > 0 for file in files for count in file.functions.values()]
    share = lambda ran: f"{100 * sum(ran) / len(ran):.1f} %" if ran else "-"
    return f"| `{name}` | {len(lines)} | {share(lines)} | {len(functions)} | {share(functions)} |\n"


def by_folder(files):
    folders = collections.defaultdict(list)
    for path, file in files.items():
        folders[f"{pathlib.Path(path).parent}/"].append(file)
    rows = "".join(row(folder, folders[folder]) for folder in sorted(folders))
    return rows + row("all", files.values()) + row("store/project.c", [files["store/project.c"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("--only", metavar="FOLDER")
    options = parser.parse_args()
    if options.only is None:
        run_all()
    files = read()
    if options.only is not None:
        for path in sorted(path for path in files if path.startswith(options.only)):
            print(row(path, [files[path]]).strip(), *files[path].never())
        return 0
    if not options.no_page:
        PAGE.write_text(HEAD + by_folder(files), encoding="utf-8")
    never = [f"{path}: {name}" for path in sorted(files) if path.startswith(HOUSE) and not path.startswith(BUT)
             for name in files[path].never()]
    print(*never, sep="\n", end="\n" if never else "")
    print(f"coverage: {len(never)} functions of {', '.join(HOUSE)} but not {BUT} never run")
    return 1 if never else 0


if __name__ == "__main__":
    sys.exit(main())
