"""The runs of INC that were recorded, replayed through the daemon with a scripted evaluator.

A trace that shows none of INC's faults must come out the same: every config, in order, and the
result. Where it shows one, what comes out instead, and why, is in tests/data/golden_fixed.json.
"""

import json
import tempfile
import unittest

import golden
from daemon import Daemon
from jobkit import Evaluator, body, finished, submit

TRACES = golden.load("traces") + golden.load("traces_weight_only")
FIXED = {
    case["name"]: case
    for case in json.loads((golden.DATA.parent / "golden_fixed.json").read_text(encoding="utf-8"))
}
# What changes no config and no order: skipped duplicates, other names for the same state, recipes
# without effect, and a trial number that was one too low.
HARMLESS = {"B03", "B04", "B22", "B34"}
# Draws that depend on the generator: what holds is tested by itself.
DRAWN = {"inc.random_max_trials_3"}


def expected_result(trace):
    result = trace.get("result") or {}
    if not result.get("returned") or not trace["trials"]:
        return None
    if result.get("best_result") is None and trace.get("evaluations"):
        return None  # INC gave back what did not meet the criterion
    same = [t for t in trace["trials"] if t.get("code") == result["code"]]
    for trial in same:
        if trial.get("trial") == result["trial_number"]:
            return golden.code_of_trial(trace, trial)
    return golden.code_of_trial(trace, same[-1])


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

    def test_traces_without_faults(self):
        replayed = 0
        for trace in TRACES:
            if trace["name"] in FIXED or trace["name"] in DRAWN:
                continue
            with self.subTest(trace["name"]):
                self.assertLessEqual(set(trace["inc_bugs"]), HARMLESS)
                replay = golden.Replay(self.daemon, trace, otherwise=0.5)
                expected = list(golden.trials_of(trace))
                # Duplicates cost INC budget: a budget that ended its run may pay for more here.
                if replay.job["exit"]["reason"] == "max_trials" and trace["inc_bugs"]:
                    del replay.codes[len(expected) :]
                self.assertEqual(replay.codes, expected)
                code = expected_result(trace)
                place = expected.index(code) + 1 if code is not None else None
                self.assertEqual(replay.result(), (code, place) if code is not None else None)
                replayed += 1
        self.assertEqual(replayed, len(TRACES) - len(FIXED) - len(DRAWN))

    def test_traces_with_faults(self):
        traces = {trace["name"]: trace for trace in TRACES}
        for name, case in FIXED.items():
            with self.subTest(name):
                trace = traces[name]
                trace.setdefault("trials", [])
                for bug in trace["inc_bugs"]:
                    self.assertTrue(bug in case["why"] or bug in HARMLESS | {"B50"}, bug)
                replay = golden.Replay(
                    self.daemon, trace, case["otherwise"], case.get("worth", {})
                )
                begins = case.get("begins")
                if begins is not None:
                    self.assertEqual(replay.codes[: len(begins)], begins)
                else:
                    self.assertEqual(replay.codes, case["codes"])
                self.assertEqual(len(replay.codes), len(set(replay.codes)))
                result = replay.result()
                self.assertEqual(result and result[0], case.get("result"))

    def test_random_draws_another_config_each_time(self):
        (trace,) = [trace for trace in TRACES if trace["name"] in DRAWN]
        replay = golden.Replay(self.daemon, trace, otherwise=0.5)
        self.assertEqual(len(set(replay.codes)), 3)

    def test_score_questions_carry_what_the_strategy_was_told(self):
        (trace,) = [t for t in TRACES if t["name"] == "inc.mse_v2_confidence_batches_5"]
        replay = golden.Replay(self.daemon, trace)
        phases = [(q["method"], q["phase"], q["confidence_batches"]) for q in replay.questions]
        self.assertEqual(
            phases,
            [("mse_v2", "fallback", 5), ("mse_v2", "fallback", 5), ("mse_v2", "requantize", 5)],
        )
        ops = [sorted(question["ops"]) for question in replay.questions]
        self.assertEqual(ops, [["Conv2D", "op_to_store"], ["Conv2D"], ["Conv2D", "op_to_store"]])


# What INC does to single operators in merge.json and narrowd does not (docs/inc.md, B43).
MERGED_OTHERWISE = {
    # An option for a name does not undo that the type is to be in fp32.
    ("type fp32, name item re-opens quantization", "a.conv"): ["fp32"],
    # The activation of a weight-only operator is fp32 anyway: saying so takes nothing away.
    ("WOQ activation-only key: nothing pinned for weight", "mm1"): ["weight_only", "fp32"],
}


