"""How far a job is, on standard error: by tqdm where it is installed, as lines where it is not."""

import sys
from typing import Any

from .types import JobDocument


def words(document: JobDocument) -> str:
    """One line: where the job is and what it has."""
    best, progress = document["best"], document["progress"]
    verdict = best.get("verdict") if best else None
    text = verdict or progress.get("hint") or progress["stage"] or ""
    return f"{document['state']}: {text}" if text else document["state"]


class Progress:
    """Shows the documents that it is given, or nothing when it is not `on`."""

    def __init__(self, on: bool):
        self.on, self.bar, self.last = on, None, ""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, document: JobDocument) -> None:
        if not self.on:
            return
        budget = document["budget"]
        if self.last == "":
            self.bar = tqdm_bar(budget["max_trials"])
        line = f"{budget['trials_measured']} of {budget['max_trials']} trials, {words(document)}"
        if self.bar is not None:
            self.bar.n, self.bar.total = budget["trials_measured"], budget["max_trials"]
            self.bar.set_description_str(words(document)[:100], refresh=True)
        elif line != self.last:
            print(f"narrowd: {line}", file=sys.stderr, flush=True)
        self.last = line


def tqdm_bar(total: int) -> Any:
    """A bar, or None where tqdm is not installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit="trial", file=sys.stderr)
