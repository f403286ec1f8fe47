"""The corpus of bad inputs against the real daemon: requests. test_bad_answers.py has the evaluators.

Every row is run by one of the two, or stands in NOT_RUN with the reason.
"""

import contextlib
import json
import re
import socket
import sqlite3
import tempfile
import threading
import unittest

import bad_inputs
import jobkit
from daemon import Daemon
from patience import PATIENCE_S

META, CASES = bad_inputs.load()
PROBLEM = ("type", "title", "status", "detail")
TRICKLE = "<1 byte every 2 s>"
CROWD = "<max_connections + 100 open keep-alive connections>"

# Rows that no test runs, and why.
NOT_RUN = {
    "test_bad_tokens.py does it": re.compile(r"A\d+"),
    "callbacks are known by their lease, which cannot be guessed, and carry no signature":
        re.compile(r"K00[14]|K010"),
    "test_webhooks.py does it": re.compile(r"K01[36]"),
    "needs a fake SigOpt": re.compile(r"P\d+"),
    "needs pull workers": re.compile(r"W006|W009|W015|W018|W021|W024|W027"),
    "test_store_safety.c does it page by page": re.compile(r"D010|D013|D019"),
    "root may write everything": re.compile(r"D004"),
    "needs a clock of its own": re.compile(r"D022|D025"),
    "test_full_disk.py does it": re.compile(r"D016"),
    "test_process.py does it": re.compile(r"G018"),
    "TLS is left to a proxy": re.compile(r"G012|E133|E136"),
    "test_crash.py does it at every kill point": re.compile(r"I005"),
    "one row of 100 000 requests; keys of refused requests are not kept": re.compile(r"I017"),
    "events are kept as long as their job": re.compile(r"X005"),
    "the name service of the machine would be asked": re.compile(r"E004"),
}
ELSEWHERE = re.compile(r"E\d+|W0\d\d|K007")  # test_bad_answers.py

# docs/api.md decides what the corpus leaves open or sees otherwise.
BY_CONTRACT = {
    # Every operator has fp32, stated or not: an operator without modes of its own stays in it.
    "M114": {"class": "accept", "status": [201]},
    # null is the same as leaving a member out, everywhere.
    "M117": {"class": "accept", "status": [201]},
    # quant_level is "auto" there, which outranks the strategy: its arguments are ignored with a warning.
    "M138": {"class": "accept", "status": [201]},
    "M141": {"class": "accept", "status": [201]},
    "M147": {"class": "accept", "status": [201]},
    # libmicrohttpd refuses it before the guard can, as malformed since 1.0.
    "H052": {"class": "reject_too_large", "status": [400, 413]},
}


def reason_not_run(name):
    return next((why for why, names in NOT_RUN.items() if names.fullmatch(name)), None)


def here():
    """The rows that this file runs."""
    return {
        name: case for name, case in CASES.items()
        if not reason_not_run(name) and not ELSEWHERE.fullmatch(name)
    }


