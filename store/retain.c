/* Deletes old jobs and stale rows step by step, and many jobs for who asks for it. */
#include "store/retain.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/query.h"

enum {
	AT_ONCE = 8,      /* jobs whose deletion is queued */
	PER_LOOK = 500,   /* jobs that are looked at */
	REST_MS = 60000,  /* between looks while nothing happens */
	PAUSE_MS = 1000,  /* between looks while jobs change, at least */
	PAUSE_FACTOR = 50 /* ... and that many times what the last one took */
};

/* Jobs to be deleted one after the other. */
struct sweep {
	struct retain *retain;
	char **ids;
	size_t count;
	size_t next; /* to be queued */
	size_t out;  /* queued and not done */
	bool by_itself;
	int64_t until_bytes; /* no more are deleted when the database is not larger; 0: all are */
	char **gone;
	size_t gone_count;
	struct err err;
	struct loop_task task;
	store_swept_fn fn;
	void *arg;
};

struct leaving {
	struct sweep *sweep;
	char *id; /* the sweep's */
};

static bool is_read(const struct retain *retain, const char *job, int64_t last_seq)
{
	const struct list *node;

	for (node = retain->holds.next; node != &retain->holds; node = node->next) {
		const struct store_hold *hold = list_entry(node, struct store_hold, node);

		if (hold->job != NULL ? strcmp(hold->job, job) == 0 : hold->after < last_seq) {
			return true;
		}
	}
	return false;
}

bool retain_hold(struct retain *retain, struct store_hold *hold)
{
	list_append(&retain->holds, &hold->node);
	return hold->job == NULL || map_get(&retain->going, hold->job, 0) == 0;
}

void store_release(struct store_hold *hold)
{
	if (hold->node.next != NULL) {
		list_remove(&hold->node);
	}
}

static void end_sweep(void *arg)
{
	struct sweep *sweep = arg;

	sweep->fn(sweep->arg, sweep->gone, sweep->gone_count, &sweep->err);
	for (size_t i = 0; i < sweep->count; i++) {
		free(sweep->ids[i]);
	}
	free(sweep->ids);
	free(sweep->gone);
	free(sweep);
}

static void go_on(struct sweep *sweep);

/* Who was quicker to delete it has done the same. What fails by itself ends the sweep. */
static void on_deleted(void *arg, int rc, const struct err *err)
{
	struct leaving *leaving = arg;
	struct sweep *sweep = leaving->sweep;

	map_remove(&sweep->retain->going, leaving->id);
	if (rc == 0) {
		sweep->gone[sweep->gone_count++] = leaving->id;
	} else if (rc != -(int)ERR_NOT_FOUND && rc != -(int)ERR_WRONG_STATE) {
		sweep->err = *err;
	}
	free(leaving);
	sweep->out--;
	go_on(sweep);
}

static bool is_larger(const struct retain *retain, int64_t bytes)
{
	struct store_stats stats;

	writer_stats(retain->writer, &stats);
	return stats.used_bytes > bytes;
}

/* A store that stops finishes what is queued. */
static bool has_more(const struct sweep *sweep)
{
	return sweep->next < sweep->count && sweep->err.code == ERR_OK &&
	       !sweep->retain->stopping &&
	       (sweep->until_bytes == 0 || is_larger(sweep->retain, sweep->until_bytes));
}

static void go_on(struct sweep *sweep)
{
	struct retain *retain = sweep->retain;
	size_t at_once = sweep->until_bytes == 0 ? AT_ONCE : 1;

	while (sweep->out < at_once && has_more(sweep)) {
		struct leaving *leaving = mem_new(1, sizeof(*leaving));
		const char *texts[OP_TEXTS] = {sweep->ids[sweep->next],
					       sweep->by_itself ? "pruned" : NULL};

		*leaving = (struct leaving){sweep, sweep->ids[sweep->next++]};
		map_set(&retain->going, leaving->id, 1);
		sweep->out++;
		writer_push(retain->writer,
			    op_create(OP_JOB_DELETE, texts, NULL, 0, NULL, on_deleted, leaving));
	}
	if (sweep->out == 0) {
		loop_defer(retain->loop, &sweep->task, end_sweep, sweep);
	}
}

static struct sweep *make_sweep(struct retain *retain, store_swept_fn fn, void *arg)
{
	struct sweep *sweep = mem_new(1, sizeof(*sweep));

	*sweep = (struct sweep){.retain = retain, .fn = fn, .arg = arg};
	err_init(&sweep->err);
	return sweep;
}

/* Takes the job's id unless somebody reads it or it is going already. */
static void add_to_sweep(struct sweep *sweep, const char *id, int64_t last_seq)
{
	if (!is_read(sweep->retain, id, last_seq) && map_get(&sweep->retain->going, id, 0) == 0) {
		sweep->ids = mem_grow(sweep->ids, sweep->count + 1, sizeof(*sweep->ids));
		sweep->gone = mem_grow(sweep->gone, sweep->count + 1, sizeof(*sweep->gone));
		sweep->ids[sweep->count++] = mem_dup(id);
	}
}

void retain_sweep(struct retain *retain, char *const *ids, const int64_t *last_seqs, size_t count,
		  store_swept_fn fn, void *arg)
{
	struct sweep *sweep = make_sweep(retain, fn, arg);

	for (size_t i = 0; i < count; i++) {
		add_to_sweep(sweep, ids[i], last_seqs[i]);
	}
	go_on(sweep);
}

static void look(struct retain *retain);

static void on_timer(void *arg)
{
	struct retain *retain = arg;

	if (!retain->busy) {
		look(retain);
	}
}

