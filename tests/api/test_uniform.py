"""Options that have one value for all operators of a mode."""

import random
import tempfile
import threading
import time
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit, wait_until
from patience import PATIENCE_S

STATIC = {
    "weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
    "activation": {"dtype": ["uint8"], "algorithm": ["minmax", "kl"], "scheme": ["asym", "sym"]},
}
DYNAMIC = {"weight": {"dtype": ["int8"], "granularity": ["per_tensor", "per_channel"]}}
PATHS = ["activation.algorithm", "weight.granularity"]
STRATEGIES = ("auto", "basic", "conservative", "mse", "mse_v2", "hawq_v2", "bisect", "sgp",
              "knapsack", "tpe", "bayesian", "random", "exhaustive")  # fmt: skip


def capability(uniform=None, modes=None, count=4, **more):
    modes = modes or {}
    uniform = PATHS if uniform is None else uniform
    default = {"static": STATIC, "dynamic": DYNAMIC}
    return {
        "op_types": {"Conv2d": default, "MatMul": default},
        "ops": [
            {"name": f"op{i}", "type": "MatMul" if i % 2 else "Conv2d",
             **({"modes": modes[i]} if i in modes else {})}
            for i in range(count)
        ],
        **({"uniform": uniform} if uniform else {}),
        **more,
    }  # fmt: skip


def answer(question, headers=None):
    if question["question"] == "score":
        return {"scores": {name: float(name[2:]) for name in question["ops"]}}
    return jobkit.crash_model.answer(question)


def values(config):
    """Of each mode and path the values that operators have."""
    found = {}
    for op in config["ops"].values():
        for path in PATHS:
            attribute, item = path.split(".")
            if item in op.get(attribute, {}):
                found.setdefault((op["mode"], path), set()).add(op[attribute][item])
    return found


