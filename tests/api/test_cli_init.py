"""The command line: init, which writes a newcomer's first job from what an evaluator can do."""

import json
import pathlib
import re
import tempfile
import unittest

from cli_kit import OK, REFUSED, UNREACHABLE, USAGE, CliTest, problem
from daemon import Daemon
from jobkit import Evaluator
from scripted import Reply

URL = "http://127.0.0.1:9001"


def capability(ops=60, modes=("static", "dynamic", "fp32"), **members):
    described = {"weight": {"dtype": ["int8"]}}
    return {
        "model": {"name": "resnet50"},
        "op_types": {"Conv": {m: described if "c" in m or "_" in m else {} for m in modes}},
        "ops": [{"name": f"op{i}", "type": "Conv"} for i in range(ops)],
        "metrics": ["accuracy", "latency_ms"], **members,
    }


class Init(CliTest):
    def serve_capability(self, can_do, size="1" + "0" * 30, warnings=(), probe=None):
        space = {"size": size, "warnings": list(warnings)}

        def answer(request):
            if request.path.endswith("/probe"):
                return probe or {"ok": True, "elapsed_s": 0.1, "capability": can_do, "error": None}
            if request.path == "/v1/spaces":
                return space
            return Reply(201, {"id": "evl_1"}) if request.method == "POST" else Reply(204)

        return self.serve(answer)

    def body(self, can_do, *more, **kwargs):
        """What the file says, read as its readers do, and the file."""
        server = self.serve_capability(can_do, **kwargs)
        text = self.runs(OK, server, "init", URL, *more)
        plain = re.sub(r"(?m)^ *//.*$", "", text)
        body = json.loads(plain)
        self.assertEqual(json.loads(self.runs(OK, server, "init", URL, *more, "--json")), body)
        return body, text

    def test_what_a_newcomer_would_choose(self):
        body, text = self.body(capability())
        self.assertEqual(body, {
            "name": "resnet50",
            "approach": "auto",
            "tuning_criterion": {"strategy": "sgp", "objective": "latency_ms",
                                 "stop_on": "budget", "max_trials": 100, "timeout": 0},
            "accuracy_criterion": {"criterion": "relative", "tolerable_loss": 0.01,
                                   "higher_is_better": True},
            "min_gain": 0.02,
            "confirm": 1,
            "evaluator": {"url": URL},
        })
        self.assertIn("// The evaluator names 60 operators. It offers static for 60, dynamic for 60.", text)
        self.assertIn('// "acceptance": {"subset": ', text)

    def test_what_is_commented_out_can_be_taken_in(self):
        _, text = self.body(capability())
        whole = re.sub(r"(?m)^  // (\".*},)$", r"  \1", text)
        body = json.loads(re.sub(r"(?m)^ *//.*$", "", whole))
        self.assertEqual(body["acceptance"], {"subset": {"images": 200, "from": 300}}, "what the examples know")
        self.assertEqual(list(body["op_name_dict"]), ["op59"])

    def test_the_approach_is_that_of_the_modes(self):
        for modes, approach in (
            (["static"], "static"), (["dynamic"], "dynamic"), (["weight_only"], "weight_only"),
            (["dynamic", "static"], "auto"), (["static", "weight_only"], "static"),
        ):
            body, _ = self.body(capability(modes=modes))
            self.assertEqual((body["approach"], body["tuning_criterion"]["strategy"]),
                             (approach, "sgp"))
        body, _ = self.body(capability(modes=["bf16", "fp32"]))
        self.assertNotIn("approach", body)
        self.assertEqual(body["tuning_criterion"]["strategy"], "auto_mixed_precision")
        own = {"name": "fc", "type": "Conv", "modes": {"static": {}}}
        body, text = self.body(capability(modes=["dynamic"], ops=2) | {"ops": [own]})
        self.assertEqual(body["approach"], "static")
        self.assertIn("The evaluator names 1 operator. It offers static for 1.", text)

    def test_scores_get_time(self):
        body, text = self.body(capability(answers=["evaluate", "score:mse"]))
        self.assertEqual(body["evaluator"], {"url": URL, "timeout_s": 3600})
        self.assertIn("One question for scores", text)
        body, text = self.body(capability(answers=["evaluate"]))
        self.assertEqual(body["evaluator"], {"url": URL})
        self.assertNotIn("One question for scores", text)

    def test_operators_without_a_choice_are_not_counted_as_such(self):
        whole = capability(47)
        fixed = [{"name": f"fixed{i}", "type": "Conv", "modes": {}} for i in range(4)]
        body, text = self.body(whole | {"ops": whole["ops"] + fixed})
        self.assertIn("The evaluator names 51 operators, of which 47 can be lowered.", text)
        self.assertEqual(body["tuning_criterion"]["max_trials"], 94)

    def test_the_objective_is_what_is_measured(self):
        for metrics, objective in (
            (["model_size_bytes", "latency_ms"], "latency_ms"), ([], "latency_ms"),
            (["accuracy", "model_size_bytes"], "model_size_bytes"), (["accuracy"], "accuracy"),
        ):
            body, _ = self.body(capability(metrics=metrics))
            self.assertEqual(body["tuning_criterion"]["objective"], objective)

    def test_the_whole_front(self):
        for can_do in (capability(), capability(modes=["bf16", "fp32"])):
            plain, text = self.body(can_do)
            self.assertEqual("narrow init --front" in text, plain["tuning_criterion"]["strategy"] == "sgp")
            body, text = self.body(can_do, "--front")
            goals = {**plain["tuning_criterion"], "strategy": "sgp", "objective": ["latency_ms", "accuracy"]}
            self.assertEqual(body, {**plain, "tuning_criterion": goals})
            self.assertIn("narrow best\n    // --tolerable-loss", text)
            self.assertNotIn("first_gain", text)
        body, _ = self.body(capability(metrics=["accuracy", "model_size_bytes"]), "--front")
        self.assertEqual(body["tuning_criterion"]["objective"], ["model_size_bytes", "accuracy"])
        server = self.serve_capability(capability(metrics=["accuracy"]))
        self.assertIn("nothing but accuracy", self.fails(REFUSED, server, "init", URL, "--front"))
        self.assertNotIn("--front", self.body(capability(metrics=["accuracy"]))[1])

    def test_trials_grow_with_the_model_and_not_beyond_its_space(self):
        for ops, size, trials in ((1, "9" * 40, 20), (50, "9999", 20), (51, "9999", 30),
                                  (200, "9999", 50), (301, "9999", 100), (2, "4", 3), (1, "2", 1),
                                  (50, "21", 20), (50, "20", 19)):
            with self.subTest(ops, size=size):
                can_do = capability(ops, answers=["evaluate", "score:mse"])
                body, _ = self.body(can_do, size=size)
                self.assertEqual(body["tuning_criterion"]["max_trials"], trials)

    def test_without_scores_each_operator_takes_trials(self):
        for ops, size, trials in ((3, "9999", 20), (14, "9999", 28), (47, "9999", 94),
                                  (60, "9999", 100), (301, "9999", 100), (47, "21", 20)):
            with self.subTest(ops, size=size):
                body, _ = self.body(capability(ops), size=size)
                self.assertEqual(body["tuning_criterion"]["max_trials"], trials)
        known = [{"name": f"op{i}", "type": "Conv", "score": {"static": i}} for i in range(47)]
        body, _ = self.body(capability() | {"ops": known})
        self.assertEqual(body["tuning_criterion"]["max_trials"], 20)

    def test_names_of_strangers_do_no_harm(self):
        name = 'a"\\\n// \u001b[2J */ x'
        can_do = capability(2) | {"model": {"name": name}, "metrics": ["latency_ms", "x\n\u001by"]}
        can_do["ops"] = [{"name": name, "type": "Conv"}]
        body, text = self.body(can_do)
        self.assertEqual(body["name"], name)
        self.assertNotIn("\u001b", text)

    def test_the_daemon_has_the_last_word(self):
        server = self.serve_capability(
            capability(), warnings=[{"pointer": "/approach", "detail": "weight_only is not tried"}])
        done = self.narrow(server, "init", URL)
        self.assertEqual((done.returncode, done.errors),
                         (OK, "narrow: warning: /approach: weight_only is not tried\n"))
        draft = json.loads(server.requests[-1].body)
        self.assertEqual(draft["capability"], capability())
        self.assertNotIn("evaluator", draft)
        self.assertEqual([r.method for r in server.requests], ["POST", "POST", "DELETE", "POST"])
        refusal = problem(422, "invalid_field", "No", "/capability: is odd")
        server = self.serve(lambda r: refusal if r.path == "/v1/spaces" else Reply(
            201, {"id": "evl_1", "ok": True, "capability": capability()}))
        self.assertIn("is odd", self.fails(REFUSED, server, "init", URL))

    def test_a_registered_evaluator(self):
        server = self.serve_capability(capability())
        self.assertIn('"evaluator": {"id": "evl_9"}', self.runs(OK, server, "init", "evl_9"))
        self.assertEqual(server.requests[0].path, "/v1/evaluators/evl_9/probe")

    def test_what_cannot_be_tuned(self):
        for can_do in (capability(modes=["fp32"]), {"ops": []}, {}):
            server = self.serve_capability(can_do)
            self.assertIn("nothing but fp32", self.fails(REFUSED, server, "init", URL))
        found = {"ok": False, "capability": None, "error": "404 Not Found"}
        server = self.serve_capability(None, probe=found)
        self.assertIn("404 Not Found", self.fails(REFUSED, server, "init", URL))
        self.assertEqual(server.requests[-1].method, "DELETE")
        self.assertIn("cannot reach", self.fails(UNREACHABLE, "http://127.0.0.1:1", "init", URL))

    def test_a_file_is_written_once(self):
        server = self.serve_capability(capability())
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "job.json")
            said = self.runs(OK, server, "init", URL, "-o", str(file))
            self.assertIn(f"narrow submit {file} --watch", said)
            self.assertEqual(file.read_text(), self.runs(OK, server, "init", URL))
            file.write_text("mine")
            for flag in (["-o", str(file)], [f"--output={file}"]):
                self.assertIn("is there already", self.fails(USAGE, server, "init", URL, *flag))
            self.assertEqual(file.read_text(), "mine")
            absent = str(file / "absent")
            self.assertIn("Not a directory", self.fails(USAGE, server, "init", URL, "-o", absent))
        self.assertIn("a value is missing", self.fails(USAGE, server, "init", URL, "-o"))

    def test_what_is_written_can_be_submitted(self):
        """The real daemon takes the file as it was written, without a warning."""
        def reply(question, headers):
            modes = [op["mode"] for op in question["config"]["ops"].values()]
            return {"accuracy": 0.9, "latency_ms": 10.0 - modes.count("dynamic") * 2}

        modes = {mode: {"weight": {"dtype": ["int8"]}} for mode in ("static", "dynamic")}
        can_do = {"op_types": {"Linear": modes}, "answers": ["evaluate"],
                  "ops": [{"name": name, "type": "Linear"} for name in ("fc1", "fc2")],
                  "metrics": ["accuracy", "latency_ms"]}
        with (
            tempfile.TemporaryDirectory() as directory,
            Evaluator(reply, lambda: can_do) as evaluator,
            Daemon(directory) as daemon,
        ):
            file = str(pathlib.Path(directory, "job.json"))
            self.runs(OK, daemon.url, "init", evaluator.url, "-o", file)
            text = self.runs(OK, daemon.url, "submit", file, "--watch")
            self.assertIn("1.67 times as fast", text)
            name = text.split()[0]
            shown = json.loads(self.runs(OK, daemon.url, "show", name, "--json"))
            self.assertEqual((shown["warnings"], shown["budget"]["max_trials"]), ([], 8))
            flags = ["--set", "tuning_criterion.max_trials=1", "--set", "min_gain=0.9"]
            text = self.narrow(daemon.url, "submit", file, *flags).out
            shown = json.loads(self.runs(OK, daemon.url, "show", text.strip(), "--json"))
            self.assertEqual((shown["min_gain"], shown["budget"]["max_trials"]), (0.9, 1))

    def test_a_front_that_is_written_is_searched(self):
        """Each operator that is lowered loses 2 %, and the job may lose 1 %: without the front nothing would be worth asking."""
        def reply(question, headers):
            lowered = [op["mode"] for op in question["config"]["ops"].values()].count("static")
            return {"accuracy": 0.9 * (1 - 0.02 * lowered), "latency_ms": 10.0 - lowered}

        can_do = {"op_types": {"Linear": {"static": {"weight": {"dtype": ["int8"]}}, "fp32": {}}}, "answers": ["evaluate"],
                  "ops": [{"name": f"fc{i}", "type": "Linear"} for i in range(4)], "metrics": ["accuracy", "latency_ms"]}
        with (
            tempfile.TemporaryDirectory() as directory,
            Evaluator(reply, lambda: can_do) as evaluator,
            Daemon(directory) as daemon,
        ):
            file = str(pathlib.Path(directory, "job.json"))
            self.runs(OK, daemon.url, "init", evaluator.url, "--front", "-o", file)
            job = self.runs(OK, daemon.url, "submit", file).strip()
            self.narrow(daemon.url, "wait", job)
            trials = json.loads(self.runs(OK, daemon.url, "trials", job, "--json"))["items"]
            self.assertIn("front", [trial["stage"] for trial in trials])
            found = json.loads(self.runs(OK, daemon.url, "pareto", job, "--json"))["items"]
            self.assertEqual({trial["metrics"]["latency_ms"] for trial in found}, {10, 9, 8, 7, 6})
            best = json.loads(self.runs(OK, daemon.url, "best", job, "--tolerable-loss", "0.03", "--json"))
            self.assertEqual(best["metrics"]["latency_ms"], 9)


if __name__ == "__main__":
    unittest.main()
