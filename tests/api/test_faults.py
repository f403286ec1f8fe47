"""All faults of a body are named, whichever part of the daemon finds them."""

import unittest

import jobkit
from jobkit import body
from wirekit import Case


class Faults(Case):
    BAD = {
        "surprise": 1,
        "name": 7,
        "labels": {"a": 1},
        "approach": "none",
        "op_type_dict": {"Conv2d": {"weights": {}}},
        "recipes": 4,
        "excluded_precisions": ["int3"],
        "calibration_sampling_size": 0,
        "tuning_criterion": {"strategy": "guess", "max_trials": 0, "surprise": 1},
        "accuracy_criterion": {"tolerable_loss": "much"},
        "retry": {"max_attempts": 0},
        "parallel": 0,
        "seed": -1,
        "confirm": "yes",
        "warm_start": {"job": "job_none"},
    }
    POINTERS = {
        "/surprise",
        "/name",
        "/labels/a",
        "/approach",
        "/op_type_dict/Conv2d/weights",
        "/recipes",
        "/excluded_precisions/0",
        "/calibration_sampling_size",
        "/tuning_criterion/strategy",
        "/tuning_criterion/max_trials",
        "/tuning_criterion/surprise",
        "/accuracy_criterion/tolerable_loss",
        "/retry/max_attempts",
        "/parallel",
        "/seed",
        "/confirm",
        "/warm_start/job",
    }

    def faults(self, document, path="/v1/jobs"):
        _, problem = self.ask("POST", path, 422, document)
        self.assertNotIn("errors_truncated", problem)
        pointers = [fault["pointer"] for fault in problem["errors"]]
        self.assertEqual(len(pointers), len(set(pointers)), "each once")
        return problem, set(pointers)

    def test_all_are_named_whatever_the_evaluator(self):
        url = self.evaluator.url
        for evaluator, pointers in (
            ({"url": url}, set()),
            (None, {"/evaluator"}),
            (7, {"/evaluator"}),
            ([], {"/evaluator"}),
            ({}, {"/evaluator/url"}),
            ({"id": "evl_none"}, {"/evaluator/id"}),
            ({"id": 3, "zz": 1}, {"/evaluator/id", "/evaluator/zz"}),
            ({"url": "http://169.254.169.254/", "zz": 1}, {"/evaluator/url", "/evaluator/zz"}),
            ({"url": url, "timeout_s": 0}, {"/evaluator/timeout_s"}),
            (
                [{"url": url, "zz": 1}, {"id": "evl_none"}, {"url": "ftp://x/"}, {"pool": "p"}, {"url": url}],
                {"/evaluator/0/zz", "/evaluator/1/id", "/evaluator/2/url", "/evaluator/3/pool", "/evaluator/4"},
            ),
        ):
            for capability in ({"capability": jobkit.capability(3)}, {}):
                with self.subTest(evaluator=evaluator, capability=bool(capability)):
                    document = {"evaluator": evaluator, **capability, **self.BAD}
                    for path in ("/v1/jobs", "/v1/spaces"):
                        expected = self.POINTERS | pointers
                        if path == "/v1/spaces" and evaluator is None and capability:
                            expected -= {"/evaluator"}
                        self.assertEqual(self.faults(document, path)[1], expected)

    def test_the_first_fault_gives_the_kind(self):
        denied = {"url": "http://169.254.169.254/"}
        problem, _ = self.faults(body("", evaluator=denied, parallel=0))
        self.assertEqual(problem["type"], "urn:narrowd:problem:evaluator_denied")
        problem, _ = self.faults(body("", evaluator={"zz": 1, **denied}, parallel=0))
        self.assertEqual(problem["type"], "urn:narrowd:problem:invalid_field")

    def test_the_space_is_checked_as_well(self):
        faulty = {"op_name_dict": {"op(": {"weight": {"dtype": ["int8"]}}}, "parallel": 0}
        for evaluator in ({"url": self.evaluator.url}, {"id": "evl_none"}, None):
            _, pointers = self.faults(body("", evaluator=evaluator, **faulty))
            self.assertLessEqual({"/op_name_dict/op(", "/parallel"}, pointers)
        capability = jobkit.capability(2)
        capability["ops"][0]["type"] = "Unknown"
        _, pointers = self.faults(body("", evaluator=None, capability=capability, seed=-1))
        self.assertLessEqual({"/evaluator", "/seed"}, pointers)
        self.assertTrue(any(pointer.startswith("/capability/ops/0") for pointer in pointers))

    def test_no_answer_of_the_evaluator(self):
        silent = jobkit.Evaluator(can_do=lambda: {"ops": 3})
        self.addCleanup(silent.close)
        document = body(silent.url, parallel=0)
        del document["capability"]
        _, pointers = self.faults(document)
        self.assertIn("/parallel", pointers)
        document["evaluator"] = {"pool": "p"}
        self.assertEqual(self.faults(document)[1], {"/capability", "/parallel"})

    def test_a_list_that_is_cut_says_so(self):
        document = body(self.evaluator.url, **{f"m{n}": 1 for n in range(51)})
        _, problem = self.ask("POST", "/v1/jobs", 422, document)
        self.assertEqual((len(problem["errors"]), problem["errors_truncated"]), (50, True))
        del document["m50"]
        self.assertEqual(len(self.faults(document)[1]), 50)

    def test_a_dry_run_needs_no_evaluator(self):
        document = body(self.evaluator.url)
        _, expected = self.ask("POST", "/v1/spaces", 200, document)
        del document["evaluator"]
        for changed in (document, {**document, "evaluator": None}):
            _, space = self.ask("POST", "/v1/spaces", 200, changed)
            self.assertEqual(space, expected)
            self.assertEqual(self.faults(changed)[1], {"/evaluator"}, "a job does")
        del document["capability"]
        self.assertEqual(self.faults(document, "/v1/spaces")[1], {"/evaluator"})


if __name__ == "__main__":
    unittest.main()
