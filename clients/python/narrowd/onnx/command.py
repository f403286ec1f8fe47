"""narrow-onnx: the same on a command line."""

import argparse
import importlib
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import NarrowdError, Refused, Unreachable

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
EXIT_FAILED = 1
EXIT_USAGE = 2  # as narrow's: wrong usage, or a file, or what is in it, that cannot be used
EXIT_REFUSED = 3
EXIT_UNREACHABLE = 4
EXIT_INTERRUPTED = 130
EXIT_KEEP = 5  # as narrow's: the model as it came is the better one
EXIT_LEFT = 6  # so it is, and what stands in its place is a file that was there before


def function_of(text: str) -> Callable[..., Any]:
    """module:function, with modules of the current folder."""
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not MODULE:FUNCTION")
    sys.path.insert(0, os.getcwd())
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except SyntaxError as error:  # of a module that never ran: no frame is its
        raise argparse.ArgumentTypeError(f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})") from None
    except Exception as error:  # whatever the module does when it is imported
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, (ImportError, AttributeError)) else f" ({last.filename}, line {last.lineno})"
        raise argparse.ArgumentTypeError(f"{type(error).__name__}: {error}{where}") from None
    return function


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="narrow-onnx", description="Tunes models in ONNX for ONNX Runtime.")
    commands = top.add_subparsers(dest="command", required=True)
    quantize = commands.add_parser("quantize", help="apply what `narrow export --format onnxruntime` printed")
    quantize.add_argument("model")
    quantize.add_argument("recipe", metavar="RECIPE.json")
    quantize.add_argument("out")
    quantize.add_argument("--calib", metavar="FILE.npz", help="for quantize_static; as for tune")
    build = commands.add_parser("build", help="make a config of a search that has ended a file, for another loss, without another search")
    build.add_argument("model")
    build.add_argument("job", metavar="JOB", help='the search: an id, the beginning of one, a name, or "last", the newest')
    build.add_argument("out")
    build.add_argument("--calib", required=True, metavar="FILE.npz", help="as for tune: the file is the one that was measured where it has the same data")
    which = build.add_mutually_exclusive_group()
    which.add_argument("--tolerable-loss", type=float, metavar="X", help="the best of what was measured that loses no more, as the criterion counts it")
    which.add_argument("--trial", type=int, metavar="N", help="the config of this trial, such as a point of the front")
    tune = commands.add_parser(
        "tune", help="search for the best config of a model and write it as a file",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="Of 1.42 times as fast (1.35 to 1.49) the range is where the speed-up lies with 90 % confidence. "
               f"The exit status is {EXIT_KEEP} when the model as it came is the better one, and is what was written; {EXIT_LEFT} when it is "
               "and FILE.onnx was another one before, such as that of an earlier search: then FILE.onnx is left as it was. Else it is that of "
               f"narrow: {EXIT_FAILED} when the search failed, {EXIT_USAGE} for a wrong option or a file that cannot be used, {EXIT_REFUSED} for what "
               f"narrowd refuses, {EXIT_UNREACHABLE} when it cannot be reached.")
    tune.add_argument("model")
    tune.add_argument("--calib", required=True, metavar="FILE.npz", default=argparse.SUPPRESS,
                      help="an array for each input of the model, one row a run; latency is measured with the first row")
    tune.add_argument("--eval", required=True, type=function_of, metavar="MODULE:FUNCTION", default=argparse.SUPPRESS,
                      help="gets an onnxruntime.InferenceSession, returns its accuracy")
    tune.add_argument("--out", metavar="FILE.onnx", default=argparse.SUPPRESS, help="what is written (default: MODEL.tuned.onnx)")
    tune.add_argument("--accept", type=function_of, metavar="MODULE:FUNCTION", default=argparse.SUPPRESS,
                      help="as --eval, on data that the search has not seen: by it the winner is judged in the end, which the search may "
                           "have chosen for its luck with the other")
    tune.add_argument("--name", default=argparse.SUPPRESS, help="of the search (default: MODEL, what may be lost, other options and when it began)")
    tune.add_argument("--max-drop", type=float, default=0.01, help="what may be lost of the accuracy of MODEL")
    tune.add_argument("--criterion", default="relative", choices=["relative", "absolute"],
                      help="whether --max-drop is a share of that accuracy, or an amount of it")
    tune.add_argument("--lower-is-better", action="store_true", help="FUNCTION returns a loss or an error rate")
    tune.add_argument("--objective", default="latency_ms", choices=["latency_ms", "model_size_bytes"], help="what is to be less")
    tune.add_argument("--approach", default="auto", choices=["auto", "static", "dynamic", "weight_only"],
                      help="what is tried; auto: static and dynamic int8")
    tune.add_argument("--max-trials", type=int, default=25, help="configs that are measured at most")
    tune.add_argument("--warm-start", metavar="JOB", default=argparse.SUPPRESS,
                      help="an earlier search of this model, as its last lines name it: what it measured counts, "
                           "whatever may be lost now")
    tune.add_argument("--library", action="store_true",
                      help="begin with what your earlier searches learnt of operators of the same type and shape, in place of scores")
    tune.add_argument("--front", metavar="FOLDER", default=argparse.SUPPRESS,
                      help="leave open how much may be lost: search the best at every loss up to five times --max-drop, and write a file "
                           "for each to FOLDER, trial-N.onnx")
    tune.add_argument("--threads", type=int, default=argparse.SUPPRESS, help="of ONNX Runtime (default: its own choice)")
    tune.add_argument("--clock", default="wall", choices=list(CLOCKS),
                      help="what latency is measured by; cpu: the CPU time of this process with one thread, which other work on "
                           "the machine moves much less than the time that passes; all latencies, speed-ups and ranges are then of it")
    scored = tune.add_mutually_exclusive_group()
    scored.add_argument("--scores", metavar="REPORT.json", default=argparse.SUPPRESS,
                        help="a list by layer of AIMET's QuantAnalyzer (per_layer_quant_enabled.json, ..._disabled.json or per_layer_mse_loss.json), "
                             "in place of scores that are measured here")
    scored.add_argument("--no-scores", action="store_true",
                        help="ask for no scores before the first trial: they cost one build of the model for each operator and option")
    tune.add_argument("--identity", metavar="TEXT", default="",
                      help="what else makes a call another one than the one it would go on with, such as a digest of the data that FUNCTION reads")
    tune.add_argument("--quiet", action="store_true", help="say nothing before the result")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        return {"tune": run_tune, "build": run_build, "quantize": run_quantize}[args.command](args)
    except (NarrowdError, OSError, ValueError) as error:
        said = error.calling(options()) if isinstance(error, Refused) else error
        print(f"narrow-onnx: {said}", file=sys.stderr)
        return EXIT_REFUSED if isinstance(error, Refused) else EXIT_UNREACHABLE if isinstance(error, Unreachable) else \
            EXIT_FAILED if isinstance(error, NarrowdError) else EXIT_USAGE
    except KeyboardInterrupt:
        print("narrow-onnx: interrupted; the same command goes on where it was", file=sys.stderr)
        return EXIT_INTERRUPTED


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
