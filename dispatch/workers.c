/* Remembers who came for questions, and leaves out who answers what cannot be used. */
#include "dispatch/workers.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"

enum { FAULTS = 3, MINUTES = 60, KEY_SIZE = LIMIT_POOL_BYTES + LIMIT_WORKER_BYTES + 2 };

static const int64_t minute_ms = 60000, forget_ms = INT64_C(24) * 3600 * 1000;

/* What a worker is not asked for a while. */
struct absence {
	char job[ID_SIZE]; /* "": everything */
	int64_t until_ms;  /* monotonic */
};

/* Those of one pool. */
struct crew {
	struct list workers; /* never empty */
};

struct worker {
	struct list in_crew;
	char key[KEY_SIZE]; /* "pool/name" */
	char pool[LIMIT_POOL_BYTES + 1];
	char owner[LIMIT_OWNER_BYTES + 1], serves[LIMIT_OWNER_BYTES + 1];
	int64_t seen_mono_ms, seen_wall_ms, answers;
	int64_t works_until_ms; /* monotonic */
	/* Answers in each of the latest minutes; the slot of minute m is m % MINUTES. */
	uint32_t by_minute[MINUTES];
	int64_t minute;           /* the latest that is counted */
	struct absence *absences; /* owned */
	size_t absence_count;
	int faults; /* answers that could not be used, in a row */
};

static struct worker *at(const struct workers *workers, size_t slot)
{
	return (struct worker *)workers->by_name.slots[slot].value; /* NOLINT */
}

static struct crew *crew_of(const struct workers *workers, const char *pool)
{
	return (struct crew *)map_get(&workers->crews, pool, 0); /* NOLINT */
}

static void join_crew(struct workers *workers, struct worker *worker)
{
	struct crew *crew = crew_of(workers, worker->pool);

	if (crew == NULL) {
		crew = mem_new(1, sizeof(*crew));
		list_init(&crew->workers);
		map_set(&workers->crews, worker->pool, (intptr_t)crew);
	}
	list_append(&crew->workers, &worker->in_crew);
}

static void leave_crew(struct workers *workers, struct worker *worker)
{
	struct crew *crew = crew_of(workers, worker->pool);

	list_remove(&worker->in_crew);
	if (list_empty(&crew->workers)) {
		map_remove(&workers->crews, worker->pool);
		free(crew);
	}
}

static void destroy(struct workers *workers, struct worker *worker)
{
	leave_crew(workers, worker);
	free(worker->absences);
	free(worker);
}

void workers_init(struct workers *workers, const struct clock *clock)
{
	workers->clock = clock;
	map_init(&workers->by_name);
	map_init(&workers->crews);
}

void workers_finish(struct workers *workers)
{
	for (size_t i = 0; i < workers->by_name.capacity; i++) {
		if (workers->by_name.slots[i].key != NULL) {
			destroy(workers, at(workers, i));
		}
	}
	map_finish(&workers->by_name);
	map_finish(&workers->crews);
}

static void forget(struct workers *workers, struct worker *worker)
{
	map_remove(&workers->by_name, worker->key);
	destroy(workers, worker);
}

/* Who was not heard of for longest, so that there is room for another. */
static void forget_one(struct workers *workers)
{
	struct worker *oldest = NULL;

	for (size_t i = 0; i < workers->by_name.capacity; i++) {
		if (workers->by_name.slots[i].key != NULL &&
		    (oldest == NULL || at(workers, i)->seen_mono_ms < oldest->seen_mono_ms)) {
			oldest = at(workers, i);
		}
	}
	if (oldest != NULL) {
		forget(workers, oldest);
	}
}

static void move_on(struct worker *worker, int64_t minute)
{
	if (minute - worker->minute >= MINUTES) {
		memset(worker->by_minute, 0, sizeof(worker->by_minute));
		worker->minute = minute;
	}
	while (worker->minute < minute) {
		worker->by_minute[++worker->minute % MINUTES] = 0;
	}
}

