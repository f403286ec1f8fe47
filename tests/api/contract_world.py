"""The calls of a trace: what the contract allows as the answer to each, and what each answer does to the model.

`World` has the jobs of one pool, the leases on their questions and what was sent under which key. Each method of a call
returns a `Call`; nothing here is sent.
"""

import json

from contract_model import GONE, INVALID, NOT_FOUND, WRONG_STATE, Difference, Job, Lease, NotYet, Outcome, Trial, refused

FAULTS_IN_A_ROW = 3
GRANULARITIES = ["per_channel", "per_tensor"]
ALGORITHMS = ["minmax", "kl"]


class Call:
    """A request and the outcomes that are allowed. `jobs` are those that it may change."""

    def __init__(self, method, path, body, outcomes, jobs=(), keyed=True):
        self.method, self.path, self.body, self.outcomes, self.jobs = method, path, body, outcomes, list(jobs)
        self.key = None
        self.keyed = keyed and method == "POST"  # whether an Idempotency-Key makes it one call, however often it is sent

    def __repr__(self):
        key = f"  Idempotency-Key: {self.key}" if self.key else ""
        body = "" if self.body is None else self.body if isinstance(self.body, str) else json.dumps(self.body)
        return f"{self.method} {self.path} {body}{key}"


def operators(counts):
    """A capability of one operator for each (granularities, algorithms)."""
    ops = [{"name": f"op{i}", "type": "Linear",
            "modes": {"static": {"weight": {"dtype": ["int8"], "granularity": GRANULARITIES[:g]},
                                 "activation": {"dtype": ["uint8"], "algorithm": ALGORITHMS[:a]}}}}
           for i, (g, a) in enumerate(counts)]
    return {"ops": ops, "metrics": ["accuracy", "latency_ms"]}


def configs(counts):
    """Every config that `exhaustive` and `random` may ask for: they try no operator in high precision."""
    every = [()]
    for g, a in counts:
        every = [(*config, (granularity, algorithm)) for config in every
                 for granularity in GRANULARITIES[:g] for algorithm in ALGORITHMS[:a]]
    return every


def config_of(document):
    """The same of a question's config; None when it is none of these."""
    ops = document["ops"]
    if any(op["mode"] != "static" for op in ops.values()):
        return None
    return tuple((ops[f"op{i}"]["weight"]["granularity"], ops[f"op{i}"]["activation"]["algorithm"]) for i in range(len(ops)))


def document_of(config):
    return {"ops": {f"op{i}": {"mode": "static", "weight": {"dtype": "int8", "granularity": granularity},
                               "activation": {"dtype": "uint8", "algorithm": algorithm}}
                    for i, (granularity, algorithm) in enumerate(config)}}


