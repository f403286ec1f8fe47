"""Nothing of a submission is dropped or replaced in silence, and recipes are as the user sets them."""

import json
import tempfile
import unittest

from daemon import Daemon
from jobkit import Evaluator, body, finished, get, submit

OFF = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
INT8 = {
    "weight": {"dtype": ["int8"], "scheme": ["sym", "asym"]},
    "activation": {"dtype": ["uint8"], "algorithm": ["kl", "minmax"]},
}
WOQ = {"weight": {"bits": [4], "group_size": [32], "scheme": ["sym"], "algorithm": ["RTN"]}}
ANSWERS = ["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"]
ALPHAS = {"smooth_quant": True, "smooth_quant_args": {"alpha": [0.3, 0.5, 0.7]}}
TWO_TYPES = {
    "op_types": {"Conv2d": {"static": INT8}, "Linear": {"static": INT8}},
    "ops": [
        {"name": "conv", "type": "Conv2d"},
        {"name": "fc1", "type": "Linear"},
        {"name": "fc2", "type": "Linear"},
    ],
    "answers": ANSWERS,
}
STAGED = ["auto", "basic", "conservative", "mse", "mse_v2", "hawq_v2", "bisect"]
DRAWN = ["tpe", "bayesian", "random", "exhaustive"]


def capability(modes=None, count=3, **more):
    return {
        "op_types": {"Conv2d": modes or {"static": INT8, "bf16": {}}},
        "ops": [{"name": f"c{i}", "type": "Conv2d"} for i in range(count)],
        "answers": ANSWERS,
        **more,
    }


def job(url="http://127.0.0.1:9009", modes=None, strategy="basic", given=None, **more):
    criterion = {"strategy": strategy} if strategy else {}
    criterion.update(more.pop("tuning_criterion", {}))
    more.setdefault("capability", capability(modes, **(given or {})))
    return body(url, tuning_criterion=criterion, confirm=0, **more)


class Kit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

    def space(self, given, expected=200):
        status, _, document = self.daemon.request("POST", "/v1/spaces", given)
        self.assertEqual(status, expected, document)
        return document

    def warned(self, given):
        """The warnings of a dry run, by pointer."""
        return {w["pointer"]: w["detail"] for w in self.space(given)["warnings"]}

    def faults(self, given):
        return {f["pointer"]: f["detail"] for f in self.space(given, 422)["errors"]}

    def configs(self, given, accuracy=0.5):
        """What is measured when nothing, or everything, meets the criterion."""
        asked = []

        def reply(question, headers):
            if question["question"] == "score":
                return {"scores": {name: 1.0 for name in question["ops"]}}
            if question["question"] == "baseline":
                return {"accuracy": 1.0, "latency_ms": 2.0}
            asked.append(question["config"])
            return {"accuracy": accuracy, "latency_ms": 1.0}

        evaluator = Evaluator(reply)
        self.addCleanup(evaluator.close)
        given["evaluator"] = {"url": evaluator.url}
        finished(self.daemon, submit(self.daemon, given))
        return asked


