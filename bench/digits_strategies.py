#!/usr/bin/python3
"""Every strategy on the digits model, measured for real: the table of docs/strategies.md.

bench/digits_strategies.py [--build DIR] [--max-trials N] [STRATEGY...]
"""

import argparse
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))

# What cannot run on this model, and why.
ELSEWHERE = {
    "auto_mixed_precision": "the evaluator's kernels are int8 and fp32",
    "sigopt": "needs an account with a SigOpt server",
    "remote": "needs a strategy of the user's own",
}


def run(kit, daemon, url, strategy, trials):
    criterion = {"strategy": strategy, "objective": "latency_ms", "max_trials": trials}
    job = {
        "tuning_criterion": criterion,
        "accuracy_criterion": {"criterion": "relative", "tolerable_loss": 0.01},
        "evaluator": {"url": url},
        "quant_level": {"auto": "auto", "conservative": 0}.get(strategy, 1),
    }
    job_id = kit.submit(daemon, job)
    document = kit.finished(daemon, job_id)
    best = kit.get(daemon, f"/v1/jobs/{job_id}/best")
    told = kit.everything(daemon, f"/v1/jobs/{job_id}/trials")
    measured = [t for t in told if t["kind"] == "evaluate" and t["source"] == "measured"]
    scores = sum(t["kind"] == "score" for t in told)
    until = next((n for n, t in enumerate(measured, 1) if t["feasible"]), None)
    return document, best, len(measured), until, scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--max-trials", type=int, default=100)
    parser.add_argument("strategies", nargs="*")
    options = parser.parse_args()
    os.environ["NARROWD_BIN"] = f"{options.build}/daemon/narrowd"
    os.environ["DIGITS_EVALUATOR"] = f"{options.build}/examples/digits/digits-evaluator"
    import daemon as daemons
    import digits
    import jobkit as kit

    print("| strategy | trials | until the criterion | score questions | accuracy | speed-up | ended by |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory, daemons.Daemon(directory) as daemon:
        with digits.Evaluator() as evaluator:
            listed = [s["name"] for s in kit.everything(daemon, "/v1/strategies")]
            for name in options.strategies or listed:
                if name in ELSEWHERE:
                    print(f"| `{name}` | {ELSEWHERE[name]} |||||")
                    continue
                document, best, trials, until, scores = run(
                    kit, daemon, evaluator.url, name, options.max_trials
                )
                speed = f"{best['speedup']:.2f}x" if best["feasible"] else "-"
                print(
                    f"| `{name}` | {trials} | {until or '-'} | {scores} | "
                    f"{best['accuracy']:.4f} | {speed} | {document['exit']['reason']} |"
                )


if __name__ == "__main__":
    main()
