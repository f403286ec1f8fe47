"""The command line: what it prints for people."""

import contextlib
import fcntl
import itertools
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import unittest

from cli_kit import (
    JOB,
    KEEP,
    NARROW,
    NOT_MET,
    OK,
    REFUSED,
    UNREACHABLE,
    CliTest,
    best_trial,
    job,
    problem,
)
from patience import PATIENCE_S
from scripted import Reply


def drawn_lines(output):
    """What a terminal showed, one text per redrawing."""
    return [line.partition("\033")[0] for line in output.replace("\n", "\r").split("\r") if line]


class Tables(CliTest):
    def assert_aligned(self, text, heads):
        """Every row has something at the first column of each left-aligned head, after a gap."""
        lines = text.splitlines()
        for head in heads:
            at = lines[0].index(head)
            for line in lines[1:]:
                self.assertEqual(line[at - 2 : at], "  ", text)
                self.assertNotEqual(line[at], " ", text)

    def test_jobs_of_all_pages(self):
        first = job(name="k\u00f6ln \u001b[2J", best=best_trial(True))
        pages = {
            None: {"items": [first], "next": "a/b=&c"},
            "a/b=&c": {"items": [job("queued", name=None, baseline=None)], "next": None},
        }
        server = self.serve(lambda request: pages[request.query.get("cursor")])
        text = self.runs(OK, server, "jobs", "--state", "run&ning")
        self.assertEqual([r.query["state"] for r in server.requests], ["run&ning"] * 2)
        self.assert_aligned(text, ["NAME", "STATE", "STRATEGY", "MET", "CREATED"])
        rows = [line.split() for line in text.splitlines()]
        self.assertEqual(rows[1][:4], [JOB, "k\u00f6ln", "?[2J", "running"])
        self.assertEqual(rows[1][5:], ["0/100", "0.7543", "12.3", "2.31", "yes", "-", "2026-03-02",
                                       "09:00:00"])
        self.assertEqual(rows[2][:3], [JOB, "-", "queued"])
        self.assertEqual(rows[2][4:9], ["0/100", "-", "-", "-", "-"])

    def test_json_pages_are_one_document_a_line(self):
        server = self.serve_in_turn({"items": [1], "next": "x"}, {"items": [2], "next": None})
        text = self.runs(OK, server, "jobs", "--json")
        self.assertEqual([json.loads(line)["items"] for line in text.splitlines()], [[1], [2]])

    def test_trials(self):
        told = {
            "number": 7, "kind": "evaluate", "stage": "fallback", "state": "told", "attempts": 2,
            "source": "measured", "accuracy": {"top1": 0.75, "top5": 0.9312349},
            "objective_value": 1234567.8, "feasible": False, "error": None,
        }
        failed = {
            "number": 12, "kind": "confirm", "stage": None, "state": "failed", "attempts": 1,
            "source": "cache", "accuracy": None, "objective_value": 3.2e-7, "feasible": None,
            "error": "no kernel",
        }
        server = self.serve({"items": [told, failed], "next": None})
        text = self.runs(OK, server, "trials", JOB)
        self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}/trials")
        self.assert_aligned(text, ["STAGE", "STATE", "MET"])
        cells = [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]
        self.assertEqual(cells, [
            ["7", "fallback", "told", "top1 0.75, top5 0.93123", "1234568", "no", "2 attempts"],
            ["12", "-", "failed", "-", "3.2e-07", "-", "confirm, cache, no kernel"],
        ])

    def test_sensitivity(self):
        known = {
            "op": "conv1", "type": "Conv2d", "method": "mse", "score": 0.5, "precision": "fp32",
            "trial": 9, "base": 1, "accuracy_change": 0.25, "latency_change_ms": -1.5,
            "options": [{"mode": "static", "loss": {"mean": 0.5, "spread": 0.25}}],
        }
        unknown = {**dict.fromkeys(known), "op": "fc", "type": "Linear"}
        server = self.serve({"items": [known, unknown], "next": None})
        text = self.runs(OK, server, "sensitivity", JOB)
        self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}/sensitivity")
        cells = [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]
        self.assertEqual(cells, [["conv1", "Conv2d", "0.5", "mse", "fp32", "0.25", "-1.5", "0.5",
                                  "0.25"],
                                 ["fc", "Linear", "-", "-", "-", "-", "-", "-", "-"]])

    def test_show(self):
        text = self.runs(OK, self.serve(job("completed", 40, best_trial(True))), "show", JOB)
        pairs = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in text.splitlines())
        self.assertEqual(pairs["state"], "completed: criterion_met (trial 23 meets it)")
        self.assertEqual(pairs["trials"], "40/100")
        self.assertEqual(pairs["active for"], "2m00s")
        self.assertEqual(pairs["objective"], "latency_ms")
        self.assertEqual(
            pairs["criterion"], "relative loss of at most 1 %: accuracy at least 0.75349"
        )
        self.assertEqual(
            pairs["best"], "trial 23, accuracy 0.7543 (loss 0.89 %), latency_ms 12.3 (2.31x)"
        )

    def test_strategies_and_evaluators(self):
        server = self.serve({
            "items": [{"name": "basic", "origin": "built_in", "summary": "Stage by stage"}],
            "next": None,
        })
        text = self.runs(OK, server, "strategies")
        self.assertEqual(text.splitlines()[1], "basic     built_in  Stage by stage")
        answers = {
            "/v1/evaluators": {"items": [
                {"id": "evl_1", "name": "gpu", "url": "http://h"},
                {"id": "evl_2", "name": None, "url": "http://i"},
            ], "next": None},
            "/v1/evaluators/evl_1/health": {"down_since": None, "last_error": "once"},
            "/v1/evaluators/evl_2/health": {"down_since": "2026-03-02T09:00:00.000Z",
                                            "last_error": "refused"},
        }
        text = self.runs(OK, self.serve(lambda r: answers[r.path]), "evaluators")
        cells = [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]
        self.assertEqual(cells, [["evl_1", "gpu", "http://h", "well"],
                                 ["evl_2", "-", "http://i",
                                  "down since 2026-03-02 09:00:00: refused"]])


