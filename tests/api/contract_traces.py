"""What happens in a trace: jobs, actions and faults, drawn by the trace's own random numbers."""

from contract_model import BASELINE, Difference
from contract_world import FAULTS_IN_A_ROW, operators

WORKERS = ["ann", "bob", "cy"]
ACCURACIES = [0.8, 0.795, 0.792, 0.7919, 0.78, 0.5]  # 0.792 is the bound
LATENCIES = [5, 8, 9.5, 9.9, 10, 12]
WRONG_ANSWERS = ["no JSON", "[1]", {}, {"accuracy": 0.8}, {"latency_ms": 5}, {"accuracy": "high", "latency_ms": 5},
                 {"accuracy": 0.8, "latency_ms": []}, {"accuracy": 0.8, "latency_ms": [5, "6"]}, {"failed": False},
                 {"accuracy": 0.8, "latency_ms": 5, "trial": 99999},
                 {"accuracy": 0.8, "latency_ms": 5, "lease": "lse_01JD9WA7B9C1D3E5F7G9H1J3K5"}]
WRONG_JOBS = ["{", {}, {"evaluator": {"pool": "p"}}, {"seeds": 1}, {"parallel": 0}, {"tuning_criterion": {"max_trials": 0}},
              {"retry": {"max_attempts": 0}}, {"evaluator": {"pool": ""}}]
WRONG_TAKES = [{"pool": "p"}, {"worker": "w"}, {"max": 0}, {"max": 65}, {"ttl_s": 1}, {"wait_s": 26}, {"ttl": 5}]
WRONG_PATCHES = [{"max_trials": 0}, {"parallel": 257}, {"strategy": "basic"}, {"timeout": -1}]
KILLS, LOSSES, EXPIRIES = 0.15, 0.3, 0.02  # in what share of the traces


def new_job(trace):
    draw, world = trace.draw, trace.world
    counts = draw.choice([[(1, 1)], [(2, 1)], [(2, 1), (1, 2)], [(2, 2)], [(2, 2), (2, 1)], [(2, 2), (2, 2)]])
    body = {
        "capability": operators(counts),
        "tuning_criterion": {"strategy": draw.choice(["exhaustive", "random"]), "objective": "latency_ms",
                             "stop_on": draw.choice(["budget", "budget", "first_feasible", "first_gain"]),
                             "max_trials": draw.choice([1, 2, 3, 5, 8, 20])},
        "accuracy_criterion": {"tolerable_loss": 0.01},
        "evaluator": {"pool": world.pool},
        "retry": {"max_attempts": draw.choice([1, 2, 3]), "backoff_s": 0.01},
        "max_failed_trials": draw.choice([0, 1, 2, 10]),
        "parallel": draw.choice([1, 1, 2, 3, 5]),
        "confirm": 0,
        "seed": draw.randrange(1000),
    }
    return world.submit(body, counts)


def wrong_job(trace):
    wrong = trace.draw.choice(WRONG_JOBS)
    if isinstance(wrong, dict) and "evaluator" not in wrong and wrong:
        wrong = {"evaluator": {"pool": trace.world.pool}, "capability": operators([(1, 1)]), **wrong}
    return trace.world.submit_wrong(wrong)


def take(trace):
    return trace.world.take(trace.draw.choice(WORKERS), trace.draw.choice([1, 1, 2, 4]))


def wrong_take(trace):
    wrong = trace.draw.choice(WRONG_TAKES)
    body = {"pool": trace.world.pool, "worker": "ann", **wrong} if len(wrong) != 1 or not {"pool", "worker"} & set(wrong) else wrong
    return trace.world.take_wrong(body)


def pick_job(trace, test=lambda job: True):
    """Mostly one that is open."""
    jobs = [job for job in trace.world.jobs if test(job)]
    still = [job for job in jobs if not job.end]
    return trace.draw.choice(still if still and trace.draw.random() < 0.8 else jobs) if jobs else None


def pick_lease(trace, *states):
    leases = [lease for lease in trace.world.leases if lease.state in states]
    return trace.draw.choice(leases) if leases else None


def live_first(trace):
    """A live lease, now and then any."""
    if trace.draw.random() < 0.1:
        return pick_lease(trace, "live", "answered", "over", "forgotten")
    return pick_lease(trace, "live")


