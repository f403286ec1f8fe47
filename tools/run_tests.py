#!/usr/bin/python3
"""Builds narrowd with sanitizers and runs every test; the work of tools/test.

tools/test            everything that a change must pass
tools/test --all      also every point of the disk and of memory, the other release of Debian, thousands of kill points, ten minutes
                      of chaos, published clients, what is shipped, the newest libraries, fuzzing and the coverage gate
tools/test STAGE...   some stages only; --list names them

No verdict comes from how long something takes on the clock: the machine may be busy with other
things. What a stage costs is CPU time, and it should cost what CPU_MINUTES says.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import sys
import time

import test_faults
import test_logs
from stage import LOGS, ROOT, Failed, Stage

ASAN, TSAN, FUZZ, COVERAGE, SIM, NEWEST = (
    ROOT / f"build-{name}" for name in ("asan", "tsan", "fuzz", "cov", "sim", "newest"))

KILL_POINTS, MANY_KILL_POINTS = 300, 3000
CHAOS_SECONDS, LONG_CHAOS_SECONDS = 15, 600
LEASES_SECONDS, LONG_LEASES_SECONDS = 15, 300
SCRIPT_KILLS, MANY_SCRIPT_KILLS = 6, 100
WORLDS, MANY_WORLDS, TWICE_WORLDS = 20_000, 1_000_000, 100
MUTANTS = 300
TRACES, MANY_TRACES = 200, 10_000
ASAN_WORLDS, MANY_ASAN_WORLDS = 1000, 20_000
SEVERAL_WORLDS, MANY_SEVERAL_WORLDS = 40, 3000
FUZZ_SECONDS = 120
# Trials, workers, and after how many seconds a daemon is killed; 0: a blow falls each time that so many more trials have their
# result. A daemon that is killed so often has to come far enough in between: on a machine that is busy for others it does not.
DAEMONS = ((10_000, 1000, 10), (100_000, 5000, 0))
AWAY_S = 600  # PostgreSQL

# CPU minutes of each stage that every change must pass. A stage above its own line is named, for it takes the room of
# others, and so are all together above ALL_CPU_MINUTES. Neither is red by itself: on a machine that others keep busy the
# same work has cost 1.7 times the CPU time (the suite api of one commit 7.5, 10.6 and 12.8 minutes), and no verdict may come
# from that. What is above TOO_MANY_CPU_MINUTES no busy machine explains.
CPU_MINUTES = {
    "build": 4,
    "check": 5,
    "unit": 6,
    "api": 8,
    "crash": 4,
    "traces": 1,
    "races": 3,
    "simulation": 3,
    "memory": 2,
    "page": 3,
    "python": 3,
    "postgresql": 3,
}
ALL_CPU_MINUTES = 40
TOO_MANY_CPU_MINUTES = 1.7 * ALL_CPU_MINUTES
PR_SET_CHILD_SUBREAPER = 36
LINES_COVERED = 90


def build(stage, folder, *options):
    """Every stage builds what it runs: after the first one that costs nothing."""
    if not (folder / "build.ninja").exists():
        stage.must("meson", "setup", folder, ROOT, "-Dwerror=true", *options)
    stage.must("meson", "compile", "-C", folder)


def meson_test(stage, folder, suite, **more):
    log, junit = (folder / "meson-logs" / f"testlog.{end}" for end in ("txt", "junit.xml"))
    log.unlink(missing_ok=True)
    # Many tests wait more than they compute.
    processes = str((os.cpu_count() or 1) + 2)
    options = ("--no-rebuild", "--print-errorlogs", "--suite", suite, "--num-processes", processes)
    code, output = stage.run("meson", "test", "-C", folder, *options, **more)
    if not log.exists():
        raise Failed(f"no test of the suite {suite} has run\n{output}")
    if suite in ("unit", "newest-unit", "points"):
        ran, bad = test_logs.count_cases(junit)
    else:
        ran, bad = test_logs.count_python(log.read_text(encoding="utf-8", errors="replace"))
    if code != 0 or ran == 0:
        bad = max(bad, 1)
    shown = [line for line in output.splitlines() if re.search(r"FAIL|ERROR|TIMEOUT|not ok", line)]
    stage.result(max(ran - bad, 0), bad, "\n".join(shown[:40]) if bad else "")


def gate(stage, name, source, option, needs_report=True):
    """Proves that a fault would be seen, before the sanitizer's silence is believed."""
    program = LOGS / name
    (LOGS / f"{name}.c").write_text(source, encoding="utf-8")
    flags = ["-g", "-O0", "-pthread", f"-fsanitize={option}"]
    stage.must("gcc", *flags, "-o", program, f"{program}.c")
    code, _ = stage.run(program)
    reports = list(stage.reports.iterdir())
    if code == 0 or (needs_report and not reports):
        raise Failed(f"a program with a {name} goes unnoticed: the {option} gate does not work")
    for report in reports:
        report.unlink()
    stage.result(1, 0)


