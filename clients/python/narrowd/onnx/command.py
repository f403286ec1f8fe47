"""narrow-onnx: the same on a command line."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from ..errors import NarrowdError, Refused, Unreachable
from .usage import CLOCKS, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_KEEP, EXIT_LEFT, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, parser

WORTH = "to see what it is worth: judge it on data that the search has not seen, and time it in turns with the model (narrowd.compare); here nothing is measured"


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        return {"tune": run_tune, "build": run_build, "quantize": run_quantize}[args.command](args)
    except (NarrowdError, OSError, ValueError) as error:
        print(f"narrow-onnx: {in_words(error)}", file=sys.stderr)
        return EXIT_REFUSED if isinstance(error, Refused) else EXIT_UNREACHABLE if isinstance(error, Unreachable) else \
            EXIT_FAILED if isinstance(error, NarrowdError) else EXIT_USAGE
    except KeyboardInterrupt:
        print("narrow-onnx: interrupted; the same command goes on where it was", file=sys.stderr)
        return EXIT_INTERRUPTED


def in_words(error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error.calling(options()))
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def said(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: str | None = None) -> None:
    print(f"narrow-onnx: {message}", file=sys.stderr)


def run_quantize(args: argparse.Namespace) -> int:
    from .recipe import quantize

    quantize(args.model, args.recipe, args.out, args.calib)
    print(f"{args.out}: {os.path.getsize(args.out) / 1e6:.2f} MB (was {os.path.getsize(args.model) / 1e6:.2f})")
    return 0


def run_build(args: argparse.Namespace) -> int:
    from ..client import Client
    from .points import CALIBRATION, build

    with Client() as client:
        job = client.find(args.job)
        if args.trial is None:
            best = job.best(args.tolerable_loss)
            config, keep, words = best["config"], best["keep_baseline"], best["verdict"] or ""
        else:
            trial = job.trial(args.trial)
            if trial["kind"] not in ("baseline", "evaluate", "confirm"):
                raise ValueError(f"trial {args.trial} is no measurement of a config, it is one of {trial['kind']}")
            config, keep, words = trial["config"], False, f"trial {args.trial}"
        made_with = job.get()["labels"].get(CALIBRATION, "")
    warnings.showwarning = said
    build(args.model, {"ops": {}} if keep or config is None else config, args.out, args.calib, made_with)
    print(f"by the trials: {words}")
    print(f"{args.out}{' is the model as it came' * keep}: {os.path.getsize(args.out) / 1e6:.2f} MB (was {os.path.getsize(args.model) / 1e6:.2f})")
    if not keep and (args.trial is not None or args.tolerable_loss is not None):
        print(WORTH)
    return EXIT_KEEP if keep else 0


def options() -> dict[str, str]:
    """What the command line calls the members of a job's body."""
    from .tune import CALLED

    own = {"higher_is_better": "lower_is_better"}
    return {pointer: f"--{own.get(name, name).replace('_', '-')}" for pointer, name in CALLED.items()}


def run_tune(args: argparse.Namespace) -> int:
    from ..scores import Scores, aimet
    from .tune import tune

    scores: bool | Scores | None = aimet(args.scores, higher_is_better=not args.lower_is_better) if hasattr(args, "scores") \
        else False if args.no_scores else None
    out = getattr(args, "out", None) or os.path.splitext(args.model)[0] + ".tuned.onnx"
    if hasattr(args, "front"):
        os.makedirs(args.front, exist_ok=True)  # what would be found out at the end of the search otherwise
    job = {"warm_start": {"job": args.warm_start}} if hasattr(args, "warm_start") else {}
    if hasattr(args, "name"):
        job["name"] = args.name
    warnings.showwarning = said
    tuned = tune(args.model, out, args.calib, args.eval, max_drop=args.max_drop, criterion=args.criterion,
                 higher_is_better=not args.lower_is_better, objective=args.objective,
                 approach=args.approach, max_trials=args.max_trials, threads=getattr(args, "threads", None),
                 clock=CLOCKS[args.clock], accept=getattr(args, "accept", None), progress=not args.quiet, job=job,
                 scores=scores, library=args.library, front=hasattr(args, "front"),
                 identity=args.identity)
    print(tuned)
    for point in tuned.front:
        if point.trial > 0:
            point.write(os.path.join(args.front, f"trial-{point.trial}.onnx"))
    return EXIT_LEFT if tuned.left else EXIT_KEEP if tuned.keep_fp32 else 0
