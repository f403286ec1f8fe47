"""The evaluator kit: what it answers on the wire, under a real daemon, and how it measures."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import io
import itertools
import json
import math
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from unittest import mock

from kit import CAPABILITY, JOB, measured, pooled
from daemon import Daemon
from jobkit import wait_until
from patience import PATIENCE_S

import narrowd
from narrowd.evaluator import answer_of
from narrowd.serving import server

DATA_SEGMENTS_IN = 152  # where struct tcp_info has how many segments with data came
SECRET = "whsec_" + base64.b64encode(b"known to both").decode()


def made(function=measured, **more):
    evaluator = narrowd.Evaluator(CAPABILITY, **more)
    evaluator.evaluate(function)
    return evaluator


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

    def test_whoever_waits_is_told_how_far_it_is(self):
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        evaluator, said = made(), io.StringIO()

        @evaluator.score("mse:options")
        def score(question):
            for _ in range(3):  # lines are as rare as people read
                evaluator.progress(seen=12, total=120)
            return {name: [0.1] * len(options) for name, options in question["options"].items()}

        capability = {name: value for name, value in CAPABILITY.items() if name != "answers"}
        evaluator.capability(lambda: capability)
        with contextlib.redirect_stderr(said), mock.patch("narrowd.progress.tqdm_bar", lambda total: None):
            narrowd.search(evaluator, JOB)
        self.assertEqual(said.getvalue().count("narrowd: 0 of 8 trials, scoring 12 of 120\n"), 1, said.getvalue())
        self.assertNotRegex(said.getvalue(), "running: (default|score|sgp|opening)\\b")
        self.assertRegex(said.getvalue(), r"^narrowd: job_\w+, to watch it: narrow --server unix:/.*/narrowd\.sock watch job_\w+\n")

    def test_what_is_no_accuracy_of_the_model_as_it_came_fails_the_job(self):
        """Whatever it is: nobody has to mend a job that waits, and the sentence says what was returned."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))

        def raises(config):
            raise narrowd.CannotRun("no data")

        for function, words in ((lambda config: math.nan, "the function returned NaN for the model as it came"),
                                (lambda config: {"accuracy": -math.inf}, "the function returned -inf for the model as it came"),
                                (lambda config: "good", "the function returned 'good'"),
                                (lambda config: None, "the function returned nothing"), (raises, "no data")):
            with self.assertRaisesRegex(narrowd.NarrowdError, rf"^job_\w+ failed \(baseline_failed\): .*{words}"), \
                    contextlib.redirect_stderr(io.StringIO()):
                narrowd.search(made(function), JOB, progress=False, identity=words)
        with narrowd.Client() as client:
            self.assertEqual([document["state"] for document in client.jobs()], ["failed"] * 5)

    def test_what_a_function_raises_is_told_once(self):
        """The traceback begins where the user's own code does; each attempt that fails alike is a line."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))

        def wrong(config):
            return [].missing

        said, cause = io.StringIO(), "AttributeError: 'list' object has no attribute 'missing'"
        with self.assertRaisesRegex(narrowd.NarrowdError, rf"baseline_failed\): .*{cause}$") as left, contextlib.redirect_stderr(said):
            narrowd.search(made(wrong), {**JOB, "retry": {"max_attempts": 3, "backoff_s": 0.01}}, progress=False)
        first, *steps = said.getvalue().splitlines()
        self.assertEqual(first, f"narrowd: the function that measures raised {cause}")
        self.assertEqual(steps[0], "Traceback (most recent call last):")
        self.assertRegex(steps[1], r"test_evaluator_kit\.py\", line \d+, in wrong$")
        self.assertEqual(steps[-3:], [cause, f"{first}, as before", f"{first}, as before"])
        self.assertIsNone(left.exception.__cause__)

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

    def test_a_search_that_fails_or_pauses_says_why(self):
        home = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=home))
        answers, job = {"accuracy": 0.9}, {**JOB, "retry": {"max_attempts": 1}}

        def lacks(config):
            return {**answers, **({} if "latency_ms" not in answers else measured(config))}

        def breaks(config):
            return [][0]

        def says(config):
            return {"accuracy": 0.9, "latency_ms": "fast"}

        for function, words in ((lacks, "cannot be used: latency_ms: "), (breaks, "IndexError"), (says, ', and it is "fast"')):
            with self.assertRaises(narrowd.NarrowdError) as raised:
                narrowd.search(made(function), job, progress=False)
            self.assertIn(words, str(raised.exception))
        answers["latency_ms"] = 1.0
        with narrowd.Client() as client:
            self.assertEqual({document["state"] for document in client.jobs()}, {"failed", "cancelled"}, "nobody would come for them again")
            mended = narrowd.search(made(lacks), job, client=client, progress=False)
            self.assertEqual(mended.get()["state"], "completed", "what could not be used is not remembered")
        with narrowd.Client() as client:
            job = narrowd.search(made(), JOB, client=client, progress=False)
            self.assertTrue(job.best()["feasible"])
            other = narrowd.search(made(), JOB, client=client, progress=False)
            self.assertNotEqual(other.id, job.id, "a call that came to its end begins anew")

    def test_a_search_that_was_killed_is_seen_to_be_so(self):
        """Its question is let go of as soon as one of any other worker, for heartbeats keep it while there is somebody."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        with narrowd.Client() as client:
            job = narrowd.search(made(), JOB, client=client, progress=False)
            leases = {event["data"]["ttl_ms"] for event in job.events() if event["type"] == "question_leased"}
        self.assertEqual(leases, {60_000})

    def test_a_clone_is_measured_by_the_same_call(self):
        """Its evaluator is a function in that process; until it comes the clone says how to have it measured."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        with narrowd.Client() as client:
            first = narrowd.search(made(), JOB, client=client, progress=False)
            clone = first.clone(tuning_criterion={"max_trials": 3}, warm_start=True)
            self.assertEqual(clone.get()["evaluator"], first.get()["evaluator"])
            self.assertTrue(clone.get()["evaluator"]["start"].startswith("run the same script or command again"))
            with contextlib.redirect_stderr(io.StringIO()) as told:
                self.assertEqual(narrowd.search(made(), JOB, client=client).id, clone.id)
            self.assertIn(f"goes on with {clone.id} (no name), which has measured 0 of 3 trials", told.getvalue())
            self.assertIn("WARNING: that is a clone with other settings, by which the result is judged: "
                          "tuning_criterion.max_trials is 3 where this call says ", told.getvalue())
            self.assertEqual((clone.get()["state"], clone.get()["budget"]["max_trials"]), ("completed", 3))

    def test_only_a_name_that_the_daemon_gave_a_clone_is_made_anew(self):
        """It would not say what the clone searches for; one with a number in it may be somebody's own."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        with narrowd.Client() as client:
            def call():
                with contextlib.redirect_stderr(io.StringIO()):
                    return narrowd.search(made(), JOB, client=client, model="net").get()["name"]

            first = narrowd.search(made(), JOB, client=client, model="net", progress=False)
            for source, more, wanted in ((first, {}, "net 4%"), (first, {"name": "net (7)"}, r"net \(7\)$"), (first, {"name": "net (2)"}, r"net \(2\)$"),
                                         (first, {"name": "net (2) (1)"}, r"net \(2\) \(1\)$")):
                clone = source.clone(accuracy_criterion={"tolerable_loss": 0.04}, **more)
                self.assertEqual(clone.get()["name"], more.get("name", f"{first.get()['name']} (2)"))
                self.assertRegex(call(), wanted)
            second = first.clone(name="theirs (3)")
            call()
            third = second.clone()
            self.assertEqual(third.get()["name"], "theirs (4)")
            self.assertRegex(call(), "^net 2%", "a clone of what had a number has the next one")

    def test_a_clone_that_is_taken_up_waits_until_its_fault_is_mended(self):
        """Somebody made it, by hand, and would look for it; a job that the call itself began is cancelled, and said to be."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        latency = [1.0]

        def evaluate(config):
            return {"accuracy": 0.9, "latency_ms": latency[0]}

        with narrowd.Client() as client:
            first = narrowd.search(made(evaluate), JOB, client=client, progress=False)
            clone = first.clone(name="by hand")
            latency[0] = "fast"
            with self.assertRaises(narrowd.NarrowdError), contextlib.redirect_stderr(io.StringIO()):
                narrowd.search(made(evaluate), JOB, client=client, progress=False)
            self.assertNotIn(clone.get()["state"], ("cancelled", "failed"))
            latency[0] = 1.0
            self.assertEqual(narrowd.search(made(evaluate), JOB, client=client, progress=False).id, clone.id)
            paused = narrowd.JobPaused("job_1 paused itself (evaluator_broken): no number")
            with mock.patch("narrowd.calls.run", side_effect=paused), self.assertRaisesRegex(
                    narrowd.JobPaused, r"^job_1 paused itself \(evaluator_broken\): no number. It had no baseline yet and was cancelled: "):
                narrowd.search(made(evaluate), JOB, client=client, progress=False)
            self.assertEqual(next(client.jobs())["state"], "cancelled")

    def test_what_best_advises_for_another_loss_makes_the_same_call_search_for_that(self):
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        with narrowd.Client() as client:
            first = narrowd.search(made(), JOB, client=client, progress=False)
            ask = [os.environ["NARROW_BIN"], "best", first.id, "--tolerable-loss", "0.04"]
            said = subprocess.run(ask, env={**os.environ, "NARROWD_URL": client.url}, stdout=subprocess.PIPE, text=True, check=False).stdout
            command = re.search("To search on and measure again: narrow (.*); to have that measured: run the same script or command again", said)
            clone = subprocess.run([ask[0], *command[1].split()], env={**os.environ, "NARROWD_URL": client.url}, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
            with contextlib.redirect_stderr(io.StringIO()) as told:
                second = narrowd.search(made(), JOB, client=client, progress=False)
            document, sources = second.get(), {trial["source"] for trial in second.trials()}
        self.assertEqual((second.id, document["criterion"]["tolerable_loss"], document["state"]), (clone, 0.04, "completed"))
        self.assertIn("imported", sources)
        self.assertIn("accuracy_criterion.tolerable_loss is 0.04 where this call says 0.02", told.getvalue())

    def test_the_same_call_twice_at_once(self):
        """The second says which process has the call; what goes by other numbers is another call."""
        self.enterContext(mock.patch.dict(os.environ, NARROWD_HOME=self.enterContext(tempfile.TemporaryDirectory())))
        said = []

        def twice(config):
            if not said:
                with self.assertRaises(narrowd.NarrowdError) as raised:
                    narrowd.search(evaluator, JOB, progress=False)
                said.append(str(raised.exception))
            return measured(config)

        evaluator = made(twice)
        self.assertTrue(narrowd.search(evaluator, JOB, progress=False).best()["feasible"])
        self.assertEqual(said, [f"the same call runs already in process {os.getpid()}: wait until it ends, or end it and call "
                                "again, which goes on where it was"])


if __name__ == "__main__":
    unittest.main()
