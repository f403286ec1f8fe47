"""The example of a strategy over HTTP: alone, with several jobs at once, and asked again."""

import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit
from patience import PATIENCE_S

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/remote_strategy/strategy.py"
MODES = {"static": {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8", "int8"]}}, "fp32": {}}


class ExampleCase(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.url = self.process.stdout.readline().split()[-1]

    def connect(self):
        connection = http.client.HTTPConnection(self.url.rpartition("/")[2], timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, name, job, trial, expected=200, **more):
        connection.request("POST", f"/{name}", json.dumps({"job": job, "trial": trial, **more}))
        response = connection.getresponse()
        text = response.read()
        self.assertEqual(response.status, expected, text)
        return json.loads(text)

    def begin(self, connection, job, seed):
        ops = [{"name": f"op{i}", "type": "Linear", "modes": MODES} for i in range(6)]
        self.assertEqual(self.ask(connection, "begin", job, 1, seed=seed, space={"ops": ops}), {})


class Questions(ExampleCase):
    """As the daemon puts them, on connections that stay open."""

    def course(self, connection, job, seed, twice=False):
        """Suggestions and what is made of them: op0 in fp32 is better, the rest makes no difference."""
        times, suggestions = 2 if twice else 1, []
        for _ in range(times):
            self.begin(connection, job, seed)
        for trial in range(2, 40, 2):
            for _ in range(times):
                answer = self.ask(connection, "next", job, trial)
            suggestions.append(answer)
            better = answer["config"]["ops"].get("op0", {}).get("mode") == "fp32"
            for _ in range(times):
                self.ask(connection, "observe", job, trial + 1, suggestion=trial, failed=False, feasible=True,
                         margin=1, objective_value=1 - better)
        return suggestions

    def test_jobs_do_not_know_of_each_other(self):
        """Another seed's job in between changes nothing."""
        one, two = self.connect(), self.connect()
        alone = self.course(one, "job_a", 7)
        self.assertNotEqual(self.course(two, "job_b", 8), alone)
        self.assertEqual(self.course(one, "job_c", 7), alone)

    def test_a_question_put_again_has_the_same_answer(self):
        connection = self.connect()
        self.assertEqual(self.course(connection, "job_a", 7), self.course(connection, "job_b", 7, twice=True))

    def test_many_at_once(self):
        alone = self.course(self.connect(), "job_x", 7)
        seen = {}

        def run(job):
            seen[job] = self.course(self.connect(), job, 7)

        threads = [threading.Thread(target=run, args=(f"job_{i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        self.assertEqual(list(seen.values()), [alone] * 8)

    def test_what_it_does_not_know(self):
        connection = self.connect()
        self.ask(connection, "next", "job_a", 2, expected=404)
        self.begin(connection, "job_a", 1)
        self.ask(connection, "then", "job_a", 2, expected=404)
        self.assertIn("config", self.ask(connection, "next", "job_a", 2))


class Jobs(ExampleCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def job(self, evaluator):
        criterion = {"strategy": "remote", "strategy_kwargs": {"url": self.url}, "stop_on": "budget", "max_trials": 40}
        return submit(self.daemon, body(evaluator.url, 3, tuning_criterion=criterion, confirm=0))

    def evaluator(self, reply=None):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.stop)
        return evaluator

    def course(self, job):
        return [(t["number"], t["kind"], t.get("config"), t.get("accuracy"))
                for t in everything(self.daemon, f"/v1/jobs/{job}/trials")]

    def test_one(self):
        job = self.job(self.evaluator())
        self.assertIn(finished(self.daemon, job)["exit"]["reason"], ("max_trials", "space_exhausted"))
        best = get(self.daemon, f"/v1/jobs/{job}/best")
        self.assertTrue(best["feasible"])
        self.assertGreater(best["speedup"], 1)

    def test_two_at_once(self):
        """Each waits with every answer until the other has been asked as often, and both go as one goes alone."""
        evaluator = self.evaluator()
        alone = self.job(evaluator)
        finished(self.daemon, alone)
        count = len([path for path, _, _ in evaluator.calls if path == "/evaluate"])
        meet = threading.Barrier(2)
        met = []

        def together(question, headers):
            if question["question"] == "evaluate":
                met.append(meet.wait(PATIENCE_S))
            return jobkit.crash_model.answer(question)

        jobs = [self.job(self.evaluator(together)) for _ in range(2)]
        for job in jobs:
            self.assertEqual(finished(self.daemon, job)["state"], "completed")
        self.assertEqual(len(met), 2 * count)
        for job in jobs:
            self.assertEqual(self.course(job), self.course(alone))


if __name__ == "__main__":
    unittest.main()
