/* Takes what is due out of the outbox, sends it, and keeps what became of it. */
#include "courier/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sign.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/query.h"

enum {
	/* A receiver that is slow takes no more places than these. */
	PER_WEBHOOK = 8,
	PARCELS = 64,
	/* Waits are of the wall clock, which may be set: look at it at least so often. */
	LOOK_EVERY_MS = 60 * 1000,
	AFTER_FAILURE_MS = 1000,
};

struct courier {
	struct courier_options options;
	struct list parcels;
	size_t alive;                   /* parcels in memory, those that are over included */
	struct store_query_call *query; /* what is due, or when the next one will be */
	bool again;                     /* something became due since the query was put */
	struct loop_timer timer;
	bool stopping;
	loop_fn stopped;
	void *stopped_arg;
	struct courier_stats stats;
};

/* A delivery on its way: its text is read, it is sent, its result is stored. */
struct parcel {
	struct list node;
	struct courier *courier;
	char webhook[ID_SIZE];
	char job[ID_SIZE];
	int64_t n;
	int64_t attempts; /* before this one */
	int64_t queued_at;
	struct store_query_call *query;
	struct webhook_call *call;
	struct loop_timer timer;
	struct store_attempt attempt;
	char error[ERR_MESSAGE_MAX];
};

static void look(struct courier *courier);

static void on_courier_closed(void *arg)
{
	struct courier *courier = arg;

	courier->stopped(courier->stopped_arg);
}

static void check_stopped(struct courier *courier)
{
	if (courier->stopping && courier->alive == 0 &&
	    !uv_is_closing((uv_handle_t *)&courier->timer.uv)) {
		loop_timer_close(&courier->timer, on_courier_closed);
	}
}

static void on_parcel_closed(void *arg)
{
	struct parcel *parcel = arg;
	struct courier *courier = parcel->courier;

	free(parcel);
	courier->alive--;
	check_stopped(courier);
}

/* Takes the parcel off the way; its job's next one may go. */
static void end(struct parcel *parcel)
{
	struct courier *courier = parcel->courier;

	if (parcel->query != NULL) {
		store_query_cancel(parcel->query);
	}
	webhook_cancel(parcel->call);
	list_remove(&parcel->node);
	loop_timer_close(&parcel->timer, on_parcel_closed);
	look(courier);
}

static void note(struct courier *courier, const struct parcel *parcel)
{
	const struct store_attempt *attempt = &parcel->attempt;
	bool dead = attempt->verdict == STORE_DEAD || attempt->verdict == STORE_GONE;

	courier->stats.delivered += attempt->verdict == STORE_DELIVERED;
	courier->stats.failed += attempt->verdict != STORE_DELIVERED;
	courier->stats.dead += dead;
	if (attempt->verdict != STORE_DELIVERED) {
		log_line(dead ? LOG_WARNING : LOG_INFO,
			 dead ? "webhook delivery given up" : "webhook delivery failed",
			 LOG_TEXT("webhook", parcel->webhook), LOG_TEXT("job", parcel->job),
			 LOG_INT("delivery", parcel->n), LOG_INT("attempt", parcel->attempts + 1),
			 LOG_TEXT("error", parcel->error));
	}
	if (attempt->verdict == STORE_GONE) {
		log_line(LOG_WARNING, "webhook disabled: its receiver is gone for good",
			 LOG_TEXT("webhook", parcel->webhook));
	}
}

/* Until it is known what became of an attempt there is no other. */
static void on_stored(void *arg, int rc, const struct err *err)
{
	struct parcel *parcel = arg;
	struct courier *courier = parcel->courier;

	if (rc == 0) {
		note(courier, parcel);
	}
	if (rc == 0 || rc == -(int)ERR_NOT_FOUND || courier->stopping) {
		end(parcel);
		return;
	}
	log_line(LOG_ERROR, "the result of a webhook delivery was not stored",
		 LOG_TEXT("webhook", parcel->webhook), LOG_INT("delivery", parcel->n),
		 LOG_TEXT("error", err->message));
	loop_timer_start(&parcel->timer, AFTER_FAILURE_MS);
}

