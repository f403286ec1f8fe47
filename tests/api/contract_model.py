"""What the contract says of jobs, trials, leases and budgets, as a program that decides nothing by itself.

For each call the model lists the outcomes that are allowed; whoever sends it picks the one that came, whose effect then
happens. Where the contract leaves a choice there are several outcomes, or the model follows what it is shown. There is
no I/O here and no clock. Jobs are of a pool, search `exhaustive` or `random`, and have `confirm` 0.
"""

import math

FINAL = ("completed", "failed", "cancelled")
BASELINE = {"accuracy": 0.8, "latency_ms": 10}
TOLERABLE_LOSS = 0.01
MIN_GAIN = 0.02


class Difference(AssertionError):
    """The daemon did what the contract does not allow."""


class NotYet(Difference):
    """What was read may still become what it must: it is read again."""


class Outcome:
    """One allowed answer: a status, the name of its problem if it is one, and what it does to the model."""

    def __init__(self, status, problem=None, effect=None):
        self.status, self.problem, self.effect = status, problem, effect or (lambda answer: None)

    def __repr__(self):
        return f"{self.status} {self.problem or ''}".strip()


def refused(status, problem):
    return [Outcome(status, problem)]


NOT_FOUND = refused(404, "not_found")
WRONG_STATE = refused(409, "wrong_state")
INVALID = refused(422, "invalid_field")
GONE = refused(410, "gone")


class Lease:
    """The right to answer one question. `state`: live, answered, over, or forgotten with its job."""

    def __init__(self, number, job, trial, worker):
        self.id, self.job, self.trial, self.worker = number, job, trial, worker
        self.state = "live"
        self.answer = None


class Trial:
    def __init__(self, number, kind):
        self.number, self.kind = number, kind
        self.state, self.source = "asked", None
        self.config = None  # unknown before it is leased
        self.result = None  # accuracy and latency_ms
        self.lease = None
        self.worker = None
        self.charged = 0  # attempts that count since it was asked, or asked again by hand
        self.sent, self.uncharged = 0, 0  # leases given; those that went back
        self.resting = False  # between two attempts: it may be due and may not be yet
        self.settled = False  # had a result or failed once, so it is paid for
        self.again = False  # asked again by hand
        self.held = False  # ... before its failure could be applied, because an earlier one was out
        self.by_hand = False
        self.excluded = False

    def __repr__(self):
        marks = [name for name in ("resting", "settled", "again", "held", "by_hand", "excluded") if getattr(self, name)]
        return f"{self.kind} {self.state} {self.source or ''} charged {self.charged} of {self.sent} sent {self.result or ''} {' '.join(marks)}"

    @property
    def open(self):
        return self.state in ("asked", "leased")

    @property
    def searched(self):
        """The strategy asked for it."""
        return self.kind == "evaluate" and self.source != "imported"

    @property
    def paid(self):
        return self.searched and self.source != "cache" and self.settled


