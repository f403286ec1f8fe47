"""A daemon and an evaluator for a class of tests, and answers as they are on the wire."""

import http.client
import json
import re
import socket
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon, check_answer
from jobkit import body, finished, submit
from patience import PATIENCE_S


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(cls.directory.name)
        cls.daemon.start()
        cls.evaluator = jobkit.Evaluator()

    @classmethod
    def tearDownClass(cls):
        cls.evaluator.close()
        cls.daemon.stop()
        cls.directory.cleanup()

    def raw(self, method, path, document=None, **headers):
        """(status, headers, bytes) of an answer as it is on the wire."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if document is not None:
            named.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        text = None if document is None else json.dumps(document)
        connection.request(method, path, text, named)
        answer = connection.getresponse()
        sent = answer.status, answer.headers, answer.read()
        plain = "Content-Encoding" not in sent[1]
        if plain and "json" in sent[1].get("Content-Type", "") and method != "HEAD" and sent[2]:
            check_answer(method, path, answer.status, json.loads(sent[2]))
        return sent

    def open(self):
        return socket.create_connection(("127.0.0.1", self.daemon.port))

    def ask(self, method, path, expected, document=None, **headers):
        status, sent, text = self.raw(method, path, document, **headers)
        self.assertEqual(status, expected, (method, path, text))
        return sent, json.loads(text) if text else None

    def later(self, *request, **headers):
        """Asks in a thread; the result gives raw()'s answer once it is there."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.raw(*request, **headers)))
        thread.start()

        def answer():
            thread.join(PATIENCE_S)
            self.assertTrue(answers, "no answer came")
            return answers[0]

        answer.there = lambda: bool(answers)
        return answer

    def waiters(self):
        """How many requests wait."""
        text = self.raw("GET", "/metrics")[2].decode()
        return int(re.search(r"^narrowd_http_waiting (\d+)$", text, re.MULTILINE)[1])

    def done(self, **more):
        job = submit(self.daemon, body(self.evaluator.url, **more))
        finished(self.daemon, job)
        return job
