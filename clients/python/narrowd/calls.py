"""A whole search in one call, which can be killed and called again."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .client import Client, FINAL, Job, check_pause
from .errors import JobPaused, NarrowdError, Refused
from .evaluator import Acceptance, Evaluator
from .journal import Journal
from .progress import ENDED, Progress
from .server import home, how_to_watch, where_to_look
from .types import JobDocument
from .working import TTL_S, work

CALL, DONE = "narrowd-call", "narrowd-done"  # labels: which call a job is of, and that the call has come to its end
START = "run the same script or command again, which takes this job up"
WAIT_S = 1
NUMBERED = r"(.+) \(([2-9]|[1-9]\d+)\)"  # a name that the daemon may have made of another


def identity_of(*things: Any) -> str:
    """A digest of JSON values and bytes."""
    digest = hashlib.sha256()
    for thing in things:
        part = thing if isinstance(thing, bytes) else json.dumps(thing, sort_keys=True).encode()
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()[:32]


def name_of(function: Callable[..., Any]) -> str:
    """What a clock is called: a search that goes on must not mix two of them."""
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Holds the lock of a call; the kernel lets go of it whatever ends this process. The file says which one it is."""
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = f"process {file.read()}".strip()
            raise NarrowdError(f"the same call runs already in {other}: wait until it ends, or end it and call again, "
                               "which goes on where it was") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def client_of(client: Client | None) -> Iterator[Client]:
    """The client that a call was given, or one of its own."""
    if client is not None:
        yield client
        return
    with Client() as own:
        yield own


def check(client: Client, body: dict[str, Any], capability: dict[str, Any], called: Mapping[str, str]) -> None:
    """Raises Refused for what a daemon would refuse of a job, of which nothing is stored. `capability` stands in for one that takes
    long to work out: what names operators is not looked at. `called` says what members are called where the call is made."""
    body, warm_start = dict(body), body.get("warm_start")
    try:
        if isinstance(warm_start, dict) and isinstance(warm_start.get("job"), str):
            check_source(client, warm_start["job"])
            del body["warm_start"]  # whether its space is this one's the true capability says
        client.dry_run({"capability": capability, "evaluator": {"pool": "call"}, **body})
    except Refused as error:
        raise error.calling(called) from None


def check_source(client: Client, id: str) -> None:
    """Whether there is the job to start from."""
    try:
        client.job(urllib.parse.quote(id, safe="")).get()
    except Refused as error:
        if error.status != 404:
            raise
        fault = {"pointer": "/warm_start/job", "detail": f"there is no job {id}"}
        raise Refused(error.status, {"type": error.type, "detail": error.detail, "errors": [fault]}) from None


def let_go(job: Job) -> bool:
    """Cancels a job that had not even its baseline: nothing is lost, and nobody would come for it again. Whether it did."""
    with contextlib.suppress(NarrowdError):  # of a daemon that is gone: why the call ends matters more
        document = job.get()
        if document["baseline"] is None and document["state"] not in FINAL:
            job.cancel()
            return True
    return False


def differences(body: dict[str, Any], spec: dict[str, Any], where: str = "") -> list[str]:
    """In what a job is another one than a call asks for, as a clone may be: "max_drop is 3 where ...", one each."""
    found: list[str] = []
    for name, wanted in body.items():
        has = spec.get(name)
        if isinstance(wanted, dict) and isinstance(has, dict):
            found += differences(wanted, has, f"{where}{name}.")
        elif has != wanted:
            found.append(f"{where}{name} is {json.dumps(has)} where this call says {json.dumps(wanted)}")
    return found


def say_taken_up(document: JobDocument, other: list[str], progress: bool) -> None:
    """On standard error, and where the job is another one than the call's whatever `progress` is: what comes out is its result."""
    budget = document["budget"]
    if progress or other:
        print(f"narrowd: goes on with {document['id']} ({document['name'] or 'no name'}), which has measured "
              f"{budget['trials_measured']} of {budget['max_trials']} trials", file=sys.stderr, flush=True)
    if other:
        print(f"narrowd: WARNING: that is a clone with other settings, by which the result is judged: {'; '.join(other)}. To have "
              f"it as the call says, cancel it (narrow cancel {document['id']}) and call again", file=sys.stderr, flush=True)


def name_for(model: str, options: Iterable[Any], job: dict[str, Any]) -> str:
    """What a job of a model is called where nobody named it: by what tells it apart from others of that model. What the daemon
    is going to refuse is no fault here."""
    given = job.get("accuracy_criterion")
    criterion = given if isinstance(given, dict) else {}
    loss = criterion.get("tolerable_loss", 0.01)
    much = str(loss) if criterion.get("criterion") == "absolute" or not isinstance(loss, (int, float)) else f"{100 * loss:g}%"
    return " ".join([model, much, *(str(option) for option in options if option), time.strftime("%m-%d %H:%M:%S")])


def is_cloned(name: str | None, names: Sequence[str | None]) -> bool:
    """Whether a name among those of the jobs of one call is one that the daemon made for a clone: that of its source with the first number
    from (2) on, or from its own on, that no job has; or from an older daemon the very same. Any other is a name that somebody gave."""
    if name is None or names.count(name) > 1:
        return name is not None
    numbered = re.fullmatch(NUMBERED, name, re.DOTALL)
    if numbered is None:
        return False
    others = [re.fullmatch(NUMBERED, other or "", re.DOTALL) for other in names]
    return numbered[1] in names or any(other and other[1] == numbered[1] and int(other[2]) < int(numbered[2]) for other in others)


