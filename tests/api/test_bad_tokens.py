"""The corpus of bad inputs against the real daemon: who asks, and for what. Other rows are in test_bad_inputs.py."""

import json
import re
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest

import bad_inputs
import jobkit
from daemon import Daemon
from test_access import bearer, new_token
from test_bad_inputs import exchange

_, CASES = bad_inputs.load()
# No verdict comes from a time. Tokens are found by their SHA-256, which nobody can bring near another. Over a million calls in turns
# chosen by chance, texts near a token and far from it took the same CPU time but for 3 ns of 1350 at most, now in favour of these and now
# of those: which characters a text has shows, in strspn(), and not how near it is. That is enough for a Welch t above 4.5 now and then.
NOT_TIMED = {"A047"}


def own_address():
    """One of this machine's that is not loopback's; nothing is sent. Without a network there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


class BadTokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = temporary.name
        new_token(cls.directory, "admin")
        cls.daemon = Daemon(cls.directory, "--auth", "always")
        cls.daemon.start()
        cls.addClassCleanup(cls.daemon.stop)
        cls.tokens = {owner: new_token(cls.directory, "read", "submit", owner=owner) for owner in ("a", "b")}
        cls.words = {
            "TOKEN": cls.tokens["a"], "TOKEN_B": cls.tokens["b"], "READ_TOKEN": new_token(cls.directory, "read", owner="a"),
            "WORKER_TOKEN": new_token(cls.directory, "work", owner="a"), "64 random hex": "7f" * 32,
            "TOKEN.swapcase()": cls.tokens["a"].swapcase(), "a*8000": "a" * 8000,
        }
        for owner in ("a", "b"):
            body = {**jobkit.body(None), "evaluator": {"pool": owner}}
            status, _, job = cls.daemon.request("POST", "/v1/jobs", body, bearer(cls.tokens[owner]))
            assert status == 201, job
            cls.words[f"JOB_{owner.upper()}"] = job["id"]
        # The job of a comes to a trial whose number that of b has not reached.
        worker = bearer(cls.words["WORKER_TOKEN"])
        _, _, taken = cls.daemon.request("POST", "/v1/leases", {"pool": "a", "worker": "w", "wait_s": 20}, worker)
        answer = {"accuracy": 0.9, "metrics": {"latency_ms": 5}}
        assert cls.daemon.request("POST", f"/v1/leases/{taken['items'][0]['lease']}/complete", answer, worker)[0] == 200
        cls.words["TRIAL_OF_A"] = "1"
        jobkit.wait_until(lambda: cls.daemon.request("GET", f"/v1/jobs/{cls.words['JOB_A']}/trials/1",
                                                     headers=bearer(cls.tokens["a"]))[0] == 200)

    def filled(self, text):
        return re.sub(r"\{([^{}]+)\}", lambda match: self.words[match[1]], text)

    def ask(self, request, header=""):
        method = request.split()[0]
        body = b'{"no_such_member": 1}' if method == "POST" else b""
        head = f"{request} HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\nConnection: close\r\n"
        if header:
            head += f"{header}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return exchange(self.daemon.port, f"{head}\r\n".encode() + body)

    def check(self, case, status, headers, body):
        self.assertIn(status, case["expect"]["status"], body[:300])
        if status == 401:
            self.assertEqual(headers["www-authenticate"], "Bearer")
        for secret in self.tokens.values():
            self.assertNotIn(secret.encode(), body)

    def expired(self):
        """One that has been seen after its end. The clock goes back, which is to say that the end moves on."""
        token = new_token(self.directory, "read", owner="a", expires="1s")
        jobkit.wait_until(lambda: self.daemon.request("GET", "/v1/jobs", headers=bearer(token))[0] == 401)
        self.daemon.stop()
        with sqlite3.connect(f"{self.directory}/narrowd.db") as database:
            changed = database.execute("UPDATE token SET expires_at = ? WHERE expires_at < ?",
                                       (int(time.time() * 1000) + 86400000, int(time.time() * 1000))).rowcount
        database.close()
        self.assertEqual(changed, 1)
        self.daemon.start()
        return token

    def test_tokens(self):
        """Every way to show none is the same to who shows it."""
        self.words["EXPIRED, wall clock set back 1 day"] = self.expired()
        bodies, ran = set(), 0
        for name, case in CASES.items():
            if case["level"] == "auth" and case["target"] == "list_jobs":
                with self.subTest(name, kind=case["kind"]):
                    answer = self.ask(self.filled(case.get("request", "GET /v1/jobs")), self.filled(case.get("headers", "")))
                    self.check(case, *answer)
                    if answer[0] == 401 and "headers" in case:
                        problem = json.loads(answer[2])
                        bodies.add((problem["type"], problem["title"]))
                ran += 1
        self.assertEqual((ran, len(bodies)), (8, 1))
        good = {"level": "auth", "expect": {"status": [200]}}
        self.check(good, *self.ask("GET /v1/jobs", f"Authorization: Bearer {self.tokens['a']}"))

    def test_what_each_may(self):
        ran = 0
        for name, case in CASES.items():
            if case["level"] == "auth" and case["target"] == "table" and " with {" in case["request"]:
                request, token = case["request"].split(" with ")
                with self.subTest(name, kind=case["kind"]):
                    self.check(case, *self.ask(self.filled(request), f"Authorization: Bearer {self.filled(token)}"))
                ran += 1
        self.assertEqual(ran, 6)

    def test_metrics_from_another_machine(self):
        address = own_address()
        with tempfile.TemporaryDirectory() as directory:
            new_token(directory, "admin")
            with Daemon(directory, "--listen", f"{address}:0", "--allow-cleartext") as daemon:
                sockets = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
                ports = {int(port) for port in re.findall(rf"{re.escape(address)}:(\d+) .*pid={daemon.process.pid},", sockets)} - {daemon.port}
                [port] = ports or {daemon.port}
                with socket.create_connection((address, port)) as client:
                    client.sendall(f"GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                    answer = client.makefile("rb").read()
        self.assertIn(int(answer.split()[1]), CASES["A041"]["expect"]["status"])

    def test_every_row_is_here(self):
        rows = {name for name, case in CASES.items() if case["level"] == "auth"}
        self.assertEqual(len(rows), 8 + 6 + 1 + len(NOT_TIMED))
        self.assertLessEqual(set(NOT_TIMED), rows)


if __name__ == "__main__":
    unittest.main()
