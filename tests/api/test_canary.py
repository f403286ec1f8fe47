"""Secrets that nobody may see: tokens, and what is given as a text to be kept.

Every secret is a word that stands nowhere else. After a life with all of them, in which the daemon logs all
that it can, the words are looked for in everything that it wrote or said.
"""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

import jobkit
from daemon import Daemon
from patience import PATIENCE_S
from receiver import Receiver
from scripted import Reply
from test_access import NARROWD, bearer, new_token, token_command

NARROW = os.environ["NARROW_BIN"]
EVALUATOR, WEBHOOK = "canary-evaluator-7f3a", "canary-webhook-91bc"
HEADER, QUERY, HOOK_QUERY, ADVISER_QUERY = "canary-header-55d0", "canary-query-0c1e", "canary-hook-query-ee02", "canary-adviser-query-4b77"
GIVEN = (EVALUATOR, WEBHOOK, HEADER, QUERY, HOOK_QUERY, ADVISER_QUERY)


class Keyed(jobkit.Evaluator):
    """Remembers with which key it was asked for what."""

    def __init__(self):
        self.asked = []
        super().__init__()

    def dispatch(self, request):
        self.asked.append((request.query.get("key"), request.headers))
        if request.query.get("key") is None:  # a doctor, who has no secrets
            return Reply(404)
        if request.query["key"] == ADVISER_QUERY:
            return Reply(200, {"done": True})
        return super().dispatch(request)


class KeyedReceiver(Receiver):
    def __init__(self):
        self.keys = []
        super().__init__()

    def receive(self, request):
        self.keys.append(request.query["key"])
        return super().receive(request)


