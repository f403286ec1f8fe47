"""The command line: what it sends, how it ends, what it says when something is wrong."""

import json
import os
import pathlib
import re
import shlex
import socket
import tempfile
import unittest

from cli_kit import JOB, OK, REFUSED, UNREACHABLE, USAGE, CliTest, job, problem
from daemon import Daemon
from jobkit import Evaluator
from scripted import Reply


class Usage(CliTest):
    def commands(self):
        """All of them, as help lists them: those of two words, too."""
        text = self.runs(OK, "http://127.0.0.1:1", "--help")
        return re.findall(r"^  ([a-z][a-z-]*(?: [a-z]+)?)(?= |$)", text, re.MULTILINE)

    def test_help_names_every_command_and_option(self):
        expected = ("submit jobs top show watch wait events trials best pareto sensitivity why space clone edit pause resume"
                    " cancel retry import scores exclude include delete export strategies init probe evaluators webhooks tokens"
                    " worker workers mcp doctor support-bundle completion")
        pairs = [f"{thing} {verb}" for thing in ("evaluators", "webhooks", "tokens") for verb in ("add", "rm")]
        self.assertEqual(set(self.commands()),
                         {*expected.split(), *pairs, "evaluators probe", "webhooks test"})
        text = "".join(self.runs(OK, "http://127.0.0.1:1", *c.split(), "--help") for c in self.commands())
        for option in ("server", "json", "jsonl", "help", "version", "watch", "warm-start", "state", "format", "pool",
                       "name", "ttl", "idle-exit", "set", "output", "dry-run", "label", "limit", "order", "stage", "kind",
                       "feasible", "follow", "type", "for", "scope", "owner", "allow-changes"):
            self.assertRegex(text, rf"(?m)^ +--{option}\b")

    def test_every_help_has_an_example_that_can_be_typed(self):
        for command in self.commands():
            text = self.runs(OK, "http://127.0.0.1:1", *command.split(), "--help")
            words = shlex.split(re.search(r"(?m)^example: narrow (.*)$", text)[1])
            self.assertEqual(" ".join(words[:len(command.split())]), command)
            at = words.index("--") if "--" in words else len(words)
            again = self.runs(OK, "http://127.0.0.1:1", *words[:at], "--help", *words[at:])
            self.assertEqual(again, text, words)

    def test_help_of_a_command(self):
        text = self.runs(OK, "http://127.0.0.1:1", "export", "--help")
        self.assertIn("usage: narrow export ID", text)
        self.assertIn("--format", text)
        self.assertNotIn("--state", text)

    def test_help_as_a_command(self):
        for words in (["help", "export"], ["export", "help", "--help"]):
            text = self.runs(OK, "http://127.0.0.1:1", *words)
            self.assertIn("usage: narrow export ID", text)
        self.assertEqual(self.runs(OK, "http://127.0.0.1:1", "help"),
                         self.runs(OK, "http://127.0.0.1:1", "--help"))
        self.assertIn("unknown command: nope", self.fails(USAGE, "http://127.0.0.1:1", "help", "nope"))

    def test_what_may_have_been_meant(self):
        for arguments, like in {
            ("sho",): "show", ("wacth",): "watch", ("Cancel",): "cancel", ("eval",): "evaluators",
            ("jobs", "--sate", "x"): "--state", ("jobs", "--ok_keep"): "--ok-keep",
            ("jobs", "--json=yes"): "--json", ("frobnicate",): None, ("jobs", "-s"): None,
            ("jobs", "--frob"): None, ("get",): None, ("\x1b[2J",): None,
        }.items():
            with self.subTest(arguments):
                errors = self.fails(USAGE, "http://127.0.0.1:1", *arguments)
                self.assertRegex(errors, r"^narrow: unknown (command|option): ")
                self.assertEqual(re.findall(r"did you mean (.*)\?", errors), [like] if like else [])

    def test_version(self):
        text = self.runs(OK, "http://127.0.0.1:1", "--version")
        self.assertRegex(text, r"^narrow \d+\.\d+\.\d+\n$")

    def test_wrong_usage_sends_nothing(self):
        server = self.serve(job())
        for arguments, why in {
            (): "a command is missing",
            ("frobnicate",): "unknown command: frobnicate",
            ("jobs", "--frob"): "unknown option: --frob",
            ("jobs", "-x"): "unknown option: -x",
            ("jobs", "--json=yes"): "unknown option: --json=yes",
            ("jobs", "--jso"): "unknown option: --jso",
            ("jobs", "--state"): "a value is missing after --state",
            ("jobs", "--watch"): "does not belong to the command jobs",
            ("jobs", JOB): f"one argument too many: {JOB}",
            ("show",): "missing: ID",
            ("show", ""): "missing: ID",
            ("why",): "missing: ID OPERATOR",
            ("why", JOB): "missing: OPERATOR",
            ("why", JOB, ""): "missing: OPERATOR",
            ("show", JOB, JOB): "one argument too many",
            ("jobs", "--server", "ftp://host"): "unix:PATH",
            ("jobs", "--server", "unix:"): "unix:PATH",
            ("jobs", "--server", "http://"): "cannot be used",
            ("jobs", "--server", "/run/narrowd"): "cannot be used",
            ("jobs", "--server=http://h:0"): "port",
        }.items():
            with self.subTest(arguments):
                self.assertIn(why, self.fails(USAGE, server, *arguments))
        self.assertIn("token", self.fails(USAGE, server, "jobs", env={"NARROWD_TOKEN": "a\nb"}))
        self.assertEqual(server.requests, [])

    def test_files_that_cannot_be_submitted(self):
        server = self.serve(job())
        with tempfile.TemporaryDirectory() as directory:
            folder = pathlib.Path(directory)
            (folder / "large").write_bytes(b" " * (8 * 1024 * 1024 + 1))
            for name, why in {
                "absent": "No such file", ".": "directory", "large": "too large",
            }.items():
                with self.subTest(name):
                    self.assertIn(why, self.fails(USAGE, server, "submit", str(folder / name)))
        self.assertIn("empty", self.fails(USAGE, server, "submit", "-"))
        self.assertIn("not text", self.fails(USAGE, server, "submit", "-", stdin=b"{}\0"))
        self.assertEqual(server.requests, [])

    def test_output_that_cannot_be_written(self):
        for length in (10, 200_000):
            server = self.serve(Reply(200, b"x" * length))
            with open("/dev/full", "wb") as full:
                done = self.narrow(server, "export", JOB, stdout=full)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn("standard output", done.errors)


