"""A real narrowd in a data directory, on a free port: started, asked, stopped, killed.

NARROWD_BIN names the program. With NARROWD_TEST_POSTGRESQL=1 its data directory is a replica of a log in a PostgreSQL
that this process starts, one database for each directory.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading

import postgresql
import reference
import schema_check

from patience import PATIENCE_S

READY = re.compile(r"narrowd: listening on (http://127\.0\.0\.1:(\d+))\n")


if "NARROWD_OPENAPI" in os.environ:
    with open(os.environ["NARROWD_OPENAPI"], encoding="utf-8") as file:
        OPENAPI = json.load(file)
else:
    OPENAPI = None


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(v) for name, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def check_answer(method, path, status, value):
    """Fails when the document describes an answer otherwise, or lacks a member that it has."""
    # The submission is as it came, where null is as good as left out.
    if path.split("?")[0].endswith("/spec"):
        value = without_nulls(value)
    elif path.split("?")[0].endswith("/export") and "spec" in value:
        value = {**value, "spec": without_nulls(value["spec"])}
    try:
        schema = OPENAPI and schema_check.response_schema(OPENAPI, method, path, status)
    except LookupError:
        return  # no route: what is asked there on purpose is a problem, which tests look at
    if schema:
        faults = schema_check.check(schema, value, OPENAPI, closed=True)
        shown = f"{method} {path} -> {status}: {json.dumps(value)[:2000]}"
        assert not faults, f"{faults}\n{shown}"
    if status == 200 and path.split("?")[0].endswith("/events"):
        lacking = reference.undocumented(value["items"])
        assert not lacking, lacking


def data_of(directory):
    """The flags with which a command finds what a daemon in that directory has stored."""
    flags = ["--data-dir", str(directory)]
    if os.environ.get("NARROWD_TEST_POSTGRESQL") == "1":
        flags += ["--data", postgresql.database_of(directory)]
    return flags


class Daemon:
    """`port` 0 is another free port at every start. `arguments` are more flags."""

    def __init__(self, directory, *arguments, port=0):
        self.directory = directory
        self.arguments = arguments
        self.listen_port = port
        self.process = None
        self.port = None
        self.url = None
        self.errors = None  # standard error of this life, while there is one
        self.past = ""  # that of the lives before

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *args):
        if kind is None:
            self.stop()
        else:
            self.kill9()

    def log(self):
        """What all lives have written to standard error."""
        if self.errors is None:
            return self.past
        size = os.fstat(self.errors.fileno()).st_size
        return self.past + os.pread(self.errors.fileno(), size, 0).decode(errors="replace")

    def forget(self):
        """Lets go of a process that has ended."""
        self.process.stdout.close()
        self.past = self.log()
        self.errors.close()
        self.errors = None

    def start(self):
        command = [
            os.environ["NARROWD_BIN"],
            "--listen",
            f"127.0.0.1:{self.listen_port}",
            *(["--data-dir", str(self.directory)] if "--data" in self.arguments else data_of(self.directory)),
            *self.arguments,
        ]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors
        )
        impatience = threading.Timer(PATIENCE_S, self.process.kill)
        impatience.start()
        line = self.process.stdout.readline().decode()
        impatience.cancel()
        ready = READY.fullmatch(line)
        if ready is None:
            self.kill9()
            raise AssertionError(f"it did not start: {line!r}\n{self.log()}")
        self.url = ready.group(1)
        self.port = int(ready.group(2))

    def stop(self):
        """SIGTERM; fails when it does not end with status 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"it does not stop\n{self.log()}") from None
        self.forget()
        if status != 0:
            raise AssertionError(f"it ended with status {status}\n{self.log()}")

    def kill9(self):
        """SIGKILL; any thread may call this while others ask."""
        self.process.kill()
        self.process.wait()
        self.forget()

    def restart(self):
        """Stops it and starts it again on the same data directory."""
        self.stop()
        self.start()

    def request(self, method, path, body=None, headers=None):
        """Returns (status, headers, JSON); without JSON the text, without a body None.

        `body` is sent as JSON, text and bytes as they are. The headers' names have no case.
        """
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if "json" in response.headers.get("Content-Type", "") and text:
            value = json.loads(text)
            check_answer(method, path, response.status, value)
            return response.status, response.headers, value
        return response.status, response.headers, text or None
