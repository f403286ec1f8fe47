/* Lets somebody see from time to time how evaluators are that are not well. */
#include "tuner/health.h"

#include "tuner/watch.h"

static void wake_all_watches(struct tuner *tuner)
{
	for (size_t i = 0; i < tuner->runs.capacity; i++) {
		if (tuner->runs.slots[i].key != NULL) {
			watch_wake(
				&((struct run *)tuner->runs.slots[i].value)->watches); /* NOLINT */
		}
	}
}

void health_watch(struct tuner *tuner)
{
	if (tuner->down_told != tuner->sched.down) {
		tuner->down_told = tuner->sched.down;
		wake_all_watches(tuner);
	}
	if (tuner->sched.down > 0 && !tuner->stopping &&
	    !io_timer_active(tuner->io, &tuner->probe_timer)) {
		io_timer_start(tuner->io, &tuner->probe_timer, tuner->options.evaluator_probe_ms);
	}
}

static void on_probe_timer(void *arg)
{
	struct tuner *tuner = arg;

	sched_probe(&tuner->sched);
	health_watch(tuner);
}

void health_init(struct tuner *tuner)
{
	io_timer_init(tuner->io, &tuner->probe_timer, on_probe_timer, tuner);
}

json_t *tuner_evaluator_health(const struct tuner *tuner, const char *url)
{
	return evaluator_health(sched_evaluator(&tuner->sched, url), &tuner->io->clock);
}

void tuner_evaluator_is_well(struct tuner *tuner, const char *url)
{
	sched_well(&tuner->sched, url);
	health_watch(tuner);
}
