/*
 * The handlers of all resources, one file each; named in the route table.
 */
#ifndef NARROWD_API_RESOURCES_H
#define NARROWD_API_RESOURCES_H

#include "api/call.h"

/* jobs.c */
call_fn jobs_submit, jobs_list, jobs_get, jobs_patch, jobs_delete, jobs_delete_many, jobs_control,
	jobs_spec, jobs_clone;
/* A change of an open job, or one of any job, is on disk: the answer is the job. `arg` is the call, with
 * the job's id in call->id; for handlers of other files. */
void jobs_on_changed(void *arg, int rc, const struct err *err);
void jobs_on_edited(void *arg, int rc, const struct err *err);
/* trial_changes.c: what people do to trials */
call_fn trials_retry, trials_give_up, trials_exclude, trials_include;
/* trials.c */
call_fn trials_list, trials_get, trials_import, trials_tell_scores;
/* results.c: what a job has found */
call_fn results_space, results_best, results_pareto, results_sensitivity;
/* charts.c: what a job's pages draw */
call_fn charts_get;
/* export.c */
call_fn export_job;
/* events.c */
call_fn events_get, events_all;
/* sigopt.c: the face of a SigOpt server */
call_fn sigopt_create, sigopt_get, sigopt_suggest, sigopt_observe, sigopt_best;
/* spaces.c */
call_fn spaces_dry_run;
/* strategies.c */
call_fn strategies_list, strategies_get;
/* evaluators.c */
call_fn evaluators_create, evaluators_list, evaluators_get, evaluators_patch, evaluators_delete,
	evaluators_probe, evaluators_health;
/* pools.c */
call_fn pools_list, pools_get;
/* leases.c */
call_fn leases_take, leases_heartbeat, leases_complete, leases_return, workers_list;
/* tokens.c */
call_fn tokens_create, tokens_list, tokens_get, tokens_delete, session_begin, session_get,
	session_end;
/* webhooks.c */
call_fn webhooks_create, webhooks_list, webhooks_get, webhooks_delete, webhooks_test;
/* deliveries.c */
call_fn deliveries_list, deliveries_replay;
/* meta.c */
call_fn meta_openapi, meta_metrics, meta_health, meta_ready, meta_config;
/* html.c: the pages that people read */
call_fn html_home, html_job;
/* Who may not see a page sees why. */
void html_refuse(struct call *call, const struct err *err);
/* assets.c: the files they are made of */
call_fn assets_get;

#endif
