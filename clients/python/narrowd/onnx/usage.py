"""The options of narrow-onnx, its help, and what its exit statuses mean."""

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
EXIT_FAILED = 1
EXIT_USAGE = 2  # as narrow's: wrong usage, or a file, or what is in it, that cannot be used
EXIT_REFUSED = 3
EXIT_UNREACHABLE = 4
EXIT_KEEP = 5  # as narrow's: the model as it came is the better one
EXIT_LEFT = 6  # so it is, and what stands in its place is a file that was there before
EXIT_INTERRUPTED = 130

STATUSES = {
    0: "the file is written", EXIT_FAILED: "the search failed, for what FUNCTION raised or returned, too",
    EXIT_USAGE: "a wrong option, or a file that cannot be used", EXIT_REFUSED: "narrowd refuses it: a setting, or a job that is not there",
    EXIT_UNREACHABLE: "narrowd cannot be reached", EXIT_KEEP: "the model as it came is the better one, and is what was written",
    EXIT_LEFT: "so it is, and the file was another one before, such as that of an\n       earlier search, which is left as it was",
    EXIT_INTERRUPTED: "interrupted; the same command goes on where it was",
}
DAEMON = """\
Searches are jobs of a private narrowd, which starts when it is needed and keeps them in
~/.cache/narrowd, or of the one that NARROWD_URL names."""
TUNE = """\
example:
  narrow-onnx tune in.onnx --calib data.npz --eval mine:accuracy --out out.onnx

  with mine.py in this folder:
    def accuracy(session):  # an onnxruntime.InferenceSession
        return float((session.run(None, {"x": images})[0].argmax(1) == labels).mean())

Of "1.42 times as fast (1.35 to 1.49)" the range is where the speed-up lies with 90 %
confidence. Killed or interrupted, the same command goes on where it was.
"""
BUILD = """\
examples:
  narrow-onnx build in.onnx last out.onnx --calib data.npz --tolerable-loss 0.03
  narrow-onnx build in.onnx job_01M8 out.onnx --calib data.npz --trial 12
"""
QUANTIZE = """\
example:
  narrow export JOB --format onnxruntime >recipe.json
  narrow-onnx quantize in.onnx recipe.json out.onnx --calib data.npz
"""


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


def statuses(numbers: Iterable[int]) -> str:
    return "\nexit status:\n" + "\n".join(f"  {number:<5}{STATUSES[number]}" for number in numbers)


