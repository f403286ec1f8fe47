"""What the HTTP server refuses before any handler sees it: framing, limits, web pages."""

import contextlib
import unittest

from http_client import HttpTest, read_answer


class Guard(HttpTest):
    def test_smuggling_shapes(self):
        server = self.serve()
        post = "POST /echo HTTP/1.1\r\nContent-Type: application/json\r\n"
        host = f"Host: {server.host}\r\n"
        tail = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        for headers in (
            host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            host + "Content-Length: 5\r\nContent-Length: 6\r\n",
            host + "Content-Length: 5\r\nContent-Length: 5\r\n",
            host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
            host + host + "Content-Length: 5\r\n",
            host + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 5\r\n",
            host + "Content-Length : 5\r\n",
            host + "Content Length: 5\r\n",
            host + "X-A: a\x01b\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\n",
        ):
            self.refused(server, (post + headers + "\r\n" + tail).encode(), 400, "bad_request")
        for coding in ("xchunked", "gzip, chunked", "chunked, gzip", "identity", "chunked;a=b", ""):
            for more in ("", "Content-Length: 5\r\n"):
                headers = f"{host}Transfer-Encoding: {coding}\r\n{more}"
                self.refused(server, (post + headers + "\r\n" + tail).encode(), 501, "not_implemented")
        for coding in ("chunked", "gzip"):
            old = f"POST /echo HTTP/1.0\r\n{host}Transfer-Encoding: {coding}\r\n\r\n{tail}"
            self.refused(server, old.encode(), 400, "bad_request")

    def test_lines_that_are_folded_or_end_in_another_way(self):
        server = self.serve()
        host = f"Host: {server.host}\r\n"
        for line in ("X-A: a\r\n b\r\n", "X-A: a\r\n\tb\r\n", "X-A: a\r\n \r\n", "X-A:\r\n a\r\n",
                     "X-A:\r\n \r\n", "X-A: a\r\n b\r\n c\r\n", "X-A: a\n b\r\n", "X-A: a\n \r\n",
                     "X-A: a\n", "X-A: a\0b\r\n", "X-A\r\n : a\r\n", "X-A: a\rb\r\n",
                     "Content-Length: 2\r\n 2\r\n", "Content-Length:\r\n 2\r\n",
                     "Transfer-Encoding: x\r\n chunked\r\n",
                     "Transfer-Encoding:\r\n chunked\r\n"):
            end = "X-B: b\r\nConnection: close\r\n\r\n"
            with self.subTest(line):
                data = "GET /hello HTTP/1.1\r\n" + host + line + end
                self.refused(server, data.encode(), 400, "bad_request")
        for line in ("X-A:a\r\n", "X-A: a\r\n", "X-A:\t a\r\n", "X-A:\r\n", "X-A: \r\n",
                     "X-A: a   b\r\n", "X-A: a  \r\n"):
            with self.subTest(line):
                self.assertEqual(server.ask("GET", "/hello", [line[:-2]]).status, 200)

    def test_framing_that_the_library_refuses_itself(self):
        server = self.serve()
        head = f"POST /echo HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: application/json\r\n"
        for lines, *statuses in (
            ("Content-Length: +5\r\n\r\nhello", 400),
            ("Content-Length: -5\r\n\r\nhello", 400),
            ("Content-Length: 5, 5\r\n\r\nhello", 400),
            ("Content-Length: 0x5\r\n\r\nhello", 400),
            # 413 before 1.0, and since then 400: both read it as no number, before the guard can look at it.
            ("Content-Length: 99999999999999999999999\r\n\r\nhello", 400, 413),
            ("Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", 400),
        ):
            with server.connect() as sock, sock.makefile("rb") as stream:
                sock.sendall((head + lines).encode())
                self.assertIn(int(stream.readline().split()[1]), statuses, lines)
                with contextlib.suppress(ConnectionError):
                    self.assertNotIn(b"200 OK", stream.read(), lines)

    def test_bad_targets(self):
        server = self.serve()
        for target in ("/a%00b", "/a%", "/a%4", "/a%zz", "/a?b=%0g", "/a?b=%00", "/a\x01b", "/a\x7f", "/a b",
                       "/seen?" + "&".join(["a=1"] * 65), "/seen?" + "&" * 600):
            self.refused(server, server.request("GET", target), 400, "bad_request")
        self.refused(server, server.request("GET", "/" + "a" * 8192), 414, "uri_too_long")
        self.assertEqual(server.ask("GET", "/seen" + "a" * 8187).status, 200)
        self.assertEqual(server.ask("GET", "/seen?" + "&".join(["a=1"] * 64)).status, 200)

    def test_nul_in_the_target_reaches_no_route(self):
        server = self.serve()
        for line in ("/hello\0/x", "/hello\0", "/hello?\0", "/hello?a=1\0&b"):
            # libmicrohttpd 1.0 closes such a connection without a word.
            statuses = [answer.status for answer in server.raw(server.request("GET", line))]
            self.assertIn(statuses, ([], [400]), line)
            self.assertEqual(server.ask("GET", "/hello").status, 200, "the server goes on")

    def test_large_headers(self):
        server = self.serve()
        self.refused(server, server.request("GET", "/hello", ["X-A: " + "a" * 16384]), 431,
                     "headers_too_large")
        answers = server.raw(server.request("GET", "/hello", ["X-A: " + "a" * 60000]))
        self.assertEqual([answer.status for answer in answers], [431])
        self.assertEqual(server.ask("GET", "/hello", ["X-A: " + "a" * 16000]).status, 200)

    def test_announced_bodies_over_the_limit_are_refused_before_they_are_sent(self):
        server = self.serve("--max-body=1000")
        head = ["Content-Type: application/json", "Content-Length: 1001"]
        self.refused(server, server.request("POST", "/echo", head), 413, "body_too_large")
        head.append("Expect: 100-continue")
        self.refused(server, server.request("POST", "/echo", head), 413, "body_too_large")
        self.assertEqual(server.ask("POST", "/echo", body=b"x" * 1000).status, 200)

    def test_a_client_that_asks_first_is_told_to_go_on_only_when_it_may(self):
        server = self.serve()
        expect = ["Expect: 100-continue", "Content-Length: 2"]
        self.refused(server, server.request("POST", "/echo", expect + ["Content-Type: text/plain"]),
                     415, "unsupported_media_type")
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(server.request("POST", "/echo", expect + ["Content-Type: application/json"]))
            self.assertEqual(read_answer(stream).status, 100)
            sock.sendall(b"{}")
            self.assertEqual(read_answer(stream).body, b"{}")

    def test_chunked_bodies_over_the_limit(self):
        server = self.serve("--max-body=10000")
        head = server.request("POST", "/echo", ["Content-Type: application/json",
                                                "Transfer-Encoding: chunked"])
        chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(head + chunk * 10 + b"0\r\n\r\n")
            self.assertEqual(len(read_answer(stream).body), 10000)
            sock.sendall(head + chunk * 11 + b"0\r\n\r\n")
            answer = read_answer(stream)
            self.assertEqual((answer.status, answer.problem["status"]), (413, 413))
            sock.sendall(server.request("GET", "/hello"))
            self.assertEqual(read_answer(stream).status, 200, "the connection is in step")
        self.refused(server, head + chunk * 500, 413, "body_too_large")

    def test_memory_for_all_bodies_together_is_bounded(self):
        server = self.serve("--max-body=100000")
        head = server.request("POST", "/echo", ["Content-Type: application/json",
                                                "Content-Length: 99999"])
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(server.connect()) for _ in range(8)]
            for sock in socks:
                sock.sendall(head + b"x" * 99998)
            self.eventually(lambda: server.unread() == 0, "all that was sent is read")
            answer = server.ask("POST", "/echo", body=b"y")
            self.assertEqual(answer.problem["type"], "urn:narrowd:problem:overloaded")
            self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
            for sock in socks:
                sock.sendall(b"x")
                with sock.makefile("rb") as stream:
                    self.assertEqual(len(read_answer(stream).body), 99999)
        self.assertEqual(server.ask("POST", "/echo", body=b"y" * 90000).status, 200)

    def test_media_types(self):
        server = self.serve()
        for method in ("POST", "PUT", "PATCH"):
            for header, status in (
                ("Content-Type: application/json", 200),
                ("Content-Type: Application/JSON;charset=utf-8", 200),
                ("Content-Type: text/plain", 415),
                ("Content-Type: application/jsonp", 415),
                ("Content-Type: multipart/form-data; boundary=" + "a" * 5000, 415),
                ("Content-Type: application/x-www-form-urlencoded", 415),
                ("Content-Type:", 415),
                ("Content-Type: application/json\r\nContent-Encoding: gzip", 415),
                ("Content-Type: application/json\r\nContent-Encoding: identity", 200),
            ):
                answer = server.ask(method, "/echo", [header], body=b"{}")
                self.assertEqual(answer.status, status, (method, header))
            self.assertEqual(server.ask(method, "/echo", ["Content-Length: 0"]).status, 200)

    def test_a_refusal_leaves_the_connection_in_step(self):
        server = self.serve()
        with server.connect() as sock, sock.makefile("rb") as stream:
            for _ in range(5):
                sock.sendall(server.request("POST", "/echo", ["Content-Type: text/plain"],
                                            b"GET / HTTP/1.1\r\n\r\n"))
                self.assertEqual(read_answer(stream).status, 415)
                sock.sendall(server.request("POST", "/echo", body=b"{}"))
                self.assertEqual(read_answer(stream).body, b"{}")

    def test_hosts(self):
        server = self.serve("--allow-host=narrow.example", "--allow-host=other.example:99")
        port = server.address[1]
        for host, status in (
            ("localhost", 200), (f"LOCALHOST:{port}", 200), ("127.0.0.1", 200),
            ("127.0.0.1:1", 200), ("[::1]", 200), (f"[::1]:{port}", 200),
            ("narrow.example", 200), ("narrow.example:80", 200), ("other.example:99", 200),
            ("other.example", 403), ("other.example:98", 403), ("evil.example", 403),
            ("localhost.evil.example", 403), ("localhost:80:80", 403), ("localhost:x", 403),
            ("[::1", 403), ("127.0.0.1.evil.example", 403), ("", 403), ("evil.example:80", 403),
        ):
            with server.connect() as sock, sock.makefile("rb") as stream:
                sock.sendall(f"GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                answer = read_answer(stream)
                self.assertEqual(answer.status, status, host)
                if status == 403:
                    self.assertEqual(answer.problem["type"], "urn:narrowd:problem:forbidden")

    def test_other_origins_are_refused(self):
        server = self.serve("--allow-host=narrow.example")
        own = server.host
        for headers, status in (
            ([f"Origin: http://{own}"], 200),
            ([f"Origin: https://{own}"], 403),
            (["Origin: http://127.0.0.1"], 403),
            (["Origin: http://evil.example"], 403),
            (["Origin: null"], 403),
            (["Origin:"], 403),
            ([f"Origin: http://{own}.evil.example"], 403),
            ([f"Origin: http://{own}", "Origin: http://evil.example"], 403),
            (["Sec-Fetch-Site: cross-site"], 403),
            (["Sec-Fetch-Site: same-origin"], 200),
            (["Sec-Fetch-Site: none"], 200),
        ):
            for method, body in (("GET", b""), ("POST", b"{}")):
                answer = server.ask(method, "/echo", headers, body)
                self.assertEqual(answer.status, status, headers)
                self.assertNotIn("access-control-allow-origin", answer.headers)
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: narrow.example\r\n"
                         b"Origin: https://narrow.example\r\n\r\n")
            self.assertEqual(read_answer(stream).status, 200, "a TLS proxy in front of us")

    def test_http_1_0_needs_no_host(self):
        answers = self.serve().raw(b"GET /hello HTTP/1.0\r\n\r\n")
        self.assertEqual([answer.status for answer in answers], [200])


if __name__ == "__main__":
    unittest.main()