static void keep_result(void *arg)
{
	struct parcel *parcel = arg;

	store_delivery_end(parcel->courier->options.store, &parcel->attempt, on_stored, parcel);
}

static void on_sent(void *arg, const struct webhook_result *result)
{
	struct parcel *parcel = arg;
	struct store_attempt *attempt = &parcel->attempt;
	int64_t now = clock_wall_ms();
	struct rng rng = rng_make((uint64_t)parcel->n, RNG_TIMING, (uint64_t)parcel->attempts);
	int64_t wait = schedule_wait_ms(&parcel->courier->options.schedule, parcel->attempts + 1,
					now - parcel->queued_at, result->retry_after_ms, rng);

	parcel->call = NULL;
	(void)snprintf(parcel->error, sizeof(parcel->error), "%s", result->err->message);
	*attempt = (struct store_attempt){
		.webhook = parcel->webhook,
		.n = parcel->n,
		.verdict = wait >= 0 ? STORE_RETRY : STORE_DEAD,
		.at_ms = now,
		.retry_at_ms = now + wait,
		.status = result->status,
		.error = parcel->error,
	};
	if (result->gone) {
		attempt->verdict = STORE_GONE;
	} else if (result->delivered) {
		attempt->verdict = STORE_DELIVERED;
		attempt->error = NULL;
	}
	keep_result(parcel);
}

static void dispatch(struct parcel *parcel, char *const *cells)
{
	const struct courier_options *options = &parcel->courier->options;
	struct secret secret;
	struct webhook_message message = {
		.url = cells[0],
		.secret = &secret,
		.id = cells[4],
		.body = cells[5],
		.timeout_ms = options->timeout_ms,
	};

	parcel->attempts = strtoll(cells[2], NULL, 10);
	parcel->queued_at = strtoll(cells[3], NULL, 10);
	/* It was checked when the webhook was registered. */
	(void)sign_secret_parse(cells[1], &secret, NULL);
	parcel->call = webhook_send(options->fetch, &message, on_sent, parcel);
	secret_finish(&secret);
}

/* Without a row it was deleted, or it was found due while its last result was on its way to disk. */
static void on_message(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct parcel *parcel = arg;

	parcel->query = NULL;
	if (rc != 0) {
		log_line(LOG_ERROR, "a webhook delivery cannot be read",
			 LOG_TEXT("webhook", parcel->webhook), LOG_TEXT("error", err->message));
	}
	if (rc == 0 && rows->count > 0) {
		dispatch(parcel, rows->cells);
	} else {
		end(parcel);
	}
}

static bool may_start(const struct courier *courier, const char *webhook, const char *job)
{
	size_t all = 0, of_webhook = 0;

	for (struct list *n = courier->parcels.next; n != &courier->parcels; n = n->next) {
		const struct parcel *parcel = list_entry(n, struct parcel, node);

		all++;
		if (strcmp(parcel->webhook, webhook) == 0) {
			of_webhook++;
			if (strcmp(parcel->job, job) == 0) {
				return false;
			}
		}
	}
	return of_webhook < PER_WEBHOOK && all < PARCELS;
}

static void begin(struct courier *courier, char *const *cells)
{
	struct parcel *parcel = mem_new(1, sizeof(*parcel));
	struct store_value values[] = {{.text = cells[0]}, {0}, {.integer = clock_wall_ms()}};

	parcel->courier = courier;
	(void)snprintf(parcel->webhook, sizeof(parcel->webhook), "%s", cells[0]);
	(void)snprintf(parcel->job, sizeof(parcel->job), "%s", cells[2]);
	parcel->n = values[1].integer = strtoll(cells[1], NULL, 10);
	loop_timer_init(courier->options.loop, &parcel->timer, keep_result, parcel);
	list_append(&courier->parcels, &parcel->node);
	courier->alive++;
	parcel->query =
		store_query(courier->options.store, QUERY_MESSAGE, values, 3, on_message, parcel);
}

