"""The command line: what scripts and operators use it for, and what shells complete."""

import json
import re
import subprocess
import tempfile
import threading
import unittest

from cli_kit import JOB, KEEP, NARROW, NOT_MET, OK, REFUSED, UNREACHABLE, USAGE, CliTest, best_trial, job, problem
from daemon import Daemon
from jobkit import Evaluator, body, finished, get, submit, wait_until
from patience import PATIENCE_S
from scripted import Reply

OTHER = JOB[:-1] + "Y"


class Lists(CliTest):
    EMPTY = {"items": [], "next": None}

    def test_filters(self):
        for arguments, query in {
            ("jobs", "--name", "a b", "--label", "team=edge&x", "--state", "running"):
                {"name": "a b", "label.team": "edge&x", "state": "running", "limit": "1000"},
            ("trials", JOB, "--stage", "sgp", "--kind", "score", "--order", "-accuracy", "--feasible"):
                {"stage": "sgp", "kind": "score", "order": "-accuracy", "feasible": "true", "limit": "1000"},
            ("events", JOB, "--type", "new_best", "-n", "7"): {"type": "new_best", "limit": "7"},
            ("pareto", JOB): {}, ("sensitivity", JOB): {}, ("workers",): {},
        }.items():
            with self.subTest(arguments):
                server = self.serve(self.EMPTY)
                self.runs(OK, server, *arguments)
                self.assertEqual(server.requests[0].query, query)

    def test_a_limit_ends_the_list(self):
        server = self.serve(lambda r: {"items": [job()] * 2, "next": "x"})
        self.assertEqual(len(self.runs(OK, server, "jobs", "--limit", "3").splitlines()), 4)
        self.assertEqual(len(server.requests), 2)
        self.assertEqual(len(self.runs(OK, server, "jobs", "-n", "3", "--jsonl").splitlines()), 3)
        self.assertEqual(len(json.loads(self.runs(OK, server, "jobs", "-n", "3", "--json"))["items"]), 3)
        for wrong in ("0", "x", "-1", "", "3x"):
            self.assertIn("--limit", self.fails(USAGE, server, "jobs", "--limit", wrong))

    def test_colours_are_for_terminals_that_have_them(self):
        server = self.serve({"items": [job("failed", best=best_trial(True))], "next": None})
        for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True),
                                    ({"TERM": "dumb"}, False)):
            _, text = self.on_terminal(server, 200, "jobs", **variables)
            self.assertEqual("\x1b[31mfailed\x1b[0m" in text, coloured, text)
            self.assertEqual("\x1b" in text, coloured)
        self.assertNotIn("\x1b", self.runs(OK, server, "jobs"))

    def test_json_on_a_terminal_has_no_control_characters(self):
        document = '{"name": "a\u202eb\u0085c\x7f\u20ac"}'
        server = self.serve(Reply(200, document.encode()))
        _, text = self.on_terminal(server, 200, "show", JOB, "--json")
        self.assertIn(r'"a\u202eb\u0085c\u007f' + "\u20ac", text)
        self.assertEqual(self.runs(OK, server, "show", JOB, "--json"), document + "\n")

    def test_top(self):
        server = self.serve({"items": [job(measured=3), job("queued")], "next": None})
        text = self.runs(OK, server, "top")
        self.assertEqual(text.splitlines()[0], "2 open jobs")
        self.assertIn("3/100", text)
        self.assertEqual(len(server.requests), 1)

        def answer(request):
            if request.headers["If-None-Match"]:
                return Reply(404, b"gone")
            return Reply(200, {"items": [job(measured=3)], "next": None}, {"ETag": '"1"'})

        code, text = self.on_terminal(self.serve(answer), 90, "top")
        self.assertIn("1 open job; Ctrl-C", text)
        self.assertEqual(code, UNREACHABLE, "it goes on until the server is none any more")


