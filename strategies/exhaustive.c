/* The strategy exhaustive: every config of the product in its order. */
#include "space/product.h"
#include "strategies/registry.h"

struct exhaustive {
	struct product product;
	uint64_t asked;
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct exhaustive);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct exhaustive *exhaustive = state;

	(void)args;
	(void)reterr;
	product_init(&exhaustive->product, problem->space);
	return 0;
}

static void apply(void *state, const struct event *event)
{
	struct exhaustive *exhaustive = state;

	exhaustive->asked += event->type == EVENT_ASKED && event->kind == QUESTION_EVALUATE;
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct exhaustive *exhaustive = state;

	(void)rng;
	if (exhaustive->asked >= exhaustive->product.size) {
		return STEP_DONE;
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = "exhaustive";
	out->config = product_at(&exhaustive->product, exhaustive->asked);
	return STEP_ASK;
}

static void finish(void *state)
{
	struct exhaustive *exhaustive = state;

	product_finish(&exhaustive->product);
}

const struct strategy_ops exhaustive_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "exhaustive",
	.summary = "Tries every combination of every operator's options, in order.",
	.when = "Only for a handful of operators, when the best of all combinations must be known.",
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
};
