/* Counts what one evaluator was asked and answered, and writes how it is. */
#include "dispatch/evaluator.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/url.h"

struct evaluator *evaluator_create(const char *name)
{
	struct evaluator *evaluator = mem_new(1, sizeof(*evaluator));

	evaluator->name = mem_dup(name);
	evaluator->shown = url_shown(name);
	turns_init(&evaluator->queue);
	return evaluator;
}

void evaluator_destroy(struct evaluator *evaluator)
{
	turns_finish(&evaluator->queue);
	free(evaluator->name);
	free(evaluator->shown);
	free(evaluator);
}

bool evaluator_has_place(const struct evaluator *evaluator)
{
	return evaluator->used < evaluator->limit && breaker_admits(&evaluator->breaker);
}

/* A time of the monotonic clock as people write it. New reference. */
static json_t *wall_time(int64_t mono_ms, const struct clock *clock)
{
	int64_t age = mono_of(clock) - mono_ms;
	char text[CLOCK_TEXT_SIZE];

	return mono_ms > 0 ? json_string(clock_format(wall_of(clock) - age, text)) : json_null();
}

json_t *evaluator_health(const struct evaluator *evaluator, const struct clock *clock)
{
	static const struct evaluator unknown;
	const struct evaluator *e = evaluator != NULL ? evaluator : &unknown;
	const struct breaker *b = &e->breaker;
	json_t *statistics = json_pack(
		"{s:I, s:I, s:I, s:I, s:o}", "asked", (json_int_t)e->asked, "answered",
		(json_int_t)e->answered, "failed", (json_int_t)e->failed, "out",
		(json_int_t)e->used, "mean_answer_s",
		e->answered > 0 ? json_real(e->answered_s / (double)e->answered) : json_null());

	return json_pack("{s:s, s:I, s:o, s:o, s:s?, s:o}", "state", breaker_state_names[b->state],
			 "consecutive_failures", (json_int_t)b->failures, "down_since",
			 b->state != BREAKER_CLOSED ? wall_time(b->opened_ms, clock) : json_null(),
			 "last_failed_at", wall_time(b->failed_ms, clock), "last_error",
			 b->failed_ms > 0 ? b->error : NULL, "statistics", statistics);
}
