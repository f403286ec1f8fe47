"""The evaluator in Python under the published ONNX Runtime: its page is run as a reader does, and it is asked on the wire.

ONNX Runtime comes from the package index, into a virtual environment that is thrown away; so this is run by
`tools/test --all` alone.
"""

import http.client
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/api"))
from daemon import Daemon  # noqa: E402
from jobkit import everything, finished, submit  # noqa: E402
from packages import python_with  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

BUILD = pathlib.Path(os.environ["NARROWD_BIN"]).parent.parent
EXAMPLE = ROOT / "examples/onnxruntime"
PACKAGES = ("onnxruntime==1.32.0", "onnx==1.23.2")
DATA_SEGMENTS_IN = 152  # where struct tcp_info has how many segments with data came
CONV, MATMUL = 10, 2  # of the network
STATIC = {"mode": "static", "weight": {"dtype": "int8", "granularity": "per_channel"}, "activation": {"dtype": "uint8", "algorithm": "MinMax"}}
DYNAMIC = {"mode": "dynamic", "weight": {"dtype": "int8"}, "activation": {"dtype": "uint8"}}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Example(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.place = pathlib.Path(directory.name)
        cls.python = python_with(directory.name, *PACKAGES)
        cls.run_python(EXAMPLE / "digits.py", "digits.onnx", "digits.npz")

    @classmethod
    def run_python(cls, *arguments, **more):
        return subprocess.run(
            [cls.python, "-B", *map(str, arguments)], cwd=cls.place, check=True, timeout=PATIENCE_S, text=True,
            stdout=subprocess.PIPE, **more).stdout

    def kit(self, *arguments):
        return json.loads(self.run_python(pathlib.Path(__file__).with_name("onnx_kit.py"), *arguments) or "null")

    def evaluator(self, *arguments):
        """The port of one that has started."""
        process = subprocess.Popen(
            [self.python, "-B", str(EXAMPLE / "evaluator.py"), *arguments, "--port", "0"], cwd=self.place,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return int(process.stdout.readline().rpartition(":")[2])

    def ask(self, port, question, key=None, expected=200, **body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        headers = {"Idempotency-Key": key} if key else {}
        connection.request("POST", f"/{question}", json.dumps({"question": question, **body}), headers)
        response = connection.getresponse()
        text = response.read()
        self.assertEqual(response.status, expected, text)
        return json.loads(text)

    def get(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def operators(self, port):
        return [op["name"] for op in self.ask(port, "capability")["ops"]]

    def config(self, ops):
        return {"ops": ops, "recipes": {}, "calibration_sampling_size": 100}

    def check_file(self, config, path, accuracy):
        """What the file does is what the config says, and what was measured."""
        self.assertEqual(self.kit("accuracy", path, "digits.npz"), accuracy)
        seen = self.kit("ways", path)
        self.assertEqual(len(seen), CONV + MATMUL)
        for (type_, scales), op in zip(seen, config["ops"].values(), strict=True):
            if op["mode"] == "dynamic":
                self.assertEqual(type_, "dynamic")
            else:
                granularity = op.get("weight", {}).get("granularity")
                self.assertEqual(type_, op["type"])
                self.assertEqual(min(scales, 2), {None: 0, "per_tensor": 1, "per_channel": 2}[granularity])

    def test_a_job_and_its_file(self):
        """The objective is the size, which no neighbour of this machine changes."""
        port = self.evaluator("digits.onnx", "digits.npz", "--scores")
        with Daemon(self.place / "data") as daemon:
            job = submit(daemon, {
                "approach": "auto", "evaluator": {"url": f"http://127.0.0.1:{port}"},
                "tuning_criterion": {"strategy": "sgp", "objective": "model_size_bytes", "stop_on": "budget",
                                     "max_trials": 20},
                "accuracy_criterion": {"tolerable_loss": 0.01},
            })
            document = finished(daemon, job)
            best = daemon.request("GET", f"/v1/jobs/{job}/best")[2]
            trials = everything(daemon, f"/v1/jobs/{job}/trials")
        self.assertEqual((document["state"], document["warnings"]), ("completed", []))
        self.assertEqual([t for t in trials if t["state"] == "failed"], [])
        self.assertIn("score", {t["kind"] for t in trials})
        self.assertEqual((best["feasible"], best["keep_baseline"]), (True, False), best["verdict"])
        modes = [op["mode"] for op in best["config"]["ops"].values()]
        self.assertGreater(modes.count("static") + modes.count("dynamic"), CONV // 2)
        (self.place / "best.json").write_text(json.dumps(best))
        self.run_python(EXAMPLE / "evaluator.py", "digits.onnx", "digits.npz", "--build", "best.json", "out.onnx")
        measured, = [t for t in trials if t["number"] == best["trial"]]
        self.check_file(best["config"], "out.onnx", measured["accuracy"])

    def test_every_choice_is_applied_to_its_operator_alone(self):
        port = self.evaluator("digits.onnx", "digits.npz")
        types = {op["name"]: op["type"] for op in self.ask(port, "capability")["ops"]}
        cycle = [STATIC, {**STATIC, "weight": {"dtype": "int8", "granularity": "per_tensor"}}, {"mode": "fp32"}]
        ops = {name: {"type": type_, **cycle[i % 3]} for i, (name, type_) in enumerate(types.items())}
        for matmul, choice in zip([n for n in types if types[n] == "MatMul"], (STATIC, DYNAMIC), strict=True):
            ops[matmul] = {"type": "MatMul", **choice}
        config = self.config(ops)
        (self.place / "mixed.json").write_text(json.dumps({"config": config}))
        self.run_python(EXAMPLE / "evaluator.py", "digits.onnx", "digits.npz", "--build", "mixed.json", "mixed.onnx")
        self.check_file(config, "mixed.onnx", self.ask(port, "evaluate", config=config)["accuracy"])

    def test_operators_alike_have_the_same_shape(self):
        """By which a job begins with what earlier ones learnt."""
        ops = self.ask(self.evaluator("digits.onnx", "digits.npz"), "capability")["ops"]
        self.assertEqual([op["shape"] for op in ops], [
            "16x1x3x3", "32x16x3x3", "32x1x3x3, group 32", "32x32x1x1", "32x32x3x3", "48x32x3x3, strides [2, 2]", "48x1x3x3, group 48",
            "48x48x1x1", "64x48x3x3", "64x64x3x3", "64x32", "32x10"])

    def test_the_calibration_is_one_choice_for_all(self):
        port = self.evaluator("digits.onnx", "digits.npz")
        with Daemon(self.place / "uniform") as daemon:
            space = daemon.request("POST", "/v1/spaces", {"evaluator": {"url": f"http://127.0.0.1:{port}"}})[2]
        self.assertEqual(space["uniform"], [
            {"mode": "static", "option": "activation.algorithm", "values": ["MinMax", "Percentile"]}])
        scales = {}
        for method in ("MinMax", "Percentile"):
            activation = {"dtype": "uint8", "algorithm": method}
            config = self.config({name: {**STATIC, "activation": activation} for name in self.operators(port)})
            (self.place / "all.json").write_text(json.dumps({"config": config}))
            self.run_python(EXAMPLE / "evaluator.py", "digits.onnx", "digits.npz", "--build", "all.json", "all.onnx")
            scales[method] = (self.place / "all.onnx").read_bytes()
        self.assertNotEqual(scales["MinMax"], scales["Percentile"])
        foreign = {name: {**STATIC, "activation": {"dtype": "uint8", "algorithm": "percentile"}} for name in self.operators(port)}
        (self.place / "foreign.json").write_text(json.dumps({"config": self.config(foreign)}))
        with self.assertRaises(subprocess.CalledProcessError):
            self.run_python(EXAMPLE / "evaluator.py", "digits.onnx", "digits.npz", "--build", "foreign.json", "foreign.onnx")
        self.assertFalse((self.place / "foreign.onnx").exists(), "a file that is not what was asked for")

    def test_a_config_of_another_model_is_refused(self):
        """ONNX Runtime passes over names that a model does not have: the file would be the model in fp32."""
        port = self.evaluator("digits.onnx", "digits.npz")
        ops = dict.fromkeys(self.operators(port), {"mode": "fp32"})
        other = {**dict(list(ops.items())[1:]), "other": {**STATIC, "weight": {"dtype": "int8", "granularity": "per_tensor"}}}
        for name, wrong in (("other", other), ("fewer", dict(list(ops.items())[1:])), ("more", {**ops, "other": DYNAMIC})):
            (self.place / f"{name}.json").write_text(json.dumps({"config": self.config(wrong)}))
            done = subprocess.run(
                [self.python, "-B", EXAMPLE / "evaluator.py", "digits.onnx", "digits.npz", "--build", f"{name}.json", f"{name}.onnx"],
                cwd=self.place, check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr.splitlines()[-1], f"error: {name}.json.*of another model")
            self.assertFalse((self.place / f"{name}.onnx").exists())
        failed = self.ask(port, "evaluate", config=self.config(other))
        self.assertEqual((failed["failed"], failed["retryable"]), (True, False))
        self.assertIn("no operator other", failed["error"])

    def test_what_operators_share(self):
        self.kit("twins", "twins.onnx", "twins.npz")
        port = self.evaluator("twins.onnx", "twins.npz", "--scores")
        names = self.operators(port)
        self.assertEqual(len(set(names)), 2, "not those whose weights are the same")
        first, second = names
        for ops in ({first: STATIC, second: DYNAMIC}, {first: DYNAMIC, second: DYNAMIC}, {first: DYNAMIC, second: STATIC}):
            answer = self.ask(port, "evaluate", config=self.config(ops))
            self.assertNotIn("failed", answer)
        options = {first: [STATIC, DYNAMIC, {"mode": "fp32"}]}
        scores = self.ask(port, "score", method="mse", config=self.config({}), ops=[first], options=options)["scores"]
        static, dynamic, fp32 = scores[first]
        self.assertEqual((fp32, static > 0, dynamic > 0), (0, True, True))
        config = self.config({first: STATIC, second: {"mode": "fp32"}})
        alone = self.ask(port, "score", method="mse", config=config, ops=[first])["scores"]
        self.assertEqual(alone, {first: static})

    def test_an_image_is_measured_as_the_file_is_used(self):
        """Alone: ranges that are found at run time are those of a batch where there is one."""
        self.kit("twins", "loud.onnx", "loud.npz")
        self.kit("loud", "loud.onnx", "loud.npz")
        port = self.evaluator("loud.onnx", "loud.npz")
        config = self.config(dict.fromkeys(self.operators(port), DYNAMIC))
        (self.place / "loud.json").write_text(json.dumps({"config": config}))
        self.run_python(EXAMPLE / "evaluator.py", "loud.onnx", "loud.npz", "--build", "loud.json", "quiet.onnx")
        accuracy = self.ask(port, "evaluate", config=config)["accuracy"]
        self.assertEqual(accuracy, self.kit("accuracy", "quiet.onnx", "loud.npz"))
        self.assertGreater(accuracy, 0.9)

    def test_the_same_question_again(self):
        port = self.evaluator("digits.onnx", "digits.npz")
        first = self.ask(port, "baseline", '"job.0"', repeat=0)
        self.assertEqual(len(first["latency_ms"]), 30)
        self.assertEqual(self.ask(port, "baseline", '"job.0"', repeat=0), first)
        for key, repeat in (('"job.0"', 1), ('"job.7"', 1), ('"job.8"', 0), (None, 0)):
            again = self.ask(port, "baseline", key, repeat=repeat)
            self.assertEqual(again["accuracy"], first["accuracy"])
            self.assertNotEqual(again["latency_ms"], first["latency_ms"], "measured anew")
        wrong = self.config({self.operators(port)[0]: STATIC})
        del wrong["calibration_sampling_size"]
        failed = self.ask(port, "evaluate", '"job.9"', config=wrong, repeat=0)
        self.assertEqual((failed["failed"], failed["retryable"]), (True, False))
        wrong["calibration_sampling_size"] = 100
        self.assertIn("accuracy", self.ask(port, "evaluate", '"job.9"', config=wrong, repeat=0))
        self.assertIn("error", self.ask(port, "score", expected=500))

    def test_a_subset_is_what_is_measured(self):
        port = self.evaluator("digits.onnx", "digits.npz")
        for subset in ({"images": 40}, {"images": 150, "from": 300}, {"from": 400}):
            answer = self.ask(port, "baseline", subset=subset)
            self.assertEqual(answer["accuracy"], self.kit("accuracy", "digits.onnx", "digits.npz", json.dumps(subset)))
        for wrong, words in (({"split": "test"}, "a subset has images and from, no split"), ({"images": 0}, "0 images from 0 on"), ({"from": -1}, "from -1 on"),
                             ({"images": 10**6}, "1000000 images from 0 on"), ({"images": 5, "from": 10**6}, "5 images from 1000000 on, up to 1000005, and there are 540")):
            error = self.ask(port, "baseline", subset=wrong)
            self.assertTrue(error["failed"] and words in error["error"], "measuring other data than was asked for would be worse than no answer")

    def test_an_acceptance_is_judged_by_its_own_data(self):
        port, subset = self.evaluator("digits.onnx", "digits.npz"), {"images": 200, "from": 340}
        with Daemon(self.place / "acceptance") as daemon:
            job = submit(daemon, {
                "evaluator": {"url": f"http://127.0.0.1:{port}"}, "acceptance": {"subset": subset},
                "tuning_criterion": {"strategy": "sgp", "objective": "model_size_bytes", "max_trials": 20},
                "accuracy_criterion": {"tolerable_loss": 0.01},
            })
            self.assertEqual(finished(daemon, job)["state"], "completed")
            best = daemon.request("GET", f"/v1/jobs/{job}/best")[2]
        (self.place / "accepted.json").write_text(json.dumps(best))
        self.run_python(EXAMPLE / "evaluator.py", "digits.onnx", "digits.npz", "--build", "accepted.json", "accepted.onnx")
        self.assertEqual(best["accuracy"], self.kit("accuracy", "accepted.onnx", "digits.npz", json.dumps(subset)))

    def test_whoever_comes_meanwhile_is_sent_away_at_once(self):
        self.kit("gate", str(EXAMPLE), "digits.onnx", "digits.npz")

    def test_ranges_are_calibrated_once_for_each_method(self):
        kit = pathlib.Path(__file__).with_name("onnx_kit.py")  # calibrators print, too
        self.run_python(kit, "once", EXAMPLE, "digits.onnx", "digits.npz")

    def test_it_can_be_read_at_a_sitting(self):
        for part in ("evaluator.py", "serve.py", "quantize.py"):
            lines = (EXAMPLE / part).read_text(encoding="utf-8").splitlines()
            self.assertLess(sum(bool(line.strip()) for line in lines), 100, part)

    def test_what_it_offers(self):
        plain, scores = (self.evaluator("digits.onnx", "digits.npz", *more) for more in ([], ["--scores"]))
        self.assertEqual(self.get(plain, "/healthz")[0], 200)
        self.assertEqual(self.get(plain, "/elsewhere")[0], 404)
        self.assertEqual(self.ask(plain, "capability")["answers"], ["evaluate"])
        self.assertIn("score:mse:options", self.ask(scores, "capability")["answers"])

    def test_operators_are_found_in_ones_own_file(self):
        """By the name of the node or, where it has none, of its output: before nodes are folded into others."""
        self.kit("folded", "folded.onnx", "folded.npz")
        port = self.evaluator("folded.onnx", "folded.npz")
        self.assertEqual(self.operators(port), ["Conv:c", "head_MatMul"])

    def test_an_answer_is_one_segment(self):
        """Two, with the second held back until the first is acknowledged, would cost 40 ms."""
        port = self.evaluator("digits.onnx", "digits.npz")
        body = b'{"question": "baseline"}'
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as wire:
            wire.sendall(b"POST /baseline HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            received = b""
            while not received.endswith(b"}}"):
                received += wire.recv(65536)
            info = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self.assertEqual(struct.unpack_from("I", info, DATA_SEGMENTS_IN)[0], 1)

    def test_its_page(self):
        """All blocks in one shell but the one that makes the environment, with real daemon and worker."""
        text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```sh[^\n]*\n(.*?)^```$", text, re.M | re.S)
        self.assertIn("pip install onnx onnxruntime\n", blocks[0])
        scratch = self.place / "page"
        scratch.mkdir()
        (scratch / "build").symlink_to(BUILD)
        (scratch / "venv").symlink_to(self.place / "venv")
        (scratch / "examples").mkdir()
        (scratch / "examples/onnxruntime").symlink_to(EXAMPLE)
        (scratch / "examples/digits").symlink_to(ROOT / "examples/digits")
        port = str(free_port())
        job = (EXAMPLE / "job.json").read_text().replace("9001", port)
        script = "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n" + "".join(blocks[1:])
        script = script.replace("examples/onnxruntime/job.json", "job.json").replace(
            "digits.npz --scores >", f"digits.npz --scores --port {port} >").replace("9001", port)
        (scratch / "job.json").write_text(job)
        with Daemon(self.place / "page-data") as daemon:
            done = subprocess.run(
                ["bash", "-c", script], cwd=scratch, text=True, timeout=PATIENCE_S, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**os.environ, "NARROWD_URL": daemon.url, "PYTHONDONTWRITEBYTECODE": "1"})
            self.assertEqual(done.returncode, 0, done.stdout)
            jobs = daemon.request("GET", "/v1/jobs")[2]["items"]
            trials = [everything(daemon, f"/v1/jobs/{job['id']}/trials") for job in jobs]
        self.assertEqual([job["state"] for job in jobs], ["completed"] * 2)
        self.assertEqual([t for one in trials for t in one if t["state"] == "failed"], [])
        self.assertIn("\nCollecting tensor data", done.stdout, "it comes out at the worker's standard error")
        best = json.loads((scratch / "best.json").read_text())
        self.check_file(best["config"], "page/tuned.onnx", best["accuracy"])


if __name__ == "__main__":
    unittest.main()
