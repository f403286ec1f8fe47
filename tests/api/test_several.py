"""One job, several evaluators: its questions are spread over those that are well."""

import collections
import tempfile
import threading
import unittest
import urllib.parse

import jobkit
from daemon import Daemon
from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S

BUDGET = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 40}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def measured(question, headers):
    return {"accuracy": 0.9, "latency_ms": 100 - question["trial"] % 50}


class Several(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = Daemon(directory.name, "--evaluator-probe-s=1")
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def evaluator(self, reply=measured, port=0):
        evaluator = jobkit.Evaluator(reply, port=port)
        self.addCleanup(evaluator.close)
        return evaluator

    def register(self, url, **more):
        status, _, document = self.daemon.request("POST", "/v1/evaluators", {"url": url, **more})
        self.assertEqual(status, 201, document)
        return document["id"]

    def job(self, evaluators, **more):
        return body(None, **{"evaluator": evaluators, "tuning_criterion": BUDGET, "confirm": 0,
                             **more})

    def refused(self, evaluators, pointer, **more):
        status, _, document = self.daemon.request("POST", "/v1/jobs", self.job(evaluators, **more))
        self.assertEqual(status, 422, document)
        self.assertEqual([fault["pointer"] for fault in document["errors"]], [pointer])

    def check_complete(self, job, *evaluators):
        """Every trial was measured once, by somebody. Returns how many each one measured."""
        document = finished(self.daemon, job)
        self.assertEqual(document["exit"]["reason"], "max_trials", document)
        self.assertEqual(document["budget"]["trials_measured"], BUDGET["max_trials"])
        self.assertEqual(document["progress"]["failed"], 0)
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?limit=1000")
        return collections.Counter(trial["worker"] for trial in trials)

    def test_all_are_asked(self):
        barrier = threading.Barrier(3)  # nobody answers before all three were asked

        def together(question, headers):
            if question["trial"]:
                barrier.wait(PATIENCE_S)
            return measured(question, headers)

        one, two, three = (self.evaluator(together) for _ in range(3))
        known = self.register(two.url, max_concurrency=1)
        evaluators = [{"url": one.url, "max_concurrency": 1, "secret": SECRET}, {"id": known},
                      {"url": three.url, "max_concurrency": 1}]
        job = submit(self.daemon, self.job(
            evaluators, parallel=3, tuning_criterion={**BUDGET, "max_trials": 39}))
        document = finished(self.daemon, job)
        self.assertEqual(document["progress"]["told"], 39)
        for evaluator in (one, two, three):
            asked = [q["trial"] for _, q, _ in evaluator.calls if q["trial"]]
            self.assertEqual(len(asked), 13)
        trials = everything(self.daemon, f"/v1/jobs/{job}/trials?limit=1000")
        by = collections.Counter(trial["worker"] for trial in trials if trial["number"])
        self.assertEqual(by, {one.url: 13, known: 13, three.url: 13})
        self.check_documents(job, evaluators, two.url)

    def check_documents(self, job, evaluators, second_url):
        shown = get(self.daemon, f"/v1/jobs/{job}")["evaluator"]
        self.assertEqual(len(shown), 3)
        self.assertEqual(shown[0]["secret"], {"set": True})
        self.assertEqual(shown[1]["url"], second_url)
        spec = get(self.daemon, f"/v1/jobs/{job}/spec")["evaluator"]
        self.assertEqual(spec, [{**evaluators[0], "secret": {"set": True}}, *evaluators[1:]])
        status, _, clone = self.daemon.request("POST", f"/v1/jobs/{job}/clone", {
            "tuning_criterion": {"max_trials": 1}, "parallel": 1})
        self.assertEqual(status, 201, clone)
        self.assertEqual(get(self.daemon, f"/v1/jobs/{clone['id']}")["evaluator"], shown)

    def test_one_that_goes_away_is_left_out(self):
        one, two = self.evaluator(), self.evaluator()
        job = submit(self.daemon, self.job(
            [{"url": one.url}, {"url": two.url}], parallel=4))
        wait_until(lambda: len(one.calls) > 3)
        one.close()
        by = self.check_complete(job)
        self.assertGreater(by[two.url], BUDGET["max_trials"] // 4)

    def test_both_go_away_and_one_comes_back(self):
        one, two = self.evaluator(), self.evaluator()
        job = submit(self.daemon, self.job(
            [{"url": one.url}, {"url": two.url}], parallel=4))
        wait_until(lambda: len(one.calls) > 3)
        one.close()
        two.close()
        path = f"/v1/jobs/{job}/events?limit=1000"
        wait_until(lambda: any(e["data"].get("waits") for e in everything(self.daemon, path)))
        self.daemon.kill9()
        self.daemon.start()
        again = self.evaluator(port=urllib.parse.urlsplit(two.url).port)
        self.check_complete(job)
        self.assertTrue(again.calls)

    def test_what_one_cannot_do_another_tries(self):
        """It fails at once, so it always has room; that must not cost trials."""
        broken = self.evaluator(lambda q, h: (500, {}) if q["trial"] else measured(q, h))
        good = self.evaluator()
        job = submit(self.daemon, self.job(
            [{"url": e.url, "max_concurrency": 2} for e in (broken, good)], parallel=2))
        by = self.check_complete(job)
        self.assertEqual(by[good.url], BUDGET["max_trials"] + (by[broken.url] == 0))
        self.assertLessEqual(by[broken.url], 1, "the baseline at most")

    def test_the_first_is_asked_what_can_be_done(self):
        one, two = self.evaluator(), self.evaluator()
        job = self.job([{"url": one.url}, {"url": two.url}])
        del job["capability"]
        finished(self.daemon, submit(self.daemon, job))
        asked = [path for path, _, _ in one.calls + two.calls if path.endswith("/capability")]
        self.assertEqual(len(asked), 1)
        self.assertTrue(one.calls[0][0].endswith("/capability"))

    def test_refusals(self):
        url = {"url": "http://127.0.0.1:9001"}
        self.refused([], "/evaluator")
        self.refused([url] * 33, "/evaluator")
        self.refused([url, url], "/evaluator/1")
        self.refused([url, {"pool": "gpu"}], "/evaluator/1/pool")
        self.refused([url, {"id": "evl_none"}], "/evaluator/1/id")
        self.refused([url, {"url": "http://127.0.0.1:9001/b", "rate": 1}], "/evaluator/1/rate")
        self.refused([url, {"url": "ftp://127.0.0.1/"}], "/evaluator/1/url")
        self.refused([url, 7], "/evaluator/1")
        self.refused([url, {"url": "http://127.0.0.1:9001/b", "baseline": {}}],
                     "/evaluator/1/baseline")


if __name__ == "__main__":
    unittest.main()
