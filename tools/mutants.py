#!/usr/bin/python3
"""Breaks one line at a time and sees whether a test fails: do the tests hold what they seem to hold?

tools/mutants.py                  30 mutants, drawn by the newest commit
tools/mutants.py --count 300      so many; --seed TEXT draws others
tools/mutants.py --all            every one there is: hours
tools/mutants.py --only job/order.c [--list]   those of one file; what they are
tools/mutants.py --planted        the bugs of tests/sim/planted and of tests/several/planted, each of which some world must find
tools/mutants.py --planted --only store/oplog.c   those in one file
tools/mutants.py --fits           whether these and tests/equivalent still name lines that there are
tools/mutants.py --self-test      proves that a mutant which nobody tests is called a survivor

A mutant is one place on one line of job/, dispatch/, log/ or of a file that SUBJECTS names, with another operator, another
number (but for room for two where one thing is made), another word of SQL, or without its statement. It is caught when it does not compile, when a unit test
of its folder fails, when something else comes of a made-up world than stands in tests/sim/golden, or when one of
the first worlds breaks a promise. One that cannot be
caught, since nothing depends on the place, stands in tests/equivalent with the reason; these are at most a tenth.

The tree is built once. A mutant is one object, compiled without optimizing and linked in front of the library that
has the right one, so that the library's is not taken. In unit tests it has the sanitizers that it has in tools/test, so
that a report of theirs, of memory that nobody frees for example, is a failure as it is there.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-mutants"
EQUIVALENT = ROOT / "tests" / "equivalent"
PLAY = ROOT / "tests" / "several" / "play.py"
GOLDEN = ROOT / "tests" / "sim" / "golden"
GOLDEN_FIRST = 20  # worlds that are tried before all of them: they catch most of what is caught so
COUNT = 30
# A draw of 30 says little about the last percent: it fails for what cannot be bad luck.
CAUGHT, CAUGHT_OF_FEW, FEW = 0.95, 0.80, 100
EQUIVALENT_AT_MOST = 0.10
WORLDS = 200
HANG_CPU_S, HANG_S = 5, 300  # a mutant that never ends is caught: each test takes a second at most
PLAY_CPU_S, PLAY_S = 600, 3600

# What is broken -> the tests that are to see it, the quickest first; before them comes that of the file's own name.
SIM, GOLDEN_SIM, SEVERAL = "sim", "sim --golden", "several"
PLANTED_WORLDS = {SIM: 1000, SEVERAL: 40}
SUBJECTS = {
    "job": [GOLDEN_SIM, "test_trials", "test_twins", "test_judge", "test_surer", "test_passed", "test_score", "test_next", "test_job", "test_endgame",
            "test_choice", "test_figures", "test_moved", "test_words", "test_figure_words", "test_end_words", "test_import", "test_early", "test_remark",
            "test_noise", "test_objective", "test_scores_told", SIM, "test_order"],
    "dispatch": ["test_seats", "test_breaker", "test_sched", "test_quota", "test_workers", GOLDEN_SIM, SIM],
    "log": ["test_logged", "test_next", GOLDEN_SIM, SIM],
    "space/rescored.c": ["test_rescored", "test_scores_told", GOLDEN_SIM, SIM],
    "store/project.c": ["test_project", "test_store", GOLDEN_SIM, SIM],
}
LINKER = ["-fuse-ld=gold"] if shutil.which("ld.gold") else []  # takes a fifth of the time
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]

C_CHANGES = [
    (r"(?<![<>=!+\-*/&|])==(?!=)", "!="),
    (r"!=", "=="),
    (r"(?<![<>=\-])<(?![<=])(?= )", "<="),
    (r"(?<![<>])<=", "<"),
    (r"(?<![<>=\-])>(?![>=])(?= )", ">="),
    (r"(?<![<>\-])>=", ">"),
    (r"&&", "||"),
    (r"\|\|", "&&"),
    (r"\+\+", "--"),
    (r"(?<!-)--(?!-)", "++"),
    (r" \+= ", " -= "),
    (r" -= ", " += "),
    (r"(?<=\w) \+ (?=\w)", " - "),
    (r"(?<=\w) - (?=\w)", " + "),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
    (r"(?<=[\s(])!(?=[\w(])", ""),
    (r"(?<=[ (])0(?=[;,) ])", "1"),
    (r"(?<!mem_new\()(?<=[ (])1(?=[;,) ])", "2"),  # room for one more is no fault
]
SQL_CHANGES = [
    (r"\bAND\b", "OR"),
    (r"\+ 1\b", "+ 2"),
    (r" - \(", " + ("),
    (r"<> '", "= '"),
    (r"'(told|failed|asked|leased|cancelled|pruned|measured|cache)'", "'other'"),
    (r"\?3", "?2"),
]
STATEMENT = re.compile(r"^\t+(?!\(void\)\w+;|return|break|continue|\}|case|default|int|bool|const|static|struct|json_t|char|double|size_t|int64_t|enum|else|if|for|while|do|goto)[a-z_*(].*;$")


def run(command, where=BUILD, cpu_s=HANG_CPU_S, hang_s=HANG_S, **more):
    """The exit status and what was said; an end that does not come is a failure."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    try:
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=where,
                              text=True, errors="replace", check=False, preexec_fn=limit, timeout=hang_s,
                              env={**os.environ, **more})
    except subprocess.TimeoutExpired:
        return -1, "no end"
    return done.returncode, done.stdout


