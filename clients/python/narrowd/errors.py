"""What can go wrong, as exceptions whose text says what to do."""

from collections.abc import Mapping
from typing import Any


class NarrowdError(Exception):
    """The base of all that this package raises of its own."""


class Unreachable(NarrowdError):
    """No daemon answers at this address, for as long as one was waited for."""


class Refused(NarrowdError):
    """The daemon said no. `type` is a name of docs/problems.md, `faults` has every fault of a body, and its text says where."""

    def __init__(self, status: int, problem: dict[str, Any]):
        self.status = status
        self.type: str = str(problem.get("type", "")).rpartition(":")[2]
        self.faults: list[dict[str, str]] = problem.get("errors", [])
        self.detail: str = problem.get("detail") or f"status {status}"
        lines = [f"{fault.get('called', fault['pointer'])}: {fault['detail']}" for fault in self.faults]
        super().__init__("\n".join(lines) or self.detail)

    def calling(self, called: Mapping[str, str]) -> "Refused":
        """The same, in the words of who wrote no body: what members are called there, by pointer."""
        faults = [{**fault, "called": called[fault["pointer"]]} if fault["pointer"] in called else fault for fault in self.faults]
        if faults == self.faults:
            return self
        return Refused(self.status, {"type": self.type, "detail": self.detail, "errors": faults})


class JobPaused(NarrowdError):
    """The job waits for somebody to mend what its `pause` names, and to resume it."""


class NotWanted(NarrowdError):
    """Nobody needs the result of this measurement any more: raised inside of it, to end it."""


class CannotRun(NarrowdError):
    """For evaluators to raise: this config cannot be run, and another attempt would fail as well."""