def inc_modes(given):
    """An operator's space as INC left it, in the shape of POST /v1/spaces."""
    modes = {}
    for mode, attributes in given.items():
        if mode == "precision":
            weights = attributes.get("weight", attributes["activation"])
            modes.update({p: {} for p in attributes["activation"] if p in weights})
        else:
            modes[mode] = {name: next(iter(types.values())) for name, types in attributes.items()}
    return modes


def settings(op):
    """A config's operator in the notation of sampler.json: granularities, the algorithm."""
    if op["mode"] != "static":
        return golden.PRECISIONS[op["mode"]]
    short = {"per_channel": "pc", "per_tensor": "pt"}
    activation, weight = op["activation"], op.get("weight")
    code = f"S({short[activation['granularity']]},{activation.get('algorithm', '-')})"
    return code + (f"w({short[weight['granularity']]})" if weight else "")


class Space(unittest.TestCase):
    """capability x user configuration: the options that are left, and the order of the configs."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

    def space(self, case, capability, approach):
        job = body("http://127.0.0.1:9009", approach=approach)
        job["capability"] = {
            "ops": [
                {"name": name.split("|")[0], "type": name.split("|")[1], "modes": golden.modes(d)}
                for name, d in capability.items()
            ]
        }
        for member in ("op_type_dict", "op_name_dict"):
            if case.get(member):
                job[member] = case[member]
        status, _, document = self.daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 200, document)
        return {op["name"]: op["modes"] for op in document["ops"]}

    def test_restrictions(self):
        data = golden.load("merge")
        compared = 0
        for case in data["cases"]:
            weights = case["name"].startswith("WOQ")
            capability = data["woq_capability" if weights else "capability"]
            modes = self.space(case, capability, "weight_only" if weights else "auto")
            for key, given in case["space"].items():
                op = key.split("|")[0]
                with self.subTest(case["name"], op=op):
                    otherwise = MERGED_OTHERWISE.get((case["name"], op))
                    if otherwise is None:
                        self.assertEqual(modes[op], inc_modes(given))
                    else:
                        self.assertEqual(list(modes[op]), otherwise)
                        self.assertNotEqual(list(modes[op]), list(inc_modes(given)))
                    compared += 1
        self.assertEqual(compared, sum(len(case["space"]) for case in data["cases"]))

    def test_blocks_from_the_module_tree(self):
        layers = ("attention.q", "attention.k", "attention.v", "attention.o", "up", "down")
        names = [f"layers.{n}.{name}" for n in range(2) for name in layers]
        quantized = {"static": {"weight": {"dtype": ["int8"]}}, "fp32": {}}
        job = body("http://127.0.0.1:9009")
        job["capability"] = {
            "op_types": {"Linear": quantized},
            "ops": [{"name": name, "type": "Linear"} for name in names if name != "layers.0.up"],
            "modules": [{"name": name, "class": "Linear"} for name in names],
        }
        status, _, document = self.daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 200, document)
        self.assertEqual(
            document["blocks"], [["layers.1.up", "layers.1.down"], ["layers.0.down"]]
        )
        job["capability"]["modules"] = [{"name": "a." * 40, "class": "Linear"}, {"class": 7}]
        status, _, document = self.daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 422)
        pointers = {fault["pointer"] for fault in document["errors"]}
        self.assertEqual(
            pointers,
            {
                "/capability/modules/0/name",
                "/capability/modules/1/name",
                "/capability/modules/1/class",
            },
        )

    def sequence(self, strategy, count):
        asked = []

        def reply(question, headers):
            if question["question"] == "evaluate":
                asked.append([settings(op) for op in question["config"]["ops"].values()])
            return {"accuracy": 1.0 if question["question"] == "baseline" else 0.5, "latency_ms": 1}

        evaluator = Evaluator(reply)
        self.addCleanup(evaluator.close)
        ops = golden.load("sampler")["capability"]
        job = body(
            evaluator.url,
            capability={
                "ops": [
                    {"name": op["name"], "type": op["type"], "modes": golden.modes(op["capability"])}
                    for op in ops
                ]
            },
            tuning_criterion={"strategy": strategy, "max_trials": count},
        )
        finished(self.daemon, submit(self.daemon, job))
        return asked

    def test_enumerations(self):
        data = golden.load("sampler")
        for name, strategy in {"op_type_wise": "basic", "op_wise": "exhaustive"}.items():
            with self.subTest(name):
                self.assertGreater(len(data[name]), 8)
                self.assertEqual(self.sequence(strategy, len(data[name])), data[name])


if __name__ == "__main__":
    unittest.main()
