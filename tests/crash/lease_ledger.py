"""Compares a job's log with what workers were told: who had which trial when, and what counted.

The log is that of the daemon, in the order of its events; what workers were told comes from them.
"""

import collections
import datetime

import crash_model

ENDS = {"lease_expired", "lease_returned", "attempt_failed"}
RESULTS = {"trial_told", "trial_failed", "trial_pruned", "trial_cancelled"}


def ms(text):
    """Milliseconds of a time as the daemon writes it."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Lease:
    def __init__(self, event):
        self.trial = event["trial"]
        self.id = event["data"]["lease"]
        self.attempt = event["data"]["attempt"]
        self.number = event["seq"]
        self.end = self.end_ms = None  # how and when it ended


class Book:
    """The leases of one job. Raises AssertionError where two would have had one trial."""

    def __init__(self, job, events):
        self.job = job
        self.leases = {}  # by id
        self.counted = {}  # trial -> the lease whose answer is its result
        self.results = collections.Counter()
        self.charged = 0
        self.late = []  # leases of late answers
        self.open = {}  # trial -> the lease in force
        self.newest = {}  # trial -> the latest lease
        for event in events:
            self.read(event)

    def read(self, event):
        kind, data = event["type"], event["data"]
        if kind == "question_asked":
            self.charged += data["kind"] == "evaluate" and data["source"] != "cache"
        elif kind == "question_leased":
            self.grant(Lease(event))
        elif kind in ENDS:
            self.over(event, data["lease"])
        elif kind in RESULTS:
            self.result(event)
        elif kind == "late_answer":
            self.late.append(data["lease"])

    def grant(self, lease):
        where = f"{self.job} trial {lease.trial}"
        before = self.newest.get(lease.trial)
        assert lease.trial not in self.open, f"{where}: leased to two at a time"
        assert self.results[lease.trial] == 0, f"{where}: leased after its result"
        assert lease.id not in self.leases, f"{where}: one lease twice"
        if before is not None:
            again = before.end == "lease_returned"
            assert lease.number > before.number, f"{where}: the log runs backwards"
            assert lease.attempt == before.attempt + (not again), f"{where}: attempts do not rise"
        self.open[lease.trial] = self.newest[lease.trial] = self.leases[lease.id] = lease

    def close(self, event):
        lease = self.open.pop(event["trial"])
        lease.end, lease.end_ms = event["type"], ms(event["at"])
        return lease

    def over(self, event, lease):
        assert event["trial"] in self.open, f"{self.job}: {event} ends what nobody had"
        assert self.close(event).id == lease, f"{self.job}: {event} ends another one's lease"

    def result(self, event):
        trial = event["trial"]
        self.results[trial] += 1
        assert self.results[trial] == 1, f"{self.job} trial {trial}: a second result"
        if trial in self.open:
            lease = self.close(event)
            if event["type"] == "trial_told":
                self.counted[trial] = lease

    def check_late(self):
        """A late answer is a note: of a lease that had ended without a result."""
        for lease in self.late:
            assert self.leases[lease].end in ENDS | {"trial_cancelled"}, f"{lease} counted"

    def check_told(self, told):
        """No lease was taken back before the time until which a worker was told to have it.
        `told` are the times by lease. Returns by how many ms each expiry was after its time."""
        lateness = []
        for lease in self.leases.values():
            if lease.end == "lease_expired" and lease.id in told:
                after = lease.end_ms - max(ms(text) for text in told[lease.id])
                assert after >= 0, f"{lease.id} ended {-after} ms before its time"
                lateness.append(after)
        return lateness

    def check_answers(self, helds):
        """What workers were told of their answers agrees with the log."""
        for held in helds:
            lease = self.leases[held.question["lease"]]
            assert lease.trial == held.question["trial"]
            assert lease.attempt == held.question["attempt"]
            counted = self.counted.get(lease.trial) is lease
            for status in held.completes:
                assert status in (0, 200, 410), f"{lease.id}: {status}"
                if status == 200:
                    assert counted or lease.end == "attempt_failed", f"{lease.id}: not counted"
                if status == 410:
                    assert not counted, f"{lease.id}: 410, and it counted"

    def check_asked(self, questions):
        """Each trial was one question, whoever had it, and each result's lease was somebody's."""
        configs, holders = {}, set()
        for question in questions:
            config = configs.setdefault(question["trial"], question["config"])
            assert config == question["config"], f"{self.job}: {question} was another config before"
            assert question["lease"] in self.leases, f"{question['lease']} is not in the log"
            holders.add(question["lease"])
        for trial, lease in self.counted.items():
            assert lease.id in holders, f"{self.job} trial {trial}: a result of nobody"


def check_truth(trials):
    """What is stored is what a measurement of the config gives, always."""
    for trial in trials:
        if trial["state"] not in ("told", "failed"):
            continue
        config = trial.get("config")  # a baseline that is measured again has none
        kind = trial["kind"] if config else "baseline"
        truth = crash_model.answer({"question": kind, "config": config})
        if trial["state"] == "failed":
            assert truth.get("failed"), trial
            continue
        assert trial["accuracy"] == truth["accuracy"], trial
        assert trial["metrics"]["latency_ms"] == truth["latency_ms"], trial
