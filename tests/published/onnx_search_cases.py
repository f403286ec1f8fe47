"""What a search of narrowd.onnx begins with, and the whole front as files; run by test_python_onnx.py with the cases of onnx_cases.py."""

import contextlib
import copy
import dataclasses
import importlib.util
import io
import itertools
import pathlib
import pickle
import re
import time
from unittest import mock

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx_cases import DIRECTION, WIDTH, Case, attention

import narrowd
from narrowd import scores
from narrowd.onnx import command, tune

BROAD, NARROW, RUINED = 64, 24, 1  # widths of blocks, and which of three is narrow


def blocks(path, depth, seed):
    """Blocks that add to what they read. Of the narrow ones int8 leaves nothing: the second matrix has a row for what is
    always zero that is much larger than the others."""
    rng, nodes, weights, last = np.random.default_rng(seed), [], [], "x"
    for block in range(depth):
        width = NARROW if block % 3 == RUINED else BROAD
        up, down = (rng.normal(0, 0.3, shape).astype(np.float32) for shape in ((WIDTH, width), (width, WIDTH)))
        if width == NARROW:
            up[:, 0], down[0] = 0, 100
        weights += [numpy_helper.from_array(up, f"{block}.u"), numpy_helper.from_array(down, f"{block}.d")]
        nodes += [helper.make_node("MatMul", [last, f"{block}.u"], [f"{block}_u"], name=f"{block}.up"),
                  helper.make_node("Tanh", [f"{block}_u"], [f"{block}_t"]),
                  helper.make_node("MatMul", [f"{block}_t", f"{block}.d"], [f"{block}_d"], name=f"{block}.down"),
                  helper.make_node("Add", [f"{block}_d", last], [last := f"{block}_y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "blocks", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def nearness(path):
    """1 less how far the outputs are from those of the model as it came."""
    samples = np.random.default_rng(0).normal(0, 1, (256, WIDTH)).astype(np.float32)
    wanted, = ort.InferenceSession(path).run(None, {"x": samples})

    def evaluate(session):
        return max(1 - float(np.abs(session.run(None, {"x": samples})[0] - wanted).mean() / np.abs(wanted).mean()), 0)

    return samples[:8], evaluate


class Searches(Case):
    def search(self, client, name, **more):
        path = self.place / name
        calibration, evaluate = nearness(path)
        settings = {"max_drop": 0.15, "objective": "model_size_bytes", "approach": "static", "progress": False, "client": client}
        return tune(path, self.place / "out.onnx", calibration, evaluate, **settings | more)

    def sizes(self, job):
        """Of what met the criterion, trial by trial."""
        return [trial["metrics"]["model_size_bytes"] for trial in job.trials() if trial["kind"] == "evaluate" and trial["feasible"]]


class Relatives(Searches):
    """What was learnt of one model is what is expected of another one."""

    def test_shapes(self):
        """The size of the weight, and what else of the file says how much there is to do."""
        def shapes(path, approach="auto"):
            return {op["name"]: op.get("shape") for op in self.quantizer(path).capability(approach)["ops"]}

        attention(self.place / "a.onnx")
        self.assertEqual(set(shapes(self.place / "a.onnx").values()), {"32x32"})
        found = shapes(DIRECTION)
        self.assertEqual((found["Conv@0"], found["Conv@1"], found["Conv@2"], found["Conv@3"], found["MatMul@0"]),
                         ("8x3x3x3, strides 2x2", "8x8x1x1", "8x1x3x3, group 8, strides 2x1", "2x8x1x1, to 1x1", "200x2"))
        self.assertEqual(shapes(DIRECTION, "dynamic"), {**dict.fromkeys(found), "MatMul@0": "200x2"}, "others have no choice")
        model = onnx.load(DIRECTION)
        for place, size in enumerate((1, 3, 48, 192)):
            model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = size
        onnx.save(model, self.place / "fixed.onnx")
        self.assertEqual(shapes(self.place / "fixed.onnx")["Conv@0"], "8x3x3x3, strides 2x2, to 24x96")

    def test_a_relative_is_an_old_acquaintance(self):
        """A larger one of other weights: what ruins it is not asked again, and four trials are worth more than six."""
        blocks(self.place / "small.onnx", 4, 1)
        blocks(self.place / "large.onnx", 6, 2)
        with narrowd.Client() as client:
            first = self.search(client, "small.onnx", max_trials=20, scores=False)
            self.assertEqual(first.learnt, "")
            cold = self.search(client, "large.onnx", max_trials=6, scores=False)
            least = min(self.sizes(client.job(cold.job)))
            client.job(cold.job).delete()
            warm = self.search(client, "large.onnx", max_trials=4, library=True)
            self.assertEqual(warm.learnt, "12 of 12")
            self.assertIn("\nbegan with what earlier searches learnt of 12 of 12 operators", str(warm))
            self.assertLess(min(self.sizes(client.job(warm.job))), least)
            known = client.job(warm.job).spec()["warm_start"]["known"]
            self.assertEqual({group["shape"] for group in known}, {"32x64", "64x32", "32x24", "24x32"})

    def test_two_real_networks_of_a_family(self):
        """Of openWakeWord, each for a word of its own: what the second is expected to lose is what the first one measured."""
        family = pathlib.Path(importlib.util.find_spec("openwakeword").origin).parent / "resources/models"

        def search(name, **more):
            path = family / name
            given, = ort.InferenceSession(path).get_inputs()
            samples = np.random.default_rng(0).normal(0, 10, (200, *given.shape[1:])).astype(np.float32)

            def logits(session):  # the sigmoid at the end has hardly any slope
                return np.array([session.run(None, {given.name: samples[i:i + 1]})[0].ravel() for i in range(len(samples))])

            wanted = logits(ort.InferenceSession(path))
            return tune(path, self.place / "out.onnx", samples[:8], lambda session: 1 - float(np.abs(logits(session) - wanted).mean()),
                        objective="model_size_bytes", approach="static", max_drop=0.02, progress=False, client=client, **more)

        with narrowd.Client() as client:
            first = search("alexa_v0.1.onnx", max_trials=8, scores=False)
            second = search("weather_v0.1.onnx", max_trials=2, library=True)
            learnt = client.job(second.job).spec()["warm_start"]
            shapes = [{op["name"]: op["shape"] for op in client.job(job).spec()["capability"]["ops"]} for job in (first.job, second.job)]
            known = {group["shape"]: [option["score"] for option in group["known"]] for group in learnt["known"]}
            lost = {shapes[0][op["op"]]: [option["loss"]["mean"] for option in op["options"]] for op in client.job(first.job).sensitivity()}
        self.assertEqual([sorted(ops.values()) for ops in shapes], [["128x1", "128x128", "1536x128"], ["128x1", "128x128", "2112x128"]])
        self.assertEqual((second.learnt, learnt["from"]), ("2 of 3", [first.job]))
        self.assertEqual(set(known), {"128x1", "128x128"})
        unit = known["128x1"][0] / lost["128x1"][0]
        for shape, options in known.items():
            np.testing.assert_allclose(options, np.multiply(lost[shape], unit), rtol=0.01)


class Told(Searches):
    def test_what_another_tool_measured(self):
        """It takes the place of scores of one's own, and tells what to spare before anything is measured."""
        blocks(self.place / "a.onnx", 6, 1)
        errors = {f"{block}.{part}": 50.0 if block % 3 == RUINED else 0.01 for block in range(6) for part in ("up", "down")}
        found = scores.aimet({**errors, "5_y": 0.2}, "per_layer_mse_loss")
        least = []
        with narrowd.Client() as client, self.assertWarnsRegex(UserWarning, "1 of the 13 names that have scores are no operators here: 5_y"):
            for told in (found, False):
                job = client.job(self.search(client, "a.onnx", max_trials=4, scores=told).job)
                self.assertNotIn("score", {trial["kind"] for trial in job.trials()})
                least.append(min(self.sizes(job)))
                job.delete()
        self.assertLess(least[0], 0.6 * least[1])


class Names(Searches):
    def test_lists_tell_searches_of_one_model_apart(self):
        """A name that the user gave stays."""
        blocks(self.place / "a.onnx", 2, 1)
        few = {"max_trials": 1, "scores": False}
        with narrowd.Client() as client, mock.patch("narrowd.calls.time.strftime", side_effect=map("12-01 00:00:{:02}".format, itertools.count())):
            for more in ({}, {}, {"max_drop": 0.2, "criterion": "absolute"}, {"approach": "dynamic", "front": True, "clock": time.process_time},
                         {"job": {"accuracy_criterion": {"tolerable_loss": 0.07}}, "objective": "latency_ms"}, {"job": {"name": "mine"}}):
                self.search(client, "a.onnx", **few, **more)
            oldest = client.job([*client.jobs()][-1]["id"])
            oldest.clone(accuracy_criterion={"tolerable_loss": 0.3}, warm_start=True)
            with contextlib.redirect_stderr(io.StringIO()):
                self.search(client, "a.onnx", **few)
            names = [document["name"] for document in client.jobs()]
            workers = {client.job(document["id"]).trial(0)["worker"].rpartition(".")[0] for document in client.jobs()}
        self.assertEqual(names[::-1], [
            "a.onnx 15% static model_size_bytes 12-01 00:00:00", "a.onnx 15% static model_size_bytes 12-01 00:00:01",
            "a.onnx 0.2 static model_size_bytes 12-01 00:00:02", "a.onnx 15% dynamic model_size_bytes front cpu 12-01 00:00:03",
            "a.onnx 7% static 12-01 00:00:04", "mine", "a.onnx 30% static model_size_bytes 12-01 00:00:05"])
        self.assertEqual(workers, {"a.onnx", "mine"})


class Fronts(Searches):
    def test_what_each_loss_is_worth(self):
        """Each point is a file of the size and the accuracy that were measured, to the last digit, and none is beaten by another one."""
        blocks(self.place / "a.onnx", 4, 1)
        _, evaluate = nearness(self.place / "a.onnx")
        with narrowd.Client() as client:
            tuned = self.search(client, "a.onnx", max_drop=0.02, max_trials=16, front=True)
            stages = {trial["stage"] for trial in client.job(tuned.job).trials()}
            goals = client.job(tuned.job).spec()["tuning_criterion"]
        self.assertIn("front", stages)
        self.assertEqual((goals["objective"], goals["stop_on"]), (["model_size_bytes", "accuracy"], "budget"))
        first, *others = tuned.front
        self.assertEqual((first.trial, first.accuracy, first.objective), (0, 1.0, tuned.size_bytes_before))
        self.assertGreater(len(others), 4)
        for better, point in itertools.pairwise(tuned.front):
            self.assertTrue(better.accuracy > point.accuracy and better.objective > point.objective, (better, point))
            lowered = sum(op["mode"] != "fp32" for op in point.config["ops"].values())
            self.assertEqual((point.loss, point.times, point.lowered, point.operators),
                             (first.accuracy - point.accuracy, first.objective / point.objective, lowered, 8))
            self.assertIn(f"\n  trial {point.trial}: loses {100 * point.loss:.3g} %, {point.times:.3g} times smaller, {lowered} of 8 operators "
                          f"lowered (accuracy {point.accuracy:.4f}, model_size_bytes {point.objective:.6g})", str(tuned))
        self.assertEqual(tuned.within(0), first)
        self.what_the_daemon_says(tuned)
        self.what_is_kept(tuned)
        for point in (first, others[0], others[len(others) // 2], others[-1]):
            point.write(self.place / "point.onnx")
            self.assertEqual((self.place / "point.onnx").stat().st_size, point.objective)
            self.assertEqual(evaluate(ort.InferenceSession(self.place / "point.onnx")), point.accuracy)
        self.assertEqual((self.place / "out.onnx").stat().st_size, tuned.size_bytes)

    def test_what_loses_more_than_was_looked_for_is_no_point(self):
        """With few trials it may be all there is."""
        attention(self.place / "a.onnx")
        path = str(self.place / "a.onnx")
        for much, left_out in ((0.5, True), (0.049, False)):
            with self.subTest(much), narrowd.Client() as client:
                tuned = tune(path, self.place / "out.onnx", np.zeros((4, WIDTH), np.float32), lambda session, file, much=much: 1.0 - much * (file != path),
                             objective="model_size_bytes", max_trials=2, front=True, client=client, progress=False, identity=str(much))
                found = [trial["number"] for trial in client.job(tuned.job).pareto() if trial["number"] > 0]
                self.assertEqual({point.trial for point in tuned.front}, {0} if left_out else {0, *found})
                loses = f"{len(found)} point{'s that lose' if len(found) > 1 else ' that loses'} more than 5 %" if left_out else ""
                self.assertEqual((tuned.left_out, re.findall("\n  left out: (.*)", str(tuned))), (loses, [loses] * left_out))

    def what_the_daemon_says(self, tuned):
        """One question has one answer, whoever asks it."""
        with narrowd.Client() as client:
            for point in tuned.front:
                for loss in (point.loss + 1e-9, point.loss + 1e-4, 1):
                    best = client.job(tuned.job).best(loss)
                    self.assertEqual(best["objective"], "model_size_bytes")
                    self.assertEqual(tuned.within(loss).trial, 0 if best["keep_baseline"] else best["trial"])
                    self.assertLessEqual(tuned.within(loss).objective, point.objective * 1.05)
        with self.assertRaisesRegex(ValueError, "a loss is 0 or more, not -1"):
            tuned.within(-1)

    def what_is_kept(self, tuned):
        """A copy and a pickle ask the daemon of where they are; the token of the client that the call was given is in neither."""
        with narrowd.Client("https://127.0.0.1:1", token="a-secret") as client:
            given = dataclasses.replace(tuned, client=client)
            kept = pickle.dumps(given)
            self.assertNotIn(b"a-secret", kept)
            for again in (pickle.loads(kept), copy.deepcopy(given)):
                self.assertEqual((again.job, again.within(0).trial), (tuned.job, 0))
            self.assertIs(given.client, client)

    def test_what_is_no_front(self):
        attention(self.place / "a.onnx")
        for wrong in ({"strategy": "tpe"}, {"objective": "accuracy"}, {"objective": ["latency_ms", "model_size_bytes"]}):
            with self.assertRaisesRegex(ValueError, "front=True takes the strategy sgp, and one objective"):
                self.search(None, "a.onnx", front=True, **wrong)

    def test_on_a_command_line(self):
        """A file for each point."""
        blocks(self.place / "a.onnx", 4, 1)
        np.savez(self.place / "data.npz", x=nearness(self.place / "a.onnx")[0])
        (self.place / "blocks_near.py").write_text("import pathlib, onnx_search_cases\n"
                                            "near = onnx_search_cases.nearness(pathlib.Path('a.onnx'))[1]\n")
        with contextlib.chdir(self.place), contextlib.redirect_stdout(io.StringIO()) as said:
            command.main(["tune", "a.onnx", "--calib", "data.npz", "--eval", "blocks_near:near", "--objective", "model_size_bytes", "--quiet",
                          "--max-drop", "0.02", "--max-trials", "8", "--front", "files/front"])
            listed = re.findall(r"^  trial (\d+): loses (\S+) %, \S+ times smaller, .* model_size_bytes (\d+)\)$", said.getvalue(), re.M)
            self.assertGreater(len(listed), 2, said.getvalue())
            sizes = {f"trial-{number}.onnx": int(size) for number, _, size in listed}
            self.assertEqual({path.name: path.stat().st_size for path in pathlib.Path("files/front").iterdir()}, sizes)
            self.a_file_for_another_loss([float(lost) / 100 + 1e-6 for _, lost, _ in listed])
            with self.assertRaisesRegex(SystemExit, "2"), contextlib.redirect_stderr(io.StringIO()):
                command.main(["build", "a.onnx", "last", "one.onnx", "--calib", "data.npz", "--trial", "1", "--tolerable-loss", "0.1"])

    def a_file_for_another_loss(self, losses):
        """Of what one search has measured; no other search is made."""
        with narrowd.Client() as client:
            job = client.job(next(client.jobs())["id"])
            chosen = {loss: job.best(loss)["trial"] for loss in losses}
        self.assertGreater(len(set(chosen.values())), 1)
        for which, trial in [(["--tolerable-loss", str(loss)], trial) for loss, trial in chosen.items()] + [(["--trial", "0"], 0)]:
            self.assertEqual(command.main(["build", "a.onnx", "last", "one.onnx", "--calib", "data.npz", *which]), 0)
            written, measured = pathlib.Path("one.onnx"), pathlib.Path(f"files/front/trial-{trial}.onnx" if trial else "a.onnx")
            self.assertEqual(written.read_bytes(), measured.read_bytes())
        number = max(chosen.values())
        for name, warned in (("data.npz", ""), ("other.npz", "narrow-onnx: the search calibrated with other data than this, ")):
            np.savez("other.npz", x=np.load("data.npz")["x"] * 255)
            with contextlib.redirect_stderr(io.StringIO()) as said:
                self.assertEqual(command.main(["build", "a.onnx", job.id[:-2], "other.onnx", "--calib", name, "--trial", str(number)]), 0)
            self.assertEqual(said.getvalue()[:len(warned) or None], warned)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(command.main(["build", "a.onnx", job.id, "a.onnx", "--calib", "data.npz"]), command.EXIT_USAGE)
            for wrong in ([job.id, "--trial", "99"], ["nothing"]):
                self.assertEqual(command.main(["build", "a.onnx", *wrong, "one.onnx", "--calib", "data.npz"]), command.EXIT_REFUSED)
            self.assertEqual(command.main(["build", "a.onnx", job.id, "one.onnx", "--calib", "data.npz", "--tolerable-loss", "0"]), 5)
        self.assertIn("narrow-onnx: a.onnx is the model itself, which would be lost: name another file to write\n", said.getvalue())
        self.assertEqual(written.read_bytes(), pathlib.Path("a.onnx").read_bytes())


if __name__ == "__main__":
    import unittest
    unittest.main()
