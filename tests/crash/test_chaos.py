"""Killing workers, the daemon and the path between them at random loses and doubles nothing.

Workers are in one network namespace and the daemon in another; jobs run while workers are killed,
stopped and continued, the daemon is killed, and the path is cut for shorter and longer than leases
last. Then everything is healed, the jobs end, and what the daemon has stored is compared with what
each worker was told, with what a config's measurement is, and with a run that nobody disturbed.

NARROWD_CHAOS_SECONDS says for how long, NARROWD_SEED chooses what happens.
"""

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
from daemon import Daemon  # noqa: E402

import crash_model  # noqa: E402
import netpath  # noqa: E402
from crash_kit import check_files, decisions, normal, read_log, wait_final  # noqa: E402
from lease_ledger import Book, check_truth  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from pull_client import Client  # noqa: E402

SECONDS = float(os.environ.get("NARROWD_CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("NARROWD_SEED", "1"))
COMMAND = pathlib.Path(__file__).with_name("chaos_command.py")
POOL = "chaos"
TTL_S = 5  # the shortest there is
OPEN_JOBS = 4
PROCESSES = CLIENTS = 4

VARIANTS = [
    {"tuning_criterion": {"strategy": "basic"}},
    {"tuning_criterion": {"strategy": "random", "stop_on": "budget", "max_trials": 12}, "seed": 7},
    {"tuning_criterion": {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 24},
     "parallel": 4},
    {"tuning_criterion": {"strategy": "basic", "stop_on": "budget", "max_trials": 16},
     "parallel": 3},
]
WEIGHTS = {
    "kill_worker": 4, "retire_worker": 1, "stop_worker": 3, "kill_daemon": 3, "cut_path": 3,
    "reset_path": 2,
}


def job_body(variant):
    return {
        **VARIANTS[variant % len(VARIANTS)],
        "capability": crash_model.capability(4),
        "accuracy_criterion": {"tolerable_loss": 0.008},
        "evaluator": {"pool": POOL},
        "max_failed_trials": 1000,
        "retry": {"max_attempts": 20, "backoff_s": 0.01},
    }


def is_serial(variant):
    return VARIANTS[variant % len(VARIANTS)].get("parallel", 1) == 1


class Process:
    """A `narrow worker`, its standard error in a file."""

    def __init__(self, path, directory, name):
        self.log = open(directory / f"{name}.log", "a+b")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NARROWD_")}
        environment["NARROWD_URL"] = f"http://{path.host}:{path.port}"
        command = [sys.executable, COMMAND, directory / "ledger", "1"]
        with path.at_worker():
            self.process = subprocess.Popen(
                [os.environ["NARROW_BIN"], "worker", "--pool", POOL, "--ttl", str(TTL_S),
                 "--name", name, "--", *command],
                env=environment, stdin=subprocess.DEVNULL, stderr=self.log,
            )

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGKILL):
        self.send(number)
        status = self.process.wait(PATIENCE_S)
        self.log.close()
        return status


class ChaosCase:
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "data").mkdir()
        self.path = self.make_path()
        self.addCleanup(self.path.close)
        home = self.path.at_daemon()  # from here on, so that requests reach it past what is cut
        home.__enter__()
        self.addCleanup(home.__exit__, None, None, None)
        self.random = random.Random(SEED)
        self.counts = collections.Counter()
        self.healing = []  # (when, what): of what is broken now
        self.processes, self.names = [], 0
        self.jobs = {}  # id -> variant
        self.ending = threading.Event()
        self.addCleanup(self.ending.set)

    def new_daemon(self, directory):
        return Daemon(directory, "--allowed-hosts", self.path.host, "--log-level", "error",
                      port=self.path.daemon_port)

    def submit(self, variant):
        status, _, job = self.daemon.request(
            "POST", "/v1/jobs", job_body(variant), {"Idempotency-Key": uuid.uuid4().hex}
        )
        self.assertEqual(status, 201, job)
        return job["id"]

    def undisturbed(self):
        """The log of each variant with nobody in the way."""
        ending, logs = threading.Event(), {}
        with tempfile.TemporaryDirectory() as directory:
            self.daemon = Daemon(directory)
            with self.daemon:
                address = ("127.0.0.1", self.daemon.port)
                clients = [Client(address, POOL, f"calm{i}", SEED, ending, measuring_s=0,
                                  fates={"answer": 1}) for i in range(4)]
                for client in clients:
                    client.start()
                for variant in range(len(VARIANTS)):
                    job = self.submit(variant)
                    wait_final(self.daemon, job)
                    logs[variant] = read_log(self.daemon, job)
                ending.set()
                for client in clients:
                    client.join()
        return logs

    # What happens. Each draws what it needs, and says in `healing` when it is undone.

    def start_worker(self):
        self.names += 1
        self.processes.append(Process(self.path, self.directory, f"process{self.names}"))

    def later(self, seconds, what):
        self.healing.append((time.monotonic() + seconds, what))

    def how_long(self):
        """Mostly shorter than a lease lasts, at times longer."""
        if self.random.random() < 0.75:
            return self.random.uniform(0.2, 0.6 * TTL_S)
        return self.random.uniform(TTL_S, 1.6 * TTL_S)

    def kill_worker(self):
        victim = self.random.choice(self.processes)
        self.processes.remove(victim)
        victim.end()
        self.start_worker()

    def retire_worker(self):
        victim = self.random.choice(self.processes)
        self.processes.remove(victim)
        victim.send(signal.SIGCONT)
        self.start_worker()
        thread = threading.Thread(target=victim.end, args=(signal.SIGTERM,))
        thread.start()
        self.retired.append(thread)

    def stop_worker(self):
        victim = self.random.choice(self.processes)
        victim.send(signal.SIGSTOP)
        self.later(self.how_long(), lambda: victim.send(signal.SIGCONT))

    def kill_daemon(self):
        self.daemon.kill9()
        if self.random.random() < 0.3:
            time.sleep(self.how_long())
            self.counts["daemon away for long"] += 1
        self.daemon.start()

    def cut_path(self):
        if self.is_cut:
            return
        self.is_cut = True
        self.path.cut(self.random)
        seconds = self.how_long()
        self.counts["cuts longer than a lease"] += seconds >= TTL_S
        self.later(seconds, self.heal_path)

    def heal_path(self):
        self.path.heal()
        self.is_cut = False

    def reset_path(self):
        self.path.reset()

    def check_processes(self):
        """A worker ends when it is told to."""
        for worker in self.processes:
            self.assertIsNone(worker.process.poll(), worker.errors())

    def heal(self, now):
        due = [what for when, what in self.healing if when <= now]
        self.healing = [entry for entry in self.healing if entry[0] > now]
        for what in due:
            what()

    def submit_some(self):
        """An acknowledged job stays; some are open at any time."""
        status, _, page = self.daemon.request("GET", "/v1/jobs?limit=1000")
        self.assertEqual(status, 200, page)
        listed = {item["id"]: item["exit"] for item in page["items"]}
        self.assertLessEqual(set(self.jobs), set(listed), "an acknowledged job is gone")
        for _ in range(OPEN_JOBS - list(listed.values()).count(None)):
            self.jobs[self.submit(len(self.jobs))] = len(self.jobs)

    def wreak(self):
        end = time.monotonic() + SECONDS * self.share
        while time.monotonic() < end:
            self.submit_some()
            self.check_processes()
            what = self.random.choices(list(WEIGHTS), WEIGHTS.values())[0]
            self.counts[what] += 1
            getattr(self, what)()
            until = time.monotonic() + self.random.uniform(0.1, 1)
            while time.monotonic() < until:
                self.heal(time.monotonic())
                time.sleep(0.05)
        self.heal(float("inf"))

    # What must be true afterwards.

    def questions(self):
        """All that workers were asked, by job."""
        by_job = collections.defaultdict(list)
        for client in self.clients:
            for held in client.held:
                by_job[held.question["job"]].append(held.question)
        for line in (self.directory / "ledger").read_bytes().splitlines():
            question = json.loads(line)
            by_job[question["job"]].append(question)
        return by_job

    def check_job(self, job, variant, questions):
        document, events = wait_final(self.daemon, job), read_log(self.daemon, job)
        book = Book(job, events)
        listed = self.daemon.request("GET", f"/v1/jobs/{job}/trials?limit=1000")[2]["items"]
        trials = [self.daemon.request("GET", f"/v1/jobs/{job}/trials/{trial['number']}")[2]
                  for trial in listed]
        told = collections.defaultdict(list)
        helds = [held for client in self.clients for held in client.held
                 if held.question["job"] == job]
        for question in questions:
            told[question["lease"]].append(question["expires_at"])
        for held in helds:
            told[held.question["lease"]] += held.expires
        self.assertEqual(document["state"], "completed", document)
        self.assertEqual(set(book.results), {trial["number"] for trial in trials})
        self.assertEqual(book.open, {})
        book.check_asked(questions)
        book.check_answers(helds)
        book.check_late()
        book.check_told(told)
        check_truth(trials)
        self.check_budget(document, book, trials)
        calm = self.expected[variant % len(VARIANTS)]
        if is_serial(variant):
            self.assertEqual(normal(events), normal(calm), f"{job} went another way")
        else:
            self.assertEqual(decisions(events), decisions(calm), f"{job} went another way")
        self.counts["trials"] += len(trials)
        self.counts["leases"] += len(book.leases)
        self.counts["late answers"] += len(book.late)
        for lease in book.leases.values():
            self.counts[lease.end] += 1

    def check_budget(self, document, book, trials):
        """To the trial: what was asked is what was paid for, however often it was leased."""
        states = collections.Counter(trial["state"] for trial in trials
                                     if trial["kind"] == "evaluate"
                                     and trial["source"] == "measured")
        self.assertEqual(book.charged, states["told"] + states["failed"])
        self.assertEqual(document["budget"]["trials_measured"], states["told"])
        if document["exit"]["reason"] == "max_trials":
            self.assertEqual(book.charged, document["budget"]["max_trials"])
        self.assertLessEqual(book.charged, document["budget"]["max_trials"])

    def test_chaos(self):
        print(f"seed {SEED}, {SECONDS * self.share:g} s over {type(self.path).__name__}")
        self.expected = self.undisturbed()
        self.is_cut, self.retired = False, []
        self.daemon = self.new_daemon(self.directory / "data")
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.errors and self.daemon.kill9())
        self.clients = [
            Client((self.path.host, self.path.port), POOL, f"client{i}", SEED, self.ending, TTL_S)
            for i in range(CLIENTS)
        ]
        with self.path.at_worker():
            for client in self.clients:
                client.start()
        for _ in range(PROCESSES):
            self.start_worker()
        self.addCleanup(lambda: [worker.end() for worker in self.processes])
        self.wreak()
        for job in self.jobs:
            wait_final(self.daemon, job)
        self.check_processes()
        self.ending.set()
        for thread in [*self.clients, *self.retired]:
            thread.join()
        self.assertEqual([client.wrong for client in self.clients if client.wrong], [])
        questions = self.questions()
        self.assertLessEqual(set(questions), set(self.jobs))
        for job, variant in self.jobs.items():
            self.check_job(job, variant, questions[job])
        self.daemon.stop()
        check_files(self, self.directory / "data")
        self.counts["clients died"] = sum(client.deaths for client in self.clients)
        self.counts["jobs"] = len(self.jobs)
        print(", ".join(f"{what} {count}" for what, count in sorted(self.counts.items())))


class OverVeth(ChaosCase, unittest.TestCase):
    share = 1  # of the time

    def make_path(self):
        return netpath.best()


class OverProxy(ChaosCase, unittest.TestCase):
    share = 0.3  # of the time

    def make_path(self):
        return netpath.Proxy()


if __name__ == "__main__":
    unittest.main()
