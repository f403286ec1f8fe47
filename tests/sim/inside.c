/* What must hold inside of the daemon between any two happenings: places and questions out are counted right. */
#include "tests/sim/judge.h"

#include "dispatch/sched.h"
#include "tuner/parts.h"

struct count {
	size_t flights, held, asks;
};

static void count_run(const struct run *run, const struct evaluator *evaluator, struct count *count)
{
	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		const struct flight *flight = list_entry(n, struct flight, node);

		count->flights++;
		count->held +=
			flight->place >= 0 && sched_offered(&run->seat, flight->place) == evaluator;
	}
	count->held += run->seat.reserved >= 0 &&
		       sched_offered(&run->seat, run->seat.reserved) == evaluator;
	count->asks += run->ask != NULL;
}

static struct count count_all(const struct tuner *tuner, const struct evaluator *evaluator)
{
	struct count count = {.asks = tuner->alive - tuner->runs.count};

	for (size_t i = 0; i < tuner->runs.capacity; i++) {
		if (tuner->runs.slots[i].key != NULL) {
			count_run((const struct run *)tuner->runs.slots[i].value, evaluator,
				  &count);
		}
	}
	return count;
}

/* A strategy that is lent to a pool thread may have a place with it, also when its job is closed. */
void inside_check(struct world *world)
{
	const struct tuner *tuner = world->tuner;

	for (size_t i = 0; tuner != NULL && i < tuner->sched.by_name.capacity; i++) {
		const struct map_slot *slot = &tuner->sched.by_name.slots[i];
		const struct evaluator *evaluator = (const struct evaluator *)slot->value;
		struct count count;

		if (slot->key == NULL) {
			continue;
		}
		count = count_all(tuner, evaluator);
		if (evaluator->used < count.held || evaluator->used > count.held + count.asks) {
			broken(world, "%s has %zu places taken, of which %zu are known", slot->key,
			       evaluator->used, count.held);
		}
		if (tuner->stats.flights != count.flights) {
			broken(world, "%zu questions are out, and %zu are counted", count.flights,
			       tuner->stats.flights);
		}
	}
}