def exchange(port, data, fin=False, whole=False):
    """Sends bytes as they are; returns (status, headers, body) of the answer, status None for none.
    With `whole`, everything until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        if fin:
            sock.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while not complete(received, whole):
                piece = sock.recv(1 << 16)
                if not piece:
                    break
                received += piece
    return parse(received)


def parse(received):
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", first)
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    return (int(match[1]) if match else None), headers, body


def complete(received, whole):
    if whole or b"\r\n\r\n" not in received:
        return False
    _, headers, body = parse(received)
    return len(body) >= int(headers.get("content-length", 0))


class BadInputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(cls.directory.name)
        cls.daemon.start()
        # Never now: an accepted job waits, and nothing is measured.
        cls.evaluator = jobkit.Evaluator(lambda q, h: (503, {}, {"Retry-After": "3600"}))

    @classmethod
    def tearDownClass(cls):
        cls.evaluator.close()
        cls.daemon.stop()
        cls.directory.cleanup()

    def jobs(self):
        return {job["id"] for job in jobkit.everything(self.daemon, "/v1/jobs?limit=1000")}

    def post(self, body, extra="Content-Type: application/json\r\n", path="/v1/jobs"):
        head = f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        return exchange(self.daemon.port, head.encode() + body)

    @property
    def host(self):
        return f"127.0.0.1:{self.daemon.port}"

    def check(self, case, status, headers, body):
        """What every case promises, and what this one expects."""
        expect = BY_CONTRACT.get(case["id"], case["expect"])
        if "status" in expect:
            self.assertIn(status, expect["status"], body[:500])
        # What cannot be read as HTTP, libmicrohttpd answers itself, and closes.
        unread = case["level"] == "http" and "content-type" not in headers and status != 204
        if unread and status is not None:
            self.assertEqual(headers["connection"].lower(), "close")
        elif status is not None and status >= 400:
            self.assertEqual(headers["content-type"], "application/problem+json")
            problem = json.loads(body)
            self.assertEqual(problem["status"], status)
            for member in PROBLEM:
                self.assertTrue(problem[member], member)
            self.assertLess(len(body), 64 * 1024, "input is not echoed at length")
            named = [fault["pointer"] for fault in problem.get("errors", [])]
            for pointer in bad_inputs.pointers(case):
                self.assertTrue(any(map(pointer.fullmatch, named)), (pointer.pattern, named))
        self.assertEqual(jobkit.get(self.daemon, "/healthz")["status"], "ok")

    def submit(self, case):
        """A body for POST /v1/jobs: accepted and then cancelled, or refused without a trace."""
        before = self.jobs()
        extra = case.get("headers", "")
        extra = re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), extra)
        if "Content-Type" not in extra:
            extra += ("\r\n" if extra else "") + "Content-Type: application/json"
        body = bad_inputs.body_of(case, META, self.evaluator.url)
        answer = self.post(body, extra + "\r\n")
        self.check(case, *answer)
        made = self.jobs() - before
        self.assertEqual(len(made), 1 if answer[0] == 201 else 0)
        for job in made:
            self.compare(body, job)
            self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/cancel")[0], 200)

    def compare(self, body, job):
        """What was accepted is what was sent, byte for byte, and its space has an exact size."""
        sent = json.loads(body)["capability"]["ops"]
        spec = jobkit.get(self.daemon, f"/v1/jobs/{job}/spec")
        kept = (spec.get("capability") or {}).get("ops", [])
        self.assertEqual([op["name"] for op in kept], [op["name"] for op in sent])
        space = jobkit.get(self.daemon, f"/v1/jobs/{job}/space")
        self.assertRegex(space["size"], r"^[1-9][0-9]*$")

    def raw(self, case):
        if case["raw"] == CROWD:
            self.crowd()
        elif TRICKLE not in case["raw"] and case["expect"]["class"] != "close_by_deadline":
            valid = bad_inputs.body_of({}, META, self.evaluator.url)
            data, fin = bad_inputs.raw_of(case, self.host, valid)
            one = "exactly one reply" in case["expect"].get("must", [])
            status, headers, body = exchange(self.daemon.port, data, fin, whole=one)
            if one:
                self.assertEqual(len(body), int(headers["content-length"]), "one reply, then closed")
            self.check(case, status, headers, body)
            if case["kind"] == "put_on_collection":
                self.assertIn("POST", headers["allow"])

    def crowd(self):
        """More idle connections than there may be: a new client is served all the same."""
        with (
            tempfile.TemporaryDirectory() as directory,
            Daemon(directory, "--max-connections", "32") as daemon,
            contextlib.ExitStack() as stack,
        ):
            for _ in range(132):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
                with contextlib.suppress(OSError):
                    sock.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\n\r\n".encode())
            self.assertEqual(jobkit.get(daemon, "/healthz")["status"], "ok")

    def test_requests(self):
        ran = 0
        for case in here().values():
            if "raw" in case and case["level"] == "http":
                with self.subTest(case["id"], kind=case["kind"]):
                    self.raw(case)
                ran += 1
        self.assertEqual(ran, 33)

    def test_connections_that_say_too_little_are_closed(self):
        def wait(case):
            data, _ = bad_inputs.raw_of(case, self.host, b"")
            head, trickles, _ = data.partition(TRICKLE.encode())
            with socket.create_connection(("127.0.0.1", self.daemon.port), PATIENCE_S) as sock:
                sock.sendall(head)
                sock.settimeout(2 if trickles else PATIENCE_S)
                while True:
                    try:
                        return parse(sock.recv(4096))[0]
                    except TimeoutError:
                        sock.sendall(b" ")

        cases = [c for c in here().values() if c["expect"]["class"] == "close_by_deadline"]
        got = {}
        threads = [
            threading.Thread(target=lambda c=c: got.update({c["id"]: wait(c)})) for c in cases
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(got, {"H010": None, "H076": 408})

    def test_bodies(self):
        ran = 0
        for case in here().values():
            if case["level"] in ("json", "semantic", "browser") and "{each line" not in str(case):
                with self.subTest(case["id"], kind=case["kind"]):
                    self.submit(case)
                ran += 1
        self.assertEqual(ran, 27 + 73 + 2)

    def test_urls_of_evaluators(self):
        """M201: the whole list of addresses, where the text decides. A dry run calls nobody."""
        with tempfile.TemporaryDirectory() as directory:
            with Daemon(directory, "--evaluator-policy", "public") as public:
                ran = 0
                for name, *verdicts, phase, url in bad_inputs.ssrf_cases():
                    url = url.replace("{SELF}", str(self.daemon.port))
                    job = bad_inputs.base_job(META, url)
                    # What a name stands for is known when connecting: test_guard.c.
                    decided = phase == "register" and "//localhost" not in url
                    for daemon, verdict in zip((public, self.daemon), verdicts):
                        if decided and verdict in ("ALLOW", "DENY"):
                            with self.subTest(name, url=url, verdict=verdict):
                                self.url_is_judged(daemon, job, verdict)
                            ran += 1
                self.assertGreater(ran, 100)

    def url_is_judged(self, daemon, job, verdict):
        status, _, answer = daemon.request("POST", "/v1/spaces", job)
        self.assertEqual(status, 200 if verdict == "ALLOW" else 422, answer)
        if verdict == "DENY":
            self.assertEqual([fault["pointer"] for fault in answer["errors"]], ["/evaluator/url"])

    def test_queries(self):
        job = jobkit.submit(self.daemon, bad_inputs.base_job(META, self.evaluator.url))
        ran = 0
        for case in here().values():
            request = case.get("request", "").replace("{JOB upper-cased}", job.upper())
            if case["level"] == "query" and request:
                with self.subTest(case["id"], kind=case["kind"]):
                    data = f"{request} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()
                    self.check(case, *exchange(self.daemon.port, data))
                ran += 1
        self.assertEqual(ran, 10)
        statuses = [self.daemon.request("POST", f"/v1/jobs/{job}/cancel")[0] for _ in range(2)]
        self.assertEqual(statuses, [200, 200], "Q032: repeating it is not an error")
        statuses = [self.daemon.request("DELETE", f"/v1/jobs/{job}")[0] for _ in range(2)]
        self.assertEqual(statuses, [204, 404])

    def test_streams(self):
        job = jobkit.submit(self.daemon, bad_inputs.base_job(META, self.evaluator.url))
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        path, accept = f"/v1/jobs/{job}/events", {"Accept": "text/event-stream"}
        status, _, _ = self.daemon.request("GET", path, headers={**accept, "Last-Event-ID": "-1"})
        self.assertIn(status, CASES["X002"]["expect"]["status"])
        status, _, body = self.daemon.request("HEAD", path, headers=accept)
        self.assertIn(status, CASES["X008"]["expect"]["status"])
        self.assertIsNone(body)

    def test_idempotency_keys(self):
        job = bad_inputs.base_job(META, self.evaluator.url)
        status, _, first = self.daemon.request("POST", "/v1/jobs", job, {"Idempotency-Key": "k1"})
        self.assertEqual(status, 201)
        other = {**job, "name": "other"}
        status, headers, body = self.daemon.request("POST", "/v1/jobs", other, {"Idempotency-Key": "k1"})
        self.check(CASES["I002"], status, headers, json.dumps(body).encode())
        self.daemon.request("POST", f"/v1/jobs/{first['id']}/cancel")
        self.daemon.request("DELETE", f"/v1/jobs/{first['id']}")
        before = self.jobs()
        status, _, _ = self.daemon.request("POST", "/v1/jobs", job, {"Idempotency-Key": "k1"})
        self.assertIn(status, (*CASES["I008"]["expect"]["status"], 201))
        self.assertEqual(self.jobs(), before, "never a second job under the same key")
        for name in ("I011", "I014"):
            with self.subTest(name):
                self.submit(CASES[name])

    def test_starts(self):
        """D and G: what a daemon finds when it starts."""
        for arguments in (
            ("--listen", "0.0.0.0:0"),  # G003
            ("--token", "secret"),  # G006
            ("--max-connections", "-1"),  # G009
        ):
            with self.subTest(arguments), tempfile.TemporaryDirectory() as directory:
                with self.assertRaises(AssertionError) as raised:
                    Daemon(directory, *arguments).start()
                self.assertIn("it did not start: ''", str(raised.exception))
        with tempfile.TemporaryDirectory() as directory:  # G015
            with Daemon(directory, "--evaluator-allow", "169.254.169.254/32") as daemon:
                self.assertIn("never called otherwise", daemon.log())
            with sqlite3.connect(f"{directory}/narrowd.db") as database:  # D007
                database.execute("pragma user_version = 1000000")
            database.close()
            with open(f"{directory}/narrowd.db", "rb") as file:
                content = file.read()
            with self.assertRaises(AssertionError):
                Daemon(directory).start()
            with open(f"{directory}/narrowd.db", "rb") as file:
                self.assertEqual(file.read(), content, "untouched")
        with tempfile.TemporaryDirectory() as directory:  # D001
            open(f"{directory}/narrowd.db", "wb").close()
            with Daemon(directory) as daemon:
                self.assertEqual(self.daemon.request("GET", "/readyz")[0], 200)

    def test_every_row_is_run_or_says_why_not(self):
        levels = {"http", "json", "semantic", "browser", "query", "stream", "idempotency", "state", "config"}
        self.assertEqual({case["level"] for case in here().values()} - levels, set())
        left_out = {name for name in CASES if reason_not_run(name)}
        self.assertEqual((len(CASES), len(left_out)), (254, 46))

    def test_what_is_left_is_sound(self):
        """A daemon of its own, fed with refusals only: no row, sound files, a readable log."""
        refused = [
            case for name, case in here().items()
            if case["expect"]["class"] in ("reject_syntax", "reject_semantic")
            and name not in BY_CONTRACT
        ]
        with tempfile.TemporaryDirectory() as directory:
            with Daemon(directory) as daemon:
                for case in refused:
                    if "raw" not in case and "request" not in case and "sequence" not in case:
                        body = bad_inputs.body_of(case, META, self.evaluator.url)
                        exchange(daemon.port, b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                                 % (len(body), body))
                self.assertEqual(jobkit.get(daemon, "/v1/jobs")["items"], [])
            for line in daemon.log().splitlines():
                self.assertIn("level", json.loads(line))
            with sqlite3.connect(f"{directory}/narrowd.db") as database:
                self.assertEqual(database.execute("pragma integrity_check").fetchall(), [("ok",)])
                self.assertEqual(database.execute("select count(*) from event").fetchall(), [(0,)])
            database.close()


if __name__ == "__main__":
    unittest.main()