class Actions(CliTest):
    def test_several_jobs(self):
        def answer(request):
            return {**job("paused"), "id": request.path.split("/")[3]}

        server = self.serve(answer)
        text = self.runs(OK, server, "pause", JOB, OTHER)
        self.assertEqual(text, f"{JOB} is paused\n{OTHER} is paused\n")
        self.assertIn("too many", self.fails(USAGE, server, "show", JOB, OTHER))
        self.assertIn("missing: ID...", self.fails(USAGE, server, "delete"))

    def test_the_first_that_fails_says_how_it_ends(self):
        refusal = problem(409, "wrong_state", "Not possible", "no")
        server = self.serve(lambda r: refusal if JOB in r.path else Reply(204))
        self.assertEqual(self.narrow(server, "delete", JOB, OTHER).returncode, REFUSED)
        self.assertEqual([r.path for r in server.requests], [f"/v1/jobs/{JOB}", f"/v1/jobs/{OTHER}"])

    def test_what_is_sent(self):
        for arguments, method, path, sent in (
            (("edit", JOB, "--set", "max_trials=9", "--set", "labels.a=b"), "PATCH", f"/v1/jobs/{JOB}",
             {"max_trials": 9, "labels": {"a": "b"}}),
            (("retry", JOB), "POST", f"/v1/jobs/{JOB}/retry", {}),
            (("retry", JOB, "--trial", "7"), "POST", f"/v1/jobs/{JOB}/trials/7/retry", {}),
            (("import", JOB, "-"), "POST", f"/v1/jobs/{JOB}/trials", {"trials": []}),
            (("scores", JOB, "-"), "POST", f"/v1/jobs/{JOB}/scores", {"trials": []}),
            (("evaluators", "add", "http://h", "--name", "n", "--set", "max_concurrency=2"), "POST", "/v1/evaluators",
             {"url": "http://h", "name": "n", "max_concurrency": 2}),
            (("webhooks", "add", "http://h", "--type", "job.completed"), "POST", "/v1/webhooks",
             {"url": "http://h", "events": ["job.completed"]}),
            (("tokens", "add", "--scope", "work", "--pool", "gpu", "--owner", "ana"), "POST", "/v1/tokens",
             {"scopes": ["work"], "pools": ["gpu"], "owner": "ana"}),
        ):
            with self.subTest(arguments):
                server = self.serve({"id": "x_1", "imported": 2, "skipped": 1, "token": "nrw_s"})
                self.runs(OK, server, *arguments, stdin=b'{"trials": []}')
                request, = server.requests
                self.assertEqual((request.method, request.path), (method, path))
                self.assertEqual(json.loads(request.body), sent)
        for arguments, method, path in (
            (("evaluators", "rm", "evl_1"), "DELETE", "/v1/evaluators/evl_1"),
            (("webhooks", "rm", "whk_1"), "DELETE", "/v1/webhooks/whk_1"),
            (("webhooks", "test", "whk_1"), "POST", "/v1/webhooks/whk_1/test"),
            (("tokens", "rm", "tok_1"), "DELETE", "/v1/tokens/tok_1"),
            (("evaluators", "probe", "evl_1"), "POST", "/v1/evaluators/evl_1/probe"),
        ):
            with self.subTest(arguments):
                server = self.serve({"ok": True, "capability": {}})
                self.runs(OK, server, *arguments)
                self.assertEqual([(r.method, r.path) for r in server.requests], [(method, path)])

    def test_an_edit_without_anything_is_no_edit(self):
        server = self.serve(job())
        self.assertIn("--set", self.fails(USAGE, server, "edit", JOB))
        self.assertEqual(server.requests, [])

    def test_wait_for(self):
        keep = {**best_trial(True), "keep_baseline": True}
        none = {"baseline": None}
        for what, document, code in (
            ("baseline", job(), OK), ("feasible", job(best=best_trial(True)), OK),
            ("gain", job(best=best_trial(True)), OK), ("trials=5", job(measured=5), OK),
            ("gain", job("completed", 3, keep), KEEP), ("feasible", job("completed", 3, best_trial(False)), NOT_MET),
            ("baseline", job("failed", 0, **none), NOT_MET), ("end", job("completed", 1, best_trial(True)), OK),
        ):
            with self.subTest(what, code=code):
                first = Reply(200, job("baseline", **none), {"ETag": '"1"'})
                server = self.serve_in_turn(first, Reply(200, document, {"ETag": '"2"'}))
                self.assertTrue(self.runs(code, server, "wait", JOB, "--for", what))
                self.assertEqual(len(server.requests), 2, "the first did not do")
        for wrong in ("x", "trials", "trials=", "trials=-1", ""):
            self.assertIn("--for takes", self.fails(USAGE, self.serve(job()), "wait", JOB, "--for", wrong))


