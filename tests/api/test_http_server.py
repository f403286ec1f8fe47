"""The HTTP server at work: answers now, later and in pieces; slow, many and vanishing clients."""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from http_client import HttpTest, Server, read_answer
from patience import PATIENCE_S


class Basics(HttpTest):
    def test_echo_and_headers_of_every_answer(self):
        server = self.serve()
        answer = server.ask("POST", "/echo", body=b'{"a": 1}')
        self.assertEqual((answer.status, answer.body), (200, b'{"a": 1}'))
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertEqual(answer.headers["cache-control"], "max-age=1", "the handler's own")
        self.assertEqual(server.ask("GET", "/hello").headers["cache-control"], "no-store")

    def test_chunked_and_one_byte_at_a_time(self):
        server = self.serve()
        body = b'{"text": "' + b"x" * 300 + b'"}'
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
        head = server.request("POST", "/echo", ["Content-Type: application/json; charset=utf-8",
                                                "Transfer-Encoding: chunked"])
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(head + chunks)
            self.assertEqual(read_answer(stream).body, body)
            for byte in server.request("POST", "/echo", body=body):
                sock.sendall(b"%c" % byte)
            self.assertEqual(read_answer(stream).body, body)

    def test_pipelined_requests_are_answered_in_order(self):
        server = self.serve()
        bodies = [b'{"n":%d}' % n for n in range(20)]
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(b"".join(server.request("POST", "/echo", body=b) for b in bodies))
            self.assertEqual([read_answer(stream).body for _ in bodies], bodies)

    def test_head_is_get_without_the_body(self):
        server = self.serve()
        with server.connect() as sock, sock.makefile("rb") as stream:
            for target, length in (("/hello", "591"), ("/late", "13"), ("/large?bytes=9", "9")):
                sock.sendall(server.request("HEAD", target))
                answer = read_answer(stream, has_body=False)
                self.assertEqual((answer.status, answer.headers["content-length"]), (200, length))
            sock.sendall(server.request("HEAD", "/echo"))
            self.assertEqual(read_answer(stream, has_body=False).headers["x-method"], "GET")
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(server.request("HEAD", "/stream"))
            answer = read_answer(stream, has_body=False)
            self.assertEqual((answer.status, answer.headers["content-type"]),
                             (200, "text/event-stream"))
            self.assertEqual(stream.read(), b"")
        self.assertEqual(server.stats()["destroyed"], 2)

    def test_request_ids(self):
        server = self.serve()
        given = "a.B-c_9" + "x" * 57
        answer = server.ask("GET", "/none", [f"X-Request-Id: {given}"])
        self.assertEqual(answer.headers["x-request-id"], given)
        self.assertEqual(answer.problem["request_id"], given)
        made = set()
        for bad in ("", "x" * 65, "a b", "a\u00e9", '"'):
            answer = server.ask("GET", "/none", [f"X-Request-Id: {bad}"])
            self.assertRegex(answer.headers["x-request-id"], r"^req_[0-9A-Z]{26}-[0-9]+$")
            made.add(answer.headers["x-request-id"])
        self.assertEqual(len(made), 5)

    def test_problem_document(self):
        problem = self.serve().ask("GET", "/problem", ["X-Request-Id: me"]).problem
        self.assertEqual(problem, {
            "type": "urn:narrowd:problem:invalid_field",
            "title": "Request cannot be carried out as it is",
            "status": 422,
            "detail": '/a/b: must be "small"',
            "instance": "/problem",
            "request_id": "me",
            "errors": [{"pointer": "/a/b", "detail": 'must be "small"'},
                       {"pointer": "/c", "detail": "unknown member"}],
        })

    def test_an_error_echoes_little_of_the_request(self):
        problem = self.serve().ask("GET", "/" + "p" * 5000).problem
        self.assertEqual(problem["instance"], "/" + "p" * 63)

    def test_path_and_query_are_decoded(self):
        server = self.serve()
        for target, seen in (
            ("/seen/a%20b%2Fc?a=1+2%26&b", ["/seen/a b/c", "1 2&", ["a", "1 2&"], ["b", ""]]),
            ("/seen?a", ["/seen", "", ["a", ""]]),
            ("/seen?b=1&a=2&a=3", ["/seen", "2", ["b", "1"], ["a", "2"], ["a", "3"]]),
            ("/seen", ["/seen", "absent"]),
        ):
            self.assertEqual(json.loads(server.ask("GET", target).body), seen)


