"""What test_python_onnx.py runs where ONNX Runtime is installed: models that are made here, and two of PP-OCR."""

import argparse
import contextlib
import importlib.util
import io
import itertools
import json
import logging
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import directions
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import narrowd
from narrowd.measuring import Comparison, Timing
from narrowd.onnx import command, tune
from narrowd.onnx.graph import Graph
from narrowd.onnx.quantizer import Quantizer, feeds_of
from narrowd.onnx.tune import write
from narrowd.onnx.tuner import Tuner

NETWORKS = pathlib.Path(importlib.util.find_spec("rapidocr_onnxruntime").origin).parent / "models"
DIRECTION, RECOGNIZER = (NETWORKS / name for name in ("ch_ppocr_mobile_v2.0_cls_infer.onnx", "ch_PP-OCRv4_rec_infer.onnx"))
PATIENCE_S, WIDTH = 600, 32
STATIC = {"mode": "static", "weight": {"granularity": "per_tensor"}, "activation": {"scheme": "asym", "algorithm": "minmax"}}
CHANNELS, DYNAMIC, FP32 = {**STATIC, "weight": {"granularity": "per_channel"}}, {"mode": "dynamic"}, {"mode": "fp32"}


def bits(number, size=32, scheme="asym"):
    return {"mode": "weight_only", "weight": {"bits": number, "group_size": size, "scheme": scheme}}


def attention(path, opset=17, named=True):
    """Two layers of Q, K and V that read the same and a Gemm behind them; half of the names are missing or double."""
    rng, nodes, weights, last = np.random.default_rng(3), [], [], "x"
    for layer in range(2):
        for part in "qkv":
            weight = f"w_{layer}_{part}"
            weights.append(numpy_helper.from_array(rng.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32), weight))
            nodes.append(helper.make_node("MatMul", [last, weight], [f"{layer}_{part}"], name=f"layer.{layer}.{part}" if named else "same"))
        nodes.append(helper.make_node("Add", [f"{layer}_q", f"{layer}_k"], [f"{layer}_qk"]))
        nodes.append(helper.make_node("Add", [f"{layer}_qk", f"{layer}_v"], [f"{layer}_sum"]))
        nodes.append(helper.make_node("Tanh", [f"{layer}_sum"], [f"{layer}_out"]))
        last = f"{layer}_out"
    weights += [numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)
                for name, shape in (("v", (WIDTH, WIDTH)), ("b", (WIDTH,)))]
    nodes.append(helper.make_node("Gemm", [last, "v", "b"], ["y"], name="head" if named else ""))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xy"]
    graph = helper.make_graph(nodes, "attention", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)


def reader(path):
    """A Conv over pictures of any width and an LSTM behind it, whose output is declared with a wrong size."""
    rng = np.random.default_rng(5)
    weights = [numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name) for name, shape in (
        ("conv", (8, 1, 8, 3)), ("w", (1, 4 * WIDTH, 8)), ("r", (1, 4 * WIDTH, WIDTH)))]
    weights.append(numpy_helper.from_array(np.array([2], np.int64), "axes"))
    nodes = [
        helper.make_node("Conv", ["x", "conv"], ["c"], name="conv"), helper.make_node("Squeeze", ["c", "axes"], ["s"]),
        helper.make_node("Transpose", ["s"], ["t"], perm=[2, 0, 1]),
        helper.make_node("LSTM", ["t", "w", "r"], ["", "y"], hidden_size=WIDTH, name="lstm")]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, "w"]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, WIDTH])]
    wrong = helper.make_tensor_value_info("t", TensorProto.FLOAT, [1, 1, 8])
    graph = helper.make_graph(nodes, "reader", ends[:1], [*ends[1:], wrong], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return [{"x": rng.normal(0, 1, (1, 1, 8, width)).astype(np.float32)} for width in (9, 5, 9, 12)]


def ways(path, graph):
    """How each operator of a model is quantized in a file, seen from the file alone."""
    model = onnx.load(path).graph
    made = {output: node for node in model.node for output in node.output}
    named = {node.name: node for node in model.node}
    shapes = {weight.name: weight.dims for weight in model.initializer}
    seen = {}
    for name in graph.ops:
        packed = named.get(f"{name}_Q4", named.get(f"{name}_Q8"))
        if packed:
            attributes = {a.name: a.i for a in packed.attribute}
            seen[name] = ("bits", attributes["bits"], attributes["block_size"], len(packed.input) > 3 and packed.input[3] != "")
        elif name in named:
            weight = made.get(named[name].input[1])
            scales = "fp32" if weight is None else "per_channel" if list(shapes[weight.input[1]]) not in ([], [1]) else "per_tensor"
            seen[name] = (scales,)
        else:
            assert any(node.op_type == "MatMulInteger" and name in node.name for node in model.node), name
            seen[name] = ("dynamic",)
    return seen


logging.disable(logging.WARNING)  # quantize_static recommends what has been done


def nearness(images):
    """The share of the recognizer's characters that are those of the model as it came."""
    wanted = ort.InferenceSession(RECOGNIZER).run(None, {"x": images})[0].argmax(-1)
    return lambda session: float((session.run(None, {"x": images})[0].argmax(-1) == wanted).mean())


class Case(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=str(self.place / "home")))

    def quantizer(self, path, feeds=None):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        graph = Graph(path, folder)
        samples = np.random.default_rng(0).normal(0, 1, (8, WIDTH)).astype(np.float32)
        return Quantizer(graph, feeds or feeds_of(samples, graph.inputs), folder)

    def written(self, quantizer, ops):
        out = str(self.place / "out.onnx")
        with contextlib.redirect_stdout(io.StringIO()):
            quantizer.build({"ops": ops}, out)
        session = ort.InferenceSession(out)
        session.run(None, quantizer.calibration[0])
        return ways(out, quantizer.graph)


