"""`narrow worker`: what counts of what its command prints, and one process for all questions."""

import sys
import unittest

import jobkit
from jobkit import body, finished, get, submit, wait_until
from patience import PATIENCE_S
from worker_kit import COMMAND, WorkerCase, alive


class Output(WorkerCase):
    """What counts of what a command prints, in both ways."""

    WAYS = ((), ("--persistent",))

    def run_job(self, way, orders, status="completed"):
        self.orders.write_text(orders)
        command = [sys.executable, str(COMMAND), str(self.orders)] + ["persistent"] * len(way)
        worker = self.worker(*way, command=command)
        job = self.job(tuning_criterion={"strategy": "exhaustive", "stop_on": "budget", "max_trials": 3})
        path = f"/v1/jobs/{job}"
        document = wait_until(lambda: {d["state"]: d for d in [get(self.daemon, path)]}.get(status))
        worker.terminate()
        said = self.ended(worker)
        self.daemon.request("POST", f"{path}/cancel")
        return self.trials(job), document, said

    def test_lines_that_are_no_json_are_for_people(self):
        true, _, _ = self.run_job((), "")
        for way in self.WAYS:
            with self.subTest(way):
                trials, _, said = self.run_job(
                    way, "noise Collecting tensor data ...\nnoise [1, 2]\nnoise 50 %\nbeat 450\n")
                self.assertEqual([t.get("accuracy") for t in trials],
                                 [t.get("accuracy") for t in true])
                for line in ("Collecting tensor data ...", "[1, 2]", "50 %"):
                    self.assertEqual(said.count(f"{line}\n"), len(trials), said)
                self.assertNotIn('\n{"progress"', said)

    def test_the_last_object_counts_when_there_is_an_end(self):
        true, _, _ = self.run_job((), "")
        for orders in ("indent", "noise {not json}\nindent", 'noise {"accuracy": 0.1}\nindent',
                       'noise {"a": "{"}\nnoise {"a": [\nindent', "noise   {\nindent"):
            with self.subTest(orders):
                trials, _, said = self.run_job((), orders)
                self.assertEqual([t.get("accuracy") for t in trials],
                                 [t.get("accuracy") for t in true], said)

    def test_what_begins_like_an_answer_and_is_none(self):
        """Whoever goes on after it would wait for another one for ever. Three in a row are the command's fault."""
        for way in self.WAYS:
            for broken in ("{'accuracy': 0.5}", '{"accuracy": 0.5', '{"accuracy": 0.5} s'):
                with self.subTest((way, broken)):
                    trials, document, said = self.run_job(
                        way, f"unless baseline\nsay {broken}\n", "paused")
                    self.assertEqual({t["state"] for t in trials[1:3]}, {"failed"})
                    self.assertEqual({t["attempts"] for t in trials[1:3]}, {1})
                    self.assertIn("the answer is no JSON: ", trials[1]["error"])
                    self.assertEqual(document["pause"]["reason"], "evaluator_broken")
                    self.assertIn(broken, said)

    def test_what_python_writes_for_no_number(self):
        for way in self.WAYS:
            with self.subTest(way):
                trials, _, _ = self.run_job(
                    way, 'unless baseline\nsay {"accuracy": NaN, "latency_ms": Infinity}\n', "failed")
                self.assertIn("ruins the model", trials[1]["error"])