def never_given(trace):
    """A call on a lease that there never was."""
    world = trace.world
    return trace.draw.choice([lambda: world.complete(None, dict(BASELINE)), lambda: world.heartbeat(None, {}),
                              lambda: world.hand_back(None, "stopping")])()


def numbers(trace, lease):
    if lease and lease.trial.kind == "baseline":
        return dict(BASELINE)
    return {"accuracy": trace.draw.choice(ACCURACIES), "latency_ms": trace.draw.choice(LATENCIES)}


def answer(trace):
    lease = live_first(trace)
    return trace.world.complete(lease, numbers(trace, lease)) if lease else None


def failure(trace):
    lease = live_first(trace)
    if lease is None:
        return None
    kinds = [{"failed": True, "error": "no kernel"}, {"failed": True, "error": "out of memory", "retryable": True}]
    if lease.trial.kind == "evaluate":
        kinds += [{"accuracy": None, "latency_ms": 5}, {"accuracy": 0.8, "latency_ms": None}]
    elif trace.draw.random() < 0.5:
        kinds = kinds[1:]
    return trace.world.complete(lease, trace.draw.choice(kinds))


def wrong_answer(trace):
    lease = pick_lease(trace, "live", "over", "forgotten")
    if lease and trace.world.faults.get(lease.worker, 0) == FAULTS_IN_A_ROW - 1 and trace.draw.random() < 0.7:
        return None
    return trace.world.complete_wrong(lease, trace.draw.choice(WRONG_ANSWERS)) if lease else None


def second_answer(trace):
    lease = pick_lease(trace, "answered")
    if lease is None:
        return None
    return trace.world.complete(lease, lease.answer if trace.draw.random() < 0.6 else {"accuracy": 0.123, "latency_ms": 4})


def heartbeat(trace):
    lease = pick_lease(trace, "live") or pick_lease(trace, "answered", "over", "forgotten")
    body = trace.draw.choice([{}, {"progress": {"seen": 5, "total": 10}}, {"mood": "good"}])
    return trace.world.heartbeat(lease, body) if lease else None


def hand_back(trace):
    lease = live_first(trace)
    return trace.world.hand_back(lease, "cannot" if trace.draw.random() < 0.2 else "stopping") if lease else None


def on_job(name, *arguments):
    def action(trace):
        job = pick_job(trace)
        return getattr(trace.world, name)(job, *arguments) if job else None
    return action


def patch(trace):
    job = pick_job(trace)
    body = trace.draw.choice([{"max_trials": trace.draw.choice([1, 2, 4, 10])}, {"parallel": trace.draw.choice([1, 2, 4])},
                              {"name": "renamed"}, {}])
    return trace.world.patch(job, body) if job else None


def wrong_patch(trace):
    job = pick_job(trace)
    return trace.world.patch_wrong(job, trace.draw.choice(WRONG_PATCHES)) if job else None


def delete(trace):
    job = pick_job(trace, lambda job: job.end or trace.draw.random() < 0.3)
    return trace.world.delete(job) if job else None


def on_trial(name, *arguments, test=lambda trial: True):
    """Mostly a trial for which it is meant, or any, or one that is not there."""
    def action(trace):
        job = pick_job(trace, lambda job: job.trials)
        if job is None:
            return None
        meant = [t.number for t in job.trials.values() if test(t)]
        chosen = meant if meant and trace.draw.random() < 0.8 else [*job.trials, max(job.trials) + 1000]
        return getattr(trace.world, name)(job, trace.draw.choice(chosen), *arguments)
    return action


def exclude(trace):
    def outside(job):
        """Where answers come from imports, or a first config ends it, what an exclusion changes is left open."""
        return job.trials and not job.imports and (job.stop_on == "budget" or job.end)
    job = pick_job(trace, outside)
    if job is None:
        return None
    meant = [t.number for t in job.trials.values() if t.state == "told"] + [0, max(job.trials) + 1000]
    return trace.world.exclude(job, trace.draw.choice(meant), trace.draw.choice(["another process ran", "noise", None]))


