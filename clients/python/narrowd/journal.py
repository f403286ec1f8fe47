"""Answers by the key of their question, so that a repeated question is not measured again."""

import json
import os
import pathlib
from typing import Any

from .types import Answer, Question

Key = str


def key_of(question: Question) -> Key | None:
    """The same for every attempt of a trial, another one for every repetition; None for a question of no job."""
    if "job" not in question or "trial" not in question:
        return None
    return f"{question['job']}.{question['trial']}.{question.get('repeat', 0)}"


class Journal:
    """In memory and, with a `path`, in a file of one line an answer, which outlives the process.

    Failures are not kept: a trial that is measured again by hand has the key that it had.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None):
        self.answers: dict[Key, Answer] = {}
        self.path = pathlib.Path(path) if path is not None else None
        if self.path is not None and self.path.exists():
            self._read(self.path.read_bytes())

    def _read(self, text: bytes) -> None:
        for line in text.splitlines():
            try:
                entry: dict[str, Any] = json.loads(line)
                self._know(entry["key"], entry["answer"])
            except (ValueError, KeyError, TypeError):
                pass  # a line that was cut short when its writer was killed

    def _know(self, key: Key, answer: Answer | None) -> None:
        if answer is None:
            self.answers.pop(key, None)
        else:
            self.answers[key] = answer

    def get(self, key: Key | None) -> Answer | None:
        return self.answers.get(key) if key is not None else None

    def put(self, key: Key | None, answer: Answer) -> None:
        if key is not None and not answer.get("failed"):
            self._note(key, answer)

    def drop(self, key: Key | None) -> None:
        """For an answer that the daemon cannot use."""
        if self.get(key) is not None and key is not None:
            self._note(key, None)

    def _note(self, key: Key, answer: Answer | None) -> None:
        self._know(key, answer)
        if self.path is not None:
            # A line for itself, also behind one that was cut short; one write, so it is there or it is not.
            with open(self.path, "ab", buffering=0) as file:
                file.write(b"\n" + json.dumps({"key": key, "answer": answer}).encode() + b"\n")
