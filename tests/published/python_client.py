"""A user's program on the client that openapi-python-client makes: run by test_clients.py.

Prints as JSON what the answers are in the client's own types, by path.
"""

import datetime
import json
import sys

from narrowd_client import Client
from narrowd_client.api.daemon import get_config, get_health
from narrowd_client.api.evaluators import create_evaluator, list_evaluators, probe_evaluator
from narrowd_client.api.jobs import delete_jobs, edit_job, get_job, list_jobs, submit_job
from narrowd_client.api.leases import complete_lease, get_pool, heartbeat_lease, take_leases
from narrowd_client.api.results import (
    export_job,
    get_job_best,
    get_job_history_chart,
    get_job_precision_chart,
    get_job_scatter_chart,
    get_job_sensitivity,
    get_job_space,
    get_job_spec,
    get_job_timeline_chart,
    get_trial,
    list_all_events,
    list_job_events,
    list_job_pareto,
    list_trials,
)
from narrowd_client.api.strategies import get_strategy, list_strategies
from narrowd_client.api.webhooks import create_webhook, list_webhooks
from narrowd_client.models import (
    AccuracyCriterion,
    Capability,
    DeleteRequest,
    DeleteRequestFilter,
    EvaluatorById,
    EvaluatorCreate,
    EvaluatorPool,
    EventType,
    HeartbeatRequest,
    JobPatch,
    JobState,
    JobSubmit,
    Labels,
    LeaseRequest,
    ListTrialsOp,
    MeasuredAnswer,
    QuantLevelType1,
    TuningCriterion,
    TuningCriterionStopOn,
    WebhookCreate,
)

FINAL = (JobState.COMPLETED, JobState.CANCELLED, JobState.FAILED)


def submit(client, evaluator, strategy="basic", **members):
    body = JobSubmit(
        evaluator=evaluator,
        quant_level=QuantLevelType1.VALUE_1,
        tuning_criterion=TuningCriterion(
            strategy=strategy, stop_on=TuningCriterionStopOn.BUDGET, max_trials=9
        ),
        accuracy_criterion=AccuracyCriterion(tolerable_loss=0.004),
        **members,
    )
    return submit_job.sync(client=client, body=body)


def final(client, job):
    """Waits for the end without asking all the time."""
    etag = '"none"'
    while True:
        answer = get_job.sync_detailed(job, client=client, prefer="wait=20", if_none_match=etag)
        if answer.status_code != 304:
            if answer.parsed.state in FINAL:
                return answer.parsed
            etag = answer.headers["etag"]


def pages(call, *arguments, **named):
    """All items of a collection, in the form of one page."""
    items, cursor = [], {}
    while True:
        page = call.sync(*arguments, limit=3, **named, **cursor)
        items += [item.to_dict() for item in page.items]
        if page.next_ is None:
            return {"items": items, "next": None}
        cursor = {"cursor": page.next_}


def work(client, pool, job):
    """A worker, for as long as the job has questions."""
    request = LeaseRequest(worker="generated", pool=pool, wait_s=1)
    while get_job.sync(job, client=client).state not in FINAL:
        for question in take_leases.sync(client=client, body=request).items:
            heartbeat_lease.sync(question.lease, client=client, body=HeartbeatRequest())
            answer = MeasuredAnswer(accuracy=0.9, latency_ms=3.0 if question.trial else [5.0, 5.5])
            complete_lease.sync(question.lease, client=client, body=answer)


def main(url, evaluator_url):
    client = Client(base_url=url, raise_on_unexpected_status=True)
    on = {"client": client}
    evaluator = create_evaluator.sync(**on, body=EvaluatorCreate(url=evaluator_url))
    labels = Labels.from_dict({"made": "by a client"})
    job = submit(client, EvaluatorById(id=evaluator.id), labels=labels).id
    final(client, job)
    edit_job.sync(job, **on, body=JobPatch(name="renamed"))
    capability = Capability.from_dict(probe_evaluator.sync(evaluator.id, **on).capability.to_dict())
    pooled = submit(client, EvaluatorPool(pool="gpu"), capability=capability).id
    work(client, "gpu", pooled)
    hook = WebhookCreate(url=evaluator_url, events=[EventType.NEW_BEST], job=pooled)
    create_webhook.sync(**on, body=hook)
    refused = submit(client, EvaluatorById(id=evaluator.id), strategy="basics")
    old = DeleteRequestFilter(finished_before=datetime.datetime.now(datetime.timezone.utc), labels=labels)
    path = f"/v1/jobs/{job}"
    op0 = ListTrialsOp.from_dict({"op.op0": "int8"})
    print(json.dumps({
        "job": job,
        "pooled": pooled,
        "refused": refused.to_dict(),
        "deletable": delete_jobs.sync(**on, body=DeleteRequest(old, dry_run=True)).to_dict(),
        "seen": {
            "/v1/jobs": pages(list_jobs, **on),
            path: get_job.sync(job, **on).to_dict(),
            f"{path}/spec": get_job_spec.sync(job, **on).to_dict(),
            f"{path}/space": get_job_space.sync(job, **on).to_dict(),
            f"{path}/best": get_job_best.sync(job, **on).to_dict(),
            f"{path}/pareto": list_job_pareto.sync(job, **on).to_dict(),
            f"{path}/sensitivity": get_job_sensitivity.sync(job, **on).to_dict(),
            f"{path}/trials": pages(list_trials, job, **on),
            f"{path}/trials?op.op0=int8": pages(list_trials, job, op=op0, **on),
            f"{path}/trials/1": get_trial.sync(job, 1, **on).to_dict(),
            f"{path}/charts/history": get_job_history_chart.sync(job, **on).to_dict(),
            f"{path}/charts/precision": get_job_precision_chart.sync(job, **on).to_dict(),
            f"{path}/charts/scatter": get_job_scatter_chart.sync(job, **on).to_dict(),
            f"{path}/charts/timeline": get_job_timeline_chart.sync(job, **on).to_dict(),
            f"{path}/export": export_job.sync(job, **on).to_dict(),
            "/v1/pools/none": get_pool.sync("none", **on).to_dict(),
            f"{path}/events": pages(list_job_events, job, **on),
            f"/v1/jobs/{pooled}": get_job.sync(pooled, **on).to_dict(),
            f"/v1/jobs/{pooled}/trials": pages(list_trials, pooled, **on),
            "/v1/events": pages(list_all_events, **on),
            "/v1/strategies": list_strategies.sync(**on).to_dict(),
            "/v1/strategies/tpe": get_strategy.sync("tpe", **on).to_dict(),
            "/v1/evaluators": pages(list_evaluators, **on),
            "/v1/webhooks": list_webhooks.sync(**on).to_dict(),
            "/v1/config": get_config.sync(**on).to_dict(),
            "/healthz": get_health.sync(**on).to_dict(),
        },
    }))


main(*sys.argv[1:])