static struct worker *seen(struct workers *workers, const char *pool, const char *name)
{
	char key[KEY_SIZE];
	struct worker *worker;

	(void)snprintf(key, sizeof(key), "%s/%s", pool, name);
	worker = (struct worker *)map_get(&workers->by_name, key, 0); /* NOLINT */
	if (worker == NULL) {
		if (workers->by_name.count >= LIMIT_WORKERS) {
			forget_one(workers);
		}
		worker = mem_new(1, sizeof(*worker));
		memcpy(worker->key, key, sizeof(key));
		(void)snprintf(worker->pool, sizeof(worker->pool), "%s", pool);
		map_set(&workers->by_name, key, (intptr_t)worker);
		join_crew(workers, worker);
	}
	worker->seen_mono_ms = mono_of(workers->clock);
	worker->seen_wall_ms = wall_of(workers->clock);
	move_on(worker, worker->seen_mono_ms / minute_ms);
	return worker;
}

void workers_each(const struct workers *workers,
		  void (*fn)(void *arg, const char *pool, const char *owner, int64_t silent_ms),
		  void *arg)
{
	int64_t now = mono_of(workers->clock);

	for (size_t i = 0; i < workers->by_name.capacity; i++) {
		if (workers->by_name.slots[i].key != NULL) {
			fn(arg, at(workers, i)->pool, at(workers, i)->owner,
			   now - at(workers, i)->seen_mono_ms);
		}
	}
}

void workers_seen(struct workers *workers, const char *pool, const char *name, const char *owner)
{
	struct worker *worker = seen(workers, pool, name);

	if (owner != NULL) {
		(void)snprintf(worker->owner, sizeof(worker->owner), "%s", owner);
	}
}

void workers_answered(struct workers *workers, const char *pool, const char *name)
{
	struct worker *worker = seen(workers, pool, name);

	worker->answers++;
	worker->by_minute[worker->minute % MINUTES]++;
}

void workers_leave_out(struct workers *workers, const char *pool, const char *name, const char *job,
		       int64_t until_ms)
{
	struct worker *worker = seen(workers, pool, name);
	size_t kept = 0;
	struct absence *absence;

	for (size_t i = 0; i < worker->absence_count; i++) {
		if (worker->absences[i].until_ms > mono_of(workers->clock)) {
			worker->absences[kept++] = worker->absences[i];
		}
	}
	worker->absences = mem_grow(worker->absences, kept + 1, sizeof(*worker->absences));
	absence = &worker->absences[kept];
	*absence = (struct absence){.until_ms = until_ms};
	(void)snprintf(absence->job, sizeof(absence->job), "%s", job != NULL ? job : "");
	worker->absence_count = kept + 1;
}

bool workers_may(const struct workers *workers, const char *pool, const char *name, const char *job)
{
	char key[KEY_SIZE];
	const struct worker *worker;

	(void)snprintf(key, sizeof(key), "%s/%s", pool, name);
	worker = (const struct worker *)map_get(&workers->by_name, key, 0); /* NOLINT */
	for (size_t i = 0; worker != NULL && i < worker->absence_count; i++) {
		const struct absence *absence = &worker->absences[i];

		if (absence->until_ms > mono_of(workers->clock) &&
		    (absence->job[0] == '\0' || strcmp(absence->job, job) == 0)) {
			return false;
		}
	}
	return true;
}

bool workers_misjudged(struct workers *workers, const char *pool, const char *name, bool fine,
		       int64_t probe_ms)
{
	struct worker *worker = seen(workers, pool, name);

	worker->faults = fine ? 0 : worker->faults + 1;
	if (worker->faults < FAULTS) {
		return false;
	}
	worker->faults = 0;
	workers_leave_out(workers, pool, name, NULL, mono_of(workers->clock) + probe_ms);
	return true;
}

static bool is_fresh(const struct workers *workers, const struct worker *worker)
{
	return mono_of(workers->clock) - worker->seen_mono_ms < minute_ms;
}