def build_asan(stage):
    build(stage, ASAN, "-Db_sanitize=address,undefined", "-Dweb=enabled")


def stage_build(stage):
    build_asan(stage)
    gate(stage, "leak", test_faults.LEAK, "address,undefined")
    gate(stage, "overflow", test_faults.OVERFLOW, "address,undefined", needs_report=False)


def stage_check(stage, *options):
    build_asan(stage)
    code, output = stage.run("tools/check", "--build", ASAN, *options)
    match = re.search(r"(\d+) passed, (\d+) failed\s*$", output)
    if match is None:
        raise Failed(output[-2000:])
    stage.result(int(match[1]), int(match[2]), "\n".join(output.splitlines()[:60]) if code else "")


def stage_unit(stage):
    build_asan(stage)
    code, commit = stage.run("git", "rev-parse", "HEAD")  # a copy of the tree has none
    meson_test(stage, ASAN, "unit", NARROWD_COMMIT=commit.strip() if code == 0 else "")


def stage_points(stage):
    """Each call and step of the disk, of which a commit has some."""
    build_asan(stage)
    meson_test(stage, ASAN, "points", NARROWD_EVERY_POINT="1")


def stage_api(stage):
    build_asan(stage)
    meson_test(stage, ASAN, "api")


def run_crash(stage, kills, chaos_s, leases_s):
    build_asan(stage)
    meson_test(stage, ASAN, "crash", NARROWD_KILLS=str(kills),
               NARROWD_CHAOS_SECONDS=str(chaos_s), NARROWD_LEASES_SECONDS=str(leases_s))


def stage_crash(stage):
    run_crash(stage, KILL_POINTS, CHAOS_SECONDS, LEASES_SECONDS)


def stage_postgresql(stage):
    """Tests of the daemon again, with its log in a PostgreSQL that they start."""
    build_asan(stage)
    meson_test(stage, ASAN, stage.name, NARROWD_TEST_POSTGRESQL="1", NARROWD_KILLS="20")
    long = stage.name != "postgresql"
    code, output = stage.run(
        "/usr/bin/python3", "-B", "tests/several/play.py", ASAN / "tests/several", "--jobs", os.cpu_count() or 1,
        "--first", fresh_seed(stage) if long else 1, "--count", MANY_SEVERAL_WORLDS if long else SEVERAL_WORLDS)
    stage.result(code == 0, code != 0, output[-4000:] if code else "")


def stage_long_daemons(stage):
    """Three daemons on one PostgreSQL, and thousands of workers; without sanitizers, which would have little of that fit here."""
    setup_plain(stage)
    stage.must("ninja", "-C", SIM, "daemon/narrowd", "cli/narrow", "tests/store-verify")
    for trials, workers, kill_s in DAEMONS:
        meson_test(stage, SIM, "long-daemons", NARROWD_DAEMONS_TRIALS=str(trials), NARROWD_DAEMONS_WORKERS=str(workers),
                   NARROWD_DAEMONS_KILL_S=str(kill_s), NARROWD_SEED=str(fresh_seed(stage)))
    meson_test(stage, SIM, "long-outage", NARROWD_AWAY_S=str(AWAY_S))


def stage_races(stage):
    # Criterion does not start under TSan, so the daemon is what is watched.
    build(stage, TSAN, "-Db_sanitize=thread", "-Dtests=false")
    gate(stage, "race", test_faults.RACE, "thread")
    meson_test(stage, TSAN, "races")


def setup_plain(stage):
    if not SIM.exists():
        stage.must("meson", "setup", SIM, "-Dbuildtype=debugoptimized", "-Dtests=false")


def stage_memory(stage):
    setup_plain(stage)  # a sanitizer keeps what was freed
    stage.must("ninja", "-C", SIM, "daemon/narrowd")
    meson_test(stage, SIM, "memory")


def run_worlds(stage, folder, seeds, first):
    """So many made-up worlds; says which number to run again when a promise is broken in one, or it is another."""
    stage.must("ninja", "-C", folder, "tests/sim")
    of_file = (["--" + name, ROOT / "tests/sim" / name] for name in ("regressions", "golden"))
    for options in (*of_file, ["--twice", "--seeds", str(TWICE_WORLDS)],
                    ["--seeds", str(seeds), "--from", str(first), "--jobs", str(os.cpu_count() or 1)]):
        # A daemon that is killed frees nothing, and here many live and die in one process.
        code, output = stage.run(folder / "tests" / "sim", *options, LSAN_OPTIONS="detect_leaks=0")
        stage.result(code == 0, code != 0, output[-4000:] if code else "")