class Refusals(CliTest):
    def test_nobody_there(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            for command in (["jobs"], ["submit", "-"], ["show", JOB], ["best", JOB]):
                with self.subTest(command):
                    self.assertIn(url, self.fails(UNREACHABLE, url, *command, stdin=b"{}"))
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "socket")
            for why in ("No such file or directory", "Connection refused"):
                self.assertEqual(self.fails(UNREACHABLE, f"unix:{path}", "jobs"),
                                 f"narrow: cannot reach narrowd at unix:{path}: the socket cannot be connected to: {why}\n")
                with socket.socket(socket.AF_UNIX) as left:
                    left.bind(path) if not os.path.exists(path) else None

    def test_every_fault_is_printed(self):
        faults = [
            {"pointer": "/tuning_criterion/max_trails", "detail": "unknown member"},
            {"pointer": "/accuracy_criterion/tolerable_loss", "detail": "must be less than 1"},
            {"pointer": "", "detail": "evil \u001b[31m \u009b31m"},
        ]
        server = self.serve(
            problem(422, "invalid_field", "Cannot be carried out", "two faults", errors=faults)
        )
        for command in (["submit", "-"], ["show", JOB], ["watch", JOB], ["delete", JOB], ["jobs"]):
            for json_flag in ([], ["--json"]):
                with self.subTest(command):
                    errors = self.fails(REFUSED, server, *command, *json_flag, stdin=b"{}")
                    self.assertEqual(errors.splitlines(), [
                        "narrow: Cannot be carried out: two faults",
                        "  /tuning_criterion/max_trails: unknown member",
                        "  /accuracy_criterion/tolerable_loss: must be less than 1",
                        "  (the document): evil ?[31m ??31m",
                    ])

    def test_a_fault_is_printed_once(self):
        """The detail repeats the first fault, for clients that read no further."""
        fault, other = ({"pointer": f"/{name}", "detail": "unknown member"} for name in "ab")
        for faults, detail in (
            ([fault], "/a: unknown member"),
            ([fault, other], "/a: unknown member"),
            ([{"pointer": "", "detail": "is empty"}], "body: is empty"),
        ):
            server = self.serve(problem(422, "invalid_field", "No", detail, errors=faults))
            self.assertEqual(self.fails(REFUSED, server, "submit", "-", stdin=b"{}").splitlines(), [
                "narrow: No",
                *(f"  {f['pointer'] or '(the document)'}: {f['detail']}" for f in faults),
            ])

    def test_a_server_that_is_not_narrowd(self):
        other = {"type": "about:blank", "title": "Not Found", "status": 404}
        for status in (404, 501, 502):
            for body in (b"<html>Bad Gateway</html>", b"", b"[]", b'{"title": 1}', other):
                for command in (["jobs"], ["watch", JOB], ["submit", "-"]):
                    with self.subTest(command, body=body):
                        server = self.serve(Reply(status, body))
                        errors = self.fails(UNREACHABLE, server, *command, stdin=b"{}")
                        self.assertIn(f"status {status}", errors)
                        self.assertIn("is this server narrowd?", errors)

    def test_a_redirect_is_not_followed(self):
        server = self.serve(Reply(302, b"", {"Location": "/v1/jobs?again"}))
        self.assertIn("status 302", self.fails(UNREACHABLE, server, "jobs"))
        self.assertEqual(len(server.requests), 1)

    def test_answers_that_are_not_json(self):
        for body in (b"", b"hello", b"[]", b'{"items": [', b'{"a": 1, "a": 2}', b"[" * 100000):
            for command in ("jobs", "show", "best", "watch", "submit"):
                with self.subTest(command, body=body[:20]):
                    server = self.serve(Reply(200, body))
                    arguments = {"jobs": [], "submit": ["-"]}.get(command, [JOB])
                    errors = self.fails(UNREACHABLE, server, command, *arguments, stdin=b"{}")
                    self.assertIn("is this server narrowd?", errors)

    def test_documents_without_their_members(self):
        """Nothing in an answer is taken for granted."""
        for value in ({}, {"items": [{}, 1, None, []]}, {"best": 1, "objective": {}, "exit": []}):
            server = self.serve(Reply(200, value))
            for command in ("jobs", "show", "trials", "best", "strategies", "evaluators", "pause"):
                with self.subTest(command, value=value):
                    arguments = [] if command in ("jobs", "strategies", "evaluators") else [JOB]
                    self.runs(OK, server, command, *arguments)

    def test_a_read_is_not_repeated(self):
        server = self.serve(None)
        self.fails(UNREACHABLE, server, "jobs")
        self.assertEqual(len(server.requests), 1)


