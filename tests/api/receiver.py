"""The receiver of a webhook: checks every signature, remembers what it took, does as a test says.

It is written from the Standard Webhooks specification, not from the daemon.
"""

import base64
import hashlib
import hmac
import json
import threading
import time

from scripted import Reply, Server

TOLERANCE_S = 300


def signature(secret, message_id, timestamp, body):
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


class Receiver(Server):
    """`reply(message)` gives what scripted.Server takes, by default 204. A message has `id`, `type`,
    `timestamp`, `data`. `taken` are those that were answered with 2xx, `seen` all of them, in the
    order of arrival. `secret` must be set before the first message comes."""

    def __init__(self, reply=None):
        self.reply = reply or (lambda message: Reply(204, b""))
        self.secret = None
        self.seen = []
        self.taken = []
        self.faults = []
        self.lock = threading.Lock()
        super().__init__(self.receive)

    def fault_of(self, request):
        headers = request.headers
        sent, now = int(headers["webhook-timestamp"]), time.time()
        wanted = signature(
            self.secret, headers["webhook-id"], headers["webhook-timestamp"], request.body
        )
        if request.method != "POST" or headers["Content-Type"] != "application/json":
            return "no POST of JSON"
        if headers["webhook-signature"] != wanted:
            return "a wrong signature"
        if abs(now - sent) > TOLERANCE_S:
            return f"sent at {sent}, now it is {now}"
        return None

    def receive(self, request):
        fault = self.fault_of(request)
        if fault is not None:
            self.faults.append(fault)
            return Reply(400)
        message = json.loads(request.body)
        message["id"] = request.headers["webhook-id"]
        with self.lock:
            self.seen.append(message)
        reply = self.reply(message)
        # Noted before it is answered: once the daemon knows, so does the test.
        if reply is not None and 200 <= reply.status <= 299:
            with self.lock:
                self.taken.append(message)
        return reply

    def register(self, daemon, events, **members):
        """Makes a webhook for this receiver and returns its document."""
        body = {"url": self.url + "/hook", "events": events, **members}
        status, sent, document = daemon.request("POST", "/v1/webhooks", body)
        assert status == 201, document
        assert sent["location"] == f"/v1/webhooks/{document['id']}"
        secret = document["secret"]
        self.secret = secret if isinstance(secret, str) else members["secret"]
        return document
