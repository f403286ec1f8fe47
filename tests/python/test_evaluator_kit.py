"""The evaluator kit: what it answers on the wire, under a real daemon, and how it measures."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import io
import itertools
import json
import os
import socket
import struct
import tempfile
import threading
import time
import unittest

from kit import CAPABILITY, JOB, made, measured, pooled
from daemon import Daemon
from jobkit import wait_until
from patience import PATIENCE_S

import narrowd
from narrowd.evaluator import answer_of, judges_of
from narrowd.serving import server

DATA_SEGMENTS_IN = 152  # where struct tcp_info has how many segments with data came
SECRET = "whsec_" + base64.b64encode(b"known to both").decode()


class Gate:
    """An evaluator whose measurement waits until the test lets it go."""

    def __init__(self):
        self.inside, self.go, self.count = threading.Event(), threading.Event(), itertools.count(1)

    def __call__(self, config):
        self.inside.set()
        assert self.go.wait(PATIENCE_S)
        return {"accuracy": 0.9, "latency_ms": float(next(self.count))}


class Case(unittest.TestCase):
    def serve(self, evaluator, **settings):
        http_server = server(evaluator, port=0, **settings)
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(http_server.server_close)
        self.addCleanup(http_server.shutdown)
        self.server = http_server
        return http_server.server_address[1]

    def comes_later(self):
        """Waits until the question that is measured has been answered 202."""
        wait_until(lambda: self.server.running.later)

    def ask(self, port, path, body=b"{}", headers=None, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, text if method == "POST" else None, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read())

    def daemon(self, *arguments):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        return self.enterContext(Daemon(directory, *arguments))


def question(trial=1, repeat=0, **more):
    return {"job": "job_1", "trial": trial, "repeat": repeat, "attempt": 1, "config": {"ops": {}}, **more}


class Judges(unittest.TestCase):
    def test_each_of_them_makes_a_call_another_one(self):
        def near(model):
            return 1.0

        def far(model):
            return 0.5

        self.assertEqual(len({judges_of(near, None), judges_of(far, None), judges_of(near, far), judges_of(far, near), judges_of(near, near)}), 5)
        self.assertEqual(judges_of(len, None), "", "its text is not to be had")


class Wire(Case):
    def test_whoever_comes_meanwhile_is_sent_away_at_once(self):
        gate = Gate()
        port = self.serve(made(gate))
        answers = []
        first = threading.Thread(target=lambda: answers.append(self.ask(port, "/evaluate", question())))
        first.start()
        self.assertTrue(gate.inside.wait(PATIENCE_S))
        status, headers, body = self.ask(port, "/evaluate", question(trial=2))
        self.assertEqual((status, headers["Retry-After"]), (503, "5"))
        self.assertIn("busy", body["error"])
        self.assertEqual(self.ask(port, "/capability")[2]["ops"], CAPABILITY["ops"])
        self.assertEqual(self.ask(port, "/healthz", method="GET")[0], 200)
        second = threading.Thread(target=lambda: answers.append(self.ask(port, "/evaluate", question())))
        second.start()  # the same question: another attempt, which waits for the same measurement
        gate.go.set()
        first.join()
        second.join()
        self.assertEqual([status for status, _, _ in answers], [200, 200])
        self.assertEqual(answers[0][2], answers[1][2])
        self.assertEqual(next(gate.count), 2, "measured once")

    def test_the_same_question_again(self):
        port = self.serve(made(lambda config, count=itertools.count(): next(count)))
        first = self.ask(port, "/evaluate", question())[2]
        self.assertEqual(self.ask(port, "/evaluate", question())[2], first)
        for other in (question(repeat=1), question(trial=2), {"config": {"ops": {}}}):
            self.assertNotEqual(self.ask(port, "/evaluate", other)[2], first)

    def test_an_answer_is_one_segment(self):
        port = self.serve(made(lambda config: 0.5))
        body = json.dumps(question()).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as wire:
            wire.sendall(b"POST /evaluate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            received = b""
            while not received.endswith(b"}"):
                received += wire.recv(65536)
            info = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self.assertEqual(struct.unpack_from("I", info, DATA_SEGMENTS_IN)[0], 1)

    def test_what_is_not_signed_is_not_answered(self):
        port = self.serve(made(lambda config: 0.5), secret=SECRET)
        body, now = json.dumps(question()).encode(), str(int(time.time()))

        def signature(key, at):
            mac = hmac.new(key, f"msg.{at}.".encode() + body, hashlib.sha256).digest()
            return {"webhook-id": "msg", "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(mac).decode()}

        self.assertEqual(self.ask(port, "/evaluate", body, signature(b"known to both", now))[0], 200)
        for wrong in ({}, signature(b"another", now), signature(b"known to both", str(int(now) - 3600)),
                      {**signature(b"known to both", now), "webhook-id": "other"}):
            status, _, answer = self.ask(port, "/evaluate", body, wrong)
            self.assertEqual(status, 401, wrong)
            self.assertIn("signed", answer["error"])

    def test_causes(self):
        def breaks(config):
            raise {"x": ValueError("bad axis")}.get(config["recipes"], narrowd.CannotRun("no kernel"))

        port = self.serve(made(breaks))
        body = question(config={"ops": {}, "recipes": "x"})
        self.assertEqual(self.ask(port, "/evaluate", body)[2],
                         {"failed": True, "error": "ValueError: bad axis", "retryable": True})
        body = question(config={"ops": {}, "recipes": "y"})
        self.assertEqual(self.ask(port, "/evaluate", body)[2],
                         {"failed": True, "error": "CannotRun: no kernel", "retryable": False})
        self.assertEqual(self.ask(port, "/elsewhere", question())[0], 404)
        self.assertEqual(self.ask(port, "/evaluate", b"[")[0], 400)

    def test_answers(self):
        class Array:
            def __init__(self, value):
                self.value = value

            def tolist(self):
                return self.value

        self.assertEqual(answer_of(0.5), {"accuracy": 0.5})
        self.assertEqual(answer_of({"accuracy": Array(0.5), "latency_ms": Array([1.0, 2.0]), "size_bytes": 7}),
                         {"accuracy": 0.5, "latency_ms": [1.0, 2.0], "metrics": {"size_bytes": 7}})
        self.assertEqual(answer_of({"accuracy": float("nan")}), {"accuracy": None})
        with self.assertRaises(TypeError):
            answer_of({"accuracy": object()})
        with self.assertRaisesRegex(narrowd.CannotRun, "returned nothing where an accuracy is wanted"):
            answer_of(None)
        with self.assertRaisesRegex(narrowd.CannotRun, "returned 2 numbers where one is wanted"):
            answer_of(Array([0.9, 0.8]))
        for text in ("good", {"accuracy": "good"}):
            with self.assertRaisesRegex(narrowd.CannotRun, "returned 'good' where the accuracy is wanted, a number"):
                answer_of(text)


class UnderADaemon(Case):
    def test_called(self):
        """Signed, with answers that come at once and others that come later."""
        daemon = self.daemon()
        client = narrowd.Client(daemon.url)

        def slow(config):
            self.comes_later()
            return measured(config)

        for later_s, function in ((PATIENCE_S, measured), (0, slow)):
            with self.subTest(later_s=later_s):
                port = self.serve(made(function), secret=SECRET, later_s=later_s)
                job = client.submit({**JOB, "evaluator": {"url": f"http://127.0.0.1:{port}", "secret": SECRET}})
                self.assertEqual(job.wait()["state"], "completed")
                self.assertEqual([t["error"] for t in job.trials() if t["error"]], [])
                accepted = [event for event in job.events() if event["type"] == "lease_accepted"]
                self.assertEqual(bool(accepted), later_s == 0)
                self.assertTrue(job.best()["feasible"])

    def test_heartbeats_keep_a_lease(self):
        """A measurement that lasts longer than its lease, which the kit keeps alive, called and coming for it."""
        daemon = self.daemon("--lease-ttl-s", "5")
        client, beats = narrowd.Client(daemon.url), []

        def long(config):
            seen = len(beats)
            if any(op["mode"] != "fp32" for op in config["ops"].values()):
                wait_until(lambda: len(beats) >= seen + 3)
            return measured(config)

        from narrowd import serving, working
        send, call_back = working.Heartbeats.send, serving.Server.call_back

        def noted_send(self, body):
            beats.append(body)
            return send(self, body)

        def noted_call(self, callback, what, body):
            beats.append(what)
            return call_back(self, callback, what, body)

        working.Heartbeats.send, serving.Server.call_back = noted_send, noted_call
        self.addCleanup(setattr, working.Heartbeats, "send", send)
        self.addCleanup(setattr, serving.Server, "call_back", call_back)
        short = {"tuning_criterion": {"max_trials": 1}, "confirm": 0}
        port = self.serve(made(long), later_s=0, heartbeat_s=2)
        job = client.submit({**JOB, **short, "evaluator": {"url": f"http://127.0.0.1:{port}"}})
        self.assertEqual(job.wait()["state"], "completed")
        self.assertEqual({t["attempts"] for t in job.trials()}, {1})
        pull = client.submit(pooled("long", **short))
        made(long).work("long", client, ttl_s=6, wait_s=0.2, until=lambda: pull.get()["exit"] is not None)
        self.assertEqual(pull.get()["state"], "completed")
        self.assertEqual({t["attempts"] for t in pull.trials()}, {1})

    def test_an_early_verdict_ends_a_measurement(self):
        client, ended = narrowd.Client(self.daemon().url), []
        evaluator = narrowd.Evaluator(CAPABILITY)

        @evaluator.evaluate
        def evaluate(config):
            if all(op["mode"] == "fp32" for op in config["ops"].values()):
                return {"accuracy": 0.9, "latency_ms": 100.0}
            if pushed:
                self.comes_later()
            try:
                for seen in range(100, 1001, 100):
                    evaluator.progress(seen=seen, correct=0, total=1000)
            except narrowd.NotWanted:
                ended.append(seen)
                raise
            return {"accuracy": 0.0, "latency_ms": 1.0}

        for pushed in (False, True):
            where = {"url": f"http://127.0.0.1:{self.serve(evaluator, later_s=0)}"} if pushed else {"pool": "early"}
            job = client.submit({**pooled("early"), "evaluator": where,
                                 "tuning_criterion": {"strategy": "random", "max_trials": 3, "stop_on": "budget"}})
            if not pushed:
                evaluator.work("early", client, wait_s=0.2, until=lambda job=job: job.get()["exit"] is not None)
            job.wait()
            states = [t["state"] for t in job.trials() if t["number"] > 0]
            self.assertEqual(set(states), {"pruned"}, pushed)
        self.assertTrue(ended and max(ended) < 1000, ended)

    def test_scores(self):
        client, asked = narrowd.Client(self.daemon().url), []
        evaluator = made()

        @evaluator.score("mse", "mse:options")
        def score(question):
            asked.append(question["method"])
            evaluator.progress(seen=1, total=len(question["ops"]))
            out, = job.get()["progress"]["out"]
            asked.append((out["kind"], out["seen"], out["total"]))
            return {name: [0.1 * i for i, _ in enumerate(options)] for name, options in question["options"].items()}

        self.assertEqual(evaluator.what_it_can_do()["answers"], ["evaluate"])  # the capability says its own
        capability = {name: value for name, value in CAPABILITY.items() if name != "answers"}
        evaluator.capability(lambda: capability)
        self.assertEqual(evaluator.what_it_can_do()["answers"], ["evaluate", "score:mse", "score:mse:options"])
        job = client.submit(pooled("scored", capability=evaluator.what_it_can_do()))
        evaluator.work("scored", client, wait_s=0.2, until=lambda: job.get()["exit"] is not None)
        self.assertEqual(asked, ["mse", ("score", 1, len(capability["ops"]))])
        self.assertEqual((job.get()["state"], job.get()["warnings"]), ("completed", []))

    def test_a_traceback_begins_in_a_folder_that_is_called_much_like_the_package(self):
        path = os.path.join(os.path.dirname(narrowd.__file__) + "_tasks", "mine.py")
        names = {}
        exec(compile("def wrong(config):\n    return len(config, config)\n", path, "exec"), names)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            made(names["wrong"]).answer({"question": "baseline", "config": {"ops": {}}})
        self.assertEqual(said.getvalue().splitlines()[2], f'  File "{path}", line 2, in wrong')

    def test_what_the_function_that_scores_raises_is_said_of_it(self):
        def wrong(question):
            raise ValueError("no data")

        evaluator, said = made(), io.StringIO()
        evaluator.score("mse")(wrong)
        with contextlib.redirect_stderr(said):
            answer = evaluator.answer({"question": "score", "method": "mse", "ops": ["op0"], "config": {"ops": {}}})
        self.assertEqual(answer["error"], "ValueError: no data")
        self.assertTrue(said.getvalue().startswith("narrowd: the function that scores raised ValueError: no data\nTraceback"), said.getvalue())

    def test_an_interrupt_gives_the_question_back(self):
        client = narrowd.Client(self.daemon().url)
        job = client.submit(pooled("stopped"))

        def interrupted(config):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            made(interrupted).work("stopped", client, wait_s=0.2)
        types = [event["type"] for event in client.job(job.id)._ask("GET", "/events")["items"]]
        self.assertIn("lease_returned", types)
        made().work("stopped", client, wait_s=0.2, until=lambda: job.get()["exit"] is not None)
        self.assertEqual(job.trial(0)["state"], "told")


if __name__ == "__main__":
    unittest.main()
