#include "api/resources.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_budget.h"

enum { METRICS_BYTES_MAX = 65536 };

extern const char openapi_json[];

void meta_openapi(struct call *call)
{
	request_add_header(call->request, "Cache-Control", "no-cache");
	call_reply_copy(call, 200, openapi_json);
}

void meta_health(struct call *call)
{
	call_reply_json(call, 200, json_pack("{s:s}", "status", "ok"));
}

void meta_ready(struct call *call)
{
	bool known = call->who.known; /* others hear no more than yes or no */

	if (call->server->draining) {
		call_error(call, ERR_DRAINING, "%s",
			   known ? "the daemon is stopping" : "not ready");
	} else if (!store_writable(call->server->store)) {
		call_error(call, known ? ERR_STORAGE : ERR_OVERLOADED, "%s",
			   known ? "the store cannot be written: the disk is full" : "not ready");
	} else {
		call_reply_json(call, 200, json_pack("{s:s}", "status", "ok"));
	}
}

void meta_config(struct call *call)
{
	call_reply_text(call, 200, "application/json", call->server->settings());
}

struct metric {
	const char *name, *type, *help;
	double value;
};

static void add_metric(struct buf *text, const struct metric *m)
{
	buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", m->name, m->help, m->name,
		   m->type, m->name, m->value);
}

static void on_counts(struct call *call, const struct store_rows *rows)
{
	const struct server *server = call->server;
	struct tuner_stats tuner;
	struct store_stats store;
	struct courier_stats courier;
	struct loop_slow slow = loop_slow(server->loop);
	struct buf text;

	tuner_stats(server->tuner, &tuner);
	store_stats(server->store, &store);
	courier_stats(server->courier, &courier);
	const struct metric metrics[] = {
		{"narrowd_uptime_seconds", "gauge", "Time since the start.",
		 (double)(clock_mono_ms() - server->started_ms) / 1000},
		{"narrowd_open_jobs", "gauge", "Jobs that are not final.", (double)tuner.open_jobs},
		{"narrowd_questions_out", "gauge", "Questions that evaluators work on.",
		 (double)tuner.flights},
		{"narrowd_jobs_waiting", "gauge", "Jobs that wait for a place at an evaluator.",
		 (double)tuner.waiting},
		{"narrowd_evaluators_down", "gauge", "Evaluators whose questions wait.",
		 (double)tuner.evaluators_down},
		{"narrowd_trials_told_total", "counter", "Answers that counted.",
		 (double)tuner.trials_told},
		{"narrowd_trials_failed_total", "counter", "Trials that failed for good.",
		 (double)tuner.trials_failed},
		{"narrowd_attempts_total", "counter", "Questions sent.", (double)tuner.attempts},
		{"narrowd_store_commits_total", "counter", "Group commits.", (double)store.commits},
		{"narrowd_store_operations_total", "counter", "Operations committed.",
		 (double)store.operations},
		{"narrowd_store_failures_total", "counter", "Operations that failed.",
		 (double)store.failures},
		{"narrowd_store_queued", "gauge", "Operations waiting for a commit.",
		 (double)store.queued},
		{"narrowd_store_wal_bytes", "gauge", "Size of the write-ahead log.",
		 (double)store.wal_bytes},
		{"narrowd_webhook_delivered_total", "counter", "Deliveries that receivers took.",
		 (double)courier.delivered},
		{"narrowd_webhook_failed_total", "counter", "Attempts to deliver that failed.",
		 (double)courier.failed},
		{"narrowd_webhook_dead_total", "counter", "Deliveries that were given up.",
		 (double)courier.dead},
		{"narrowd_loop_slow_total", "counter",
		 "Pieces of work that held the loop up for longer than they may.",
		 (double)slow.count},
		{"narrowd_loop_slow_seconds_total", "counter", "CPU time of these pieces.",
		 (double)slow.total_us / 1e6},
		{"narrowd_http_connections", "gauge", "Open HTTP connections.",
		 (double)http_connection_count(server->http)},
		{"narrowd_http_reply_bytes", "gauge",
		 "Long answers that clients have not taken yet.",
		 (double)http_reply_bytes(server->http)},
		{"narrowd_json_bytes", "gauge", "Memory of all JSON trees.",
		 (double)json_budget_used()},
		{"narrowd_http_waiting", "gauge",
		 "Requests whose answer waits: for the store, for news, for questions.",
		 (double)http_waiting_count(server->http) - 1}, /* this one waits, too */
	};

	buf_init(&text, METRICS_BYTES_MAX);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		add_metric(&text, &metrics[i]);
	}
	buf_text(&text, "# HELP narrowd_jobs Jobs by state.\n# TYPE narrowd_jobs gauge\n");
	for (size_t i = 0; i < rows->count; i++) {
		buf_printf(&text, "narrowd_jobs{state=\"%s\"} %s\n", rows->cells[i * 2],
			   rows->cells[i * 2 + 1]);
	}
	call_reply_text(call, 200, "text/plain; version=0.0.4; charset=utf-8",
			buf_take(&text, NULL));
}

void meta_metrics(struct call *call)
{
	call_query(call, QUERY_JOB_COUNTS, NULL, 0, on_counts);
}
