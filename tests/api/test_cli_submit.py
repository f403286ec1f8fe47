"""The command line: the body of a submission, which may have comments and be changed by --set."""

import json
import pathlib
import tempfile
import unittest

from cli_kit import JOB, OK, REFUSED, USAGE, CliTest, job, problem
from scripted import Reply


class SubmitTest(CliTest):
    def sent(self, body, *flags):
        """What is sent for that file."""
        server = self.serve(Reply(201, job("queued")))
        self.assertEqual(self.runs(OK, server, "submit", "-", *flags, stdin=body), f"{JOB}\n")
        return server.requests[0].body


class Comments(SubmitTest):
    def test_comments_become_blanks(self):
        for text in (
            '{"a": 1} // end', '// first\n{"a": 1}', '{"a": 1// one\r\n}', '{/* x\n y */"a": 1}',
            '{"a": /**/ 1 /**//*/*/ // */\n}', '{"a": 1 /* \u00fc "//" */}', '{"a"://"\n1}//',
        ):
            with self.subTest(text):
                sent = self.sent(text.encode())
                self.assertEqual(json.loads(sent), {"a": 1})
                self.assertEqual([len(line) for line in sent.split(b"\n")],
                                 [len(line) for line in text.encode().split(b"\n")])

    def test_strings_are_no_comments(self):
        for text in (
            '{"a": "http://h/*x*/"}', r'{"a\\": "\" // x", "b": "\\\"/*"}', '{"//": "/*", "*/": "//"}',
            '{"a": "open // x', '{"a": "open \\', "{/}", "/", "{*/}",
        ):
            with self.subTest(text):
                self.assertEqual(self.sent(text.encode()), text.encode())

    def test_a_comment_that_does_not_end(self):
        server = self.serve(job())
        for text in (b'{"a": 1 /* x', b"{/*/"):
            errors = self.fails(USAGE, server, "submit", "-", stdin=text)
            self.assertIn("standard input: a comment that begins with /* does not end", errors)
        self.assertEqual(server.requests, [])

    def test_the_place_of_a_fault_is_that_in_the_file(self):
        refusal = problem(400, "bad_json", "Malformed JSON", "at byte 3")
        server = self.serve(refusal)
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "job.json")
            file.write_text('// one\n// two\n{"a" 1}\n')
            self.fails(REFUSED, server, "submit", str(file))
            self.assertEqual(server.requests[0].body.index(b'{"a" 1}'), 14)
            errors = self.fails(USAGE, server, "submit", str(file), "--set", "a=1")
            self.assertRegex(errors, r"job\.json: .*line 3")


class Set(SubmitTest):
    def test_values(self):
        for text, value in {
            "30": 30, "0.5": 0.5, "1e3": 1000.0, "true": True, "null": None, "[1, 2]": [1, 2],
            '{"a": {}}': {"a": {}}, '"30"': "30", "sgp": "sgp", "": "", "it is": "it is",
            "a=b": "a=b", "1.2.3": "1.2.3", "\u00fc": "\u00fc", "NaN": "NaN",
        }.items():
            with self.subTest(text):
                sent = json.loads(self.sent(b"{}", "--set", f"name={text}"))
                self.assertEqual(sent, {"name": value})
                self.assertIs(type(sent["name"]), type(value))

    def test_paths(self):
        body = b'{"a": {"b": 1, "c": 2}, "n": null} // old'
        for path, expected in {
            "a.b": {"a": {"b": 7, "c": 2}, "n": None},
            "a.d.e": {"a": {"b": 1, "c": 2, "d": {"e": 7}}, "n": None},
            "n.x": {"a": {"b": 1, "c": 2}, "n": {"x": 7}},
            "a": {"a": 7, "n": None},
            '"l.\\d=".w': {"a": {"b": 1, "c": 2}, "n": None, "l.\\d=": {"w": 7}},
        }.items():
            with self.subTest(path):
                self.assertEqual(json.loads(self.sent(body, "--set", f"{path}=7")), expected)

    def test_several_in_their_order(self):
        flags = ["--set", "t.n=1", "--set=t.m=2", "--set", "t.n=3", "--set", "seed=4"]
        self.assertEqual(json.loads(self.sent(b"{}", *flags)), {"t": {"n": 3, "m": 2}, "seed": 4})

    def test_numbers_stay_what_they_are(self):
        body = b'{"f": 0.1, "big": 9007199254740993, "s": "\xc3\xa9"}'
        sent = json.loads(self.sent(body, "--set", "x=0.30000000000000004"))
        self.assertEqual(sent, {**json.loads(body), "x": 0.30000000000000004})

    def test_faults_can_be_acted_on(self):
        server = self.serve(job())
        form = "PATH=VALUE is expected, as in --set tuning_criterion.max_trials=30"
        for text, why in {
            "max_trials": form, "": form, "=3": form, ".a=3": form, "a..b=3": form, "a.=3": form,
            'a."b=3': form, '"a"b=3': form, '"".a=3': form,
            "seed.x=3": "seed is not an object in this job: nothing can be set below it",
            "list.x=3": "list is not an object",
            "a={": "begins like JSON and is none", "a=[1,]": "begins like JSON and is none",
            'a="x': "begins like JSON and is none", 'a={"b": 1, "b": 2}': "duplicate",
            "a." * 100 + "a=1": "too many names",
        }.items():
            with self.subTest(text):
                errors = self.fails(USAGE, server, "submit", "-", "--set", "name=x", "--set", text,
                                    stdin=b'{"seed": 1, "list": [1]}')
                self.assertIn(f"--set {text}: ", errors)
                self.assertIn(why, errors)
        self.assertIn("a value is missing", self.fails(USAGE, server, "submit", "-", "--set"))
        self.assertIn("does not belong", self.fails(USAGE, server, "jobs", "--set", "a=1"))
        self.assertIn("a JSON object is expected",
                      self.fails(USAGE, server, "submit", "-", "--set", "a=1", stdin=b"[]"))
        self.assertEqual(server.requests, [])


if __name__ == "__main__":
    unittest.main()
