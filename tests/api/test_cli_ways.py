"""The command line: before a job is submitted, while it waits, and how it goes on after its end."""

import json
import re
import tempfile
import threading
import unittest

from cli_kit import JOB, OK, REFUSED, USAGE, CliTest, best_trial, job, problem
from daemon import Daemon
from jobkit import Evaluator, body, finished, get, submit, wait_until
from patience import PATIENCE_S
from scripted import Reply

DEFAULT = {"mode": "static", "weight": {"dtype": "int8"}}
SPACE = {
    "size": "12", "dimensions": 3, "calibration_sampling_sizes": [100, 200],
    "job": {
        "approach": "auto", "strategy": "sgp", "quant_level": 1, "stop_on": "budget",
        "max_trials": 30, "timeout": 90, "parallel": 1, "min_gain": 0.02,
        "criterion": {"criterion": "relative", "tolerable_loss": 0.01, "higher_is_better": True},
        "objective": [{"metric": "latency_ms", "weight": 1, "direction": "min"}],
    },
    "ops": [
        {"name": name, "type": kind, "choices": choices, "default": DEFAULT,
         "modes": dict.fromkeys(modes, {})}
        for name, kind, choices, modes in (
            ("conv1", "Conv2d", 3, ["static", "fp32"]), ("conv2", "Conv2d", 3, ["static", "fp32"]),
            ("fc\u202e", "Linear", 5, ["static", "dynamic", "fp32"]),
        )
    ],
    "uniform": [{"mode": "static", "option": "activation.algorithm", "values": ["kl", "minmax"]}],
    "entries": [{"pointer": "/op_name_dict/fc.*", "count": 1, "matched": ["fc"]}],
    "warnings": [{"pointer": "/op_type_dict/GRU", "detail": "no operator has this type"}],
    "first": [
        {"stage": "default", "kind": "evaluate", "config": {"ops": {}}},
        {"stage": "sgp", "kind": "evaluate", "config": {"ops": {"conv2": {"mode": "fp32"}}}},
    ],
}


class DryRun(CliTest):
    def test_what_would_be_tried(self):
        server = self.serve(SPACE)
        text = self.runs(OK, server, "submit", "-", "--dry-run", "--set", "seed=3", stdin=b"{} // x")
        self.assertEqual([(r.method, r.path) for r in server.requests], [("POST", "/v1/spaces"), ("GET", "/v1/strategies")])
        self.assertEqual(json.loads(server.requests[0].body), {"seed": 3})
        head, kinds, first = ([re.split(r" {2,}", line) for line in part.splitlines()]
                              for part in text.split("\n\n"))
        self.assertEqual(head, [
            ["strategy", "sgp, at most 30 trials and 1m30s, stop_on budget"], ["approach", "auto"],
            ["objective", "latency_ms"], ["criterion", "relative loss of at most 1 %"],
            ["configs", "12"], ["operators", "3"], ["calibration samples", "100, 200"],
            ["uniform", "activation.algorithm of static, one for all: kl, minmax"],
            ["matches", "/op_name_dict/fc.*: 1 (fc)"],
            ["dropped", "/op_type_dict/GRU: no operator has this type"],
        ])
        self.assertEqual(kinds[1:], [["Conv2d", "2", "3", "static, fp32", "static"],
                                     ["Linear", "1", "5", "static, dynamic, fp32", "static"]])
        self.assertEqual(first[1:], [["default", "evaluate", "static 3"],
                                     ["sgp", "evaluate", "static 2, fp32 1"]])

    def test_nothing_dropped_is_said(self):
        text = self.runs(OK, self.serve({**SPACE, "warnings": []}), "submit", "-", "--dry-run", stdin=b"{}")
        self.assertRegex(text, r"(?m)^dropped +nothing$")

    def test_json_and_refusals(self):
        text = self.runs(OK, self.serve(SPACE), "submit", "-", "--dry-run", "--json", stdin=b"{}")
        self.assertEqual(json.loads(text), SPACE)
        server = self.serve(problem(422, "invalid", "Not valid", "body: bad"))
        self.assertIn("bad", self.fails(REFUSED, server, "submit", "-", "--dry-run", stdin=b"{}"))

    def test_of_a_job_that_is_there(self):
        shown = {k: v for k, v in SPACE.items() if k not in ("job", "first")}
        server = self.serve(shown)
        self.assertRegex(self.runs(OK, server, "space", JOB), r"(?m)^Conv2d +2 +3 ")
        self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}/space")