def bring(trace):
    """Configs that nobody has asked for yet, into jobs that go on to look for the best."""
    job = pick_job(trace, lambda job: job.stop_on == "budget" and not any(t.excluded for t in job.trials.values()))
    if job is None:
        return None
    known = {t.config for t in job.trials.values()}
    free = [config for config in job.keys if config not in known]
    chosen = trace.draw.sample(free, min(len(free), trace.draw.choice([1, 2])))
    if not chosen or job.of(lambda t: t.open and t.config is None and t.kind == "evaluate"):
        return None
    return trace.world.bring(job, {config: numbers(trace, None) for config in chosen})


def repeat(trace):
    if not trace.world.sent:
        return None
    return trace.world.repeat(*trace.draw.choice(trace.world.sent[-6:]))


def misuse(trace):
    if not trace.world.sent:
        return None
    call = trace.draw.choice(trace.world.sent)[0]
    if call.path == "/v1/leases":
        return trace.world.misuse(call, {**call.body, "max": 64})
    if call.path == "/v1/jobs":
        return trace.world.misuse(call, {**call.body, "name": "another"})
    return trace.world.misuse(call, {**(call.body or {}), "other": 1})


ACTIONS = {
    new_job: 3, wrong_job: 1, take: 22, wrong_take: 1, answer: 26, failure: 9, wrong_answer: 3, second_answer: 4,
    heartbeat: 5, never_given: 0.5, hand_back: 4, on_job("pause"): 2, on_job("resume"): 4, on_job("cancel"): 0.7, patch: 3, wrong_patch: 1,
    delete: 1, on_job("best"): 3, on_trial("retry", test=lambda t: t.state == "failed" or t.excluded): 4,
    on_job("retry_all"): 1.5, on_trial("give_up", test=lambda t: t.open and t.number > 0): 1.5, exclude: 2,
    on_trial("include", test=lambda t: t.excluded): 1.5, bring: 1.5, repeat: 4, misuse: 1,
}


def let_go(trace):
    """A worker takes a question and is never heard of again."""
    before = len(trace.world.leases)
    trace.call(trace.world.take(trace.draw.choice(WORKERS), 1, ttl_s=5))
    for lease in trace.world.leases[before:]:
        trace.expire(lease)


def step(trace, faults):
    if "expiry" in faults and trace.draw.random() < 0.1:
        faults.discard("expiry")
        return let_go(trace)
    if "kill" in faults and trace.draw.random() < 0.05:
        faults.discard("kill")
        trace.kill()
        return trace.settle(trace.world.jobs)
    action = trace.draw.choices(list(ACTIONS), list(ACTIONS.values()))[0]
    call = action(trace)
    if call is None:
        return None
    lost = None
    if "loss" in faults and call.keyed and not call.key and trace.draw.random() < 0.1:
        faults.discard("loss")
        lost = trace.draw.choice(["hang up", "hang up", "kill"])
    return trace.call(call, lost)


def finish(trace):
    """Somebody new answers whatever is asked until all has ended."""
    world = trace.world
    for i in range(300):
        trace.settle([job for job in world.jobs if not job.end])  # one that was free to end may have
        still = [job for job in world.jobs if not job.end]
        for job in still:
            if job.paused:
                trace.call(world.resume(job))
        if not still:
            return
        trace.rest(0.005 if i < 100 else 0.1)
        before = len(world.leases)
        trace.call(world.take(f"last-{i}", 4))
        for lease in [lease for lease in world.leases if lease.state == "live" and (lease in world.leases[before:] or i > 0)]:
            if lease.state == "live":
                trace.call(world.complete(lease, numbers(trace, lease)))
    raise Difference(f"it never ends: {[job for job in world.jobs if not job.end]}")


def play(trace):
    shares = {"kill": KILLS, "loss": LOSSES, "expiry": EXPIRIES}
    faults = {name for name, share in shares.items() if trace.draw.random() < share}
    trace.call(new_job(trace))
    for _ in range(trace.draw.choice([15, 30, 50])):
        step(trace, faults)
    if trace.draw.random() < 0.6:
        finish(trace)
    for job in trace.world.jobs:
        if job.measured and not job.deleted:
            trace.call(trace.world.best(job))
        for call in (trace.world.cancel, trace.world.delete, trace.world.delete):
            trace.call(call(job))