class Requests(CliTest):
    def test_submit_sends_the_file_as_it_is(self):
        server = self.serve(Reply(201, job("queued")))
        body = b'{"name" : "\xc3\xa9",\n "evaluator":{"url":"http://h"}}  \n'
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            self.assertEqual(self.runs(OK, server, "submit", file.name), f"{JOB}\n")
        self.assertEqual(self.runs(OK, server, "submit", "-", stdin=body), f"{JOB}\n")
        keys = {request.headers["Idempotency-Key"] for request in server.requests}
        self.assertEqual(len(keys), 2)
        for request in server.requests:
            self.assertEqual((request.method, request.path), ("POST", "/v1/jobs"))
            self.assertEqual(request.body, body)
            self.assertEqual(request.headers["Content-Type"], "application/json")

    def test_submit_prints_warnings(self):
        given = [{"pointer": "/op_type_dict/fc", "detail": "ignored\x1b[2J"},
                 {"pointer": None, "detail": "odd"}]
        server = self.serve(Reply(201, job("queued", warnings=given)))
        done = self.narrow(server, "submit", "-", stdin=b"{}")
        self.assertEqual((done.returncode, done.out), (OK, f"{JOB}\n"))
        warnings = ("narrow: warning: /op_type_dict/fc: ignored?[2J\n"
                    "narrow: warning: odd\n")
        self.assertEqual(done.errors, warnings)

    def test_a_lost_submission_is_repeated_once_under_its_key(self):
        server = self.serve_in_turn(None, Reply(201, job("queued")))
        self.assertEqual(self.runs(OK, server, "submit", "-", stdin=b"{}"), f"{JOB}\n")
        first, second = server.requests
        self.assertTrue(first.headers["Idempotency-Key"])
        self.assertEqual(first.headers["Idempotency-Key"], second.headers["Idempotency-Key"])
        self.assertEqual(first.body, second.body)

        server = self.serve(None)
        self.fails(UNREACHABLE, server, "submit", "-", stdin=b"{}")
        self.assertEqual(len(server.requests), 2)

    def test_an_answer_that_cannot_be_taken_is_not_asked_for_again(self):
        server = self.serve(Reply(201, b"{}", {"Content-Length": str(2**31)}))
        self.fails(UNREACHABLE, server, "submit", "-", stdin=b"{}")
        self.assertEqual(len(server.requests), 1)

    def test_the_token_is_sent(self):
        server = self.serve({"items": [], "next": None})
        self.runs(OK, server, "jobs", env={"NARROWD_TOKEN": "tok_secret"})
        self.runs(OK, server, "jobs", env={"NARROWD_TOKEN": ""})
        sent = [request.headers["Authorization"] for request in server.requests]
        self.assertEqual(sent, ["Bearer tok_secret", None])

    def test_the_server_is_the_flag_then_the_environment(self):
        server = self.serve({"items": [], "next": None})
        self.runs(OK, "http://127.0.0.1:1", "jobs", "--server", server.url + "/")
        self.runs(OK, "http://127.0.0.1:1", f"--server={server.url}/behind/a/proxy", "jobs")
        self.assertEqual(
            [request.path for request in server.requests], ["/v1/jobs", "/behind/a/proxy/v1/jobs"]
        )

    def test_a_server_needs_no_scheme(self):
        server = self.serve({"items": [], "next": None})
        bare = server.url.removeprefix("http://")
        self.runs(OK, "http://127.0.0.1:1", "jobs", "--server", bare)
        self.runs(OK, f"{bare}/behind/a/proxy/", "jobs")
        self.assertEqual(
            [request.path for request in server.requests], ["/v1/jobs", "/behind/a/proxy/v1/jobs"]
        )

    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            server = self.serve(job(), unix_path=os.path.join(directory, "socket"))
            self.assertIn(JOB, self.runs(OK, server, "show", JOB))
            self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}")

    def test_control(self):
        for command, state, words in (
            ("pause", "paused", "paused"), ("resume", "running", "running"),
            ("resume", "baseline", "measuring the baseline"), ("cancel", "cancelled", "cancelled"),
        ):
            server = self.serve(job(state))
            self.assertEqual(self.runs(OK, server, command, JOB), f"{JOB} is {words}\n")
            request = server.requests[0]
            self.assertEqual((request.method, request.path), ("POST", f"/v1/jobs/{JOB}/{command}"))
            self.assertTrue(request.headers["Idempotency-Key"])

    def test_clone(self):
        for flags, body in (([], b"{}"), (["--warm-start"], b'{"warm_start":true}')):
            server = self.serve(Reply(201, job("queued")))
            self.assertEqual(self.runs(OK, server, "clone", JOB, *flags), f"{JOB}\n")
            request = server.requests[0]
            self.assertEqual((request.method, request.path, request.body),
                             ("POST", f"/v1/jobs/{JOB}/clone", body))
            self.assertTrue(request.headers["Idempotency-Key"])

    def test_delete(self):
        server = self.serve(Reply(204))
        self.assertEqual(self.runs(OK, server, "delete", JOB), "")
        self.assertEqual(
            [(r.method, r.path) for r in server.requests], [("DELETE", f"/v1/jobs/{JOB}")]
        )

    def test_export_passes_the_document_on(self):
        server = self.serve(lambda request: Reply(200, request.query["format"].encode() + b",1\n"))
        for arguments, text in (([], "json,1\n"), (["--format", "csv"], "csv,1\n")):
            self.assertEqual(self.runs(OK, server, "export", JOB, *arguments), text)
        self.assertEqual(server.requests[0].path, f"/v1/jobs/{JOB}/export")
        self.runs(OK, server, "export", JOB, "--format", "inc", "--trial", "17")
        self.assertEqual(server.requests[-1].query, {"format": "inc", "trial": "17"})

    def test_export_says_what_is_not_recommended(self):
        kept = job(best={"trial": 3, "keep_baseline": True, "verdict": "keep fp32: it is slower"})
        server = self.serve(lambda request: Reply(200, b"{}" if "export" in request.path else json.dumps(kept).encode()))
        for arguments, says in ((["--format", "inc"], "narrow: warning: this is trial 3, and the job says: keep fp32: it is slower\n"),
                                (["--format", "inc", "--trial", "3"], ""), (["--format", "csv"], ""), ([], "")):
            done = self.narrow(server, "export", JOB, *arguments)
            self.assertEqual((done.returncode, done.out, done.errors), (OK, "{}\n", says), arguments)

    def test_json_prints_the_answer_as_it_came(self):
        body = b'{ "items" : [],"next":null, "unknown":1.50 }'
        server = self.serve(Reply(200, body))
        for command in ("jobs", "strategies", "evaluators"):
            self.assertEqual(self.runs(OK, server, command, "--json").encode(), body + b"\n")
        for command in ("show", "trials", "best", "sensitivity", "clone", "pause", "submit"):
            done = self.runs(OK, server, "--json", command, JOB if command != "submit" else "-",
                             stdin=b"{}")
            self.assertEqual(done.encode(), body + b"\n", command)


