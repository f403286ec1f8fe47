"""The command line: what it prints for people."""

import json
import re
import unittest

from cli_kit import JOB, NOT_MET, OK, REFUSED, CliTest, best_trial, job, problem
from scripted import Reply


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
        best = {**best_trial(True), "verdict": "2.31 times as fast"}
        warnings = [{"pointer": "/a", "detail": "ignored"}, {"pointer": "/b", "detail": "odd"}]
        first = job(name="k\u00f6ln \u001b[2J", best=best, warnings=warnings)
        old = job("completed", best={**best_trial(True), "keep_baseline": True, "verdict": None})
        pages = {
            None: {"items": [first], "next": "a/b=&c"},
            "a/b=&c": {"items": [job("queued", name=None, baseline=None), old], "next": None},
        }
        server = self.serve(lambda request: pages[request.query.get("cursor")])
        text = self.runs(OK, server, "jobs", "--state", "run&ning")
        self.assertEqual([r.query["state"] for r in server.requests], ["run&ning"] * 2)
        self.assert_aligned(text, ["NAME", "STATE", "STRATEGY", "CREATED", "VERDICT"])
        rows = [line.split() for line in text.splitlines()]
        self.assertEqual(rows[1][:4], [JOB, "k\u00f6ln", "?[2J", "running"])
        self.assertEqual(rows[1][5:], ["0/100", "0.7543", "12.3", "2.31x", "2", "2026-03-02",
                                       "09:00:00", "so", "far:", "ship"])
        self.assertEqual(rows[2][:3], [JOB, "-", "queued"])
        self.assertEqual(rows[2][4:], ["0/100", "-", "-", "-", "-", "2026-03-02", "09:00:00", "-"])
        self.assertEqual(rows[3][-2:], ["keep", "baseline"])

    def test_jobs_on_a_narrow_terminal(self):
        """What decides stays: which job, how far it is, and what came of it."""
        jobs = [job("completed", 21, best_trial(True)), job("running", 3, best_trial(False))]
        server = self.serve({"items": jobs, "next": None})
        for columns, heads in ((200, 11), (100, 6), (80, 4), (40, 4)):
            code, text = self.on_terminal(server, columns, "jobs", NO_COLOR="1")
            lines = text.splitlines()
            self.assertEqual((code, len(re.split(r" {2,}", lines[0]))), (OK, heads), text)
            self.assertRegex(lines[1], rf"^{JOB} .*completed .*21/100 .*ship$")
            self.assertRegex(lines[2], rf"^{JOB} .*running .* 3/100 .*criterion missed$")
            if columns >= 80:
                self.assertLessEqual(max(map(len, lines)), columns)

    def test_jobs_say_what_they_wait_for(self):
        waiting = {"reason": "places_taken", "since": None, "detail": "1", "evaluator": None}
        out = [{"trial": 0, "kind": "baseline", "worker": None, "attempt": 0, "since": None,
                "last_error": None, "next_try_at": None}]
        progress = job()["progress"]
        server = self.serve({"items": [
            job("queued", progress={**progress, "waiting": waiting}),
            job("baseline", progress={**progress, "out": out}, evaluator={"pool": "gpu"}),
        ], "next": None})
        lines = self.runs(OK, server, "jobs").splitlines()
        self.assertTrue(lines[1].endswith("  places taken"), lines)
        self.assertTrue(lines[2].endswith("  no worker"), lines)

    def test_a_list_in_json_is_one_document(self):
        pages = {None: {"items": [{"a": 0.1}], "next": "x"}, "x": {"items": [{"a": 2}], "next": None}}
        server = self.serve(lambda request: pages[request.query.get("cursor")])
        text = self.runs(OK, server, "jobs", "--json")
        self.assertEqual(json.loads(text), {"items": [{"a": 0.1}, {"a": 2}], "next": None})
        text = self.runs(OK, server, "jobs", "--jsonl")
        self.assertEqual(text, '{"a":0.1}\n{"a":2}\n')
        single = self.serve(Reply(200, b'{"items": [ 1 ],\n "next": null, "more": 1}'))
        self.assertEqual(self.runs(OK, single, "jobs", "--json"), '{"items": [ 1 ],\n "next": null, "more": 1}\n')
        empty = self.serve({"items": [], "next": None})
        self.assertEqual(json.loads(self.runs(OK, empty, "jobs", "--json")), {"items": [], "next": None})
        self.assertEqual(self.runs(OK, empty, "jobs", "--jsonl"), "")

    def test_trials(self):
        told = {
            "number": 7, "kind": "evaluate", "stage": "fallback", "state": "told", "attempts": 2,
            "source": "measured", "accuracy": {"top1": 0.75, "top5": 0.9312349},
            "objective_value": 1234567.8, "feasible": False, "error": None,
        }
        failed = {
            "number": 12, "hash": "cc", "kind": "confirm", "stage": None, "state": "failed", "attempts": 1,
            "source": "cache", "accuracy": None, "objective_value": 3.2e-7, "feasible": None,
            "error": "no kernel",
        }
        server = self.serve({"items": [told, failed], "next": None})
        text = self.runs(OK, server, "trials", JOB)
        self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}/trials")
        self.assert_aligned(text, ["STAGE", "STATE", "MET"])
        cells = [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]
        self.assertEqual(cells, [
            ["7", "fallback", "told", "top1 0.75, top5 0.93123", "1234568", "no", "asked 2 times"],
            ["12", "-", "failed", "-", "3.2e-07", "-", "confirm, cache, no kernel"],
        ])

    def test_stages_are_explained_below(self):
        """Each that stands in the table and that the daemon has words for, once."""
        row = {"kind": "evaluate", "state": "told", "attempts": 1, "source": "measured", "accuracy": 0.7, "objective_value": 2,
               "feasible": True, "error": None}
        items = [{**row, "number": number, "stage": stage} for number, stage in enumerate(("culprit", "own", "rival", "culprit"))]
        stages = {"rival": "what else\x1b", "culprit": "who was it", "sgp": "not there"}
        server = self.serve(lambda r: {"items": [], "stages": stages} if r.path == "/v1/strategies" else {"items": items, "next": None})
        self.assertEqual(self.runs(OK, server, "trials", JOB).split("\n\n")[1],
                         "STAGE    WHAT IS TRIED\nculprit  who was it\nrival    what else?\n")
        self.assertEqual(json.loads(self.runs(OK, server, "trials", JOB, "--json"))["items"], items)
        progress = {"stage": "culprit", "stage_words": "who was it", "asked": 1, "told": 0, "failed": 0}
        self.assertRegex(self.runs(OK, self.serve(job(progress=progress)), "show", JOB), r"(?m)^stage +culprit: who was it$")

    def test_whose_config_is_measured_again(self):
        base = {"kind": "evaluate", "stage": "sgp", "state": "told", "attempts": 1, "source": "measured", "accuracy": 0.7,
                "objective_value": 2, "feasible": True, "error": None}
        items = [{**base, "number": 1, "hash": "aa", "kind": "score"}, {**base, "number": 3, "hash": "aa"}, {**base, "number": 4, "hash": "aa", "stage": "repeat"},
                 {**base, "number": 5, "hash": None, "kind": "confirm"}, {**base, "number": 6, "hash": "aa", "kind": "confirm"},
                 {**base, "number": 7, "hash": "bb", "kind": "confirm"}]
        text = self.runs(OK, self.serve({"items": items, "next": None}), "trials", JOB)
        notes = [re.split(r" {2,}", line.strip())[6:] for line in text.splitlines()[1:]]
        self.assertEqual(notes, [["score"], [], ["again, of trial 3"], ["confirm of the baseline"], ["confirm of trial 3"], ["confirm"]])

    def test_sensitivity(self):
        known = {
            "op": "conv1", "type": "Conv2d", "method": "mse", "score": 0.5, "precision": "fp32",
            "trial": 9, "base": 1, "accuracy_change": 0.25, "latency_change_ms": -1.5,
            "options": [{"mode": "static", "loss": {"mean": 0.7, "spread": 0.25}}, {"mode": "static", "loss": {"mean": 0.5, "spread": 0.25}}],
            "least": 1,
        }
        unknown = {**dict.fromkeys(known), "op": "fc", "type": "Linear"}
        helps = {**unknown, "op": "pool", "options": [{"mode": "static", "loss": {"mean": -0.01, "spread": 0.5}}], "least": 0}
        server = self.serve({"items": [known, unknown, helps], "next": None})
        text = self.runs(OK, server, "sensitivity", JOB)
        self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}/sensitivity")
        cells = [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]
        self.assertEqual(cells, [["conv1", "Conv2d", "0.5", "mse", "fp32", "0.25", "-1.5", "0.5",
                                  "0.25"],
                                 ["pool", "Linear", "-", "-", "-", "-", "-", "0", "0.5"],
                                 ["fc", "Linear", "-", "-", "-", "-", "-", "-", "-"]])

    def test_what_suffers_most_is_on_top(self):
        believed = [{"op": f"b{mean}", "options": [{"loss": {"mean": mean, "spread": 0.1}}], "least": 0} for mean in (0.2, 3, 0.7)]
        seen = [{"op": "s1", "accuracy_change": 0.1}, {"op": "s2", "accuracy_change": 0.4}]
        scored = [{"op": "c1", "score": 5}, {"op": "c2", "score": 70}]
        items = [{"op": "z", "type": "Linear"}, *scored, *seen, *believed, {"op": "a", "type": "Linear"}]
        text = self.runs(OK, self.serve({"items": items, "next": None}), "sensitivity", JOB)
        self.assertEqual([line.split()[0] for line in text.splitlines()[1:]],
                         ["b3", "b0.7", "b0.2", "s2", "s1", "c2", "c1", "a", "z"])

    def test_events_have_times_that_can_be_read(self):
        event = {"n": 7, "at": "2026-03-02T09:00:01.000Z", "type": "question_leased", "trial": 2,
                 "data": {"attempt": 1, "expires_at": 1772442000000}}
        text = self.runs(OK, self.serve({"items": [event], "next": None}), "events", JOB)
        self.assertEqual(text, "2026-03-02 09:00:01  question_leased  trial 2  attempt 1  expires_at 2026-03-02 09:00:00\n")

    def test_events_say_what_a_stage_is_for_where_it_begins(self):
        at = "2026-03-02T09:00:01.000Z"
        items = [{"n": n, "at": at, "type": kind, "trial": None, "data": {"stage": stage}} for n, (kind, stage) in
                 enumerate((("stage_entered", "culprit"), ("question_asked", "culprit"), ("stage_entered", "own"), ("stage_entered", "culprit")), 1)]
        server = self.serve(lambda r: {"items": [], "stages": {"culprit": "who was\x1b it"}} if r.path == "/v1/strategies" else {"items": items, "next": None})
        said = [line.partition("01  ")[2] for line in self.runs(OK, server, "events", JOB).splitlines()]
        self.assertEqual(said, ["stage_entered  stage culprit: who was? it", "question_asked  stage culprit", "stage_entered  stage own",
                                "stage_entered  stage culprit: who was? it"])
        self.assertEqual([r.path for r in server.requests].count("/v1/strategies"), 1)

    def test_show(self):
        text = self.runs(OK, self.serve(job("completed", 40, best_trial(True))), "show", JOB)
        pairs = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in text.splitlines())
        self.assertEqual(pairs["state"], "completed after 40 of 100 trials: criterion_met (trial 23 meets it)")
        self.assertEqual(pairs["trials"], "40/100")
        self.assertEqual(pairs["active for"], "2m00s")
        self.assertEqual(pairs["objective"], "latency_ms")
        self.assertEqual(
            pairs["criterion"], "relative loss of at most 1 %: accuracy at least 0.75349"
        )
        self.assertEqual(
            pairs["best"], "trial 23, accuracy 0.7543 (loss 0.89 %), latency_ms 12.3 (2.31x)"
        )

    def test_show_has_what_people_noted(self):
        labels = {"latency_ms": "CPU time\u001b[2J", "narrowd-call": "1234"}
        text = self.runs(OK, self.serve(job(labels=labels)), "show", JOB)
        self.assertRegex(text, r"(?m)^label +latency_ms: CPU time\?\[2J$")
        self.assertNotIn("1234", text)

    def test_show_has_the_verdict_and_every_warning(self):
        best = {**best_trial(True), "verdict": "2.31 times\u001b[2J as fast"}
        given = [{"pointer": "/op_type_dict/fc", "detail": "ignored\u001b[2J"},
                 {"pointer": None, "detail": "odd"}]
        text = self.runs(OK, self.serve(job("running", best=best, warnings=given)), "show", JOB)
        rows = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in text.splitlines()]
        self.assertIn(["verdict", "2.31 times?[2J as fast"], rows)
        self.assertEqual([row[1] for row in rows if row[0] == "warning"],
                         ["/op_type_dict/fc: ignored?[2J", "odd"])

    def test_names_cannot_turn_the_direction_of_writing(self):
        for sign in "\u202e\u2066\u200f\u061c\u2028\u0085\x7f":
            text = self.runs(OK, self.serve(job(name=f"a{sign}b")), "show", JOB)
            self.assertNotIn(sign, text)
            self.assertRegex(text, r"(?m)^name +a\?+b$")
        text = self.runs(OK, self.serve(job(name="\u65e5\u672c \u20ac")), "show", JOB)
        self.assertIn("\u65e5\u672c \u20ac", text)

    def test_show_says_why_a_job_paused_itself(self):
        pause = {"reason": "evaluator_broken", "detail": "no disk\x1b[2J"}
        text = self.runs(OK, self.serve(job("paused", pause=pause)), "show", JOB)
        self.assertRegex(text, r"(?m)^state +paused: evaluator_broken \(no disk\?\[2J\)$")
        self.assertRegex(text, rf"(?m)^ +mend it, then: narrow resume {JOB}$")

    def test_show_says_where_a_job_is(self):
        text = self.runs(OK, self.serve(job("baseline", baseline=None)), "show", JOB)
        self.assertRegex(text, r"(?m)^state +measuring the baseline$")

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
        self.assertEqual(pairs["high precision"], "conv2 (fp32), fc (bf16); the other 3 quantized")

    def test_a_loss_of_rounding_is_none(self):
        for loss, shown in ((-1.1e-16, "loss 0 %"), (1.1e-16, "loss 0 %"), (-0.001, "gain 0.1 %"), (1e-6, "loss 0.0001 %")):
            document = job("completed", 40, {**best_trial(True), "accuracy_loss": loss})
            self.assertIn(f"({shown})", self.runs(OK, self.serve(document), "show", JOB))

    def test_the_baseline_is_the_one_that_the_speedup_is_against(self):
        """The end game measures it again, and on the acceptance data: its first figures say something else then."""
        again = {"accuracy": 0.7311, "objective_value": 24.6}
        server = self.serve_best("completed", True, speedup=2.0, baseline=again)
        text = self.runs(OK, server, "best", JOB)
        self.assertIn("latency_ms 12.3, baseline 24.6, speed-up 2x", text)
        self.assertIn("0.7543, baseline 0.7311, loss", text)
        server = self.serve_best("completed", True, speedup=None, gain=0.5669)
        self.assertIn("latency_ms 12.3, baseline 28.4, gain +", self.runs(OK, server, "best", JOB))
        for baseline, shown in (
            (again, "accuracy 0.7311, latency_ms 24.6"),
            ({**again, "objective_value": 28.4}, "accuracy 0.7311"),
            ({**again, "accuracy": 0.7611}, "latency_ms 24.6"),
        ):
            with self.subTest(shown):
                best = {**best_trial(True), "baseline": baseline}
                text = self.runs(OK, self.serve(job("completed", 40, best)), "show", JOB)
                self.assertIn(f"measured again  {shown} on average, which the best is compared with", text)
                text = self.runs(OK, self.serve(self.front(best)), "pareto", JOB)
                self.assertIn(f"measured first. Measured again it has {shown} on average, which best is compared with.\n", text)
        for command in ("show", "pareto"):
            self.assertNotIn("on average", self.runs(OK, self.serve(self.front(best_trial(True))), command, JOB))

    def test_what_stands_together_is_against_one_baseline(self):
        """Under several objectives the gain is by all measurements of the baseline, and so is each metric beside it."""
        best = {"metrics": {"latency_ms": 93.859}, "speedup": None, "gain": 0.0154}
        for baseline, was in (({"accuracy": 0.76, "objective_value": None, "metrics": {"latency_ms": 97.2}}, "97.2"), ({"accuracy": 0.76, "objective_value": None}, "28.4")):
            document = {**job("completed", 40, {**best_trial(True), **best, "baseline": baseline}), "objective": [{"metric": "latency_ms"}, {"metric": "accuracy"}]}
            text = self.runs(OK, self.serve(lambda r, d=document: {**d["best"], "config": None} if r.path.endswith("/best") else d), "best", JOB)
            self.assertIn(f"93.859, baseline {was}\n", text)

    def front(self, best):
        point = {"number": 23, "kind": "evaluate", "objective": "latency_ms", "value": 12.3, "speedup": 2.31, "feasible": True}
        return lambda r: {"items": [point], "next": None} if r.path.endswith("/pareto") else job("completed", 40, best)

    def test_the_accuracy_that_may_just_be_is_the_one_it_was_judged_by(self):
        moved = "accuracy at least {} beside a baseline of 0.7311 (0.75349 in the search)"
        for higher, criterion, said in ((True, "relative", moved.format("0.72379")), (True, "absolute", moved.format("0.7211")),
                                        (False, "relative", "accuracy at most 0.73841 beside a baseline of 0.7311 (0.75349 in the search)")):
            best = {**best_trial(True), "baseline": {"accuracy": 0.7311, "objective_value": 24.6}, "config": {"ops": self.OPS}}
            document = job("completed", 40, best)
            document["criterion"].update(criterion=criterion, higher_is_better=higher)
            for command in ("show", "best"):
                with self.subTest(said, command=command):
                    server = self.serve(lambda r: best if r.path.endswith("/best") else document)
                    self.assertIn(said, self.runs(OK, server, command, JOB))
        same = {**best_trial(True), "baseline": {"accuracy": 0.7611 + 1.2e-16, "objective_value": 24.6}}
        self.assertIn("accuracy at least 0.75349\n", self.runs(OK, self.serve(job("completed", 40, same)), "show", JOB))

    def test_of_two_sets_of_operators_the_smaller_one_is_listed(self):
        for high, quantized, row in (
            ([], ["a", "b"], "high precision  none, all 2 quantized"),
            (["x"], ["a"], "high precision  x (fp32); the other 1 quantized"),
            (["x", "y"], ["a"], "quantized  a (static); the other 2 in high precision"),
            (["x"], [], "quantized  none, all 1 in high precision"),
        ):
            modes = {**dict.fromkeys(high, "fp32"), **dict.fromkeys(quantized, "static")}
            ops = {name: {"mode": mode} for name, mode in modes.items()}
            server = self.serve_best("completed", True, config={"ops": ops})
            with self.subTest(row):
                self.assertIn(row, self.runs(OK, server, "best", JOB).splitlines())

    def test_what_cannot_be_lowered_is_one_number(self):
        """Nobody kept it: it had no choice."""
        modes = {"a": ["static"], "b": ["static", "fp32"], "c": ["fp32", "bf16"], "d": ["fp32"], "e": []}
        space = {"ops": [{"name": name, "modes": dict.fromkeys(has, {})} for name, has in modes.items()]}
        best = {**best_trial(True), "config": {"ops": {"a": {"mode": "static"}, **{name: {"mode": "fp32"} for name in "bcde"}}}}
        answers = {"best": best, "space": space, "trials": {"items": [], "next": None}}
        lines = self.runs(OK, self.serve(lambda r: answers.get(r.path.rpartition("/")[2], job("completed", 40, best))), "best", JOB).splitlines()
        for row in ("operators  fp32 2, static 1", "quantized  a (static); the other 2 in high precision", "besides    2 that cannot be lowered"):
            self.assertIn(row, lines)

    def test_what_a_larger_loss_would_give_is_searched_for_by_a_clone(self):
        """Of a script's job, too, which has to be called again: what is printed says both."""
        for evaluator, then in (({"pool": "call-1", "start": "run the same script again"}, "; to have that measured: run the same script again"),
                                ({"url": "http://h"}, "")):
            document = job("completed", 40, best_trial(True), evaluator=evaluator)
            best = {**best_trial(True), "config": {"ops": self.OPS}, "tolerable_loss": 0.03}
            text = self.runs(OK, self.serve(lambda r, best=best, document=document: best if r.path.endswith("/best") else document),
                             "best", JOB, "--tolerable-loss", "0.03")
            self.assertEqual(text.splitlines()[-1], "Chosen by what was measured, once or more. To search on and measure again: "
                             f"narrow clone {JOB} --warm-start --set accuracy_criterion.tolerable_loss=0.03{then}")

    def test_a_smaller_model_that_is_slower(self):
        best = {**best_trial(True), "metrics": {"model_size_bytes": 12.3, "latency_ms": 99.8}}
        document = job("completed", 40, best, objective=[{"metric": "model_size_bytes", "weight": 1, "direction": "min"}])
        server = self.serve(lambda r: {"items": [], "next": None} if r.path.endswith("/trials") else best
                            if r.path.endswith("/best") else document)
        text = self.runs(OK, server, "best", JOB)
        self.assertRegex(text, r"(?m)^latency_ms +99.8, baseline 28.4$")
        self.assertRegex(text, r"(?m)^objective +model_size_bytes 12.3.*, smaller 2.31x$")

    def test_what_all_quantized_operators_have_in_common(self):
        """Else two winners with the same operators in int8 look the same."""
        weight = {"dtype": "int8", "granularity": "per_tensor"}
        ops = {"a": {"mode": "static", "weight": weight, "activation": {"algorithm": "kl"}},
               "b": {"mode": "static", "weight": weight, "activation": {"algorithm": "minmax"}}, "c": {"mode": "fp32"}}
        server = self.serve_best("completed", True, config={"ops": ops})
        self.assertRegex(self.runs(OK, server, "best", JOB),
                         r"(?m)^all of them +weight dtype int8, weight granularity per_tensor$")

    def test_why_an_operator_is_kept_that_does_not_hurt(self):
        """In the daemon's words, which the page shows, too."""
        best = {**best_trial(True), "config": {"ops": {"a": {"mode": "fp32"}}}}
        for lowered in ("in int8 it is believed to lose nothing", "in\x1b int8 it is believed to lose 0.4 % where 1 % is allowed"):
            parts = {"best": best, "space": {"ops": [{"name": "a", "type": "Conv", "choices": 2}]},
                     "sensitivity": {"items": [{"op": "a", "lowered": lowered}]},
                     "trials": {"items": [], "next": None}}
            server = self.serve(lambda r, p=parts: p[r.path.split("?")[0].rpartition("/")[2]])
            with self.subTest(lowered):
                said = lowered.replace("\x1b", "?")
                self.assertIn(f"By a model of all measurements {said}.\n", self.runs(OK, server, "why", JOB, "a"))

    def test_why_an_operator_is_lowered(self):
        """That nothing would be gained by what was done already is no answer."""
        options = [{"mode": "static", "weight": {"dtype": kind}, "score": None, "loss": {"mean": loss}, "latency_change_ms": change}
                   for kind, loss, change in (("int4", 9, {"mean": 1}), ("int8", 0.125, {"mean": 0.069}), ("fp8", -0.1, {"mean": -0.5}), ("fp4", 0.5, None))]
        lowered = "in int8 it is believed to lose nothing and to cost 0.069 ms: nothing would be gained"
        for kind, said in (("int8", ": by a model of all measurements it loses 12.5 % of what may be lost and costs 0.069 ms. What counts"),
                           ("fp8", ": by a model of all measurements it loses nothing and saves 0.5 ms. What counts"),
                           ("fp4", ": by a model of all measurements it loses 50 % of what may be lost. What counts"), ("int2", ".")):
            best = {**best_trial(True), "config": {"ops": {"a": {"type": "Conv", "mode": "static", "weight": {"dtype": kind}}}}}
            parts = {"best": best, "space": {"ops": [{"name": "a", "type": "Conv", "choices": 2}]},
                     "sensitivity": {"items": [{"op": "a", "lowered": lowered, "options": options}]}, "trials": {"items": [], "next": None}}
            with self.subTest(kind):
                text = self.runs(OK, self.serve(lambda r, p=parts: p[r.path.split("?")[0].rpartition("/")[2]]), "why", JOB, "a")
                self.assertIn(f"It is lowered already{said}", text)
                self.assertNotIn("nothing would be gained", text)

    def test_missed(self):
        nearest = {"misses_by": 0.35, "accuracy": 0.7543}
        for state, code in (("completed", NOT_MET), ("failed", NOT_MET), ("running", OK)):
            for flags in ([], ["--json"]):
                with self.subTest(state, flags=flags):
                    server = self.serve_best(state, False, nearest=nearest)
                    text = self.runs(code, server, "best", JOB, *flags)
                    missed = "missed: loses 0.89 % where 1 % is allowed"
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

    def test_modes_of_operators_and_what_goes_without_saying(self):
        capability = {"op_types": {"Conv": {"static": {}}}, "ops": [
            {"name": "a", "type": "Linear", "modes": {"static": {}, "dynamic": {}}}, {"name": "b", "type": "Conv"},
            {"name": "c", "type": "Conv", "modes": {"bf16": {}}}, {"name": "d", "type": "Softmax", "modes": {}}]}
        text = self.runs(OK, self.serve_probe({"ok": True, "capability": capability, "error": None}), "probe", "evl_1")
        for line in ("  Linear +static, dynamic", "  Conv +static, bf16", "answers +evaluate", "metrics +-"):
            self.assertRegex(text, rf"(?m)^{line}$")
        self.assertNotIn("Softmax", text)

    def test_a_finding_is_a_refusal_and_leaves_nothing_behind(self):
        server = self.serve_probe({"ok": False, "capability": None, "error": "404 Not Found"})
        self.assertIn("404 Not Found", self.fails(REFUSED, server, "probe", self.URL))
        self.assertEqual(server.requests[-1].method, "DELETE")

    def test_a_registered_one_stays(self):
        server = self.serve_probe({"ok": True, "capability": {}, "error": None})
        self.runs(OK, server, "probe", "evl_9")
        self.assertEqual([r.path for r in server.requests], ["/v1/evaluators/evl_9/probe"])


if __name__ == "__main__":
    unittest.main()
