#!/usr/bin/python3
"""Breaks one line at a time and sees whether a test fails: do the tests hold what they seem to hold?

tools/mutants.py                  30 mutants, drawn by the newest commit
tools/mutants.py --count 300      so many; --seed TEXT draws others
tools/mutants.py --all            every one there is: hours
tools/mutants.py --only job/order.c [--list]   those of one file; what they are
tools/mutants.py --planted        the bugs of tests/sim/planted, each of which some world must find
tools/mutants.py --self-test      proves that a mutant which nobody tests is called a survivor

A mutant is one place on one line of job/, dispatch/, log/ or store/project.c with another operator, another
number, another word of SQL, or without its statement. It is caught when it does not compile, when a unit test
of its folder fails, or when one of the first made-up worlds (tests/sim) breaks a promise. One that cannot be
caught, since nothing depends on the place, stands in tests/equivalent with the reason.
"""

import argparse
import hashlib
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / "build-mutants"
TREE, BUILD = PLACE / "tree", PLACE / "build"
EQUIVALENT = ROOT / "tests" / "equivalent"
PLANTED = ROOT / "tests" / "sim" / "planted"
COUNT = 30
# A draw of 30 says little about the last percent: it fails for what cannot be bad luck.
CAUGHT, CAUGHT_OF_FEW, FEW = 0.95, 0.80, 100
WORLDS = 150
HANG_S = 20  # of CPU: a mutant that never ends is caught

# What is broken -> the tests that are to see it, the quickest first.
SUBJECTS = {
    "job": ["test_next", "test_job", "test_noise", "test_objective", "test_order"],
    "dispatch": ["test_breaker", "test_sched"],
    "log": ["test_next"],
    "store/project.c": ["test_store"],
}

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
    (r"(?<=[ (])1(?=[;,) ])", "2"),
]
SQL_CHANGES = [
    (r"\bAND\b", "OR"),
    (r"\+ 1\b", "+ 2"),
    (r" - \(", " + ("),
    (r"<> '", "= '"),
    (r"'(told|failed|asked|leased|cancelled|pruned|measured|cache)'", "'other'"),
    (r"\?3", "?2"),
]
STATEMENT = re.compile(r"^\t+(?!return|break|continue|\}|case|default|int|bool|const|static|struct|json_t|char|double|size_t|int64_t|enum|else|if|for|while|do|goto)[a-z_*(].*;$")


def run(command, **more):
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (HANG_S, HANG_S))
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False, preexec_fn=limit, **more)