class World:
    def __init__(self, pool):
        self.pool = pool
        self.jobs, self.leases = [], []
        self.sent = []  # (call, status, answer) of what was carried out under a key
        self.faults = {}  # worker: answers in a row that cannot be used
        self.total = {}  # worker: all of them
        self.unknown = set()  # workers of which the contract does not say whether they get questions

    # Jobs

    def submit(self, body, counts):
        def made(answer):
            self.jobs.append(Job(answer["id"], body, configs(counts)))
            call.jobs.append(self.jobs[-1])

        call = Call("POST", "/v1/jobs", body, [Outcome(201, effect=made)])
        return call

    def submit_wrong(self, body):
        outcomes = refused(400, "invalid_json") if isinstance(body, str) else INVALID
        return Call("POST", "/v1/jobs", body, outcomes)

    def of_job(self, job, method, action, outcomes, body=None, keyed=True):
        """A call on a job: 404 once it is deleted. Which of two faults of a call is named is left open."""
        if job.deleted:
            outcomes = NOT_FOUND + [outcome for outcome in outcomes if outcome.status == 422]
        return Call(method, f"/v1/jobs/{job.id}{action}", body, outcomes, [job], keyed)

    def pause(self, job):
        def paused(answer):
            job.paused = True

        outcomes = WRONG_STATE if job.end else [Outcome(200, effect=paused)]
        if not job.end and not job.measured and not job.paused:
            outcomes = outcomes + WRONG_STATE  # the states of contract 3 lead from `running` alone
        return self.of_job(job, "POST", "/pause", outcomes)

    def resume(self, job):
        def resumed(answer):
            job.paused = False

        return self.of_job(job, "POST", "/resume", WRONG_STATE if job.end else [Outcome(200, effect=resumed)])

    def cancel(self, job):
        def cancelled(answer):
            end = answer["state"], (answer["exit"] or {}).get("reason")
            if not job.end:
                if end not in job.ends()[0] | {("cancelled", "cancelled")}:
                    raise Difference(f"cancelled, it is {end}")
                job.finish(*end)

        return self.of_job(job, "POST", "/cancel", [Outcome(200, effect=cancelled)])

    def delete(self, job):
        def deleted(answer):
            job.deleted = True
            for lease in self.leases:
                if lease.job is job:
                    lease.state = "forgotten"

        return self.of_job(job, "DELETE", "", [Outcome(204, effect=deleted)] if job.end else WRONG_STATE)

    def patch(self, job, body):
        def patched(answer):
            parallel, max_trials = body.get("parallel", job.parallel), body.get("max_trials", job.max_trials)
            job.cut = job.cut or parallel < job.parallel
            job.parallel, job.max_trials = parallel, max_trials

        names_only = not set(body) - {"name", "labels"}
        outcomes = [Outcome(200, effect=patched)] if names_only or not job.end else WRONG_STATE
        if not job.end and body.get("max_trials", job.max_trials) < job.used() + len(job.fresh()):
            outcomes = INVALID  # what is measured or out cannot be taken back
        return self.of_job(job, "PATCH", "", outcomes, body)

    def patch_wrong(self, job, body):
        return self.of_job(job, "PATCH", "", INVALID + (WRONG_STATE if job.end else []), body)

    def best(self, job):
        def judged(answer):
            faults = job.judge_best(answer) if job.stop_on == "budget" else []
            if faults:
                raise NotYet("; ".join(faults))

        known = job.measured
        return self.of_job(job, "GET", "/best", [Outcome(200, effect=judged)] if known else WRONG_STATE)

    # Trials

    def of_trial(self, job, number, action, body, outcomes):
        if number not in job.trials:
            invalid = [outcome for outcome in outcomes if outcome.status == 422]
            outcomes = NOT_FOUND + invalid + (WRONG_STATE if job.end else [])
        return self.of_job(job, "POST", f"/trials/{number}/{action}", outcomes, body)

    def retry(self, job, number):
        trial = job.trials.get(number)

        def again(answer):
            job.ask_again(trial)

        can = trial and not job.end and trial.source != "imported" and (trial.state == "failed" or trial.excluded)
        can = can and not trial.open
        return self.of_trial(job, number, "retry", None, [Outcome(200, effect=again)] if can else WRONG_STATE)

    def retry_all(self, job):
        def again(answer):
            for trial in job.of(lambda t: t.state == "failed"):
                job.ask_again(trial)

        return self.of_job(job, "POST", "/retry", WRONG_STATE if job.end else [Outcome(200, effect=again)])

    def give_up(self, job, number):
        """A question that is out, or waits, is given up; not counted for `max_failed_trials`."""
        trial = job.trials.get(number)

        def given_up(answer):
            job.release(trial)
            job.fail(trial)
            trial.by_hand = True

        can = trial and trial.open and not job.end
        return self.of_trial(job, number, "cancel", None, [Outcome(200, effect=given_up)] if can else WRONG_STATE)

    def exclude(self, job, number, reason):
        trial = job.trials.get(number)

        def excluded(answer):
            trial.excluded = True

        can = trial and number != 0 and trial.source in ("measured", "imported") and (trial.state == "told" or trial.excluded)
        outcomes = [Outcome(200, effect=excluded)] if can else WRONG_STATE
        if reason is None:
            return self.of_trial(job, number, "exclude", {}, INVALID + ([] if can else WRONG_STATE))
        return self.of_trial(job, number, "exclude", {"reason": reason}, outcomes)

    def include(self, job, number):
        """409 while it is measured again; of others that are not excluded the request is repeated, which is no error."""
        trial = job.trials.get(number)

        def included(answer):
            trial.excluded = False

        outcomes = [Outcome(200, effect=included)]
        if trial and trial.excluded and trial.open:
            outcomes = WRONG_STATE
        elif trial and not trial.excluded:  # "stays as it is"; what has no measurement cannot be included
            outcomes = [Outcome(200)] + (WRONG_STATE if trial.state != "told" or number == 0 else [])
        return self.of_trial(job, number, "include", None, outcomes)

    def bring(self, job, measured):
        """Imports {config: result}: they count as history, not as budget."""
        body = {"trials": [{"config": document_of(config), **result} for config, result in measured.items()]}

        def brought(answer):
            if answer["imported"] != len(measured) or answer["skipped"] != 0:
                raise Difference(f"{len(measured)} configs are imported: {answer}")
            for i, (config, result) in enumerate(measured.items()):
                trial = job.trials[answer["first"] + i] = Trial(answer["first"] + i, "evaluate")
                trial.state, trial.source, trial.config, trial.result = "told", "imported", config, result
                job.imports[config] = result

        return self.of_job(job, "POST", "/trials", WRONG_STATE if job.end else [Outcome(200, effect=brought)], body)

    # Leases

    def due(self, worker):
        """The questions that this worker is sure to find, those that it will find soon, and all that it may find."""
        sure, soon, maybe = [], [], []
        if self.faults.get(worker, 0) >= FAULTS_IN_A_ROW and worker not in self.unknown:
            return sure, soon, maybe
        for job in self.jobs:
            if job.end or job.paused or job.barred.get(worker, False) is True:
                continue
            waits = job.of(lambda t: t.state == "asked")
            if worker not in self.unknown and worker not in job.barred and not job.may_break and not job.ends()[0]:
                places = max(0, job.parallel - len(job.of(lambda t: t.state == "leased")))  # "questions that are out at once"
                sure += [t for t in waits if not t.resting][:places]
                soon += [t for t in waits if t.resting][:places]
            maybe += waits
        return sure, soon, maybe

    def take(self, worker, most, ttl_s=3600):
        sure, soon, _ = self.due(worker)
        # Who is not sure to find anything does not wait for it.
        body = {"pool": self.pool, "worker": worker, "max": most, "wait_s": 25 if sure or soon else 0, "ttl_s": ttl_s}
        call = Call("POST", "/v1/leases", body, [])

        def taken(answer):
            items = answer["items"]
            sure, soon, maybe = self.due(worker)  # after a restart that came between, of which less is said
            # `max` is what it takes "at most": somebody who waits for one has it as soon as it is there.
            if not min(1, len(sure) + len(soon)) <= len(items) <= min(most, len(maybe)):
                raise Difference(f"{len(items)} questions: {len(sure)} are due and at most {len(maybe)}")
            for item in items:
                call.jobs.append(self.give(worker, item))

        call.outcomes = [Outcome(200, effect=taken)]
        return call

    def give(self, worker, item):
        """A worker got a question: it must be one that waits, of a config that nobody had yet."""
        job = next((job for job in self.jobs if job.id == item["job"]), None)
        trial = job and job.trials.get(item["trial"])
        if trial is None or trial.state != "asked" or job.paused or job.end or item["kind"] != trial.kind:
            raise Difference(f"nobody waits for the answer to {item}")
        if not trial.sent - trial.uncharged < item["attempt"] <= trial.sent + 1:
            raise Difference(f"attempt {item['attempt']}: sent {trial.sent} times, of which {trial.uncharged} went back")
        if trial.kind == "evaluate":
            config = config_of(item["config"])
            twice = [t.number for t in job.trials.values() if t.config == config and t is not trial
                     and (t.source != "imported" or t.number < trial.number)]
            if config not in job.keys or twice or trial.config not in (None, config):
                raise Difference(f"trial {trial.number} asks for {config}: it was {trial.config}, others with it: {twice}")
            trial.config = config
        lease = trial.lease = Lease(item["lease"], job, trial, worker)
        if any(other.id == lease.id for other in self.leases):
            raise Difference(f"the lease {lease.id} is given twice")
        self.leases.append(lease)
        trial.state, trial.sent, trial.resting = "leased", trial.sent + 1, False
        return job

    def take_wrong(self, body):
        return Call("POST", "/v1/leases", body, INVALID)

    def of_lease(self, lease, action, body, outcomes, keyed=False):
        """A call on a lease; None is one that was never given."""
        name = lease.id if lease else "lse_01JD9WA7B9C1D3E5F7G9H1J3K5"
        if lease is None or lease.state == "forgotten":
            outcomes = NOT_FOUND
        elif lease.state == "over":
            outcomes = GONE
        return Call("POST", f"/v1/leases/{name}/{action}", body, outcomes, [lease.job] if lease else [], keyed)

    def heartbeat(self, lease, body):
        def alive(answer):
            if answer["continue"] is not True:
                raise Difference(f"nothing has decided about {lease.id}: {answer}")

        outcomes = GONE if lease and lease.state == "answered" else [Outcome(200, effect=alive)]
        return self.of_lease(lease, "heartbeat", body, outcomes)

    def hand_back(self, lease, reason):
        def returned(answer):
            if reason == "cannot":
                lease.job.barred[lease.worker] = True
            lease.trial.uncharged += 1
            lease.job.release(lease.trial)

        outcomes = GONE if lease and lease.state == "answered" else [Outcome(200, effect=returned)]
        return self.of_lease(lease, "return", {"reason": reason, "detail": "of a trace"}, outcomes)

    def complete(self, lease, body):
        """An answer that can be used: numbers, a failure, or what is no number of a config."""
        def counted(answer):
            job, trial = lease.job, lease.trial
            job.release(trial, "answered")
            lease.answer, trial.worker = body, lease.worker
            if self.faults.get(lease.worker, 0) >= FAULTS_IN_A_ROW:
                self.unknown.add(lease.worker)  # whether a good answer ends the time without questions is left open
            self.faults[lease.worker] = 0
            if body.get("failed"):
                job.charge(trial, body.get("retryable", False))
            elif body["accuracy"] is None or body["latency_ms"] is None:
                job.charge(trial, False)
            else:
                job.tell(trial, dict(body))

        if lease and lease.state == "answered":
            same = lease.answer == body
            return self.of_lease(lease, "complete", body, [Outcome(200)] if same else refused(409, "conflict"))
        return self.of_lease(lease, "complete", body, [Outcome(200, effect=counted)])

    def complete_wrong(self, lease, body):
        """An answer that cannot be used is the worker's fault: it keeps its lease (contract 7.3)."""
        another = isinstance(body, dict) and ("trial" in body or "lease" in body)

        def faulted(answer):
            self.faults[lease.worker] = self.faults.get(lease.worker, 0) + 1
            self.total[lease.worker] = self.total.get(lease.worker, 0) + 1
            if self.total[lease.worker] >= FAULTS_IN_A_ROW > self.faults[lease.worker]:
                self.unknown.add(lease.worker)  # what ends a row (an answer to another job, a failure) is left open
            if lease.trial.kind == "baseline" or self.faults[lease.worker] >= FAULTS_IN_A_ROW:
                lease.job.may_break = True  # "when nobody is left, or on the first baseline, the job pauses"

        outcomes = [Outcome(409, "conflict", faulted)] if another else [Outcome(422, "evaluator_failed", faulted)]
        if lease and lease.state == "answered":
            outcomes = refused(409, "conflict") + refused(422, "evaluator_failed")
        return self.of_lease(lease, "complete", body, outcomes)

    def expired(self, lease):
        """The lease's time was up: what it was asked for is charged as a failed attempt."""
        lease.trial.lease = None
        lease.state = "over"
        lease.trial.state = "asked"
        lease.trial.worker = lease.worker
        lease.job.charge(lease.trial, True)

    # Keys, faults of the machine

    def keep(self, call, status, answer):
        """A key is kept "in the same transaction as what it created" (contract 1), and no question creates nothing."""
        if call.key and status < 300 and (answer or {}).get("items") != []:
            self.sent.append((call, status, answer))

    def repeat(self, call, status, answer):
        """The same once more under its key: the same answer, and nothing happens."""
        def same(again):
            if again != answer:
                raise Difference(f"the repeated answer is {json.dumps(again)}, the first was {json.dumps(answer)}")

        again = Call(call.method, call.path, call.body, [Outcome(status, effect=same)])
        again.key, again.replays = call.key, True
        return again

    def misuse(self, call, body):
        """Another body under a key that was used. Whether it is read before the key is left open."""
        outcomes = refused(422, "idempotency_mismatch")
        if isinstance(body, dict) and "other" in body and not call.path.endswith("/complete"):
            outcomes = outcomes + INVALID
        again = Call(call.method, call.path, body, outcomes)
        again.key = call.key
        return again

    def restarted(self):
        """Whether a worker is still left out after a restart, the contract does not say."""
        self.unknown |= {worker for worker, faults in self.faults.items() if faults}
        for job in self.jobs:
            job.barred = dict.fromkeys(job.barred)