def open_job(client: Client, body: dict[str, Any], call: str, namer: Callable[[dict[str, Any]], str] | None, progress: bool) -> tuple[Job, bool]:
    """The job of a call that has not come to its end, or a new one, and whether it is new. `namer` names it by its body where nobody else did. Whose
    answers these will be is said."""
    documents = list(client.jobs(labels={CALL: call}))
    for document in documents:
        if DONE not in document["labels"] and document["state"] not in ("failed", "cancelled"):
            job = client.job(document["id"])
            if document["state"] == "paused":
                job.resume()
            spec = job.spec()
            if namer is not None and is_cloned(document["name"], [other["name"] for other in documents]):
                document = job.edit(name=namer(spec))
            say_taken_up(document, differences(body, spec), progress)
            return job, False
    named = {"name": namer(body)} if namer is not None else {}
    return client.submit({**named, **body, "labels": {**body.get("labels", {}), CALL: call}}), True


def search(evaluator: Evaluator, job: dict[str, Any], *, identity: str = "", model: str = "", options: Iterable[Any] = (), client: Client | None = None,
           progress: bool = True, finish: Callable[[Job], object] | None = None, called: Mapping[str, str] | None = None) -> Job:
    """Runs a job with `evaluator` in this process and returns it when it has completed.

    `job` is a job's body without `evaluator` and, unless it has one, `capability`. When this process is killed,
    with kill -9 or by the machine's end, the same call goes on with the very trial that it was at, and
    what was measured is not measured again. The same call is one with the same body, the same text of the
    function that measures, and the same `identity`: put into that what else matters, such as a digest of
    the data. A call that came to its end, with
    `finish(job)` where that is given, begins anew. A `job` without a name is called by its `model`, what may
    be lost, its `options` and when it began, where `model` is given: so lists tell it from others.
    `called` says what members of the body are called where the call is made, by pointer, for its warnings.
    """
    if job.get("acceptance") and not evaluator.sees_questions:
        raise ValueError("the job has acceptance, data by which the winner is judged, and the function that measures cannot see which data is meant: "
                         'give it a second parameter, evaluate(config, question), and measure on question.get("subset") where that is there')
    body = {"capability": evaluator.what_it_can_do(), **job}
    namer = (lambda its: name_for(model, options, its)) if model and "name" not in job else None
    call = identity_of(body, identity, evaluator.source())
    body["evaluator"] = {"pool": f"call-{call}", "start": START}
    folder = home() / "calls"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = str(folder / call)
    kept = evaluator.journal, evaluator.acceptance
    try:
        with client_of(client) as own, alone(place + ".lock"):
            evaluator.journal = Journal(place + ".answers")
            found, new = open_job(own, body, call, namer, progress)
            evaluator.acceptance = acceptance_of(found)
            if progress:
                print(f"narrowd: {found.id}, {how_to_watch(own.url, found.id)}", file=sys.stderr, flush=True)
            try:
                run(evaluator, own, found, call, worker_of(job.get("name") or model, call), Progress(progress, called))
            except (Refused, JobPaused) as error:
                # What was taken up somebody else may have made, as a clone is: that one waits for them.
                if new and let_go(found) and isinstance(error, JobPaused):
                    raise JobPaused(f"{error}. It had no baseline yet and was cancelled: mend that and call again") from None
                raise
            if finish is not None:
                finish(found)
            labels = found.get()["labels"]
            found.edit(labels={**labels, DONE: "yes"})
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place + ".answers")
            if progress:
                print(f"narrowd: {where_to_look(own.url, found.id)}", file=sys.stderr, flush=True)
            return found
    except KeyboardInterrupt:
        if progress:
            print("narrowd: interrupted; the same call goes on where it was", file=sys.stderr, flush=True)
        raise
    finally:
        evaluator.journal, evaluator.acceptance = kept


def acceptance_of(job: Job) -> Acceptance | None:
    """By what a job judges its winner, where it was given that."""
    given = job.spec().get("acceptance")
    return Acceptance(given["subset"], [term["metric"] for term in job.get()["objective"]]) if given else None


def worker_of(name: str, call: str) -> str:
    """A name for people that is the same whenever the same call comes again: its lease is the next process's, too."""
    return f"{(name or 'python').encode()[:60].decode(errors='ignore')}.{call[:8]}"


def run(evaluator: Evaluator, client: Client, job: Job, call: str, worker: str, progress: Progress) -> None:
    """Answers the questions of a job until it has ended; raises when it fails or pauses itself."""
    with progress as shown:
        def ended() -> bool:
            document = job.get()
            shown.update(document)
            check_pause(document)
            return document["state"] in FINAL

        work(evaluator, client, f"call-{call}", worker=worker, ttl_s=TTL_S, wait_s=WAIT_S, until=ended, sole=True,
             told=shown.measuring)
    document = job.get()
    if document["state"] != "completed":
        reason = document["exit"] or {"reason": document["state"], "detail": ""}
        mend = ". Without a number for the model as it came nothing is searched: mend that and call again" * (reason["reason"] == "baseline_failed")
        named = f" ({reason['reason']})" if reason["reason"] != document["state"] else ""
        raise NarrowdError(f"{job.id} {ENDED[document['state']]}{named}: {reason['detail']}{mend}")
