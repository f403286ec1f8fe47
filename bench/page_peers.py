#!/usr/bin/python3
"""The page of a job beside Optuna's dashboard with a study of equal size: bytes, first paint, CPU time, longest task, heap.

bench/page_peers.py [--build build-release] [--trials 300] [--operators 200] [--visits 3]

The dashboard sends the whole study in one answer, of 68 kB for each trial of 200 operators: 10,000 of these it cannot show,
10,000 of 4 operators it can. Both, and a bare page, are visited by the same Chromium in turns. What Optuna needs comes from PyPI into DIR/page-peers, a virtual environment.
"""

import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
NEEDED = ("optuna==5.0.0", "optuna-dashboard==0.21.0")

# A study like the job that tests/page/kit.mjs makes: some operators of each trial are lowered.
SERVE = """
import sys, wsgiref.simple_server, optuna, optuna_dashboard
trials, operators = map(int, sys.argv[1:])
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = optuna.storages.InMemoryStorage()
study = optuna.create_study(storage=storage, directions=["maximize", "minimize"], study_name="large")
modes = optuna.distributions.CategoricalDistribution(("static", "bf16", "fp32"))
names = [f"block{op // 4}.conv{op % 4}" for op in range(operators)]
distributions = {name: modes for name in names}
for n in range(trials):
    lowered = [(op * 7 + n * 13) % 101 < 4 for op in range(operators)]
    study.add_trial(optuna.trial.create_trial(
        params={name: "bf16" if low else "static" for name, low in zip(names, lowered)}, distributions=distributions,
        values=[0.9 - 0.02 * (n * 7919 % 997 / 997), 100 - sum(lowered) / 4 - 10 * (n * 104729 % 991 / 991)]))
server = wsgiref.simple_server.make_server("127.0.0.1", 0, optuna_dashboard.wsgi(storage))
print(server.server_port, flush=True)
server.serve_forever()
"""


def install(build):
    python = build / "page-peers" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED], check=True)
    return python


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", default="build-release", type=pathlib.Path)
    options.add_argument("--trials", default=300, type=int)
    options.add_argument("--operators", default=200, type=int)
    options.add_argument("--visits", default=3, type=int)
    asked = options.parse_args()
    build, size = asked.build.resolve(), [str(asked.trials), str(asked.operators)]
    fetch = [ROOT / "tools/page.py", "fetch", "--tests"]
    modules = subprocess.run(fetch, check=True, text=True, stdout=subprocess.PIPE).stdout.split()[-1]
    serve = [install(build), "-c", SERVE, *size]
    with subprocess.Popen(serve, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            port = int(server.stdout.readline())
            peer = f"optuna-dashboard=http://127.0.0.1:{port}/dashboard/studies/0/trials"
            environment = {**os.environ, "NARROWD_BUILD": str(build), "NARROWD_NODE_MODULES": f"{modules}/node_modules"}
            subprocess.run(["node", ROOT / "tests/page/peers.mjs", *size, str(asked.visits), peer], check=True, env=environment)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
