"""What test_schemathesis.py changes in the requests that schemathesis makes up.

What it cannot know: a key is for one intention, a cursor comes from the page before, an evaluator
has to be somewhere, null is the same as leaving a member out, and integers have 64 bits. Only what
fits the document is changed, so that requests that are to be refused stay as they are.
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
    body = with_evaluator(case.body)
    if body != case.body:
        case.body = body
    if is_open(case.body):
        case._meta = None  # whether it is to be taken is not judged; the other checks go on
