"""One request to a daemon: over TCP, TLS or a unix socket, repeated while that can help."""

import http.client
import json
import math
import random
import re
import socket
import ssl
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from typing import Any, NamedTuple

from .errors import Refused, Unreachable

PASSES_BY = (408, 429, 502, 503, 504, 507)  # may be another answer a little later
BUSY = "idempotency_in_progress"
LONGEST_PAUSE_S = 5.0
ANSWER_S = 60.0
LASTING_S = 3600.0  # patience with what took long to come by, as the answer to a question


class Answer(NamedTuple):
    status: int
    headers: Message
    body: Any


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def query_text(query: Mapping[str, Any] | None) -> str:
    """Members that are None are left out, lists are joined by commas."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    plain = {name: ",".join(value) if isinstance(value, (list, tuple)) else value for name, value in given.items()}
    return "?" + urllib.parse.urlencode(plain) if plain else ""


def text_of(body: Any) -> str:
    """As JSON, which has neither NaN nor infinities: the daemon could not say more of them than at which byte they stand."""
    try:
        return json.dumps(body, allow_nan=False)
    except ValueError:
        faults = [{"pointer": pointer, "detail": f"a number is expected, and it is {value}"} for pointer, value in no_numbers(body, "")]
        if not faults:
            raise
        raise Refused(400, {"type": "invalid_json", "errors": faults}) from None


def no_numbers(value: Any, pointer: str) -> Iterator[tuple[str, float]]:
    """Where NaN and infinities stand."""
    if isinstance(value, float) and not math.isfinite(value):
        yield pointer, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for name, member in members:
        yield from no_numbers(member, f"{pointer}/{name}")


class Transport:
    """`url` is HOST:PORT, http://, https:// or unix:PATH. Threads may share one: each request has its own connection.

    A request that got no answer, or one that passes by, is repeated for `patience_s` seconds; every POST
    has an Idempotency-Key, so that it is carried out once. `revive` is called before a repetition, to
    start what ought to answer.
    """

    def __init__(self, url: str, *, token: str | None = None, ca: str | None = None, patience_s: float = 60,
                 revive: Callable[[], None] | None = None):
        bare = re.fullmatch(r"[^/:]+:\d+/?", url) is not None
        self.url, self.token, self.patience_s, self.revive = "http://" * bare + url.rstrip("/"), token, patience_s, revive
        self.parts = urllib.parse.urlsplit(self.url)
        if not (self.parts.scheme == "unix" or self.parts.scheme in ("http", "https") and self.parts.hostname):
            raise ValueError(f"{url!r} is no address of a daemon: HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH")
        self.tls = ssl.create_default_context(cafile=ca) if self.parts.scheme == "https" else None

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        if self.parts.scheme == "unix":
            return UnixConnection(self.url.partition(":")[2], timeout)
        host = self.parts.hostname or ""
        if self.tls:
            return http.client.HTTPSConnection(host, self.parts.port, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection(host, self.parts.port, timeout=timeout)

    def open(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None,
             timeout: float = ANSWER_S) -> http.client.HTTPResponse:
        """One attempt; the answer is still to be read, and closing it closes the connection."""
        sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        text = None
        if body is not None:
            text = text_of(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = self.connect(timeout)
        try:
            connection.request(method, self.parts.path * (self.parts.scheme != "unix") + path, text, sent)
            return connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def request(self, method: str, path: str, body: Any = None, *, query: Mapping[str, Any] | None = None,
                headers: Mapping[str, str] | None = None, wait_s: float = 0, patience_s: float | None = None) -> Answer:
        """The answer, JSON as values and all else as text. `wait_s` is how long the daemon may wait with it,
        `patience_s` is for this request alone.

        Raises Refused for what the daemon does not do, Unreachable when nobody answers.
        """
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", f'"{uuid.uuid4()}"')
        if wait_s:
            sent["Prefer"] = f"wait={wait_s:g}"
        deadline, pause = time.monotonic() + (self.patience_s if patience_s is None else patience_s), 0.02
        while True:
            try:
                answer = self.attempt(method, path + query_text(query), body, sent, ANSWER_S + wait_s)
                if answer.status < 400:
                    return answer
                failure: Exception = Refused(answer.status, answer.body if isinstance(answer.body, dict) else {})
                if answer.status not in PASSES_BY and getattr(failure, "type", "") != BUSY:
                    raise failure
                pause = max(pause, float(answer.headers.get("Retry-After") or 0))
            except (OSError, http.client.HTTPException) as error:
                failure = Unreachable(f"no narrowd answers at {self.url}: {error or type(error).__name__}")
                failure.__cause__ = error
            if time.monotonic() + pause > deadline:
                raise failure
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if self.revive and isinstance(failure, Unreachable):
                self.revive()

    def attempt(self, method: str, path: str, body: Any, headers: Mapping[str, str], timeout: float) -> Answer:
        with self.open(method, path, body, headers, timeout) as response:
            text = response.read().decode()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(response.status, response.headers, json.loads(text) if text and is_json else text)