class Clone(CliTest):
    SPEC = {"tuning_criterion": {"strategy": "sgp", "max_trials": 15},
            "op_name_dict": {"a": {"weight": {"dtype": ["fp32"]}}}, "evaluator": {"url": "http://h"}}

    def sent(self, *flags):
        server = self.serve(lambda r: self.SPEC if r.path.endswith("/spec")
                            else Reply(201, job("queued")))
        self.assertEqual(self.runs(OK, server, "clone", JOB, *flags), f"{JOB}\n")
        self.assertEqual(server.requests[-1].path, f"/v1/jobs/{JOB}/clone")
        return json.loads(server.requests[-1].body)

    def test_without_anything(self):
        self.assertEqual(self.sent(), {})
        self.assertEqual(self.sent("--warm-start"), {"warm_start": True})

    def test_what_is_set_within_a_member_leaves_its_rest(self):
        """The API takes members whole: what the first job says of them must go along."""
        sent = self.sent("--warm-start", "--set", "tuning_criterion.max_trials=40",
                         "--set", 'op_name_dict."b.c"={}', "--set", "name=again")
        self.assertEqual(sent, {
            "warm_start": True, "name": "again",
            "tuning_criterion": {"strategy": "sgp", "max_trials": 40},
            "op_name_dict": {**self.SPEC["op_name_dict"], "b.c": {}},
        })

    def test_a_fault_in_it_is_the_users(self):
        server = self.serve(self.SPEC)
        self.assertIn("PATH=VALUE", self.fails(USAGE, server, "clone", JOB, "--set", "max_trials"))
        self.assertEqual([r.method for r in server.requests], ["GET"])


class Ways(CliTest):
    """What somebody is told who wants to go on with a job that has ended."""

    COMMAND = f"narrow clone {JOB} --warm-start"

    def test_resume(self):
        refusal = problem(409, "wrong_state", "Not possible in this state", "the job is completed")
        for state, way in (("completed", True), ("paused", False)):
            server = self.serve(lambda r, s=state: refusal if r.method == "POST" else job(s, 3))
            errors = self.fails(REFUSED, server, "resume", JOB)
            self.assertEqual(self.COMMAND in errors, way, errors)
        self.assertNotIn("clone", self.fails(REFUSED, self.serve(refusal), "pause", JOB))

    def test_what_has_to_be_started(self):
        """Where nobody is called, a clone waits until somebody comes."""
        start, detail = "run tune.py again", "no worker of pool call-1 has come; to start one: run\x1b tune.py again"
        waiting = {"reason": "no_worker", "since": None, "detail": detail, "evaluator": None}
        document = job("queued", evaluator={"pool": "call-1", "start": start})
        document["progress"]["waiting"] = waiting
        done = self.narrow(self.serve(Reply(201, document)), "clone", JOB)
        self.assertEqual((done.returncode, done.out), (OK, f"{JOB}\n"))
        self.assertEqual(done.errors, "narrow: it waits: no worker of pool call-1 has come; to start one: run? tune.py again\n")
        self.assertIn("to start one: run? tune.py again", self.runs(OK, self.serve(document), "show", JOB))
        self.assertRegex(self.runs(OK, self.serve({"items": [document], "next": None}), "jobs"), "  no worker\n$")
        ended = job("completed", 3, evaluator=document["evaluator"])
        refusal = problem(409, "wrong_state", "Not possible in this state", "the job is completed")
        server = self.serve(lambda r: refusal if r.method == "POST" else ended)
        self.assertIn(f"; to have that measured: {start}\n", self.fails(REFUSED, server, "resume", JOB))

    def test_a_job_that_used_up_its_trials_says_it_at_its_end(self):
        exit_ = {"reason": "max_trials", "detail": "no config met the criterion"}
        for reason, best, way in (("max_trials", best_trial(False), True), ("timeout", None, True),
                                  ("max_trials", best_trial(True), False),
                                  ("space_exhausted", best_trial(False), False)):
            document = job("completed", 100, best, exit={**exit_, "reason": reason})
            server = self.serve(Reply(200, document, {"ETag": '"1"'}))
            done = self.narrow(server, "wait", JOB)
            self.assertEqual(self.COMMAND in done.out, way, (reason, done.out))


