"""backends/endpoint: what is sent to an evaluator, and what each way of answering is taken for."""

import base64
import hashlib
import hmac
import json
import re
import time
import unittest

from rude_server import RudeServer, answer, hangs, headers_of, sends
from test_fetch import probe

GOOD = '{"accuracy": 0.5, "latency_ms": 2}'
WRONG_KIND = "text/html"


class EndpointCase(unittest.TestCase):
    def ask(self, data, *arguments, url=None):
        handle = data if callable(data) else sends(data)
        with RudeServer(handle) as server:
            (outcome,), _ = probe(
                "--ask", "/evaluate", "--metric", "latency_ms", *arguments, url or server.url
            )
        self.assertFalse(outcome["inside"])
        return outcome

    def check(self, data, *arguments, outcome="failed", retryable=False,
              retry_after_ms=-1, message=""):
        seen = self.ask(data, *arguments)
        self.assertEqual(
            (seen["outcome"], seen["retryable"], seen["retry_after_ms"]),
            (outcome, retryable, retry_after_ms),
            seen,
        )
        self.assertIn(message, seen["message"])
        return seen


class Outcomes(EndpointCase):
    def test_an_answer(self):
        for kind in ("application/json", "Application/JSON; charset=utf-8"):
            seen = self.check(answer(GOOD, kind=kind), outcome="answered")
            self.assertEqual(seen["answer"]["accuracy"], [0.5])
            self.assertEqual(seen["answer"]["metrics"], {"latency_ms": 2.0})

    def test_several_accuracies_and_scores(self):
        seen = self.check(
            answer('{"accuracy": {"b": 2, "a": 1}, "latency_ms": 2}'),
            "--accuracy", "a", "--accuracy", "b", outcome="answered",
        )
        self.assertEqual(seen["answer"]["accuracy"], [1, 2])
        seen = self.check(
            answer('{"scores": {"fc": 2, "conv": 1}}'), "--op", "conv", "--op", "fc",
            outcome="answered",
        )
        self.assertEqual(seen["answer"]["scores"], [1, 2])

    def test_a_failure_is_an_answer(self):
        body = '{"failed": true, "error": "no kernel", "retryable": true}'
        seen = self.check(answer(body), outcome="answered")
        self.assertEqual(
            (seen["answer"]["failed"], seen["answer"]["error"], seen["answer"]["retryable"]),
            (True, "no kernel", True),
        )

    def test_accepted(self):
        self.check(answer("", "202 Accepted"), outcome="accepted")

    def test_statuses_worth_another_try(self):
        for status in (408, 425, 429, 500, 502, 503, 504, 507, 599):
            self.check(answer(GOOD, f"{status} X"), retryable=True, message=str(status))

    def test_final_statuses(self):
        for status in (101, 201, 204, 206, 226, 300, 302, 307, 308, 400, 401, 403, 404, 409, 410,
                       413, 415, 422, 451, 600, 999):
            self.check(answer(GOOD, f"{status} X"), message=str(status))

    def test_redirects_say_what_to_do(self):
        data = answer("", "302 Found", extra="Location: http://169.254.169.254/\r\n")
        self.check(data, message="give the URL that it leads to")

    def test_retry_after_counts_with_429_and_503_up_to_an_hour(self):
        for status, value, expected in (
            (429, "2", 2000),
            (503, "3600", 3600000),
            (503, "3601", 3600000),
            (503, "9" * 30, 3600000),
            (429, "-5", -1),
            (429, "Wed, 21 Oct 2015 07:28:00 GMT", 0),
            (500, "2", -1),
        ):
            self.check(
                answer("", f"{status} X", extra=f"Retry-After: {value}\r\n"),
                retryable=True, retry_after_ms=expected,
            )
        self.check(answer(GOOD, extra="Retry-After: 2\r\n"), outcome="answered")

    def test_bodies_that_are_no_answer(self):
        for body, message in (
            ("", "not JSON"),
            ("hello", "not JSON"),
            ("[]", "not JSON: a JSON object is expected"),
            ('{"accuracy": NaN, "latency_ms": 1}', "/accuracy: is no number"),
            ('{"accuracy": Infinity, "latency_ms": 1}', "/accuracy: is no number"),
            ('{"accuracy": 1e999, "latency_ms": 1}', "/accuracy: is no number"),
            ('{"accuracy": nan}', "not JSON"),
            ('{"accuracy": NaNs}', "not JSON"),
            ('{"accuracy": 123456789012345678901234567890}', "not JSON"),
            ('{"accuracy": 1, "accuracy": 2}', "not JSON"),
            ('{"accuracy": 1', "not JSON"),
            ('{"accuracy": 1} x', "not JSON"),
            ("\ufeff" + GOOD, "not JSON"),
            (b'{"accuracy": "\xff"}', "not JSON"),
            ("[" * 40 + "]" * 40, "nested more than 32"),
            ("{}", "/accuracy: is required"),
            ('{"accuracy": 0.5}', "/latency_ms: is missing"),
            ('{"accuracy": 0.5, "latency_ms": -1}', "must not be negative"),
            ('{"accuracy": 0.5, "latency_ms": [1, "2"]}', "/latency_ms/1: a number"),
        ):
            self.check(answer(body), message=message)

    def test_other_content_types(self):
        self.check(answer(GOOD, kind=WRONG_KIND), message="text/html")
        self.check(answer(GOOD, kind="application/jsonx"), message="application/jsonx")
        self.check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", message="content type")

    def test_whose_fault_it_is(self):
        for status, more, broken, blameless in (
            (404, "", True, True), (401, "", True, True), (501, "", True, True),
            (502, "", True, False), (503, "", True, True),
            (503, "Retry-After: 1\r\n", False, True),
            (400, "", False, False), (422, "", False, False), (500, "", False, False),
        ):
            with self.subTest(status=status, more=more):
                head = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{more}\r\n".encode()
                seen = self.ask(head)
                self.assertEqual((seen["broken"], seen["blameless"]), (broken, blameless))
        with RudeServer(sends(b"")) as server:
            url = server.url
        seen = self.ask(b"", url=url)
        self.assertEqual((seen["broken"], seen["blameless"]), (True, True), "nobody is there")
        seen = self.ask(b"")
        self.assertEqual((seen["broken"], seen["blameless"]), (True, False), "it died of it")

    def test_bodies_over_the_limit(self):
        body = '{"accuracy": 0.5, "latency_ms": 1, "error": "' + "x" * (1 << 20) + '"}'
        self.check(answer(body), message="too large")

    def test_broken_connections_and_time_outs(self):
        self.check(b"", retryable=True, message="without an answer")
        self.check(answer(GOOD)[:-1], retryable=True)
        self.check(hangs, "--timeout", 200, retryable=True, message="in time")

    def test_denied_and_unknown_hosts(self):
        seen = self.ask(hangs, "--policy", "public", url="http://10.0.0.1:9001/")
        self.assertEqual((seen["outcome"], seen["retryable"]), ("failed", False))
        self.assertIn('"private"', seen["message"])
        seen = self.ask(hangs, "--dns", "a.test=", url="http://a.test:9001/?key=secret")
        self.assertEqual((seen["outcome"], seen["retryable"], seen["broken"]),
                         ("failed", True, True))
        self.assertNotIn("secret", seen["message"])


