"""A start with open jobs: the daemon serves before it has read them, and what it promised holds meanwhile."""

import shutil
import signal
import threading
import unittest

import exposition
from jobkit import body, crash_model, finished, get, submit, wait_until
from patience import PATIENCE_S
from test_plugins import EXAMPLE, PluginCase, run

AT_ONCE = 2  # jobs are read beside the loop

# A strategy begins where the baseline's answer is read, in a log, too. This one waits there.
WAIT = """extern int access(const char *, int), usleep(unsigned);
	while (access("%s", 0) == 0) { (void)usleep(1000); }
	(void)reterr;"""


class Unread(PluginCase):
    def setUp(self):
        super().setUp()
        self.gate = self.directory / "gate"
        folder = self.directory / "slow"
        shutil.copytree(EXAMPLE, folder)
        source = folder / "by_name.c"
        text = source.read_text(encoding="utf-8").replace("(void)reterr;", WAIT % self.gate, 1)
        source.write_text(text, encoding="utf-8")
        run("make", "by_name.so", cwd=folder, env=self.environment)
        self.install(folder)
        self.addCleanup(self.gate.unlink, missing_ok=True)
        self.running = self.daemon()

    def gauge(self, name):
        return exposition.families(self.running.request("GET", "/metrics")[2])[name].value()

    def unread(self):
        return self.gauge("narrowd_unread_jobs")

    def submit(self, strategy, evaluator):
        return submit(self.running, body(None, tuning_criterion={"strategy": strategy}, confirm=0, evaluator=evaluator))

    def post(self, path, document=None):
        status, _, answer = self.running.request("POST", path, document)
        self.assertIn(status, (200, 201), answer)
        return answer

    def take(self, pool, wait_s=20):
        return self.post("/v1/leases", {"pool": pool, "worker": "w", "wait_s": wait_s})["items"]

    def complete(self, item):
        return self.post(f"/v1/leases/{item['lease']}/complete", crash_model.answer(item))

    def begun(self, strategy, pool):
        """A job whose baseline is known, and the question that a worker has."""
        job = self.submit(strategy, {"pool": pool})
        wait_until(lambda: [self.complete(item) for item in self.take(pool)])
        return job, wait_until(lambda: self.take(pool))[0]

    def start_with_unread(self):
        self.running.kill9()
        self.gate.touch()
        self.running.start()

    def test_it_serves_before_jobs_are_read(self):
        slow = [self.begun("by_name", f"slow{i}")[0] for i in range(AT_ONCE)]
        quick = [self.begun("basic", f"quick{i}") for i in range(4)]
        self.start_with_unread()
        self.assertEqual(self.running.request("GET", "/readyz")[0], 200)
        self.assertEqual((self.unread(), self.gauge("narrowd_open_jobs")), (6, 6))
        self.assertEqual(len(get(self.running, "/v1/jobs")["items"]), 6)
        # Who asks for one waits for that one alone.
        progress = get(self.running, f"/v1/jobs/{quick[3][0]}")["progress"]
        self.assertEqual([out["trial"] for out in progress["out"]], [quick[3][1]["trial"]])
        self.assertEqual(self.unread(), 5)
        self.assertTrue(self.post(f"/v1/leases/{quick[2][1]['lease']}/heartbeat")["continue"])
        self.assertEqual(self.complete(quick[1][1]), {"lease": quick[1][1]["lease"]})
        self.post(f"/v1/jobs/{quick[0][0]}/pause")
        self.assertEqual(self.unread(), AT_ONCE)
        self.submit("basic", {"pool": "new"})
        self.assertEqual(self.gauge("narrowd_open_jobs"), 7)
        # No job decides anything before the last one is there.
        progress = get(self.running, f"/v1/jobs/{quick[1][0]}")["progress"]
        self.assertEqual((progress["asked"], progress["out"]), (1, []))
        answers = []
        waiting = threading.Thread(
            target=lambda: answers.append(self.running.request("GET", f"/v1/jobs/{slow[0]}")[0]))
        waiting.start()
        self.gate.unlink()
        waiting.join(PATIENCE_S)
        self.assertEqual(answers, [200])
        wait_until(lambda: self.unread() == 0)
        for pool in ("quick1", "new"):
            self.assertEqual(len(wait_until(lambda pool=pool: self.take(pool))), 1)
        self.running.stop()

    def test_nobody_takes_the_place_of_a_job_that_is_not_read(self):
        free = threading.Event()
        self.addCleanup(free.set)

        def reply(question, headers):
            if question["kind"] != "baseline":
                free.wait(PATIENCE_S)
            return crash_model.answer(question)

        evaluator = self.evaluator(reply)
        place = {"url": evaluator.url, "max_concurrency": 1}
        slow = self.submit("by_name", place)
        wait_until(lambda: len(evaluator.calls) == 2)
        quick = self.submit("basic", place)
        self.start_with_unread()
        self.assertEqual(get(self.running, f"/v1/jobs/{quick}")["state"], "queued")
        for _ in range(3):
            self.submit("basic", {"pool": "other"})  # what was decided before would be on its way
        self.assertEqual(len(evaluator.calls), 2)
        self.gate.unlink()
        wait_until(lambda: len(evaluator.calls) == 3)
        self.assertEqual(evaluator.calls[2][1]["job"], slow)
        self.assertEqual(get(self.running, f"/v1/jobs/{quick}")["state"], "queued")
        free.set()
        for job in (slow, quick):
            finished(self.running, job)
        self.running.stop()

    def test_a_stop_does_not_wait_for_those_that_are_not_read(self):
        for i in range(AT_ONCE):
            self.begun("by_name", f"slow{i}")
        quick, question = self.begun("basic", "quick")
        others = [self.submit("basic", {"pool": "other"}) for _ in range(3)]
        self.start_with_unread()
        slow = get(self.running, "/v1/jobs?limit=1000")["items"][-1]["id"]
        statuses = []
        waiting = threading.Thread(
            target=lambda: statuses.append(self.running.request("GET", f"/v1/jobs/{slow}")[0]))
        waiting.start()
        get(self.running, f"/v1/jobs/{quick}")
        self.running.process.send_signal(signal.SIGTERM)
        waiting.join(PATIENCE_S)
        self.assertIn(statuses, ([200], [503]))
        self.gate.unlink()
        self.assertEqual(self.running.process.wait(PATIENCE_S), 0, self.running.log())
        self.running.forget()
        self.running.start()
        self.complete(question)
        for job in (quick, *others):
            self.assertIsNone(get(self.running, f"/v1/jobs/{job}")["exit"])
        self.running.stop()


if __name__ == "__main__":
    unittest.main()