class Listeners(HttpTest):
    def test_several_kinds_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(path)
            server = self.serve(listen=("127.0.0.1:0", "[::1]:0", f"unix:{path}"))
            self.assertRegex(server.urls[1], r"^http://\[::1\]:[1-9]\d*$")
            self.assertEqual(server.urls[2], f"unix:{path}")
            port = int(server.urls[1].rpartition(":")[2])
            for family, address, host in (
                (socket.AF_INET, server.address, "localhost"),
                (socket.AF_INET6, ("::1", port), "[::1]"),
                (socket.AF_UNIX, path, "whatever.example"),
            ):
                with server.connect(family, address) as sock, sock.makefile("rb") as stream:
                    sock.sendall(f"GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    self.assertEqual(read_answer(stream).status, 200)
            self.assertEqual(server.stop(), (0, ""))
            self.assertFalse(os.path.exists(path))

    def test_a_socket_in_use_is_not_taken_over(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            first = self.serve(listen=(f"unix:{path}",))
            for address in (f"unix:{path}",):
                with self.assertRaisesRegex(AssertionError, "cannot listen on"):
                    Server(listen=(address,))
            with first.connect(socket.AF_UNIX, path) as sock, sock.makefile("rb") as stream:
                sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(read_answer(stream).status, 200)
            first.stop()

    def test_bad_addresses(self):
        taken = self.serve()
        for address in ("", "127.0.0.1", "localhost:80", "127.0.0.1:", "127.0.0.1:65536",
                        "127.0.0.1:+1", "[::1:80", "::1:80", "[127.0.0.1]:80", "unix:",
                        "unix:/" + "a" * 200, taken.host):
            with self.assertRaisesRegex(AssertionError, "cannot listen on"):
                Server(listen=("127.0.0.1:0", address))


class Deadlines(HttpTest):
    def closes(self, sock, trickle):
        """Sends a byte now and then until the server closes; returns what it said."""
        said = b""
        end = time.monotonic() + PATIENCE_S
        sock.settimeout(0.1)
        while True:
            self.assertLess(time.monotonic(), end, "the server keeps a slow client")
            with contextlib.suppress(socket.timeout):
                try:
                    got = sock.recv(65536)
                except ConnectionError:
                    return said
                if not got:
                    return said
                said += got
                continue
            with contextlib.suppress(OSError):
                sock.send(trickle)

    def test_a_trickled_request_line(self):
        server = self.serve("--header-ms=1000")
        with server.connect() as sock:
            sock.sendall(b"GET /")
            self.assertEqual(self.closes(sock, b"a"), b"")

    def test_trickled_headers(self):
        server = self.serve("--header-ms=1000")
        with server.connect() as sock:
            sock.sendall(b"GET /hello HTTP/1.1\r\nX-A: ")
            self.assertRegex(self.closes(sock, b"a"), rb"^HTTP/1.1 408 .*(?s:.)*request_timeout")

    def test_a_trickled_body(self):
        server = self.serve("--body-ms=1000")
        with server.connect() as sock:
            sock.sendall(server.request("POST", "/echo", ["Content-Type: application/json",
                                                          "Content-Length: 1000"]))
            self.assertRegex(self.closes(sock, b"a"), rb"^HTTP/1.1 408 .*(?s:.)*request_timeout")

    def test_silence(self):
        server = self.serve("--header-ms=3000", "--idle-ms=500")
        with server.connect() as silent, server.connect() as idle:
            idle.sendall(server.request("GET", "/hello"))
            with idle.makefile("rb") as stream:
                self.assertEqual(read_answer(stream).status, 200)
                self.assertEqual(stream.read(), b"")
            self.assertEqual(silent.recv(1), b"")

    def test_answers_and_streams_that_nobody_reads(self):
        server = self.serve("--idle-ms=500")
        with contextlib.ExitStack() as stack:
            # Both are more than the buffers of two sockets take.
            for target in ("/large?bytes=8000000", "/stream?lines=100000000&ms=0"):
                sock = stack.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect(server.address)
                sock.sendall(server.request("GET", target))
            self.eventually(lambda: server.stats()["connections"] == 1, "all are closed")
        stats = server.stats()
        self.assertEqual((stats["made"], stats["destroyed"]), (1, 1))

    def test_a_large_answer_arrives_whole_at_a_slow_reader(self):
        server = self.serve("--idle-ms=5000")
        with server.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(server.request("GET", "/large?bytes=12000000") * 3)
            for _ in range(3):
                time.sleep(2)
                self.assertEqual(read_answer(stream).body, b"y" * 12000000)

    def test_a_slow_handler_and_a_live_stream_have_no_deadline(self):
        server = self.serve("--header-ms=2000", "--body-ms=2000", "--idle-ms=2000")
        self.assertEqual(server.ask("POST", "/late?ms=3000", body=b"{}").status, 200)
        answer = server.ask("GET", "/stream?ms=3000&lines=3")
        self.assertEqual(answer.body.count(b"tick"), 3)


class Waiting(HttpTest):
    def test_200_late_answers_at_once(self):
        server = self.serve()
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(server.connect()) for _ in range(200)]
            for n, sock in enumerate(socks):
                sock.sendall(server.request("GET", f"/late?ms={n % 50}"))
            for sock in socks:
                with sock.makefile("rb") as stream:
                    self.assertEqual(read_answer(stream).body, b'{"late":true}')
        stats = server.stats()
        self.assertEqual((stats["made"], stats["destroyed"]), (200, 200))

    def test_streams_at_once(self):
        server = self.serve()
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(server.connect()) for _ in range(50)]
            for n, sock in enumerate(socks):
                sock.sendall(server.request("GET", f"/stream?ms={n % 5}&lines=20") * 2)
            for sock in socks:
                with sock.makefile("rb") as stream:
                    for _ in range(2):
                        body = read_answer(stream).body
                        self.assertEqual(body, b": hello\n\n" + b"data: tick\n\n" * 20)
        self.assertEqual(server.stats()["destroyed"], 100)

    def test_a_full_stream_queue_says_so_and_what_is_queued_arrives(self):
        body = self.serve().ask("GET", "/flood").body
        self.assertEqual(body, b"x" * 262000)

    def test_clients_that_leave_while_they_wait(self):
        server = self.serve()
        socks = [server.connect() for _ in range(30)]
        for n, sock in enumerate(socks):
            target = "/late?ms=1000000" if n % 2 else "/stream?ms=1000000"
            sock.sendall(server.request("GET", target))
        self.eventually(lambda: server.stats()["made"] == 30, "all wait")
        for sock in socks:
            sock.close()
        self.eventually(lambda: server.stats()["destroyed"] == 30, "all contexts are destroyed")
        self.eventually(lambda: server.stats()["connections"] == 1, "all connections are closed")

    def test_at_most_half_of_the_connections_wait(self):
        server = self.serve("--max-connections=20")
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(server.connect()) for _ in range(10)]
            for sock in waiting:
                sock.sendall(server.request("GET", "/late?ms=1000000"))
            self.eventually(lambda: server.stats()["made"] == 10, "ten wait")
            answer = server.ask("GET", "/late?ms=1000000")
            self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
            self.assertEqual(answer.problem["type"], "urn:narrowd:problem:overloaded")


