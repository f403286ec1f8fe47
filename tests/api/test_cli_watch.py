"""The command line: following a job, on terminals and elsewhere."""

import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import unittest

import jobkit
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
from daemon import Daemon
from patience import PATIENCE_S
from scripted import Reply, Server
from worker_kit import free_port


def drawn_lines(output):
    """What a terminal showed, one text per redrawing."""
    return [line.partition("\033")[0] for line in output.replace("\n", "\r").split("\r") if line]


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
            "baseline", "running", "running", "completed", "completed", "best:",
        ])
        self.assertRegex(
            lines[1], r"^running  fallback  10/100 trials  30\.\d s, about 4m05s left$"
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
            self.assertEqual(text.splitlines(), [
                "paused: replay_divergence (mend it)", f"mend it, then: narrow resume {JOB}",
            ] if ends else text.splitlines())
            self.assertEqual("mend it" in text, ends)

    def test_attempts_and_rounds(self):
        """What is unusual about the question that is out, as it is drawn and as it is printed."""
        usual = {"trial": 7, "kind": "evaluate", "since": "2026-03-02T09:01:00.000Z", "attempt": 1,
                 "evaluator": "http://h", "last_error": None, "next_try_at": None}
        confirm = {**usual, "kind": "confirm", "subject": 23, "round": 2}
        busy = {**usual, "attempt": 2, "last_error": "no\u202e memory",
                "next_try_at": "2026-03-02T09:01:12.000Z"}
        clock = {"active_s": 0, "running_since": "2026-03-02T09:00:30.000Z"}  # made at 09:01:00
        for question, drawn, printed in (
            (usual, None, None), ({**usual, "attempt": 3}, "trial 7: attempt 3", "trial 7: attempt 3"),
            (busy, r"trial 7: next try in (12\.0|11\.\d) s",
             r"trial 7: next try at 2026-03-02 09:01:12, after: no\?+ memory"),
            (confirm, "round 2 of the proof: trial 23 again", "round 2 of the proof: trial 23 again"),
            ({**confirm, "round": 1, "subject": 0}, "round 1 of the proof: the baseline again", "the baseline again"),
            ({**confirm, "round": 0}, "choice of the best: trial 23 again", "choice of the best: trial 23"),
        ):
            document = job(measured=10, clock=clock)
            document["progress"]["out"] = [question]
            replies = [self.tagged(1, document), self.tagged(2, job("completed", 10, best_trial(True)))]
            _, output = self.on_terminal(self.serve_in_turn(*replies), 160)
            lines = self.runs(OK, self.serve_in_turn(*replies), "watch", JOB)
            with self.subTest(question):
                self.assertEqual("(" in drawn_lines(output)[0], drawn is not None)
                self.assertRegex(drawn_lines(output)[0], rf"\({drawn}\)" if drawn else "trials")
                self.assertRegex(lines.splitlines()[0], printed or "trials")

    def test_a_queued_job_says_what_it_waits_for(self):
        waiting = {"reason": "places_taken", "since": "2026-03-02T09:00:00.000Z",
                   "detail": "the evaluator takes 1 at once", "evaluator": "http://h"}
        queued = job("queued")
        queued["progress"]["waiting"] = waiting
        replies = [self.tagged(1, queued), self.tagged(2, job("completed", 10, best_trial(True)))]
        _, output = self.on_terminal(self.serve_in_turn(*replies), 80)
        self.assertIn("(places taken)", drawn_lines(output)[0])
        text = self.runs(OK, self.serve_in_turn(*replies), "watch", JOB)
        self.assertIn("(places taken since 2026-03-02 09:00:00: the evaluator takes 1 at once)", text)

    def test_why_the_best_became_a_slower_one(self):
        fast = {**best_trial(True), "trial": 7, "objective_value": 9.5}
        now = {**best_trial(True), "verdict": "1.67 times as fast; trial 7 measured 2.5 times as fast, but loses 2 %"}
        why = f"trial 7 had latency_ms 9.5, trial 23 has 12.3 and is the best all the same: {now['verdict']}\n"
        another = {**now, "verdict": now["verdict"].replace("trial 7", "trial 70")}
        for first, then, said in ((fast, now, 1), (fast, best_trial(True), 0), (fast, {**now, "verdict": "1.67 times as fast"}, 0), (fast, another, 0), (now, now, 0), ({**fast, "feasible": False}, now, 0), ({**fast, "objective_value": 20.5}, now, 0)):
            replies = [self.tagged(1, job(measured=10, best=first)), self.tagged(2, job(measured=12, best=then)), self.tagged(3, job("completed", 12, then))]
            text = self.runs(OK, self.serve_in_turn(*replies), "watch", JOB)
            self.assertEqual((text.count(why), text.count("all the same")), (said, said), text)
            _, output = self.on_terminal(self.serve_in_turn(*replies), 80)
            self.assertEqual(why.strip() in output, said == 1)
        ended = [self.tagged(1, job(measured=10, best=fast)), self.tagged(2, job("completed", 12, now))]
        text = self.runs(OK, self.serve_in_turn(*ended), "watch", JOB)
        self.assertEqual(text.count(now["verdict"]), 1, "the verdict stands at the end anyway")

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

    def test_a_job_that_has_ended_has_no_stage(self):
        """"failed  culprit" would read as if that were why."""
        failed = job("failed", measured=1, progress={"stage": "culprit", "asked": 3, "told": 1, "failed": 2}, exit={"reason": "too_many_failures", "detail": "more trials failed than max_failed_trials allows"})
        text = self.runs(NOT_MET, self.serve_in_turn(self.tagged(1, failed)), "watch", JOB)
        self.assertTrue(text.startswith("failed  1/100 trials, 2 failed  "), text)

    def test_a_restart_of_the_daemon_is_survived(self):
        busy = problem(503, "draining", "Shutting down", "later")
        server = self.serve_in_turn(
            self.tagged(1, job(measured=1)), None, busy, None,
            self.tagged(2, job("completed", 2, best_trial(True))),
        )
        self.assertIn("criterion_met", self.runs(OK, server, "watch", JOB))
        self.assertEqual(len(server.requests), 5)

    def test_active_time_that_a_killed_daemon_forgot_is_told_of(self):
        """Only with its results does a job's log say for how long it was active."""
        said = r"the daemon was started anew, or another one took over: (\d+\.\d) s of the job's active time, since its last result, were not stored and do not count\n"

        def at(tag, elapsed, active=None, since=0):
            """Of one whose clock has run since so many seconds past nine for what is not in `active`."""
            document = job(measured=1)
            clock = {} if active is None else {"clock": {"active_s": active, "running_since": f"2026-03-02T09:{since // 60:02}:{since % 60:02}.000Z"}}
            return self.tagged(tag, {**document, **clock, "budget": {**document["budget"], "elapsed_s": elapsed}})

        for replies, lost in (
            ([at(1, 50, 0, 0), None, at(2, 0, 0, 52)], 50),
            ([at(1, 50, 0, 0), None, at(2, 45, 0, 52)], 50),  # asked when it had been back for long
            ([at(1, 50, 0, 0), None, at(2, 55, 0, 52)], 50),
            ([at(1, 50, 0, 0), None, at(2, 55, 40, 67)], 10),  # and has a result since
            ([at(1, 50, 0, 0), None, at(2, 55, 0, 0)], None),  # nobody could ask, and nothing happened
            ([at(1, 50, 0, 0), None, at(2, 55, 40, 40)], None),
            ([at(1, 50, 0, 0), at(2, 0, 0, 52)], None),  # never away
            ([at(1, 50, 0, 0), None, at(2, 0)], None),  # from the store of a spare daemon
        ):
            replies.append(self.tagged(3, job("completed", 2, best_trial(True))))
            with self.subTest(lost, replies=[reply and reply.body for reply in replies[:-1]]):
                server = self.serve_in_turn(*replies)
                text = self.runs(OK, server, "watch", JOB)
                self.assert_told(re.findall(said, text), lost)
                self.assertEqual([r.headers["If-None-Match"] for r in server.requests[1:3]], ['"1"', None if None in replies else '"2"'], "at once where it is")
                _, output = self.on_terminal(self.serve_in_turn(*replies), 200)
                self.assert_told(re.findall(said.replace("\\n", ""), output), lost)

    def assert_told(self, told, lost):
        """Once, with what had passed until the daemon was missed, or not at all."""
        self.assertEqual(len(told), int(lost is not None), told)
        for seconds in told:
            self.assertGreaterEqual(float(seconds), lost)
            self.assertLess(float(seconds), lost + 30)

    def test_a_killed_daemon_and_its_job(self):
        """A question is out for longer than the second from which on it is told."""
        with tempfile.TemporaryDirectory() as directory, Daemon(directory, port=free_port()) as daemon:
            evaluator = jobkit.Evaluator(lambda q, h: {"accuracy": 0.9, "latency_ms": 10} if q["question"] == "baseline" else (503, {}, {"Retry-After": "100000"}))
            self.addCleanup(evaluator.close)
            made = jobkit.submit(daemon, jobkit.body(evaluator.url))
            path = f"/v1/jobs/{made}"
            jobkit.wait_until(lambda: jobkit.get(daemon, path)["state"] == "running")
            watch = subprocess.Popen([NARROW, "watch", made], env=self.environment(daemon.url), text=True, stdout=subprocess.PIPE)
            self.addCleanup(watch.stdout.close)
            self.addCleanup(watch.wait)
            self.addCleanup(watch.kill)
            impatience = threading.Timer(PATIENCE_S, watch.kill)
            impatience.start()
            self.addCleanup(impatience.cancel)
            self.assertIn("stage", watch.stdout.readline())
            jobkit.wait_until(lambda: (now := jobkit.get(daemon, path))["budget"]["elapsed_s"] - now["clock"]["active_s"] > 3)
            daemon.kill9()
            daemon.start()
            while not (line := watch.stdout.readline()).startswith("the daemon was started anew"):
                self.assertNotEqual(line, "")

    def test_a_daemon_that_is_being_started_is_waited_for(self):
        """By an id, and by a name, which is looked up first."""
        done = job("completed", 2, best_trial(True))
        for command, word in (("watch", JOB), ("wait", "last")):
            with tempfile.TemporaryDirectory() as directory, self.subTest(command):
                path = os.path.join(directory, "socket")
                narrow = subprocess.Popen([NARROW, "--server", f"unix:{path}", command, word], env=self.environment(""), text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.addCleanup(narrow.kill)
                self.assertEqual(narrow.stderr.readline(), "narrow: the daemon is not ready yet; trying for 15 seconds\n")
                with Server(lambda r, d=done: {"items": [d], "next": None} if r.path == "/v1/jobs" else Reply(200, d), path):
                    output, errors = narrow.communicate(timeout=PATIENCE_S)
                self.assertEqual((narrow.returncode, errors), (OK, ""))
                self.assertIn("criterion_met", output)

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

    def on_terminal(self, server, columns, **more):
        return super().on_terminal(server, columns, "watch", JOB, **more)

    def first_line(self, columns, **members):
        """What a terminal of that width shows first."""
        server = self.serve_in_turn(
            self.tagged(1, job(**members)), self.tagged(2, job("completed", 80, best_trial(True))))
        _, output = self.on_terminal(server, columns)
        for line in drawn_lines(output):
            if line.startswith(("running", "[", "75")):
                self.assertLess(len(line), columns)
                return line
        self.fail(output)

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
        self.assertRegex(lines[0], r"2m30s, about 2m27s left$")
        self.assertIn(f"[{'#' * 18}{'-' * 6}] 75/100 trials", lines[1])
        self.assertIn("best: trial 23", lines[1])
        self.assertEqual(output.count("\n"), 3)
        self.assertEqual(output.count("\r\n"), 3, "the bar is left before the summary")

    def test_what_a_narrow_terminal_leaves_out(self):
        """First the stage goes, then the bar gets shorter, then words are spared."""
        shown = {columns: self.first_line(columns, measured=75, best=best_trial(True))
                 for columns in (200, 116, 80, 60, 50, 40)}
        for line in shown.values():
            self.assertRegex(line, r"75/100.*  best:? .*12\.3 \(2\.31x\)  .*1m14s left$")
        has = {name: [columns for columns, line in shown.items() if re.search(what, line)]
               for name, what in (("stage", "fallback"), ("state", "running"), ("bar", r"\[#"))}
        self.assertEqual(has, {"stage": [200], "state": [200, 116, 80], "bar": [200, 116, 60]})
        self.assertRegex(shown[80], r"^running  75/100 trials  best: trial 23, 12\.3 \(2\.31x\)  "
                                    r".*1m14s left$")
        self.assertEqual(shown[40], "75/100  best 12.3 (2.31x)  1m14s left")

    def test_counts_and_best_are_never_cut(self):
        progress = {"stage": "x", "asked": 1, "told": 1, "failed": 2}
        for columns in (80, 40, 30):
            line = self.first_line(columns, measured=75, best=best_trial(True), progress=progress)
            self.assertRegex(line, r"75/100( trials)?, 2 failed  best:? .*12\.3( \(2\.31x\))?")
            line = self.first_line(columns, measured=75, best=best_trial(False))
            self.assertRegex(line, r"75/100( trials)?  best:? .*12\.3.* misses")

    def test_scoring_shows_how_far_it_is_and_since_when(self):
        since = {"trial": 1, "kind": "score", "since": "2026-03-02T09:00:01.000Z", "attempt": 1,
                 "last_error": None, "next_try_at": None, "evaluator": "evl_1"}
        members = {
            "progress": {"stage": "score", "asked": 1, "told": 1, "failed": 0, "out": [since]},
            "clock": {"active_s": 10.0, "running_since": "2026-03-02T08:59:51.500Z"},
            "budget": {"max_trials": 100, "timeout": 0, "trials_measured": 0, "elapsed_s": 188019.5},
        }
        for columns in (200, 80, 40):
            self.assertIn("(scoring for 2d04h)", self.first_line(columns, **members))
        server = self.serve_in_turn(
            self.tagged(1, job(**members)), self.tagged(2, job("completed", 1, best_trial(True))))
        text = self.runs(OK, server, "watch", JOB)
        self.assertIn("(scoring since 2026-03-02 09:00:01)", text.splitlines()[0])
        text = self.runs(OK, self.serve(job(**members)), "show", JOB)
        self.assertIn("trial 1 (score) at evl_1 since 2026-03-02 09:00:01 (2d04h)", text)
        since.update(seen=12, total=120)
        self.assertIn("(scoring 12 of 120 for 2d04h)", self.first_line(80, **members))
        text = self.runs(OK, self.serve(job(**members)), "show", JOB)
        self.assertIn("09:00:01 (2d04h), attempt 1, 12 of 120", text)
        text = self.runs(OK, self.serve({"items": [job(**members)], "next": None}), "jobs")
        self.assertIn("scoring 12 of 120 since 2026-03-02 09:00:01", text, "a list does not say when it was made")

    def test_that_nothing_gains_is_said_once(self):
        progress = {"stage": "x", "asked": 5, "told": 5, "failed": 0, "hint": "look at\x1b it"}
        best = {**best_trial(True), "keep_baseline": True, "verdict": None}
        replies = [
            self.tagged(1, job(measured=4, best=best)),
            self.tagged(2, job(measured=5, progress=progress, best=best)),
            self.tagged(3, job(measured=6, progress=progress, best=best)),
            self.tagged(4, job(measured=7, progress=progress, best=best_trial(True))),
            self.tagged(5, job("completed", 7, {**best, "verdict": "keep fp32: it is no faster"}, progress=progress)),
        ]
        said = "no gain so far: look at? it"
        lines = self.runs(KEEP, self.serve_in_turn(*replies), "watch", JOB).splitlines()
        self.assertEqual([line == said for line in lines[:3]], [False, True, False])
        self.assertEqual(lines.count(said), 1)
        self.assertEqual(["(no gain so far)" in line for line in lines], [False, False, True, True] + (len(lines) - 4) * [False], "the end is no so far")
        self.assertEqual(lines[-1], "keep fp32: it is no faster")
        code, output = self.on_terminal(self.serve_in_turn(*replies), 100)
        self.assertEqual((code, output.count(said)), (KEEP, 1))
        ends = [line for line in drawn_lines(output) if line.startswith("completed")]
        self.assertEqual(["no gain" in line for line in ends], [False] * 2)
        self.assertIn(f"{said}\033[K\r\n", output)

    def test_a_stage_is_explained_once(self):
        def at(number, stage, words, **more):
            progress = {"stage": stage, **words, "asked": number, "told": number, "failed": 0}
            return self.tagged(number, job(measured=number, progress=progress, **more))

        replies = [at(1, "sgp", best := {"stage_words": "what is best"}), at(2, "culprit", {"stage_words": "who was it"}), at(3, "sgp", best), at(4, "own", {}),
                   self.tagged(5, job("completed", 5, best_trial(True)))]
        lines = self.runs(OK, self.serve_in_turn(*replies), "watch", JOB).splitlines()
        self.assertEqual([line.split("  ")[0] for line in lines[:6]],
                         ["stage sgp: what is best", "running", "stage culprit: who was it", "running", "running", "running"])
        code, output = self.on_terminal(self.serve_in_turn(*replies), 100)
        self.assertEqual((code, output.count("stage sgp: what is best\033[K\r\n"), output.count("stage ")), (OK, 1, 2))

    def test_leaving_says_that_the_job_goes_on(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def answer(request):
            if request.headers["If-None-Match"] is not None:
                over.wait(PATIENCE_S)
            return self.tagged(1, job(measured=1))

        def interrupt(output, process):
            if "1/100" in output and "goes on" not in output:
                process.send_signal(signal.SIGINT)

        code, output = self.on_terminal(self.serve(answer), 80, seen=interrupt)
        self.assertEqual(code, -signal.SIGINT)
        self.assertIn(f"the job goes on; to come back: narrow watch {JOB}; to end it: narrow cancel",
                      output)

    def test_a_terminal_that_cannot_redraw_gets_lines(self):
        server = self.serve_in_turn(
            self.tagged(1, job(measured=75, best=best_trial(True))),
            self.tagged(2, job("completed", 80, best_trial(True))),
        )
        code, output = self.on_terminal(server, 80, TERM="dumb")
        self.assertEqual((code, len(output.splitlines())), (OK, 4), output)
        self.assertNotRegex(output, r"\033|\r(?!\n)")
        self.assertNotIn("[#", output)

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

        def seen(output, _):
            if len(set(times(output))) > 1:
                redrawn.set()

        def answer(request):
            if request.headers["If-None-Match"] is None:
                return self.tagged(1, job(measured=1))
            redrawn.wait(PATIENCE_S)
            return self.tagged(2, job("completed", 1, best_trial(True)))

        _, output = self.on_terminal(self.serve(answer), 200, seen=seen)
        self.assertEqual(times(output)[0], "3.0")
        self.assertTrue(redrawn.is_set(), "the elapsed time was redrawn")


if __name__ == "__main__":
    unittest.main()
