"""The corpus of bad inputs against the real daemon: what evaluators answer, and workers report."""

import json
import tempfile
import threading
import unittest

import bad_inputs
import jobkit
from daemon import Daemon
from patience import PATIENCE_S
from rude_server import RudeServer, read_request, reset, sends
from scripted import Reply
from test_bad_inputs import CASES, META, reason_not_run

MAX_ATTEMPTS = 3
GOOD = {"accuracy": 0.9, "latency_ms": 1.0}

# docs/writing-an-evaluator.md decides what the corpus sees otherwise; the class that holds instead.
BY_CONTRACT = {
    # An unknown member is no fault.
    "E106": "trial_ok",
}


def endless(head, unit):
    """A handler that sends for as long as anybody listens."""

    def handle(connection, _):
        if read_request(connection):
            connection.sendall(head)
            while True:
                connection.sendall(unit)

    return handle


def resets(connection, _):
    if read_request(connection):
        reset(connection)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BEHAVIOURS = {
    "E007": resets,
    "E010": sends(b"HTTP/1.1 2"),
    "E013": sends(HEAD + b'Content-Length: 2\r\n\r\n{"accuracy":0.5}'),
    "E016": endless(HEAD, b"X-n: y\r\n" * 1000),
    "E019": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b" " * 0x4000 + b"\r\n"),
    "E022": sends(HEAD + b'Content-Length: -5\r\n\r\n{"accuracy":0.5}'),
    "E025": sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n"),
    "E028": sends(b"\x15\x03\x01\x00\x02\x02\x28"),
}


def cases(level):
    return {
        name: case for name, case in CASES.items()
        if case["level"] == level and not reason_not_run(name)
    }


class Bad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(cls.directory.name)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.directory.cleanup()

    def job(self, url, **more):
        job = bad_inputs.base_job(META, url)
        job["tuning_criterion"] = {"strategy": "exhaustive", "max_trials": 4, "stop_on": "budget"}
        job["retry"] = {"max_attempts": MAX_ATTEMPTS, "backoff_s": 0.01}
        job.update({"quant_level": 1, "confirm": 0, "max_failed_trials": 3, "busy_s": 0.3,
                    **more})
        return job

    def ended(self, job):
        """The job's document at its end, and its trials by number."""
        def ended():
            document = jobkit.get(self.daemon, f"/v1/jobs/{job}")
            return document if document["exit"] or document["state"] == "paused" else None

        document = jobkit.wait_until(ended)
        trials = jobkit.everything(self.daemon, f"/v1/jobs/{job}/trials")
        return document, {trial["number"]: trial for trial in trials}


