"""A worker: takes questions of a pool, measures them in this process, answers them."""

import json
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

from .client import Client
from .errors import NarrowdError, NotWanted, Refused
from .evaluator import SHOWN, Evaluator
from .journal import key_of
from .transport import LASTING_S, PASSES_BY, Transport
from .types import Answer, Question

Told = Callable[[str, dict[str, Any]], None]
TTL_S, WAIT_S = 60.0, 10.0


class Heartbeats(threading.Thread):
    """Keeps a lease alive while its question is measured."""

    def __init__(self, transport: Transport, lease: str, every_s: float):
        super().__init__(daemon=True)
        self.transport, self.path, self.every_s = transport, f"/v1/leases/{lease}/heartbeat", every_s
        self.ended, self.wanted = threading.Event(), True

    def __enter__(self) -> "Heartbeats":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()

    def run(self) -> None:
        while self.wanted and not self.ended.wait(self.every_s):
            self.send({})

    def send(self, body: dict[str, Any]) -> bool:
        """Whether the result is still wanted."""
        try:
            self.wanted = self.wanted and self.transport.request("POST", self.path, body).body["continue"]
        except Refused:
            self.wanted = False  # the lease is over
        except NarrowdError:
            pass  # nobody answers: the next one, or the answer, may arrive
        return self.wanted


def give_back(client: Client, worker: str) -> None:
    """Returns what a worker of this name holds that was killed: nothing is charged, and it is asked at once."""
    for other in client.workers():
        for lease in other["leases"] if other["name"] == worker else []:
            return_lease(client, lease["lease"], "the worker was started again")


def return_lease(client: Client, lease: str, why: str) -> None:
    try:
        client.transport.request("POST", f"/v1/leases/{lease}/return", {"reason": "stopping", "detail": why})
    except Refused:
        pass  # it is over


def at_fault(error: Refused, answer: Answer) -> str:
    """What is wrong with an answer, by the name that its function gave it, and what stands there."""
    members: dict[str, Any] = {**answer}
    lines = []
    for fault in error.faults:
        path = fault["pointer"].split("/")[1:]
        stands = f", and it is {json.dumps(members[path[0]])[:SHOWN]}" if path and path[0] in members else ""
        lines.append(f"{'.'.join(path) or 'the answer'}: {fault['detail']}{stands}")
    return "\n".join(lines) or str(error)


def send_answer(transport: Transport, lease: str, answer: Answer) -> None:
    """Sends what was measured, for far longer than the client has patience with what can be asked again at no cost."""
    path, headers = f"/v1/leases/{lease}/complete", {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    try:
        transport.request("POST", path, answer, headers=headers)
    except NarrowdError as error:
        if isinstance(error, Refused) and error.status not in PASSES_BY or transport.patience_s >= LASTING_S:
            raise
        print(f"narrowd: {error}; what was measured is kept and sent again, for up to an hour", file=sys.stderr, flush=True)
        transport.request("POST", path, answer, headers=headers, patience_s=LASTING_S)


def answer_lease(evaluator: Evaluator, client: Client, question: Question, ttl_s: float, told: Told | None) -> None:
    lease = question["lease"]

    def report(progress: dict[str, Any]) -> bool:
        if told is not None:
            told(question["question"], progress)
        return heartbeats.send({"progress": progress})

    try:
        with Heartbeats(client.transport, lease, ttl_s / 3) as heartbeats:
            answer = evaluator.answer(question, report)
    except NotWanted:
        return
    except BaseException:  # interrupted
        return_lease(client, lease, "the worker was stopped")
        raise
    try:
        send_answer(client.transport, lease, answer)
    except Refused as error:
        if error.status in (409, 410):  # over, or answered by somebody else
            return
        evaluator.journal.drop(key_of(question))
        return_lease(client, lease, "the answer was refused")
        if error.status == 422:
            error.args = (f"what was measured cannot be used: {at_fault(error, answer)}",)
        raise


def work(evaluator: Evaluator, client: Client, pool: str, *, worker: str | None = None, ttl_s: float = TTL_S,
         wait_s: float = WAIT_S, idle_exit_s: float | None = None, until: Callable[[], bool] | None = None,
         sole: bool = False, told: Told | None = None) -> int:
    """Answers questions until `until` says so after one of them or when none has come within `wait_s`; until
    none has come for `idle_exit_s`; or for ever. Returns how many.

    A worker that is silent for `ttl_s` loses its question. An interrupt gives it back. `sole` promises that no
    other process has this `worker`'s name: then what it still holds was given to one that was killed, maybe
    after its end, when a request of it was still waiting; it is given back. `told(kind, progress)` is what a
    measurement says of how far it is.
    """
    worker = worker or f"{socket.gethostname()}-{os.getpid()}"
    request = {"pool": pool, "worker": worker, "wait_s": wait_s, "ttl_s": ttl_s}
    answered, idle_s = 0, 0.0
    if sole:
        give_back(client, worker)
    while until is None or not until():
        items: list[Question] = client.transport.request("POST", "/v1/leases", request, wait_s=wait_s).body["items"]
        for question in items:
            answer_lease(evaluator, client, question, ttl_s, told)
            answered += 1
        if sole and not items:
            give_back(client, worker)
        idle_s = 0.0 if items else idle_s + wait_s
        if idle_exit_s is not None and idle_s >= idle_exit_s:
            break
    return answered