/* A look reads every job that has ended, so it must not be all that is done. */
static void on_jobs_changed(void *arg)
{
	struct retain *retain = arg;

	retain->watch = NULL;
	loop_timer_start(&retain->timer, (uint64_t)retain->pause_ms);
}

static void rest(struct retain *retain)
{
	retain->busy = false;
	if (retain->deleted > 0) {
		log_line(LOG_INFO, "jobs were deleted that were not to be kept longer",
			 LOG_INT("jobs", retain->deleted));
		retain->deleted = 0;
	}
	if (retain->stopping) {
		return;
	}
	loop_timer_start(&retain->timer, retain->is_due ? 0 : REST_MS);
	if (retain->watch == NULL) {
		retain->watch = news_watch(writer_news(retain->writer), STORE_JOBS, on_jobs_changed,
					   retain);
	}
}

static void on_forgotten(void *arg, int rc, const struct err *err)
{
	struct retain *retain = arg;

	(void)err;
	if (rc == 0 && !retain->stopping) {
		look(retain);
	} else {
		rest(retain);
	}
}

static int64_t deliveries_before(const struct retain *retain)
{
	return retain->policy.delivery_ms > 0 ? clock_wall_ms() - retain->policy.delivery_ms : 0;
}

static void on_stale(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct retain *retain = arg;
	char *now, *before;
	const char *texts[OP_TEXTS] = {NULL};

	(void)err;
	retain->query = NULL;
	if (rc != 0 || rows->cells[0][0] == '0') {
		rest(retain);
		return;
	}
	texts[0] = now = mem_printf("%lld", (long long)clock_wall_ms());
	texts[1] = before = mem_printf("%lld", (long long)deliveries_before(retain));
	writer_push(retain->writer,
		    op_create(OP_FORGET, texts, NULL, 0, NULL, on_forgotten, retain));
	free(now);
	free(before);
}

static void look_for_stale(struct retain *retain)
{
	struct store_value values[] = {{.integer = clock_wall_ms()},
				       {.integer = deliveries_before(retain)}};

	retain->query = reader_query(retain->reader, QUERY_STALE, values, 2, on_stale, retain);
}

static void on_swept(void *arg, char *const *gone, size_t count, const struct err *err)
{
	struct retain *retain = arg;

	(void)gone;
	retain->deleted += (int64_t)count;
	if (err->code != ERR_OK) {
		log_line(LOG_WARNING, "old jobs could not be deleted",
			 LOG_TEXT("error", err->message));
	}
	if (retain->stopping || err->code != ERR_OK) {
		rest(retain);
	} else if (count > 0) {
		look(retain);
	} else {
		look_for_stale(retain);
	}
}

static void on_candidates(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct retain *retain = arg;
	int64_t took = clock_mono_ms() - retain->looked_ms;
	struct sweep *sweep;

	retain->query = NULL;
	retain->pause_ms = took * PAUSE_FACTOR > PAUSE_MS ? took * PAUSE_FACTOR : PAUSE_MS;
	if (rc != 0) {
		log_line(LOG_WARNING, "old jobs could not be looked for",
			 LOG_TEXT("error", err->message));
		rest(retain);
		return;
	}
	sweep = make_sweep(retain, on_swept, retain);
	sweep->by_itself = true;
	sweep->until_bytes = retain->until_bytes;
	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];

		add_to_sweep(sweep, cells[0], strtoll(cells[1], NULL, 10));
	}
	go_on(sweep);
}

/* What is too old or too many, or, while the database is too large, whatever has ended. */
static void look(struct retain *retain)
{
	const struct store_retention *policy = &retain->policy;
	bool is_large = policy->bytes > 0 && is_larger(retain, policy->bytes);
	struct store_value values[] = {
		{.integer = clock_wall_ms() - policy->job_ms, .is_null = policy->job_ms == 0},
		{.integer = policy->jobs, .is_null = policy->jobs == 0},
		{.integer = is_large},
		{.integer = PER_LOOK}};

	retain->busy = true;
	retain->is_due = false;
	if (policy->job_ms == 0 && policy->jobs == 0 && !is_large) {
		look_for_stale(retain);
		return;
	}
	retain->until_bytes = is_large ? policy->bytes : 0;
	retain->looked_ms = clock_mono_ms();
	retain->query =
		reader_query(retain->reader, QUERY_PRUNABLE, values, 4, on_candidates, retain);
}

void retain_init(struct retain *retain, struct loop *loop, struct reader *reader,
		 struct writer *writer)
{
	*retain = (struct retain){.loop = loop, .reader = reader, .writer = writer};
	retain->pause_ms = PAUSE_MS;
	list_init(&retain->holds);
	map_init(&retain->going);
}

void retain_set(struct retain *retain, const struct store_retention *policy)
{
	retain->policy = *policy;
	if (!retain->started) {
		retain->started = true;
		loop_timer_init(retain->loop, &retain->timer, on_timer, retain);
	}
	retain->is_due = true;
	if (!retain->busy) {
		loop_timer_start(&retain->timer, 0);
	}
}

void retain_stop(struct retain *retain)
{
	retain->stopping = true;
	store_unwatch(retain->watch);
	retain->watch = NULL;
	if (retain->query != NULL) {
		store_query_cancel(retain->query);
		retain->query = NULL;
	}
	if (retain->started) {
		retain->started = false;
		loop_timer_close(&retain->timer, NULL);
	}
}

void retain_finish(struct retain *retain)
{
	map_finish(&retain->going);
}
