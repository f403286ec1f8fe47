/* Keeps jobs that cannot be read, and lets people cancel them. */
#include "tuner/held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/query.h"
#include "tuner/parts.h"
#include "tuner/reply.h"

struct held {
	struct tuner *tuner;
	char job[ID_SIZE];
	int64_t version;
	struct err why;
};

/* One change of a held job that is on its way to the disk. */
struct change {
	struct held *held;
	bool ends;
	size_t events;
	tuner_done_fn done; /* NULL: nobody waits for it */
	void *arg;
};

static void drop(struct held *held)
{
	map_remove(&held->tuner->held, held->job);
	free(held);
}

static void on_stored(void *arg, int rc, const struct err *err)
{
	struct change *change = arg;
	struct held *held = change->held;

	if (rc != 0) {
		log_line(LOG_ERROR, "the state of a held job was not stored",
			 LOG_TEXT("job", held->job), LOG_TEXT("error", err->message));
	} else {
		held->version += (int64_t)change->events;
	}
	if (change->done != NULL) {
		change->done(change->arg, rc, err);
	}
	if (rc == 0 && change->ends) {
		drop(held);
	}
	free(change);
}

/* Takes over the events' data. */
static void append(struct held *held, struct log_event *events, size_t count,
		   const struct store_key *key, struct change *change)
{
	change->held = held;
	change->events = count;
	held->tuner->io->append(held->tuner->io->world, held->job, held->version, events, count,
				key, on_stored, change);
	for (size_t i = 0; i < count; i++) {
		free((char *)events[i].data);
	}
	free(events);
}

static char *taken_text(json_t *data)
{
	char *text = json_text(data);

	json_decref(data);
	return text;
}

void held_keep(struct tuner *tuner, const char *job, int64_t version, const char *reason,
	       const struct err *why)
{
	const char *now = why->code == ERR_CONFIG ? "strategy_missing" : "replay_divergence";
	struct held *held = mem_new(1, sizeof(*held));
	struct log_event *event;

	held->tuner = tuner;
	held->version = version;
	held->why = *why;
	(void)snprintf(held->job, sizeof(held->job), "%s", job);
	map_set(&tuner->held, job, (intptr_t)held);
	log_line(LOG_ERROR, "job cannot go on", LOG_TEXT("job", job), LOG_TEXT("reason", now),
		 LOG_TEXT("error", why->message));
	if (reason != NULL && strcmp(reason, now) == 0) {
		return;
	}
	event = mem_new(1, sizeof(*event));
	*event = (struct log_event){
		LOGGED_STATE_CHANGED, io_wall_ms(held->tuner->io), -1,
		taken_text(json_pack("{s:s, s:{s:s, s:s, s:n}}", "state", "paused", "pause",
				     "reason", now, "detail", why->message, "by"))};
	append(held, event, 1, NULL, mem_new(1, sizeof(struct change)));
}

struct numbers {
	int64_t *list; /* owned */
	size_t count;
};

static void on_number(void *arg, char *const *cells)
{
	struct numbers *numbers = arg;

	numbers->list = mem_grow(numbers->list, numbers->count + 1, sizeof(*numbers->list));
	numbers->list[numbers->count++] = strtoll(cells[0], NULL, 10);
}

static int cancel(struct held *held, const struct store_key *key, tuner_done_fn done, void *arg,
		  struct err *reterr)
{
	const struct store_value id = {.text = held->job};
	struct numbers out = {0};
	struct log_event *events;
	struct change *change;
	int rc = held->tuner->io->query_now(held->tuner->io->world, QUERY_UNANSWERED, &id, 1,
					    on_number, &out, reterr);

	if (rc != 0) {
		free(out.list);
		return rc;
	}
	events = mem_new(out.count + 1, sizeof(*events));
	for (size_t i = 0; i < out.count; i++) {
		events[i] = (struct log_event){LOGGED_TRIAL_CANCELLED, io_wall_ms(held->tuner->io),
					       out.list[i], mem_dup("{}")};
	}
	events[out.count] = (struct log_event){
		LOGGED_STATE_CHANGED, io_wall_ms(held->tuner->io), -1,
		taken_text(json_pack("{s:s, s:{s:s, s:s}}", "state", "cancelled", "exit", "reason",
				     "cancelled", "detail", "cancelled by request"))};
	change = mem_new(1, sizeof(*change));
	*change = (struct change){.ends = true, .done = done, .arg = arg};
	append(held, events, out.count + 1, key, change);
	free(out.list);
	return 0;
}

bool held_control(struct tuner *tuner, const char *job, enum tuner_action action,
		  const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct held *held = (struct held *)map_get(&tuner->held, job, 0); /* NOLINT */
	struct err err;

	if (held == NULL) {
		return false;
	}
	err_init(&err);
	if (action == TUNER_RESUME) {
		(void)err_set(&err, ERR_DIVERGED, "the job cannot go on: %s", held->why.message);
	} else if (action == TUNER_CANCEL && cancel(held, key, done, arg, &err) == 0) {
		return true;
	}
	reply_later(tuner, &err, done, arg);
	return true;
}

void held_finish(struct tuner *tuner)
{
	for (size_t i = 0; i < tuner->held.capacity; i++) {
		if (tuner->held.slots[i].key != NULL) {
			free((struct held *)tuner->held.slots[i].value); /* NOLINT */
		}
	}
	map_finish(&tuner->held);
}
