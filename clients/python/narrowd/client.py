"""The client: jobs, trials, the best config, events, and waiting for the end."""

import http.client
import itertools
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from .errors import JobPaused, Refused
from .progress import Progress
from .scores import Scores, of_operators
from .transport import LONGEST_PAUSE_S, Transport
from .types import Best, Event, JobDocument, Trial

PREFIX, ID_LENGTH = "job_", 30
LISTED = 5  # of the jobs that a word may mean
FINAL = ("completed", "failed", "cancelled")
WAIT_S = 20  # the daemon waits so long for a change before it answers that there is none
SILENCE_S = 60  # an event stream says something at least every 15 seconds


def pages(transport: Transport, path: str, query: dict[str, Any]) -> Iterator[Any]:
    """All items of a collection."""
    query = dict(query)
    while True:
        page = transport.request("GET", path, query=query).body
        yield from page["items"]
        query["cursor"] = page["next"]
        if page["next"] is None:
            return


class Job:
    """A job of a daemon, by its id. Everything is asked for when it is called."""

    def __init__(self, transport: Transport, id: str):
        self._transport, self.id = transport, id
        self._path = f"/v1/jobs/{id}"

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    def _ask(self, method: str, path: str = "", body: Any = None, **query: Any) -> Any:
        return self._transport.request(method, self._path + path, body, query=query).body

    def get(self) -> JobDocument:
        return self._ask("GET")

    def best(self, tolerable_loss: float | None = None) -> Best:
        """What the job would hand over, or would under another tolerance; 409 before the baseline is known."""
        return self._ask("GET", "/best", tolerable_loss=tolerable_loss)

    def trials(self, **filters: Any) -> Iterator[Trial]:
        """Filters are those of the route: state, stage, feasible, order."""
        return pages(self._transport, self._path + "/trials", filters)

    def trial(self, number: int) -> Trial:
        return self._ask("GET", f"/trials/{number}")

    def space(self) -> dict[str, Any]:
        return self._ask("GET", "/space")

    def spec(self) -> dict[str, Any]:
        return self._ask("GET", "/spec")

    def pareto(self) -> list[Trial]:
        return list(pages(self._transport, self._path + "/pareto", {}))

    def sensitivity(self) -> list[dict[str, Any]]:
        return list(pages(self._transport, self._path + "/sensitivity", {}))

    def export(self, format: str = "json", trial: int | None = None) -> Any:
        """The job in one of the formats of docs/api.md and docs/exports.md: JSON as values, CSV as text. `trial`: of that one,
        not of the best."""
        return self._ask("GET", "/export", format=format, trial=trial)

    def pause(self) -> JobDocument:
        return self._ask("POST", "/pause")

    def resume(self) -> JobDocument:
        return self._ask("POST", "/resume")

    def cancel(self) -> JobDocument:
        return self._ask("POST", "/cancel")

    def delete(self) -> None:
        self._ask("DELETE")

    def edit(self, **members: Any) -> JobDocument:
        """name, labels, parallel, max_trials, timeout; labels are all that the job has afterwards."""
        return self._ask("PATCH", "", members)

    def clone(self, **members: Any) -> "Job":
        return Job(self._transport, self._ask("POST", "/clone", members)["id"])

    def retry(self, trial: int) -> Trial:
        return self._ask("POST", f"/trials/{trial}/retry")

    def exclude(self, trial: int, reason: str) -> Trial:
        return self._ask("POST", f"/trials/{trial}/exclude", {"reason": reason})

    def include(self, trial: int) -> Trial:
        return self._ask("POST", f"/trials/{trial}/include")

    def tell_scores(self, scores: Scores) -> dict[str, Any]:
        """What `narrowd.scores` has read of another tool's report, by which the search goes from its next question on."""
        names = [op["name"] for op in self.space()["ops"]]
        return self._ask("POST", "/scores", {"scores": of_operators(scores, names)})

    def events(self, after: int = 0) -> Iterator[Event]:
        """The log from behind the event with `seq` `after` on, as things happen, until the job has ended.

        A connection that breaks, or a daemon that is started again, is no gap.
        """
        pause = 0.1
        while True:
            try:
                for event in self._stream(after):
                    after, pause = event["seq"], 0.1
                    yield event
                if self.get()["exit"] is not None and not self._more(after):
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                self.get()  # raises when nobody answers for good

    def _more(self, after: int) -> bool:
        return bool(self._ask("GET", "/events", after=after, limit=1)["items"])

    def _stream(self, after: int) -> Iterator[Event]:
        """One connection of server-sent events."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        with self._transport.open("GET", self._path + "/events", headers=headers, timeout=SILENCE_S) as stream:
            if stream.status >= 400:
                raise Refused(stream.status, json.loads(stream.read()))
            for line in stream:
                if line.startswith(b"data:"):
                    yield json.loads(line[len(b"data:"):])

    def wait(self, progress: bool = False, timeout_s: float | None = None) -> JobDocument:
        """Waits for the end and returns the document, also of a job that has failed: see its `exit`.

        Raises JobPaused when the job waits for somebody to mend it, TimeoutError after `timeout_s`.
        `progress` shows how far it is, by tqdm where that is installed.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        headers: dict[str, str] = {}
        with Progress(progress) as shown:
            while True:
                left = WAIT_S if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{self.id} has not ended within {timeout_s} s")
                answer = self._transport.request(
                    "GET", self._path, headers=headers, wait_s=min(WAIT_S, left) if headers else 0)
                if answer.status == 304:
                    continue
                headers = {"If-None-Match": answer.headers["ETag"]}
                document: JobDocument = answer.body
                shown.update(document)
                if document["state"] in FINAL:
                    return document
                check_pause(document)