bool workers_has_other(const struct workers *workers, const char *pool, const char *name)
{
	const struct crew *crew = crew_of(workers, pool);

	for (struct list *n = crew != NULL ? crew->workers.next : NULL;
	     n != NULL && n != &crew->workers; n = n->next) {
		const struct worker *other = list_entry(n, struct worker, in_crew);
		const char *its_name = other->key + strlen(pool) + 1;

		if (strcmp(its_name, name) != 0 && is_fresh(workers, other) &&
		    workers_may(workers, pool, its_name, "")) {
			return true;
		}
	}
	return false;
}

void workers_serves(struct workers *workers, const char *pool, const char *name, const char *whose)
{
	struct worker *worker = seen(workers, pool, name);

	(void)snprintf(worker->serves, sizeof(worker->serves), "%s", whose);
}

void workers_works(struct workers *workers, const char *pool, const char *name, int64_t until_ms)
{
	struct worker *worker = seen(workers, pool, name);

	if (until_ms > worker->works_until_ms) {
		worker->works_until_ms = until_ms;
	}
}

bool workers_there(const struct workers *workers, const char *pool, const char *owner)
{
	const struct crew *crew = crew_of(workers, pool);

	for (struct list *n = crew != NULL ? crew->workers.next : NULL;
	     n != NULL && n != &crew->workers; n = n->next) {
		const struct worker *worker = list_entry(n, struct worker, in_crew);
		bool theirs = worker->serves[0] == '\0' || strcmp(worker->serves, owner) == 0;

		if (theirs && (is_fresh(workers, worker) ||
			       worker->works_until_ms > mono_of(workers->clock))) {
			return true;
		}
	}
	return false;
}

static json_t *worker_json(const struct worker *worker)
{
	const char *slash = strchr(worker->key, '/');
	char text[CLOCK_TEXT_SIZE];
	uint64_t hour = 0;

	for (int i = 0; i < MINUTES; i++) {
		hour += worker->by_minute[i];
	}
	return json_pack("{s:s%, s:s, s:s, s:s, s:I, s:I, s:[]}", "pool", worker->key,
			 (size_t)(slash - worker->key), "name", slash + 1, "owner", worker->owner,
			 "last_seen", clock_format(worker->seen_wall_ms, text), "answers",
			 (json_int_t)worker->answers, "trials_per_hour", (json_int_t)hour,
			 "leases");
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(struct worker *const *)a)->key, (*(struct worker *const *)b)->key);
}

/* Those that were heard of within a day, sorted; the others are forgotten. The caller frees. */
static struct worker **list(struct workers *workers, size_t *ret_count)
{
	struct worker **all = mem_new(workers->by_name.count, sizeof(struct worker *));
	int64_t now = mono_of(workers->clock);
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < workers->by_name.capacity; i++) {
		if (workers->by_name.slots[i].key != NULL) {
			all[count++] = at(workers, i);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (now - all[i]->seen_mono_ms < forget_ms) {
			all[kept++] = all[i];
		} else {
			forget(workers, all[i]);
		}
	}
	qsort(all, kept, sizeof(all[0]), by_key);
	*ret_count = kept;
	return all;
}

json_t *workers_json(struct workers *workers, const char *owner,
		     void (*add_leases)(void *arg, json_t *by_name), void *arg)
{
	json_t *items = json_array(), *by_name = json_object();
	size_t count;
	struct worker **all = list(workers, &count);

	for (size_t i = 0; i < count; i++) {
		json_t *item;

		if (owner != NULL && strcmp(owner, all[i]->owner) != 0) {
			continue;
		}
		move_on(all[i], mono_of(workers->clock) / minute_ms);
		item = worker_json(all[i]);
		(void)json_array_append_new(items, item);
		(void)json_object_set(by_name, all[i]->key, json_object_get(item, "leases"));
	}
	add_leases(arg, by_name);
	json_decref(by_name);
	free(all);
	return items;
}