class Beside(CliTest):
    """What is told beside an answer that is whole without it: where the daemon refuses that, nothing looks like a failure, as runs() sees to."""

    def refusing(self, *refused, **answers):
        no = problem(429, "too_many", "Too many requests", "later")
        return self.serve(lambda r: no if r.path.rpartition("/")[2] in refused else answers.get(r.path.rpartition("/")[2], job("completed", 40, best_trial(True))))

    def test_stages_keep_their_names(self):
        trial = {"number": 1, "kind": "evaluate", "stage": "culprit", "state": "told", "attempts": 1, "source": "measured",
                 "accuracy": 0.7, "objective_value": 2, "feasible": True, "error": None}
        text = self.runs(OK, self.refusing("strategies", trials={"items": [trial], "next": None}), "trials", JOB)
        self.assertEqual(len(text.splitlines()), 2, text)
        event = {"n": 1, "at": "2026-03-02T09:00:01.000Z", "type": "stage_entered", "trial": None, "data": {"stage": "culprit"}}
        text = self.runs(OK, self.refusing("strategies", events={"items": [event], "next": None}), "events", JOB)
        self.assertIn("  stage culprit\n", text)

    def test_a_best_says_that_it_does_not_know_which_had_no_choice(self):
        best = {**best_trial(True), "config": {"ops": {"a": {"mode": "static"}, "b": {"mode": "fp32"}}}}
        text = self.runs(OK, self.refusing("space", "trials", best=best), "best", JOB)
        self.assertRegex(text, r"(?m)^operators +fp32 1, static 1$")
        self.assertRegex(text, r"(?m)^of them +some may have no choice: the job's space cannot be read$")

    def test_of_an_evaluator_it_is_not_known_how_it_is(self):
        evaluators = {"items": [{"id": "evl_1", "name": "board", "url": "http://h"}], "next": None}
        self.assertRegex(self.runs(OK, self.refusing("health", evaluators=evaluators), "evaluators"), r"(?m)^evl_1 .* -$")