class Graphs(Case):
    def test_every_node_has_a_name_of_its_own(self):
        for opset in (12, 17):
            path = self.place / "nameless.onnx"
            attention(path, opset, named=False)
            quantizer = self.quantizer(path)
            self.assertEqual(list(quantizer.graph.ops)[:3], ["same", "same'", "same''"])
            self.assertEqual(len(quantizer.graph.ops), 7)
            seen = self.written(quantizer, {"same'": STATIC, "same''": CHANNELS})
            self.assertEqual([seen[name] for name in list(seen)[:4]],
                             [("fp32",), ("per_tensor",), ("per_channel",), ("fp32",)])

    def test_what_is_tied_and_what_is_a_block(self):
        attention(self.place / "a.onnx")
        graph = self.quantizer(self.place / "a.onnx").graph
        first, second = ([f"layer.{n}.{part}" for part in "qkv"] for n in (0, 1))
        self.assertEqual((graph.tied(), graph.blocks()), ([first, second], [second, first]))
        self.assertEqual(list(graph.ops)[-1], "head_MatMul")

    def test_every_choice_is_applied_to_its_operator_alone(self):
        attention(self.place / "a.onnx")
        quantizer = self.quantizer(self.place / "a.onnx")
        names = list(quantizer.graph.ops)
        choices = [(STATIC, ("per_tensor",)), (DYNAMIC, ("dynamic",)), (CHANNELS, ("per_channel",)), (FP32, ("fp32",))]
        for turn in range(len(choices)):
            wanted = {name: choices[(i + turn) % len(choices)] for i, name in enumerate(names)}
            seen = self.written(quantizer, {name: choice for name, (choice, _) in wanted.items()})
            self.assertEqual(seen, {name: way for name, (_, way) in wanted.items()})
        seen = self.written(quantizer, {names[0]: bits(4), names[1]: bits(8, 16, "sym"), names[2]: FP32})
        self.assertEqual([seen[name] for name in names[:4]],
                         [("bits", 4, 32, True), ("bits", 8, 16, False), ("fp32",), ("fp32",)])

    def test_what_the_model_lacks_is_an_error(self):
        attention(self.place / "a.onnx")
        quantizer = self.quantizer(self.place / "a.onnx")
        for ops, words in (({"layer.9.q": STATIC}, "layer.9.q"), ({"layer.0.q": {"mode": "bf16"}}, "bf16")):
            with self.assertRaises(ValueError) as error:
                quantizer.build({"ops": ops}, str(self.place / "x.onnx"))
            self.assertIn(words, str(error.exception))

    def test_options_of_the_whole_call(self):
        """Each gives another file, the same one each time, and ranges are calibrated once for a method."""
        quantizer = self.quantizer(DIRECTION, feeds_of(directions.pictures(2, 4)[0], ["x"]))
        files = {}
        for scheme in ("asym", "sym", "asym"):
            for algorithm in ("minmax", "percentile"):
                op = {**STATIC, "activation": {"scheme": scheme, "algorithm": algorithm}}
                seen = self.written(quantizer, dict.fromkeys(quantizer.graph.ops, op))
                self.assertEqual(set(seen.values()), {("per_tensor",)})
                text = (self.place / "out.onnx").read_bytes()
                self.assertEqual(files.setdefault((scheme, algorithm), text), text)
        self.assertEqual(len(set(files.values())), 4)
        caches = sorted(os.listdir(quantizer.folder))
        self.assertEqual(caches, ["minmax.json", "percentile.json", "prepared.onnx"])

    def test_calibration_data_of_different_shapes(self):
        """Every method takes it. What the file declares wrongly is said to whom wants it, and nobody is told to fold."""
        feeds = reader(self.place / "r.onnx")
        program = ("import logging, sys, pickle, narrowd.onnx\n"
                   "logging.warning('mine')\n"
                   "narrowd.onnx.quantize(sys.argv[1], {'quantize_static': {'calibrate_method': sys.argv[2]}}, sys.argv[3],\n"
                   "                      pickle.load(open(sys.argv[4], 'rb')))")
        (self.place / "feeds").write_bytes(pickle.dumps(feeds))
        for method, severity in (("minmax", "3"), ("percentile", "3"), ("minmax", "2")):
            op = {**STATIC, "activation": {"scheme": "asym", "algorithm": method}}
            self.assertEqual(self.written(self.quantizer(self.place / "r.onnx", feeds), {"conv": op}), {"conv": ("per_tensor",)})
            name = {"minmax": "MinMax", "percentile": "Percentile"}[method]
            done = subprocess.run([sys.executable, "-c", program, self.place / "r.onnx", name, self.place / "e.onnx", self.place / "feeds"],
                                  env={**os.environ, "NARROWD_ONNX_LOG_SEVERITY": severity}, check=True, capture_output=True, text=True)
            self.assertNotIn("pre-processing", done.stderr)
            self.assertEqual(done.stderr == "WARNING:root:mine\n", severity == "3", done.stderr)

    def test_a_capability_is_for_an_approach(self):
        attention(self.place / "a.onnx")
        quantizer, network = self.quantizer(self.place / "a.onnx"), self.quantizer(DIRECTION)
        with narrowd.Client() as client:
            for one, approach in itertools.product((quantizer, network), ("auto", "static", "dynamic", "weight_only")):
                space = client.dry_run({"capability": one.capability(approach), "approach": approach,
                                        "tuning_criterion": {"strategy": "sgp"}})
                self.assertEqual(space["warnings"], [])
                self.assertGreater(int(space["size"]), 1)
        self.assertEqual(quantizer.capability("dynamic")["tied"], quantizer.graph.tied())
        self.assertEqual([round(one.graph.share(one.lowered_by(way))) for one in (quantizer, network) for way in ("static", "weight_only")], [1, 1, 1, 0])
        with self.assertRaisesRegex(ValueError, "none of auto, static"):
            quantizer.capability("qat")
        for model, kinds in ((self.place / "a.onnx", "1 Gemm, 6 MatMul"), (DIRECTION, "53 Conv, 1 MatMul")):  # whose weights are in nodes
            directions.halve(model, self.place / "half.onnx")
            with self.assertRaisesRegex(ValueError, f"in fp32: {kinds} have weights in float16; give the model in float32 that it was made of$"):
                self.quantizer(self.place / "half.onnx").capability("static")
        quantizer.graph.ops.clear()
        with self.assertRaisesRegex(ValueError, "no Conv or MatMul with constant weights$"):
            quantizer.capability("static")
        quantizer.graph.types["branches"] = "If"
        with self.assertRaisesRegex(ValueError, "constant weights outside of If, and what is inside stays as it is$"):
            quantizer.capability("static")

    def test_calibration_data(self):
        array = np.zeros((3, 2), np.float32)
        np.savez(self.place / "d.npz", a=array, b=array)
        for data in (str(self.place / "d.npz"), {"a": array, "b": array}, [{"a": array[:1], "b": array[:1]}] * 3):
            feeds = feeds_of(data, ["a", "b"])
            self.assertEqual([feed["b"].shape for feed in feeds], [(1, 2)] * 3)
        for wrong, inputs in ((array, ["a", "b"]), ({"a": array}, ["a", "b"]), ({"a": array, "b": np.float32(1)}, ["a", "b"]), ([], ["a"])):
            with self.assertRaises(ValueError):
                feeds_of(wrong, inputs)