def run_simulation(stage, worlds, asan_worlds, first):
    build_asan(stage)
    run_worlds(stage, ASAN, asan_worlds, first)
    setup_plain(stage)
    run_worlds(stage, SIM, worlds, first)


def stage_simulation(stage):
    run_simulation(stage, WORLDS, ASAN_WORLDS, 1)


def fresh_seed(stage):
    """What follows from it nobody has seen: another commit has others."""
    return 1_000_000 + int(stage.must("git", "rev-parse", "HEAD")[:8], 16)


def stage_long_simulation(stage):
    run_simulation(stage, MANY_WORLDS, MANY_ASAN_WORLDS, fresh_seed(stage))


def stage_traces(stage):
    """Calls, faults and restarts of a real daemon against a model of the contract."""
    build_asan(stage)
    meson_test(stage, ASAN, "traces", NARROWD_TRACES=str(TRACES))


def stage_long_traces(stage):
    setup_plain(stage)
    stage.must("ninja", "-C", SIM, "daemon/narrowd")
    meson_test(stage, SIM, "traces", NARROWD_TRACES=str(MANY_TRACES), NARROWD_TRACE_SEED=str(fresh_seed(stage)))


def stage_mutants(stage):
    """Broken code must fail a test."""
    stage.must("tools/mutants.py", "--self-test")
    for options in (["--planted"], ["--count", str(MUTANTS)]):
        code, output = stage.run("tools/mutants.py", *options)
        stage.result(code == 0, code != 0, output[-4000:] if code else "")


def stage_page(stage):
    """The pages in a real browser, served by the daemon with sanitizers."""
    build_asan(stage)
    if shutil.which("chromium") is None:
        raise Failed("the browser tests need chromium, which tools/setup installs")
    stage.must("tools/page.py", "types")
    modules = pathlib.Path(stage.must("tools/page.py", "fetch", "--tests").split()[-1]) / "node_modules"
    tests = sorted((ROOT / "tests" / "page").glob("*.test.mjs"))
    code, output = stage.run("node", "--test", "--test-reporter=tap",
                             f"--test-concurrency={os.cpu_count() or 1}", *tests,
                             NARROWD_BUILD=str(ASAN), NARROWD_NODE_MODULES=str(modules))
    ran, bad = test_logs.count_tap(output)
    failed = max(bad, code != 0)
    stage.result(ran - bad, failed, "\n".join(test_logs.tap_failures(output)[:60]) if failed else "")


def run_python(stage, kills):
    build_asan(stage)
    meson_test(stage, ASAN, "python", NARROWD_SCRIPT_KILLS=str(kills))


def stage_python(stage):
    """The Python package, with nothing but the standard library."""
    run_python(stage, SCRIPT_KILLS)


def stage_tidy(stage):
    """The static checks again, and clang-tidy on files that have not changed either."""
    stage_check(stage, "--tidy-all")


def stage_other_debian(stage):
    """The other release of Debian: the static checks, most of the tests, and tools/demo."""
    code, output = stage.run("tools/other_debian")
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
    passed, failed = (sum(int(count[i]) for count in counts) for i in (0, 1))
    failed = max(failed, code != 0)
    stage.result(passed, failed, "\n".join(output.splitlines()[-60:]) if failed else "")


def stage_long_crash(stage):
    run_crash(stage, MANY_KILL_POINTS, LONG_CHAOS_SECONDS, LONG_LEASES_SECONDS)


def stage_long_python(stage):
    run_python(stage, MANY_SCRIPT_KILLS)


def stage_published(stage):
    """Clients as their makers publish them; needs the package index."""
    stage.must("tools/setup", "--all")
    build_asan(stage)
    meson_test(stage, ASAN, "published")


def stage_packaging(stage):
    """What is shipped, made and used with the tools of those who will."""
    stage.must("tools/setup", "--all")
    build_asan(stage)
    meson_test(stage, ASAN, "packaging")


def stage_newest(stage):
    """With the newest libmicrohttpd and SQLite: what the guard and the store say must not depend on their versions."""
    # Both that are the machine's are in its log, too; the last line is where the new ones are.
    paths = stage.must("tools/newest").split()[-1]
    runs = ":".join(path.removesuffix("/pkgconfig") for path in paths.split(":"))
    build(stage, NEWEST, "-Db_sanitize=address,undefined", f"-Dpkg_config_path={paths.replace(':', ',')}",
          f"-Dc_link_args=-Wl,-rpath,{runs},--disable-new-dtags")
    used = stage.must("ldd", NEWEST / "daemon" / "narrowd")
    for folder in runs.split(":"):
        if folder not in used:
            raise Failed(f"nothing of {folder} is used:\n{used}")
    meson_test(stage, NEWEST, "newest-unit")
    meson_test(stage, NEWEST, "newest")


