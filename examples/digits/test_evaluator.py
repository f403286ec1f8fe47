#!/usr/bin/python3
"""Tests of digits-evaluator, from outside.

    examples/digits/test_evaluator.py build/examples/digits/digits-evaluator

The program may also be named by the environment variable DIGITS_EVALUATOR.
"""

import copy
import http.client
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ.get("DIGITS_EVALUATOR", "build/examples/digits/digits-evaluator")
HURT = ["dw1", "pw2"]
PATIENCE_S = 600  # a guard against hanging, no verdict about speed


class Evaluator:
    """A running digits-evaluator."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [PROGRAM, "--port", "0", *options], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line.startswith("digits-evaluator: listening on http://127.0.0.1:"):
            raise RuntimeError(f"digits-evaluator said {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self):
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        return self.process.wait(PATIENCE_S)

    def request(self, method, path, body=None, headers=None):
        """Status, headers, and the answer's JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        finally:
            connection.close()

    def ask(self, question, key=None, **members):
        body = json.dumps({"question": question, **members})
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        status, _, answer = self.request("POST", "/" + question, body, headers)
        if status != 200:
            raise RuntimeError(f"{question}: {status} {answer}")
        return answer


def fnv(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    result = 0xCBF29CE484222325
    for byte in text.encode():
        result = (result ^ byte) * 0x100000001B3 % 2**64
    return f"{result:016x}"


class EvaluatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.evaluator = Evaluator("--latency-batches", "3")
        cls.capability = cls.evaluator.ask("capability")
        cls.types = {op["name"]: op["type"] for op in cls.capability["ops"]}

    @classmethod
    def tearDownClass(cls):
        cls.evaluator.stop()

    def config(self, fp32=(), **options):
        """Every operator in int8 with its default options, but those named in fp32.

        An option such as activation_scheme="sym" goes to every operator that has it.
        """
        ops = {}
        for name, kind in self.types.items():
            ops[name] = {"type": kind, "mode": "fp32" if name in fp32 else "static"}
            if name in fp32:
                continue
            for attribute, items in self.capability["op_types"][kind]["static"].items():
                ops[name][attribute] = {
                    item: wanted
                    if (wanted := options.get(f"{attribute}_{item}")) in offered
                    else offered[0]
                    for item, offered in items.items()
                }
        return {"ops": ops, "recipes": {}, "calibration_sampling_size": 100}

    def only(self, name):
        """The config with a single operator in int8."""
        return self.config(fp32=[other for other in self.types if other != name])

    def evaluate(self, config):
        return self.evaluator.ask("evaluate", config=config)

    def score(self, method, config, ops, **members):
        answer = self.evaluator.ask("score", method=method, config=config, ops=ops, **members)
        self.assertEqual(list(answer), ["scores"], answer)
        return answer["scores"]

    def check_failed(self, answer, text):
        self.assertEqual((answer["failed"], answer["retryable"]), (True, False))
        self.assertIn(text, answer["error"])

    def test_capability(self):
        self.assertGreaterEqual(len(self.types), 10)
        self.assertEqual(len(self.types), len(self.capability["ops"]), "a name occurs twice")
        self.assertEqual(set(self.types.values()), set(self.capability["op_types"]))
        for modes in self.capability["op_types"].values():
            self.assertEqual(list(modes), ["static", "fp32"])
            self.assertEqual(list(modes["static"]), ["weight", "activation"])
        for names in self.capability["recipes_ops"].values():
            self.assertLessEqual(set(names), set(self.types))

    def test_default_is_too_bad_and_a_mixed_config_is_good(self):
        baseline = self.evaluator.ask("baseline")
        bound = 0.99 * baseline["accuracy"]
        self.assertGreater(baseline["accuracy"], 0.97)
        self.assertLess(self.evaluate(self.config())["accuracy"], bound - 0.02)
        for name in HURT:
            self.assertLess(self.evaluate(self.config(fp32=[name]))["accuracy"], bound, name)
        mixed = self.evaluate(self.config(fp32=HURT))
        self.assertGreaterEqual(mixed["accuracy"], bound)
        self.assertLess(
            mixed["metrics"]["model_size_bytes"], 0.5 * baseline["metrics"]["model_size_bytes"]
        )
        self.assertGreater(mixed["latency_ms"], 0)

    def test_all_fp32_is_the_baseline(self):
        baseline = self.evaluator.ask("baseline")
        answer = self.evaluate(self.config(fp32=list(self.types)))
        self.assertEqual(answer["accuracy"], baseline["accuracy"])
        self.assertEqual(answer["metrics"], baseline["metrics"])

    def test_what_ran_before_does_not_matter(self):
        first = self.evaluate(self.config(fp32=["pw2"]))
        self.evaluate(self.config(activation_scheme="sym", activation_algorithm="kl"))
        again = self.evaluate(self.config(fp32=["pw2"]))
        self.assertEqual(first["accuracy"], again["accuracy"])

    def test_every_option_changes_what_is_computed(self):
        names = list(self.types)
        default = self.score("mse", self.config(), names)
        for option, value in [
            ("weight_granularity", "per_tensor"),
            ("activation_scheme", "sym"),
            ("activation_algorithm", "kl"),
        ]:
            other = self.score("mse", self.config(**{option: value}), names)
            self.assertNotEqual(default, other, option)
        few = dict(self.config(), calibration_sampling_size=5)
        self.assertNotEqual(default, self.score("mse", few, names), "calibration_sampling_size")

    def test_one_int8_operator_stays_close_to_fp32(self):
        """The input of conv2 has both signs: its zero point must be subtracted, at borders too."""
        for scheme in ["asym", "sym"]:
            config = self.only("conv2")
            config["ops"]["conv2"]["activation"]["scheme"] = scheme
            score = self.score("mse", config, ["conv2"])["conv2"]
            self.assertTrue(0 < score < 1e-4, f"{scheme}: {score}")

    def test_scores(self):
        names = list(self.types)
        for method in ["mse", "mse_v2", "hawq_v2"]:
            scores = self.score(method, self.config(), names, confidence_batches=2)
            self.assertEqual(set(scores), set(names))
            self.assertTrue(all(math.isfinite(score) for score in scores.values()), method)
            self.assertEqual(
                scores, self.score(method, self.config(), names, confidence_batches=2), method
            )
            if method != "mse_v2":
                self.assertTrue(all(score >= 0 for score in scores.values()), method)

    def test_mse_of_what_is_exact_is_0(self):
        fp32 = self.config(fp32=list(self.types))
        self.assertEqual(self.score("mse", fp32, ["stem", "fc2"]), {"stem": 0, "fc2": 0})

    def test_mse_v2_finds_the_operators_that_suffer(self):
        names = list(self.types)
        scores = self.score("mse_v2", self.config(), names, phase="fallback")
        self.assertEqual(set(sorted(names, key=scores.get)[-2:]), set(HURT))
        scores = self.score("mse_v2", self.config(fp32=names), names, phase="requantize")
        self.assertEqual(set(sorted(names, key=scores.get)[-2:]), set(HURT))

    def test_only_what_was_asked_is_scored(self):
        for method in ["mse", "mse_v2", "hawq_v2"]:
            self.assertEqual(set(self.score(method, self.config(), ["fc2"])), {"fc2"})

    def test_configs_that_cannot_be_run(self):
        def broken(change):
            config = copy.deepcopy(self.config())
            change(config)
            return self.evaluate(config)

        for text, change in [
            ('no operator "conv9"', lambda c: c["ops"].update(conv9={"mode": "fp32"})),
            ("has 11 operators", lambda c: c["ops"].pop("fc2")),
            ('fc2 has no mode "dynamic"', lambda c: c["ops"]["fc2"].update(mode="dynamic")),
            ("fc2 is a Linear", lambda c: c["ops"]["fc2"].update(type="Conv2d")),
            (
                'fc2: weight has no granularity "per_tensor"',
                lambda c: c["ops"]["fc2"]["weight"].update(granularity="per_tensor"),
            ),
            (
                'conv1: activation has no algorithm "percentile"',
                lambda c: c["ops"]["conv1"]["activation"].update(algorithm="percentile"),
            ),
            (
                "conv1: activation has no scheme",
                lambda c: c["ops"]["conv1"]["activation"].update(scheme=3),
            ),
            ('conv1: weight has no "bits"', lambda c: c["ops"]["conv1"]["weight"].update(bits=4)),
            ("smooth_quant", lambda c: c["recipes"].update(smooth_quant=True)),
            ("from 1 to 100", lambda c: c.update(calibration_sampling_size=101)),
            ("from 1 to 100", lambda c: c.update(calibration_sampling_size=0)),
        ]:
            with self.subTest(text):
                self.check_failed(broken(change), text)

    def test_scores_that_cannot_be_given(self):
        for text, members in [
            ('no score "fisher"', {"method": "fisher"}),
            ('no operator "conv9"', {"ops": ["conv9"]}),
            ("confidence_batches", {"confidence_batches": 6}),
            ("cross_entropy", {"method": "hawq_v2", "loss": "mse"}),
        ]:
            question = {"method": "mse", "config": self.config(), "ops": ["fc2"], **members}
            with self.subTest(text):
                self.check_failed(self.evaluator.ask("score", **question), text)

    def test_bad_requests(self):
        for status, method, path, body in [
            (400, "POST", "/evaluate", b'{"config": '),
            (400, "POST", "/evaluate", b"\xff\xfe"),
            (400, "POST", "/evaluate", b"[]"),
            (400, "POST", "/evaluate", b"{}"),
            (400, "POST", "/evaluate", b'{"config": []}'),
            (400, "POST", "/evaluate", b'{"config": {}, "config": {}}'),
            (400, "POST", "/score", b'{"config": {}, "ops": []}'),
            (404, "POST", "/train", b"{}"),
            (404, "POST", "/%ff%00", b"{}"),
            (405, "GET", "/evaluate", None),
            (405, "POST", "/healthz", b"{}"),
            (413, "POST", "/evaluate", b" " * (5 << 20)),
        ]:
            with self.subTest(f"{method} {path} {body[:40] if body else ''}"):
                found, headers, answer = self.evaluator.request(method, path, body)
                self.assertEqual(found, status)
                self.assertTrue(answer["error"])
                if status == 405:
                    self.assertIn(headers["Allow"], ["GET", "POST"])

    def test_health(self):
        self.assertEqual(self.evaluator.request("GET", "/healthz")[0], 200)


class ProgramTest(unittest.TestCase):
    def run_program(self, *options):
        done = subprocess.run(
            [PROGRAM, *options], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return done.returncode, done.stderr

    def test_deterministic_answers_are_the_same_in_every_run(self):
        answers = []
        for _ in range(2):
            evaluator = Evaluator("--deterministic")
            answers.append(evaluator.ask("baseline"))
            self.assertEqual(evaluator.stop(), 0)
        self.assertEqual(answers[0], answers[1])

    def test_ledger(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "ledger"
            evaluator = Evaluator("--ledger", str(path), "--latency-batches", "1")
            config = {"ops": {}, "calibration_sampling_size": 100}
            evaluator.ask("baseline", key="job_1.0", attempt=1)
            evaluator.ask("evaluate", key="job_1.1", attempt=2, config=config)
            self.assertEqual(evaluator.stop(), 0)
            lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(
            lines,
            [
                {
                    "key": "job_1.0",
                    "question": "baseline",
                    "attempt": 1,
                    "config": None,
                    "failed": False,
                },
                {
                    "key": "job_1.1",
                    "question": "evaluate",
                    "attempt": 2,
                    "config": fnv(config),
                    "failed": True,
                },
            ],
        )

    def test_usage_errors(self):
        for options in [["--port", "x"], ["--port", "65536"], ["--nonsense"], ["more"]]:
            code, text = self.run_program(*options)
            self.assertEqual(code, 64, options)
            self.assertIn("usage:", text)

    def test_what_cannot_start_says_why(self):
        model = (pathlib.Path(__file__).resolve().parent / "model.bin").read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.bin"
            for content, reason in [
                (b"", "not a model"),
                (b"no" + model[2:], "not a model"),
                (model[:100], "weights of stem are cut short"),
                (model[:-1], "images are cut short"),
                (model[:44] + b"\7" + model[45:], "layer 0 does not fit"),
            ]:
                path.write_bytes(content)
                code, text = self.run_program("--model", str(path))
                self.assertEqual(code, 1)
                self.assertIn(reason, text)
            code, text = self.run_program("--model", str(path) + "x")
            self.assertEqual(code, 1)
            self.assertIn("cannot open", text)

    def test_taken_port(self):
        evaluator = Evaluator()
        code, text = self.run_program("--port", str(evaluator.port))
        evaluator.stop()
        self.assertEqual(code, 1)
        self.assertIn("cannot listen", text)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        PROGRAM = sys.argv.pop(1)
    unittest.main()
