"""What narrow-onnx says on a command line, and what it does not say; run by test_python_onnx.py with the cases of onnx_cases.py."""

import argparse
import contextlib
import dataclasses
import io
import itertools
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np
import onnx
import onnxruntime as ort
from daemon import Daemon
from onnx_cases import DIRECTION, WIDTH, Case, attention
from patience import PATIENCE_S

import narrowd
from narrowd.calls import name_of
from narrowd.onnx import command, tune
from narrowd.onnx.advice import Call, Judged, another_search, more_samples, next_step, times_as_many
from narrowd.onnx.tune import data_of, threads_of
from narrowd.onnx.tuner import Tuner
from narrowd.onnx.usage import parser

EVALUATORS = """
import itertools, os, pathlib, time

def good(session): return 1.0
def error(session, path): return 0.1 if path.endswith("in.onnx") else 0.15
def other(session, path): return 0.1 if path.endswith("in.onnx") else 0.19
def ruined(session, path): return float(path.endswith("in.onnx"))
def slow(session, path): return {"accuracy": 1.0, "latency_ms": 10.0 if path.endswith("in.onnx") else 20.0}
def text(session): return "good"
def nothing(session): return None
def nan(session): return float("nan")

def late(session, path):
    if path.endswith("out.onnx"):
        raise ValueError("no labels")
    return 1.0

def gone(session, path): return float(open("labels").read()) if path.endswith("out.onnx") else 1.0

turns = itertools.cycle([2.0, 19.0, 12.0, 3.0])

def scatters(session, path): return {"accuracy": 1.0, "latency_ms": 10.0 if path.endswith("in.onnx") else next(turns)}

def takes(path, few): return 10.0 if path.endswith("in.onnx") else few if os.path.getsize(path) > 20000 else 5.0
def loses(path, much): return 1.0 - much * (os.path.getsize(path) < 20000)
def lucky(session, path): return {"accuracy": loses(path, 0.0056), "latency_ms": takes(path, 9.0)}
def unlucky(session, path): return {"accuracy": loses(path, 0.0169), "latency_ms": takes(path, 10.0)}

def waits(session):
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return 1.0
"""
REFUSED = ("--max-trials: ", "--max-drop: ", "--warm-start: ")  # by the daemon
FAILED = (" returned ",)  # the search, for what a function of the user's said
FEW = ["--objective", "model_size_bytes", "--max-trials", "2"]


def status_of(words):
    return command.EXIT_REFUSED if any(said in words for said in REFUSED) else command.EXIT_FAILED if any(said in words for said in FAILED) \
        else command.EXIT_USAGE


