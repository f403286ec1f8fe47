"""What the black-box tests share: a small model, an evaluator that a test scripts, job bodies."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import crash_model  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from scripted import Reply, Server  # noqa: E402

capability = crash_model.capability


class Evaluator(Server):
    """Answers each question by a function of the test: reply(question, headers) returns a body,
    (status, body) or (status, body, headers). `can_do()` is
    its capability; `calls` are the questions with path and headers."""

    def __init__(self, reply=None, can_do=None, port=0):
        self.reply = reply or (lambda question, headers: crash_model.answer(question))
        self.can_do = can_do or (lambda: capability(4))
        self.calls = []
        super().__init__(self.dispatch, port=port)

    def dispatch(self, request):
        question = json.loads(request.body)
        self.calls.append((request.path, question, dict(request.headers)))
        answer = (200, self.can_do())
        if not request.path.endswith("/capability"):
            answer = self.reply(question, request.headers)
        if not isinstance(answer, tuple):
            answer = (200, answer)
        status, body, *more = answer
        return Reply(status, body, {"Content-Type": "application/json", **(more[0] if more else {})})

    def close(self):
        """Refuses connections, and questions on those that are open."""
        self.stop()


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


def wait_until(check, seconds=PATIENCE_S):
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
        pause = document["pause"]
        assert pause is None or pause["reason"] == "requested", pause  # or it would wait for ever
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
