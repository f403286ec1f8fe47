"""Operators that are tied: one choice for all of a group, whatever looks at it."""

import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit, wait_until

MODES = {
    "static": {
        "weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
        "activation": {"dtype": ["uint8"]},
    }
}
DYNAMIC = {"dynamic": {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}}}
FP32 = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
NAMES = ["first", "q", "k", "v", "gate", "up", "last"]
TIED = [["v", "q", "k"], ["gate", "up"]]
STAGED = ("auto", "basic", "conservative", "mse", "mse_v2", "hawq_v2", "bisect")
OTHERS = ("sgp", "knapsack", "tpe", "bayesian", "random", "exhaustive", "auto_mixed_precision")


def capability(tied=None, modes=None, **more):
    modes = modes or {}
    tied = TIED if tied is None else tied
    return {
        "op_types": {"Linear": MODES},
        "ops": [
            {"name": n, "type": "Linear", **({"modes": modes[n]} if n in modes else {})}
            for n in NAMES
        ],
        **({"tied": tied} if tied else {}),
        **more,
    }


def answer(question, headers=None):
    if question["question"] == "score":
        return {"scores": {name: float(len(name)) for name in question["ops"]}}
    return jobkit.crash_model.answer(question)


class Tied(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

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

    def keeps_ties(self, config):
        ops = config["ops"]
        for group in TIED:
            self.assertEqual(len({str(ops.get(name)) for name in group}), 1, config)

    def test_a_group_has_one_dimension(self):
        document = self.space(capability())
        self.assertEqual(document["size"], str(3**4))
        self.assertEqual(document["dimensions"], 5)
        self.assertEqual([op["name"] for op in document["ops"]], NAMES)
        follows = {op["name"]: op["tied_to"] for op in document["ops"] if "tied_to" in op}
        self.assertEqual(follows, {"k": "q", "v": "q", "up": "gate"})
        self.assertGreater(len(document["first"]), 0)
        for first in document["first"]:
            self.keeps_ties(first["config"])

    def test_without_groups_nothing_changes(self):
        plain = self.space(capability(tied=[]))
        self.assertEqual(plain["size"], str(3**7))
        self.assertNotIn("tied_to", str(plain))

    def test_faults(self):
        self.assertEqual(set(self.faults(capability([["q"]]))), {"/capability/tied/0"})
        self.assertEqual(set(self.faults(capability([[], "q"]))),
                         {"/capability/tied/0", "/capability/tied/1"})  # fmt: skip
        self.assertEqual(set(self.faults(capability([["q", "z"]]))), {"/capability/tied/0/1"})
        self.assertEqual(set(self.faults(capability([["q", "q"]]))), {"/capability/tied/0/1"})
        self.assertEqual(
            set(self.faults(capability([["q", "k"], ["v", "k"], ["up", "gate", "q"]]))),
            {"/capability/tied/1/1", "/capability/tied/2/2"},
        )
        self.assertEqual(set(self.faults(capability([["q", 1]]))), {"/capability/tied/0/1"})
        self.assertEqual(set(self.faults(capability(5))), {"/capability/tied"})

    def test_what_differs_cannot_be_tied(self):
        other = {"static": {**MODES["static"], "weight": {"dtype": ["int8"]}}}
        turned = {"static": {**MODES["static"],
                             "weight": {"dtype": ["int8"],
                                        "granularity": ["per_tensor", "per_channel"]}}}  # fmt: skip
        for modes, words in (
            ({"k": {}}, 'only "q" has static'),
            ({"q": other}, 'only "k" has the weight granularity "per_channel" in static'),
            ({"v": turned}, "order"),
        ):
            with self.subTest(words):
                (fault,) = self.faults(capability(modes=modes)).items()
                self.assertEqual(fault[0], "/capability/tied/0")
                self.assertIn(words, fault[1])
        faults = self.faults(capability(), op_name_dict={"up": FP32, "k": FP32})
        self.assertEqual(set(faults), {"/capability/tied/0", "/capability/tied/1"})
        self.assertEqual(self.space(capability(), op_name_dict={"q|k|v": FP32})["size"], "27")
        self.assertEqual(self.space(capability(modes={"k": {}}), 422)["status"], 422)

    def test_a_recipe_keeps_the_whole_group(self):
        can_do = capability(recipes_ops={"first_conv_or_matmul_quantization": ["k"]})
        recipes = {"first_conv_or_matmul_quantization": False}
        document = self.space(can_do, recipes=recipes)
        kept = [op["name"] for op in document["ops"] if op["choices"] == 1]
        self.assertEqual(kept, ["q", "k", "v"])

    def test_every_strategy_keeps_groups(self):
        answers = ["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"]
        can_do = capability(
            answers=answers,
            blocks=[["gate", "up", "last"], ["k", "first"]],
            recipes_ops={"last_conv_or_matmul_quantization": ["v", "last"]},
        )
        for strategy in STAGED + OTHERS:
            with self.subTest(strategy):
                evaluator = self.evaluator()
                job = submit(
                    self.daemon,
                    body(evaluator.url, capability=can_do, approach="static", confirm=0,
                         accuracy_criterion={"tolerable_loss": 0.001},
                         tuning_criterion={"strategy": strategy, "max_trials": 40,
                                           "stop_on": "budget"}),
                )  # fmt: skip
                finished(self.daemon, job)
                asked = [q for path, q, _ in evaluator.calls if path.endswith("/evaluate")]
                configs = [q["config"] for q in asked if q["question"] == "evaluate"]
                self.assertGreater(len(configs), 0)
                for config in configs:
                    self.assertEqual(list(config["ops"]), NAMES)
                    self.keeps_ties(config)
                for trial in get(self.daemon, f"/v1/jobs/{job}/trials?limit=1000")["items"]:
                    if trial["kind"] == "evaluate":
                        number = trial["number"]
                        path = f"/v1/jobs/{job}/trials/{number}"
                        self.keeps_ties(get(self.daemon, path)["config"])
        self.exported(job)

    def exported(self, job):
        """The documents that name operators name all of them."""
        inc = get(self.daemon, f"/v1/jobs/{job}/export?format=inc")
        self.assertEqual(list(inc["op"]), [f"('{name}', 'Linear')" for name in NAMES])
        chart = get(self.daemon, f"/v1/jobs/{job}/charts/precision")
        self.assertEqual(chart["ops"], NAMES)
        for item in chart["items"]:
            self.assertEqual(len(item["formats"]), len(NAMES))
        verdict = get(self.daemon, f"/v1/jobs/{job}/best")["verdict"]
        self.assertIsInstance(verdict, str)

    def test_scores_are_asked_of_the_leader(self):
        for each in (False, True):
            with self.subTest(each=each):
                self.scored(each)

    def scored(self, each):
        """`k` alone suffers most; the group as a whole does when all of it is scored."""
        single = {"first": 6.0, "q": 1.0, "k": 4.0, "v": 4.0, "gate": 0.5, "up": 0.5, "last": 2.0}

        def reply(question, headers):
            if question["question"] != "score":
                return {"accuracy": 0.9 if question["question"] == "baseline" else 0.5,
                        "latency_ms": 1.0}  # fmt: skip
            names = question["ops"] + (sum(question["tied"].values(), []) if each else [])
            return {"scores": {name: single[name] for name in names}}

        evaluator = self.evaluator(reply)
        can_do = capability(answers=["evaluate", "score:mse"])
        job = submit(
            self.daemon,
            body(evaluator.url, capability=can_do, confirm=0,
                 tuning_criterion={"strategy": "bisect"}),
        )  # fmt: skip
        document = finished(self.daemon, job)
        self.assertNotIn("not understood", str(document.get("warnings")))
        asked = [q for _, q, _ in evaluator.calls]
        score = next(q for q in asked if q["question"] == "score")
        self.assertEqual(score["ops"], ["first", "q", "gate", "last"])
        self.assertEqual(score["tied"], {"q": ["k", "v"], "gate": ["up"]})
        after = asked[asked.index(score) + 1]["config"]["ops"]
        back = [name for name, op in after.items() if op["mode"] == "fp32"]
        self.assertEqual(back, ["q", "k", "v"] if each else ["first"])
        items = get(self.daemon, f"/v1/jobs/{job}/sensitivity")["items"]
        self.assertEqual([item["op"] for item in items], NAMES)
        by_name = {item["op"]: item for item in items}
        self.assertEqual(by_name["k"]["tied_to"], "q")
        self.assertEqual({by_name[n]["score"] for n in "qkv"}, {9.0 if each else 1.0})

    def test_a_config_from_elsewhere_must_agree(self):
        """One of a group may stand for all; two must say the same."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def reply(question, headers):
            if question["question"] != "baseline":
                gate.wait()
            return answer(question)

        evaluator = self.evaluator(reply)
        job = submit(self.daemon, body(evaluator.url, capability=capability()))
        wait_until(lambda: len(evaluator.calls) > 1)
        fp32, int8 = {"mode": "fp32"}, self.space(capability())["ops"][0]["default"]

        def send(ops, expected):
            trial = {"config": {"ops": ops, "calibration_sampling_size": 100},
                     "accuracy": 0.9, "metrics": {"latency_ms": 50.0}}  # fmt: skip
            status, _, document = self.daemon.request(
                "POST", f"/v1/jobs/{job}/trials", {"trials": [trial]}
            )
            self.assertEqual(status, expected, document)
            return document

        number = send({"k": fp32}, 200)["first"]
        ops = get(self.daemon, f"/v1/jobs/{job}/trials/{number}?config=full")["config"]["ops"]
        self.assertEqual([n for n in NAMES if ops[n]["mode"] == "fp32"], ["q", "k", "v"])
        send({"q": int8, "k": int8, "gate": fp32, "up": fp32}, 200)
        document = send({"q": fp32, "v": int8}, 422)
        (fault,) = document["errors"]
        self.assertEqual(fault["pointer"], "/trials/0/config/ops/v")
        self.assertIn('tied to "q"', fault["detail"])


if __name__ == "__main__":
    unittest.main()