class Answers(Bad):
    """Trial 1 gets the bad answer, each time it is asked; all others a good one."""

    def reply_of(self, case):
        text = bad_inputs.body_of(case, META, "") if {"body", "body_gen"} & set(case) else b""
        headers = {"Content-Type": "application/json", **case.get("headers", {})}
        return Reply(case["status"], text.replace(b'"latency"', b'"latency_ms"'), headers)

    def run_job(self, bad, always=False):
        """`bad` is a Reply, or a handler of connections behind an address of its own."""
        if not isinstance(bad, Reply):
            with RudeServer(bad) as rude:
                return self.ended(jobkit.submit(self.daemon, self.job(rude.url)))
        evaluator = jobkit.Evaluator()
        evaluator.answer = lambda request: (
            bad if always or json.loads(request.body)["trial"] == 1 else GOOD
        )
        try:
            return self.ended(jobkit.submit(self.daemon, self.job(evaluator.url)))
        finally:
            evaluator.close()

    def check_trial(self, expected, trial):
        if expected == "trial_ok":
            self.assertEqual((trial["state"], trial["attempts"]), ("told", 1), trial)
        elif expected == "trial_failed":
            self.assertEqual((trial["state"], trial["attempts"]), ("failed", 1), trial)
            self.assertTrue(trial["error"])
        elif expected == "trial_retry":
            self.assertEqual((trial["state"], trial["attempts"]), ("failed", MAX_ATTEMPTS), trial)
            self.assertTrue(trial["error"])
        else:
            self.assertEqual(expected, "either")
            self.assertIn(trial["state"], ("told", "failed"))

    def check_paused(self, expected, document, trials):
        """What cannot be used, but for numbers that are none, is the fault of who answered."""
        self.assertIn(expected, ("trial_failed", "job_failed_or_paused"))
        self.assertEqual(document["pause"]["reason"], "evaluator_broken")
        self.assertNotIn("ruins the model", document["pause"]["detail"])
        self.assertEqual(document["progress"]["failed"], 0)
        self.assertEqual(max(trials.values(), key=lambda t: t["number"])["state"], "asked")
        self.daemon.request("POST", f"/v1/jobs/{document['id']}/cancel")

    def test_answers(self):
        ran = 0
        for name, case in cases("evaluator").items():
            if "status" in case:
                ran += 1
                with self.subTest(name, kind=case["kind"]):
                    expected = BY_CONTRACT.get(name, case["expect"]["class"])
                    always = expected == "job_failed_or_paused"
                    document, trials = self.run_job(self.reply_of(case), always)
                    if document["state"] == "paused":
                        self.check_paused(expected, document, trials)
                    elif always:
                        self.assertEqual(document["state"], "failed")
                        self.assertTrue(document["exit"]["detail"])
                    else:
                        self.assertEqual(document["state"], "completed", document["exit"])
                        if "busy_s" in (trials[1]["error"] or ""):
                            self.assertIn(case["status"], (429, 503), "put off, not retried")
                        else:
                            self.check_trial(expected, trials[1])
                        self.assertEqual(trials[2]["state"], "told", "tuning goes on")
        self.assertEqual(ran, 29)

    def test_behaviours(self):
        """Nothing else stands behind these addresses, so the baseline is what fails."""
        for name, handle in BEHAVIOURS.items():
            with self.subTest(name, kind=CASES[name]["kind"]):
                document, trials = self.run_job(handle)
                if document["state"] == "paused":
                    self.check_paused(CASES[name]["expect"]["class"], document, trials)
                    continue
                self.assertEqual(document["exit"]["reason"], "baseline_failed")
                self.check_trial(CASES[name]["expect"]["class"], trials[0])

    def test_nobody_listens(self):
        """E001"""
        evaluator = jobkit.Evaluator()
        evaluator.close()
        job = jobkit.submit(self.daemon, self.job(evaluator.url))
        waiting = jobkit.wait_until(
            lambda: jobkit.get(self.daemon, f"/v1/jobs/{job}")["progress"]["waiting"])
        self.assertEqual(waiting["reason"], "evaluator_down")
        document = jobkit.get(self.daemon, f"/v1/jobs/{job}")
        self.assertEqual((document["state"], document["exit"]), ("baseline", None))
        self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/cancel")[0], 200)

    def test_numbers_that_mean_nothing(self):
        """E118 and E121: a baseline of zero, and all trials alike."""
        for accuracy, reason in ((0.0, "baseline_failed"), (0.5, "max_trials")):
            evaluator = jobkit.Evaluator(lambda q, h, a=accuracy: {"accuracy": a, "latency_ms": 0.01})
            self.addCleanup(evaluator.close)
            document, _ = self.ended(jobkit.submit(self.daemon, self.job(evaluator.url)))
            self.assertEqual(document["exit"]["reason"], reason)
        best = jobkit.get(self.daemon, f"/v1/jobs/{document['id']}/best")
        self.assertEqual(best["trial"], 1, "ties go to the earlier trial")

    def test_two_attempts_are_one_trial(self):
        """E124 and E127: the same key for both, one result."""
        late = threading.Event()
        self.addCleanup(late.set)

        def reply(question, headers):
            if question["trial"] == 1 and question["attempt"] == 1:
                late.wait(PATIENCE_S)
            return GOOD

        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        job = self.job(evaluator.url)
        job["evaluator"]["timeout_s"] = 5
        job = jobkit.submit(self.daemon, job)
        document, trials = self.ended(job)
        self.assertEqual(document["state"], "completed")
        self.assertEqual((trials[1]["state"], trials[1]["attempts"]), ("told", 2))
        keys = {h["Idempotency-Key"] for _, q, h in evaluator.calls if q["trial"] == 1}
        self.assertEqual(keys, {f'"{job}.1"'})
        events = jobkit.everything(self.daemon, f"/v1/jobs/{job}/events")
        told = [e for e in events if e["type"] == "trial_told" and e["trial"] == 1]
        self.assertEqual(len(told), 1)

    def test_one_that_hangs_does_not_stop_others(self):
        """E130"""
        release = threading.Event()
        self.addCleanup(release.set)
        hung = jobkit.Evaluator(lambda q, h: release.wait(PATIENCE_S) and GOOD)
        self.addCleanup(hung.close)
        healthy = jobkit.Evaluator(lambda q, h: GOOD)
        self.addCleanup(healthy.close)
        stuck = [jobkit.submit(self.daemon, self.job(hung.url)) for _ in range(20)]
        for _ in range(5):
            document, _ = self.ended(jobkit.submit(self.daemon, self.job(healthy.url)))
            self.assertEqual(document["state"], "completed")
        for job in stuck:
            self.daemon.request("POST", f"/v1/jobs/{job}/cancel")

    def test_every_row_is_run(self):
        elsewhere = {"E001", "E118", "E121", "E124", "E127", "E130"}
        named = {name for name, case in cases("evaluator").items() if "status" not in case}
        self.assertEqual(named, elsewhere | set(BEHAVIOURS))


class Reports(Bad):
    """Answers that come later, by the callback: W003, W012, W030, W033, W036, K007."""

    def leased(self):
        evaluator = jobkit.Evaluator(lambda q, h: (202, {}))
        self.addCleanup(evaluator.close)
        job = jobkit.submit(self.daemon, self.job(evaluator.url))
        self.addCleanup(self.daemon.request, "POST", f"/v1/jobs/{job}/cancel")
        jobkit.wait_until(lambda: evaluator.calls)
        return f"/v1/leases/{evaluator.calls[0][1]['lease']}"

    def test_a_report_that_cannot_be_used_may_be_corrected(self):
        lease = self.leased()
        for name in ("W030", "W033", "W036"):
            case = CASES[name]
            with self.subTest(name, kind=case["kind"]):
                body = case["body"].replace("latency", "latency_ms")
                status, _, problem = self.daemon.request("POST", lease + "/complete", body)
                self.assertIn(status, case["expect"]["status"], problem)
                self.assertEqual(self.daemon.request("POST", lease + "/heartbeat")[0], 200)
        self.assertEqual(self.daemon.request("POST", lease + "/complete", GOOD)[0], 200)

    def test_the_first_report_stands(self):
        lease = self.leased()
        self.assertEqual(self.daemon.request("POST", lease + "/complete", GOOD)[0], 200)
        other = {**GOOD, "accuracy": 0.1}
        self.assertEqual(self.daemon.request("POST", lease + "/complete", other)[0], 409)

    def test_leases_that_nobody_has(self):
        for action, body in (("heartbeat", {}), ("complete", GOOD)):
            status, _, _ = self.daemon.request("POST", f"/v1/leases/lse_none/{action}", body)
            self.assertIn(status, (404, 410))

    def test_every_row_is_run(self):
        self.assertEqual(set(cases("worker")), {"W003", "W012", "W030", "W033", "W036"})


if __name__ == "__main__":
    unittest.main()