def stage_fuzz(stage):
    build(stage, FUZZ, "-Dfuzz=true", "-Dtests=false", "-Db_sanitize=address,undefined", "-Db_lundef=false",
          "--native-file=tools/clang.ini")
    for target in sorted((FUZZ / "tests").glob("fuzz_*[a-z]")):
        if target.is_dir():
            continue
        found = LOGS / "corpus" / target.name
        found.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "tests" / "fuzz" / "corpus" / target.name
        limit = f"-max_total_time={FUZZ_SECONDS}"
        code, output = stage.run(target, limit, "-timeout=10", f"-artifact_prefix={LOGS}/", found, seeds)
        stage.result(code == 0, code != 0, output[-2000:] if code else "")
    if stage.passed + stage.failed == 0:
        raise Failed("no fuzz target was built")


def stage_coverage(stage):
    build(stage, COVERAGE, "-Db_coverage=true")
    for suite in ("unit", "api"):
        meson_test(stage, COVERAGE, suite)
    stage.must(
        "gcovr",
        f"--root={ROOT}",
        "--exclude",
        "(tests|bench|examples)/",
        f"--fail-under-line={LINES_COVERED}",
        "--print-summary",
        COVERAGE,
    )
    stage.must("tools/coverage.py", "--no-page")
    stage.result(1, 0)


STAGES = {
    "build": stage_build,
    "check": stage_check,
    "unit": stage_unit,
    "api": stage_api,
    "crash": stage_crash,
    "traces": stage_traces,
    "races": stage_races,
    "simulation": stage_simulation,
    "memory": stage_memory,
    "page": stage_page,
    "python": stage_python,
    "postgresql": stage_postgresql,
}
LONG_STAGES = {
    "tidy": stage_tidy,
    "points": stage_points,
    "other-debian": stage_other_debian,
    "long-crash": stage_long_crash,
    "long-python": stage_long_python,
    "long-postgresql": stage_postgresql,
    "long-daemons": stage_long_daemons,
    "long-simulation": stage_long_simulation,
    "long-traces": stage_long_traces,
    "mutants": stage_mutants,
    "published": stage_published,
    "packaging": stage_packaging,
    "newest": stage_newest,
    "fuzz": stage_fuzz,
    "coverage": stage_coverage,
}


def cpu_minutes():
    """CPU time of all that was started and has ended, children of children included."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    spent = os.times()
    return (spent.children_user + spent.children_system) / 60


def run_stage(name, function):
    started, before = time.monotonic(), cpu_minutes()
    stage = Stage(name)
    print(f"{name:12}", end="", flush=True)
    try:
        function(stage)
    except Failed as failure:
        stage.result(0, 1, str(failure))
    stage.close()
    seconds = time.monotonic() - started
    stage.cpu, limit = cpu_minutes() - before, CPU_MINUTES.get(name)
    over = limit is not None and stage.cpu > limit
    counts = f"{stage.passed} passed, {stage.failed} failed"
    of_limit = f" of {limit}" if limit else ""
    print(f"{seconds:7.1f} s {stage.cpu:6.1f}{of_limit:5} CPU min  {counts}", flush=True)
    if over:
        print(f"{name} takes more than its {limit} CPU minutes: make something in it cheaper")
    return stage


def options_of(args):
    parser = argparse.ArgumentParser(description="Builds narrowd and runs its tests.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="only these stages")
    parser.add_argument("--all", action="store_true", help="also the long stages")
    parser.add_argument("--list", action="store_true", help="name the stages and exit")
    options = parser.parse_args(args)
    unknown = set(options.stages) - set(STAGES) - set(LONG_STAGES)
    if unknown:
        parser.error(f"unknown stage: {', '.join(sorted(unknown))}")
    return options


def main(args):
    options = options_of(args)
    if options.list:
        print(*STAGES, *LONG_STAGES, sep="\n")
        return 0
    every = {**STAGES, **LONG_STAGES}
    names = options.stages or list(every if options.all else STAGES)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir()
    # Who outlives the test that started it, as a daemon may, becomes a child of this process.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    stages = [run_stage(name, every[name]) for name in names]
    for stage in stages:
        for complaint in stage.complaints:
            print(f"\n{stage.name}: {complaint}")
        if stage.failed:
            print(f"{stage.name}: the whole log is in {stage.log}")
    failed = sum(stage.failed for stage in stages)
    spent = sum(stage.cpu for stage in stages if stage.name in CPU_MINUTES)
    if spent > ALL_CPU_MINUTES:
        print("the stages together take too much CPU time, unless others keep this machine busy")
    if spent > TOO_MANY_CPU_MINUTES:
        failed += 1
        print(f"more than {TOO_MANY_CPU_MINUTES:.0f} CPU minutes: that no busy machine explains")
    print(f"CPU minutes: {spent:.1f} of {ALL_CPU_MINUTES}")
    print(f"{sum(stage.passed for stage in stages)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