class Meant(CliTest):
    """Which job is meant by what stands for its id."""

    def ids(self, *ends):
        return [JOB[: -len(end)] + end for end in ends]

    def answer(self, *jobs):
        """A server with these jobs, the newest first, on pages of two."""
        def reply(request):
            if request.path != "/v1/jobs":
                return Reply(200, job(id=request.path.split("/")[3]))
            found = [j for j in jobs if request.query.get("name", j["name"]) == j["name"]]
            start = int(request.query.get("cursor", 0))
            count = min(int(request.query["limit"]), 2)
            more = str(start + count) if start + count < len(found) else None
            return {"items": found[start : start + count], "next": more}

        return self.serve(reply)

    def shown(self, server, word):
        text = self.runs(OK, server, "show", "--", word)
        return re.search(r"(?m)^job +(\S+)$", text)[1]

    def test_a_whole_id_asks_nobody(self):
        server = self.answer()
        self.assertEqual(self.shown(server, JOB), JOB)
        self.assertEqual([r.path for r in server.requests], [f"/v1/jobs/{JOB}"])

    def test_the_beginning_of_an_id(self):
        ids = self.ids("X1", "X2", "Y1", "Y2", "Z1")
        server = self.answer(*(job(id=name, name=f"n{name[-2:]}") for name in ids))
        self.assertEqual(self.shown(server, ids[4][:-1]), ids[4])
        self.assertEqual(self.shown(server, ids[0][:-1] + "1"), ids[0])
        errors = self.fails(USAGE, server, "cancel", ids[2][:-1])
        self.assertIn("may be any of 2 jobs:", errors)
        self.assertEqual(re.findall(r"(?m)^  (\S+)  2026-03-02 09:00:00  (\S+)$", errors),
                         [(ids[2], "nY1"), (ids[3], "nY2")])
        self.assertNotIn("POST", [request.method for request in server.requests])
        errors = self.fails(USAGE, self.answer(*(job(id=i) for i in ids * 3)), "show", "job_")
        self.assertIn("any of 15 jobs", errors)
        self.assertEqual(len(errors.splitlines()), 7)

    def test_a_name(self):
        first, second, third = self.ids("1", "2", "3")
        server = self.answer(job(id=first, name="a"), job(id=second, name="b/../c?x=1#y"),
                             job(id=third, name="a"), job(id=third, name="job_of mine"))
        self.assertEqual(self.shown(server, "b/../c?x=1#y"), second)
        self.assertEqual(self.shown(server, "job_of mine"), third)
        self.assertIn("any of 2 jobs", self.fails(USAGE, server, "show", "a"))
        for word in ("A", "..", "%2e", "job_nope", "j\u00f6b", first + "9"):
            errors = self.fails(REFUSED, server, "show", "--", word)
            self.assertIn(f"no job has the id or the name {word}", errors)

    def test_the_newest(self):
        first, second = self.ids("1", "2")
        server = self.answer(job(id=second), job(id=first))
        self.assertEqual(self.shown(server, "last"), second)
        self.assertEqual(json.loads(self.runs(OK, server, "show", "last", "--json"))["id"], second)
        self.assertIn("no job", self.fails(REFUSED, self.answer(), "show", "last"))

    def test_every_command_knows_it(self):
        """Also what answers no job then has one job's id in its path."""
        for command in ("show", "watch", "wait", "trials", "best", "sensitivity", "clone", "pause",
                        "resume", "cancel", "exclude", "include", "delete", "export"):
            server = self.serve(lambda r: {"items": [job()], "next": None}
                                if r.path == "/v1/jobs" else problem(404, "not_found", "No", "no"))
            self.fails(REFUSED, server, command, "last", *(
                ["--trial", "1"] if command in ("exclude", "include") else []))
            self.assertTrue(server.requests[1].path.startswith(f"/v1/jobs/{JOB}"), command)

    def test_refusals_while_looking(self):
        for word in ("last", "name", "job_01"):
            server = self.serve(problem(503, "draining", "Shutting down", "later"))
            self.assertIn("Shutting down", self.fails(REFUSED, server, "show", word))
            server = self.serve(Reply(200, b"hello"))
            self.assertIn("narrowd?", self.fails(UNREACHABLE, server, "show", word))


