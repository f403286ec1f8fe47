"""`narrow worker`: real processes that have a command answer the questions of a real daemon."""

import signal
import subprocess
import threading
import time
import unittest

import jobkit
from cli_kit import NARROW, REFUSED, USAGE, problem
from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S
from scripted import Reply, Server
from worker_kit import WorkerCase, alive

NORMAL = object()


class Work(WorkerCase):
    def test_a_job_from_end_to_end(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        pushed = finished(self.daemon, submit(self.daemon, body(evaluator.url)))
        worker = self.worker("--name", "one")
        job = self.job()
        pulled = finished(self.daemon, job)
        for member in ("state", "exit", "best", "progress"):
            self.assertEqual(pulled[member], pushed[member])
        self.assertEqual(self.trial(job)["worker"], "one")
        worker.send_signal(signal.SIGTERM)
        errors = self.ended(worker)
        self.assertEqual(errors.count("narrow: job_"), len(self.trials(job)))

    def test_many_by_mpi(self):
        """Every process is a worker of its own."""
        before = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "4"]
        launcher = self.worker("--idle-exit", "20", before=before)
        wait_until(lambda: len(get(self.daemon, "/v1/workers")["items"]) == 4)
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 40}
        job = self.job(parallel=4, tuning_criterion=criterion)
        document = finished(self.daemon, job)
        self.assertEqual(document["budget"]["trials_measured"] + document["progress"]["failed"], 40)
        self.ended(launcher)
        names = {trial["worker"] for trial in self.trials(job) if trial["worker"]}
        self.assertEqual(len(names), 4)

    def test_a_long_measurement(self):
        self.orders.write_text("beat 450\nsleep 7\n")
        worker = self.worker("--ttl", "5")
        job = self.job()
        wait_until(lambda: any(trial["state"] == "told" for trial in self.trials(job)))
        self.assertEqual(self.trial(job)["attempts"], 1)
        self.assertIsNone(worker.poll())

    def test_an_early_verdict(self):
        """Enough of the data is read when it is clear that the criterion is missed."""
        self.orders.write_text(f"unless baseline\npid {self.directory / 'pid'}\nbeat 1\nsleep 60\n")
        self.worker()
        criterion = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 1}
        job = self.job(tuning_criterion=criterion, accuracy_criterion={"tolerable_loss": 0.01})
        self.assertEqual(finished(self.daemon, job)["state"], "completed")
        self.assertEqual(self.trial(job, 1)["state"], "pruned")
        pid = self.pids()[-1]
        wait_until(lambda: not alive(pid))

    def test_idle_exit(self):
        self.ended(self.worker("--idle-exit", "1"))


