#include "strategies/product.h"
#include "strategies/registry.h"

#include <stdlib.h>

#include "base/mem.h"

/* So many draws in vain mean that most of the product was asked, so a scan soon finds the rest. */
enum { DRAWS = 64 };

struct random {
	struct product product;
	/* Configs asked: a hash set with open addressing. Borrowed from the events. */
	const struct config **slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
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

/* Where the config is, or the free slot where it would go. */
static const struct config **find(const struct random *random, const struct config *config)
{
	size_t i = (size_t)config->hash & (random->capacity - 1);

	while (random->slots[i] != NULL && !config_equal(random->slots[i], config)) {
		i = (i + 1) & (random->capacity - 1);
	}
	return &random->slots[i];
}

static void grow(struct random *random)
{
	const struct config **old = random->slots;
	size_t old_capacity = random->capacity;

	random->capacity = old_capacity > 0 ? old_capacity * 2 : 64;
	random->slots = mem_new(random->capacity, sizeof(*random->slots));
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i] != NULL) {
			*find(random, old[i]) = old[i];
		}
	}
	free(old);
}

static void apply(void *state, const struct event *event)
{
	struct random *random = state;
	const struct config **slot;

	if (event->type != EVENT_ASKED || event->kind != QUESTION_EVALUATE) {
		return;
	}
	if (random->count * 2 >= random->capacity) {
		grow(random);
	}
	slot = find(random, event->config);
	random->count += *slot == NULL;
	*slot = event->config;
}

static bool is_new(const struct random *random, const struct config *config)
{
	return random->capacity == 0 || *find(random, config) == NULL;
}

static struct config *draw(const struct random *random, struct rng *rng)
{
	for (int i = 0; i < DRAWS; i++) {
		struct config *config = product_draw(&random->product, rng);

		if (is_new(random, config)) {
			return config;
		}
		config_destroy(config);
	}
	return NULL;
}

/* NULL when everything was asked. */
static struct config *scan(const struct random *random, struct rng *rng)
{
	uint64_t size = random->product.size;
	uint64_t first = rng_below(rng, size);

	for (uint64_t i = 0; i < size; i++) {
		struct config *config = product_at(&random->product, (first + i) % size);

		if (is_new(random, config)) {
			return config;
		}
		config_destroy(config);
	}
	return NULL;
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct random *random = state;

	out->config = draw(random, &rng);
	if (out->config == NULL) {
		out->config = scan(random, &rng);
	}
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
	free(random->slots);
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