def check_pause(document: JobDocument) -> None:
    """Raises when the job has paused itself."""
    pause = document["pause"]
    if document["state"] == "paused" and pause and pause["reason"] != "requested":
        raise JobPaused(f"{document['id']} paused itself ({pause['reason']}): {pause['detail']}")


class Client:
    """A daemon. Without a `url` it is that of NARROWD_URL or, where that is not set, a private one that this
    package starts and finds again (`narrowd.Server`).

    Tokens come from `token`, NARROWD_TOKEN or the file NARROWD_TOKEN_FILE, the certificates that vouch for an
    https:// address from `ca` or NARROWD_CA. Threads may share a client.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, ca: str | None = None,
                 patience_s: float = 60):
        self.server, revive = None, None
        url = url or os.environ.get("NARROWD_URL")
        if not url:  # nor an empty one, as `NARROWD_URL= python ...` sets it
            from .server import Server

            self.server = Server()
            url, revive = self.server.start(), self.server.ensure
        else:
            token, ca = token or token_of_environment(), ca or os.environ.get("NARROWD_CA") or None
        self.transport = Transport(url, token=token, ca=ca, patience_s=patience_s, revive=revive)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of a private daemon, which ends when nobody uses it."""
        if self.server:
            self.server.close()

    @property
    def url(self) -> str:
        return self.transport.url

    def submit(self, body: dict[str, Any], key: str | None = None) -> Job:
        """Submits a job (docs/jobs.md). The same `key` and body within 48 hours is the same job."""
        headers = {"Idempotency-Key": f'"{key}"'} if key else None
        return Job(self.transport, self.transport.request("POST", "/v1/jobs", body, headers=headers).body["id"])

    def job(self, id: str) -> Job:
        return Job(self.transport, id)

    def find(self, word: str) -> Job:
        """The job that is meant by an id, by its beginning, by a name, or by "last", the newest one: as `narrow` takes it.

        Raises Refused where there is none, ValueError where it may be any of several.
        """
        if word.startswith(PREFIX) and len(word) == ID_LENGTH:
            return self.job(word)
        if word == "last":
            found = list(itertools.islice(self.jobs(), 1))
        else:
            begun = [document for document in self.jobs() if document["id"].startswith(word)] if word.startswith(PREFIX) else []
            found = begun or list(self.jobs(name=word))
        if not found:
            newest = list(itertools.islice(self.jobs(), LISTED))
            raise Refused(404, {"type": "not_found", "detail": f"no job of {self.url} has the id or the name {word}: "
                                + (f"the newest are {listed(newest)}" if newest else "there is none")})
        if len(found) > 1:
            raise ValueError(f"{word} may be any of {len(found)} jobs: {listed(found[:LISTED])}{', and more' * (len(found) > LISTED)}")
        return self.job(found[0]["id"])

    def jobs(self, *, state: str | list[str] | None = None, name: str | None = None,
             labels: dict[str, str] | None = None) -> Iterator[JobDocument]:
        """Newest first."""
        query = {"state": state, "name": name, **{f"label.{k}": v for k, v in (labels or {}).items()}}
        return pages(self.transport, "/v1/jobs", query)

    def dry_run(self, body: dict[str, Any]) -> dict[str, Any]:
        """The space that a job's body would have; nothing is stored."""
        return self.transport.request("POST", "/v1/spaces", body).body

    def strategies(self) -> list[dict[str, Any]]:
        return list(pages(self.transport, "/v1/strategies", {}))

    def workers(self) -> list[dict[str, Any]]:
        return list(pages(self.transport, "/v1/workers", {}))


def listed(documents: list[JobDocument]) -> str:
    """Jobs for people, in a line."""
    return ", ".join(f"{document['id']} ({repr(document['name']) if document['name'] else 'no name'})" for document in documents)


def token_of_environment() -> str | None:
    token, path = os.environ.get("NARROWD_TOKEN"), os.environ.get("NARROWD_TOKEN_FILE")
    if not token and path:
        with open(path, encoding="utf-8") as file:
            token = file.readline().strip()
    return token or None
