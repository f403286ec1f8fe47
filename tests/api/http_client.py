"""A raw HTTP client and the server it talks to, for the tests of the HTTP server.

The server is tests/unit/http_probe.c, the smallest program around api/http/http.h; NARROWD_HTTP_PROBE
names it. Each test has one of its own, which must end with status 0: that is, under the sanitizers
without a report, and with every handler's context destroyed exactly once.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

from patience import PATIENCE_S

PROBE = os.environ["NARROWD_HTTP_PROBE"]


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def problem(self):
        assert self.headers["content-type"] == "application/problem+json", self.headers
        return json.loads(self.body)


def read_chunked(stream):
    body = b""
    while True:
        size = int(stream.readline(), 16)
        body += stream.read(size)
        stream.readline()
        if size == 0:
            return body


def read_answer(stream, has_body=True):
    """One answer from a buffered socket file, or None at its end."""
    line = stream.readline()
    if not line:
        return None
    headers = {}
    while (header := stream.readline().strip()):
        name, _, value = header.decode("latin-1").partition(":")
        assert name.lower() not in headers, f"{name} came twice"
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = read_chunked(stream)
    else:
        body = stream.read(int(headers.get("content-length", 0))) if has_body else b""
    return Answer(int(line.split()[1]), headers, body)


class Server:
    def __init__(self, *args, listen=("127.0.0.1:0",)):
        command = [PROBE, *(f"--listen={address}" for address in listen), *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ready = self.process.stdout.readline().decode().split()
        if ready[:1] != ["READY"]:
            raise AssertionError(self.process.communicate()[1].decode())
        self.urls = ready[1:]
        port = re.search(r":(\d+)$", self.urls[0])
        self.address = ("127.0.0.1", int(port.group(1))) if port else None

    def connect(self, family=socket.AF_INET, address=None):
        sock = socket.socket(family)
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(address or self.address)
        except OSError:
            sock.close()
            raise
        return sock

    @property
    def host(self):
        return f"127.0.0.1:{self.address[1]}"

    def request(self, method, target, headers=(), body=b""):
        """The bytes of a well-formed request; `headers` are whole lines."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
            if not any(line.lower().startswith("content-type") for line in lines):
                lines.append("Content-Type: application/json")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def raw(self, data):
        """Sends bytes and returns every answer until the server closes."""
        with self.connect() as sock, sock.makefile("rb") as stream:
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            answers = []
            with contextlib.suppress(ConnectionError):
                while (answer := read_answer(stream)) is not None:
                    answers.append(answer)
            return answers

    def ask(self, method, target, headers=(), body=b""):
        with self.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(self.request(method, target, headers, body))
            return read_answer(stream, has_body=method != "HEAD")

    def unread(self):
        """Bytes that have arrived for the server and that it has not read."""
        total = 0
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if int(fields[1].partition(":")[2], 16) == self.address[1] and fields[3] == "01":
                    total += int(fields[4].partition(":")[2], 16)
        return total

    def stats(self):
        return json.loads(self.ask("GET", "/stats").body)

    def stop(self):
        """Ends it kindly and returns (exit status, standard error)."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors.decode()


class HttpTest(unittest.TestCase):
    def serve(self, *args, **kwargs):
        server = Server(*args, **kwargs)

        def finish():
            if server.process.poll() is None:
                try:
                    status, errors = server.stop()
                except subprocess.TimeoutExpired:
                    server.process.kill()
                    server.process.communicate()
                    raise
                self.assertEqual((status, errors), (0, ""))
            server.process.stdout.close()
            server.process.stderr.close()

        self.addCleanup(finish)
        return server

    def eventually(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, f"never: {what}")
            time.sleep(0.02)

    def refused(self, server, data, status, name):
        """Exactly one answer, a problem of that name, and the connection closed.

        What libmicrohttpd refuses by itself, which depends on its version, is a bare page.
        """
        answers = server.raw(data)
        self.assertEqual([answer.status for answer in answers], [status], data[:80])
        if status not in (400, 501) or "content-type" in answers[0].headers:
            problem = answers[0].problem
            self.assertEqual(problem["type"], f"urn:narrowd:problem:{name}", data[:80])
            self.assertEqual(problem["status"], status)
        self.assertEqual(answers[0].headers["connection"].lower(), "close")
        self.assertEqual(server.ask("GET", "/hello").status, 200, "the server goes on")
