#!/usr/bin/python3
"""How much of the held-out images is read on the real digits model, with and without early verdicts.

bench/early_verdict_digits.py [--build DIR] [--max-trials N] [STRATEGY...]

A worker runs the evaluator's command for each question and passes on every line of progress. Printed
for each strategy and each stated error probability: the share of the images read in all trials, how
many were pruned, how many of these were wrong (measured again to the end), and what was found.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))


def measure(command, question, report):
    """Runs the command; report(progress) says whether to go on. Returns (answer, images read)."""
    process = subprocess.Popen([command, "--answer", "--progress"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps(question))
    process.stdin.close()
    seen, answer = 0, None
    for line in process.stdout:
        value = json.loads(line)
        if "progress" not in value:
            answer = value
        else:
            seen = value["progress"]["seen"]
            if not report(value["progress"]):
                process.kill()
                break
    process.stdout.close()
    process.wait()
    return answer, seen


def run(kit, daemon, command, capability, strategy, error, trials):
    criterion = {"strategy": strategy, "objective": "latency_ms", "max_trials": trials}
    job = kit.submit(daemon, {
        "capability": capability, "tuning_criterion": criterion, "evaluator": {"pool": "digits"},
        "accuracy_criterion": {"criterion": "relative", "tolerable_loss": 0.01}, "confirm": 0,
        "early_verdict": {"error_probability": error or 0},
    })
    read, pruned = [], []
    while kit.get(daemon, f"/v1/jobs/{job}")["exit"] is None:
        request = {"pool": "digits", "worker": "bench", "wait_s": 0.2}
        for question in daemon.request("POST", "/v1/leases", request)[2]["items"]:
            lease = f"/v1/leases/{question['lease']}"

            def report(progress, lease=lease):
                if error is None:
                    return True
                return daemon.request("POST", lease + "/heartbeat", {"progress": progress})[2]["continue"]

            answer, seen = measure(command, question, report)
            if question["question"] == "evaluate":
                read.append(seen)
            if answer is None:
                pruned.append(question)
            else:
                daemon.request("POST", lease + "/complete", answer)
    document = kit.finished(daemon, job)
    bound = document["criterion"]["bound"]
    wrong = sum(measure(command, q, lambda _: True)[0]["accuracy"] >= bound for q in pruned)
    best = kit.get(daemon, f"/v1/jobs/{job}/best")
    images = max(read)
    found = f"{best['accuracy']:.4f}, {best['speedup']:.2f}x" if best["feasible"] else "none"
    name = "none" if error is None else ("certain" if error == 0 else f"{error:.0%}")
    print(f"| `{strategy}` | {name} | {len(read)} | {sum(read) / images / len(read):.2f} | "
          f"{len(pruned)} | {wrong} | {found} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--max-trials", type=int, default=100)
    parser.add_argument("strategies", nargs="*", default=["basic", "bisect", "sgp"])
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    command = f"{options.build}/examples/digits/digits-evaluator"
    import daemon as daemons
    import jobkit as kit

    capability = json.loads(subprocess.run([command, "--answer"], input='{"question": "capability"}',
                                           stdout=subprocess.PIPE, text=True, check=True).stdout)
    print("| strategy | early verdicts | trials | images read | pruned | wrong | found |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
        for strategy in options.strategies:
            for error in (None, 0, 0.01, 0.05):
                run(kit, daemon, command, capability, strategy, error, options.max_trials)


if __name__ == "__main__":
    main()
