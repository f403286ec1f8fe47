"""backends/fetch: what it sends, where it refuses to connect, and how it looks names up."""

import json
import os
import socket
import subprocess
import unittest

from patience import PATIENCE_S
from rude_server import RudeServer, answer, headers_of, read_request, sends
from test_fetch import GOOD, PROBE, FetchCase, probe


class Requests(FetchCase):
    def request(self, *arguments, path="", environment=None):
        def handle(connection, _):
            server.read(connection)
            connection.sendall(answer(GOOD))

        with RudeServer(handle) as server:
            (outcome,), _ = probe(*arguments, server.url + path, environment=environment)
        self.assertEqual(outcome["rc"], "ok", outcome)
        head, body = server.requests[0].split(b"\r\n\r\n", 1)
        return head.split(b"\r\n")[0].decode(), headers_of(server.requests[0]), body

    def test_methods_and_bodies(self):
        for method in ("POST", "PATCH"):
            line, headers, body = self.request("--method", method, "--body", "abc", path="x?y=z")
            self.assertEqual(line, f"{method} /x?y=z HTTP/1.1")
            self.assertEqual((headers["content-length"], body), ("3", b"abc"))
        for method in ("GET", "DELETE"):
            line, headers, body = self.request("--method", method)
            self.assertEqual(line, f"{method} / HTTP/1.1")
            self.assertNotIn("content-length", headers)
        _, headers, _ = self.request("--method", "POST")
        self.assertEqual(headers["content-length"], "0")

    def test_large_bodies_are_sent_without_being_asked_for(self):
        body = "x" * 120000
        _, headers, received = self.request("--method", "POST", "--body", body)
        self.assertNotIn("expect", headers)
        self.assertEqual(received, body.encode())

    def test_paths_are_joined_before_the_query(self):
        for base, expected in (
            ("", "/evaluate"),
            ("a", "/a/evaluate"),
            ("a//", "/a/evaluate"),
            ("a/?k=v", "/a/evaluate?k=v"),
            ("?k=/v", "/evaluate?k=/v"),
            ("a/../b", "/a/../b/evaluate"),
        ):
            line, _, _ = self.request("--path", "/evaluate", path=base)
            self.assertEqual(line, f"GET {expected} HTTP/1.1")

    def test_headers(self):
        _, headers, _ = self.request("--header", "X-A=1", "--header", "Authorization=Bearer x")
        self.assertEqual((headers["x-a"], headers["authorization"]), ("1", "Bearer x"))
        self.assertEqual(headers["user-agent"], "fetch-probe")
        self.assertNotIn("cookie", headers)

    def test_headers_cannot_be_smuggled(self):
        with RudeServer(sends(answer(GOOD))) as server:
            (outcome,), _ = probe("--header", "X-A=1\r\nX-B: 2", server.url)
        self.assertEqual((outcome["rc"], server.connections), ("usage", 0))

    def test_the_environment_names_no_proxy(self):
        with RudeServer(sends(answer("{}"))) as proxy:
            variables = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY")
            self.request(environment={name: proxy.url for name in variables})
        self.assertEqual(proxy.connections, 0)

    def test_unix_sockets(self):
        path = f"/tmp/fetch-probe-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            probing = subprocess.Popen(
                [PROBE, "--unix", path, "http://localhost/x"], stdout=subprocess.PIPE, text=True
            )
            connection, _ = listener.accept()
            request = read_request(connection)
            connection.sendall(answer(GOOD))
            output, _ = probing.communicate(timeout=PATIENCE_S)
            connection.close()
        os.unlink(path)
        self.assertTrue(request.startswith(b"GET /x HTTP/1.1\r\n"))
        self.assertEqual(json.loads(output.splitlines()[0])["rc"], "ok")