class Crowds(HttpTest):
    def test_a_full_table_makes_room_and_recovers(self):
        server = self.serve("--max-connections=10")
        with contextlib.ExitStack() as stack:
            held = []
            for _ in range(100):
                held.append(stack.enter_context(server.connect()))
                held[-1].sendall(b"GET /hello HTTP/1.1\r\nX-A: ")
            for _ in range(50):
                self.assertEqual(server.ask("GET", "/hello").status, 200)
            closed = 0
            for sock in held[:80]:
                with contextlib.suppress(ConnectionError):
                    self.assertEqual(sock.recv(1), b"")
                closed += 1
            self.assertEqual(closed, 80, "the oldest went first")
            self.eventually(lambda: server.stats()["connections"] <= 10, "the others are closed")

    def test_busy_connections_are_not_given_up_for_new_ones(self):
        server = self.serve("--max-connections=10")
        with contextlib.ExitStack() as stack:
            busy = [stack.enter_context(server.connect()) for _ in range(9)]
            for sock in busy:
                sock.sendall(server.request("POST", "/stream?ms=300&lines=5"))
            self.eventually(lambda: server.stats()["made"] == 9, "nine are busy")
            for _ in range(30):
                stack.enter_context(server.connect())
            for sock in busy:
                with sock.makefile("rb") as stream:
                    self.assertEqual(read_answer(stream).body.count(b"tick"), 5)

    def test_many_clients_at_a_small_limit(self):
        """Some of 20 are always turned away, but whoever comes again is answered in the end."""
        server = self.serve("--max-connections=8")
        answered = []

        def is_answered():
            with contextlib.suppress(OSError, ValueError):
                answer = server.ask("GET", "/late?ms=1")
                return answer is not None and answer.status in (200, 503)
            return False

        def client():
            for _ in range(25):
                self.eventually(is_answered, "an answer")
                answered.append(True)

        threads = [threading.Thread(target=client) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answered), 20 * 25)
        stats = server.stats()
        self.assertEqual(stats["made"], stats["destroyed"])

    def test_running_out_of_descriptors_is_survived(self):
        server = self.serve()
        subprocess.run(["prlimit", f"--pid={server.process.pid}", "--nofile=40:40"], check=True)
        socks = [server.connect() for _ in range(80)]
        self.eventually(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) >= 40, "full")
        for sock in socks:
            sock.close()
        self.assertEqual(server.ask("GET", "/hello").status, 200)