class Silence(Kit):
    def test_modes_that_the_approach_excludes(self):
        modes = {"static": INT8, "dynamic": INT8, "weight_only": WOQ}
        self.assertEqual(
            self.space(job(modes=modes))["warnings"],
            [
                {
                    "pointer": "/approach",
                    "detail": f"{mode} is offered by 3 operators and not tried: approach is static",
                }
                for mode in ("dynamic", "weight_only")
            ],
        )
        (detail,) = self.warned(
            job(modes={"dynamic": INT8, "weight_only": WOQ}, approach="weight_only", given={"count": 1})
        ).values()
        self.assertEqual(
            detail, "dynamic is offered by 1 operator and not tried: approach is weight_only"
        )
        for approach in ("auto", "qat"):
            modes = {"static": INT8, "dynamic": INT8}
            self.assertEqual(self.warned(job(modes=modes, approach=approach)), {})

    def test_data_types_that_are_not_tried(self):
        several = {
            "weight": {"dtype": ["int8", "uint8"]},
            "activation": {"dtype": ["uint8", "int8", "fp8_e4m3"]},
        }
        warned = self.space(job(modes={"static": several, "bf16": {}}))["warnings"]
        self.assertEqual([w["pointer"] for w in warned], ["/capability/op_types"] * 2)
        self.assertIn("uint8 is offered as a data type of the weight in static by 3 op", warned[0]["detail"])
        self.assertIn("int8 is offered as a data type of the activation", warned[1]["detail"])
        each = [
            {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}},
            {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["int8"]}},
        ]
        self.assertEqual(self.warned(job(modes={"static": each})), {}, "all are tried")
        chosen = {"Conv2d": {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}}}
        self.assertEqual(self.warned(job(modes={"static": several}, op_type_dict=chosen)), {})
        several_bits = {"weight": {"dtype": ["int", "nf4"], "bits": [4]}}
        given = job(modes={"weight_only": several_bits}, approach="weight_only")
        self.assertEqual(self.warned(given), {}, "all are tried")

    def test_faults_say_what_would_do(self):
        given = job(given={"metrics": ["accuracy", "latency_ms"]}, sed=1, max_trials=3, wholly_new=1,
                    tuning_criterion={"objective": "fps", "max_trails": 3})
        self.assertEqual(self.faults(given), {
            "/sed": 'unknown member: did you mean "seed"?',
            "/max_trials": 'unknown member: it belongs into "tuning_criterion"',
            "/wholly_new": "unknown member",
            "/tuning_criterion/max_trails": 'unknown member: did you mean "max_trials"?',
            "/tuning_criterion/objective":
                'the evaluator does not report "fps": it reports accuracy, latency_ms',
        })

    def test_who_allows_to_lose_nearly_everything(self):
        for loss, kind, said in ((1, "relative", "100 %"), (0.5, "relative", "50 %"),
                                 (0.4, "relative", None), (1, "absolute", None)):
            criterion = {"criterion": kind, "tolerable_loss": loss}
            warned = self.warned(job(accuracy_criterion=criterion))
            self.assertEqual(warned, {} if said is None else {
                "/accuracy_criterion/tolerable_loss": f"may lose {said}: 1 % is 0.01"})
        metrics = [{"name": "top1", "tolerable_loss": 0.01}, {"name": "top5", "tolerable_loss": 0.9}]
        warned = self.warned(job(accuracy_criterion={"metrics": metrics}))
        self.assertEqual(list(warned), ["/accuracy_criterion/metrics/1/tolerable_loss"])

    def test_precisions_that_nobody_offers(self):
        warned = self.warned(job(excluded_precisions=["bf16", "fp16"]))
        self.assertEqual(list(warned), ["/excluded_precisions/1"])
        self.assertIn("no operator offers fp16", warned["/excluded_precisions/1"])

    def test_an_approach_that_no_operator_has(self):
        for modes, approach in (
            ({"static": INT8}, "dynamic"),
            ({"static": INT8}, "weight_only"),
            ({"dynamic": INT8, "bf16": {}}, "static"),
            ({"dynamic": INT8}, "post_training_static_quant"),
            ({"weight_only": WOQ}, "auto"),
            ({"weight_only": WOQ}, "qat"),
            ({"bf16": {}}, "static"),
        ):
            with self.subTest(approach, modes=list(modes)):
                detail = self.faults(job(modes=modes, approach=approach))["/approach"]
                for mode in modes.keys() - {"bf16"}:
                    self.assertIn(f"{mode} by 3", detail)

    def test_nothing_left_to_quantize(self):
        for member, more in {
            "/op_name_dict": {"op_name_dict": {".*": OFF}},
            "/op_type_dict": {"op_type_dict": {"Conv.*": OFF}, "recipes": {"gemm_to_matmul": True}},
        }.items():
            with self.subTest(member):
                warned = self.warned(job(approach="static", **more))
                self.assertIn("no operator is left to quantize", warned[member])
        warned = self.warned(job(modes={"weight_only": WOQ, "bf16": {}}))
        self.assertIn("nothing is left to quantize", warned["/approach"])
        self.assertEqual(self.warned(job(op_name_dict={"c[01]": OFF})), {})
        mixed = job(modes={"bf16": {}}, strategy="auto_mixed_precision")
        self.assertEqual(self.warned(mixed), {})
        mixed = self.warned(job(strategy="auto_mixed_precision"))
        self.assertIn("auto_mixed_precision lowers precisions alone", mixed["/approach"])

    def test_warnings_are_everywhere(self):
        given = job(modes={"static": INT8, "dynamic": INT8})
        status, _, document = self.daemon.request("POST", "/v1/jobs", given)
        self.assertEqual(status, 201)
        expected = self.space(given)["warnings"]
        self.assertEqual(document["warnings"], expected)
        path = f"/v1/jobs/{document['id']}"
        self.assertEqual(get(self.daemon, path)["warnings"], expected)
        self.assertEqual(get(self.daemon, path + "/space")["warnings"], expected)

    def test_a_flood_of_warnings_is_cut(self):
        given = job(op_name_dict={f"nothing{i}": OFF for i in range(300)})
        document = get(self.daemon, f"/v1/jobs/{submit(self.daemon, given)}")
        self.assertEqual(len(document["warnings"]), 50)
        self.assertIn("251 more", document["warnings"][-1]["detail"])
        space = get(self.daemon, f"/v1/jobs/{document['id']}/space")
        self.assertEqual(len(space["warnings"]), 300)
        self.assertEqual(space["warnings"][:49], document["warnings"][:49])

    def test_calibration_sizes(self):
        at = "/calibration_sampling_size"
        stated = {"calibration_sampling_sizes": [100, 200]}
        warned = self.warned(job(given=stated, calibration_sampling_size=[50, 200]))
        self.assertEqual(list(warned), [at + "/0"])
        self.assertIn("50 is not among", warned[at + "/0"])
        self.assertIn("60 is not", self.warned(job(given=stated, calibration_sampling_size=60))[at])
        self.assertEqual(self.warned(job(calibration_sampling_size=[50, 200])), {})
        for strategy in ("conservative", "hawq_v2", "knapsack", "sgp", "auto_mixed_precision"):
            with self.subTest(strategy):
                warned = self.warned(job(strategy=strategy, calibration_sampling_size=[50, 200]))
                self.assertIn(f"{strategy} does not tune the size", warned[at])
                self.assertIn("50", warned[at])
        for strategy in ("basic", "mse", "mse_v2", "auto", "bisect", *DRAWN):
            with self.subTest(strategy):
                given = job(strategy=strategy, calibration_sampling_size=[50, 200])
                self.assertNotIn(at, self.warned(given))
                given["tuning_criterion"]["max_trials"] = 60 if strategy != "exhaustive" else 200
                sizes = {c["calibration_sampling_size"] for c in self.configs(given)}
                self.assertEqual(sizes, {50, 200})

    def test_an_outranked_strategy(self):
        kwargs = {"confidence_batches": 2}
        for level, used in (("auto", "auto"), (0, "conservative")):
            given = job(
                strategy="mse_v2", tuning_criterion={"strategy_kwargs": kwargs}, quant_level=level
            )
            warned = self.warned(given)
            self.assertIn(f"chooses {used}", warned["/tuning_criterion/strategy"])
            self.assertIn("quant_level", warned["/tuning_criterion/strategy_kwargs"])
            document = get(self.daemon, f"/v1/jobs/{submit(self.daemon, given)}")
            self.assertEqual(document["strategy"], used)
        self.assertEqual(self.warned(job(strategy="auto", quant_level="auto")), {})
        self.assertEqual(self.warned(job(strategy=None, quant_level="auto")), {})
        self.assertEqual(self.warned(job(strategy="mse", quant_level=1)), {})
        given = job(strategy=None, tuning_criterion={"strategy_kwargs": kwargs})
        self.assertIn("/tuning_criterion/strategy_kwargs/confidence_batches", self.faults(given))

    def test_secrets_of_an_outranked_strategy_stay_secret(self):
        secret = "whsec_" + "c2VjcmV0" * 4
        kwargs = {"url": "http://127.0.0.1:9010", "secret": secret}
        given = job(
            strategy="remote", tuning_criterion={"strategy_kwargs": kwargs}, quant_level="auto"
        )
        path = f"/v1/jobs/{submit(self.daemon, given)}"
        for view in ("", "/spec", "/space", "/export", "/events"):
            text = json.dumps(get(self.daemon, path + view, Accept="application/json"))
            self.assertNotIn("c2VjcmV0c2", text, view)
        status, _, clone = self.daemon.request("POST", path + "/clone", {})
        self.assertEqual(status, 201, clone)

    def test_recipes_ops_of_an_unknown_recipe(self):
        operators = {
            "first_conv_or_matmul_quantization": ["c0"],
            "first_conv_quantization": ["c0"],
            "smooth_quant_args": ["c0"],
        }
        self.assertEqual(
            list(self.warned(job(given={"recipes_ops": operators}))),
            [f"/capability/recipes_ops/{n}" for n in ("first_conv_quantization", "smooth_quant_args")],
        )

    def test_a_recipe_turned_off_that_names_no_operator(self):
        first, last = "first_conv_or_matmul_quantization", "last_conv_or_matmul_quantization"
        recipes = {first: False, last: False, "gemm_to_matmul": False}
        given = {"recipes_ops": {last: ["c2"]}}
        self.assertEqual(list(self.warned(job(given=given, recipes=recipes))), [f"/recipes/{first}"])

    def test_an_evaluators_unknown_loss(self):
        def reply(question, headers):
            if question["question"] == "score":
                return {"failed": True, "error": f"no loss {question['loss']} here"}
            return {"accuracy": 1.0 if question["trial"] == 0 else 0.5, "latency_ms": 1.0}

        evaluator = Evaluator(reply)
        self.addCleanup(evaluator.close)
        given = job(evaluator.url, strategy="hawq_v2")
        given["tuning_criterion"]["strategy_kwargs"] = {"hawq_v2_loss": "nonsense"}
        warnings = finished(self.daemon, submit(self.daemon, given))["warnings"]
        self.assertIn("no loss nonsense here", json.dumps(warnings))

    def test_empty_lists_and_entries(self):
        entries = {
            "c0": {"activation": {"algorithm": []}},
            "c1": {"activation": {}},
            "c2": {},
            "c.": {"weight": {"dtype": ["int8"]}},
        }
        self.assertEqual(
            list(self.warned(job(op_name_dict=entries, op_type_dict={"Conv2d": {}}))),
            [
                "/op_type_dict/Conv2d",
                "/op_name_dict/c0/activation/algorithm",
                "/op_name_dict/c1",
                "/op_name_dict/c2",
            ],
        )
        modes = {"static": {"weight": {"dtype": ["int8"], "scheme": []}}, "bf16": {}}
        warned = self.warned(job(modes=modes))
        self.assertEqual(list(warned), ["/capability/op_types/Conv2d/static/weight/scheme"])
        given = capability(modes)
        given["ops"][1]["modes"] = {"static": {"weight": {"dtype": ["int8"], "algorithm": []}}}
        warned = self.warned(job(capability=given))
        self.assertIn("2 lists are empty", warned["/capability"])

    def test_names_of_strategies_in_other_spellings(self):
        for name, meant in {
            "O0": "conservative",
            "O1": "basic",
            "Basic": "basic",
            "BASIC": "basic",
            "MSE": "mse",
            "MSE_V2": "mse_v2",
            "mse-v2": "mse_v2",
            "HAWQ_V2": "hawq_v2",
            "hawq": "hawq_v2",
            "automixedprecision": "auto_mixed_precision",
            "mixed_precision": "auto_mixed_precision",
            "Bayesian": "bayesian",
            "bayes": "bayesian",
            "exaustive": "exhaustive",
            "TPE": "tpe",
            "SigOpt": "sigopt",
        }.items():
            with self.subTest(name):
                detail = self.faults(job(strategy=name))["/tuning_criterion/strategy"]
                self.assertIn(f'did you mean "{meant}"?', detail)
        for name in ("simulated_annealing", "x", "-"):
            detail = self.faults(job(strategy=name))["/tuning_criterion/strategy"]
            self.assertIn("/v1/strategies", detail)


