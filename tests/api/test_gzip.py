"""Answers in gzip: who gets them, and what their tags are."""

import gzip
import json
import unittest

from jobkit import body, finished, submit, wait_until
from wirekit import Case

GZIP = {"Accept_Encoding": "br, gzip;q=0.8"}


class Gzip(Case):
    def packed(self, path, **headers):
        status, sent, text = self.raw("GET", path, **{**GZIP, **headers})
        self.assertEqual((status, sent["content-encoding"]), (200, "gzip"))
        self.assertEqual(int(sent["content-length"]), len(text))
        return sent, text

    def test_long_answers_are_packed_for_those_who_ask(self):
        job = self.done()
        for path in (
            "/openapi.json",
            "/",
            "/v1/jobs",
            "/v1/strategies",
            f"/v1/jobs/{job}/trials",
            f"/v1/jobs/{job}/space",
            f"/v1/jobs/{job}/events",
            f"/v1/jobs/{job}/export",
            f"/v1/jobs/{job}/export?format=csv",
        ):
            with self.subTest(path):
                _, plain, text = self.raw("GET", path)
                self.assertIsNone(plain["content-encoding"])
                sent, packed = self.packed(path)
                self.assertEqual(gzip.decompress(packed), text)
                self.assertLess(len(packed), len(text))
                self.assertEqual(sent["content-type"], plain["content-type"])
                for answer in (plain, sent):
                    self.assertIn("Accept-Encoding", answer.get_all("vary"))
                self.assertEqual(sent["etag"], plain["etag"][:-1] + '-gzip"')
                status, head, nothing = self.raw("HEAD", path, **GZIP)
                self.assertEqual((status, nothing), (200, b""))
                for name in ("etag", "content-length", "content-encoding", "content-type"):
                    self.assertEqual(head[name], sent[name], name)

    def test_tags_of_both_codings(self):
        path = f"/v1/jobs/{self.done(name='long' * 100)}"
        _, plain, _ = self.raw("GET", path)
        sent, _ = self.packed(path)
        for tag in (plain["etag"], sent["etag"], f'"other", {sent["etag"]}'):
            for headers in ({}, GZIP):
                status, again, _ = self.raw("GET", path, If_None_Match=tag, **headers)
                self.assertEqual(status, 304)
                self.assertIn(again["etag"], tag, "it is the client's own")
        self.ask("PATCH", path, 412, {"name": "x"}, If_Match='"0-gzip"')
        self.ask("PATCH", path, 200, {"name": "x" * 400}, If_Match=sent["etag"])
        self.packed(path, If_None_Match=sent["etag"])

    def test_a_list_waits_in_gzip(self):
        self.done(name="long" * 200)
        path = "/v1/jobs?limit=20"
        sent, _ = self.packed(path)
        answer = self.later("GET", path, If_None_Match=sent["etag"], Prefer="wait=25", **GZIP)
        wait_until(self.waiters)
        self.done()
        status, again, text = answer()
        self.assertEqual((status, again["content-encoding"]), (200, "gzip"))
        self.assertNotEqual(again["etag"], sent["etag"])
        self.assertTrue(json.loads(gzip.decompress(text))["items"])

    def test_what_is_not_packed(self):
        job = self.done()
        long = body(self.evaluator.url, **{f"m{n}": 1 for n in range(50)})
        for method, path, document, headers in (
            ("GET", "/healthz", None, GZIP),
            ("GET", "/openapi.json", None, {"Accept_Encoding": "gzip;q=0"}),
            ("GET", "/openapi.json", None, {"Accept_Encoding": "br"}),
            ("GET", "/openapi.json", None, {"Accept_Encoding": "identity, gzip;q=0.5"}),
            ("GET", f"/v1/jobs/{job}/events", None, {"Accept": "text/event-stream", **GZIP}),
            ("POST", "/v1/jobs", long, GZIP),
            ("POST", "/v1/spaces", body(self.evaluator.url), GZIP),
        ):
            with self.subTest(path=path, headers=headers):
                _, sent, text = self.raw(method, path, document, **headers)
                self.assertIsNone(sent["content-encoding"])
                self.assertFalse(text.startswith(b"\x1f\x8b"))

    def test_clients_that_leave_while_it_is_packed(self):
        job = body(self.evaluator.url, operators=40, confirm=0)
        job["tuning_criterion"] = {"strategy": "random", "max_trials": 60, "stop_on": "budget"}
        job = submit(self.daemon, job)
        finished(self.daemon, job)
        for _ in range(20):
            with self.open() as sock:
                sock.sendall(b"GET /v1/jobs?limit=100 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
        self.packed("/openapi.json")


if __name__ == "__main__":
    unittest.main()
