/* The strategy random: configs of the product drawn without repetition. */
#include "space/config_set.h"
#include "space/product.h"
#include "strategies/registry.h"

struct random {
	struct product product;
	struct config_set asked; /* borrows from the events */
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct random);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct random *random = state;

	(void)args;
	(void)reterr;
	product_init(&random->product, problem->space);
	return 0;
}

static void apply(void *state, const struct event *event)
{
	struct random *random = state;

	if (event->type == EVENT_ASKED && event->kind == QUESTION_EVALUATE) {
		config_set_add(&random->asked, event->config);
	}
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct random *random = state;

	out->config = config_set_draw_other(&random->asked, &random->product, &rng);
	if (out->config == NULL) {
		return STEP_DONE;
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = "random";
	return STEP_ASK;
}

static void finish(void *state)
{
	struct random *random = state;

	product_finish(&random->product);
	config_set_finish(&random->asked);
}

const struct strategy_ops random_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "random",
	.summary = "Draws every operator's options independently, and no config twice.",
	.when = "To explore, and as the yardstick that any other strategy has to beat.",
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
};
