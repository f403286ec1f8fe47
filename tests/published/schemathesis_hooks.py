"""What test_schemathesis.py changes in the requests that schemathesis makes up.

What it cannot know: a key is for one intention, a cursor comes from the page before, an evaluator
has to be somewhere, null is the same as leaving a member out, integers have 64 bits, operators are
those of a job, and the operations that follow want jobs. Only what fits the document is changed, so
that requests that are to be refused stay as they are.
"""

import os
import re
import uuid

import schemathesis

KEY = re.compile(r'"?[!-~]{1,128}"?')
CURSOR = re.compile(r"[0-9a-f]+")
URL = re.compile(r"https?://[^/?#@:\s].*", re.DOTALL)


def with_evaluator(value):
    """The same with the scripted evaluator wherever an evaluator or a receiver is called."""
    if isinstance(value, list):
        return [with_evaluator(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: with_evaluator(member) for name, member in value.items()}
    if isinstance(value.get("url"), str) and URL.fullmatch(value["url"]):
        value["url"] = os.environ["EVALUATOR_URL"]
    return value


def chosen(body):
    """The members of a filter of jobs to delete that a body has."""
    members = body.get("filter") if isinstance(body, dict) else None
    return members if isinstance(members, dict) else {}


def is_empty(members):
    """Whether it has members and none of them leaves a job out: generators read no schema that says so."""
    return bool(members) and members.keys() <= {"all", "labels"} and not any(members.values())


def sparing_jobs(body):
    """The same, but every job that has ended is only counted and not deleted."""
    if chosen(body).get("all") is True and body.get("dry_run", False) is False:
        return {**body, "dry_run": True}
    return body


def is_open(value):
    """Whether it has null or an integer of more than 64 bits: no schema says what becomes of those."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(map(is_open, value))
    return value is None or isinstance(value, int) and not -(2**63) <= value < 2**63


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    for name in [name for name in headers if name.lower() == "idempotency-key"]:
        if isinstance(headers[name], str) and KEY.fullmatch(headers[name]):
            headers[name] = uuid.uuid4().hex
    if CURSOR.fullmatch(str((case.query or {}).get("cursor", ""))):
        del case.query["cursor"]
    body = sparing_jobs(with_evaluator(case.body))
    if body != case.body:
        case.body = body
    about_operators = any(name.startswith("op.") for name in case.query or {})
    if is_open(case.body) or is_empty(chosen(case.body)) or about_operators:
        case._meta = None  # whether it is to be taken is not judged; the other checks go on
