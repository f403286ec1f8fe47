#include "api/resources.h"
#include "api/router.h"

static const char *const page[] = {"limit", "cursor", NULL};
static const char *const job_page[] = {"limit", "cursor", "state", "name", "label.", NULL};
static const char *const trial_page[] = {"limit",  "cursor",   "state", "stage", "kind",
					 "source", "feasible", "order", NULL};
static const char *const event_page[] = {"limit", "cursor", "type", "after", NULL};
static const char *const all_events[] = {"limit", "cursor", "type", "after", "label.", NULL};
static const char *const delivery_page[] = {"limit", "cursor", "state", NULL};
static const char *const one_trial[] = {"config", NULL};
static const char *const formats[] = {"format", NULL};

static const char *const json[] = {"application/json", NULL};
static const char *const json_or_stream[] = {"application/json", "text/event-stream", NULL};
static const char *const json_or_csv[] = {"application/json", "text/csv", NULL};
static const char *const text[] = {"text/plain", NULL};
static const char *const html[] = {"text/html", NULL};
static const char *const assets[] = {"text/javascript", "text/css", "image/svg+xml", NULL};

const struct route router_table[] = {
	{"POST", "/v1/jobs", jobs_submit, BODY, NULL, json},
	{"GET", "/v1/jobs", jobs_list, NO_BODY, job_page, json},
	{"GET", "/v1/jobs/{id}", jobs_get, NO_BODY, NULL, json},
	{"PATCH", "/v1/jobs/{id}", jobs_patch, BODY, NULL, json},
	{"DELETE", "/v1/jobs/{id}", jobs_delete, NO_BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/pause", jobs_control, MAYBE_BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/resume", jobs_control, MAYBE_BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/cancel", jobs_control, MAYBE_BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/clone", jobs_clone, MAYBE_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/spec", jobs_spec, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/space", results_space, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/best", results_best, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/pareto", results_pareto, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/sensitivity", results_sensitivity, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/trials", trials_list, NO_BODY, trial_page, json},
	{"POST", "/v1/jobs/{id}/trials", trials_import, BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/trials/{n}", trials_get, NO_BODY, one_trial, json},
	{"POST", "/v1/jobs/{id}/trials/{n}/retry", jobs_change_trial, MAYBE_BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/trials/{n}/cancel", jobs_change_trial, MAYBE_BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/trials/{n}/exclude", jobs_exclude, BODY, NULL, json},
	{"POST", "/v1/jobs/{id}/trials/{n}/include", jobs_include, MAYBE_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/events", events_get, NO_BODY, event_page, json_or_stream},
	{"GET", "/v1/jobs/{id}/charts/history", charts_get, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/charts/scatter", charts_get, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/charts/precision", charts_get, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/charts/timeline", charts_get, NO_BODY, NULL, json},
	{"GET", "/v1/jobs/{id}/export", export_job, NO_BODY, formats, json_or_csv},
	{"GET", "/v1/events", events_all, NO_BODY, all_events, json_or_stream},
	{"POST", "/v1/spaces", spaces_dry_run, BODY, NULL, json},
	{"GET", "/v1/strategies", strategies_list, NO_BODY, NULL, json},
	{"GET", "/v1/strategies/{name}", strategies_get, NO_BODY, NULL, json},
	{"POST", "/v1/evaluators", evaluators_create, BODY, NULL, json},
	{"GET", "/v1/evaluators", evaluators_list, NO_BODY, page, json},
	{"GET", "/v1/evaluators/{id}", evaluators_get, NO_BODY, NULL, json},
	{"PATCH", "/v1/evaluators/{id}", evaluators_patch, BODY, NULL, json},
	{"DELETE", "/v1/evaluators/{id}", evaluators_delete, NO_BODY, NULL, json},
	{"GET", "/v1/evaluators/{id}/health", evaluators_health, NO_BODY, NULL, json},
	{"POST", "/v1/evaluators/{id}/probe", evaluators_probe, MAYBE_BODY, NULL, json},
	{"POST", "/v1/leases", leases_take, BODY, NULL, json},
	{"POST", "/v1/leases/{id}/heartbeat", leases_heartbeat, MAYBE_ANSWER, NULL, json},
	{"POST", "/v1/leases/{id}/complete", leases_complete, ANSWER, NULL, json},
	{"POST", "/v1/leases/{id}/return", leases_return, BODY, NULL, json},
	{"POST", "/v1/webhooks", webhooks_create, BODY, NULL, json},
	{"GET", "/v1/webhooks", webhooks_list, NO_BODY, page, json},
	{"GET", "/v1/webhooks/{id}", webhooks_get, NO_BODY, NULL, json},
	{"DELETE", "/v1/webhooks/{id}", webhooks_delete, NO_BODY, NULL, json},
	{"POST", "/v1/webhooks/{id}/test", webhooks_test, MAYBE_BODY, NULL, json},
	{"GET", "/v1/webhooks/{id}/deliveries", deliveries_list, NO_BODY, delivery_page, json},
	{"POST", "/v1/webhooks/{id}/deliveries/{n}/replay", deliveries_replay, MAYBE_BODY, NULL,
	 json},
	{"GET", "/v1/workers", workers_list, NO_BODY, NULL, json},
	{"POST", "/sigopt/v1/experiments", sigopt_create, BODY, NULL, json},
	{"GET", "/sigopt/v1/experiments/{id}", sigopt_get, NO_BODY, NULL, json},
	{"POST", "/sigopt/v1/experiments/{id}/suggestions", sigopt_suggest, MAYBE_BODY, NULL, json},
	{"POST", "/sigopt/v1/experiments/{id}/observations", sigopt_observe, BODY, NULL, json},
	{"GET", "/sigopt/v1/experiments/{id}/best_assignments", sigopt_best, NO_BODY, NULL, json},
	{"GET", "/v1/config", meta_config, NO_BODY, NULL, json},
	{"GET", "/openapi.json", meta_openapi, NO_BODY, NULL, json},
	{"GET", "/metrics", meta_metrics, NO_BODY, NULL, text},
	{"GET", "/healthz", meta_health, NO_BODY, NULL, json},
	{"GET", "/readyz", meta_ready, NO_BODY, NULL, json},
	{"GET", "/", html_home, NO_BODY, NULL, html},
	{"GET", "/jobs/{id}", html_job, NO_BODY, NULL, html},
	{"GET", "/page/{file}", assets_get, NO_BODY, NULL, assets},
	{NULL, NULL, NULL, NO_BODY, NULL, NULL},
};
