"""An evaluator that the daemon calls over HTTP. docs/writing-an-evaluator.md is what it keeps to."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time
from typing import Any, cast

from .errors import CannotRun, NarrowdError, NotWanted, Refused
from .evaluator import Evaluator
from .journal import key_of
from .transport import LASTING_S, Transport
from .types import Answer, Question

RETRY_AFTER_S = 5
LATER_S = 10.0  # an answer that takes longer comes later
HEARTBEAT_S = 15.0
SIGNED_WITHIN_S = 300  # how old a signature may be; the Standard Webhooks specification's figure
QUESTIONS = ("capability", "baseline", "evaluate", "score")


def signed(secret: str, headers: Any, body: bytes) -> bool:
    """Whether a request was signed with the secret, by the Standard Webhooks specification, just now."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdecimal() or abs(time.time() - int(at)) > SIGNED_WITHIN_S:
        return False
    mac = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    good = "v1," + base64.b64encode(mac).decode()
    return any(hmac.compare_digest(good, text) for text in headers.get("webhook-signature", "").split(" "))


class Measurement(threading.Thread):
    """One question that is measured. Every attempt at it may come to wait for it."""

    def __init__(self, server: "Server", question: Question):
        super().__init__(daemon=True)
        self.server, self.question, self.key = server, question, key_of(question)
        self.answer: Answer | None = None
        self.later: str | None = None  # the callback of who was told to expect the answer later
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def run(self) -> None:
        try:
            answer = self.server.evaluator.answer(self.question, self.report)
        except NotWanted:
            answer = None
        with self.lock:
            self.answer = answer
            self.ended.set()
            self.server.running = None
            callback = self.later
        if callback and answer is not None:
            self.server.call_back(callback, "complete", answer)

    def wait(self, question: Question) -> Answer | None:
        """The answer, or None when it comes later, to this question's callback."""
        can_come_later = question.get("callback", "").startswith("http")
        self.ended.wait(self.server.later_s if can_come_later else None)
        with self.lock:
            if not self.ended.is_set():
                if self.later is None:
                    threading.Thread(target=self.beat, daemon=True).start()
                self.later = question["callback"]
                return None
        return self.answer

    def beat(self) -> None:
        while not self.ended.wait(self.server.heartbeat_s):
            self.server.call_back(self.later or "", "heartbeat", {})

    def report(self, progress: dict[str, Any]) -> bool:
        if self.later is None:
            return True
        reply = self.server.call_back(self.later, "heartbeat", {"progress": progress})
        return reply is None or bool(reply.get("continue", True))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1  # -1: head and body leave in one segment
    server: "Server"

    def do_GET(self) -> None:
        healthy = self.path == "/healthz"
        self.send(200 if healthy else 404, {"status": "ok"} if healthy else {"error": "GET has /healthz alone"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.secret and not signed(self.server.secret, self.headers, body):
            self.send(401, {"error": "this question is not signed with the secret of this evaluator"})
            return
        name = self.path.rpartition("/")[2]
        if name not in QUESTIONS:
            self.send(404, {"error": f"{self.path} is not answered here"})
            return
        try:
            question = cast(Question, {"attempt": 1, **json.loads(body or b"{}"), "question": name})
        except (ValueError, TypeError) as error:
            self.send(400, {"error": f"this is no JSON object: {error}"})
            return
        self.send(*self.server.reply(question))

    def send(self, status: int, answer: Answer) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", str(RETRY_AFTER_S))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, evaluator: Evaluator, address: tuple[str, int], secret: str | None, later_s: float,
                 heartbeat_s: float, token: str | None):
        super().__init__(address, Handler)
        self.evaluator, self.secret, self.token = evaluator, secret, token
        self.later_s, self.heartbeat_s = later_s, heartbeat_s
        self.running: Measurement | None = None
        self.entrance = threading.Lock()

    def reply(self, question: Question) -> tuple[int, Answer]:
        if question["question"] == "capability":
            try:
                return 200, self.evaluator.what_it_can_do()
            except Exception as error:
                return 500, {"error": f"{type(error).__name__}: {error}"}
        known = self.evaluator.journal.get(key_of(question))
        if known is not None:  # the answer was lost on its way
            return 200, known
        with self.entrance:
            running = self.running
            if running is None:
                running = self.running = Measurement(self, question)
                running.start()
            elif running.key is None or running.key != key_of(question):
                # Who waited here would use up the time of its own question, and be charged for it.
                return 503, {"error": "busy with another question"}
        answer = running.wait(question)
        if answer is not None:
            return 200, answer
        return (500, {"error": "nobody wanted the result"}) if running.ended.is_set() else (202, {})

    def call_back(self, callback: str, what: str, body: Answer) -> dict[str, Any] | None:
        """Heartbeats and answers that come later. One that nobody wants any more is no fault here."""
        root, _, lease = callback.partition("/v1/leases/")
        try:
            reply: dict[str, Any] = Transport(root, token=self.token, patience_s=LASTING_S if what == "complete" else 10).request(
                "POST", f"/v1/leases/{lease}/{what}", body).body
            return reply
        except Refused as error:
            return {"continue": error.status != 410}
        except (NarrowdError, ValueError) as error:
            print(f"narrowd: {what} of {lease}: {error}", file=sys.stderr, flush=True)
            return None


def server(evaluator: Evaluator, host: str = "127.0.0.1", port: int = 9001, *, secret: str | None = None,
           later_s: float = LATER_S, heartbeat_s: float = HEARTBEAT_S, token: str | None = None) -> Server:
    """A server that is still to be run; port 0 picks one.

    With a `secret` only what is signed with it is answered. What takes longer than `later_s` is answered 202
    and comes later, with heartbeats until then; where the daemon wants tokens, that takes one with the scope
    `work` (`token`, or NARROWD_TOKEN).
    """
    if evaluator._evaluate is None:
        raise CannotRun("this evaluator measures nothing: use @evaluator.evaluate")
    return Server(evaluator, (host, port), secret, later_s, heartbeat_s, token or os.environ.get("NARROWD_TOKEN"))
