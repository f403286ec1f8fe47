"""What the black-box tests share: a small model, an evaluator that a test scripts, job bodies."""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import crash_model  # noqa: E402

capability = crash_model.capability


class Evaluator:
    """Answers each question by a function of the test: reply(question, headers) returns a body,
    (status, body) or (status, body, headers)."""

    def __init__(self, reply=None):
        self.reply = reply or (lambda question, headers: crash_model.answer(question))
        self.calls = []
        self.gone = False
        evaluator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                if evaluator.gone:
                    self.connection.close()
                    raise ConnectionAbortedError
                text = self.rfile.read(int(self.headers["Content-Length"]))
                question = json.loads(text)
                evaluator.calls.append((self.path, question, dict(self.headers)))
                if self.path.endswith("/capability"):
                    answer = capability(4)
                else:
                    answer = evaluator.reply(question, self.headers)
                status, body, headers = 200, answer, {}
                if isinstance(answer, tuple):
                    status, body = answer[:2]
                    headers = answer[2] if len(answer) > 2 else {}
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

            def handle(self):
                try:
                    super().handle()
                except ConnectionError:
                    pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Refuses connections, and questions on those that are open."""
        self.gone = True
        self.server.shutdown()
        self.server.server_close()


def body(url, operators=4, **more):
    job = {
        "capability": capability(operators),
        "tuning_criterion": {"strategy": "basic"},
        "accuracy_criterion": {"tolerable_loss": 0.004},
        "evaluator": {"url": url},
        "retry": {"max_attempts": 3, "backoff_s": 0.01},
        "max_failed_trials": 1000,
    }
    job.update(more)
    return job


def submit(daemon, job, **headers):
    status, sent, document = daemon.request("POST", "/v1/jobs", job, headers)
    assert status == 201, document
    assert sent["location"] == f"/v1/jobs/{document['id']}"
    return document["id"]


def get(daemon, path, expected=200, **headers):
    status, _, document = daemon.request("GET", path, headers=headers)
    assert status == expected, (status, document)
    return document


def wait_until(check, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def finished(daemon, job):
    def check():
        document = get(daemon, f"/v1/jobs/{job}")
        return document if document["exit"] else None

    return wait_until(check)


def everything(daemon, path):
    """All items of a collection, page by page."""
    items, cursor = [], None
    while True:
        separator = "&" if "?" in path else "?"
        page = get(daemon, path + (f"{separator}cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items