class Stopping(HttpTest):
    def test_stop_with_waiters_streams_and_unfinished_work(self):
        server = self.serve()
        with contextlib.ExitStack() as stack:
            def open_with(data):
                sock = stack.enter_context(server.connect())
                sock.sendall(data)
                return stack.enter_context(sock.makefile("rb"))

            reads = [open_with(server.request("GET", "/late?ms=1000000")) for _ in range(20)]
            writes = [open_with(server.request("POST", "/late?ms=1500", body=b"{}"))
                      for _ in range(5)]
            streams = [open_with(server.request("GET", "/stream?ms=1000000")) for _ in range(5)]
            idle = open_with(server.request("GET", "/hello"))
            partial = open_with(b"POST /echo HTTP/1.1\r\n")
            self.assertEqual(read_answer(idle).status, 200)
            self.eventually(lambda: server.stats()["made"] == 30, "all are under way")
            self.assertEqual(server.stop(), (0, ""))
            for stream in reads:
                answer = read_answer(stream)
                self.assertEqual(answer.problem["type"], "urn:narrowd:problem:draining")
                self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
                self.assertEqual(answer.headers["connection"].lower(), "close")
            for stream in writes:
                self.assertEqual(read_answer(stream).body, b'{"late":true}')
            for stream in streams:
                self.assertEqual(read_answer(stream).body, b": hello\n\n")
            for stream in (idle, partial, *reads, *writes, *streams):
                self.assertEqual(stream.read(), b"")

    def test_a_write_that_never_ends_is_given_up_at_the_deadline(self):
        server = self.serve("--stop-ms=300")
        with server.connect() as sock:
            sock.sendall(server.request("POST", "/late?ms=1000000", body=b"{}"))
            self.eventually(lambda: server.stats()["made"] == 1, "it is under way")
            self.assertEqual(server.stop(), (0, ""))
            self.assertEqual(sock.recv(1), b"", "silence, not a false 503")

    def test_stop_without_any_client(self):
        self.assertEqual(self.serve().stop(), (0, ""))

    def test_stop_under_load(self):
        server = self.serve()
        statuses = set()

        def client():
            with contextlib.suppress(OSError, ValueError, AttributeError):
                while True:
                    statuses.add(server.ask("GET", "/late?ms=1").status)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.eventually(lambda: server.stats()["destroyed"] > 100, "it is busy")
        self.assertEqual(server.stop(), (0, ""))
        for thread in threads:
            thread.join()
        self.assertLessEqual(statuses, {200, 503})


if __name__ == "__main__":
    unittest.main()
