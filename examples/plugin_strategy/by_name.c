/*
 * A strategy as a plug-in: everything quantized, then more and more operators in high precision, in
 * the order of their names.
 */
#include <narrowd/strategy.h>
#include <stdlib.h>
#include <string.h>

/* An operator that can be put back, and the choice that does so. */
struct candidate {
	const char *name;
	size_t dimension;
	uint16_t choice;
};

struct by_name {
	const struct strategy_host *host;
	const struct space *space;
	size_t step;  /* how many more operators each config puts back */
	size_t asked; /* the only thing that events change */
	size_t seen;  /* while the candidates are listed: dimensions before this one were */
	size_t count;
	struct candidate candidates[]; /* by name */
};

static const struct param params[] = {
	{.name = "step",
	 .type = PARAM_INTEGER,
	 .fallback = 1,
	 .min = 1,
	 .max = 1000,
	 .help = "How many more operators each config puts back into high precision."},
	{.name = NULL},
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct candidate *)a)->name, ((const struct candidate *)b)->name);
}

static void add_candidate(struct by_name *s, size_t op)
{
	size_t dimension = s->host->op_dimension(s->space, op);
	uint16_t count = s->host->choice_count(s->space, dimension), choice = 0;

	/* Operators that are tied have one dimension, which the first of them brings. */
	if (dimension < s->seen) {
		return;
	}
	s->seen = dimension + 1;

	while (choice < count && s->host->choice_is_quantized(s->space, op, choice)) {
		choice++;
	}
	if (choice > 0 && choice < count) {
		s->candidates[s->count++] =
			(struct candidate){s->host->op_name(s->space, op), dimension, choice};
	}
}

static size_t state_size(const struct problem *problem)
{
	size_t ops = problem->host->op_count(problem->space);

	return sizeof(struct by_name) + ops * sizeof(struct candidate);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct by_name *s = state;

	(void)reterr;
	s->host = problem->host;
	s->space = problem->space;
	s->step = (size_t)args->numbers[0];
	for (size_t op = 0; op < s->host->op_count(s->space); op++) {
		add_candidate(s, op);
	}
	qsort(s->candidates, s->count, sizeof(*s->candidates), compare);
	return 0;
}

static void apply(void *state, const struct event *event)
{
	struct by_name *s = state;

	s->asked += event->type == EVENT_ASKED && event->kind == QUESTION_EVALUATE;
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct by_name *s = state;
	uint16_t *choices;

	(void)rng;
	/* The last config puts all of them back. */
	if (s->asked > (s->count + s->step - 1) / s->step) {
		return STEP_DONE;
	}
	choices = s->host->allocate(s->host->dimension_count(s->space), sizeof(*choices));
	for (size_t i = 0; i < s->count && i < s->asked * s->step; i++) {
		choices[s->candidates[i].dimension] = s->candidates[i].choice;
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = "by_name";
	out->config = s->host->config_create(s->space, choices);
	free(choices);
	return STEP_ASK;
}

static const struct strategy_ops by_name = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "by_name",
	.summary = "Puts more and more operators into high precision, in the order of their names.",
	.when = "As an example of a strategy that is a plug-in.",
	.params = params,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
};

const struct strategy_ops *const narrowd_plugin[] = {&by_name, NULL};