class Mutant:
    """One place of one line and what is written there instead."""

    def __init__(self, path, number, line, changed, what):
        self.path, self.number, self.line, self.changed = path, number, line, changed
        self.what = what
        self.name = hashlib.sha256(f"{path}\n{line.strip()}\n{changed.strip()}".encode()).hexdigest()[:10]

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
    """The line with every text in quotes blanked out, so that C operators are found outside of them alone."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda m: '"' + "\0" * (len(m[0]) - 2) + '"', line)


def mutants_of(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    sql = path == "store/project.c"
    for number, line in code_lines(text):
        bare = split_strings(line)
        places = [(m, to) for pattern, to in C_CHANGES for m in re.finditer(pattern, bare) if line.startswith("\t")]
        if sql:
            places += [(m, to) for pattern, to in SQL_CHANGES for m in re.finditer(pattern, line) if '"' in line]
        for match, to in places:
            yield Mutant(path, number, line, line[: match.start()] + to + line[match.end() :], to)
        if STATEMENT.match(line) and bare.count("(") == bare.count(")"):
            yield Mutant(path, number, line, "\t;", "dropped")


def files():
    for subject in SUBJECTS:
        if subject.endswith(".c"):
            yield subject
        else:
            yield from sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / subject).glob("*.c"))


def all_mutants():
    seen = {}
    for path in files():
        for mutant in mutants_of(path):
            seen.setdefault((mutant.name, mutant.number), mutant)
    return list(seen.values())


def known_equivalents():
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []
    known = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    bare = [name for name, reason in known.items() if len(reason.split()) < 3]
    if bare:
        sys.exit(f"tests/equivalent: no reason for {', '.join(bare)}")
    return known


def tests_of(path):
    return SUBJECTS.get(path) or SUBJECTS[path.split("/")[0]]


def prepare(subjects):
    """A copy of the tree with a build of its own: yours is not touched."""
    PLACE.mkdir(exist_ok=True)
    tracked = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                             stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
    for name in filter(None, tracked):
        source, target = ROOT / name, TREE / name
        if source.is_file() and (not target.exists() or target.read_bytes() != source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            os.utime(target)
    if not (BUILD / "build.ninja").exists():
        done = subprocess.run(["meson", "setup", BUILD, TREE, "-Dbuildtype=plain", "-Dc_args=-O1"], check=False,
                              stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout)
    targets = sorted({f"tests/{test}" for subject in subjects for test in tests_of(subject)})
    done = subprocess.run(["ninja", "-C", BUILD, "tests/sim", *targets], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:])


def judge(tests, worlds):
    """What catches the tree as it is now; None when nothing does."""
    for test in tests:
        if run(["ninja", "-C", BUILD, f"tests/{test}"]).returncode != 0:
            return "the compiler"
        if run([BUILD / "tests" / test, "--tap=/dev/null"]).returncode != 0:
            return test
    if run(["ninja", "-C", BUILD, "tests/sim"]).returncode != 0:
        return "the compiler"
    done = run([BUILD / "tests" / "sim", "--seeds", worlds])
    return None if done.returncode == 0 else "a world"


def with_change(path, old, new, action):
    target = TREE / path
    text = target.read_text(encoding="utf-8")
    try:
        target.write_text(text.replace(old, new, 1) if isinstance(old, str) else new, encoding="utf-8")
        return action()
    finally:
        target.write_text(text, encoding="utf-8")


def try_mutant(mutant):
    lines = (ROOT / mutant.path).read_text(encoding="utf-8").splitlines()
    lines[mutant.number - 1] = mutant.changed
    return with_change(mutant.path, None, "\n".join(lines) + "\n",
                       lambda: judge(tests_of(mutant.path), WORLDS))


def report(chosen):
    known = known_equivalents()
    tried = [mutant for mutant in chosen if mutant.name not in known]
    prepare({mutant.path for mutant in tried})
    if (by := judge(sorted({t for m in tried for t in tests_of(m.path)}), WORLDS)) is not None:
        sys.exit(f"mutants: {by} fails without any change")
    survivors = []
    for mutant in tried:
        by = try_mutant(mutant)
        print(f"{'survived' if by is None else 'caught':9}{mutant}{'' if by is None else f'   ({by})'}", flush=True)
        if by is None:
            survivors.append(mutant)
    caught = 1 - len(survivors) / len(tried) if tried else 0
    wanted = CAUGHT if len(tried) >= FEW else CAUGHT_OF_FEW
    print(f"mutants: {len(tried) - len(survivors)} of {len(tried)} caught ({100 * caught:.1f} %), "
          f"{len(chosen) - len(tried)} more are equivalent")
    return 0 if caught >= wanted else 1


def planted():
    """Blocks of: name / file / the old lines behind '-', the new ones behind '+', and an empty line."""
    for block in PLANTED.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            old = "\n".join(line[1:] for line in lines[2:] if line[0] == "-")
            new = "\n".join(line[1:] for line in lines[2:] if line[0] == "+")
            yield lines[0], lines[1], old, new


def report_planted():
    prepare(["log"])
    bad = 0
    for name, path, old, new in planted():
        if (ROOT / path).read_text(encoding="utf-8").count(old) != 1:
            print(f"not there  {name}: {path} has changed")
            bad += 1
            continue
        by = with_change(path, old, new, lambda: judge([], 1000))
        print(f"{'NOT FOUND' if by != 'a world' else 'found':11}{name}{'' if by in (None, 'a world') else f' ({by})'}",
              flush=True)
        bad += by != "a world"
    print(f"mutants: {bad} planted bugs were not found")
    return 1 if bad else 0


def self_test():
    """In a function that nobody calls nothing is caught, and what does not compile is."""
    prepare(["log"])
    text = (ROOT / "log/event.c").read_text(encoding="utf-8")
    unused = text + "\nbool logged_unused(int a);\nbool logged_unused(int a)\n{\n\treturn a == 1;\n}\n"
    alone = with_change("log/event.c", None, unused, lambda: judge(tests_of("log/event.c"), 20))
    broken = with_change("log/event.c", None, text + "\nnonsense\n", lambda: judge(tests_of("log/event.c"), 20))
    names = with_change("log/event.c", "\twhile (type <", "\twhile (type >", lambda: judge([], 20))
    good = alone is None and broken == "the compiler" and names == "a world"
    print(f"mutants self-test: {'right' if good else 'wrong'}: {alone}, {broken}, {names}")
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed")
    parser.add_argument("--only")
    for flag in ("--all", "--list", "--planted", "--self-test"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    if options.planted:
        return report_planted()
    if options.self_test:
        return self_test()
    mutants = [m for m in all_mutants() if options.only in (None, m.path)]
    if options.list:
        print(*mutants, sep="\n")
        return 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    draw = random.Random(options.seed or head.stdout.strip() or "no commit")
    chosen = mutants if options.all or options.only else draw.sample(mutants, min(options.count, len(mutants)))
    return report(chosen)


if __name__ == "__main__":
    sys.exit(main())