class Tuning(Case):
    def data(self):
        np.savez(self.place / "data.npz", x=directions.pictures(2, directions.CALIBRATION)[0])
        return self.place / "data.npz"

    def test_a_network_that_was_never_seen_becomes_a_file(self):
        """By size, which no neighbour of this machine changes, and against the library's own call."""
        out, said = self.place / "out.onnx", io.StringIO()
        with contextlib.redirect_stdout(said):
            status = command.main(["tune", str(DIRECTION), "--calib", str(self.data()), "--eval", "directions:accuracy",
                                   "--out", str(out), "--objective", "model_size_bytes", "--max-trials", "10", "--quiet"])
        self.assertEqual(status, 0, said.getvalue())
        before, after = (directions.accuracy(ort.InferenceSession(path)) for path in (DIRECTION, out))
        self.assertGreaterEqual(after, before * 0.99)
        self.assertIn(f"accuracy {after:.4f} (was {before:.4f})", said.getvalue())
        with narrowd.Client() as client:
            document, = client.jobs()
            best = client.job(document["id"]).best()
        self.assertEqual((document["state"], document["warnings"], best["accuracy"]), ("completed", [], after))
        quantizer = self.quantizer(DIRECTION)
        self.assertTrue(best["feasible"])
        wanted = {name: (op["weight"]["granularity"] if op["mode"] == "static" else op["mode"],)
                  for name, op in best["config"]["ops"].items()}
        self.assertEqual(ways(out, quantizer.graph), wanted)
        one_call = self.place / "one.onnx"
        quantizer = self.quantizer(DIRECTION, feeds_of(self.data(), ["x"]))
        quantizer.build({"ops": dict.fromkeys(quantizer.graph.ops, CHANNELS)}, str(one_call))
        if directions.accuracy(ort.InferenceSession(one_call)) >= before * 0.99:
            self.assertLessEqual(out.stat().st_size, one_call.stat().st_size)

    def test_nothing_is_worth_it(self):
        """A model that loses everything by any quantization stays as it came, and is said to."""
        original = DIRECTION.read_bytes()

        def evaluate(session):
            return float(sum(node_count(session)) == sum(node_count(plain)))

        plain = ort.InferenceSession(DIRECTION)

        def node_count(session):
            outputs = session.run(None, {"x": directions.IMAGES[:1]})[0]
            return outputs.ravel() * 1e6 // 1

        tuned = tune(DIRECTION, self.place / "out.onnx", str(self.data()), evaluate, max_trials=3, progress=False)
        self.assertTrue(tuned.keep_fp32)
        self.assertIn("keep fp32", str(tuned))
        self.assertEqual((self.place / "out.onnx").read_bytes(), original)

    def test_a_file_that_is_no_faster_is_not_kept(self):
        """What the trials said, by the clock of a busy machine, is not what the file does in turns with the model. What a killed call wrote is its own."""
        tuner = Tuner(DIRECTION, str(self.data()), directions.accuracy, str(self.place), None, time.perf_counter)
        config = {"ops": dict.fromkeys(tuner.graph.ops, CHANNELS)}
        best = {"feasible": True, "trial": 1, "keep_baseline": False, "keep_baseline_because": None, "verdict": "1.98 times as fast",
                "gain_interval": None, "config": config}
        job = mock.Mock(id="job_1", **{"best.return_value": best, "trials.return_value": [], "spec.return_value": {}, "trial.return_value": {"accuracy": 0.5}})
        out, offered = self.place / "out.onnx", {"ops": [{"name": name} for name in tuner.graph.ops]}
        slow, same = (Comparison(Timing([ms] * 3), Timing([1.0] * 3)) for ms in (1.25, 1.0))
        for turns, for_speed, kept, left in (([slow, same], True, False, False), ([slow], False, True, False), ([slow, same], True, False, True), ([slow, same], True, False, False)):
            with mock.patch.object(sys.modules[Tuner.__module__], "compare", side_effect=turns):
                tuned = write(tuner, job, out, False, for_speed, offered, narrowd.journal.Journal(None if left else self.place / "call.answers"))
            self.assertEqual((tuned.left, out.read_bytes() == DIRECTION.read_bytes()), (left, not kept and not left))
            self.assertEqual((tuned.keep_fp32, tuned.refuted), (not kept, None if kept else 0.8))
            self.assertEqual("that file was 0.80 times as fast, so it was not kept" in str(tuned), not kept)

    def test_what_is_not_touched_and_what_failed_is_said(self):
        attention(self.place / "a.onnx")
        samples, configs = np.random.default_rng(0).normal(0, 1, (8, WIDTH)).astype(np.float32), itertools.count()

        def second_fails(session, path):
            if path != str(self.place / "a.onnx") and next(configs) == 1:
                raise narrowd.CannotRun("no")
            return 1.0

        few = {"progress": False, "scores": False, "max_trials": 4}
        with contextlib.redirect_stderr(io.StringIO()):
            said = tune(self.place / "a.onnx", self.place / "out.onnx", samples, second_fails, **few)
        self.assertRegex(str(said), rf"(?m)1 of {said.trials} trials failed; trial \d+: CannotRun: no$")
        self.assertNotIn("not touched", str(said))
        feeds = reader(self.place / "r.onnx")
        said = tune(self.place / "r.onnx", self.place / "out.onnx", feeds, lambda session: 1.0, **few)
        self.assertIn("\nnot touched: 1 LSTM (0.0205 of 0.0213 MB of weights)", str(said))
        self.assertNotIn("failed", str(said))

    def test_weights_alone(self):
        """The recognizer, with its matrices in 4 and 8 bits; outputs that stay near count as accuracy."""
        rng = np.random.default_rng(1)
        images = rng.normal(0, 0.5, (2, 3, 48, 160)).astype(np.float32)
        wanted = ort.InferenceSession(RECOGNIZER).run(None, {"x": images})[0].argmax(-1)

        def evaluate(session):
            return float((session.run(None, {"x": images})[0].argmax(-1) == wanted).mean())

        tuned = tune(RECOGNIZER, self.place / "rec.onnx", images, evaluate, approach="weight_only", max_drop=0.05,
                     objective="model_size_bytes", max_trials=6, scores=False, progress=False)
        self.assertFalse(tuned.keep_fp32, tuned.verdict)
        self.assertTrue(tuned.as_in_trial)
        self.assertLess(tuned.size_bytes, tuned.size_bytes_before)
        self.assertEqual(evaluate(ort.InferenceSession(tuned.path)), tuned.accuracy)

    def test_an_export_is_what_was_measured(self):
        """By ONNX Runtime's own functions, with the document as it comes: the accuracy is the trial's to the last digit."""
        images = directions.pictures(2, directions.CALIBRATION)[0]
        for approach, model, restriction, evaluate in (
                ("static", DIRECTION, {"Conv|MatMul": {"weight": {"granularity": ["per_channel"]}}}, directions.accuracy),
                ("static", DIRECTION, {"Conv|MatMul": {"weight": {"granularity": ["per_tensor"]}}}, directions.accuracy),
                ("dynamic", RECOGNIZER, {}, nearness(images[:2])),
                ("weight_only", RECOGNIZER, {"MatMul": {"weight": {"bits": [8], "group_size": [32], "scheme": ["sym"]}}},
                 nearness(images[:2]))):
            with self.subTest(f"{approach} {restriction}"), narrowd.Client() as client:
                tuned = tune(model, self.place / "tuned.onnx", images, evaluate, approach=approach, max_trials=3, max_drop=0.2,
                             objective="model_size_bytes", scores=False, progress=False, client=client,
                             job={"op_type_dict": restriction, "confirm": 0})
                self.assertFalse(tuned.keep_fp32, tuned.verdict)
                job = client.job(tuned.job)
                trial = job.trial(job.best()["trial"])
                document = job.export("onnxruntime")
                narrowd.onnx.quantize(model, document, self.place / "exported.onnx", images)
                self.assertEqual(evaluate(ort.InferenceSession(self.place / "exported.onnx")), trial["accuracy"])
                graph = self.quantizer(model).graph
                self.assertEqual(ways(self.place / "exported.onnx", graph), ways(tuned.path, graph))
                (_, arguments), = document.items()
                arguments["nodes_to_exclude"].append("Conv@54")
                with self.assertRaises(ValueError) as error:
                    narrowd.onnx.quantize(model, document, self.place / "x.onnx", images)
                self.assertIn("Conv@54", str(error.exception))

    def test_types_that_an_export_may_name(self):
        """api/format_onnxruntime.c knows which types the functions quantize; others they ignore in silence."""
        from onnxruntime.quantization import registry
        text = (pathlib.Path(__file__).parents[2] / "api/format_onnxruntime.c").read_text(encoding="utf-8")
        lists = {name: re.findall(r'"(\w+)"', body) for name, body in
                 re.findall(r"char \*const (\w+)_types\[\] = \{(.*?)\};", text, re.S)}
        self.assertEqual(set(lists["static"]), {*registry.QDQRegistry, *registry.QLinearOpsRegistry})
        self.assertLessEqual(set(lists["dynamic"]), {*registry.IntegerOpsRegistry, *registry.CommonOpsRegistry})
        self.assertEqual(lists["weight"], ["MatMul"])

    def test_scores(self):
        attention(self.place / "a.onnx")
        samples = np.random.default_rng(0).normal(0, 1, (8, WIDTH)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            tuner = Tuner(self.place / "a.onnx", samples, lambda session: 1.0, folder, 1, None)
            config = {"ops": dict.fromkeys(tuner.graph.ops, CHANNELS)}
            question = {"config": config, "ops": ["layer.0.q", "head_MatMul"], "tied": {"layer.0.q": ["layer.0.k"]},
                        "options": {"layer.0.q": [STATIC, FP32], "head_MatMul": [CHANNELS, DYNAMIC]}}
            far: list[dict[str, int]] = []
            table = tuner.scores(question, lambda **numbers: far.append(numbers))
            self.assertEqual(far[-1], {"seen": len(far), "total": len(far)})
            self.assertEqual(table["layer.0.q"][1], 0)
            self.assertTrue(all(score > 0 for score in (table["layer.0.q"][0], *table["head_MatMul"])))
            alone = tuner.scores({**question, "tied": {}}, lambda **_: None)
            self.assertNotEqual(alone["layer.0.q"][0], table["layer.0.q"][0], "who is tied goes along")
            self.assertEqual(alone["head_MatMul"], table["head_MatMul"])
            del question["options"]
            self.assertEqual(tuner.scores(question, lambda **_: None)["head_MatMul"], table["head_MatMul"][0])

    def test_kill_9_costs_nothing(self):
        """Killed in the middle, once it has measured; the second call makes the file out of one job."""
        command_line = [sys.executable, "-B", "-m", "narrowd.onnx", "tune", str(DIRECTION), "--calib", str(self.data()),
                        "--eval", "directions:accuracy", "--out", str(self.place / "out.onnx"), "--objective", "model_size_bytes",
                        "--max-trials", "6"]
        process = subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("narrowd: 2 of 6"):
                process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        process.stderr.close()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        journal, = (self.place / "home/calls").glob("*.answers")
        measured = {json.loads(line)["key"] for line in journal.read_bytes().splitlines() if line}
        self.assertGreaterEqual(len(measured), 3)
        again = subprocess.run([*command_line], text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, check=False)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn("narrowd: 0 of 6", again.stderr)
        with narrowd.Client() as client:
            document, = client.jobs()
            events = [event["type"] for event in client.job(document["id"]).events()]
        self.assertFalse({"lease_expired", "attempt_failed"} & set(events))


class Loader:
    """As INC's dataloaders: batches of inputs and labels."""

    batch_size = 4

    def __iter__(self):
        images, labels = directions.pictures(2, directions.CALIBRATION)
        return ((images[i:i + 4], labels[i:i + 4]) for i in range(0, len(images), 4))


class Inc(Case):
    """A script of INC 2.x with another import line."""

    def fit(self, evaluate, **more):
        from narrowd.inc import AccuracyCriterion, PostTrainingQuantConfig, TuningCriterion, quantization

        conf = PostTrainingQuantConfig(
            approach="static", calibration_sampling_size=[8], op_name_dict={"Conv@0": {"weight": {"dtype": ["fp32"]},
                                                                                      "activation": {"dtype": ["fp32"]}}},
            accuracy_criterion=AccuracyCriterion(tolerable_loss=0.05), tuning_criterion=TuningCriterion(max_trials=3, **more))
        with contextlib.redirect_stderr(io.StringIO()):
            return quantization.fit(str(DIRECTION), conf, calib_dataloader=Loader(), eval_func=evaluate)

    def test_a_script_of_inc(self):
        def evaluate(model):
            return directions.accuracy(ort.InferenceSession(model.SerializeToString()))

        q_model = self.fit(evaluate)
        q_model.save(self.place / "out.onnx")
        after, before = (directions.accuracy(ort.InferenceSession(path)) for path in (self.place / "out.onnx", DIRECTION))
        self.assertGreaterEqual(after, before * 0.95)
        seen = ways(self.place / "out.onnx", self.quantizer(DIRECTION).graph)
        self.assertEqual(seen["Conv@0"], ("fp32",))
        self.assertGreater(len([way for way in seen.values() if way != ("fp32",)]), 10)
        with narrowd.Client() as client:
            document, = client.jobs()
        self.assertEqual((document["strategy"], document["stop_on"], document["quant_level"]), ("auto", "first_feasible", "auto"))
        self.assertEqual(document["budget"]["max_trials"], 3)

    def test_what_its_page_shows(self):
        """The two scripts of docs/inc.md, as they are after the change."""
        page = (pathlib.Path(__file__).parents[2] / "docs/inc.md").read_text(encoding="utf-8")
        scripts = [re.sub("^-.*\n", "", block, flags=re.M) for block in re.findall(r"^```diff\n(.*?)^```$", page, re.M | re.S)]
        before = directions.accuracy(ort.InferenceSession(DIRECTION))
        for script, criterion in zip(scripts, ({"criterion": "relative", "tolerable_loss": 0.01}, {"criterion": "absolute", "tolerable_loss": 0.05}), strict=True):
            args = argparse.Namespace(quant_format="default", output_model=self.place / "out.onnx")
            names = {"args": args, "model": onnx.load(DIRECTION), "dataloader": Loader(),
                     "evaluate": lambda model: directions.accuracy(ort.InferenceSession(model.SerializeToString()))}
            with contextlib.redirect_stderr(io.StringIO()):
                exec(re.sub("^.", "", script, flags=re.M), names)
            after, most = directions.accuracy(ort.InferenceSession(args.output_model)), criterion["tolerable_loss"]
            self.assertGreaterEqual(after, before - most * (before if criterion["criterion"] == "relative" else 1))
            with narrowd.Client() as client:
                said = [client.job(job["id"]).spec()["accuracy_criterion"] for job in client.jobs()]
            self.assertIn({"higher_is_better": True, **criterion}, said)

    def test_nothing_meets_the_criterion(self):
        def evaluate(model):
            return float(not any(node.op_type == "QuantizeLinear" for node in model.graph.node))

        self.assertIsNone(self.fit(evaluate))

    def test_what_inc_has_and_this_does_not(self):
        from narrowd.inc import PostTrainingQuantConfig, feeds_of_loader, quantization

        with self.assertRaises(ValueError):
            PostTrainingQuantConfig(device="gpu")
        with self.assertRaises(AttributeError):
            PostTrainingQuantConfig().outputs = ["y"]
        with self.assertRaises(ValueError):
            quantization.fit("x.onnx", PostTrainingQuantConfig(), calib_dataloader=Loader(), eval_func=len, calib_func=len)
        one, two = np.zeros((4, 2), np.float32), np.ones((4, 3), np.float32)
        for batch in ({"a": one, "b": two}, ((one, two), [0] * 4), ({"a": one, "b": two}, [0] * 4)):
            feeds = feeds_of_loader([batch] * 5, ["a", "b"], 8)
            self.assertEqual([sorted(feed) for feed in feeds], [["a", "b"]] * 2)


if __name__ == "__main__":
    unittest.main()
