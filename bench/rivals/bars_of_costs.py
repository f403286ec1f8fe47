"""The bars of bars.py that other programs of bench/ measure: the synthetic problem, real models, and CPU time per question."""

import os
import random
import subprocess
import sys
import tempfile

import arena
import large_reads

NOT_WORSE = 1.0  # times as fast as the best single call
ASKS = ((300, 100, 5), (5000, 20, None), (5000, 100, None))  # operators, known trials, milliseconds
IMPORTED, IMPORT_OPERATORS, IMPORT_QUESTIONS, IMPORT_BAR = 600, 20, 5, 1
WAYS = ("one call, static", "one call, dynamic", "narrowd")


def program(*arguments):
    """What a program of bench/ prints; its status says only whether figures hold."""
    done = subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode not in (0, 1):
        sys.exit(f"{arguments[0]}: status {done.returncode}")
    return done.stdout


def synthetic(bars, options, daemon, make):
    """the figures of the synthetic problem, of tables with costly conversions and of noise (ten minutes)"""
    few = ["--seeds", "101-102", "--of", "tables"] if options.short else []
    *lines, _ = program(options.build / "bench/figures", *few).splitlines()[1:]
    for line in lines:
        arena.say(line)
        if line[10:29].startswith("tables"):
            add_table(bars, line)
    others = [line for line in lines if not line[10:29].startswith("tables")]
    if not others:
        return
    missed = [f"{line[:9].strip()}, {line[10:29].strip()}, {line[30:34].strip()}" for line in others if line.endswith("MISSED")]
    bars.add("synthetic problem: figures at most 0.02 worse than the first version's", f"all {len(others)}",
             f"{len(others) - len(missed)}{''.join(f'; not {name}' for name in missed)}", not missed)


def add_table(bars, line):
    """A figure of tables: the latency by the optimum's."""
    value, bar = 1 + float(line[60:68]), 1 + float(line[68:76].replace("<=", ""))
    strategy, evaluations = line[:9].strip(), line[40:44].strip()
    bars.add(f"tables of 12 operators: latency by the optimum's, {strategy} in {evaluations}", f"{bar:.2f}", f"{value:.2f}",
             value <= bar + 1e-9)


def read_speeds(lines):
    """{model: {way: (times as fast, whether it meets)}} from the rows of real_models.py; fp32 that is kept is as fast as it was,
    and what failed is 0 times as fast."""
    speeds = {}
    for line in lines:
        model, way, accuracy, _, _, speedup, _, measured = [cell.strip() for cell in line.strip("|").split("|")]
        value = 1.0 if "keep fp32" in measured else float(speedup or 0)
        speeds.setdefault(model, {})[way] = (value, "missed" not in accuracy)
    return speeds


def models(bars, options, daemon, make):
    """real models for ONNX Runtime, 15 trials, by CPU time (ten minutes)"""
    if options.short:
        return
    ways = [argument for way in WAYS for argument in ("--way", way)]
    lines = program(sys.executable, arena.ROOT / "bench/real_models.py", "--build", options.build, *ways).splitlines()[2:]
    arena.say(*lines, sep="\n")
    for model, of in read_speeds(lines).items():
        best = max([1.0, *(value for way, (value, met) in of.items() if way.startswith("one call") and met)])
        value, met = of["narrowd"]
        ratio = round(value / best, 2) if met else 0
        bars.add(f"{model} under ONNX Runtime: true speed-up by that of the best single call that meets the criterion, or by 1",
                 f"{NOT_WORSE:g}", f"{ratio:.2f} ({value:.2f} by {best:.2f})", ratio >= NOT_WORSE)


def asks(bars, options):
    for operators, known, bar in ASKS:
        operators, known = (operators // 10, known // 10) if options.short else (operators, known)
        spent = float(program(options.build / "bench/ask_time", "sgp", operators, known))
        bars.add(f"a question of sgp, {operators:,} operators, {known} trials known", bar and f"{bar} ms", f"{spent:.1f} ms", bar is None or spent <= bar)


def imported(burden, count):
    rng, names = random.Random(1), [f"l{i}" for i in range(IMPORT_OPERATORS)]
    for _ in range(count):
        low = {name for name in names if rng.random() < 0.5}
        yield {"accuracy": 0.7 - 0.001 * len(low) * rng.random(), "latency_ms": 11 - 0.3 * len(low),
               "config": {"ops": {name: burden.INT8 if name in low else {"mode": "fp32"} for name in names}}}


def take(load):
    """The next question of the job."""
    lease = {"pool": "learnt", "worker": "w", "wait_s": 25, "ttl_s": 600}
    while True:
        for item in (load.expect(200, "POST", "/v1/leases", lease) or {"items": []})["items"]:
            return item["lease"]


def imports(bars, options):
    """A job of a daemon of its own is given trials from elsewhere while its first question is out."""
    import burden
    import daemon as daemons

    spent, count = [], IMPORTED // 20 if options.short else IMPORTED
    with tempfile.TemporaryDirectory() as folder, daemons.Daemon(folder) as daemon:
        load = burden.Burden(daemon, IMPORT_OPERATORS)
        load.learn()
        question, trials = take(load), list(imported(burden, count))
        before = large_reads.cpu_ms(daemon.process.pid)
        load.expect(200, "POST", f"/v1/jobs/{load.learnt}/trials", {"trials": trials})
        for number in range(1 + IMPORT_QUESTIONS):
            result = {"accuracy": 0.69 - 0.001 * number, "latency_ms": 9 - 0.1 * number}
            load.expect(200, "POST", f"/v1/leases/{question}/complete", result)
            question, now = take(load), large_reads.cpu_ms(daemon.process.pid)
            spent.append((now - before) / 1e3)
            before = now
        pieces = load.held_up()
        arena.say(*pieces, sep="\n")
    first, *others = spent
    bars.add(f"{count} imported trials, {IMPORT_OPERATORS} operators: import and next question", f"{IMPORT_BAR} s", f"{first:.2f} s",
             first <= IMPORT_BAR)
    bars.add("... each of the five after it", f"{IMPORT_BAR} s", f"{max(others):.2f} s at most", max(others) <= IMPORT_BAR)
    bars.add("... pieces of the loop over 5 ms", "0", f"{len(pieces)}", not pieces)


def costs(bars, options, daemon, make):
    """CPU time per question of sgp, what it thinks of the last result included (a minute)"""
    asks(bars, options)
    imports(bars, options)


PARTS = {"synthetic": synthetic, "models": models, "time": costs}