class Canary(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.data = self.directory / "data"
        self.said = []  # every answer, with its headers
        self.admin = new_token(str(self.data), "admin", owner="ann")
        self.daemon = Daemon(self.data, "--auth", "always", "--log-level", "debug",
                             "--access-log", self.directory / "access.log")
        self.daemon.start()
        self.addCleanup(self.stop)
        self.evaluator = Keyed()
        self.addCleanup(self.evaluator.close)

    def stop(self):
        with contextlib.suppress(Exception):
            self.daemon.stop()

    def ask(self, method, path, body=None, token=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        headers = {**bearer(token or self.admin), **(headers or {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        self.said.append((f"{method} {path}", f"{answer.headers}\n{text}"))
        value = json.loads(text) if "json" in answer.headers.get("Content-Type", "") and text else text
        return answer.status, value

    def live(self):
        """Uses every secret, and reads every route that has something of them."""
        made = self.ask("POST", "/v1/tokens", {"scopes": ["read"]}, headers={"Idempotency-Key": "made"})[1]
        self.said.pop()  # the one answer that has it
        self.assertIsNone(self.ask("POST", "/v1/tokens", {"scopes": ["read"]}, headers={"Idempotency-Key": "made"})[1]["token"])
        url = f"{self.evaluator.url}?key={QUERY}"
        hidden = {"secret": EVALUATOR, "headers": {"X-Key": HEADER}}
        evaluator = self.ask("POST", "/v1/evaluators", {"url": url, **hidden},
                             headers={"Idempotency-Key": "evaluator"})[1]["id"]
        receiver = self.receiver = KeyedReceiver()
        receiver.secret = WEBHOOK
        self.addCleanup(receiver.stop)
        webhook = self.ask("POST", "/v1/webhooks", {"url": f"{receiver.url}?key={HOOK_QUERY}", "secret": WEBHOOK,
                                                    "events": ["job.completed"]})[1]["id"]
        jobs = []
        for number, named in enumerate(({"id": evaluator}, {"url": url, **hidden})):
            job = jobkit.body(url, confirm=0)
            status, job = self.ask("POST", "/v1/jobs", {**job, "evaluator": named}, headers={"Idempotency-Key": f"job-{number}"})
            self.assertEqual(status, 201, job)
            jobs.append(job["id"])
            jobkit.wait_until(lambda: self.ask("GET", f"/v1/jobs/{job['id']}")[1]["state"] == "completed")
        jobs += [self.ask("POST", f"/v1/jobs/{job}/clone", {})[1]["id"] for job in jobs]
        remote = {"strategy": "remote", "strategy_kwargs": {"url": f"{url[:url.index('?')]}?key={ADVISER_QUERY}"}}
        jobs.append(self.ask("POST", "/v1/jobs", {**jobkit.body(url, tuning_criterion=remote), "evaluator": {"url": url, **hidden}})[1]["id"])
        for job in jobs:
            jobkit.wait_until(lambda: self.ask("GET", f"/v1/jobs/{job}")[1]["exit"])
        self.ask("POST", "/v1/spaces", {**jobkit.body(url), "evaluator": {"url": url, **hidden, "no": 1}})
        for path in (f"/v1/evaluators/{evaluator}", "/v1/evaluators", f"/v1/webhooks/{webhook}", "/v1/webhooks",
                     f"/v1/webhooks/{webhook}/deliveries", "/v1/jobs", "/v1/events?limit=1000", "/v1/tokens", "/v1/session",
                     "/v1/workers", "/v1/config", "/metrics", "/", f"/v1/jobs?token={made['token']}"):
            self.ask("GET", path)
        for job in jobs:
            for rest in ("", "/spec", "/space", "/best", "/events", "/export", "/export?format=csv", "/trials", "/sensitivity"):
                self.ask("GET", f"/v1/jobs/{job}{rest}")
            self.ask("GET", f"/jobs/{job}", headers={"Accept": "text/html"})
        shown = self.ask("GET", f"/v1/evaluators/{evaluator}")[1]["url"]
        self.assertEqual(shown, f"{self.evaluator.url}?...")
        self.ask("PATCH", f"/v1/evaluators/{evaluator}", {"url": shown, "secret": EVALUATOR + "-2"})
        self.ask("POST", f"/v1/evaluators/{evaluator}/probe", {})
        self.ask("POST", f"/v1/webhooks/{webhook}/test", {})
        self.ask("GET", "/v1/jobs", token=made["token"] + "x")
        self.ask("POST", "/v1/jobs", {"token": made["token"][:10]})
        self.assertEqual(self.ask("POST", "/v1/session", {"token": made["token"]})[0], 200)
        self.said.pop()  # whose cookie is the token
        self.ask("DELETE", f"/v1/tokens/{made['id']}")
        return made["token"]

    def written(self):
        """Everything on disk, with the daemon running and after its end, and a backup."""
        subprocess.run([NARROWD, "--data-dir", self.data, "backup", str(self.directory / "backup")], check=True,
                       capture_output=True, timeout=PATIENCE_S)
        yield from self.files("running")
        self.said.append(("token list", token_command(str(self.data), "list").stdout))
        for command in (["doctor"], ["doctor", "--json"], ["support-bundle"]):
            told = subprocess.run([NARROW, *command], env={**os.environ, "NARROWD_URL": self.daemon.url, "NARROWD_TOKEN": self.admin},
                                  capture_output=True, text=True, timeout=PATIENCE_S)
            self.said.append((command[0], told.stdout + told.stderr))
        self.assertGreater(len(told.stdout), 20000, "the bundle says little: is it all?")
        told = subprocess.run([NARROWD, "--data-dir", self.data, "doctor"], capture_output=True, text=True, timeout=PATIENCE_S)
        self.said.append(("narrowd doctor", told.stdout + told.stderr))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.restart()
        self.daemon.kill9()
        yield from self.files("killed")
        self.daemon.start()
        self.daemon.stop()
        yield from self.files("stopped")
        self.daemon.start()
        yield "the log", self.daemon.log().encode()
        with open(f"/proc/{self.daemon.process.pid}/cmdline", "rb") as file:
            yield "the command line", file.read()

    def files(self, when):
        for path in self.directory.rglob("*"):
            if path.is_file():
                yield f"{path.name} ({when})", path.read_bytes()

    def test_nobody_sees_them(self):
        tokens = [self.live(), self.admin]
        written = list(self.written())
        found = [f"{secret} in {where}" for where, content in written
                 for secret in tokens if secret.encode() in content or secret[4:].encode() in content]
        self.assertEqual(found, [], "what was written")
        found = [f"{secret} in {where}" for where, content in written for secret in GIVEN if secret.encode() in content]
        self.assertEqual(found, [], "what was written of what was given")
        found = [f"{secret} in {where}" for where, text in self.said for secret in (*tokens, *GIVEN) if secret in text]
        self.assertEqual(found, [], "what was said")
        log = self.daemon.log() + (self.directory / "access.log").read_text()
        self.assertEqual([secret for secret in GIVEN if secret in log], [], "what was logged")
        self.assertGreater(len(self.said), 60)
        self.assertGreater(len(log), 10000, "the log says little: is it all?")
        asked = {key: [headers for given, headers in self.evaluator.asked if given == key] for key in (QUERY, ADVISER_QUERY)}
        self.assertGreater(len(asked[QUERY]), 20)
        self.assertGreater(len(asked[ADVISER_QUERY]), 0)
        self.assertTrue(all("webhook-signature" in headers and headers["X-Key"] == HEADER for headers in asked[QUERY]), "they were used")
        self.assertIn(HOOK_QUERY, self.receiver.keys)


if __name__ == "__main__":
    unittest.main()