class RealDaemon(CliTest):
    """All of it against narrowd itself."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        self.open = threading.Event()
        self.addCleanup(self.open.set)

        def reply(question, headers):
            if question["trial"] == 0:
                self.open.wait(PATIENCE_S)
            return {"accuracy": 0.9, "latency_ms": 100 + question["trial"]}

        self.evaluator = Evaluator(reply)
        self.addCleanup(self.evaluator.close)

    def body(self, **more):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 2}
        return body(self.evaluator.url, **{"tuning_criterion": criterion, **more})

    def test_what_a_queued_job_waits_for(self):
        """A watcher that knows the job as queued is told why it does not begin."""
        first = submit(self.daemon, self.body())
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{first}")["state"] == "baseline")
        second = submit(self.daemon, self.body())
        path = f"/v1/jobs/{second}"
        waiting = wait_until(lambda: get(self.daemon, path)["progress"]["waiting"])
        self.assertEqual(waiting["reason"], "places_taken")
        self.assertIn("takes 1 at once", waiting["detail"])
        self.assertEqual(waiting["evaluator"], self.evaluator.url)
        self.assertIn("places taken", self.runs(OK, self.daemon.url, "show", second))
        _, sent, _ = self.daemon.request("GET", path)
        self.open.set()
        _, moved, begun = self.daemon.request(
            "GET", path, headers={"If-None-Match": sent["etag"], "Prefer": "wait=25"})
        self.assertIsNone(begun["progress"]["waiting"])
        self.assertNotEqual(moved["etag"], sent["etag"])
        finished(self.daemon, second)

    def test_after_the_end(self):
        self.open.set()
        name = submit(self.daemon, self.body())
        document = finished(self.daemon, name)
        self.assertEqual(document["exit"]["reason"], "max_trials")
        errors = self.fails(REFUSED, self.daemon.url, "resume", name)
        self.assertIn('a clone of it can, with "warm_start": true', errors)
        command = re.search(r"narrow (clone \S+ --warm-start)", errors)[1].split()
        done = self.narrow(self.daemon.url, *command, "--set", "tuning_criterion.max_trials=3", "--watch")
        self.assertIn("3/3 trials", done.out)
        clone = get(self.daemon, f"/v1/jobs/{done.out.split()[0]}")
        self.assertEqual(clone["budget"]["trials_measured"], 3)
        self.assertEqual((clone["strategy"], clone["progress"]["imported"]), ("exhaustive", 2))
        for change in ("pause", "trials"):
            given = {"trials": []} if change == "trials" else {}
            status, _, answer = self.daemon.request("POST", f"/v1/jobs/{name}/{change}", given)
            self.assertEqual((status, "warm_start" in answer["detail"]), (409, True), answer)

    def test_a_dry_run_says_how(self):
        criterion = {"strategy": "tpe", "max_trials": 7, "objective": "accuracy"}
        status, _, space = self.daemon.request(
            "POST", "/v1/spaces", self.body(approach="post_training_static_quant", tuning_criterion=criterion))
        self.assertEqual(status, 200, space)
        plan = space["job"]
        self.assertEqual((plan["strategy"], plan["max_trials"], plan["approach"], plan["timeout"]),
                         ("tpe", 7, "static", 0))
        self.assertEqual((plan["stop_on"], plan["quant_level"]), ("first_feasible", 1))
        self.assertEqual(plan["objective"][0]["metric"], "accuracy")
        text = self.runs(OK, self.daemon.url, "submit", "-", "--dry-run",
                         stdin=json.dumps(self.body()).encode())
        self.assertRegex(text, r"(?m)^strategy +exhaustive, at most 2 trials, stop_on budget$")
        self.assertNotIn("learnt", text)
        text = self.runs(OK, self.daemon.url, "submit", "-", "--dry-run", "--set", "warm_start.library=true",
                         stdin=json.dumps(self.body()).encode())
        self.assertRegex(text, r"(?m)^learnt +of 0 of \d+ operators?")
        known = {"from": ["job_1", "job_2"], "known": [{"type": "Linear", "known": []}]}
        text = self.runs(OK, self.daemon.url, "submit", "-", "--dry-run", "--set", f"warm_start={json.dumps(known)}",
                         stdin=json.dumps(self.body()).encode())
        self.assertRegex(text, r"(?m)^learnt +of 1 of 4 operators, from job_1, job_2$")
        self.assertEqual(self.daemon.request("GET", "/v1/jobs")[2]["items"], [])

    def test_rounds_of_the_proof(self):
        """What is out says which round of the end game it is and what is measured again."""
        again = threading.Event()
        self.addCleanup(again.set)

        def reply(question, headers):
            if question.get("repeat"):
                again.wait(PATIENCE_S)
            return {"accuracy": 0.9, "latency_ms": 100 - question["trial"]}

        self.open.set()
        self.evaluator.reply = reply
        name = submit(self.daemon, self.body())
        path = f"/v1/jobs/{name}"
        out = wait_until(lambda: [q for q in get(self.daemon, path)["progress"]["out"]
                                  if q["kind"] == "confirm"])[0]
        self.assertIn(out["subject"], (0, 1, 2))
        said = (f"round {out['round']} of the proof" if out["round"] else "choice of the best"
                ) + (f": trial {out['subject']} again" if out["subject"] else ": the baseline again")
        self.assertIn(said, self.runs(OK, self.daemon.url, "show", name))
        asked = [e["data"] for e in get(self.daemon, f"{path}/events?limit=1000")["items"]
                 if e["type"] == "question_asked" and e["data"]["kind"] == "confirm"]
        self.assertEqual((asked[0]["round"], asked[0]["twin"]), (out["round"], out["subject"]))
        again.set()
        finished(self.daemon, name)


if __name__ == "__main__":
    unittest.main()