class Best(CliTest):
    OPS = {
        "conv1": {"type": "Conv2d", "mode": "static"},
        "conv2": {"type": "Conv2d", "mode": "fp32"},
        "conv3": {"type": "Conv2d", "mode": "static"},
        "fc": {"type": "Linear", "mode": "bf16"},
        "head": {"type": "Linear", "mode": "static"},
    }

    def serve_best(self, state, feasible, **members):
        best = {**best_trial(feasible), "config": {"ops": self.OPS}, "nearest": None, **members}
        document = job(state, 40, best_trial(feasible))
        return self.serve(lambda r: best if r.path.endswith("/best") else document)

    def test_met(self):
        text = self.runs(OK, self.serve_best("completed", True), "best", JOB)
        pairs = dict(re.split(r" {2,}", line, maxsplit=1) for line in text.splitlines())
        self.assertEqual(pairs["criterion"], "met")
        self.assertEqual(pairs["accuracy"], "0.7543, baseline 0.7611, loss 0.89 %")
        self.assertEqual(
            pairs["objective"], "latency_ms 12.3, baseline 28.4, speed-up 2.31x"
        )
        self.assertEqual(pairs["operators"], "static 3, bf16 1, fp32 1")
        self.assertEqual(pairs["high precision"], "conv2 (fp32), fc (bf16)")

    def test_missed(self):
        nearest = {"misses_by": 0.35, "accuracy": 0.7543}
        for state, code in (("completed", NOT_MET), ("failed", NOT_MET), ("running", OK)):
            for flags in ([], ["--json"]):
                with self.subTest(state, flags=flags):
                    server = self.serve_best(state, False, nearest=nearest)
                    text = self.runs(code, server, "best", JOB, *flags)
                    missed = "missed by 0.35 times the tolerable loss"
                    self.assertEqual(missed in text, flags == [])

    def test_the_verdict_is_the_last_line(self):
        """Jobs from before there were verdicts say at least whether to keep the baseline."""
        text = self.runs(OK, self.serve_best("completed", True, keep_baseline=True), "best", JOB)
        self.assertEqual(text.splitlines()[-1],
                         "keep fp32: nothing that meets the criterion beats it")
        verdict = "keep fp32: it is 0.82 times as fast \x1b[2J"
        server = self.serve_best("completed", True, keep_baseline=True, verdict=verdict)
        text = self.runs(OK, server, "best", JOB)
        self.assertIn("0.82 times as fast", text.splitlines()[-1])
        self.assertNotIn("\x1b", text)

    def test_nothing_measured_yet(self):
        refusal = problem(409, "wrong_state", "Not possible in this state", "nothing measured yet")
        server = self.serve(lambda r: refusal if r.path.endswith("/best") else job())
        self.assertIn("nothing measured yet", self.fails(REFUSED, server, "best", JOB))