class Recipes(Kit):
    def given(self, recipes, **more):
        operators = {
            "first_conv_or_matmul_quantization": ["c0"],
            "last_conv_or_matmul_quantization": ["c2"],
            "fast_bias_correction": ["c1"],
        }
        return job(given={"recipes_ops": operators}, recipes=recipes, **more)

    def stages(self, given):
        return {step["stage"] for step in self.space(given)["first"]}

    def test_what_is_turned_off_stays_in_fp32(self):
        for recipe, op in (
            ("first_conv_or_matmul_quantization", "c0"),
            ("last_conv_or_matmul_quantization", "c2"),
            ("fast_bias_correction", "c1"),
        ):
            with self.subTest(recipe):
                document = self.space(self.given({recipe: False}, op_name_dict={op: INT8}))
                modes = {o["name"]: list(o["modes"]) for o in document["ops"]}
                self.assertEqual(modes.pop(op), ["fp32"])
                self.assertEqual(list(modes.values()), [["static", "bf16", "fp32"]] * 2)
                for config in self.configs(self.given({recipe: False})):
                    self.assertEqual(config["ops"][op], {"type": "Conv2d", "mode": "fp32"})
                    self.assertIs(config["recipes"][recipe], False)

    def test_what_the_user_set_is_not_tuned(self):
        first, last = "first_conv_or_matmul_quantization", "last_conv_or_matmul_quantization"
        both = {"all_recipes", "recipe"}
        self.assertLessEqual(both, self.stages(self.given({})))
        self.assertLessEqual(both, self.stages(self.given({first: None})))
        self.assertLessEqual(both, self.stages(self.given({first: True})))
        for values in ((True, True), (False, False), (True, False)):
            with self.subTest(values):
                given = self.given(dict(zip((first, last), values)))
                self.assertEqual(self.stages(given) & both, set())
        recipes = {json.dumps(c["recipes"]) for c in self.configs(self.given({first: True}))}
        self.assertEqual(
            recipes,
            {json.dumps({first: True}), json.dumps({first: True, last: False})},
        )

    def test_alphas_are_tuned_at_the_start(self):
        for strategy in STAGED:
            with self.subTest(strategy):
                given = job(strategy=strategy, recipes=ALPHAS, capability=TWO_TYPES)
                self.assertEqual(self.warned(given), {})
                alphas = [c["recipes"]["smooth_quant_alpha"] for c in self.configs(given)]
                self.assertEqual(alphas[:3], [0.3, 0.5, 0.7])
                self.assertEqual(len(set(alphas[3:])), 1)

    def test_the_best_alpha_stays(self):
        def worth(question):
            return 0.6 if question["config"]["recipes"].get("smooth_quant_alpha") == 0.5 else 0.5

        for strategy in (*STAGED, "sgp"):
            with self.subTest(strategy):
                asked = []

                def reply(question, headers):
                    if question["question"] == "score":
                        return {"scores": {name: 1.0 for name in question["ops"]}}
                    if question["question"] == "baseline":
                        return {"accuracy": 1.0, "latency_ms": 2.0}
                    asked.append(question["config"]["recipes"]["smooth_quant_alpha"])
                    return {"accuracy": worth(question), "latency_ms": 1.0}

                evaluator = Evaluator(reply)
                self.addCleanup(evaluator.close)
                given = job(evaluator.url, strategy=strategy, recipes=ALPHAS, capability=TWO_TYPES)
                given["tuning_criterion"]["max_trials"] = 12
                finished(self.daemon, submit(self.daemon, given))
                self.assertEqual(asked[:3], [0.3, 0.5, 0.7])
                self.assertEqual(set(asked[3:]), {0.5})
                self.assertGreater(len(asked), 3)

    def test_alphas_are_a_dimension(self):
        for strategy in DRAWN:
            with self.subTest(strategy):
                given = job(strategy=strategy, recipes=ALPHAS)
                given["tuning_criterion"]["max_trials"] = 60 if strategy != "exhaustive" else 200
                self.assertEqual(self.warned(given), {})
                configs = self.configs(given)
                alphas = {c["recipes"]["smooth_quant_alpha"] for c in configs}
                self.assertEqual(alphas, {0.3, 0.5, 0.7})
                self.assertEqual(len({json.dumps(c) for c in configs}), len(configs))
        mixed = {"smooth_quant": True, "smooth_quant_args": {"alpha": ["auto", 0.2]}}
        for strategy in ("tpe", "bayesian"):
            given = job(strategy=strategy, recipes=mixed, calibration_sampling_size=[10, 1000])
            given["tuning_criterion"]["max_trials"] = 40
            alphas = {c["recipes"]["smooth_quant_alpha"] for c in self.configs(given)}
            self.assertEqual(alphas, {"auto", 0.2})

    def test_exhaustive_counts_alphas(self):
        given = job(strategy="exhaustive", recipes=ALPHAS, given={"count": 1})
        configs = self.configs(given)
        self.assertEqual(len(configs), 3 * 4)
        self.assertEqual([c["recipes"]["smooth_quant_alpha"] for c in configs][::4], [0.3, 0.5, 0.7])

    def test_alphas_that_are_not_tuned(self):
        at = "/recipes/smooth_quant_args/alpha"
        for strategy in ("knapsack", "auto_mixed_precision"):
            self.assertIn("does not tune alphas", self.warned(job(strategy=strategy, recipes=ALPHAS))[at])
        off = {"smooth_quant": False, "smooth_quant_args": {"alpha": [0.3, 0.5]}}
        self.assertIn("smooth_quant is off", self.warned(job(recipes=off))[at])
        single = {"smooth_quant_args": {"alpha": 0.7, "folding": True}}
        self.assertEqual(list(self.warned(job(recipes=single))), [at])
        warned = self.warned(job(recipes=ALPHAS, op_name_dict={".*": OFF}))
        self.assertIn("nothing is quantized", warned[at])

    def test_rules_1_are_as_they_were(self):
        first = "first_conv_or_matmul_quantization"
        document = self.space(self.given({first: False}, rules=1))
        self.assertEqual(list(document["ops"][0]["modes"]), ["static", "bf16", "fp32"])
        self.assertIn("recipe", self.stages(self.given({first: True}, rules=1)))
        self.assertEqual(self.warned(job(modes={"static": INT8, "dynamic": INT8}, rules=1)), {})
        given = job(strategy="conservative", recipes=ALPHAS, rules=1)
        self.assertEqual({c["recipes"]["smooth_quant_alpha"] for c in self.configs(given)}, {0.3})


if __name__ == "__main__":
    unittest.main()