class Mutant:
    """One place of one line and what is written there instead."""

    def __init__(self, path, number, line, changed):
        self.path, self.number, self.line, self.changed = path, number, line, changed
        self.name = ""

    def set_name(self, same_before):
        """Stays when lines move; of equal lines the second has another name than the first."""
        said = f"{self.path}\n{self.line.strip()}\n{self.changed.strip()}" + "\n" * same_before
        self.name = hashlib.sha256(said.encode()).hexdigest()[:10]

    def text(self):
        lines = (ROOT / self.path).read_text(encoding="utf-8").splitlines()
        lines[self.number - 1] = self.changed
        return "\n".join(lines) + "\n"

    def __str__(self):
        return f"{self.name} {self.path}:{self.number}: {self.line.strip()}  ->  {self.changed.strip() or '(nothing)'}"


def code_lines(text):
    """Numbers and lines of a C file that are code of a function or of a table: no comments, no includes."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        begins = stripped.startswith("/*")
        if begins or inside:
            inside = "*/" not in stripped
            continue
        if stripped and not stripped.startswith(("#", "_Static_assert", "//")) and "assert(" not in stripped:
            yield number, line


def split_strings(line):
    """The line with every text in quotes and every comment blanked out, so that C operators are found outside of them alone."""
    return re.sub(r'"(?:[^"\\]|\\.)*"|/\*.*', lambda m: '"' + "\0" * (len(m[0]) - 2) + '"', line)


def mutants_of(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    sql = path == "store/project.c"
    for number, line in code_lines(text):
        bare = split_strings(line)
        places = [(m, to) for pattern, to in C_CHANGES for m in re.finditer(pattern, bare) if line.startswith("\t")]
        if sql:
            places += [(m, to) for pattern, to in SQL_CHANGES for m in re.finditer(pattern, line) if '"' in line]
        for match, to in places:
            yield Mutant(path, number, line, line[: match.start()] + to + line[match.end() :])
        if STATEMENT.match(line) and bare.count("(") == bare.count(")"):
            yield Mutant(path, number, line, "\t;")


def files():
    for subject in SUBJECTS:
        if subject.endswith(".c"):
            yield subject
        else:
            yield from sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / subject).glob("*.c"))


def all_mutants():
    mutants, before = {}, {}
    for path in files():
        for mutant in mutants_of(path):
            key = (path, mutant.line.strip(), mutant.changed.strip())
            if (path, mutant.number, mutant.changed) not in mutants:
                mutant.set_name(before.get(key, 0))
                before[key] = before.get(key, 0) + 1
                mutants[path, mutant.number, mutant.changed] = mutant
    return list(mutants.values())


def known_equivalents():
    """Names of mutants that are as right as the code, and why."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    known = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    bare = [name for name, reason in known.items() if len(reason.split()) < 3]
    every = all_mutants()
    gone = set(known) - {mutant.name for mutant in every}
    if bare or gone:
        sys.exit(f"tests/equivalent: without a reason: {sorted(bare)}; not a mutant: {sorted(gone)}")
    if len(known) > EQUIVALENT_AT_MOST * len(every):
        sys.exit(f"tests/equivalent: {len(known)} of {len(every)} are too many")
    return known