class Command(Case):
    def setUp(self):
        super().setUp()
        self.enterContext(contextlib.chdir(self.place))
        attention("in.onnx")
        samples = np.random.default_rng(0).normal(0, 1, (8, WIDTH)).astype(np.float32)
        np.save("data.npy", samples)
        np.savez("data.npz", x=samples)
        np.savez("wide.npz", x=samples[:, 1:])
        np.savez("other.npz", y=samples)
        pathlib.Path("garbage").write_text("{")
        pathlib.Path("empty").touch()
        pathlib.Path("folder").mkdir()
        pathlib.Path("two.json").write_text(json.dumps({"quantize_static": {}, "quantize_dynamic": {}}))
        pathlib.Path("per_layer_mse_loss.json").write_text(json.dumps({"conv1": 0.1}))
        pathlib.Path("mine.py").write_text(EVALUATORS)

    def start(self, *arguments):
        return subprocess.Popen([sys.executable, "-B", "-m", "narrowd.onnx", *arguments], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def tune(self, *more, evaluate="good", calibration="data.npz", model="in.onnx"):
        return ["tune", model, "--calib", calibration, "--eval", f"mine:{evaluate}", *FEW, *more]

    def begun(self):
        """One that measures until the test lets it go."""
        process = self.start(*self.tune(evaluate="waits"))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        end = time.monotonic() + PATIENCE_S
        while not pathlib.Path("begun").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        return process

    def misused(self, *arguments):
        with self.assertRaises(SystemExit) as left, contextlib.redirect_stderr(io.StringIO()) as printed:
            command.main(arguments)
        self.assertEqual(left.exception.code, command.EXIT_USAGE)
        return printed.getvalue()

    def test_help(self):
        """Each command has an example and its exit statuses, each option says what it is."""
        commands, = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
        self.assertEqual(set(commands.choices), {"tune", "build", "quantize"})
        for name, of in commands.choices.items():
            self.assertRegex(of.format_help(), rf"example.*:\n(.*\n)?  narrow-onnx {name} in.onnx (.*\n)+\nexit status:\n  0    the file is written\n")
            self.assertEqual([action.dest for action in of._actions if not action.help], [])

    def test_nothing_before_the_result(self):
        """Weights alone have functions of their own in ONNX Runtime, which say two lines of each node."""
        for approach in ("weight_only", "auto"):
            output, said = self.start(*self.tune("--quiet", "--approach", approach)).communicate(timeout=PATIENCE_S)
            self.assertEqual(said, "")
            self.assertRegex(output, r"^by the trials: .*\n.*measured again: ")

    def test_scores_of_another_tool(self):
        """Nothing is built to measure any, and names of the list that are no operators are told in a line."""
        names = [node.name for node in onnx.load("in.onnx").graph.node if node.name]
        pathlib.Path("per_layer_mse_loss.json").write_text(json.dumps({**dict.fromkeys(names, 0.1), "relu": 0.2}))
        output, said = self.start(*self.tune("--quiet", "--scores", "per_layer_mse_loss.json")).communicate(timeout=PATIENCE_S)
        self.assertEqual(said, f"narrow-onnx: 1 of the {len(names) + 1} names that have scores are no operators here: relu\n")
        self.assertIn("measured again: ", output)
        with narrowd.Client() as client:
            self.assertEqual({trial["kind"] for trial in client.job(next(client.jobs())["id"]).trials()}, {"baseline", "evaluate", "confirm"})

    def test_logging_stays_as_the_program_has_it(self):
        """A module of ONNX Runtime sets it up when it is imported."""
        program = ("import logging, sys, narrowd.onnx\n"
                   "recipe = {'MatMulNBitsQuantizer': {'bits': 4, 'block_size': 32, 'is_symmetric': True, 'nodes_to_exclude': []}}\n"
                   "narrowd.onnx.quantize('in.onnx', recipe, 'out.onnx')\n"
                   "logging.getLogger().info('not shown')\n"
                   "print(logging.getLogger().handlers, logging.getLogger('onnxruntime.quantization').level)")
        done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr), ("[] 0\n", ""))

    def test_the_same_call_twice_at_once(self):
        first = self.begun()
        second = self.start(*self.tune(evaluate="waits"))
        said = second.communicate(timeout=PATIENCE_S)[1].splitlines(keepends=True)[-1]
        self.assertEqual((second.returncode, said), (1, "narrow-onnx: the same call runs already in process "
                                                        f"{first.pid}: wait until it ends, or end it and call again, which goes on where it was\n"))
        pathlib.Path("go").touch()
        first.communicate(timeout=PATIENCE_S)
        self.assertIn(first.returncode, (0, command.EXIT_KEEP))

    def test_an_interrupt(self):
        process = self.begun()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_S)[1]
        self.assertEqual(process.returncode, command.EXIT_INTERRUPTED)
        self.assertNotIn("Traceback", said)
        self.assertIn("\nnarrow-onnx: interrupted; the same command goes on where it was\n", said)
        pathlib.Path("go").touch()
        output, said = self.start(*self.tune(evaluate="waits")).communicate(timeout=PATIENCE_S)
        with narrowd.Client() as client:
            self.assertEqual([document["state"] for document in client.jobs()], ["completed"])

    def test_mistakes(self):
        """One sentence each, and before anything is searched where that can be known."""
        def quantized(recipe, *more):
            return ["quantize", "in.onnx", recipe, "out.onnx", *more]

        for arguments, words in (
                (self.tune(model="nothing.onnx"), "narrow-onnx: nothing.onnx: No such file or directory\n"),
                (self.tune(model="garbage"), "garbage is no model in ONNX: "),
                (self.tune(calibration="nothing.npz"), "narrow-onnx: nothing.npz: No such file or directory\n"),
                (self.tune(calibration="garbage"), "garbage is no .npy or .npz file of numbers"),
                (self.tune(calibration="empty"), "empty is no .npy or .npz file of numbers"),
                (self.tune(calibration="other.npz"), "nothing for the input 'x': the model wants 'x', and the data has "),
                (self.tune(calibration="wide.npz"), "does not run with the first sample of the calibration data: "),
                (self.tune(calibration="wide.npz"), "a sample is row i of each"),
                (self.tune("--out", "in.onnx"), "in.onnx is the model itself"),
                (self.tune("--out", "folder"), "folder cannot be written: it is a folder\n"),
                (self.tune("--out", "nowhere/out.onnx"), "nowhere/out.onnx cannot be written: there is no folder "),
                (self.tune("--clock", "cpu", "--threads", "2"), "CPU time is no latency where 2 threads share the work"),
                (self.tune("--clock", "cpu", "--threads", "0"), "threads is 0: give a whole number from 1 on"),
                (self.tune("--max-trials", "0"), "narrow-onnx: --max-trials: must be from 1"),
                (self.tune("--max-drop", "nan"), "narrow-onnx: --max-drop: a number is expected, and it is nan"),
                (self.tune("--max-drop", "5"), "narrow-onnx: --max-drop: a share of the accuracy is expected, and 5 is more than all of it: is 5 % meant, which is 0.05?"),
                (self.tune("--warm-start", "job_1"), "narrow-onnx: --warm-start: there is no job job_1"),
                (self.tune("--scores", "garbage"), "narrow-onnx: garbage is no JSON: "),
                (self.tune("--scores", "two.json"), "per_layer_mse_loss: two is none of them"),
                (self.tune("--scores", "per_layer_mse_loss.json"), "the scores are of none of the operators: they are of conv1, which are called "),
                (self.tune(evaluate="text"), "the function returned 'good' where the accuracy is wanted, a number"),
                (self.tune(evaluate="nan"), "evaluate returned NaN for the model as it came, where a number is wanted"),
                (self.tune("--accept", "mine:nan"), "accept returned NaN for the model as it came, where a number is wanted"),
                (self.tune(evaluate="nothing"), "the function returned nothing where an accuracy is wanted"),
                (self.tune("--accept", "mine:text"), "the function returned 'good' where the accuracy is wanted, a number"),
                (quantized("nothing.json"), "narrow-onnx: nothing.json: No such file or directory\n"), (quantized("garbage"), "garbage is no JSON: "),
                (quantized("two.json"), "what `narrow export JOB --format onnxruntime` prints")):
            said = io.StringIO()
            with self.subTest(arguments), contextlib.redirect_stderr(said):
                self.assertEqual(command.main(arguments), status_of(words))
                last = said.getvalue().splitlines(keepends=True)[-1]
                self.assertIn(words, last)
                self.assertTrue(last.startswith("narrow-onnx: "), said.getvalue())
                self.assertNotIn("Traceback", said.getvalue())
        with narrowd.Client() as client:
            self.assertEqual({document["state"] for document in client.jobs()}, {"failed"}, "none of them waits for anybody")
        pathlib.Path("broken.py").write_text("\n\nnames = undefined\n")
        pathlib.Path("half.py").write_text("\nnames = (\n")
        for wrong, said in (("mine", "'mine' is not MODULE:FUNCTION"), ("mine:lacks", "has no attribute 'lacks'"), ("no_module:x", "No module named 'no_module'"),
                            ("half:x", f"SyntaxError: '(' was never closed ({os.path.realpath('half.py')}, line 2)\n"),
                            ("broken:x", "NameError: name 'undefined' is not defined (")):
            printed = self.misused("tune", str(DIRECTION), "--calib", "x.npz", "--eval", wrong)
            self.assertIn(said, printed)
            self.assertRegex(printed, "^narrow-onnx: --eval: .*\nnarrow-onnx tune --help tells more\n$")
        self.assertIn("broken.py, line 3)", printed)
        self.assertRegex(self.misused(), "^narrow-onnx: .*COMMAND\nnarrow-onnx --help tells more\n$")
        self.assertRegex(self.misused("build", "in.onnx"), "^narrow-onnx: .* JOB, OUT, --calib\nnarrow-onnx build --help tells more\n$")
        self.assertRegex(self.misused(*self.tune("--threads", "two")), "^narrow-onnx: --threads: .*'two'\nnarrow-onnx tune --help tells more\n$")
        with mock.patch.dict(os.environ, NARROWD_URL="http://127.0.0.1:1"), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(command.main(["build", "in.onnx", "job_1", "out.onnx", "--calib", "data.npz"]), command.EXIT_UNREACHABLE)

    def test_what_a_function_raises_in_the_end_is_a_search_that_failed(self):
        """Not a wrong option or file, whatever it is; it is told with its traceback once."""
        lost = "raised FileNotFoundError for out.onnx: [Errno 2] No such file or directory: 'labels'"
        for arguments, words in ((self.tune(evaluate="late"), "evaluate raised ValueError for out.onnx: no labels"),
                                 (self.tune(evaluate="gone"), f"evaluate {lost}"), (self.tune("--accept", "mine:gone"), f"accept {lost}")):
            said = io.StringIO()
            with self.subTest(arguments), contextlib.redirect_stderr(said):
                self.assertEqual(command.main([*arguments, "--quiet", "--out", "out.onnx"]), command.EXIT_FAILED)
                self.assertEqual(said.getvalue().count("Traceback"), 1)
                self.assertIn("mine.py", said.getvalue())
                self.assertEqual(said.getvalue().splitlines()[-1], f"narrow-onnx: {words}. out.onnx is written: the same call measures it once more")

    def test_weights_beside_the_model(self):
        """As PyTorch exports them: they count for the size, go along to where the file is written, and make a call another one."""
        model, folder = onnx.load("in.onnx"), pathlib.Path("folder")
        onnx.save(model, folder / "in.onnx", save_as_external_data=True, location="in.onnx.data", size_threshold=0)
        size, few = os.path.getsize("in.onnx"), {"objective": "model_size_bytes", "max_trials": 2, "scores": False, "progress": False}
        tuned = tune(folder / "in.onnx", "out.onnx", "data.npz", lambda session: 1.0, **few)
        self.assertFalse(tuned.keep_fp32)
        self.assertAlmostEqual(tuned.size_bytes_before, size, delta=100)
        self.assertLess(tuned.size_bytes, size)
        fresh = itertools.count()
        kept = tune(folder / "in.onnx", "kept.onnx", "data.npz", lambda session: float(next(fresh) == 0), **few)
        self.assertTrue(kept.keep_fp32)
        session = ort.InferenceSession("kept.onnx", providers=["CPUExecutionProvider"])
        self.assertEqual(session.run(None, {"x": np.load("data.npy")})[0].tolist(),
                         ort.InferenceSession("in.onnx").run(None, {"x": np.load("data.npy")})[0].tolist())
        (folder / "in.onnx.data").unlink()
        with self.assertRaisesRegex(ValueError, "in.onnx.data"):
            tune(folder / "in.onnx", "out.onnx", "data.npz", lambda session: 1.0, **few)

    def test_all_of_a_criterion(self):
        """An error that may grow by an amount, a name, and data of its own for the winner."""
        def run(*more, evaluate="error"):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                status = command.main(self.tune("--quiet", "--out", "out.onnx", "--lower-is-better", *more, evaluate=evaluate))
            return status, said.getvalue()

        self.assertEqual(run("--max-drop", "0.06")[0], command.EXIT_KEEP, "0.15 is more than 6 % above 0.1")
        status, said = run("--max-drop", "0.06", "--criterion", "absolute", "--name", "mine")
        self.assertEqual(status, 0)
        self.assertIn("loses 0.05 where 0.06 is allowed", said)
        self.assertRegex(said, r"\nout.onnx, measured again: \S+ MB \(was \S+\), accuracy 0.1500 \(was 0.1000\), .* times as fast")
        with narrowd.Client() as client:
            document, = client.jobs(name="mine")
            self.assertRegex(client.job(document["id"]).trial(0)["worker"], r"^mine\.[0-9a-f]{8}$")
        good = pathlib.Path("out.onnx").read_bytes()
        status, said = run("--max-drop", "0.06", "--criterion", "absolute", "--accept", "mine:other")
        self.assertEqual(status, command.EXIT_LEFT)
        self.assertEqual(pathlib.Path("out.onnx").read_bytes(), good)
        self.assertRegex(said, r"\nout.onnx was there before and is left as it was, for the model as it came is better than what was found: accuracy 0.1000, ")
        self.assertFalse(pathlib.Path("out.onnx.part").exists())
        self.assertIn("loses 0.09 where 0.06 is allowed", said)
        status, said = run("--max-drop", "0.1", "--criterion", "absolute", "--accept", "mine:other")
        self.assertEqual(status, 0)
        self.assertIn("judged on the acceptance data", said)
        self.assertIn("accuracy 0.1900 (was 0.1000)", said)

    def test_what_can_be_done_next(self):
        """Where the model as it came is the better one; what is advised does what is said of it."""
        texts = []

        def advised(*more, evaluate="error", status=command.EXIT_KEEP):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                self.assertEqual(command.main([*self.tune("--quiet", "--out", "out.onnx", evaluate=evaluate), *more]), status)
            texts.append(said.getvalue())
            return texts[-1].splitlines()[-1]

        def run(advice):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                self.assertEqual(command.main(shlex.split(advice.partition(" as a file")[2].partition(": narrow-onnx ")[2])), 0)
            return said.getvalue()

        loss = ["--lower-is-better", "--max-drop", "0.12"]
        advice = advised(*loss)
        self.assertRegex(advice, r"^next: if a loss of 50 % will do, trial \d+ is [\d.]+ times smaller, measured (once|\d+ times); as a file: narrow-onnx build in.onnx job_\w+ "
                                 r"out.onnx --calib data.npz --tolerable-loss 0.5$")
        self.assertTrue(run(advice).endswith(f"{command.WORTH}\n"))
        self.assertLess(os.path.getsize("out.onnx"), os.path.getsize("in.onnx"))
        advice = advised(*loss, "--accept", "mine:other", "--criterion", "absolute", "--max-drop", "0.06", status=command.EXIT_LEFT)
        self.assertRegex(advice, r"^next: some 2 times as many samples for evaluate and accept, for trial (\d+) loses 0.05 on those of evaluate and 0.09 on those of accept: "
                                 r"too few to tell what loses 0.06; or if a loss of 0.09 on the acceptance data will do, trial \1 as a file: "
                                 r"narrow-onnx build in.onnx job_\w+ out.new.onnx .*--trial \1$")
        self.assertIn("out.new.onnx: ", run(advice))
        pathlib.Path("out.onnx").unlink()
        more = re.match(r'next: try more trials, which go on from these \((max_trials=4, job={"warm_start": {"job": "job_\w+"}}); narrow-onnx: (--max-trials 4 --warm-start job_\w+)\), or ',
                        advised(evaluate="ruined"))
        self.assertRegex(advised(*more[2].split(), evaluate="ruined"), "^next: ")
        with narrowd.Client() as client:
            trials = list(client.find("last").trials())
        self.assertEqual([trial["source"] for trial in trials if trial["kind"] == "evaluate"].count("measured"), 4)
        self.assertIn("imported", {trial["source"] for trial in trials})
        small = {"objective": "model_size_bytes", "progress": False}
        tune("in.onnx", "out.onnx", "data.npz", lambda session, path: float(path.endswith("in.onnx")), **small, **eval(f"dict({more[1]})"))
        with narrowd.Client() as client:
            job = client.find("last")
            self.assertEqual((job.get()["budget"]["max_trials"], "imported" in {trial["source"] for trial in job.trials()}), (4, True))
        fast = ["--objective", "latency_ms"]
        size = r'size instead of speed \(objective="model_size_bytes", approach="weight_only"; narrow-onnx: --objective model_size_bytes --approach weight_only\)$'
        smaller = r"trial \d+ is [\d.]+ times smaller and loses nothing, as a file: narrow-onnx build in.onnx job_\w+ out\S*.onnx --calib data.npz --trial \d+; or "
        advice = advised(*fast, evaluate="slow")
        self.assertRegex(advice, f"^next: {smaller}try {size}")
        self.assertRegex(advised(*fast, "--approach", "dynamic", evaluate="slow"),
                         rf'^next: {smaller}try static and dynamic int8 \(approach="auto"; narrow-onnx: --approach auto\), or {size}')
        self.assertRegex(advised(*fast, evaluate="scatters"), r"^next: the same call by the CPU clock \(clock=time.process_time; narrow-onnx: --clock cpu\), for .*; "
                                                              "or the same call again when less runs on the machine; or what looks best as a file all the same: ")
        self.assertEqual(texts[-1].count("--clock cpu"), 1, texts[-1])  # not in the line before, too
        self.assertRegex(advised(*fast, "--clock", "cpu", evaluate="scatters"), "^next: the same call again when less runs on the machine; or what ")
        self.assertNotIn("next: ", advised(evaluate="good", status=0))
        with narrowd.Client() as client:
            job = client.find("last")
            refuted = Call("in.onnx", "out.onnx", "data.npz", accept=False, for_speed=True, approach="static", refuted=True, client=client)
            self.assertRegex(next_step(refuted, job, job.best()), f"^next: {smaller}try static and dynamic int8 .*, or {size}")
            convs = dataclasses.replace(refuted, weights_alone=False)
            self.assertRegex(next_step(convs, job, job.best()), r', or size instead of speed \(objective="model_size_bytes"; narrow-onnx: --objective model_size_bytes\)')
            self.assertEqual(next_step(dataclasses.replace(convs, for_speed=False, approach="auto"), job, job.best()), "")
            self.assertEqual(next_step(dataclasses.replace(convs, for_speed=False, approach="weight_only"), job, job.best()),
                             'next: try static and dynamic int8 (approach="auto"; narrow-onnx: --approach auto)')

    def test_what_the_samples_were_too_few_for(self):
        """More of them are the first advice where what met the criterion on the one data does not on the other, whatever came of it."""
        few, kept = "some 3 times as many samples for evaluate and accept, for trial 2 loses 0.56 % on those of evaluate and 1.69 % on those of accept: " \
            "too few to tell what loses 1 %", "or if a loss of 1.69 % on the acceptance data will do, trial 2 as a file: narrow-onnx build "
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(command.main(self.tune("--quiet", "--out", "out.onnx", "--accept", "mine:unlucky", "--objective", "latency_ms", "--max-trials", "6",
                                                    evaluate="lucky")), command.EXIT_KEEP)
        self.assertIn("no config that meets the criterion is better by ", said.getvalue())
        self.assertTrue(said.getvalue().splitlines()[-1].startswith(f"next: {few}; {kept}"), said.getvalue())
        with narrowd.Client() as client:
            job = client.find("last")
            call = Call("in.onnx", "out.onnx", "data.npz", accept=True, for_speed=True, approach="auto", refuted=False, client=client, scattered=True)
            self.assertRegex(next_step(call, job, job.best()), rf"^next: {few}, and the same call by the CPU clock \(.*\), for latencies scatter .*; {kept}")
            for none in ({"accept": False}, {"refuted": True}):  # the data was the same, or what was accepted is no faster
                self.assertNotIn("samples", next_step(dataclasses.replace(call, **none), job, job.best()))

    def test_how_many_samples_would_do(self):
        """What two sets of them say differs by less with the root of their number."""
        def one(loss, on_others):
            return Judged(2, 5, loss, on_others)
        for judged, allowed, times in (([one(0.0056, 0.0169)], 0.01, "some 10"), ([one(0.0056, 0.0156)], 0.01, "some 5"), ([one(0.0099, 0.0101)], 0.01, "some 2"),
                                       ([one(0.0056, 0.0113), one(0.0019, 0.015), one(-0.0037, 0.0019)], 0.01, "some 5"),
                                       ([one(0.01, 0.06)], 0.01, "some 100"), ([one(0.01, 0.061)], 0.01, "many"), ([one(-0.01, 0.02)], 0, "many")):
            self.assertEqual(times_as_many(judged, allowed), times)
        lucky = one(-0.01, 0.02)
        self.assertIn("trial 2 loses nothing on those of evaluate and 2 % on ", more_samples([lucky], lucky, {"criterion": "relative", "tolerable_loss": 0.01}))

    def test_what_to_leave_out_is_asked_where_it_is_known(self):
        """Of the daemon that has the search, which is not where narrow looks by itself; and what loses most has a name there."""
        ruined = {"max_trials": 2, "approach": "weight_only", "objective": "model_size_bytes", "progress": False, "scores": False}
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            client = narrowd.Client(daemon.url)
            tuned = tune("in.onnx", "out.onnx", "data.npz", lambda session, path: float(path.endswith("in.onnx")), client=client, **ruined)
            self.assertRegex(tuned.next_step, rf"^next: try more trials, .*; NARROWD_URL={daemon.url} narrow-onnx: --max-trials 4 --warm-start {tuned.job}\)$")
            calling = Call("in.onnx", "out.onnx", "data.npz", accept=False, for_speed=False, approach="weight_only", refuted=False, client=client)
            advice = another_search(calling, tuned.job, True, "exhausted", 2)
            self.assertTrue(advice.startswith('leave out of the search what loses most, by job={"op_name_dict": ...} of narrowd.onnx.tune; to see '), advice)
            asked = shlex.split(advice.partition(" has ended: narrow ")[2])
            said = subprocess.run([os.environ["NARROW_BIN"], *asked], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertIn("MatMul", said)
        with narrowd.Client() as client:
            advice = another_search(dataclasses.replace(calling, client=client), "job_1", True, "exhausted", 2)
            self.assertTrue(advice.endswith(f"narrowd --data-dir {self.place / 'home' / 'data'} and then, beside it, narrow sensitivity job_1"), advice)

    def test_numbers_that_scatter_advise_no_larger_loss_before_they_are_measured_better(self):
        """By the clock of the CPU, which takes a call of one thread."""
        tune("in.onnx", "out.onnx", "data.npz", lambda session, path: 0.1 if path.endswith("in.onnx") else 0.15, max_drop=0.12, higher_is_better=False,
             objective="model_size_bytes", max_trials=2, progress=False)
        with narrowd.Client() as client:
            job = client.find("last")
            best = job.best()
            for threads, python, options in ((None, "", ""), (1, "", ""), (4, ", threads=1", " --threads 1")):
                call = Call("in.onnx", "out.onnx", "data.npz", accept=False, for_speed=True, approach="auto", refuted=False, client=client,
                            scattered=True, threads=threads)
                self.assertRegex(next_step(call, job, best), rf"^next: the same call by the CPU clock \(clock=time.process_time{python}; narrow-onnx: --clock cpu{options}\), "
                                                             "for latencies scatter so widely .* far off; or if a loss of 50 % will do, trial ")
                self.assertRegex(next_step(dataclasses.replace(call, scattered=False), job, best), "^next: if a loss of 50 % will do, ")
                parsed = parser().parse_args(self.tune("--clock", "cpu", *options.split()))
                self.assertEqual(threads_of(getattr(parsed, "threads", threads), time.process_time), 1)

    def test_cpu_time_is_called_so(self):
        """It is that of one thread, and a search by the one clock does not go on by the other."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = command.main(self.tune("--quiet", "--clock", "cpu", "--out", "out.onnx", calibration="data.npy"))
        self.assertEqual(status, 0)
        self.assertRegex(said.getvalue(), r"^by the trials, in CPU time: .*\nout.onnx, measured again: .* ms of CPU time \(the model in the same turns: \S+\), ")
        kept = tune("in.onnx", "kept.onnx", "data.npy", lambda session, path: float(path.endswith("in.onnx")), max_trials=1,
                    clock=time.process_time, scores=False, progress=False)
        self.assertRegex(str(kept), r"(?m)\nkept.onnx is the model as it came: accuracy 1.0000, \S+ ms of CPU time just now, \S+ MB$")
        with narrowd.Client() as client:
            self.assertEqual(client.job(kept.job).get()["labels"]["latency_ms"], "CPU time of one thread")
        tuners = [Tuner(pathlib.Path("in.onnx"), "data.npy", len, str(self.place), 1, clock) for clock in (time.process_time, time.perf_counter)]
        self.assertEqual(name_of(time.process_time), "time.process_time")
        self.assertEqual(len({data_of(tuner, "") for tuner in tuners}), 2)