/* A query that failed is put again soon, one that was overtaken by events at once. */
static bool query_is_good(struct courier *courier, int rc, const struct err *err)
{
	courier->query = NULL;
	if (rc != 0) {
		log_line(LOG_ERROR, "what is due cannot be read", LOG_TEXT("error", err->message));
		loop_timer_start(&courier->timer, AFTER_FAILURE_MS);
	} else if (courier->again) {
		look(courier);
		return false;
	}
	return rc == 0;
}

static void on_next(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct courier *courier = arg;
	int64_t wait;

	if (query_is_good(courier, rc, err) && rows->cells[0] != NULL) {
		wait = strtoll(rows->cells[0], NULL, 10) - clock_wall_ms();
		wait = wait < 0 ? 0 : wait;
		loop_timer_start(&courier->timer,
				 wait < LOOK_EVERY_MS ? (uint64_t)wait : LOOK_EVERY_MS);
	}
}

static void on_due(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct courier *courier = arg;
	struct store_value now = {.integer = clock_wall_ms()};

	for (size_t i = 0; rc == 0 && i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];

		if (may_start(courier, cells[0], cells[2])) {
			begin(courier, cells);
		}
	}
	if (query_is_good(courier, rc, err)) {
		courier->query = store_query(courier->options.store, QUERY_NEXT_DUE, &now, 1,
					     on_next, courier);
	}
}

static void look(struct courier *courier)
{
	struct store_value values[] = {{.integer = clock_wall_ms()}, {.integer = PER_WEBHOOK}};

	if (courier->stopping) {
		return;
	}
	courier->again = courier->query != NULL;
	if (!courier->again) {
		loop_timer_stop(&courier->timer);
		courier->query =
			store_query(courier->options.store, QUERY_DUE, values, 2, on_due, courier);
	}
}

static void on_deliveries(void *arg)
{
	look(arg);
}

/* What is being stored comes back by itself. */
static void end_all(struct courier *courier)
{
	struct list *next;

	for (struct list *n = courier->parcels.next; n != &courier->parcels; n = next) {
		struct parcel *parcel = list_entry(n, struct parcel, node);

		next = n->next;
		if (parcel->query != NULL || parcel->call != NULL ||
		    loop_timer_active(&parcel->timer)) {
			end(parcel);
		}
	}
}

static void on_timer(void *arg)
{
	struct courier *courier = arg;

	if (courier->stopping) {
		end_all(courier);
	} else {
		look(courier);
	}
}

struct courier *courier_create(const struct courier_options *options)
{
	struct courier *courier = mem_new(1, sizeof(*courier));

	courier->options = *options;
	list_init(&courier->parcels);
	loop_timer_init(options->loop, &courier->timer, on_timer, courier);
	store_on_deliveries(options->store, on_deliveries, courier);
	look(courier);
	return courier;
}

void courier_stop(struct courier *courier, uint64_t deadline_ms, loop_fn done, void *arg)
{
	store_on_deliveries(courier->options.store, NULL, NULL);
	courier->stopping = true;
	courier->stopped = done;
	courier->stopped_arg = arg;
	if (courier->query != NULL) {
		store_query_cancel(courier->query);
	}
	loop_timer_start(&courier->timer, deadline_ms);
	check_stopped(courier);
}

void courier_destroy(struct courier *courier)
{
	free(courier);
}

struct webhook_call *courier_test(struct courier *courier, const char *webhook, const char *url,
				  const struct secret *secret, webhook_fn fn, void *arg)
{
	char id[ID_SIZE], at[CLOCK_TEXT_SIZE];
	json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "type", "webhook.test", "timestamp",
				 clock_format(clock_wall_ms(), at), "data", "webhook", webhook);
	char *text = json_text(body);
	struct webhook_message message = {
		.url = url,
		.secret = secret,
		.id = id,
		.body = text,
		.timeout_ms = courier->options.timeout_ms,
	};
	struct webhook_call *call;

	id_make(id, "msg_");
	call = webhook_send(courier->options.fetch, &message, fn, arg);
	free(text);
	json_decref(body);
	return call;
}

void courier_stats(const struct courier *courier, struct courier_stats *ret)
{
	*ret = courier->stats;
}
