"""How far a job is, on standard error: by tqdm where it is installed, as lines where it is not."""

import sys
import textwrap
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from .types import JobDocument

SAY_EVERY_S = 5.0
LATEST = 20  # steps by which a forecast is made
LEAST = 3  # ... at least, of what is many and quick
BESIDE_BAR = 100  # characters
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} trials [{elapsed}{postfix}]"  # tqdm's own forecast counts trials of earlier processes, too
ENDED = {"completed": "completed", "failed": "failed", "cancelled": "was cancelled"}  # what a job in a final state did


def words(document: JobDocument) -> str:
    """One line: where the job is and what it has."""
    best, progress = document["best"], document["progress"]
    verdict = best.get("verdict") if best else None
    scoring = next((out for out in progress.get("out", []) if out["kind"] == "score"), None)
    if scoring is not None and "total" in scoring:
        return f"{document['state']}: {how_far('score', scoring)}"
    if verdict and document["state"] != "completed":
        verdict = f"{'measured again to be sure; ' if progress['stage'] == 'confirm' else ''}so far {verdict}"
    if document["exit"] is not None:  # its last stage would read like a reason
        return f"{document['state']}: {verdict}" if verdict else f"the job {ENDED[document['state']]}: {document['exit']['detail']}"
    text = verdict or progress.get("hint") or progress.get("stage_words") or progress["stage"] or ""
    return f"{document['state']}: {text}" if text else document["state"]


def duration(seconds: float) -> str:
    """"29 s", "2m29s", "1h03m"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest} s"


def how_far(kind: str, numbers: Any) -> str:
    """What a measurement says of itself: "scoring 12 of 120"."""
    what = "scoring" if kind == "score" else "measuring"
    return f"{what} {numbers['seen']} of {numbers['total']}"


def beside_bar(text: str) -> str:
    """As many words as there is place for."""
    return textwrap.shorten(text, BESIDE_BAR, placeholder=" …")


class Pace:
    """How long what counts itself will take, by what it has taken for the latest of what it counted."""

    def __init__(self, least: int) -> None:
        """`least` steps are waited for: what comes first prepares more than it does."""
        self.least, self.what = least, ""
        self.steps: deque[tuple[int, float]] = deque(maxlen=LATEST)  # how much was seen, and when that was first said

    def left(self, what: str, seen: int, total: int) -> str:
        """"about 29 s left"; nothing where that is not known yet."""
        now = time.monotonic()
        if what != self.what or self.steps and seen < self.steps[-1][0]:
            self.what = what
            self.steps.clear()
        if not self.steps or seen > self.steps[-1][0]:
            self.steps.append((seen, now))
        since_seen, since = self.steps[0]
        done = seen - since_seen
        return f"about {duration((now - since) / done * (total - seen))} left" if done >= self.least else ""


class Progress:
    """Shows the documents that it is given, or nothing when it is not `on`."""

    def __init__(self, on: bool, called: Mapping[str, str] | None = None):
        """`called` says what members of the job's body are called where the call was made, by pointer."""
        self.called = called or {}
        self.on, self.bar, self.last = on, None, ""
        self.trials, self.said_at, self.warned = "", -SAY_EVERY_S, 0
        self.pace, self.trial_pace = Pace(LEAST), Pace(1)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, document: JobDocument) -> None:
        if not self.on:
            return
        for warning in document["warnings"][self.warned:]:
            where = self.called.get(warning["pointer"] or "", warning["pointer"])
            print(f"narrowd: warning: {': '.join(filter(None, (where, warning['detail'])))}", file=sys.stderr, flush=True)
        self.warned = len(document["warnings"])
        budget = document["budget"]
        if self.last == "":
            self.bar = tqdm_bar(budget["max_trials"])
        failed, rest = document["progress"]["failed"], words(document)
        self.trials = f"{budget['trials_measured']} of {budget['max_trials']} trials{f', {failed} failed' if failed else ''}"
        line, left = f"{self.trials}, {rest}", self.left(document)
        if self.bar is not None:
            self.bar.n, self.bar.total = budget["trials_measured"], budget["max_trials"]
            self.bar.set_postfix_str(left, refresh=False)
            self.bar.set_description_str(beside_bar(f"{f'{failed} failed, ' if failed else ''}{rest}"), refresh=True)
        elif line != self.last:
            print(f"narrowd: {self.trials}, {f'{left}, ' if left else ''}{rest}", file=sys.stderr, flush=True)
        self.last = line

    def left(self, document: JobDocument) -> str:
        """From the first trial on that was measured in this process: scores and the baseline take what they take."""
        budget, failed = document["budget"], document["progress"]["failed"]
        tried = budget["trials_measured"] + failed
        if tried == 0 or document["state"] != "running" or document["progress"]["stage"] == "confirm":
            return ""
        return self.trial_pace.left("trial", tried, budget["max_trials"])

    def measuring(self, kind: str, numbers: dict[str, Any]) -> None:
        """How far a question is that is measured in this process; as lines, every five seconds."""
        if not self.on or "seen" not in numbers or "total" not in numbers:
            return
        text = ", ".join(filter(None, (how_far(kind, numbers), self.pace.left(kind, numbers["seen"], numbers["total"]))))
        if self.bar is not None:
            self.bar.set_postfix_str("", refresh=False)
            self.bar.set_description_str(text, refresh=True)
        elif time.monotonic() >= self.said_at + SAY_EVERY_S:
            self.said_at = time.monotonic()
            print(f"narrowd: {self.trials}, {text}", file=sys.stderr, flush=True)


def tqdm_bar(total: int) -> Any:
    """A bar, or None where tqdm is not installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, bar_format=BAR, file=sys.stderr)
