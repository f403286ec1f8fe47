"""The client against a real daemon: jobs, results, events, waiting, faults, and a daemon that goes away."""

import asyncio
import contextlib
import io
import os
import subprocess
import tempfile
import threading
import unittest

from kit import CAPABILITY, JOB, made, measured, pooled
from daemon import Daemon
from jobkit import wait_until

import narrowd
from narrowd.transport import Transport


def evaluator():
    kit = narrowd.Evaluator(CAPABILITY)
    kit.evaluate(measured)
    return kit


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.daemon = cls.enterClassContext(Daemon(directory))
        cls.client = narrowd.Client(cls.daemon.url)

    def working(self, pool):
        """A worker in a thread, for as long as the test lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=lambda: evaluator().work(
            pool, self.client, wait_s=0.2, until=ended.is_set))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)

    def test_a_job_from_its_submission_to_its_end(self):
        self.working("whole")
        job = self.client.submit(pooled("whole", name="whole", labels={"team": "edge"}), key="whole")
        self.assertEqual(self.client.submit(pooled("whole", name="whole", labels={"team": "edge"}), key="whole").id, job.id)
        heard = []
        listening = threading.Thread(target=lambda: heard.extend(job.events()))
        listening.start()
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            document = job.wait(progress=True)
        listening.join()
        self.assertEqual(document["state"], "completed")
        self.assertIn("8 of 8 trials", said.getvalue())
        self.assertEqual([event["n"] for event in heard], list(range(1, len(heard) + 1)))
        self.assertEqual(heard[-1]["data"].get("state"), "completed")
        self.assertEqual([e["seq"] for e in job.events(after=heard[3]["seq"])], [e["seq"] for e in heard[4:]])
        best = job.best()
        self.assertTrue(best["feasible"] and best["config"]["ops"])
        trials = list(job.trials(order="number"))
        self.assertEqual(job.trial(best["trial"])["accuracy"], trials[best["trial"]]["accuracy"])
        self.assertEqual(len(list(job.trials(state="told", limit=2))), len(trials), "page by page")
        self.assertEqual(job.export("json")["job"]["id"], job.id)
        self.assertTrue(job.export("csv").startswith("number,kind"))
        self.assertEqual(len(job.sensitivity()), len(CAPABILITY["ops"]))
        self.assertEqual([d["id"] for d in self.client.jobs(labels={"team": "edge"}, state=["completed"])], [job.id])
        self.assertEqual(job.edit(name="renamed")["name"], "renamed")
        job.delete()
        with self.assertRaises(narrowd.Refused) as refused:
            job.get()
        self.assertEqual((refused.exception.status, refused.exception.type), (404, "not_found"))

    def test_scores_of_another_tool(self):
        job = self.client.submit(pooled("nobody"))
        with self.assertWarns(UserWarning):
            receipt = job.tell_scores({"op1": [{"when": {"mode": "static"}, "score": 0.5}], "elsewhere": []})
        self.assertEqual((receipt["operators"], receipt["used"]), (1, True))
        told = next(event for event in job._ask("GET", "/events")["items"] if event["type"] == "scores_told")
        self.assertEqual(told["data"]["scores"], {"op1": [{"when": {"mode": "static"}, "score": 0.5}]})
        job.cancel()

    def test_a_job_by_what_people_call_it(self):
        """As `narrow` takes it; a name that begins like an id is found, too, where no id begins so."""
        first, second = (self.client.submit(pooled("nobody", name=name)) for name in ("mine", "job_title"))
        for word, job in ((first.id, first), (first.id[:-1], first), ("mine", first), ("job_title", second), ("last", second)):
            self.assertEqual(self.client.find(word).id, job.id, word)
            said = subprocess.run([os.environ["NARROW_BIN"], "--server", self.daemon.url, "show", word], capture_output=True, text=True, check=True)
            self.assertIn(job.id, said.stdout)
        with self.assertRaisesRegex(ValueError, rf"^job_ may be any of \d+ jobs: {second.id} \('job_title'\), {first.id} \('mine'\)"):
            self.client.find("job_")
        for word in ("nothing", "job_nothing"):
            with self.assertRaisesRegex(narrowd.Refused, rf"^no job of {self.daemon.url} has the id or the name {word}: the newest are {second.id} \('job_title'\), ") as refused:
                self.client.find(word)
            self.assertEqual((refused.exception.status, refused.exception.type), (404, "not_found"))
        for job in (first, second):
            job.cancel()

    def test_states(self):
        job = self.client.submit(pooled("nobody"))
        self.assertEqual(job.pause()["state"], "paused")
        self.assertEqual(job.resume()["pause"], None)
        with self.assertRaises(TimeoutError):
            job.wait(timeout_s=0.05)
        clone = job.clone(name="again")
        for each in (job, clone):
            self.assertEqual(each.cancel()["state"], "cancelled")
            self.assertEqual(each.wait()["exit"]["reason"], "cancelled")
        with self.assertRaises(narrowd.Refused) as refused:
            job.best()
        self.assertEqual(refused.exception.status, 409)

    def test_all_faults_of_a_body_are_said(self):
        with self.assertRaises(narrowd.Refused) as refused:
            self.client.submit({**pooled("x"), "paralel": 1, "seed": "x"})
        self.assertEqual((refused.exception.status, len(refused.exception.faults)), (422, 2))
        self.assertIn('did you mean "parallel"', str(refused.exception))
        self.assertGreater(int(self.client.dry_run({**JOB, "capability": CAPABILITY})["size"]), 1)
        self.assertIn("sgp", [strategy["name"] for strategy in self.client.strategies()])

    def test_a_broken_evaluator_is_no_endless_wait(self):
        kit = narrowd.Evaluator(CAPABILITY)
        kit.evaluate(lambda config: {"accuracy": 1.0})  # no latency
        job = self.client.submit(pooled("broken"))
        with self.assertRaisesRegex(narrowd.Refused, "what was measured cannot be used: latency_ms: "):
            kit.work("broken", self.client, wait_s=0.2)
        job.cancel()

    def test_asyncio(self):
        self.working("async")

        async def use():
            async with narrowd.AsyncClient(self.daemon.url) as client:
                job = await client.submit(pooled("async", name="async"))
                events = asyncio.create_task(self.collect(job.events()))
                document = await job.wait()
                seen = [d["id"] async for d in client.jobs(name="async")]
                numbers = [t["number"] async for t in job.trials(order="number")]
                self.assertEqual((await client.find("async")).id, job.id)
                return document, await events, seen, numbers, await job.best(), await job.call("space")

        document, events, seen, numbers, best, space = asyncio.run(use())
        self.assertEqual((document["state"], seen), ("completed", [document["id"]]))
        self.assertEqual(events[-1]["data"].get("state"), "completed")
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertEqual((best["trial"], len(space["ops"])), (document["best"]["trial"], len(CAPABILITY["ops"])))

    @staticmethod
    async def collect(items):
        return [item async for item in items]


class Interrupted(unittest.TestCase):
    def test_a_daemon_that_is_killed_is_no_gap(self):
        """Events, waiting and the worker go on with the daemon that comes up at the same address."""
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as first:
            port = first.port
            client, kit = narrowd.Client(first.url), evaluator()
            job = client.submit(pooled("killed", retry={"max_attempts": 20, "backoff_s": 0.01}))
            kills = {3, 6}

            def ended():
                document = job.get()
                if document["budget"]["trials_measured"] in kills:
                    kills.discard(document["budget"]["trials_measured"])
                    first.kill9()
                    first.listen_port = port
                    first.start()
                return document["exit"] is not None

            heard = []
            listening = threading.Thread(target=lambda: heard.extend(job.events()))
            listening.start()
            kit.work("killed", client, wait_s=0.2, until=ended)
            listening.join()
            self.assertEqual(kills, set())
            self.assertEqual(job.wait()["state"], "completed")
            self.assertEqual([event["n"] for event in heard], list(range(1, len(heard) + 1)))

    def test_an_answer_outlasts_the_patience_of_its_client(self):
        """A daemon that is away for longer than the client waits for anything else: what was measured counts, and is measured once."""
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            client, measurements, said = narrowd.Client(daemon.url, patience_s=1), [], io.StringIO()
            job = client.submit(pooled("away"))
            daemon.listen_port = daemon.port

            def measure(config):
                measurements.append(config)
                if len(measurements) == 2:
                    daemon.kill9()
                return measured(config)

            working = threading.Thread(target=lambda: made(measure).work("away", client, wait_s=0.2, until=lambda: len(measurements) >= 2))
            with contextlib.redirect_stderr(said):
                working.start()
                wait_until(lambda: "sent again" in said.getvalue() or not working.is_alive())
                daemon.start()
                working.join()
            self.assertIn(f"no narrowd answers at {client.url}", said.getvalue())
            trial = job.trial(1)
            self.assertEqual((len(measurements), trial["state"], trial["attempts"]), (2, "told", 1), trial)

    def test_nobody_there(self):
        with self.assertRaises(narrowd.Unreachable) as error:
            Transport("http://127.0.0.1:1", patience_s=0.1).request("GET", "/v1/jobs")
        self.assertIn("http://127.0.0.1:1", str(error.exception))
        self.assertEqual(Transport("localhost:8585").url, "http://localhost:8585")
        for wrong in ("localhost", "localhost:", "ftp://x", ""):
            with self.assertRaises(ValueError):
                Transport(wrong)


if __name__ == "__main__":
    unittest.main()
