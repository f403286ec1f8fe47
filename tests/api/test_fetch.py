"""backends/fetch against servers that do everything wrong, in the program fetch_probe."""

import email.utils
import gzip
import json
import os
import socket
import subprocess
import time
import unittest

from patience import PATIENCE_S
from rude_server import RudeServer, answer, hangs, headers_of, read_request, reset, sends

PROBE = os.environ["FETCH_PROBE"]
GOOD = '{"accuracy": 0.5}'


def probe(*arguments, environment=None):
    """The outcomes by the probe, in the order of their completion, and its last line."""
    done = subprocess.run(
        [PROBE, *[str(argument) for argument in arguments]],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1]


class FetchCase(unittest.TestCase):
    def fetch(self, handle, *arguments, path=""):
        with RudeServer(handle) as server:
            outcomes, _ = probe(*arguments, server.url + path)
        self.assertEqual(len(outcomes), 1)
        self.assertFalse(outcomes[0]["inside"], "called back from inside fetch_start()")
        self.assertTrue(outcomes[0]["ended"], "the body has no NUL behind it")
        return outcomes[0]

    def fails(self, handle, *arguments, rc="evaluator_failed", retryable=True, message=""):
        outcome = self.fetch(handle, *arguments)
        self.assertEqual((outcome["rc"], outcome["retryable"]), (rc, retryable), outcome)
        self.assertIn(message, outcome["message"])
        return outcome

    def works(self, handle, *arguments, status=200, body=None):
        outcome = self.fetch(handle, *arguments)
        self.assertEqual((outcome["rc"], outcome["status"]), ("ok", status), outcome)
        if body is not None:
            self.assertEqual(outcome["body"], body)
        return outcome


class Connections(FetchCase):
    def test_refused(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{holder.getsockname()[1]}/"
            (outcome,), _ = probe(url)
        self.assertEqual((outcome["rc"], outcome["retryable"]), ("evaluator_failed", True))
        self.assertIn("Connection refused", outcome["message"])

    def test_connect_without_answer(self):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            address = full.getsockname()
            fillers = []
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            (outcome,), _ = probe("--connect-timeout", 200, f"http://127.0.0.1:{address[1]}/")
            for filler in fillers:
                filler.close()
        self.assertEqual((outcome["rc"], outcome["retryable"]), ("timeout", True), outcome)
        self.assertIn("connected to in time", outcome["message"])

    def test_accepts_and_says_nothing(self):
        outcome = self.fails(hangs, "--timeout", 300, rc="timeout", message="in time")
        self.assertGreaterEqual(outcome["elapsed_ms"], 300)

    def test_reset_before_the_request_is_read(self):
        self.fails(lambda connection, _: reset(connection))

    def test_reset_after_the_request(self):
        self.fails(lambda connection, _: read_request(connection) and reset(connection))

    def test_end_without_an_answer(self):
        self.fails(sends(b""), message="without an answer")

    def test_cut_at_every_byte(self):
        whole = answer(GOOD, extra="X-Long: some header\r\n")
        for end in ("close", "reset"):
            with RudeServer(lambda c, number: sends(whole[:number], end)(c, number)) as server:
                outcomes, _ = probe(*[server.url] * (len(whole) - 1))
            self.assertEqual(len(outcomes), len(whole) - 1)
            for length, outcome in enumerate(outcomes, 1):
                self.assertEqual(
                    (outcome["rc"], outcome["retryable"]),
                    ("evaluator_failed", True),
                    f"{end} after {length} bytes: {outcome}",
                )

    def test_one_byte_at_a_time_ends_by_the_deadline(self):
        def handle(connection, _):
            read_request(connection)
            for byte in answer("x" * 10000):
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

        self.fails(handle, "--timeout", 300, rc="timeout")

    def test_slices_make_a_whole(self):
        def handle(connection, _):
            read_request(connection)
            for byte in answer(GOOD):
                connection.sendall(bytes([byte]))

        self.works(handle, body=GOOD)

    def test_a_connection_is_reused(self):
        def handle(connection, _):
            while server.read(connection):
                connection.sendall(answer(GOOD))

        with RudeServer(handle) as server:
            outcomes, _ = probe(*[server.url] * 5)
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["ok"] * 5)
        self.assertEqual((server.connections, len(server.requests)), (1, 5))

    def test_a_stale_reused_connection_costs_nothing(self):
        for end in (reset, socket.socket.close):

            def handle(connection, _, end=end):
                server.read(connection)
                connection.sendall(answer(GOOD))
                # The second request on this connection meets its end.
                if server.read(connection):
                    end(connection)

            with RudeServer(handle) as server:
                outcomes, _ = probe("--method", "POST", "--body", "{}", *[server.url] * 2)
            self.assertEqual([outcome["rc"] for outcome in outcomes], ["ok"] * 2, outcomes)
            self.assertEqual((server.connections, len(server.requests)), (2, 3))

    def test_a_fresh_connection_is_not_tried_again(self):
        def handle(connection, _):
            server.read(connection)
            reset(connection)

        with RudeServer(handle) as server:
            (outcome,), _ = probe(server.url)
        self.assertEqual(outcome["rc"], "evaluator_failed")
        self.assertEqual((server.connections, len(server.requests)), (1, 1))

    def test_connections_per_host_are_bounded(self):
        most, now = [0], [0]

        def handle(connection, _):
            now[0] += 1
            most[0] = max(most[0], now[0])
            while server.read(connection):
                time.sleep(0.02)
                connection.sendall(answer(GOOD))
            now[0] -= 1

        with RudeServer(handle) as server:
            outcomes, _ = probe("--per-host", 2, "--together", 12, *[server.url] * 12)
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["ok"] * 12)
        self.assertEqual(most[0], 2)

    def test_waiting_for_a_connection_counts_against_the_deadline(self):
        with RudeServer(hangs) as server:
            outcomes, _ = probe(
                "--per-host", 1, "--together", 3, "--timeout", 300, *[server.url] * 3
            )
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["timeout"] * 3)

    def test_cancelled_calls_are_never_heard_of(self):
        with RudeServer(hangs) as server:
            outcomes, _ = probe(
                "--cancel-after", 200, "--dns", "a.test=hang", "--together", 9,
                *[server.url, "http://a.test:9000/", "http://127.0.0.1:1/x y"] * 3,
            )
        # Only the URLs that are denied at once are told before the end.
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["evaluator_denied"] * 3)


