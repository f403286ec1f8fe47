"""Listeners that speak TLS, and which ones have to."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import jobkit
from certificates import make_ca
from daemon import Daemon
from patience import PATIENCE_S
from test_access import bearer, new_token
from worker_kit import free_port

NARROWD, NARROW = os.environ["NARROWD_BIN"], os.environ["NARROW_BIN"]
CONFIG = 78


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.here = pathlib.Path(temporary.name)
        cls.ca, _, _ = make_ca(cls.here, "ours")
        cls.other_ca, _, _ = make_ca(cls.here, "later")
        cls.cert, cls.key = cls.here / "cert.pem", cls.here / "key.pem"

    def setUp(self):
        self.show("ours")
        self.data = tempfile.TemporaryDirectory()
        self.addCleanup(self.data.cleanup)
        self.port = free_port()
        self.daemon = Daemon(self.data.name, "--listen", f"https://127.0.0.1:{self.port}",
                             "--tls-cert", str(self.cert), "--tls-key", str(self.key))
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def show(self, name):
        self.cert.write_text((self.here / f"{name}.crt").read_text())
        self.key.write_text((self.here / f"{name}-leaf.key").read_text())

    def connect(self, ca=None):
        context = ssl.create_default_context(cadata=ca or self.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=context)
        self.addCleanup(connection.close)
        return connection

    def ask(self, method, path, body=None, headers=None, ca=None):
        connection = self.connect(ca)
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def test_what_is_long_arrives_whole(self):
        clear = self.daemon.request("GET", "/openapi.json")[2]
        self.assertEqual(json.loads(self.ask("GET", "/openapi.json")[2]), clear)
        status, _, answer = self.ask("POST", "/v1/jobs", json.dumps({"x": "y" * 3_000_000}))
        self.assertEqual((status, json.loads(answer)["errors"][0]["pointer"][:1]), (422, "/"))
        status, _, answer = self.ask("GET", "/v1/jobs?name=" + "x" * 9000)
        self.assertEqual((status, json.loads(answer)["type"]), (414, "urn:narrowd:problem:uri_too_long"))

    def test_waiting_and_streaming(self):
        etag = self.ask("GET", "/v1/jobs")[1]["ETag"]
        waiting, stream = self.connect(), self.connect()
        waiting.request("GET", "/v1/jobs", None, {"If-None-Match": etag, "Prefer": "wait=25"})
        stream.request("GET", "/v1/events?after=now", None, {"Accept": "text/event-stream"})
        events = stream.getresponse()
        self.assertEqual(events.readline(), b"retry: 2000\n")
        body = {**jobkit.body("http://unused"), "evaluator": {"pool": "none"}}
        self.assertEqual(self.ask("POST", "/v1/jobs", json.dumps(body))[0], 201)
        answer = waiting.getresponse()
        self.assertEqual((answer.status, len(json.loads(answer.read())["items"])), (200, 1))
        while not events.readline().startswith(b"event: job_submitted"):
            pass

    def test_only_tls_12_and_13(self):
        for version, fine in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
                              (ssl.TLSVersion.TLSv1_3, True)):
            context = ssl.create_default_context(cadata=self.ca)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as plain:
                if not fine:
                    self.assertRaises(ssl.SSLError, context.wrap_socket, plain, server_hostname="127.0.0.1")
                    continue
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    self.assertIsNotNone(secure.version())

    def test_who_does_not_speak_it_holds_nobody_up(self):
        """Half a record makes libmicrohttpd ask to be run again and again."""
        silent = [socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) for _ in range(20)]
        for number, sock in enumerate(silent):
            self.addCleanup(sock.close)
            sock.sendall(b"\x16\x03\x01\x02\x00\x01"[:number % 7])
        clear = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self.addCleanup(clear.close)
        clear.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertNotIn(b"HTTP/1.1", clear.makefile("rb").read(), "an answer in clear text")
        for _ in range(5):
            self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        # Each has the time of a head and no more.
        for sock in silent:
            self.assertNotIn(b"HTTP", sock.makefile("rb").read())

    def test_the_pair_is_read_again_on_sighup(self):
        held = self.connect()
        held.request("GET", "/healthz")
        held.getresponse().read()
        self.show("later")
        self.hang_up("were read again")
        self.assertEqual(self.ask("GET", "/healthz", ca=self.other_ca)[0], 200)
        self.assertRaises(ssl.SSLError, self.ask, "GET", "/healthz")
        held.request("GET", "/healthz")
        self.assertEqual(held.getresponse().status, 200, "who is connected stays so")
        for broken in ("no certificate", (self.here / "ours.crt").read_text()):  # the key of another
            self.cert.write_text(broken)
            self.hang_up("the old certificate and key stay")
            self.assertEqual(self.ask("GET", "/healthz", ca=self.other_ca)[0], 200)

    def hang_up(self, words):
        before = self.daemon.log().count(words)
        self.daemon.process.send_signal(signal.SIGHUP)
        jobkit.wait_until(lambda: self.daemon.log().count(words) > before)

    def test_the_page_is_secure(self):
        token = new_token(self.data.name, "read", "submit")
        status, sent, _ = self.ask("POST", "/v1/session", json.dumps({"token": token}))
        self.assertEqual(status, 200)
        self.assertIn("; Secure", sent["Set-Cookie"])
        cookie = {"Cookie": sent["Set-Cookie"].split(";")[0]}
        for scheme, wanted in (("https", 422), ("http", 403)):
            origin = {"Origin": f"{scheme}://127.0.0.1:{self.port}"}
            self.assertEqual(self.ask("POST", "/v1/jobs", "{}", {**cookie, **origin})[0], wanted)

    def test_narrow(self):
        ca = self.here / "ours.pem"
        for arguments, status in ((["--ca", str(ca)], 0), ([], 4), (["--ca", str(self.here / "later.pem")], 4)):
            done = subprocess.run([NARROW, "--server", f"https://127.0.0.1:{self.port}", *arguments, "jobs"],
                                  capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(done.returncode, status, done.stderr)

    def test_narrow_does_not_wait_where_waiting_cannot_help(self):
        """`watch` and `wait` wait for a daemon that is being started: one that is there, and speaks otherwise, is not."""
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as plain:
            for server, arguments, reason in (
                (f"https://127.0.0.1:{self.port}", ["--ca", str(self.here / "later.pem")], "has a certificate that is not valid for it"),
                (f"https://127.0.0.1:{self.port}", [], "has a certificate that is not valid for it"),
                (f"http://127.0.0.1:{self.port}", [], f"; the server is https://127.0.0.1:{self.port}\n"),
                (plain.url.replace("http:", "https:"), [], f"; the server is {plain.url}\n"),
            ):
                for command in (["watch", "last"], ["wait", "job_01M8T339RWB3JQAXAQ0ZFMMQAJ"]):
                    with self.subTest(server, arguments=arguments, command=command):
                        done = subprocess.run([NARROW, "--server", server, *arguments, *command], capture_output=True, text=True, timeout=PATIENCE_S)
                        self.assertEqual(done.returncode, 4, done.stderr)
                        self.assertIn(reason, done.stderr)
                        self.assertNotIn("not ready yet", done.stderr)

    def run_narrow(self, server, *arguments, **variables):
        mine = {k: v for k, v in os.environ.items() if not k.startswith("NARROWD_")}
        return subprocess.run([NARROW, "--server", server, *arguments], env={**mine, **variables}, capture_output=True, text=True, timeout=PATIENCE_S)

    def test_narrow_says_what_it_means_to_speak_in_clear(self):
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as plain:
            for token, words in (({}, f"; the server is {plain.url}\n"),
                                 ({"NARROWD_TOKEN": "secret"}, f"; the server is {plain.url}, which is not encrypted: whoever listens reads the token\n")):
                done = self.run_narrow(plain.url.replace("http:", "https:"), "jobs", **token)
                self.assertEqual((done.returncode, done.stderr.endswith(words)), (4, True), done.stderr)

    def test_only_narrowd_is_taken_for_it(self):
        """Of a proxy that sends everybody to TLS nothing follows for the daemon."""
        seen, answer = [], b"HTTP/1.1 301 Moved\r\nLocation: https://x\r\nContent-Length: 0\r\n\r\n"
        port = self.peer(lambda first: answer if first.startswith(b"GET") else b"", seen)
        done = self.run_narrow(f"https://127.0.0.1:{port}", "jobs")
        self.assertEqual(done.returncode, 4)
        self.assertNotIn("; the server is", done.stderr)
        self.assertIn(b"GET /healthz", b"".join(seen))

    def test_it_is_tried_otherwise_once(self):
        """A daemon that breaks connections while it is being started may speak as it was asked to all the same."""
        seen = []
        page = b'{"items": [], "next": null}'
        whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(page), page)
        port = self.peer(lambda first: whole if sum(s.startswith(b"GET") for s in seen) > 2 else b"", seen)
        done = self.run_narrow(f"http://127.0.0.1:{port}", "watch", "last", NARROWD_CA=str(self.here / "ours.pem"))
        self.assertIn("no job", done.stderr)
        self.assertEqual([s[:1] for s in seen if not s.startswith(b"GET")], [b"\x16"], seen)

    def peer(self, answer, seen):
        """A port that gives each connection what `answer` says of its first bytes, which go to `seen`, and ends it."""
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        seen.append(connection.recv(65536))
                        connection.sendall(answer(seen[-1]))

        thread = threading.Thread(target=run)
        thread.start()

        def end():
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            listener.close()

        self.addCleanup(end)
        return listener.getsockname()[1]


class Settings(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.here = pathlib.Path(temporary.name)
        make_ca(self.here, "a")
        make_ca(self.here, "b")

    def refused(self, *arguments, check=True):
        check = ["--check-config"] if check else []
        done = subprocess.run([NARROWD, "--data-dir", str(self.here / "data"), *check, *arguments],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        return done.stderr

    def test_what_other_machines_reach(self):
        pair = ("--tls-cert", str(self.here / "a.crt"), "--tls-key", str(self.here / "a-leaf.key"))
        for listen, words in (("0.0.0.0:0", "allow_cleartext"), ("[::]:0", "tls_cert"),
                              ("https://127.0.0.1:0", "needs tls_cert"), ("http://0.0.0.0:0", "allow_cleartext")):
            self.assertIn(words, self.refused("--listen", listen))
        self.assertIn("allow_cleartext", self.refused("--listen", "http://0.0.0.0:0", *pair))
        self.assertIn("tls_key is missing", self.refused(*pair[:2]))
        self.assertIn("tls_cert is missing", self.refused(*pair[2:]))
        self.assertIn("a.crt",
                      self.refused(*pair[:2], "--tls-key", str(self.here / "b-leaf.key")))
        self.assertIn("nowhere", self.refused("--tls-cert", str(self.here / "nowhere"), *pair[2:]))
        for reachable in (pair, ("--allow-cleartext",)):
            self.assertIn("token create", self.refused("--listen", "0.0.0.0:0", *reachable, check=False))

    def test_with_one_such_listener_every_request_needs_a_token(self):
        token = new_token(str(self.here / "data"), "admin")
        with Daemon(self.here / "data", "--listen", "0.0.0.0:0", "--allow-cleartext") as daemon:
            self.assertEqual(daemon.request("GET", "/v1/jobs")[0], 401)
            self.assertEqual(daemon.request("GET", "/v1/jobs", None, bearer(token))[0], 200)
            url = {"url": "http://127.0.0.1:9999"}
            status, _, answer = daemon.request("POST", "/v1/evaluators", url, bearer(token))
            self.assertEqual((status, answer["type"]), (422, "urn:narrowd:problem:evaluator_denied"))
            status, _, answer = daemon.request("GET", "/metrics")
            self.assertEqual(status, 401)


if __name__ == "__main__":
    unittest.main()
