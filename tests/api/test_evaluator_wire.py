"""Evaluators behind a certificate of their own authority and behind headers; how many questions they take."""

import json
import os
import pathlib
import tempfile
import unittest

import jobkit
from certificates import make_ca
from daemon import Daemon

TOKEN, OTHER = "Bearer 4f9c-secret", "Bearer 77aa-secret"


class TlsEvaluator(jobkit.Evaluator):
    def __init__(self, context):
        super().__init__()
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = self.url.replace("http:", "https:")


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        here = pathlib.Path(cls.directory.name)
        cls.secrets = here / "secrets"
        cls.secrets.mkdir()
        cls.ca, cls.context, cls.ca_key = make_ca(here, "ours")
        cls.other_ca, _, _ = make_ca(here, "theirs")
        cls.data = here / "data"
        cls.daemon = Daemon(str(cls.data), f"--secrets-dir={cls.secrets}", "--evaluator-probe-s=1")
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.directory.cleanup()

    def setUp(self):
        for name, text in (("token", TOKEN + "\n"), ("ca", self.ca), ("lines", "a\nb"),
                           ("long", "x" * 4000), ("no-pem", "hello"), ("empty", "\n")):
            (self.secrets / name).write_text(text)

    def post(self, path, document, expected):
        status, _, answer = self.daemon.request("POST", path, document)
        self.assertEqual(status, expected, answer)
        return answer

    def secure(self):
        evaluator = TlsEvaluator(self.context)
        self.addCleanup(evaluator.close)
        return evaluator

    def plain(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        return evaluator

    def tune(self, evaluator, **more):
        job = jobkit.body(None, evaluator=evaluator, **more)
        job["capability"] = None
        return jobkit.submit(self.daemon, {k: v for k, v in job.items() if v is not None})

    def refused(self, more, pointer, word):
        """For a registered one, one of a job, and one of several."""
        evaluator = {"url": "http://127.0.0.1:9999", **more}
        for path, prefix, document in (
            ("/v1/evaluators", "", evaluator),
            ("/v1/jobs", "/evaluator", jobkit.body(None, evaluator=evaluator)),
            ("/v1/jobs", "/evaluator/0", jobkit.body(None, evaluator=[evaluator])),
        ):
            problem = self.post(path, document, 422)
            faults = {e["pointer"]: e["detail"] for e in problem["errors"]}
            self.assertEqual(list(faults), [prefix + pointer], problem)
            self.assertIn(word, faults[prefix + pointer])


class Authorities(Wire):
    def test_an_evaluator_of_an_own_authority(self):
        evaluator = self.secure()
        known = self.post("/v1/evaluators", {"url": evaluator.url, "ca": self.ca}, 201)
        self.assertEqual(known["ca"], self.ca)
        self.assertTrue(self.post(f"/v1/evaluators/{known['id']}/probe", None, 200)["ok"])
        for given in ({"id": known["id"]}, {"url": evaluator.url, "ca": self.ca},
                      [{"url": evaluator.url, "ca": {"credential": "ca"}}]):
            with self.subTest(given):
                job = self.tune(given)
                document = jobkit.finished(self.daemon, job)
                self.assertEqual(document["state"], "completed", document["exit"])
                self.assertNotIn("BEGIN CERTIFICATE", json.dumps(document), "not in every list")
                clone = self.post(f"/v1/jobs/{job}/clone", {}, 201)["id"]
                self.assertEqual(jobkit.finished(self.daemon, clone)["state"], "completed")

    def test_nobody_else_is_trusted(self):
        evaluator = self.secure()
        for more in ({}, {"ca": self.other_ca}):
            known = self.post("/v1/evaluators", {"url": evaluator.url, **more}, 201)["id"]
            probe = self.post(f"/v1/evaluators/{known}/probe", None, 200)
            self.assertFalse(probe["ok"])
            self.assertIn("certificate", probe["error"])
        self.assertEqual(evaluator.calls, [])
        both = {"url": evaluator.url, "ca": self.other_ca + self.ca}
        known = self.post("/v1/evaluators", both, 201)["id"]
        self.assertTrue(self.post(f"/v1/evaluators/{known}/probe", None, 200)["ok"])

    def test_a_job_that_was_under_way_keeps_its_authority(self):
        evaluator = self.secure()
        evaluator.reply = lambda q, h: (503, {}, {"Retry-After": "0"})
        job = self.tune({"url": evaluator.url, "ca": self.ca})
        jobkit.wait_until(lambda: len(evaluator.calls) > 1)
        self.daemon.kill9()
        self.daemon.start()
        evaluator.reply = lambda q, h: jobkit.crash_model.answer(q)
        # Whether "not now" costs attempts is not what this is about.
        self.assertIn(jobkit.finished(self.daemon, job)["state"], ("completed", "failed"))
        jobkit.wait_until(lambda: len(evaluator.calls) > 2)

    def test_refusals(self):
        for ca, pointer, word in (
            ("hello", "/ca", "no certificate"),
            ("", "/ca", "no certificate"),
            (self.ca[:200] + self.ca[260:], "/ca", "cannot be read"),
            (self.ca + self.ca[:200], "/ca", "certificate 2"),
            (self.ca + self.ca_key, "/ca", "private key"),
            ("x" * (64 * 1024 + 1), "/ca", "65536"),
            (7, "/ca", "PEM"),
            ({"credential": "none"}, "/ca/credential", "cannot be read"),
            ({"credential": "no-pem"}, "/ca/credential", "no certificate"),
            ({"credential": "../ca"}, "/ca/credential", "name"),
            ({"file": "ca"}, "/ca/file", "unknown member"),
        ):
            with self.subTest(str(ca)[:40]):
                if "file" in ca if isinstance(ca, dict) else False:
                    self.post("/v1/evaluators", {"url": "http://127.0.0.1:9999", "ca": ca}, 422)
                else:
                    self.refused({"ca": ca}, pointer, word)


class Headers(Wire):
    GIVEN = {"Authorization": {"credential": "token"}, "X-Tenant": {"credential": "token"}}

    def test_they_go_with_every_question(self):
        evaluator = self.plain()
        given = {"url": evaluator.url, "headers": self.GIVEN}
        known = self.post("/v1/evaluators", given, 201)
        self.assertEqual(known["headers"], self.GIVEN)
        self.assertTrue(self.post(f"/v1/evaluators/{known['id']}/probe", None, 200)["ok"])
        for choice in ({"id": known["id"]}, given):
            document = jobkit.finished(self.daemon, self.tune(choice))
            self.assertEqual(document["state"], "completed")
            self.assertEqual(document["evaluator"]["headers"], self.GIVEN)
        self.assertIn("/capability", {path for path, _, _ in evaluator.calls})
        for _, _, headers in evaluator.calls:
            self.assertEqual((headers["Authorization"], headers["X-Tenant"]), (TOKEN, TOKEN))
            self.assertEqual(headers["Content-Type"], "application/json")
        self.daemon.kill9()
        for file in filter(os.path.isfile, (os.path.join(self.data, name) for name in os.listdir(self.data))):
            self.assertNotIn(b"4f9c-secret", pathlib.Path(file).read_bytes(), file)
        self.assertNotIn("4f9c-secret", self.daemon.log())
        self.daemon.start()

    def test_the_value_is_read_at_every_question(self):
        evaluator = self.plain()
        url = {"url": evaluator.url, "headers": {"accept": {"credential": "token"}}}
        known = self.post("/v1/evaluators", url, 201)["id"]
        self.post(f"/v1/evaluators/{known}/probe", None, 200)
        (self.secrets / "token").write_text(OTHER)
        self.post(f"/v1/evaluators/{known}/probe", None, 200)
        self.assertEqual([h["accept"] for _, _, h in evaluator.calls], [TOKEN, OTHER])
        (self.secrets / "token").unlink()
        problem = self.post(f"/v1/evaluators/{known}/probe", None, 422)
        self.assertIn('"token" cannot be read', problem["detail"])

    def test_refusals(self):
        named = {"credential": "token"}
        for name in ("Host", "content-length", "Content-Type", "CONTENT-X", "Transfer-Encoding",
                     "connection", "Idempotency-Key", "webhook-id", "Webhook-Anything",
                     "traceparent", "Expect", "te", "TE", "Upgrade"):
            self.refused({"headers": {name: named}}, f"/headers/{name}", "cannot be given")
        for name in ("", "a b", "a:b", "a\r\nb", "ä", "a(b)"):
            problem = self.post("/v1/evaluators", {"url": "http://127.0.0.1:9999",
                                                   "headers": {name: named}}, 422)
            self.assertIn("no name", problem["detail"])
        for headers, pointer, word in (
            ([], "/headers", "object"),
            ({f"x{i}": named for i in range(17)}, "/headers", "16"),
            ({"X-A": "two\nlines"}, "/headers/X-A", "control"),
            ({"X-A": None}, "/headers/X-A", "credential"),
            ({"X-A": {"credential": "none"}}, "/headers/X-A/credential", "cannot be read"),
            ({"X-A": {"credential": "empty"}}, "/headers/X-A/credential", "empty"),
            ({"X~A": {"credential": "lines"}}, "/headers/X~0A/credential", "more lines"),
            ({"X-A": {"credential": "long"}, "X-B": {"credential": "token"},
              "x" * 80: named}, "/headers", "4096"),
            ({"X-A": named, "x-a": named}, "/headers/x-a", "twice"),
        ):
            with self.subTest(str(headers)[:40]):
                self.refused({"headers": headers}, pointer, word)


class Places(Wire):
    def widest(self, choice, **more):
        evaluator = self.plain()
        submitted = {"url": evaluator.url} if choice is None else choice(evaluator.url)
        document = jobkit.finished(self.daemon, self.tune(submitted, parallel=4, **more))
        warned = [w for w in document["warnings"] if w["pointer"] == "/parallel"]
        return document["evaluator"].get("max_concurrency"), len(warned)

    def test_one_at_a_time_unless_it_says_more(self):
        self.assertEqual(self.widest(None), (1, 1))
        self.assertEqual(self.widest(lambda url: {"url": url, "max_concurrency": 4}), (4, 0))
        self.assertEqual(self.widest(lambda url: {"url": url, "max_concurrency": 3}), (3, 1))

    def test_jobs_under_the_first_rules_keep_theirs(self):
        self.assertEqual(self.widest(None, rules=1), (None, 0))

    def test_registered_ones_have_it_stored(self):
        known = self.post("/v1/evaluators", {"url": self.plain().url}, 201)
        self.assertEqual(known["max_concurrency"], 1)
        self.assertEqual(self.widest(lambda url: {"id": known["id"]}), (1, 1))

    def test_places_add_up(self):
        urls = [{"url": self.plain().url} for _ in range(2)]
        for parallel, count in ((2, 0), (3, 1)):
            document = jobkit.finished(self.daemon, self.tune(urls, parallel=parallel))
            self.assertEqual(len(document["warnings"]), count, document["warnings"])

    def test_a_pool_has_as_many_as_it_has_workers(self):
        job = jobkit.submit(self.daemon, jobkit.body(None, evaluator={"pool": "p"}, parallel=16))
        self.assertEqual(jobkit.get(self.daemon, f"/v1/jobs/{job}")["warnings"], [])
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")


if __name__ == "__main__":
    unittest.main()