class Answers(FetchCase):
    def test_a_whole_answer(self):
        outcome = self.works(sends(answer(GOOD, extra='ETag: "7"\r\n'), "hang"), body=GOOD)
        self.assertEqual(outcome["content_type"], "application/json")
        self.assertEqual(outcome["etag"], '"7"')
        self.assertEqual(outcome["length"], len(GOOD))
        self.assertEqual(outcome["retry_after_ms"], -1)

    def test_a_body_up_to_the_end_of_the_connection(self):
        self.works(sends(b"HTTP/1.1 200 OK\r\n\r\n" + GOOD.encode()), body=GOOD)

    def test_chunks_and_trailers(self):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.works(sends(head + b"2\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n", "hang"), body="abc")

    def test_informational_answers_come_before(self):
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        self.works(sends(early + answer(GOOD)), body=GOOD)

    def test_end_in_the_header_after_an_informational_answer(self):
        early = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n"
        self.fails(sends(early), message="before it was complete")

    def test_no_content(self):
        self.works(sends(b"HTTP/1.1 204 No Content\r\n\r\n", "hang"), status=204, body="")

    def test_redirects_are_not_followed(self):
        with RudeServer(sends(answer(GOOD))) as target:
            for status in (300, 301, 302, 303, 305, 307, 308):
                location = f"Location: {target.url}\r\nRefresh: 0; url={target.url}\r\n"
                self.works(sends(answer("", f"{status} Moved", extra=location)), status=status)
            self.assertEqual(target.connections, 0)

    def test_bodies_up_to_the_limit(self):
        self.works(sends(answer("x" * 1000)), "--max-reply", 1000)

    def test_announced_bodies_over_the_limit(self):
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
        self.fails(
            sends(data, "hang"), "--max-reply", 1000,
            rc="body_too_large", retryable=False, message="too large",
        )

    def test_endless_bodies(self):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

        outcome = self.fails(handle, rc="body_too_large", retryable=False, message="too large")
        self.assertLessEqual(outcome["length"], 65536)

    def test_endless_headers(self):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            number = 0
            while True:
                connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 100))
                number += 1

        self.fails(handle, message="16 KiB of headers")

    def test_endless_informational_answers(self):
        def handle(connection, _):
            read_request(connection)
            while True:
                connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")

        self.fails(handle, message="16 KiB of headers")

    def test_one_endless_header_line(self):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                connection.sendall(b"y" * 4096)

        self.fails(handle, message="header")

    def test_a_huge_status_line(self):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 ")
            while True:
                connection.sendall(b"O" * 4096)

        self.fails(handle)

    def test_length_shorter_than_the_body_cuts_it(self):
        data = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"accuracy": 0.5}'
        self.works(sends(data), body='{"')

    def test_length_longer_than_the_body(self):
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
        self.fails(sends(data), message="before it was complete")

    def test_impossible_lengths(self):
        for length in (b"-5", b"x", b"99999999999999999999999"):
            data = b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n{}"
            outcome = self.fetch(sends(data, "hang"), "--timeout", 1000)
            self.assertIn(outcome["rc"], ("evaluator_failed", "body_too_large"), outcome)

    def test_two_lengths(self):
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
        outcome = self.fetch(sends(data))
        self.assertNotEqual(outcome["rc"] == "ok" and outcome["length"] > 3, True, outcome)

    def test_bad_chunks(self):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for chunks in (b"ZZ\r\nab\r\n", b"-1\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"F" * 40, b"5\r\nab"):
            self.fails(sends(head + chunks))

    def test_compressed_bodies_stay_as_they_are(self):
        def handle(connection, _):
            server.read(connection)
            body = gzip.compress(b"x" * 1000000)
            connection.sendall(answer(body, extra="Content-Encoding: gzip\r\n"))

        with RudeServer(handle) as server:
            (outcome,), _ = probe("--max-reply", 10000, server.url)
        self.assertEqual(outcome["rc"], "ok")
        self.assertLess(outcome["length"], 10000)
        self.assertNotIn("accept-encoding", headers_of(server.requests[0]))

    def test_http_0_9(self):
        self.fails(sends(b"hello"), message="HTTP")

    def test_not_http(self):
        for data in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"HTTP/1.1 2"):
            self.fails(sends(data))

    def test_the_http_2_preface_as_an_answer(self):
        self.fails(sends(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))

    def test_strange_statuses(self):
        for status in (b"1000", b"99", b"-1", b"abc"):
            outcome = self.fetch(sends(b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n\r\n"))
            self.assertNotEqual((outcome["rc"], outcome["status"]), ("ok", 200))

    def test_switching_protocols(self):
        outcome = self.fetch(
            sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + answer(GOOD))
        )
        self.assertNotEqual((outcome["rc"], outcome["status"]), ("ok", 200), outcome)

    def test_tls_to_a_plain_port(self):
        with RudeServer(sends(answer(GOOD))) as server:
            (outcome,), _ = probe("--timeout", 1000, server.url.replace("http:", "https:"))
        self.assertNotEqual(outcome["rc"], "ok")
        self.assertTrue(outcome["retryable"])

    def test_retry_after(self):
        def date(seconds):
            return email.utils.formatdate(time.time() + seconds, usegmt=True)

        for value, low, high in (
            ("7", 7000, 7000),
            ("0", 0, 0),
            ("999999999999999999999", 2**62, 2**63),
            (date(100), 90000, 100000),
            (date(-100), 0, 0),
            ("-5", -1, -1),
            ("1.5", -1, -1),
            ("soon", -1, -1),
            ("", -1, -1),
        ):
            data = answer("{}", "503 Busy", extra=f"Retry-After: {value}\r\n")
            outcome = self.works(sends(data), status=503)
            self.assertTrue(low <= outcome["retry_after_ms"] <= high, (value, outcome))


if __name__ == "__main__":
    unittest.main()
