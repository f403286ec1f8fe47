"""The same seed, `parallel` and measurements give the same questions, whoever is slow or is killed."""

import tempfile
import threading
import time
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until

PARALLEL = 4
SLOW_S = 0.05
LEARNING = ("tpe", "bayesian", "sgp")
SCORES = ["score:mse", "score:mse_v2", "score:hawq_v2"]


def answer(question):
    if question["question"] != "score":
        return jobkit.crash_model.answer(question)
    return {"scores": {op: jobkit.crash_model.unit("score", op) for op in question["ops"]}}


class Deterministic(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        strategies = get(self.daemon, "/v1/strategies")["items"]
        # One that must be told a URL asks a server.
        self.names = [s["name"] for s in strategies if not s["strategy_kwargs"].get("required")]
        self.assertLessEqual({*LEARNING, "auto", "mse_v2", "bisect", "knapsack"}, {*self.names})

    def job(self, name, evaluator, **more):
        capability = {**jobkit.capability(5), "answers": ["evaluate", *SCORES]}
        criterion = {"strategy": name, "max_trials": 14, "stop_on": "budget"}
        settings = {"parallel": PARALLEL, "seed": 3, "confirm": 0, **more}
        job = body(None, evaluator=evaluator, capability=capability, **settings)
        return submit(self.daemon, {**job, "tuning_criterion": criterion})

    def pushed(self, slow):
        """A job for each strategy, of one evaluator that is slow with these trials."""

        def reply(question, headers):
            if slow(question["trial"]):
                time.sleep(SLOW_S)
            return answer(question)

        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        target = {"url": evaluator.url, "max_concurrency": 64}
        return {name: self.job(name, target) for name in self.names}

    def asked(self, jobs):
        """By strategy: what each trial asked, with `seen` where that decides."""
        logs = {}
        for name, job in jobs.items():
            document = finished(self.daemon, job)
            self.assertEqual(document["state"], "completed", (name, document["exit"]))
            questions = [
                (e["trial"], e["data"])
                for e in everything(self.daemon, f"/v1/jobs/{job}/events")
                if e["type"] == "question_asked"
            ]
            logs[name] = [
                (n, d["kind"], d["stage"], d.get("hash"), d["seen"] if name in LEARNING else None)
                for n, d in questions
            ]
            self.assertGreater(len(logs[name]), 2, name)
        return logs

    def expect_same(self, *runs):
        for other in runs[1:]:
            for name in self.names:
                self.assertEqual(runs[0][name], other[name], name)

    def test_who_is_slow_changes_nothing(self):
        slow = [lambda n: False, lambda n: n % 4 == 1, lambda n: n % 4 == 0, lambda n: n % 3 == 2]
        runs = [self.asked(self.pushed(pattern)) for pattern in slow]
        self.expect_same(*runs)
        seen = [n for *_, n in runs[0]["tpe"]][1:]
        self.assertEqual(seen, [max(0, n - PARALLEL) for n in range(1, len(seen) + 1)])

    def test_kills_change_nothing(self):
        plain = self.asked(self.pushed(lambda n: False))
        jobs = self.pushed(lambda n: n % 3 == 1)
        for told in (30, 60, 90):
            wait_until(lambda told=told: self.told(jobs) >= told)
            self.daemon.kill9()
            self.daemon.start()
        self.expect_same(plain, self.asked(jobs))

    def told(self, jobs):
        documents = [get(self.daemon, f"/v1/jobs/{job}") for job in jobs.values()]
        over = all(document["exit"] for document in documents)
        return 10**6 if over else sum(document["progress"]["told"] for document in documents)

    def test_workers_change_nothing(self):
        plain = self.asked(self.pushed(lambda n: False))
        over = threading.Event()
        jobs = {name: self.job(name, {"pool": name}) for name in self.names}
        self.keep_one("tpe", jobs["tpe"])

        def work(name, number):
            while not over.is_set():
                request = {"pool": name, "worker": f"w{number}", "wait_s": 1}
                _, _, leased = self.daemon.request("POST", "/v1/leases", request)
                for question in leased["items"]:
                    time.sleep(SLOW_S if (question["trial"] + number) % 3 == 0 else 0)
                    path = f"/v1/leases/{question['lease']}/complete"
                    self.daemon.request("POST", path, answer(question))

        threads = [
            threading.Thread(target=work, args=(name, number))
            for name in self.names
            for number in range(3)
        ]
        for thread in threads:
            thread.start()
        try:
            self.expect_same(plain, self.asked(jobs))
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def keep_one(self, pool, job):
        """Places are idle while a worker sits on the oldest question."""
        request = {"pool": pool, "worker": "slow", "wait_s": 10}
        _, _, leased = self.daemon.request("POST", "/v1/leases", request)
        baseline = leased["items"][0]
        path = f"/v1/leases/{baseline['lease']}/complete"
        self.daemon.request("POST", path, answer(baseline))
        kept = None
        while kept is None or not get(self.daemon, f"/v1/jobs/{job}")["progress"]["waits_for"]:
            request["worker"] = "slow" if kept is None else "quick"
            _, _, leased = self.daemon.request("POST", "/v1/leases", request)
            for question in leased["items"]:
                if kept is None:
                    kept = question
                else:
                    path = f"/v1/leases/{question['lease']}/complete"
                    self.daemon.request("POST", path, answer(question))
            request["wait_s"] = 0.2
        waits = get(self.daemon, f"/v1/jobs/{job}")["progress"]["waits_for"]
        self.assertEqual((waits["trial"], waits["worker"]), (1, "slow"))
        path = f"/v1/leases/{kept['lease']}/complete"
        self.daemon.request("POST", path, answer(kept))

    def test_an_edit_says_what_was_known(self):
        gate = threading.Event()
        evaluator = jobkit.Evaluator(
            lambda question, headers: question["trial"] == 3 and gate.wait() and None
            or answer(question)
        )
        self.addCleanup(evaluator.close)
        self.addCleanup(gate.set)
        job = self.job("tpe", {"url": evaluator.url, "max_concurrency": 8}, parallel=2)
        wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["told"] >= 3)
        waits = wait_until(lambda: get(self.daemon, f"/v1/jobs/{job}")["progress"]["waits_for"])
        self.assertEqual({**waits, "since": None}, {"trial": 3, "since": None, "worker": None})
        status, _, _ = self.daemon.request("PATCH", f"/v1/jobs/{job}", {"parallel": 6})
        self.assertEqual(status, 200)
        self.daemon.kill9()
        gate.set()
        self.daemon.start()
        self.assertIsNone(finished(self.daemon, job)["progress"]["waits_for"])
        events = everything(self.daemon, f"/v1/jobs/{job}/events")
        edit = next(e for e in events if e["type"] == "job_edited")
        self.assertEqual(edit["data"], {"parallel": 6, "seen": 2})
        seen = [e["data"]["seen"] for e in events if e["type"] == "question_asked"]
        self.assertEqual(seen[1:5], [0, 0, 1, 2], "two at once")
        self.assertEqual(seen[5:], [max(2, n - 6) for n in range(5, len(seen))], "six at once")


if __name__ == "__main__":
    unittest.main()