class Parser(argparse.ArgumentParser):
    """One that says what is wrong as narrow does: the usage before it would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"narrow-onnx: {message.removeprefix('argument ')}\n{self.prog} --help tells more\n")


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = Parser(
        prog="narrow-onnx", description="Tunes models in ONNX for ONNX Runtime: from a file to a smaller and faster one.", formatter_class=raw,
        epilog=f"{DAEMON}\nnarrow-onnx COMMAND --help has the options of each, an example and the exit statuses.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    add_tune(commands.add_parser(
        "tune", help="search for the best config of a model and write it as a file", formatter_class=raw,
        description="Searches for the best config of a model, writes it as a file, and measures that file.",
        epilog=TUNE + statuses(STATUSES) + "\n\n" + DAEMON))
    build = commands.add_parser(
        "build", help="write a config of a search that has ended, such as the best for another loss", formatter_class=raw,
        description="Writes a config that a search has measured as a file. Nothing is searched or measured.",
        epilog=BUILD + statuses((0, EXIT_USAGE, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_KEEP, EXIT_INTERRUPTED)) + "\n\n" + DAEMON)
    build.add_argument("model", metavar="MODEL", help="the model of the search, as it came")
    build.add_argument("job", metavar="JOB", help='the search: an id, the beginning of one, a name, or "last", the newest')
    build.add_argument("out", metavar="OUT", help="the file to write")
    build.add_argument("--calib", required=True, metavar="FILE.npz",
                       help="the data of the search, as for tune; with other data the file is another one than was measured, and a warning says so")
    which = build.add_mutually_exclusive_group()
    which.add_argument("--tolerable-loss", type=float, metavar="X",
                       help="the best of what was measured that loses no more than X, as the search counts it: 0.03 is 3 %% of the accuracy, or with an absolute "
                            "criterion 0.03 of it (default: what the search itself chose)")
    which.add_argument("--trial", type=int, metavar="N", help="the config of this trial, such as a point of the front")
    quantize = commands.add_parser(
        "quantize", help="apply what `narrow export JOB --format onnxruntime` printed", formatter_class=raw,
        description="Carries out an export: one call of ONNX Runtime for the whole model. Names that the model lacks are refused.",
        epilog=QUANTIZE + statuses((0, EXIT_USAGE, EXIT_INTERRUPTED)))
    quantize.add_argument("model", metavar="MODEL", help="the model of the search, as it came")
    quantize.add_argument("recipe", metavar="RECIPE.json", help="what was exported: a function of ONNX Runtime with its arguments")
    quantize.add_argument("out", metavar="OUT", help="the file to write")
    quantize.add_argument("--calib", metavar="FILE.npz", help="samples as for tune; only a recipe of quantize_static needs them")
    return top


def add_tune(tune: argparse.ArgumentParser) -> None:
    """Those with a default of tune() itself are not there when nobody gave them."""
    unset = argparse.SUPPRESS
    files = tune.add_argument_group("what goes in and what comes out")
    files.add_argument("model", metavar="MODEL", help="the model in fp32")
    files.add_argument("--calib", required=True, metavar="FILE.npz",
                       help="an array for each input of the model, one row a run (.npy: of the only input); some 100 rows that look like the real thing. "
                            "Latency is measured with the first row")
    files.add_argument("--eval", required=True, type=function_of, metavar="MODULE:FUNCTION",
                       help="the function of MODULE.py, in this folder, that gets an onnxruntime.InferenceSession and returns its accuracy")
    files.add_argument("--out", metavar="FILE.onnx", default=unset, help="what is written (default: MODEL.tuned.onnx)")
    lost = tune.add_argument_group("what may be lost")
    lost.add_argument("--max-drop", type=float, default=0.01, metavar="X", help="how much of the accuracy of MODEL may be lost (default: %(default)s)")
    lost.add_argument("--criterion", default="relative", choices=["relative", "absolute"],
                      help="whether --max-drop is a share of that accuracy, or an amount of it (default: %(default)s)")
    lost.add_argument("--lower-is-better", action="store_true", help="FUNCTION returns a loss or an error rate")
    lost.add_argument("--accept", type=function_of, metavar="MODULE:FUNCTION", default=unset,
                      help="as --eval, on data that the search has not seen: by it the winner is judged in the end, which the search may "
                           "have chosen for its luck with the other")
    lost.add_argument("--front", metavar="FOLDER", default=unset,
                      help="leave open how much may be lost: search the best at every loss up to five times --max-drop, and write a file "
                           "for each to FOLDER, trial-N.onnx")
    tried = tune.add_argument_group("what is tried")
    tried.add_argument("--objective", default="latency_ms", choices=["latency_ms", "model_size_bytes"], help="what is to be less (default: %(default)s)")
    tried.add_argument("--approach", default="auto", choices=["auto", "static", "dynamic", "weight_only"],
                       help="static: int8 with ranges from --calib; dynamic: int8 with ranges found at run time; auto: both; weight_only: 4 and 8 bits (default: %(default)s)")
    tried.add_argument("--max-trials", type=int, default=25, metavar="N", help="configs that are measured at most (default: %(default)s)")
    measured = tune.add_argument_group("how it is measured")
    measured.add_argument("--threads", type=int, metavar="N", default=unset, help="of ONNX Runtime (default: its own choice)")
    measured.add_argument("--clock", default="wall", choices=list(CLOCKS),
                          help="what latency is measured by; cpu: the CPU time of this process with one thread, which other work on "
                               "the machine moves much less than the time that passes; all latencies, speed-ups and ranges are then of it (default: %(default)s)")
    begin = tune.add_argument_group("what it begins with")
    scored = begin.add_mutually_exclusive_group()
    scored.add_argument("--scores", metavar="REPORT.json", default=unset,
                        help="a list by layer of AIMET's QuantAnalyzer (per_layer_quant_enabled.json, ..._disabled.json or per_layer_mse_loss.json), "
                             "in place of scores that are measured here")
    scored.add_argument("--no-scores", action="store_true",
                        help="ask for no scores before the first trial: they cost one build of the model for each operator and option")
    begin.add_argument("--warm-start", metavar="JOB", default=unset,
                       help="the whole id of an earlier search of this model: what it measured counts, whatever may be lost now")
    begin.add_argument("--library", action="store_true",
                       help="what your earlier searches learnt of operators of the same type and shape, in place of scores")
    other = tune.add_argument_group("other")
    other.add_argument("--name", default=unset, help="of the search (default: MODEL, what may be lost, other options and when it began)")
    other.add_argument("--identity", metavar="TEXT", default="",
                       help="what else makes a call another one than the one it would go on with, such as a digest of the data that FUNCTION reads")
    other.add_argument("--quiet", action="store_true", help="say nothing before the result")
