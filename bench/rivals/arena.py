"""What the programs of this folder share: options, the environment with the rivals, problems, jobs that search one, and tables."""

import argparse
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NEEDED = ("numpy==2.4.6", "scipy", "scikit-learn", "optuna==5.0.0")
TORCH = "torch==2.13.0"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


def install(build):
    """The Python of the environment, which a program is then run by."""
    python = build / "rivals" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *NEEDED], check=True)
        if subprocess.run([*pip, "--index-url", CPU_WHEELS, TORCH]).returncode != 0:
            print(f"{TORCH} cannot be installed: without it there is no Optuna GP")
    return python


def has_torch():
    return importlib.util.find_spec("torch") is not None


def numbers(text):
    """"1-5", or one."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def words(separator):
    return lambda text: text.split(separator)


def parser(text):
    """Of a program whose description is `text`."""
    made = argparse.ArgumentParser(description=text.splitlines()[0])
    made.add_argument("--build", type=pathlib.Path, default=ROOT / "build-release")
    made.add_argument("--families", type=pathlib.Path, default=HERE, help="a folder with a problems.py")
    made.add_argument("--only", type=words(","), help="families")
    made.add_argument("--seeds", type=numbers, default="1-5")
    return made


def add_searchers(made, everybody, budget):
    made.add_argument("--budget", type=int, default=budget)
    made.add_argument("--searchers", type=words(";"), default=everybody, help="names with semicolons between them")


def enter(options, plain=False):
    """Goes on in the environment, in a process of its own where this is another one, with the black-box tests at hand;
    `plain` without it. Returns what makes a problem by family and seed."""
    python = None if plain else install(options.build.resolve())
    if python and pathlib.Path(sys.prefix).resolve() != python.parents[1].resolve():
        # On a busy machine threads of numpy wait for each other.
        sys.exit(subprocess.run([python, *sys.argv], env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}).returncode)
    # HiGHS prints lines of its own, which are no rows of a table.
    sys.stdout = open(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), 1)
    os.environ["NARROWD_BIN"] = str(options.build.resolve() / "daemon" / "narrowd")
    sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash"), str(options.families)]
    module = __import__("families" if options.families == HERE else "problems")
    options.only = options.only or list(module.FAMILIES)
    return module.make


class Daemon:
    """A daemon with nothing in it, and jobs of it."""

    def __init__(self):
        import daemon
        import jobkit

        self.kit, self.folder = jobkit, tempfile.TemporaryDirectory()
        self.daemon = daemon.Daemon(self.folder.name)

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *what):
        self.daemon.__exit__(*what)
        self.folder.cleanup()

    def submit(self, problem, url, capability, tuning, **more):
        return self.kit.submit(self.daemon, {
            "capability": capability, "approach": problem.approach, "evaluator": {"url": url},
            "tuning_criterion": {"objective": problem.objective, "stop_on": "budget", **tuning},
            "accuracy_criterion": {"higher_is_better": problem.higher, "criterion": "relative",
                                   "tolerable_loss": problem.tol},
            **more})

    def search(self, meter, capability, tuning, scores=None, **more):
        """What a job hands over that searches the problem of the meter, which keeps its trials, and the job's id."""
        problem = meter.problem

        def reply(question, headers):
            if question["question"] == "score":
                return scores(question)
            if question["question"] == "baseline" or question.get("subject") == 0:
                quality, cost = problem.bq, problem.bc
            else:
                config = problem.index(question["config"])
                quality, cost = meter.measure(config)
                if question["kind"] == "evaluate":
                    meter.trials.append((config, quality, cost))
            metrics = {} if problem.objective == "latency_ms" else {problem.objective: cost}
            return {"accuracy": quality, "latency_ms": cost, "metrics": metrics}

        with self.kit.Evaluator(reply) as evaluator:
            job = self.submit(problem, evaluator.url, capability, {"max_trials": meter.budget, **tuning}, **more)
            self.kit.finished(self.daemon, job)
            best = self.get(f"/v1/jobs/{job}/best")
        return problem.xb if best["keep_baseline"] else problem.index(best["config"]), job

    def get(self, path):
        return self.kit.get(self.daemon, path)

    def cancel(self, job):
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")


def problems(options, make):
    for family in options.only:
        for seed in options.seeds:
            yield family, seed, make(family, seed)


def say(*what, sep=" "):
    print(*what, sep=sep, file=sys.stderr, flush=True)


def show(options, table, **columns):
    """`table` has the rows of a searcher of a family, whose first figures are shown as medians; `columns` are made from
    the rows of all families."""
    head = [*options.only, *(name.replace("_", " ") for name in columns)]
    print(f"| searcher | {' | '.join(head)} |")
    print("|---" * (len(head) + 1) + "|")
    for name in options.searchers:
        cells = [f"{statistics.median(row[0] for row in table[family][name]):.2f}" for family in options.only]
        rows = [row for family in options.only for row in table[family][name]]
        print(f"| {' | '.join([name, *cells, *(of(rows) for of in columns.values())])} |")
