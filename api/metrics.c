/* GET /metrics, in Prometheus' text format: a fixed set of series, each there from the start. */
#include "api/resources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/beside.h"
#include "base/clock.h"
#include "base/json_budget.h"
#include "base/mem.h"
#include "base/usage.h"
#include "job/job.h"

/* With these pools all series together are fewer than 600. */
enum { PAGE_BYTES_MAX = 256 * 1024, POOLS = 50, LABELS_SIZE = 64 };

struct metric {
	const char *name, *type, *help;
	double value;
};

static void add_family(struct buf *page, const char *name, const char *type, const char *help)
{
	buf_printf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_metrics(struct buf *page, const struct metric *metrics, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		add_family(page, metrics[i].name, metrics[i].type, metrics[i].help);
		buf_printf(page, "%s %.15g\n", metrics[i].name, metrics[i].value);
	}
}

/* `labels` is "" or names and values, without braces. */
static void add_histogram(struct buf *page, const char *name, const char *labels,
			  const struct histogram *histogram)
{
	const char *comma = labels[0] != '\0' ? "," : "";
	uint64_t count = 0;
	double bound;
	size_t i = 0;

	do {
		bound = histogram_bound(histogram, i);
		count += histogram->counts[i++];
		buf_printf(page, "%s_bucket{%s%sle=\"", name, labels, comma);
		if (bound < 0) {
			buf_text(page, "+Inf");
		} else {
			buf_printf(page, "%.15g", bound);
		}
		buf_printf(page, "\"} %llu\n", (unsigned long long)count);
	} while (bound >= 0);
	for (int sum = 1; sum >= 0; sum--) {
		buf_printf(page, "%s_%s", name, sum ? "sum" : "count");
		buf_printf(page, labels[0] != '\0' ? "{%s}" : "%s", labels);
		buf_printf(page, " %.15g\n", sum ? histogram->sum_s : (double)count);
	}
}

static void add_build(struct buf *page)
{
	add_family(page, "narrowd_build_info", "gauge", "Always 1; what runs.");
	buf_printf(page,
		   "narrowd_build_info{version=\"%s\",libmicrohttpd=\"%s\",libuv=\"%s\","
		   "sqlite=\"%s\"} 1\n",
		   NARROWD_VERSION, http_engine_version(), uv_version_string(),
		   store_engine_version());
}

static void add_process(struct buf *page, const struct usage *usage)
{
	const struct metric metrics[] = {
		{"process_cpu_seconds_total", "counter", "CPU time of user and system.",
		 usage->cpu_s},
		{"process_start_time_seconds", "gauge", "Start of the process, since 1970.",
		 usage->start_s},
		{"process_resident_memory_bytes", "gauge", "Resident memory.",
		 (double)usage->resident_bytes},
		{"process_virtual_memory_bytes", "gauge", "Virtual memory.",
		 (double)usage->virtual_bytes},
		{"process_threads", "gauge", "Threads.", (double)usage->threads},
		{"process_open_fds", "gauge", "Open file descriptors.", (double)usage->descriptors},
		{"process_max_fds", "gauge", "File descriptors that may be open.",
		 (double)usage->max_descriptors},
	};

	add_metrics(page, metrics, sizeof(metrics) / sizeof(metrics[0]));
}

static void add_tuner(struct buf *page, const struct server *server)
{
	static const char *const whose[] = {"evaluator", "worker"};
	static const char *const outcomes[] = {"answered", "failed"};
	struct tuner_stats tuner;

	tuner_stats(server->tuner, &tuner);
	const struct metric metrics[] = {
		{"narrowd_uptime_seconds", "gauge", "Time since the start.",
		 (double)(clock_mono_ms() - server->started_ms) / 1000},
		{"narrowd_open_jobs", "gauge", "Jobs that are not final.", (double)tuner.open_jobs},
		{"narrowd_unread_jobs", "gauge",
		 "Open jobs that are still to be read from the disk after a start.",
		 (double)tuner.unread_jobs},
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
	};

	add_metrics(page, metrics, sizeof(metrics) / sizeof(metrics[0]));
	add_family(page, "narrowd_answer_seconds", "histogram",
		   "From a question's departure to its answer, or to the end of the attempt.");
	for (int i = 0; i < 4; i++) {
		char labels[LABELS_SIZE];

		(void)snprintf(labels, sizeof(labels), "by=\"%s\",outcome=\"%s\"", whose[i / 2],
			       outcomes[i % 2]);
		add_histogram(page, "narrowd_answer_seconds", labels,
			      &tuner.answer_time[i / 2][i % 2]);
	}
}