class Trouble(WorkerCase):
    def test_what_commands_do_wrong(self):
        for orders, error, attempts in (
            ("exit 3", "status 3", 2),
            ("kill 9", "signal 9", 2),
            ("say {\"failed\": true, \"error\": \"no kernel\", \"retryable\": false}", "kernel", 1),
        ):
            with self.subTest(orders):
                self.orders.write_text(orders)
                worker = self.worker()
                job = self.job(retry={"max_attempts": 2, "backoff_s": 0.01})
                document = finished(self.daemon, job)
                self.assertEqual(document["exit"]["reason"], "baseline_failed")
                trial = self.trial(job)
                self.assertIn(error, trial["error"])
                self.assertEqual(trial["attempts"], attempts)
                worker.terminate()
                self.ended(worker)

    def test_a_command_that_says_nothing_of_use_pauses_the_job(self):
        for orders in ("say no json", "say 7"):
            with self.subTest(orders):
                self.orders.write_text(orders)
                worker = self.worker()
                job = self.job(retry={"max_attempts": 1, "backoff_s": 0.01})
                document = wait_until(lambda: self.paused(job))
                self.assertEqual(document["pause"]["reason"], "evaluator_broken")
                self.assertIn("the answer is no JSON", document["pause"]["detail"])
                worker.terminate()
                self.ended(worker)
                self.orders.unlink()
                self.assertEqual(self.daemon.request("POST", f"/v1/jobs/{job}/resume")[0], 200)
                good = self.worker("--name", "good")
                self.assertEqual(finished(self.daemon, job)["state"], "completed")
                self.assertEqual(self.trial(job)["attempts"], 1, "nothing was charged")
                good.terminate()
                self.ended(good)

    def paused(self, job):
        document = get(self.daemon, f"/v1/jobs/{job}")
        return document if document["state"] == "paused" else None

    def test_a_command_that_is_not_there(self):
        """It takes no question, whatever is wrong with its path."""
        for command in ("/no/such/command", "no-such-command", str(self.directory)):
            errors = self.ended(self.worker(command=[command]), USAGE)
            self.assertIn(f"{command} cannot be run", errors)

    def test_a_command_that_cannot_be_run_is_its_workers_fault(self):
        for status in (126, 127):
            with self.subTest(status):
                self.orders.write_text(f"exit {status}")
                worker = self.worker("--name", "first")
                job = self.job(retry={"max_attempts": 1, "backoff_s": 0.01})
                self.ended(worker, USAGE)
                returned = [e for e in everything(self.daemon, f"/v1/jobs/{job}/events")
                            if e["type"] == "lease_returned" and "reason" in e["data"]]
                self.assertEqual(returned[0]["data"]["reason"], "cannot")
                self.assertIn(f"status {status}", returned[0]["data"]["detail"])
                self.orders.unlink()
                good = self.worker("--name", "second")
                self.assertEqual(finished(self.daemon, job)["state"], "completed")
                self.assertEqual(self.trial(job)["attempts"], 1)
                good.terminate()
                self.ended(good)

    def test_a_signal_gives_the_question_back(self):
        self.slow_orders()
        worker = self.worker("--name", "first")
        job = self.job()
        pid = self.busy(job)
        self.orders.unlink()
        worker.terminate()
        self.ended(worker)
        self.assertFalse(alive(pid))
        self.worker("--name", "second")
        self.assertEqual(finished(self.daemon, job)["state"], "completed")
        trial = self.trial(job)
        self.assertEqual((trial["worker"], trial["attempts"]), ("second", 1))

    def test_the_command_dies_with_its_worker(self):
        self.slow_orders()
        worker = self.worker("--ttl", "5")
        job = self.job()
        pid = self.busy(job)
        self.orders.unlink()
        worker.kill()
        wait_until(lambda: not alive(pid))
        self.worker("--name", "second")
        self.assertEqual(finished(self.daemon, job)["state"], "completed")
        self.assertEqual(self.trial(job)["attempts"], 2)

    def test_what_is_not_wanted_is_stopped(self):
        self.slow_orders()
        worker = self.worker("--ttl", "5")
        job = self.job()
        pid = self.busy(job)
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        wait_until(lambda: not alive(pid))
        self.assertIsNone(worker.poll())

    def test_the_daemon_dies_meanwhile(self):
        self.slow_orders(4)
        self.worker()
        job = self.job()
        self.busy(job)
        self.daemon.kill9()
        time.sleep(1)
        self.daemon.start()
        wait_until(lambda: self.trial(job)["state"] == "told")
        self.assertEqual(self.trial(job)["attempts"], 1)
        self.orders.unlink()
        self.assertEqual(finished(self.daemon, job)["state"], "completed")

    def test_the_daemon_comes_later(self):
        self.daemon.stop()
        self.worker()
        time.sleep(1)
        self.daemon.start()
        self.assertEqual(finished(self.daemon, self.job())["state"], "completed")

    def test_a_signal_while_the_daemon_is_away(self):
        """What cannot be given back for some seconds is left to the end of its lease."""
        self.slow_orders()
        worker = self.worker()
        job = self.job()
        pid = self.busy(job)
        self.daemon.kill9()
        worker.terminate()
        self.ended(worker)
        self.assertFalse(alive(pid))
        self.daemon.start()

    def test_wrong_usage(self):
        for arguments in (["--ttl", "4"], ["--ttl", "x"], ["--idle-exit", "-1"]):
            self.ended(self.worker(*arguments), USAGE)
        self.ended(self.worker("--pool", "a b"), REFUSED)
        for command in (["worker", "--pool", "gpu"], ["worker", "--pool", "gpu", "--"],
                        ["worker", "--", "cat"], ["worker", "cat"]):
            self.assertEqual(subprocess.run([NARROW, *command], stderr=subprocess.DEVNULL,
                                            check=False).returncode, USAGE)


QUESTION = {"job": "job_1", "lease": "lse_1", "trial": 0, "attempt": 1, "question": "baseline"}


class Path(WorkerCase):
    """What the way to the daemon does to requests and answers, by a server that a test scripts."""

    def meet(self, answer, *arguments):
        """Runs a worker until it has answered the one question of a server and asks for another.
        Returns the keys of its requests by their paths' last words."""
        asked = []
        done = threading.Event()

        def reply(request):
            what = request.path.rpartition("/")[2]
            asked.append((what, request.headers["Idempotency-Key"]))
            count = [name for name, _ in asked].count(what)
            special = answer(what, count)
            if special is not NORMAL:
                return special
            if what == "leases" and any(name == "complete" for name, _ in asked):
                done.set()
                return {"items": []}
            if what == "leases":
                return {"items": [QUESTION]}
            return {"continue": True, "lease": "lse_1"}

        with Server(reply) as server:
            worker = self.worker(*arguments, url=server.url)
            self.assertTrue(done.wait(PATIENCE_S))
            worker.terminate()
            self.ended(worker)
        by_name = {}
        for what, key in asked:
            by_name.setdefault(what, []).append(key)
        return by_name

    def test_a_question_is_taken_under_one_key_until_it_comes(self):
        busy = problem(409, "idempotency_in_progress", "First request still runs", "")
        for cut in (None, Reply(502), busy):
            with self.subTest(cut):
                asked = self.meet(
                    lambda what, count: cut if what == "leases" and count < 4 else NORMAL)
                self.assertEqual(len(set(asked["leases"][:4])), 1)
                self.assertNotEqual(asked["leases"][4], asked["leases"][3])
                self.assertEqual(len(asked["complete"]), 1)

    def test_an_answer_is_sent_under_one_key_until_it_is_taken(self):
        asked = self.meet(lambda what, count: None if what == "complete" and count < 4 else NORMAL)
        self.assertEqual(len(asked["complete"]), 4)
        self.assertEqual(len(set(asked["complete"])), 1)

    def test_a_lost_sign_of_life_is_sent_again_soon(self):
        """The next one in turn would come when the command has ended already."""
        self.orders.write_text("sleep 9\n")
        asked = self.meet(lambda what, count: None if what == "heartbeat" else NORMAL,
                          "--ttl", "15")
        self.assertGreater(len(asked["heartbeat"]), 2)


if __name__ == "__main__":
    unittest.main()