class Completion(CliTest):
    def script(self, shell):
        return self.runs(OK, "http://127.0.0.1:1", "completion", shell)

    def complete(self, *words):
        program = ('COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _narrow; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(
            ["bash", "-c", self.script("bash") + program, "bash", "narrow", *words], stdout=subprocess.PIPE, text=True,
            check=True, timeout=PATIENCE_S, env=self.environment("http://127.0.0.1:1", PATH="/usr/bin:/bin"))
        return done.stdout.split()

    def test_bash(self):
        self.assertEqual(self.complete("sub"), ["submit"])
        self.assertEqual(self.complete("evaluators", "r"), ["rm"])
        self.assertEqual(self.complete("trials", "--f"), ["--feasible"])
        self.assertEqual(self.complete("--json", "watch", "la"), ["last"])
        self.assertEqual(self.complete("watch", "--feas"), [])
        self.assertEqual(self.complete("help", "comp"), ["completion"])
        self.assertEqual(self.complete("completion", "f"), ["fish"])

    def test_other_shells(self):
        self.assertTrue(self.script("zsh").startswith("#compdef narrow\n"))
        fish = self.script("fish")
        self.assertIn("-n '__fish_use_subcommand' -a submit -d 'submit a job, print its id'\n", fish)
        self.assertIn("-n '__fish_seen_subcommand_from evaluators' -a rm -d", fish)
        self.assertIn("-l trial -r -d 'which one'", fish)
        self.assertIn(r"-d 'print the API\'s answers as they came'", fish)
        self.assertIn("bash, zsh and fish", self.fails(USAGE, "http://127.0.0.1:1", "completion", "sh"))

    def test_shells_that_are_here_accept_theirs(self):
        done = subprocess.run(["bash", "-n"], input=self.script("bash"), text=True, check=False, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class RealDaemon(CliTest):
    """The same against narrowd itself: what the tests above serve is what it answers."""

    def test_a_job_of_a_script(self):
        go = threading.Event()
        self.addCleanup(go.set)

        def reply(question, headers):
            if question["trial"] > 1:
                go.wait(PATIENCE_S)
            if question["trial"] == 1:
                return {"failed": True, "error": "no kernel", "retryable": False}
            return {"accuracy": 0.9, "latency_ms": 100 - question["trial"]}

        with (tempfile.TemporaryDirectory() as directory, Evaluator(reply) as evaluator,
              Daemon(directory) as daemon):
            criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 3}
            name = submit(daemon, body(evaluator.url, tuning_criterion=criterion, confirm=0))
            follower = subprocess.Popen([NARROW, "events", name, "-f", "--jsonl"], stdout=subprocess.PIPE,
                                        env=self.environment(daemon.url))
            self.addCleanup(follower.kill)
            self.assertRegex(self.runs(OK, daemon.url, "wait", name, "--for", "baseline"), r"[01]/3 trials")
            self.runs(OK, daemon.url, "edit", name, "--set", "max_trials=4", "--set", "labels.team=edge")
            wait_until(lambda: get(daemon, f"/v1/jobs/{name}")["progress"].get("stage") == "exhaustive")
            self.assertRegex(self.runs(OK, daemon.url, "show", name), r"(?m)^stage +exhaustive: one config after the other, ")
            go.set()
            document = finished(daemon, name)
            self.assertEqual((document["budget"]["max_trials"], document["labels"]), (4, {"team": "edge"}))
            out, _ = follower.communicate(timeout=PATIENCE_S)
            log = get(daemon, f"/v1/jobs/{name}/events?limit=1000")["items"]
            self.assertEqual([json.loads(line) for line in out.splitlines()], log)
            self.assertIn(name, self.runs(OK, daemon.url, "jobs", "--label", "team=edge", "-n", "1"))
            self.assertEqual(len(self.runs(OK, daemon.url, "jobs", "--label", "team=x").splitlines()), 1)
            rows = self.runs(OK, daemon.url, "trials", name, "--state", "failed").splitlines()
            self.assertRegex(rows[1], r"^ +1 .*no kernel")
            ordered, stages = self.runs(OK, daemon.url, "trials", name, "--feasible", "--order", "latency_ms").split("\n\n")
            self.assertIn("exhaustive  one config after the other", stages)
            values = [float(re.split(r" {2,}", line.strip())[4]) for line in ordered.splitlines()[1:]]
            self.assertEqual(values, sorted(values))
            self.assertTrue(self.runs(OK, daemon.url, "pareto", name).splitlines()[1:])
            self.assertIn("trial_failed", self.runs(OK, daemon.url, "events", name, "--type", "trial_failed"))
            made = self.runs(OK, daemon.url, "evaluators", "add", evaluator.url, "--name", "board").strip()
            self.assertIn("board", self.runs(OK, daemon.url, "evaluators"))
            self.runs(OK, daemon.url, "evaluators", "rm", made)
            token = self.runs(OK, daemon.url, "tokens", "add", "--scope", "read", "--name", "page").split()
            self.assertTrue(any(word.startswith("nrw_") for word in token), token)
            self.assertIn("page", self.runs(OK, daemon.url, "tokens"))
            self.runs(OK, daemon.url, "tokens", "rm", token[0])
            hook = self.runs(OK, daemon.url, "webhooks", "add", evaluator.url, "--type", "job.completed").split()
            self.assertTrue(hook[1].startswith("whsec_"), hook)
            self.runs(OK, daemon.url, "webhooks", "rm", hook[0])
            self.assertEqual(self.runs(OK, daemon.url, "top").splitlines()[0], "0 open jobs")
            self.runs(OK, daemon.url, "delete", name)


if __name__ == "__main__":
    unittest.main()
