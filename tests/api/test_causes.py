"""What failed, where and why: the words of who knows it reach the trial, the job and the log."""

import os
import subprocess
import sys
import tempfile
import unittest

import jobkit
from cli_kit import NARROW
from daemon import Daemon
from jobkit import body, everything, finished, get, submit
from patience import PATIENCE_S

ERROR_BYTES = 256
ONCE = {"max_attempts": 1, "backoff_s": 0.01}


def measured(question, headers):
    return {"accuracy": 0.9, "latency_ms": 100 - question["trial"]}


class CauseCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.daemon = Daemon(os.path.join(directory.name, "data"))
        os.mkdir(os.path.join(directory.name, "data"))
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def evaluator(self, reply=measured):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator

    def ended(self, evaluator, **more):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 3}
        return finished(self.daemon, submit(self.daemon, body(None, **{
            "evaluator": evaluator, "tuning_criterion": criterion, "confirm": 0, "retry": ONCE,
            **more})))

    def trials(self, job):
        return everything(self.daemon, f"/v1/jobs/{job['id']}/trials?limit=1000")


class Pushed(CauseCase):
    def failure(self, reply):
        """The trial that fails for this reply."""
        evaluator = self.evaluator(lambda q, h: reply if q["trial"] == 1 else measured(q, h))
        trial = self.trials(self.ended({"url": evaluator.url}))[1]
        self.assertEqual((trial["state"], trial["worker"]), ("failed", evaluator.url))
        return trial["error"]

    def test_the_body_of_an_error(self):
        text = {"Content-Type": "text/plain"}
        for reply, words in (
            ((500, {"error": "CUDA out of memory", "trace": "x"}), ": CUDA out of memory"),
            ((400, {"detail": "no such op"}), '{"detail": "no such op"}'),
            ((500, b"Traceback\n  ValueError: bad axis\n", text), "Traceback   ValueError: bad axis"),
            ((500, b"<h1>\x1b[31m\xff\xc2\x9b</h1>", text), "<h1> [31m? </h1>"),
        ):
            with self.subTest(reply):
                self.assertIn(words, self.failure(reply))

    def test_an_error_without_words(self):
        for nothing in ({}, b"", b" \n"):
            with self.subTest(nothing):
                self.assertTrue(self.failure((500, nothing)).endswith("instead of 200"))

    def test_a_long_error_is_cut_between_characters(self):
        error = self.failure((500, {"error": "\u00e4" * 4000}))
        self.assertTrue(error.endswith(": " + "\u00e4" * (ERROR_BYTES // 2)), error)

    def test_which_one_of_several(self):
        broken = self.evaluator(lambda q, h: {"failed": True, "error": "no kernel"})
        good = self.evaluator()
        job = self.ended([{"url": good.url}, {"url": broken.url}], parallel=2, max_failed_trials=9,
                         tuning_criterion={"strategy": "exhaustive", "stop_on": "budget",
                                           "max_trials": 8})
        failed = [trial for trial in self.trials(job) if trial["state"] == "failed"]
        self.assertTrue(failed)
        for trial in failed:
            self.assertEqual(trial["error"], f"{broken.url}: no kernel")
            self.assertEqual(trial["worker"], broken.url)

    def test_the_end_of_a_job_says_why(self):
        def reply(question, headers):
            return (500, {"error": f"no axis {question['trial']}"}) if question["trial"] >= first \
                else measured(question, headers)

        for first, more, reason in ((1, {"max_failed_trials": 1}, "too_many_failures"),
                                    (0, {}, "baseline_failed"), (1, {}, "max_trials")):
            with self.subTest(reason):
                evaluator = self.evaluator(reply)
                end = self.ended({"url": evaluator.url}, **more)["exit"]
                self.assertEqual(end["reason"], reason)
                self.assertRegex(end["detail"], "no axis [0-9]$")

    def test_a_restart_keeps_the_cause(self):
        """What a job says at its end is the same when it was read from the log meanwhile."""
        evaluator = self.evaluator(lambda q, h: measured(q, h) if q["trial"] != 1
                                   else {"failed": True, "error": "no kernel"})
        waits = {**body(evaluator.url), "confirm": 0, "max_failed_trials": 0}
        job = submit(self.daemon, waits)
        detail = finished(self.daemon, job)["exit"]["detail"]
        self.daemon.kill9()
        self.daemon.start()
        self.assertEqual(get(self.daemon, f"/v1/jobs/{job}")["exit"]["detail"], detail)


class Scores(CauseCase):
    """A score question that fails changes what the strategy does: never in silence."""

    METHODS = ["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"]
    FAILED = {"failed": True, "error": "QuantConv2d has no output_diff", "retryable": False}

    def run_with(self, strategy, score, **more):
        def reply(question, headers):
            if question["question"] == "score":
                return score(question) if callable(score) else score
            ops = (question["config"] or {}).get("ops", {}).values()
            fp32 = sum(op["mode"] in ("fp32", "bf16") for op in ops) if question["trial"] else 99
            return {"accuracy": 0.6 + 0.001 * fp32, "latency_ms": 6 + fp32}

        can = {**jobkit.capability(4), "answers": self.METHODS}
        return self.ended({"url": self.evaluator(reply).url}, capability=can, tuning_criterion={
            "strategy": strategy, "max_trials": 6}, **more)

    def test_strategies_that_go_on_say_as_what(self):
        for strategy in ("mse", "hawq_v2", "knapsack", "bisect", "sgp"):
            with self.subTest(strategy):
                job = self.run_with(strategy, self.FAILED)
                self.assertNotIn(job["exit"]["reason"], ("error", "score_failed"))
                warnings = [w for w in job["warnings"] if "output_diff" in w["detail"]]
                self.assertEqual(len(warnings), 1, job["warnings"])
                self.assertIsNone(warnings[0]["pointer"])
                self.assertRegex(warnings[0]["detail"], f"trial [0-9]+.*Without them {strategy} [a-z]+ ")

    def test_one_that_cannot_go_on_fails(self):
        job = self.run_with("mse_v2", self.FAILED)
        self.assertEqual((job["state"], job["exit"]["reason"]), ("failed", "score_failed"))
        self.assertIn("QuantConv2d has no output_diff", job["exit"]["detail"])

    def test_whatever_is_wrong_with_the_answer(self):
        for score, words in (((500, {"error": "no gradient"}), "no gradient"),
                             ({"scores": {}}, "scores"),
                             ({"scores": {"op0": "much"}}, "scores"), ([1], "object")):
            with self.subTest(score):
                self.assertIn(words, str(self.run_with("mse", score)["warnings"]))
                end = self.run_with("mse_v2", score)["exit"]
                self.assertEqual(end["reason"], "score_failed")
                self.assertIn(words, end["detail"])

    def test_a_later_one_keeps_what_was_found(self):
        def score(question):
            if question["phase"] == "requantize":
                return self.FAILED
            return {"scores": {op: i for i, op in enumerate(question["ops"])}}

        job = self.run_with("mse_v2", score, accuracy_criterion={
            "criterion": "absolute", "tolerable_loss": 0.097})
        self.assertEqual(job["state"], "completed")
        self.assertIn("output_diff", str(job["warnings"]))
        self.assertTrue(job["best"]["feasible"])


class Log(CauseCase):
    def test_a_request_is_found_by_its_id(self):
        """At the default level: what was done to which job."""
        def ask(name, method, path, sent=None):
            status, _, answer = self.daemon.request(method, path, sent, {"X-Request-Id": name})
            self.assertLess(status, 300, answer)
            return answer

        job = ask("made-1", "POST", "/v1/jobs", body(None, evaluator={"pool": "none"}))["id"]
        path = f"/v1/jobs/{job}"
        for name, method, rest, sent in (
            ("edit-1", "PATCH", "", {"name": "x"}), ("pause-1", "POST", "/pause", None),
            ("resume-1", "POST", "/resume", None), ("cancel-1", "POST", "/cancel", None),
            ("delete-1", "DELETE", "", None),
        ):
            ask(name, method, path + rest, sent)
        log = self.daemon.log().splitlines()
        for name, words in (("made-1", "job submitted"), ("edit-1", "job edited"),
                            ("pause-1", "job paused"), ("resume-1", "job resumed"),
                            ("cancel-1", "job cancelled"), ("delete-1", "job deleted")):
            lines = [line for line in log if name in line]
            self.assertEqual(len(lines), 1, (name, log))
            self.assertIn(words, lines[0])
            self.assertIn(job, lines[0])


class Pulled(CauseCase):
    def run_with(self, command, **more):
        """The trials of a job whose questions the worker `gpu-7` answers with this code."""
        path = os.path.join(self.directory, "command.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write("import json, os, signal, sys\nt = json.load(sys.stdin)['trial']\n"
                       "good = json.dumps({'accuracy': 0.9, 'latency_ms': 100 - t})\n" + command)
        self.noise = tempfile.TemporaryFile(dir=self.directory)
        self.addCleanup(self.noise.close)
        worker = subprocess.Popen(
            [NARROW, "--server", self.daemon.url, "worker", "--pool", "gpu", "--name", "gpu-7",
             "--", sys.executable, path], stdin=subprocess.DEVNULL, stderr=self.noise)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.kill)
        job = self.ended({"pool": "gpu"}, **more)
        worker.terminate()
        worker.wait(PATIENCE_S)
        self.noise.seek(0)
        self.said = self.noise.read().decode(errors="replace")
        return job, self.trials(job)

    def check_error(self, command, *words):
        trial = self.run_with(f"if t == 1:\n    {command}\nelse:\n    print(good)\n")[1][1]
        self.assertEqual((trial["state"], trial["worker"]), ("failed", "gpu-7"), trial)
        for word in words:
            self.assertIn(word, trial["error"])
        return trial["error"]

    def test_the_last_words_of_a_command(self):
        self.check_error("raise ValueError('bad axis')", "status 1: ValueError: bad axis")
        self.assertIn("ValueError: bad axis", self.said, "and all of it at the worker's own")
        self.check_error("sys.stderr.write('50 %\\r100 %\\r\\n \\n'); sys.exit(3)",
                         "status 3: 100 %")
        error = self.check_error(
            "sys.stderr.buffer.write(b'x' * 90000 + b'\\n\\x1b[31m\\xff red\\n' + b'\\n' * 9);"
            " sys.exit(4)", "status 4: [31m? red")
        self.assertNotIn("\x1b", error)
        self.check_error("sys.exit(5)", "the command ended with status 5")
        self.check_error("sys.stderr.write('ouch'); sys.stderr.flush();"
                         " os.kill(os.getpid(), signal.SIGKILL)", "signal 9: ouch")

    def test_what_is_wrong_with_an_answer(self):
        self.check_error("print(json.dumps({'accuracy': 1}))", "latency_ms is missing")
        self.check_error("print(json.dumps({'accuracy': 'good', 'latency_ms': 1}))", "accuracy: ")
        self.check_error("print('Collecting tensor data ...')", "the daemon refused the command's answer: the answer is no JSON: ", "near 'Collecting'")

    def test_the_end_of_a_job_names_the_worker(self):
        end = self.run_with("raise SystemExit('no GPU')\n")[0]["exit"]
        self.assertEqual(end["reason"], "baseline_failed")
        self.assertEqual(end["detail"], "gpu-7: the command ended with status 1: no GPU")
        end = self.run_with("if t: raise SystemExit('no GPU')\nprint(good)\n",
                            max_failed_trials=0)[0]["exit"]
        self.assertEqual(end["reason"], "too_many_failures")
        self.assertIn("gpu-7: the command ended with status 1: no GPU", end["detail"])


if __name__ == "__main__":
    unittest.main()