static void add_store(struct buf *page, const struct server *server)
{
	struct store_stats store;

	store_stats(server->store, &store);
	const struct metric metrics[] = {
		{"narrowd_store_commits_total", "counter", "Group commits.", (double)store.commits},
		{"narrowd_store_operations_total", "counter", "Operations committed.",
		 (double)store.operations},
		{"narrowd_store_failures_total", "counter", "Operations that failed.",
		 (double)store.failures},
		{"narrowd_store_queued", "gauge", "Operations waiting for a commit.",
		 (double)store.queued},
		{"narrowd_store_bytes", "gauge", "Size of the database.", (double)store.file_bytes},
		{"narrowd_store_used_bytes", "gauge", "What of it is in use.",
		 (double)store.used_bytes},
		{"narrowd_store_wal_bytes", "gauge", "Size of the write-ahead log.",
		 (double)store.wal_bytes},
		{"narrowd_store_writable", "gauge",
		 "1; 0 while the disk is full or PostgreSQL is away.",
		 (double)store_writable(server->store)},
		{"narrowd_log_position", "gauge",
		 "The newest operation of the log in PostgreSQL that was run here.",
		 (double)store_position(server->store)},
		{"narrowd_log_snapshot_position", "gauge",
		 "Where the newest snapshot is that this daemon has made or found.",
		 (double)store.snapshot},
		{"narrowd_log_connects_total", "counter",
		 "Connections made to PostgreSQL to append and to follow.",
		 (double)store.log.connects},
		{"narrowd_store_notified_total", "counter",
		 "Times that PostgreSQL has told a spare of new operations.",
		 (double)store.notified},
		{"narrowd_spare", "gauge",
		 "1 while another daemon writes, and this one follows it.",
		 (double)store_is_spare(server->store)},
		{"narrowd_handed_on_total", "counter",
		 "Requests that the daemon which writes has answered for this one.",
		 (double)server->relays.answered},
		{"narrowd_handed_on_failed_total", "counter", "Requests that it gave no answer to.",
		 (double)server->relays.failed},
	};

	add_metrics(page, metrics, sizeof(metrics) / sizeof(metrics[0]));
	add_family(page, "narrowd_backup_age_seconds", "gauge",
		   "Time since the last complete backup; +Inf before the first.");
	if (store.backup_at_ms == 0) {
		buf_text(page, "narrowd_backup_age_seconds +Inf\n");
	} else {
		buf_printf(page, "narrowd_backup_age_seconds %.15g\n",
			   (double)(clock_wall_ms() - store.backup_at_ms) / 1000);
	}
	add_family(page, "narrowd_store_commit_seconds", "histogram",
		   "Time of a group commit, with the flush of the disk.");
	add_histogram(page, "narrowd_store_commit_seconds", "", &store.commit_time);
	add_family(page, "narrowd_log_append_seconds", "histogram",
		   "Time until PostgreSQL had committed a group of operations.");
	add_histogram(page, "narrowd_log_append_seconds", "", &store.log.append_time);
}

static void add_courier(struct buf *page, const struct server *server)
{
	struct courier_stats courier = {0};

	if (server->courier != NULL) { /* none while another daemon writes */
		courier_stats(server->courier, &courier);
	}
	const struct metric metrics[] = {
		{"narrowd_webhook_delivered_total", "counter", "Deliveries that receivers took.",
		 (double)courier.delivered},
		{"narrowd_webhook_failed_total", "counter", "Attempts to deliver that failed.",
		 (double)courier.failed},
		{"narrowd_webhook_dead_total", "counter", "Deliveries that were given up.",
		 (double)courier.dead},
	};

	add_metrics(page, metrics, sizeof(metrics) / sizeof(metrics[0]));
}

static void add_loop(struct buf *page, const struct server *server)
{
	struct loop_slow slow = loop_slow(server->loop);
	struct histogram lag = loop_lag(server->loop);
	const struct metric metrics[] = {
		{"narrowd_loop_slow_total", "counter",
		 "Pieces of work that held the loop up for longer than they may.",
		 (double)slow.count},
		{"narrowd_loop_slow_seconds_total", "counter", "CPU time of these pieces.",
		 (double)slow.total_us / 1e6},
		{"narrowd_json_bytes", "gauge", "Memory of all JSON trees.",
		 (double)json_budget_used()},
	};

	add_metrics(page, metrics, sizeof(metrics) / sizeof(metrics[0]));
	add_family(page, "narrowd_loop_lag_seconds", "histogram",
		   "How late the loop comes to what is due; looked at once a second.");
	add_histogram(page, "narrowd_loop_lag_seconds", "", &lag);
}

