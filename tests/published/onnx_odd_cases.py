"""Models that ONNX Runtime quantizes in part, or not in every way that a search tries; run by test_python_onnx.py with the cases of onnx_cases.py."""

import contextlib
import functools
import io
import math
import pathlib
import statistics
import sys
import tempfile
import time
from unittest import mock

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, quantize_dynamic, quantize_static
from onnx_cases import CHANNELS, DYNAMIC, FP32, STATIC, WIDTH, Case, attention

import narrowd
from narrowd.measuring import Comparison, Timing
from narrowd.onnx import build, tune
from narrowd.onnx.graph import Graph
from narrowd.onnx.quantizer import Quantizer, Reader, feeds_of
from narrowd.onnx.tune import write
from narrowd.onnx.tuner import CAME, Tuner


def without_range(path):
    """Between two matrices the logarithm of 0, and a Softmax whose largest index is an output beside it."""
    rng = np.random.default_rng(9)
    weights = [numpy_helper.from_array(rng.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32), name) for name in ("w1", "w2")]
    nodes = [helper.make_node("MatMul", ["x", "w1"], ["a"], name="first"), helper.make_node("Relu", ["a"], ["r"]),
             helper.make_node("Log", ["r"], ["l"]), helper.make_node("Add", ["l", "l"], ["m"]), helper.make_node("Exp", ["m"], ["e"]),
             helper.make_node("MatMul", ["e", "w2"], ["b"], name="second"), helper.make_node("Softmax", ["b"], ["y"]),
             helper.make_node("ArgMax", ["y"], ["i"], axis=-1, keepdims=0)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xy"]
    ends.append(helper.make_tensor_value_info("i", TensorProto.INT64, ["n"]))
    graph = helper.make_graph(nodes, "without", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/onnxruntime"
SAMPLES = np.random.default_rng(0).normal(0, 1, (8, WIDTH)).astype(np.float32)


class Odd(Case):
    def test_a_tensor_without_a_range_keeps_nothing_else_from_one(self):
        without_range(self.place / "w.onnx")
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            graph = Graph(self.place / "w.onnx", folder)
            quantizer = Quantizer(graph, feeds_of(SAMPLES, graph.inputs), folder)
            for method in ("minmax", "percentile"):
                option = {**STATIC, "activation": {"scheme": "asym", "algorithm": method}}
                quantizer.build({"ops": {"second": option}}, f"{folder}/out.onnx")
                session = ort.InferenceSession(f"{folder}/out.onnx")
                self.assertTrue(np.isfinite(session.run(None, {"x": SAMPLES})[0]).all())

    def test_weights_in_branches_are_not_touched_and_said_to_be(self):
        rng = np.random.default_rng(4)

        def branch(name):
            weight = numpy_helper.from_array(rng.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32), f"{name}.w")
            ends = [helper.make_tensor_value_info(f"{name}.y", TensorProto.FLOAT, ["n", WIDTH])]
            return helper.make_graph([helper.make_node("MatMul", ["a", f"{name}.w"], [f"{name}.y"])], name, [], ends, [weight])

        first = numpy_helper.from_array(rng.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32), "w")
        nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
                 helper.make_node("If", ["c"], ["y"], then_branch=branch("then"), else_branch=branch("else"))]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xy"]
        condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
        graph = helper.make_graph(nodes, "branches", [ends[0], condition], ends[1:], [first])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.place / "b.onnx")
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(Graph(self.place / "b.onnx", folder).untouched({"first"}), "1 If (0.00819 of 0.0123 MB of weights)")

    def test_nor_in_the_example(self):
        with mock.patch.object(sys, "path", [str(EXAMPLE), *sys.path]), tempfile.TemporaryDirectory() as folder, \
                contextlib.redirect_stdout(io.StringIO()):
            import quantize

            without_range(self.place / "w.onnx")
            example = quantize.Quantizer(self.place / "w.onnx", folder, SAMPLES)
            for method in ("MinMax", "Percentile"):
                option = {"mode": "static", "weight": {"granularity": "per_tensor"}, "activation": {"algorithm": method}}
                example.build({"ops": {"second": option}, "calibration_sampling_size": len(SAMPLES)}, f"{folder}/out.onnx")
                session = ort.InferenceSession(f"{folder}/out.onnx")
                self.assertTrue(np.isfinite(session.run(None, {"x": SAMPLES})[0]).all())

    def test_a_table_that_is_computed_at_the_start_is_not_put_into_the_file(self):
        """Simplification would put every number of it there."""
        weight = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "w")
        shape, step = numpy_helper.from_array(np.array([200, WIDTH], np.int64), "shape"), numpy_helper.from_array(np.float32([[0.001]]), "step")
        nodes = [helper.make_node("ConstantOfShape", ["shape"], ["t0"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])),
                 helper.make_node("Mul", ["t0", "step"], ["t"]), helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
                 helper.make_node("ReduceMean", ["t"], ["m"], axes=[0], keepdims=1), helper.make_node("Add", ["a", "t"], ["b"]),
                 helper.make_node("Add", ["b", "m"], ["y"])]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [200, WIDTH]) for name in "xy"]
        graph = helper.make_graph(nodes, "table", ends[:1], ends[1:], [weight, shape, step])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.place / "t.onnx")
        with tempfile.TemporaryDirectory() as folder:
            prepared = Graph(self.place / "t.onnx", folder)
            self.assertLess(pathlib.Path(prepared.path).stat().st_size, 2 * (self.place / "t.onnx").stat().st_size)
            self.assertEqual(list(prepared.ops), ["first"])

    def test_an_option_that_cannot_be_built_has_the_worst_score(self):
        attention(self.place / "a.onnx")
        with tempfile.TemporaryDirectory() as folder:
            tuner = Tuner(self.place / "a.onnx", SAMPLES, lambda session: 1.0, folder, 1, None)
            build = tuner.build

            def build_some(config, path):
                for op in config["ops"].values() if config else ():
                    if op == DYNAMIC:
                        raise RuntimeError("no kernel")
                build(config, path)

            config = {"ops": dict.fromkeys(tuner.graph.ops, CHANNELS)}
            question = {"config": config, "ops": ["layer.0.q", "head_MatMul"],
                        "options": {"layer.0.q": [STATIC, FP32], "head_MatMul": [CHANNELS, DYNAMIC]}}
            with mock.patch.object(tuner, "build", build_some):
                table = tuner.scores(question, lambda **_: None)
                known = [*table["layer.0.q"], table["head_MatMul"][0]]
                self.assertEqual(table["head_MatMul"][1], max(known))
                self.assertGreater(max(known), 0)
                only = {**question, "ops": ["head_MatMul"], "options": {"head_MatMul": [DYNAMIC, FP32]}}
                with self.assertRaisesRegex(narrowd.CannotRun, "no kernel"):
                    tuner.scores(only, lambda **_: None)

    def test_what_is_refused_is_refused_before_the_model_is_prepared(self):
        """Which may take minutes. The daemon keeps nothing of such a call."""
        attention(self.place / "a.onnx")
        with narrowd.Client() as client, mock.patch("narrowd.onnx.tuner.Graph", side_effect=AssertionError("the model was prepared")):
            for wrong, words in (
                    ({"max_trials": 0}, "^max_trials: .*must be from 1"), ({"max_trials": "many"}, "^max_trials: .*an integer is expected"),
                    ({"max_drop": "1 %"}, "^max_drop: .*a number is expected"), ({"max_drop": math.nan}, "^max_drop: .*a number is expected, and it is nan"),
                    ({"criterion": "rel"}, "^criterion: .*must be one of"), ({"objective": "speed"}, '^objective: .*does not report "speed"'),
                    ({"approach": "both"}, "none of auto, static"), ({"strategy": "best"}, '^strategy: .*no strategy "best"'),
                    ({"threads": 0}, "threads is 0"), ({"threads": "all"}, "threads is 'all'"),
                    ({"clock": 3}, "clock is no function"), ({"evaluate": 1.0}, "evaluate is no function"), ({"accept": 1.0}, "accept is no function"),
                    ({"accept": len, "job": {"acceptance": {"subset": {}}}}, "leave acceptance out of the job"),
                    ({"accept": len, "job": {"acceptance": None}}, "leave acceptance out"),
                    ({"job": {"nam": "mine"}}, 'did you mean "name"'), ({"job": {"warm_start": {"job": "no such"}}}, "there is no job no such"),
                    ({"calibration": SAMPLES[:, 1:]}, "does not run with the first sample"), ({"calibration": "no.npz"}, "no.npz")):
                arguments = {"calibration": SAMPLES, "evaluate": lambda session: 1.0, "client": client, "progress": False, **wrong}
                with self.subTest(wrong), self.assertRaisesRegex((narrowd.Refused, ValueError, OSError), words):
                    tune(self.place / "a.onnx", self.place / "out.onnx", **arguments)
            self.assertEqual([*client.jobs()], [])

    def test_who_accepts_is_asked_of_the_model_before_anything_is_scored(self):
        """And not once more than otherwise, beside the two that the end game asks for: it may take long."""
        attention(self.place / "a.onnx")
        original, asked, builds = str(self.place / "a.onnx"), [], []
        build = Tuner.build

        def accept(session, path):
            asked.append((path == original, len(builds)))
            return 1.0

        def build_noted(tuner, config, path):
            builds.append(config)
            build(tuner, config, path)

        with mock.patch.object(Tuner, "build", build_noted):
            tune(original, self.place / "out.onnx", SAMPLES, lambda session: 1.0, accept=accept, max_trials=2, progress=False,
                 objective="model_size_bytes")
        self.assertEqual(asked[0], (True, 0))
        self.assertEqual(sum(before for before, _ in asked), 1 + 2, asked)

    def test_what_is_no_number_for_the_file_that_was_written_is_said(self):
        """The search is not lost by it: the same call measures that file once more."""
        attention(self.place / "a.onnx")
        out, returned = str(self.place / "out.onnx"), [math.nan]

        def evaluate(session, path):
            return returned[0] if path == out else 1.0

        few = {"max_trials": 2, "progress": False, "scores": False, "objective": "model_size_bytes"}
        with narrowd.Client() as client:
            with self.assertRaisesRegex(narrowd.CannotRun, f"^evaluate returned NaN for {out}, where a number is wanted. {out} is written: the same call measures it once more$"):
                tune(self.place / "a.onnx", out, SAMPLES, evaluate, client=client, **few)
            returned[0] = 0.999
            self.assertEqual(tune(self.place / "a.onnx", out, SAMPLES, evaluate, client=client, **few).accuracy, 0.999)
            self.assertEqual(len([*client.jobs()]), 1)

    def test_figures_that_scatter_are_said_to_and_what_each_is(self):
        """By the verdict's range, or because the turns say something else than all runs together; CPU time is not advised to who has it."""
        attention(self.place / "a.onnx")
        calm, torn = [1.0, 2.0, 3.0], [1.0, 6.0, 1.0]  # by turn 2, 2 and 2 times; 2, 1 and 6 times
        for interval, ours, models, clock, scattered in (
                ([0.26, 0.33], calm, [2.0, 4.0, 6.0], time.perf_counter, False), (None, calm, [2.0, 4.0, 6.0], time.perf_counter, False),
                ([0.08, 0.9], calm, [2.0, 4.0, 6.0], time.perf_counter, True), ([0.26, 1.1], calm, [2.0, 4.0, 6.0], time.perf_counter, True),
                ([0.26, 0.33], torn, [2.0, 6.0, 6.0], time.perf_counter, True), ([0.08, 0.9], torn, [2.0, 6.0, 6.0], time.process_time, False)):
            tuner = Tuner(self.place / "a.onnx", SAMPLES, lambda session: 1.0, self.enterContext(tempfile.TemporaryDirectory()), 1, clock)
            best = {"feasible": True, "trial": 1, "keep_baseline": False, "keep_baseline_because": None, "verdict": "1.9 times as fast",
                    "gain_interval": interval, "config": {"ops": dict.fromkeys(tuner.graph.ops, CHANNELS)}}
            job = mock.Mock(id="job_1", **{"best.return_value": best, "trials.return_value": [], "spec.return_value": {},
                                           "trial.return_value": {"accuracy": 1.0}})
            offered = {"ops": [{"name": name} for name in tuner.graph.ops]}
            with self.subTest(interval=interval, ours=ours), \
                    mock.patch("narrowd.onnx.tuner.compare", return_value=Comparison(Timing(ours), Timing(models))):
                tuned = write(tuner, job, self.place / "out.onnx", False, True, offered, narrowd.journal.Journal())
                self.assertEqual((tuned.scattered, str(tuned).count("--clock cpu")), (scattered, int(scattered)))
                self.assertIn("2.00 times as fast as the model in turns with it (the middle of 3 turns), ", str(tuned))
                self.assertRegex(str(tuned), rf" {tuned.latency_ms:.3f} ms( of CPU time)? \(the model in the same turns: {tuned.latency_ms_before:.3f}\), ")

    def test_a_trial_takes_turns_with_the_model_as_it_came(self):
        """What it takes is told as if that took what it had taken at the beginning, when the machine may have been another."""
        attention(self.place / "a.onnx")
        notes, folder = narrowd.journal.Journal(), self.enterContext(tempfile.TemporaryDirectory())

        def median(in_turns, mode):
            tuner = Tuner(self.place / "a.onnx", SAMPLES, lambda session: 1.0, folder, 1, time.perf_counter, in_turns=in_turns)
            return statistics.median(tuner.measure({"ops": dict.fromkeys(tuner.graph.ops, mode)}, {}, notes)["latency_ms"])

        began = median(True, FP32)
        self.assertAlmostEqual(notes.get(CAME)["latency_ms"] / began, 1, places=1)
        for times in (1000, 1e6):
            notes.put(CAME, {"latency_ms": times * began})
            for mode in (FP32, CHANNELS):
                self.assertTrue(times / 20 < median(True, mode) / began < times * 20, mode)
        self.assertLess(median(False, CHANNELS) / began, 1000)

    def test_what_a_job_is_warned_of_is_said_at_once(self):
        attention(self.place / "a.onnx")
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            tune(self.place / "a.onnx", self.place / "out.onnx", SAMPLES, lambda session: 1.0, max_drop=1, scores=False, max_trials=2)
        lines = said.getvalue().splitlines()
        self.assertEqual(sum("narrowd: warning: max_drop: " in line for line in lines), 1, lines)
        self.assertEqual(lines[0], "narrowd: 7 operators can be lowered")
        self.assertIn("warning", lines[2], "before anything is measured")

    def test_what_is_quantized_already_is_said_to_be(self):
        """By any of ONNX Runtime's ways, and in part as well."""
        attention(self.place / "a.onnx")
        q, reader = self.place / "q.onnx", functools.partial(Reader, feeds_of(SAMPLES, ["x"]))
        for quantize, words in (
                (lambda: quantize_static(self.place / "a.onnx", q, reader(), quant_format=QuantFormat.QDQ), "1 Gemm, 6 MatMul"),
                (lambda: quantize_static(self.place / "a.onnx", q, reader(), quant_format=QuantFormat.QOperator), "1 QGemm, 6 QLinearMatMul"),
                (lambda: quantize_dynamic(self.place / "a.onnx", q, nodes_to_quantize=["layer.0.q"]), "1 MatMulInteger")):
            quantize()
            with self.subTest(words), self.assertRaisesRegex(ValueError, rf"^the model is quantized already \({words}\): give the model in fp32"):
                tune(q, self.place / "out.onnx", SAMPLES, lambda session: 1.0, progress=False)

    def test_nan_in_the_data_is_named(self):
        """It would come out later, of a range that has no scale."""
        attention(self.place / "a.onnx")
        samples = SAMPLES.copy()
        samples[3, 5] = math.nan
        for calibration in (samples, {"x": samples}, [{"x": samples[i:i + 1]} for i in range(8)]):
            with self.assertRaisesRegex(ValueError, r"^sample 3 of the calibration data \(the first is 0\) has NaN in the input 'x'"):
                tune(self.place / "a.onnx", self.place / "out.onnx", calibration, lambda session: 1.0, progress=False)
        self.assertEqual(len(feeds_of([{"x": np.array([1, 2]), "mask": np.array([-np.inf])}], ["x", "mask"])), 1)

    def test_what_numpy_makes_becomes_what_the_model_takes(self):
        """float64 is nobody's choice; other numbers, and inputs that take float64, stay."""
        many = {"a": np.zeros((3, 2)), "b": np.zeros((3, 2)), "c": np.zeros((3, 2), np.int64)}
        for data in (many, [many]):
            self.assertEqual([str(array.dtype) for array in feeds_of(data, ["a", "b", "c"], {"a", "c"})[0].values()], ["float32", "float64", "int64"])
        with self.assertRaisesRegex(ValueError, "nothing for the input 'a': the model wants 'a', 'x', and the data has 'b', 'c'$"):
            feeds_of({"b": many["b"], "c": many["c"]}, ["a", "x"])
        attention(self.place / "a.onnx")
        doubles = SAMPLES.astype(np.float64)
        tuned = tune(self.place / "a.onnx", self.place / "out.onnx", doubles, lambda session: 1.0, scores=False, max_trials=2, progress=False,
                     objective="model_size_bytes", approach="static")
        self.assertEqual((tuned.failed_trials, tuned.keep_fp32), (0, False))
        build(self.place / "a.onnx", tuned.config, self.place / "again.onnx", doubles)
        self.assertEqual((self.place / "again.onnx").read_bytes(), (self.place / "out.onnx").read_bytes())

    def test_any_document_with_a_config_is_built(self):
        attention(self.place / "a.onnx")
        with narrowd.Client() as client:
            tuned = tune(self.place / "a.onnx", self.place / "out.onnx", SAMPLES, lambda session: 1.0, scores=False, max_trials=2, progress=False,
                         objective="model_size_bytes", client=client)
            best, trial = client.job(tuned.job).best(), client.job(tuned.job).trial(1)
        for document in (best["config"], best, trial):
            build(self.place / "a.onnx", document, self.place / "built.onnx", SAMPLES)
            self.assertEqual((self.place / "built.onnx").stat().st_size, trial["metrics"]["model_size_bytes"] if document is trial else tuned.size_bytes)
        for wrong in ({"trial": 1, "config": None}, {}, [], "best"):
            with self.assertRaisesRegex(ValueError, 'this is no config, which has the member "ops"'):
                build(self.place / "a.onnx", wrong, self.place / "wrong.onnx", SAMPLES)
        self.assertFalse((self.place / "wrong.onnx").exists())

    def test_the_model_itself_is_as_fast_as_itself(self):
        attention(self.place / "a.onnx")
        original = str(self.place / "a.onnx")
        tuned = tune(original, self.place / "out.onnx", SAMPLES, lambda session, path: float(path == original), scores=False, max_trials=2,
                     progress=False)
        self.assertEqual((tuned.keep_fp32, tuned.speedup, tuned.latency_ms), (True, 1, tuned.latency_ms_before))
