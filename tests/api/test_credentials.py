"""Secrets that the operator keeps in files: users name them, and nobody else ever has them."""

import os
import pathlib
import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit, wait_until
from receiver import signature

SECRET, NEXT = (f"whsec_{text}" for text in ("Zmlyc3Qgc2VjcmV0", "c2Vjb25kIHNlY3JldA=="))


class Credentials(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.data = os.path.join(directory.name, "data")
        self.secrets = pathlib.Path(directory.name, "secrets")
        self.secrets.mkdir()
        self.key = self.secrets / "gpu-key"
        self.key.write_text(SECRET + "\n")
        self.daemon = Daemon(self.data, f"--secrets-dir={self.secrets}", "--evaluator-probe-s=1")
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        self.signers = []  # whose signature each request had
        self.evaluator = jobkit.Evaluator(self.reply)
        self.evaluator.answer = self.look
        self.addCleanup(self.evaluator.close)

    def look(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        parts = headers["webhook-id"], headers["webhook-timestamp"], request.body
        given = headers["webhook-signature"]
        self.signers += [s for s in (SECRET, NEXT) if signature(s, *parts) == given] or [None]
        return self.evaluator.dispatch(request)

    def reply(self, question, headers):
        return {"accuracy": 0.9, "latency_ms": 100 - question["trial"] % 50}

    def named(self, name="gpu-key"):
        return {"url": self.evaluator.url, "secret": {"credential": name}}

    def post(self, path, document, expected):
        status, _, answer = self.daemon.request("POST", path, document)
        self.assertEqual(status, expected, answer)
        return answer

    def tune(self, evaluator, trials=3):
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": trials}
        return submit(self.daemon, body(None, evaluator=evaluator, tuning_criterion=criterion,
                                        confirm=0))

    def test_every_question_is_signed_with_it(self):
        known = self.post("/v1/evaluators", self.named(), 201)
        self.assertEqual(known["secret"], {"credential": "gpu-key"})
        self.assertTrue(self.post(f"/v1/evaluators/{known['id']}/probe", None, 200)["ok"])
        for evaluator in ({"id": known["id"]}, self.named(), [self.named()]):
            with self.subTest(evaluator):
                job = self.tune(evaluator)
                self.assertEqual(finished(self.daemon, job)["progress"]["failed"], 0)
        self.assertEqual(set(self.signers), {SECRET})
        clone = self.post(f"/v1/jobs/{job}/clone", {}, 201)["id"]
        finished(self.daemon, clone)
        self.assertEqual(set(self.signers), {SECRET})
        self.daemon.kill9()
        for file in filter(os.path.isfile, (os.path.join(self.data, name) for name in os.listdir(self.data))):
            with open(os.path.join(self.data, file), "rb") as content:
                kept = content.read()
            self.assertNotIn(SECRET.encode(), kept)
            self.assertNotIn(SECRET[6:].encode(), kept)
        self.assertNotIn(SECRET[6:], self.daemon.log())
        self.daemon.start()

    def test_another_secret_counts_from_the_next_question_on(self):
        job = self.tune(self.named(), 200)
        wait_until(lambda: len(self.signers) > 3)
        fresh = self.secrets / "fresh"
        fresh.write_text(NEXT)
        fresh.replace(self.key)
        finished(self.daemon, job)
        self.assertEqual({self.signers[0], self.signers[-1]}, {SECRET, NEXT})
        self.assertNotIn(None, self.signers)

    def test_a_job_waits_for_one_that_is_gone(self):
        known = self.post("/v1/evaluators", self.named(), 201)["id"]
        job = self.tune({"id": known}, 200)
        wait_until(lambda: len(self.signers) > 3)
        self.key.unlink()
        health = f"/v1/evaluators/{known}/health"
        wait_until(lambda: get(self.daemon, health)["state"] != "closed")
        self.assertIn('"gpu-key" cannot be read', get(self.daemon, health)["last_error"])
        self.key.write_text(NEXT)
        self.assertEqual(finished(self.daemon, job)["progress"]["failed"], 0)

    def test_refusals(self):
        (self.secrets / "empty").write_text("")
        (self.secrets / "long").write_text("x" * 5000)
        (self.secrets / "directory").mkdir()
        pathlib.Path(self.secrets.parent, "outside").write_text(SECRET)
        for name in ("none", "empty", "long", "directory", "../outside", ".hidden", "", "a/b"):
            with self.subTest(name):
                answer = self.post("/v1/evaluators", self.named(name), 422)
                self.assertEqual([f["pointer"] for f in answer["errors"]], ["/secret/credential"])
                answer = self.post("/v1/jobs", body(None, evaluator=self.named(name)), 422)
                self.assertEqual([f["pointer"] for f in answer["errors"]],
                                 ["/evaluator/secret/credential"])
        self.post("/v1/evaluators", {"url": self.evaluator.url, "secret": {"file": "x"}}, 422)
        self.assertEqual(self.signers, [])

    def test_without_a_directory(self):
        with Daemon(self.data + "2") as daemon:
            status, _, answer = daemon.request("POST", "/v1/evaluators", self.named())
            self.assertEqual(status, 422)
            self.assertIn("secrets_dir", answer["errors"][0]["detail"])


if __name__ == "__main__":
    unittest.main()