static void add_http(struct buf *page, const struct server *server)
{
	struct http_stats http;

	http_stats(server->http, &http);
	const struct metric metrics[] = {
		{"narrowd_http_connections", "gauge", "Open HTTP connections.",
		 (double)http_connection_count(server->http)},
		{"narrowd_http_reply_bytes", "gauge",
		 "Long answers that clients have not taken yet.",
		 (double)http_reply_bytes(server->http)},
		{"narrowd_http_waiting", "gauge",
		 "Requests whose answer waits: for the store, for news, for questions.",
		 (double)http_waiting_count(server->http) - 1}, /* this one waits, too */
		{"narrowd_http_news_total", "counter",
		 "Requests for news: long polls and streams. They are in no histogram.",
		 (double)http.waits},
		{"narrowd_http_cut_total", "counter",
		 "Requests that ended without an answer, or before it was taken.",
		 (double)http.cut},
		{"narrowd_http_refused_total", "counter",
		 "Connections that were turned away, or gave way to others.", (double)http.refused},
	};

	add_metrics(page, metrics, sizeof(metrics) / sizeof(metrics[0]));
	add_family(page, "narrowd_http_answer_seconds", "histogram",
		   "From a complete request to the head of its answer.");
	for (int i = 0; i < HTTP_CLASSES; i++) {
		char labels[LABELS_SIZE];

		(void)snprintf(labels, sizeof(labels), "code=\"%dxx\"", i + 2);
		add_histogram(page, "narrowd_http_answer_seconds", labels, &http.answer_time[i]);
	}
}

struct pool_gauge {
	const char *name, *help;
	size_t offset; /* in struct pool_stats */
};

static unsigned long long value_of(const struct pool_gauge *gauge, const struct pool_stats *pool)
{
	uint64_t value;

	memcpy(&value, (const char *)pool + gauge->offset, sizeof(value));
	return value;
}

static void add_pool_gauge(struct buf *page, const struct pool_gauge *gauge,
			   const struct pool_stats *pools, size_t count,
			   const struct pool_stats *rest)
{
	buf_printf(page, "# HELP narrowd_pool_%s %s, of the %d busiest pools.\n", gauge->name,
		   gauge->help, POOLS);
	buf_printf(page, "# TYPE narrowd_pool_%s gauge\n", gauge->name);
	for (size_t i = 0; i < count; i++) {
		/* Names of pools have nothing that would have to be escaped. */
		buf_printf(page, "narrowd_pool_%s{pool=\"%s\"} %llu\n", gauge->name, pools[i].name,
			   value_of(gauge, &pools[i]));
	}
	buf_printf(page, "# HELP narrowd_other_pools_%s %s, of all other pools.\n", gauge->name,
		   gauge->help);
	buf_printf(page, "# TYPE narrowd_other_pools_%s gauge\n", gauge->name);
	buf_printf(page, "narrowd_other_pools_%s %llu\n", gauge->name, value_of(gauge, rest));
}

static void add_pools(struct buf *page, const struct server *server)
{
	static const struct pool_gauge gauges[] = {
		{"questions", "Questions that wait for a worker",
		 offsetof(struct pool_stats, waiting)},
		{"leases", "Questions that a worker has", offsetof(struct pool_stats, leased)},
		{"workers", "Workers that came within a minute",
		 offsetof(struct pool_stats, workers)},
	};
	struct pool_stats pools[POOLS], rest;
	size_t count = tuner_pools(server->tuner, pools, POOLS, &rest);

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		add_pool_gauge(page, &gauges[i], pools, count, &rest);
	}
}

static void add_jobs(struct buf *page, const struct store_rows *counts)
{
	add_family(page, "narrowd_jobs", "gauge", "Jobs by state.");
	for (const char *const *state = job_state_names; *state != NULL; state++) {
		const char *count = "0";

		for (size_t i = 0; i < counts->count; i++) {
			if (strcmp(counts->cells[i * 2], *state) == 0) {
				count = counts->cells[i * 2 + 1];
			}
		}
		buf_printf(page, "narrowd_jobs{state=\"%s\"} %s\n", *state, count);
	}
}

/* What was read elsewhere than on the loop. */
struct reading {
	struct store_rows counts;
	struct usage usage;
};

static void forget_reading(void *arg)
{
	struct reading *reading = arg;

	store_rows_free(&reading->counts);
	free(reading);
}

static void reply(struct call *call)
{
	const struct server *server = call->server;
	const struct reading *reading = call->state;
	struct buf page;

	buf_init(&page, PAGE_BYTES_MAX);
	add_build(&page);
	add_process(&page, &reading->usage);
	add_jobs(&page, &reading->counts);
	add_tuner(&page, server);
	add_pools(&page, server);
	add_store(&page, server);
	add_courier(&page, server);
	add_loop(&page, server);
	add_http(&page, server);
	call_reply_text(call, 200, "text/plain; version=0.0.4; charset=utf-8",
			buf_take(&page, NULL));
}

static void read_usage(struct call *call, const struct store_rows *rows)
{
	(void)rows;
	((struct reading *)call->state)->usage = usage_read();
}

static void on_counts(struct call *call, const struct store_rows *rows)
{
	struct reading *reading = mem_new(1, sizeof(*reading));

	store_rows_take(rows, &reading->counts);
	call->state = reading;
	call->state_destroy = forget_reading;
	beside_run(call, NULL, read_usage, reply);
}

void meta_metrics(struct call *call)
{
	call_query(call, QUERY_JOB_COUNTS, NULL, 0, on_counts);
}