class Persistent(WorkerCase):
    """One process for all questions."""

    def one_for_all(self, *arguments, **more):
        command = [sys.executable, str(COMMAND), str(self.orders), "persistent"]
        return self.worker("--persistent", *arguments, command=command, **more)

    def order(self, *lines):
        self.orders.write_text("\n".join((f"pid {self.directory / 'pid'}", *lines)) + "\n")

    def true_course(self):
        """What every job of this class comes to when nothing goes wrong."""
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        job = submit(self.daemon, body(evaluator.url))
        finished(self.daemon, job)
        return self.course(job)

    def course(self, job):
        return [(t["number"], t["state"], t.get("accuracy")) for t in self.trials(job)]

    def test_a_job_from_end_to_end(self):
        self.order()
        worker = self.one_for_all()
        job = self.job()
        finished(self.daemon, job)
        self.assertEqual(self.course(job), self.true_course())
        self.assertGreater(len(self.pids()), 2)
        self.assertEqual(len(set(self.pids())), 1)
        worker.terminate()
        self.ended(worker)
        self.assertFalse(alive(self.pids()[0]))

    def test_its_end_is_the_commands(self):
        self.order()
        self.one_for_all("--idle-exit", "1").wait(PATIENCE_S)
        worker = self.one_for_all("--idle-exit", "3")
        finished(self.daemon, self.job())
        self.ended(worker)
        self.assertFalse(alive(self.pids()[-1]))

    def test_one_that_dies_is_started_again(self):
        for orders, error in (("exit 3", "status 3"), ("exit 0", "status 0 before it answered"),
                              ("kill 9", "signal 9")):
            with self.subTest(orders):
                (self.directory / "pid").write_text("")
                self.order("unless baseline", orders)
                worker = self.one_for_all()
                job = self.job(retry={"max_attempts": 2, "backoff_s": 0.01}, max_failed_trials=0)
                document = finished(self.daemon, job)
                self.assertEqual(document["exit"]["reason"], "too_many_failures")
                trial = self.trial(job, 1)
                self.assertIn(error, trial["error"])
                self.assertEqual(trial["attempts"], 2)
                self.assertEqual(len(self.pids()), 3)
                self.assertEqual(len(set(self.pids())), 2, "the first one was asked twice")
                self.orders.unlink()
                self.assertEqual(finished(self.daemon, self.job())["state"], "completed")
                worker.terminate()
                self.ended(worker)

    def test_one_that_ends_after_its_answer_costs_nothing_when_it_is_seen(self):
        self.order("once")
        self.one_for_all()
        job = self.job(retry={"max_attempts": 20, "backoff_s": 0.01})
        finished(self.daemon, job)
        self.assertEqual(self.course(job), self.true_course())

    def test_one_that_hangs_is_stopped(self):
        """Signs of life are the worker's: only the job says how long a question may take."""
        self.order("unless baseline", "noise loading", "sleep 3600")
        self.one_for_all()
        job = self.job(max_question_s=2, max_failed_trials=0)
        self.assertEqual(finished(self.daemon, job)["exit"]["reason"], "too_many_failures")
        first = self.pids()[-1]
        wait_until(lambda: not alive(first))
        self.order()
        job = self.job()
        finished(self.daemon, job)
        self.assertEqual(self.course(job), self.true_course())
        self.assertNotIn(self.pids()[-1], (first, self.pids()[0]))

    def test_what_is_not_wanted_is_stopped(self):
        self.slow_orders(3600)
        worker = self.one_for_all("--ttl", "5")
        job = self.job()
        pid = self.busy(job)
        self.orders.unlink()
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel")
        wait_until(lambda: not alive(pid))
        self.assertEqual(finished(self.daemon, self.job())["state"], "completed")
        self.assertIsNone(worker.poll())

    def test_a_signal_gives_the_question_back(self):
        self.slow_orders(3600)
        worker = self.one_for_all()
        job = self.job()
        pid = self.busy(job)
        self.orders.unlink()
        worker.terminate()
        self.ended(worker)
        self.assertFalse(alive(pid))
        self.one_for_all()
        self.assertEqual(finished(self.daemon, job)["state"], "completed")
        self.assertEqual(self.trial(job)["attempts"], 1)

    def test_a_second_answer_is_nobodys(self):
        """The first one counts, and the next question is put to another process."""
        self.order("twice")
        worker = self.one_for_all()
        job = self.job()
        finished(self.daemon, job)
        self.assertEqual(self.course(job), self.true_course())
        self.assertEqual(len(set(self.pids())), len(self.pids()))
        worker.terminate()
        self.assertIn("answered without being asked, and is started again", self.ended(worker))

    def test_an_answer_that_names_another_lease_is_nobodys(self):
        """However late it comes."""
        self.order("stale")
        worker = self.one_for_all()
        job = self.job()
        finished(self.daemon, job)
        self.assertEqual(self.course(job), self.true_course())
        self.assertEqual(len(set(self.pids())), 1)
        worker.terminate()
        self.assertIn("passed over, for another question", self.ended(worker))


if __name__ == "__main__":
    unittest.main()
