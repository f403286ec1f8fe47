"""A user's program on the Python client of openapi-generator: run by test_clients.py.

Prints as JSON what the answers are in the client's own types, by path.
"""

import datetime
import json
import sys

from openapi_client import (
    AccuracyCriterion,
    Answer,
    ApiClient,
    ApiException,
    Capability,
    Configuration,
    DaemonApi,
    DeleteRequest,
    DeleteRequestFilter,
    EvaluatorById,
    EvaluatorChoice,
    EvaluatorCreate,
    EvaluatorPool,
    EvaluatorsApi,
    HeartbeatRequest,
    JobPatch,
    JobsApi,
    JobSubmit,
    LeaseRequest,
    LeasesApi,
    MeasuredAnswer,
    QuantLevel,
    ResultsApi,
    StrategiesApi,
    TuningCriterion,
    WebhookCreate,
    WebhookEventType,
    WebhooksApi,
)

FINAL = ("completed", "cancelled", "failed")


def shown(model):
    return json.loads(model.to_json())


def submit(jobs, evaluator, strategy="basic", **members):
    return jobs.submit_job(JobSubmit(
        evaluator=EvaluatorChoice(evaluator),
        quant_level=QuantLevel(1),
        tuning_criterion=TuningCriterion(strategy=strategy, stop_on="budget", max_trials=9),
        accuracy_criterion=AccuracyCriterion(tolerable_loss=0.004),
        **members,
    ))


def final(jobs, job):
    """Waits for the end without asking all the time."""
    etag = '"none"'
    while True:
        try:
            answer = jobs.get_job_with_http_info(job, prefer="wait=20", if_none_match=etag)
            if answer.data.state in FINAL:
                return
            etag = answer.headers["ETag"]
        except ApiException as error:
            if error.status != 304:
                raise


def pages(call, *arguments, **named):
    """All items of a collection, in the form of one page."""
    items, cursor = [], {}
    while True:
        page = call(*arguments, limit=3, **named, **cursor)
        items += [shown(item) for item in page.items]
        if page.next is None:
            return {"items": items, "next": None}
        cursor = {"cursor": page.next}


def work(api, pool, job):
    """A worker, for as long as the job has questions."""
    request = LeaseRequest(worker="generated", pool=pool, wait_s=1)
    leases = LeasesApi(api)
    while JobsApi(api).get_job(job).state not in FINAL:
        for question in leases.take_leases(request).items:
            leases.heartbeat_lease(question.lease, HeartbeatRequest())
            latency = 3.0 if question.trial else [5.0, 5.5]
            answer = MeasuredAnswer.from_dict({"accuracy": 0.9, "latency_ms": latency})
            leases.complete_lease(question.lease, Answer(answer))


def main(url, evaluator_url):
    api = ApiClient(Configuration(host=url))
    jobs, results, evaluators = JobsApi(api), ResultsApi(api), EvaluatorsApi(api)
    evaluator = evaluators.create_evaluator(EvaluatorCreate(url=evaluator_url))
    job = submit(jobs, EvaluatorById(id=evaluator.id), labels={"made": "by a client"}).id
    final(jobs, job)
    jobs.edit_job(job, JobPatch(name="renamed"))
    capability = Capability.from_dict(shown(evaluators.probe_evaluator(evaluator.id).capability))
    pooled = submit(jobs, EvaluatorPool(pool="gpu"), capability=capability).id
    work(api, "gpu", pooled)
    hooks = WebhooksApi(api)
    hooks.create_webhook(
        WebhookCreate(url=evaluator_url, events=[WebhookEventType("new_best")], job=pooled)
    )
    try:
        refused = submit(jobs, EvaluatorById(id=evaluator.id), strategy="basics")
    except ApiException as error:
        refused = error.data
    old = DeleteRequestFilter(
        finished_before=datetime.datetime.now(datetime.timezone.utc), labels={"made": "by a client"}
    )
    path = f"/v1/jobs/{job}"
    print(json.dumps({
        "job": job,
        "pooled": pooled,
        "refused": shown(refused),
        "deletable": shown(jobs.delete_jobs(DeleteRequest(filter=old, dry_run=True))),
        "seen": {
            "/v1/jobs": pages(jobs.list_jobs),
            path: shown(jobs.get_job(job)),
            f"{path}/spec": shown(results.get_job_spec(job)),
            f"{path}/space": shown(results.get_job_space(job)),
            f"{path}/best": shown(results.get_job_best(job)),
            f"{path}/pareto": shown(results.list_job_pareto(job)),
            f"{path}/sensitivity": shown(results.get_job_sensitivity(job)),
            f"{path}/trials": pages(results.list_trials, job),
            f"{path}/trials?op.op0=int8": pages(results.list_trials, job, op={"op.op0": "int8"}),
            f"{path}/trials/1": shown(results.get_trial(job, 1)),
            f"{path}/charts/history": shown(results.get_job_history_chart(job)),
            f"{path}/charts/precision": shown(results.get_job_precision_chart(job)),
            f"{path}/charts/scatter": shown(results.get_job_scatter_chart(job)),
            f"{path}/charts/timeline": shown(results.get_job_timeline_chart(job)),
            f"{path}/export": shown(results.export_job(job)),
            "/v1/pools/none": shown(LeasesApi(api).get_pool("none")),
            f"{path}/events": pages(results.list_job_events, job),
            f"/v1/jobs/{pooled}": shown(jobs.get_job(pooled)),
            f"/v1/jobs/{pooled}/trials": pages(results.list_trials, pooled),
            "/v1/events": pages(results.list_all_events),
            "/v1/strategies": shown(StrategiesApi(api).list_strategies()),
            "/v1/strategies/tpe": shown(StrategiesApi(api).get_strategy("tpe")),
            "/v1/evaluators": pages(evaluators.list_evaluators),
            "/v1/webhooks": shown(hooks.list_webhooks()),
            "/v1/config": shown(DaemonApi(api).get_config()),
            "/healthz": shown(DaemonApi(api).get_health()),
        },
    }))


main(*sys.argv[1:])