class Probe(CliTest):
    URL = "http://127.0.0.1:9001/\"quoted\""

    def serve_probe(self, report):
        def answer(request):
            if request.path.endswith("/probe"):
                return report
            return Reply(201, {"id": "evl_1"}) if request.method == "POST" else Reply(204)

        return self.serve(answer)

    def test_a_url_is_registered_for_as_long_as_it_takes(self):
        capability = {
            "framework": "oneDNN", "model": {"name": "digits"}, "ops": [{}, {}, {}],
            "op_types": {"Conv2d": {"static": {}, "fp32": {}}}, "answers": ["evaluate"],
            "metrics": ["accuracy", "latency_ms"],
        }
        server = self.serve_probe(
            {"ok": True, "elapsed_s": 0.041, "capability": capability, "error": None}
        )
        text = self.runs(OK, server, "probe", self.URL)
        self.assertEqual([(r.method, r.path) for r in server.requests], [
            ("POST", "/v1/evaluators"),
            ("POST", "/v1/evaluators/evl_1/probe"),
            ("DELETE", "/v1/evaluators/evl_1"),
        ])
        self.assertEqual(json.loads(server.requests[0].body), {"url": self.URL})
        for line in (r"answered in +41 ms", r"operators +3", r"  Conv2d +static, fp32",
                     r"metrics +accuracy, latency_ms"):
            self.assertRegex(text, rf"(?m)^{line}$")

    def test_a_finding_is_a_refusal_and_leaves_nothing_behind(self):
        server = self.serve_probe({"ok": False, "capability": None, "error": "404 Not Found"})
        self.assertIn("404 Not Found", self.fails(REFUSED, server, "probe", self.URL))
        self.assertEqual(server.requests[-1].method, "DELETE")

    def test_a_registered_one_stays(self):
        server = self.serve_probe({"ok": True, "capability": {}, "error": None})
        self.runs(OK, server, "probe", "evl_9")
        self.assertEqual([r.path for r in server.requests], ["/v1/evaluators/evl_9/probe"])