class RealDaemon(CliTest):
    """One job's life against narrowd itself (NARROWD_BIN)."""

    def test_a_life(self):
        def reply(question, headers):
            ops = question["config"]["ops"]
            lowered = [name for name, op in ops.items() if op["mode"] == "static"]
            accuracy = 0.8 if "fc2" in lowered else 0.9
            return {"accuracy": accuracy, "latency_ms": 10 - 4 * len(lowered)}

        modes = {"static": {"weight": {"dtype": ["int8"]}}, "fp32": {}}
        ops = [{"name": name, "type": "Linear"} for name in ("fc1", "fc2")]
        can_do = {"op_types": {"Linear": modes}, "ops": ops, "answers": ["evaluate"],
                  "metrics": ["accuracy", "latency_ms"]}
        with (
            tempfile.TemporaryDirectory() as directory,
            Evaluator(reply, lambda: can_do) as evaluator,
            Daemon(directory) as daemon,
        ):
            self.assertRegex(self.runs(OK, daemon.url, "probe", evaluator.url), r"operators +2\n")
            self.assertEqual(len(self.runs(OK, daemon.url, "evaluators").splitlines()), 1)
            job = {"name": "mine", "tuning_criterion": {"strategy": "basic"}, "evaluator": {"url": evaluator.url}}
            body = json.dumps(job).encode()
            text = self.runs(OK, daemon.url, "submit", "-", "--watch", stdin=body)
            name = text.split()[0]
            self.assertIn(": criterion_met (", text)
            for word in ("last", name[:12], "mine"):
                self.assertIn(name, self.runs(OK, daemon.url, "show", word), word)
            for command in ("show", "trials", "best"):
                self.assertIn("0.9", self.runs(OK, daemon.url, command, name), command)
            self.assertRegex(
                self.runs(OK, daemon.url, "best", name), r"high precision +fc2 \(fp32\); the other 1 quantized\n"
            )
            self.assertIn(name, self.runs(OK, daemon.url, "jobs", "--state", "completed"))
            self.assertIn("basic", self.runs(OK, daemon.url, "strategies"))
            for form, part in (("json", name), ("csv", "number,"), ("inc", "('fc1', 'Linear')")):
                self.assertIn(part, self.runs(OK, daemon.url, "export", name, "--format", form))
            self.fails(REFUSED, daemon.url, "pause", name)
            self.runs(OK, daemon.url, "delete", name)
            self.fails(REFUSED, daemon.url, "show", name)
            self.assertIn("/evaluator", self.fails(REFUSED, daemon.url, "submit", "-", stdin=b"{}"))


if __name__ == "__main__":
    unittest.main()