class Guarding(FetchCase):
    """Whatever is denied is denied before one byte is sent."""

    def outcome(self, *arguments, host, dns=(), expected="evaluator_denied"):
        with RudeServer(sends(answer(GOOD))) as server:
            lookups = [part for row in dns for part in ("--dns", row)]
            outcomes, end = probe(*arguments, *lookups, f"http://{host}:{server.port}/")
        self.assertEqual([outcome["rc"] for outcome in outcomes], [expected], outcomes)
        self.assertEqual(server.connections, 1 if expected == "ok" else 0)
        return outcomes[0], end

    def test_literal_addresses(self):
        for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0.0.0.0"):
            outcome, end = self.outcome("--policy", "public", host=host)
            self.assertFalse(outcome["retryable"])
            self.assertEqual(end["lookups"], 0)

    def test_localhost(self):
        self.outcome("--policy", "public", host="localhost")
        self.outcome("--policy", "lan", host="localhost", expected="ok")

    def test_every_answer_is_looked_at(self):
        for answers in ("127.0.0.1", "8.8.8.8,127.0.0.1", "127.0.0.1,8.8.8.8", "::1,8.8.8.8"):
            outcome, end = self.outcome(
                "--policy", "public", host="a.test", dns=[f"a.test={answers}"]
            )
            self.assertFalse(outcome["retryable"])
            self.assertNotIn("127.0.0.1", outcome["message"])
            self.assertEqual(end["lookups"], 1)
        self.outcome("--policy", "lan", host="a.test", dns=["a.test=127.0.0.1,169.254.169.254"])

    def test_metadata_is_denied_in_every_spelling(self):
        for address in ("169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254"):
            self.outcome("--policy", "lan", host="a.test", dns=[f"a.test={address}"])

    def test_own_sockets(self):
        with RudeServer(sends(answer(GOOD))) as server:
            arguments = ("--policy", "lan", "--own", server.port, "--dns", "a.test=127.0.0.1")
            urls = [f"http://{host}:{server.port}/" for host in ("127.0.0.1", "a.test")]
            outcomes, _ = probe(*arguments, *urls)
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["evaluator_denied"] * 2)
        self.assertEqual(server.connections, 0)

    def test_names_are_pinned_and_asked_for_once_a_request(self):
        _, end = self.outcome(
            "--policy", "lan", host="a.test", dns=["a.test=127.0.0.1|169.254.169.254"],
            expected="ok",
        )
        self.assertEqual(end["lookups"], 1)

    def test_a_name_that_turns_is_denied_even_on_a_kept_connection(self):
        def handle(connection, _):
            while server.read(connection):
                connection.sendall(answer(GOOD))

        with RudeServer(handle) as server:
            url = f"http://a.test:{server.port}/"
            rebinding = "a.test=127.0.0.1|127.0.0.1|169.254.169.254"
            outcomes, end = probe("--policy", "lan", "--dns", rebinding, url, url, url)
        self.assertEqual(
            [outcome["rc"] for outcome in outcomes], ["ok", "ok", "evaluator_denied"]
        )
        self.assertEqual((server.connections, len(server.requests), end["lookups"]), (1, 2, 3))

    def test_the_next_answer_is_tried_when_one_does_not_connect(self):
        self.outcome("--policy", "lan", host="a.test", dns=["a.test=127.0.0.9,127.0.0.1"],
                     expected="ok")

    def test_sixteen_answers_are_looked_at_and_used(self):
        def answers(denied_at):
            addresses = ["127.0.0.1"] * 60
            addresses[denied_at - 1] = "169.254.169.254"
            return ["a.test=" + ",".join(addresses)]

        self.outcome("--policy", "lan", host="a.test", dns=answers(16))
        self.outcome("--policy", "lan", host="a.test", dns=answers(17), expected="ok")


class Resolving(FetchCase):
    def test_unknown_names(self):
        (outcome,), _ = probe("--dns", "a.test=", "http://a.test:9000/")
        self.assertEqual((outcome["rc"], outcome["retryable"]), ("evaluator_failed", True))
        self.assertIn('"a.test" cannot be resolved', outcome["message"])

    def test_a_lookup_that_hangs_ends_by_the_deadline_and_holds_nobody_up(self):
        with RudeServer(sends(answer(GOOD))) as server:
            good = f"http://b.test:{server.port}/"
            outcomes, _ = probe(
                "--dns", "a.test=hang", "--dns", "b.test=127.0.0.1",
                "--timeout", 10000, "--together", 2, "http://a.test:9000/", good,
            )
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["ok", "timeout"])

    def test_one_name_is_looked_up_once_at_a_time(self):
        def handle(connection, _):
            while read_request(connection):
                connection.sendall(answer(GOOD))

        with RudeServer(handle) as server:
            url = f"http://a.test:{server.port}/"
            outcomes, end = probe("--dns", "a.test=127.0.0.1", "--together", 8, *[url] * 8)
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["ok"] * 8)
        self.assertEqual(end["lookups"], 1)

    def test_hanging_lookups_of_all_threads_give_way_to_later_ones(self):
        hanging = [f"h{number}.test" for number in range(6)]
        lookups = [part for name in hanging for part in ("--dns", f"{name}=hang")]
        with RudeServer(sends(answer(GOOD))) as server:
            outcomes, _ = probe(
                *lookups, "--dns", "b.test=127.0.0.1", "--timeout", PATIENCE_S * 1000, "--together", 6,
                *[f"http://{name}:9000/" for name in hanging], f"http://b.test:{server.port}/",
            )
        # They end by the resolver's own limit, not by their deadline.
        self.assertEqual([outcome["rc"] for outcome in outcomes], ["timeout"] * 6 + ["ok"])
        self.assertIn("name server", outcomes[0]["message"])


if __name__ == "__main__":
    unittest.main()
