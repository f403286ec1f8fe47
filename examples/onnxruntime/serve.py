"""How questions come, over HTTP or line by line. Nothing in here knows what is measured: keep it as it is."""

import contextlib
import http.server
import json
import sys
import threading
import urllib.request

QUESTIONS = ("capability", "baseline", "evaluate", "score")
RETRY_AFTER_S, SAY_WITHIN_S = 5, 5


def to_callback(question):
    """What says how far a question is, where the daemon may be told: its jobs then show it."""
    def report(seen, total):
        body = json.dumps({"progress": {"seen": seen, "total": total}}).encode()
        request = urllib.request.Request(question["callback"] + "/heartbeat", body, {"Content-Type": "application/json"})
        with contextlib.suppress(OSError):  # who does not hear it waits for the answer all the same
            urllib.request.urlopen(request, timeout=SAY_WITHIN_S).close()

    return report if question.get("callback", "").startswith("http") else lambda seen, total: None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1  # -1: head and body leave in one segment
    lock, answers = threading.Lock(), {}

    def do_GET(self):
        healthy = self.path == "/healthz"
        self.send(200 if healthy else 404, {"status": "ok"} if healthy else {"error": "GET has /healthz alone"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        question = {**json.loads(body or "{}"), "question": self.path.rpartition("/")[2]}
        key = (self.headers.get("Idempotency-Key"), question.get("repeat"))
        if question["question"] not in QUESTIONS:
            self.send(404, {"error": f"{self.path} is not answered here"})
        elif key in self.answers:  # it was lost on its way
            self.send(200, self.answers[key])
        elif question["question"] == "capability":
            self.send(*self.answer(question, (None, None)))
        elif self.lock.acquire(blocking=False):  # one measurement at a time: two would disturb each other
            try:
                answer = self.answer(question, key)
            finally:
                self.lock.release()
            self.send(*answer)
        else:  # "not now": nobody is charged, while waiting here would use up the question's timeout_s
            self.send(503, {"error": "busy with another question"})

    def answer(self, question, key):
        try:
            answer = self.server.evaluator.answer(question, to_callback(question))
        except Exception as error:
            return 500, {"error": f"{type(error).__name__}: {error}"}
        if key[0] and "failed" not in answer:
            self.answers[key] = answer
        return 200, answer

    def send(self, status, answer):
        text = json.dumps(answer).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", str(RETRY_AFTER_S))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def server_of(evaluator, port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.evaluator = evaluator
    return server


def answer_http(evaluator, port):
    server = server_of(evaluator, port)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


def answer_lines(evaluator):
    """For narrow worker --persistent: a question in, its answer out, and how far it is in between."""
    def report(seen, total):
        print(json.dumps({"progress": {"seen": seen, "total": total}}), flush=True)

    for question in map(json.loads, sys.stdin):
        lease = {"lease": question["lease"]} if "lease" in question else {}
        print(json.dumps({**evaluator.answer(question, report), **lease}), flush=True)