class Job:
    """One job and what it was submitted with: `size` configs, `keys` of them, and the numbers of `body`."""

    def __init__(self, name, body, keys):
        criterion = body["tuning_criterion"]
        self.id, self.keys, self.size = name, keys, len(keys)
        self.max_trials, self.stop_on = criterion["max_trials"], criterion["stop_on"]
        self.parallel, self.max_attempts = body["parallel"], body["retry"]["max_attempts"]
        self.max_failed = body["max_failed_trials"]
        self.trials, self.imports = {}, {}
        self.end = None  # (state, reason)
        self.deleted = False
        self.paused = False
        self.may_break = False  # a worker's answers cannot be used: it may pause itself
        self.cut = False  # `parallel` was lowered: more may be out than is allowed now
        self.behind = False  # it ended before all results were applied: which of those that meet the criterion is left open
        self.barred = {}  # worker: True, or None after a restart, of which the contract does not speak

    def __repr__(self):
        trials = "\n".join(f"  trial {n}: {t}" for n, t in sorted(self.trials.items()))
        return f"the model has {self.used()} measured of {self.max_trials}, {self.asked()} asked of {self.size}, paused {self.paused}\n{trials}"

    # What follows from the trials

    @property
    def baseline(self):
        return self.trials.get(0)

    @property
    def measured(self):
        return self.baseline is not None and self.baseline.state == "told"

    def of(self, test):
        return [trial for trial in self.trials.values() if test(trial)]

    def used(self):
        return len(self.of(lambda t: t.paid))

    def asked(self):
        return len(self.of(lambda t: t.searched))

    def out(self):
        return self.of(lambda t: t.searched and t.open)

    def holes(self):
        """Of those the ones of which nothing has been applied in trial order."""
        return [t for t in self.out() if not t.settled or t.held]

    def fresh(self):
        """Of those the ones that are not paid for yet."""
        return [t for t in self.out() if not t.settled]

    def failed(self):
        """By hand does not count for `max_failed_trials` (contract 7.3)."""
        return self.of(lambda t: t.state == "failed" and not t.by_hand)

    @staticmethod
    def feasible(trial):
        bound = BASELINE["accuracy"] - TOLERABLE_LOSS * abs(BASELINE["accuracy"])
        return trial.result["accuracy"] >= bound - 1e-9 * max(bound, BASELINE["accuracy"])

    @staticmethod
    def gain(trial):
        return (BASELINE["latency_ms"] - trial.result["latency_ms"]) / BASELINE["latency_ms"]

    def wins(self, trial):
        """It is what `stop_on` names."""
        if self.stop_on == "budget" or trial.state != "told" or not trial.searched or not self.feasible(trial):
            return False
        return self.stop_on == "first_feasible" or self.gain(trial) >= MIN_GAIN

    def winner(self):
        """Contract 3: a feasible trial wins only when every earlier trial of its stage has been told.

        Returns whether there must be one, and whether there may be one.
        """
        winners = self.of(self.wins)
        first = min((t.number for t in winners if not t.again), default=math.inf)
        waits = [t for t in self.out() if t.number < first]
        return first < math.inf and not waits, bool(winners)

    def ends(self):
        """What may end it now, as (state, reason), and whether something must."""
        if self.baseline is not None and self.baseline.state == "failed":
            return {("failed", "baseline_failed")}, True
        if not self.measured:
            return set(), False
        must, ends = False, set()
        if len(self.failed()) > self.max_failed:
            must, ends = True, {("failed", "too_many_failures")}
        won, may_win = self.winner()
        if may_win:
            must, ends = must or won, ends | {("completed", "criterion_met")}
        told = self.of(lambda t: t.kind == "evaluate" and t.state == "told")
        states = {"completed"} if [t for t in told if t.searched] else {"failed"}
        if told and states == {"failed"}:
            states = {"completed", "failed"}  # imports alone: whether they count as tried is left open
        for over, reason in (self.used() >= self.max_trials, "max_trials"), (self.asked() >= self.size, "space_exhausted"):
            if over and not self.out():
                ends |= {(state, reason) for state in states}
                must = must or not self.out()
        return ends, must and not self.paused

    def asks_enough(self):
        """Whether nothing more has to be asked for."""
        if self.paused or self.end or self.winner()[1]:
            return True
        if self.baseline is None:
            return False
        if not self.measured:
            return True
        # Whether what is measured again by hand takes a place is left open.
        spent = self.used() + len(self.fresh()) >= self.max_trials
        return len(self.out()) >= self.parallel or spent or self.asked() >= self.size

    # What is seen of it

    def adopt(self, shown):
        """A trial that the job asked for by itself."""
        number, kind = shown["number"], shown["kind"]
        if number in self.trials:
            return
        if number == 0 and kind == "baseline":
            self.trials[0] = Trial(0, kind)
            return
        if kind != "evaluate" or not self.measured or (self.end and shown["state"] != "cancelled"):
            raise Difference(f"nobody could ask for trial {number}: {shown}")
        trial = self.trials[number] = Trial(number, kind)
        if self.end:
            trial.state = "cancelled"  # asked for just before somebody cancelled it
        if shown["source"] == "cache":
            results = [{"accuracy": shown["accuracy"], "latency_ms": shown["metrics"]["latency_ms"]}]
            if results[0] not in self.imports.values():
                raise Difference(f"trial {number} is answered by something that was never measured")
            trial.source, trial.state, trial.result, trial.settled = "cache", "told", results[0], True
        still = self.of(lambda t: t.searched and (t.open or t.state == "cancelled"))  # that is at the job's end alone
        fresh, wide = len([t for t in still if not t.settled]), len([t for t in still if not t.again])
        if self.asked() > self.size:
            raise Difference(f"{self.asked()} configs are asked for of a space of {self.size}")
        if (wide > self.parallel and not self.cut) or self.used() + fresh > self.max_trials:
            raise Difference(f"{wide} out, {self.used()} measured: parallel {self.parallel}, max_trials {self.max_trials}")

    def observe(self, document, shown):
        """Follows what the job did by itself, and says in what the documents are not what they must become."""
        for trial in shown:
            self.adopt(trial)
        ends, must = self.ends()
        reason = (document["exit"] or {}).get("reason")
        if self.end is None and document["state"] in FINAL:
            if (document["state"], reason) not in ends:
                raise Difference(f"{self.id} ended as {document['state']}, {reason}: allowed {ends or 'nothing'}\n{self}")
            self.finish(document["state"], reason)
        elif self.end is None and must:
            return [f"it has to end: {ends}"]
        faults = self.judge_state(document)
        if not self.asks_enough():
            faults.append(f"it has to ask for more: {len(self.out())} are out, {self.used()} measured")
        for trial in shown:
            faults += self.judge_trial(self.trials[trial["number"]], trial)
        lost = set(self.trials) - {trial["number"] for trial in shown}
        return faults + ([f"trials are not shown: {lost}"] if lost else []) + self.judge_counts(document)

    def judge_state(self, document):
        state = document["state"]
        if self.end:
            wanted = {self.end[0]}
        elif self.may_break and not self.paused and state == "paused" and document["pause"]["reason"] == "evaluator_broken":
            self.paused, wanted = True, {"paused"}
        elif self.paused:
            wanted = {"paused"}
        else:
            wanted = {"running"} if self.measured else {"queued", "baseline"}
        return [] if state in wanted else [f"state {state}: wanted {wanted}"]

    def judge_counts(self, document):
        progress, budget = document["progress"], document["budget"]
        told = self.of(lambda t: t.searched and t.source == "measured")  # had a result, which may be asked for again
        low, high = len([t for t in told if t.state == "told"]), len(told)
        faults = [] if low <= budget["trials_measured"] <= high else [f"trials_measured {budget['trials_measured']}: {low} to {high}"]
        wanted = {"failed": len(self.of(lambda t: t.number > 0 and t.state == "failed")),  # these count the search alone
                  "cancelled": len(self.of(lambda t: t.number > 0 and t.state == "cancelled")),
                  "imported": len(self.of(lambda t: t.source == "imported")),
                  "cached": len(self.of(lambda t: t.source == "cache"))}
        faults += [f"progress.{name} {progress[name]}: wanted {n}" for name, n in wanted.items() if progress.get(name) != n]
        if budget["max_trials"] != self.max_trials or document["parallel"] != self.parallel:
            faults.append(f"max_trials {budget['max_trials']}, parallel {document['parallel']}")
        return faults

    def judge_trial(self, trial, shown):
        faults = [] if shown["state"] == trial.state else [f"state {shown['state']}: wanted {trial.state}"]
        if not trial.sent - trial.uncharged <= shown["attempts"] <= trial.sent:
            faults.append(f"attempts {shown['attempts']}: sent {trial.sent}, of which {trial.uncharged} went back")
        if (shown["excluded"] is not None) != trial.excluded:
            faults.append(f"excluded {shown['excluded']}: wanted {trial.excluded}")
        if trial.state == "told" and shown["state"] == "told":
            seen = {"accuracy": shown["accuracy"], "latency_ms": shown["metrics"]["latency_ms"]}
            feasible = (trial.kind == "baseline" or self.feasible(trial)) if self.measured else None
            if seen != trial.result or shown["source"] != trial.source or shown["feasible"] != feasible:
                faults.append(f"{seen}, {shown['source']}, feasible {shown['feasible']}: "
                              f"wanted {trial.result}, {trial.source}, {feasible}")
            if trial.source == "measured" and shown["worker"] != trial.worker:
                faults.append(f"worker {shown['worker']}: wanted {trial.worker}")
        return [f"trial {trial.number}: {fault}" for fault in faults]

    def judge_best(self, best):
        """Contract 5 and 7.1, without an end game.

        "Results are applied in trial order" (contract 3): while an earlier trial is out, whether a later one counts is left open,
        and of a pause the contract does not say.
        """
        counted = self.of(lambda t: t.kind == "evaluate" and t.state == "told" and not t.excluded)
        if self.paused:
            return []
        if self.behind:
            good = {t.number for t in counted if self.feasible(t)}
            return [] if not good or best["trial"] in good else [f"best is trial {best['trial']}: wanted one of {good}\n{self}"]
        first = min((t.number for t in self.holes()), default=math.inf)
        faults = []
        for last in {math.inf, first}:
            faults = self.judge_choice(best, [t for t in counted if t.number < last])
            if not faults:
                break
        return faults

    def judge_choice(self, best, counted):
        good = [t for t in counted if self.feasible(t)]
        if not counted:
            wanted, because = {0}, {"nothing_measured"}
        elif not good:
            nearest = max(t.result["accuracy"] for t in counted)
            wanted, because = {t.number for t in counted if t.result["accuracy"] == nearest}, {"criterion_missed"}
        else:
            least = min(t.result["latency_ms"] for t in good)
            wanted = {t.number for t in good if t.result["latency_ms"] == least}
            because = {None if self.gain(self.trials[min(wanted)]) >= MIN_GAIN else "no_gain"}
        seen = best["trial"], best["keep_baseline_because"]
        right = seen[0] in wanted and seen[1] in because and best["keep_baseline"] == (seen[1] is not None)
        right = right and (not counted or best["feasible"] == bool(good))
        return [] if right else [f"best {seen}, feasible {best['feasible']}: wanted {wanted}, {because}\n{self}"]

    # What happens to it

    def finish(self, state, reason):
        self.end = (state, reason)
        self.paused = False
        self.behind = reason in ("cancelled", "too_many_failures")
        for trial in self.of(lambda t: t.open):
            self.release(trial)
            trial.state, trial.excluded = "cancelled", False  # of what was to be measured again nothing is left

    @staticmethod
    def release(trial, lease_state="over"):
        if trial.lease:
            trial.lease.state = lease_state
            trial.lease = None
        trial.state, trial.resting = "asked", False

    def tell(self, trial, result):
        trial.state, trial.source, trial.result = "told", "measured", result
        trial.settled, trial.excluded = True, False

    def fail(self, trial):
        trial.state, trial.settled, trial.excluded = "failed", True, False

    def charge(self, trial, retryable):
        """An attempt failed; all of them used up, the trial has."""
        trial.charged += 1
        if not retryable or trial.charged >= self.max_attempts:
            self.fail(trial)
        else:
            trial.resting = True

    def ask_again(self, trial):
        trial.held = any(t.number < trial.number for t in self.holes())
        trial.state, trial.charged, trial.again = "asked", 0, True
        trial.by_hand = False
