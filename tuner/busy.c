/* Counts which pools are busiest. */
#include "tuner/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/flight.h"

/* Which pools are busiest: counted anew when somebody asks, from the questions and the workers that are there. */

enum { WORKER_MS = 60000 };

struct count {
	struct map by_name; /* -> index in `pools` */
	struct pool_stats *pools;
	size_t count;
	const char *owner; /* whose, or NULL for everybody's */
};

static struct pool_stats *pool_at(struct count *count, const char *name)
{
	intptr_t i = map_get(&count->by_name, name, -1);

	if (i < 0) {
		i = (intptr_t)count->count++;
		count->pools = mem_grow(count->pools, count->count, sizeof(*count->pools));
		count->pools[i] = (struct pool_stats){0};
		(void)snprintf(count->pools[i].name, sizeof(count->pools[i].name), "%s", name);
		map_set(&count->by_name, name, i);
	}
	return &count->pools[i];
}

static void count_questions(struct count *count, const struct run *run)
{
	struct pool_stats *pool = pool_at(count, run->job->spec->targets[0].pool);

	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		const struct flight *flight = list_entry(n, struct flight, node);

		if (!flight_is_pooled(flight)) {
			continue; /* the strategy's adviser has it */
		}
		if (flight->trial->state == TRIAL_LEASED) {
			pool->leased++;
		} else {
			pool->waiting++;
		}
	}
}

static bool is_theirs(const struct count *count, const char *owner)
{
	return count->owner == NULL || strcmp(count->owner, owner) == 0;
}

static void count_worker(void *arg, const char *pool, const char *owner, int64_t silent_ms)
{
	if (silent_ms < WORKER_MS && is_theirs(arg, owner)) {
		pool_at(arg, pool)->workers++;
	}
}

static int busier_first(const void *a, const void *b)
{
	const struct pool_stats *x = a, *y = b;
	uint64_t of_x = x->waiting + x->leased, of_y = y->waiting + y->leased;

	if (of_x != of_y) {
		return of_x < of_y ? 1 : -1;
	}
	if (x->workers != y->workers) {
		return x->workers < y->workers ? 1 : -1;
	}
	return strcmp(x->name, y->name);
}

/* Of one owner, or (NULL) of all. To be finished. */
static void count_all(const struct tuner *tuner, const char *owner, struct count *ret)
{
	*ret = (struct count){.owner = owner};
	map_init(&ret->by_name);
	for (size_t i = 0; i < tuner->runs.capacity; i++) {
		const struct run *run = (struct run *)tuner->runs.slots[i].value; /* NOLINT */

		if (tuner->runs.slots[i].key != NULL && run->pool != NULL &&
		    is_theirs(ret, run->owner)) {
			count_questions(ret, run);
		}
	}
	workers_each(&tuner->workers, count_worker, ret);
}

static void finish(struct count *count)
{
	map_finish(&count->by_name);
	free(count->pools);
}

size_t tuner_pools(const struct tuner *tuner, struct pool_stats *ret, size_t max,
		   struct pool_stats *ret_rest)
{
	struct count count;
	size_t shown;

	count_all(tuner, NULL, &count);
	if (count.count > 0) {
		qsort(count.pools, count.count, sizeof(*count.pools), busier_first);
	}
	shown = count.count < max ? count.count : max;
	*ret_rest = (struct pool_stats){0};
	for (size_t i = 0; i < count.count; i++) {
		if (i < shown) {
			ret[i] = count.pools[i];
		} else {
			ret_rest->waiting += count.pools[i].waiting;
			ret_rest->leased += count.pools[i].leased;
			ret_rest->workers += count.pools[i].workers;
		}
	}
	finish(&count);
	return shown;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pool_stats *)a)->name, ((const struct pool_stats *)b)->name);
}

json_t *tuner_pools_json(const struct tuner *tuner, const char *owner)
{
	json_t *items = json_array();
	struct count count;

	count_all(tuner, owner, &count);
	if (count.count > 0) {
		qsort(count.pools, count.count, sizeof(*count.pools), by_name);
	}
	for (size_t i = 0; i < count.count; i++) {
		const struct pool_stats *pool = &count.pools[i];

		(void)json_array_append_new(
			items, json_pack("{s:s, s:I, s:I, s:I}", "name", pool->name, "waiting",
					 (json_int_t)pool->waiting, "out", (json_int_t)pool->leased,
					 "workers", (json_int_t)pool->workers));
	}
	finish(&count);
	return items;
}
