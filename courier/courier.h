/*
 * The courier: makes the deliveries that the store's outbox holds.
 *
 * It looks for what is due, at start, whenever an event has made a delivery, and when a wait is over.
 * One delivery is under way for each webhook and job, so each job's events arrive in their order; an
 * attempt is over when its result is on disk, so that after a crash it is made once more rather than
 * not at all. Loop thread.
 */
#ifndef NARROWD_COURIER_COURIER_H
#define NARROWD_COURIER_COURIER_H

#include "backends/fetch.h"
#include "backends/webhook.h"
#include "base/loop.h"
#include "store/store.h"
#include "courier/schedule.h"

struct courier;

struct courier_options {
	struct loop *loop;
	struct store *store;
	struct fetch *fetch;
	uint64_t timeout_ms; /* of one attempt */
	struct schedule schedule;
};

struct courier *courier_create(const struct courier_options *options);
/* Begins nothing new, lets what is under way end until `deadline_ms` from now, then calls
 * done(arg). What is not over by then is tried again after the next start. */
void courier_stop(struct courier *courier, uint64_t deadline_ms, loop_fn done, void *arg);
void courier_destroy(struct courier *courier);

/* Sends a message of type "webhook.test" to a receiver, now; nothing is stored. */
struct webhook_call *courier_test(struct courier *courier, const char *webhook, const char *url,
				  const struct secret *secret, webhook_fn fn, void *arg);

struct courier_stats {
	uint64_t delivered;
	uint64_t failed; /* attempts */
	uint64_t dead;   /* deliveries given up */
};
void courier_stats(const struct courier *courier, struct courier_stats *ret);

#endif