class Watch(CliTest):
    def tagged(self, tag, document):
        return Reply(200, document, {"ETag": f'"{tag}"'})

    def test_one_line_per_change(self):
        server = self.serve_in_turn(
            self.tagged(1, job("baseline", baseline=None)),
            Reply(304, b"", {"ETag": '"1"'}),
            self.tagged(2, job(measured=10)),
            self.tagged(3, job(measured=10, parallel=2)),
            self.tagged(4, job(measured=20, best=best_trial(True))),
            self.tagged(5, job("completed", 21, best_trial(True))),
        )
        lines = self.runs(OK, server, "watch", JOB).splitlines()
        self.assertEqual([line.split()[0] for line in lines], [
            "baseline", "running", "running", "completed", "completed:", "best:",
        ])
        self.assertRegex(
            lines[1], r"^running  fallback  10/100 trials  30\.\d s, at most 4m05s left$"
        )
        self.assertIn("best: trial 23, accuracy 0.7543 (loss 0.89 %)", lines[2])
        waits = [(r.headers["If-None-Match"], r.headers["Prefer"]) for r in server.requests]
        self.assertEqual(waits, [(None, None)] + [
            (f'"{tag}"', "wait=20") for tag in (1, 1, 2, 3, 4)
        ])

    def test_the_exit_code_is_about_the_criterion(self):
        keep = {**best_trial(True), "keep_baseline": True, "verdict": "keep fp32: it is slower"}
        for state, best, code in (
            ("completed", best_trial(True), OK),
            ("completed", best_trial(False), NOT_MET),
            ("failed", None, NOT_MET),
            ("cancelled", None, NOT_MET),
            ("cancelled", best_trial(True), NOT_MET),
            ("completed", keep, KEEP),
            ("failed", keep, NOT_MET),
        ):
            with self.subTest(state, best=best):
                server = self.serve(self.tagged(1, job(state, 1, best)))
                text = self.runs(code, server, "watch", JOB)
                self.assertEqual("keep fp32" in text, best is keep)
        for command in (["wait", JOB], ["wait", JOB, "--ok-keep"], ["watch", JOB, "--ok-keep"]):
            server = self.serve(self.tagged(1, job("completed", 1, keep)))
            text = self.runs(OK if "--ok-keep" in command else KEEP, server, *command)
            self.assertEqual(text.splitlines()[-1], "keep fp32: it is slower")

    def test_nobody_waits_for_a_job_that_has_paused_itself(self):
        for reason, ends in (("replay_divergence", True), ("requested", False)):
            paused = {**job("paused", 1), "pause": {"reason": reason, "detail": "mend it"}}
            replies = [self.tagged(1, paused), self.tagged(2, job("completed", 1, best_trial(True)))]
            text = self.runs(NOT_MET if ends else OK, self.serve_in_turn(*replies), "wait", JOB)
            self.assertEqual("mend it" in text, ends)

    def test_submit_and_watch(self):
        server = self.serve_in_turn(
            Reply(201, job("queued")), self.tagged(1, job("completed", 3, best_trial(False)))
        )
        text = self.runs(NOT_MET, server, "submit", "-", "--watch", stdin=b"{}")
        self.assertEqual(text.splitlines()[0], JOB)
        self.assertIn("misses the criterion", text)
        self.assertEqual(server.requests[1].path, f"/v1/jobs/{JOB}")

    def test_json(self):
        documents = [job(measured=1), job("completed", 2, best_trial(True))]
        server = self.serve_in_turn(*(self.tagged(n, d) for n, d in enumerate(documents)))
        text = self.runs(OK, server, "watch", "--json", JOB)
        self.assertEqual([json.loads(line) for line in text.splitlines()], documents)

    def test_a_restart_of_the_daemon_is_survived(self):
        busy = problem(503, "draining", "Shutting down", "later")
        server = self.serve_in_turn(
            self.tagged(1, job(measured=1)), None, busy, None,
            self.tagged(2, job("completed", 2, best_trial(True))),
        )
        self.assertIn("criterion_met", self.runs(OK, server, "watch", JOB))
        self.assertEqual(len(server.requests), 5)

    def test_a_daemon_that_stays_away_is_unreachable(self):
        turns = itertools.chain([self.tagged(1, job(measured=1))], itertools.repeat(None))
        server = self.serve(lambda _: next(turns))
        done = self.narrow(server, "watch", JOB)
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn("cannot reach", done.errors)
        self.assertGreater(len(server.requests), 2)

    def test_a_job_that_is_gone(self):
        gone = problem(404, "not_found", "Not found", "no such job")
        server = self.serve_in_turn(self.tagged(1, job(measured=1)), gone)
        done = self.narrow(server, "watch", JOB)
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn("no such job", done.errors)

    def on_terminal(self, server, columns, seen=lambda output: None):
        """Runs watch on a terminal of that width; returns (exit code, what was written).

        `seen` is told meanwhile what has been written so far.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [NARROW, "watch", JOB], stdin=slave, stdout=slave, stderr=slave,
            env=self.environment(server),
        )
        os.close(slave)
        output = b""
        with contextlib.suppress(OSError):
            while part := os.read(master, 65536):
                output += part
                seen(output.decode(errors="replace"))
        os.close(master)
        return process.wait(PATIENCE_S), output.decode()

    def test_the_terminal_gets_one_line_redrawn(self):
        server = self.serve_in_turn(
            self.tagged(1, job(measured=50)),
            self.tagged(2, job(measured=75, best=best_trial(True))),
            self.tagged(3, job("completed", 80, best_trial(True))),
        )
        code, output = self.on_terminal(server, 200)
        self.assertEqual(code, OK, output)
        lines = drawn_lines(output)
        self.assertIn(f"running  fallback  [{'#' * 12}{'-' * 12}] 50/100 trials", lines[0])
        self.assertRegex(lines[0], r"2m30s, at most 2m27s left$")
        self.assertIn(f"[{'#' * 18}{'-' * 6}] 75/100 trials", lines[1])
        self.assertIn("best: trial 23", lines[1])
        self.assertEqual(output.count("\n"), 3)
        self.assertEqual(output.count("\r\n"), 3, "the bar is left before the summary")

    def test_a_narrow_terminal_is_not_wrapped(self):
        server = self.serve_in_turn(
            self.tagged(1, job(measured=75, best=best_trial(True))),
            self.tagged(2, job("completed", 80, best_trial(True))),
        )
        _, output = self.on_terminal(server, 50)
        drawn = re.findall(r"\r([^\r\n\033]*)\033\[K", output)
        self.assertEqual([len(line) <= 49 for line in drawn], [True, True])
        self.assertIn("75/100  best: trial 23, 12.3 (2.31x)", drawn[0])

    def test_counts_and_best_are_never_cut(self):
        """First the stage goes, then the bar gets shorter, then the times go."""
        shown = {}
        for columns in (200, 120, 100, 80, 60, 40):
            server = self.serve_in_turn(
                self.tagged(1, job(measured=75, best=best_trial(True))),
                self.tagged(2, job("completed", 80, best_trial(True))))
            _, output = self.on_terminal(server, columns)
            shown[columns] = re.findall(r"\r([^\r\n\033]*)\033\[K", output)[0]
            self.assertLess(len(shown[columns]), columns)
            self.assertIn("75/100", shown[columns])
            self.assertRegex(shown[columns], r"best: trial 23, .*12\.3 \(2\.31x\)$")
        has = {name: [columns for columns, line in shown.items() if re.search(what, line)]
               for name, what in (("stage", "fallback"), ("bar", r"\[#"), ("times", "left"))}
        self.assertEqual(has["stage"], [200])
        self.assertEqual(has["times"], [200, 120, 100, 80])
        self.assertEqual(has["bar"], [200, 120, 100, 60])

    def test_an_evaluator_that_is_down_is_seen(self):
        waiting = {"reason": "evaluator_down", "since": "2026-03-02T09:00:00.000Z",
                   "detail": "connection\x1b refused", "evaluator": "evl_1"}
        out = [{"trial": 7, "kind": "evaluate", "since": "2026-03-02T09:00:01.000Z",
                "attempt": 2, "last_error": "no\x1b kernel", "next_try_at": None,
                "worker": "gpu-7"}]
        oldest = {"trial": 7, "since": "2026-03-02T09:00:02.000Z", "worker": "gpu-7"}
        progress = {"stage": "x", "asked": 1, "told": 1, "failed": 0, "waiting": waiting,
                    "out": out, "waits_for": oldest}
        server = self.serve_in_turn(
            self.tagged(1, job(measured=75, progress=progress)),
            self.tagged(2, job("completed", 80, best_trial(True))))
        _, output = self.on_terminal(server, 60)
        self.assertIn("(evaluator down)", output)
        text = self.runs(OK, self.serve(job(progress=progress)), "show", JOB)
        self.assertIn("evaluator down since 2026-03-02 09:00:00: connection? refused", text)
        self.assertIn("trial 7 at gpu-7, places idle since 2026-03-02 09:00:02", text)
        self.assertIn("trial 7 (evaluate) at gpu-7 since 2026-03-02 09:00:01, attempt 2, after: "
                      "no? kernel", text)

    def test_the_time_goes_on_while_nothing_changes(self):
        redrawn = threading.Event()

        def times(output):
            return re.findall(r"running .*?  (\d+\.\d) s,", output)

        def seen(output):
            if len(set(times(output))) > 1:
                redrawn.set()

        def answer(request):
            if request.headers["If-None-Match"] is None:
                return self.tagged(1, job(measured=1))
            redrawn.wait(PATIENCE_S)
            return self.tagged(2, job("completed", 1, best_trial(True)))

        _, output = self.on_terminal(self.serve(answer), 200, seen)
        self.assertEqual(times(output)[0], "3.0")
        self.assertTrue(redrawn.is_set(), "the elapsed time was redrawn")


if __name__ == "__main__":
    unittest.main()