class Questions(EndpointCase):
    def request(self, *arguments, path="", body=GOOD):
        def handle(connection, _):
            server.read(connection)
            connection.sendall(answer(body))

        with RudeServer(handle) as server:
            (outcome,), _ = probe(*arguments, server.url + path)
        head, received = server.requests[0].split(b"\r\n\r\n", 1)
        return head.split(b"\r\n")[0].decode(), headers_of(server.requests[0]), received, outcome

    def test_line_and_headers(self):
        line, headers, body, _ = self.request(
            "--ask", "/baseline", "--key", "job_1.17", "--body", '{"trial": 17}'
        )
        self.assertEqual((line, body), ("POST /baseline HTTP/1.1", b'{"trial": 17}'))
        self.assertEqual(headers["content-type"], "application/json")
        self.assertEqual(headers["idempotency-key"], '"job_1.17"')
        self.assertNotIn("webhook-signature", headers)

    def test_the_path_is_joined_to_the_base(self):
        for path in ("", "base", "base/", "base?key=v"):
            line, _, _, _ = self.request("--ask", "/evaluate", path=path)
            base, _, query = path.partition("?")
            expected = f"/{base}".rstrip("/") + "/evaluate" + (f"?{query}" if query else "")
            self.assertEqual(line, f"POST {expected} HTTP/1.1")

    def test_trace_parents_are_fresh(self):
        traces = [self.request("--ask", "/evaluate")[1]["traceparent"] for _ in range(3)]
        for trace in traces:
            self.assertRegex(trace, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertEqual(len(set(traces)), 3)

    def test_signatures(self):
        key = bytes(range(24))
        text = "whsec_" + base64.b64encode(key).decode()
        identities = set()
        for _ in range(2):
            _, headers, body, _ = self.request(
                "--ask", "/evaluate", "--secret", text, "--key", "job_1.17", "--body", '{"a": 1}'
            )
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            self.assertEqual(headers["webhook-signature"], "v1," + expected)
            self.assertLess(abs(int(headers["webhook-timestamp"]) - time.time()), 60)
            self.assertNotIn(".", headers["webhook-id"])
            identities.add(headers["webhook-id"])
        self.assertEqual(len(identities), 1, "the same question has the same id")

    def test_capability(self):
        line, headers, body, outcome = self.request("--capability", path="x/", body='{"ops": []}')
        self.assertEqual((line, body), ("POST /x/capability HTTP/1.1", b"{}"))
        self.assertNotIn("idempotency-key", headers)
        self.assertEqual(outcome["capability"], {"ops": []})

    def test_signed_capability_questions_have_ids_of_their_own(self):
        seen = [self.request("--capability", "--secret", "s")[1]["webhook-id"] for _ in range(2)]
        self.assertTrue(all(re.match("^msg_[0-9A-Z]+$", one) for one in seen), seen)
        self.assertEqual(len(set(seen)), 2)

    def test_large_capabilities(self):
        document = {"ops": [{"name": "n" * 100 + str(i), "type": "Linear"} for i in range(20000)]}
        text = json.dumps(document)
        self.assertGreater(len(text), 2 << 20)
        _, _, _, outcome = self.request("--capability", body=text)
        self.assertEqual(outcome["capability"], document)

    def test_capability_failures(self):
        for data, message in (
            (answer("", "202 Accepted"), "202"),
            (answer("", "404 Not Found"), "404"),
            (answer("[]"), "not JSON"),
            (answer("{}", kind=WRONG_KIND), "text/html"),
            (b"", "without an answer"),
        ):
            with RudeServer(sends(data)) as server:
                (outcome,), _ = probe("--capability", server.url)
            self.assertIsNone(outcome["capability"])
            self.assertIn(message, outcome["message"])


if __name__ == "__main__":
    unittest.main()