class Uniform(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.stop())

    def space(self, can_do, expected=200, **more):
        job = body("http://127.0.0.1:9009", capability=can_do, **more)
        status, _, document = self.daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, expected, document)
        return document

    def faults(self, can_do, **more):
        document = self.space(can_do, 422, **more)
        return {error["pointer"]: error["detail"] for error in document["errors"]}

    def evaluator(self, reply=answer):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def is_uniform(self, config):
        for where, options in values(config).items():
            self.assertEqual(len(options), 1, (where, config))

    def held(self, can_do):
        """A job that waits for its evaluator until the test is over."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def reply(question, headers):
            if question["question"] != "baseline":
                gate.wait(PATIENCE_S)
            return answer(question)

        evaluator = self.evaluator(reply)
        job = submit(self.daemon, body(evaluator.url, capability=can_do))
        wait_until(lambda: len(evaluator.calls) > 1)
        return job

    def test_the_space_says_them(self):
        document = self.space(capability(), approach="auto")
        # static: scheme; dynamic, fp32; and three dimensions of two values
        self.assertEqual(document["size"], str(4**4 * 2**3))
        self.assertEqual(document["dimensions"], 4 + 1 + 3)
        self.assertEqual(
            document["uniform"],
            [
                {"mode": "static", "option": "activation.algorithm", "values": ["minmax", "kl"]},
                {"mode": "static", "option": "weight.granularity",
                 "values": ["per_channel", "per_tensor"]},
                {"mode": "dynamic", "option": "weight.granularity",
                 "values": ["per_tensor", "per_channel"]},
            ],
        )  # fmt: skip
        op = document["ops"][0]
        self.assertEqual(op["choices"], 4)
        self.assertEqual(op["modes"]["static"]["activation"]["algorithm"], ["minmax", "kl"])
        self.assertEqual(op["default"]["activation"]["algorithm"], "minmax")
        plain = self.space(capability(uniform=[]), approach="auto")
        self.assertNotIn("uniform", plain)
        self.assertEqual(plain["size"], str((8 + 2 + 1) ** 4))

    def test_faults(self):
        for wrong in ("activation.bits", "weight", "algorithm", "weight.", "weight.Dtype"):
            with self.subTest(wrong):
                given = capability(uniform=["weight.dtype", wrong])
                self.assertEqual(set(self.faults(given)), {"/capability/uniform/1"})
        again = capability(uniform=["weight.dtype", "weight.dtype", 1])
        self.assertEqual(set(self.faults(again)), {"/capability/uniform/1", "/capability/uniform/2"})
        self.assertEqual(set(self.faults(capability(uniform="weight.dtype"))),
                         {"/capability/uniform"})  # fmt: skip
        other = {"static": {**STATIC, "activation": {"algorithm": ["percentile"]}}}
        (fault,) = self.faults(capability(modes={2: other})).items()
        self.assertEqual(fault[0], "/capability/uniform/0")
        self.assertIn('"op0" has minmax, kl, "op2" has percentile', fault[1])

    def test_dictionaries_narrow_all(self):
        kl = {"activation": {"algorithm": ["kl"]}}
        for more, warned in (
            ({"op_type_dict": {"MatMul": kl}}, []),
            ({"op_name_dict": {".*": kl}}, []),
            ({"op_name_dict": {"op1": kl}}, ["/op_name_dict/op1/activation/algorithm"]),
        ):
            with self.subTest(more=more):
                document = self.space(capability(), **more)
                self.assertEqual([w["pointer"] for w in document["warnings"]
                                  if "uniform" in w["detail"]], warned)  # fmt: skip
                for op in document["ops"]:
                    self.assertEqual(op["default"]["activation"]["algorithm"], "kl")
                self.assertEqual([u["option"] for u in document["uniform"]],
                                 ["weight.granularity"])  # fmt: skip

    def test_every_strategy_keeps_and_varies_them(self):
        can_do = capability(
            answers=["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"],
            tied=[["op1", "op3"]],
        )
        for strategy in STRATEGIES:
            with self.subTest(strategy):
                evaluator = self.evaluator()
                job = submit(
                    self.daemon,
                    body(evaluator.url, capability=can_do, approach="auto", confirm=0,
                         accuracy_criterion={"tolerable_loss": 0.001},
                         tuning_criterion={"strategy": strategy, "max_trials": 40,
                                           "stop_on": "budget"}),
                )  # fmt: skip
                finished(self.daemon, job)
                configs = [q["config"] for _, q, _ in evaluator.calls
                           if q.get("question") == "evaluate" and q["repeat"] == 0]  # fmt: skip
                tried = {}
                for config in configs:
                    self.is_uniform(config)
                    self.assertEqual(str(config["ops"]["op1"]), str(config["ops"]["op3"]))
                    for where, options in values(config).items():
                        tried.setdefault(where, set()).update(options)
                texts = [str(config["ops"]) for config in configs]
                self.assertEqual(len(texts), len(set(texts)), "the same config twice")
                self.assertEqual(tried["static", "activation.algorithm"], {"minmax", "kl"})
                self.assertEqual(tried["static", "weight.granularity"],
                                 {"per_channel", "per_tensor"})  # fmt: skip
        self.exported(job)

    def exported(self, job):
        inc = get(self.daemon, f"/v1/jobs/{job}/export?format=inc")
        algorithms = {op["activation"].get("algorithm") for op in inc["op"].values()
                      if op["activation"]["quant_mode"] == "static"}  # fmt: skip
        self.assertLessEqual(len(algorithms), 1)
        exported = get(self.daemon, f"/v1/jobs/{job}/export")
        for trial in exported["trials"]:
            self.is_uniform(trial["config"])
        for item in get(self.daemon, f"/v1/jobs/{job}/sensitivity")["items"]:
            self.assertEqual(len(item["options"]), 4)

    def test_the_op_type_wise_list_varies_them_for_all(self):
        """As INC's, without the configs in which operators differ: the first pair's option first."""
        evaluator = self.evaluator(lambda q, h: {"accuracy": 0.5 if "ops" in q["config"] and
                                                 q["question"] != "baseline" else 0.9,
                                                 "latency_ms": 1.0})  # fmt: skip
        job = submit(
            self.daemon,
            body(evaluator.url, capability=capability(["activation.algorithm"], count=2),
                 confirm=0, tuning_criterion={"strategy": "basic", "max_trials": 9}),
        )  # fmt: skip
        finished(self.daemon, job)
        asked = [q["config"]["ops"] for _, q, _ in evaluator.calls if q["question"] == "evaluate"]
        seen = [
            (ops["op0"]["activation"]["scheme"], ops["op0"]["activation"]["algorithm"],
             ops["op0"]["weight"]["granularity"], ops["op1"]["activation"]["scheme"],
             ops["op1"]["activation"]["algorithm"], ops["op1"]["weight"]["granularity"])
            for ops in asked
        ]  # fmt: skip
        both = ("minmax", "kl")
        expected = [
            (s0, a, g0, s1, a, g1)
            for s0 in ("asym", "sym") for a in both for g0 in ("per_channel", "per_tensor")
            for s1 in ("asym", "sym") for g1 in ("per_channel", "per_tensor")
        ]  # fmt: skip
        self.assertEqual(seen, expected[: len(seen)])
        self.assertEqual(len(seen), 9)

    def test_a_config_from_elsewhere_must_agree(self):
        evaluator = self.evaluator()
        can_do = capability()
        job = submit(self.daemon, body(evaluator.url, capability=can_do, confirm=0,
                                       tuning_criterion={"strategy": "exhaustive", "max_trials": 9,
                                                         "stop_on": "budget"}))  # fmt: skip
        finished(self.daemon, job)
        for form in ("full", "delta"):
            source = [
                get(self.daemon, f"/v1/jobs/{job}/trials/{t['number']}?config={form}")
                for t in get(self.daemon, f"/v1/jobs/{job}/trials?limit=1000")["items"]
                if t["kind"] == "evaluate" and t["state"] == "told"
            ]
            target = self.held(can_do)
            status, _, receipt = self.daemon.request(
                "POST", f"/v1/jobs/{target}/trials", {"trials": source}
            )
            self.assertEqual(status, 200, receipt)
            for number, original in enumerate(source, receipt["first"]):
                copy = get(self.daemon, f"/v1/jobs/{target}/trials/{number}?config={form}")
                self.assertEqual(copy["config"], original["config"])
        trial = get(self.daemon, f"/v1/jobs/{job}/trials/{source[0]['number']}?config=full")
        trial["config"]["ops"]["op2"]["activation"]["algorithm"] = "kl"
        status, _, document = self.daemon.request(
            "POST", f"/v1/jobs/{target}/trials", {"trials": [trial]}
        )
        self.assertEqual(status, 422)
        (fault,) = document["errors"]
        self.assertEqual(fault["pointer"], "/trials/0/config/ops/op2")
        self.assertIn("one value for all operators in static", fault["detail"])

    def test_a_killed_daemon_goes_on(self):
        """The log of a job that was killed again and again is that of one that was not."""
        can_do = capability(tied=[["op1", "op3"]], count=6)
        draw = random.Random(7)
        for strategy in ("basic", "sgp", "tpe"):
            with self.subTest(strategy):
                given = dict(capability=can_do, approach="auto", confirm=0, seed=3,
                             accuracy_criterion={"tolerable_loss": 0.002},
                             tuning_criterion={"strategy": strategy, "max_trials": 25,
                                               "stop_on": "budget"})  # fmt: skip
                asked = []
                for kills in (0, 4):
                    evaluator = self.evaluator(self.slow if kills else answer)
                    job = submit(self.daemon, body(evaluator.url, **given))
                    for _ in range(kills):
                        time.sleep(draw.uniform(0.05, 0.2))
                        self.daemon.kill9()
                        self.daemon.start()
                    finished(self.daemon, job)
                    asked.append([
                        (t["number"], t["stage"], t["hash"])
                        for t in get(self.daemon, f"/v1/jobs/{job}/trials?limit=1000"
                                     "&order=number")["items"]
                    ])  # fmt: skip
                self.assertEqual(asked[0], asked[1])

    def slow(self, question, headers):
        time.sleep(0.02)
        return answer(question)


if __name__ == "__main__":
    unittest.main()