def tests_of(path):
    tests = SUBJECTS.get(path) or SUBJECTS[path.split("/")[0]]
    own = f"test_{pathlib.Path(path).stem}"
    return sorted(tests, key=lambda test: test != own)


def sanitizers(test):
    return [] if test in (SIM, GOLDEN_SIM, SEVERAL) else SANITIZE


class Bench:
    """The build that mutants are tried in, and how its objects and programs are made."""

    def __init__(self, programs):
        if not (BUILD / "build.ninja").exists():
            self.must("meson", "setup", BUILD, ROOT, "-Dbuildtype=plain", "-Dc_args=-O1")
        targets = [f"tests/{program}" for program in programs]
        self.must("ninja", "-C", BUILD, *targets)
        database = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
        self.compiles = {os.path.relpath(BUILD / entry["file"], ROOT): entry["command"] for entry in database}
        self.links = {program: self.must("ninja", "-C", BUILD, "-t", "commands", f"tests/{program}").splitlines()[-1]
                      for program in programs}

    @staticmethod
    def must(*command):
        code, output = run(command, ROOT, resource.RLIM_INFINITY)
        if code != 0:
            sys.exit(output[-3000:])
        return output

    def compile(self, path, text, folder, options):
        """The object of a file with this text, or None."""
        source, target = folder / "mutant.c", folder / f"mutant{len(options)}.o"
        if target.exists():
            return target
        source.write_text(text, encoding="utf-8")
        command = shlex.split(self.compiles[path])
        command = command[command.index("ccache") + 1 :] if command[0] == "ccache" else command
        for option in ("-MF", "-MQ", "-o", "-c"):
            del command[command.index(option) : command.index(option) + 2]
        flags = [part for part in command if part not in ("-MD", "-O1")]
        code, _ = run([*flags, *options, "-O0", "-w", "-o", target, "-c", source], cpu_s=100)
        return target if code == 0 else None

    def fails(self, test, mutant, folder, worlds):
        program = test.split()[0]
        target = folder / program
        command = shlex.split(self.links[program])
        command[command.index("-o") + 1] = target
        command[command.index("-o") + 2 : command.index("-o") + 2] = [mutant, *LINKER, *sanitizers(test)]
        if run(command, cpu_s=100)[0] != 0:
            return True
        if test == SEVERAL:  # a PostgreSQL is started for it, and one that does not start finds nothing
            _, said = run([PLAY, target, "--count", worlds, "--one", "--jobs", os.cpu_count() or 1], folder, PLAY_CPU_S, PLAY_S)
            return re.search(r"^world \d+: ", said, re.M) is not None
        report = f"log_path={folder / 'report'}:detect_leaks=1:allocator_may_return_null=1"
        return any(run([target, *arguments], folder, ASAN_OPTIONS=report)[0] != 0 or any(folder.glob("report*"))
                   for arguments in self.arguments(test, folder, worlds))

    @staticmethod
    def arguments(test, folder, worlds):
        """Of each time that the program of a test is run."""
        if test == SIM:
            return [["--seeds", worlds]]
        if test != GOLDEN_SIM:
            return [["--tap=/dev/null", "--fail-fast"]]
        first = folder / "golden"
        first.write_text("\n".join(GOLDEN.read_text(encoding="utf-8").splitlines()[: GOLDEN_FIRST + 1]) + "\n", encoding="utf-8")
        return [["--golden", first], ["--golden", GOLDEN]]

    def judge(self, path, text, programs, worlds=WORLDS):
        """What catches the file when its text is this; None when nothing does."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for test in programs:
                mutant = self.compile(path, text, folder, sanitizers(test))
                if mutant is None:
                    return "the compiler"
                if self.fails(test, mutant, folder, worlds):
                    return test
        return None


def report(chosen, jobs):
    known = known_equivalents()
    tried = [mutant for mutant in chosen if mutant.name not in known]
    programs = {mutant.path: tests_of(mutant.path) for mutant in tried}
    bench = Bench(sorted({test.split()[0] for needed in programs.values() for test in needed}))
    for path, needed in {frozenset(needed): (path, needed) for path, needed in programs.items()}.values():
        if (by := bench.judge(path, (ROOT / path).read_text(encoding="utf-8"), needed)) is not None:
            sys.exit(f"mutants: {by} fails without any change to {path}")
    survivors = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for mutant, by in zip(tried, pool.map(lambda m: bench.judge(m.path, m.text(), programs[m.path]), tried)):
            print(f"{'survived' if by is None else 'caught':9}{mutant}{'' if by is None else f'   ({by})'}", flush=True)
            survivors += by is None
    caught = 1 - survivors / len(tried) if tried else 0
    wanted = CAUGHT if len(chosen) >= FEW else CAUGHT_OF_FEW
    print(f"mutants: {len(tried) - survivors} of {len(tried)} caught ({100 * caught:.1f} %), "
          f"{len(chosen) - len(tried)} more are equivalent")
    return 0 if caught >= wanted else 1


def planted():
    """Who is to find it, and blocks of: name / file / the old lines behind '-', the new ones behind '+', and an empty line."""
    for world in PLANTED_WORLDS:
        for block in (ROOT / "tests" / world / "planted").read_text(encoding="utf-8").split("\n\n"):
            lines = [line for line in block.splitlines() if line and not line.startswith("#")]
            if lines:
                old = "\n".join(line[1:] for line in lines[2:] if line[0] == "-")
                new = "\n".join(line[1:] for line in lines[2:] if line[0] == "+")
                yield world, lines[0], lines[1], old, new


def fits():
    """Nothing is built for this."""
    known_equivalents()
    gone = [f"{name}: its lines are not in {path}" for _, name, path, old, _ in planted()
            if (ROOT / path).read_text(encoding="utf-8").count(old) != 1]
    print(*gone, sep="\n", end="\n" if gone else "")
    return 1 if gone else 0


def report_planted(only):
    """What is broken in `only`, or everywhere."""
    if fits() != 0:
        return 1
    bench, bad = Bench(list(PLANTED_WORLDS)), 0
    for world, name, path, old, new in planted():
        if only not in (None, path):
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        by = bench.judge(path, text.replace(old, new), [world], PLANTED_WORLDS[world])
        print(f"{'found' if by == world else 'NOT FOUND':11}{name}{'' if by in (None, world) else f' ({by})'}", flush=True)
        bad += by != world
    print(f"mutants: {bad} planted bugs were not found")
    return 1 if bad else 0


def self_test():
    """In a function that nobody calls nothing is caught, and what does not compile is."""
    bench, path = Bench(sorted({test.split()[0] for test in tests_of("log")})), "log/event.c"
    text = (ROOT / path).read_text(encoding="utf-8")
    unused = text + "\nbool logged_unused(int a);\nbool logged_unused(int a)\n{\n\treturn a == 1;\n}\n"
    alone = bench.judge(path, unused, tests_of(path), 20)
    broken = bench.judge(path, text + "\nnonsense\n", tests_of(path), 20)
    names = bench.judge(path, text.replace("\twhile (type <", "\twhile (type >", 1), [SIM], 20)
    good = alone is None and broken == "the compiler" and names == SIM
    print(f"mutants self-test: {'right' if good else 'wrong'}: {alone}, {broken}, {names}")
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed")
    parser.add_argument("--only", metavar="FILE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    for flag in ("--all", "--list", "--planted", "--fits", "--self-test"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    if options.planted:
        return report_planted(options.only)
    if options.fits:
        return fits()
    if options.self_test:
        return self_test()
    mutants = [mutant for mutant in all_mutants() if options.only in (None, mutant.path)]
    if options.list:
        print(*mutants, sep="\n")
        return 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    draw = random.Random(options.seed or head.stdout.strip() or "no commit")
    chosen = mutants if options.all or options.only else draw.sample(mutants, min(options.count, len(mutants)))
    return report(chosen, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
