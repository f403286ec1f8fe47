/* Keeps the points that a strategy has asked or knows, and what they gave. */
#include "strategies/models/trials.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A rounding error. */
static const double least_margin = 1e-9;

static double place_of_size(const char *value)
{
	return log(fmax(strtod(value, NULL), 1));
}

/* "auto" is somewhere between the others. */
static double place_of_alpha(const char *value)
{
	return value[0] == '"' ? 0.5 : strtod(value, NULL);
}

static double *places_of(const struct extra *extra, double (*place)(const char *value))
{
	double *places = mem_new(extra->count, sizeof(*places));
	double low = INFINITY, high = -INFINITY;

	for (uint16_t i = 0; i < extra->count; i++) {
		places[i] = place(extra->values[i]);
		low = fmin(low, places[i]);
		high = fmax(high, places[i]);
	}
	for (uint16_t i = 0; i < extra->count; i++) {
		places[i] = high > low ? (places[i] - low) / (high - low) : 0;
	}
	return places;
}

void trials_init(struct trials *trials, const struct problem *problem, bool full)
{
	const struct space *space = problem->space;

	memset(trials, 0, sizeof(*trials));
	(full ? product_init_full : product_init)(&trials->product, space);
	culprit_init(&trials->culprit, problem);
	trials->product.bans = &trials->culprit.bans;
	if (space_sizes(space) > 1) {
		trials->sizes = places_of(&space->extras[0], place_of_size);
	}
	if (space_alphas(space) > 1) {
		trials->alphas = places_of(&space->extras[1], place_of_alpha);
	}
}

void trials_finish(struct trials *trials)
{
	product_finish(&trials->product);
	culprit_finish(&trials->culprit);
	config_set_finish(&trials->seen);
	config_destroy(trials->baseline);
	free(trials->list);
	free(trials->repeats);
	free(trials->columns);
	free(trials->sizes);
	free(trials->alphas);
}

static void grow(struct trials *trials)
{
	size_t capacity = trials->capacity > 0 ? trials->capacity * 2 : (size_t)2 * TRIALS_BLOCK;
	size_t width = trials->product.dimension_count;
	uint16_t *columns = mem_new(capacity * width, sizeof(*columns));

	for (size_t d = 0; d < width && trials->count > 0; d++) {
		memcpy(columns + d * capacity, trials_column(trials, d),
		       trials->count * sizeof(*columns));
	}
	free(trials->columns);
	trials->columns = columns;
	trials->list = mem_grow(trials->list, capacity, sizeof(*trials->list));
	trials->capacity = capacity;
}

struct config *trials_default(const struct trials *trials)
{
	const struct space *space = trials->product.space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	struct config *config;

	bans_apply(&trials->culprit.bans, space, choices);
	config = config_create(space, choices);
	free(choices);
	return config;
}

/* Later trials are more often asked for. */
static int find(const struct trials *trials, const struct config *config)
{
	size_t i = trials->count;

	if (!config_set_has(&trials->seen, config)) {
		return TRIALS_NONE;
	}
	while (i > 0 && !config_equal(trials->list[i - 1].config, config)) {
		i--;
	}
	return (int)i - 1;
}

static int add(struct trials *trials, const struct config *config)
{
	uint16_t *digits = mem_new(trials->product.dimension_count, sizeof(*digits));
	bool inside = product_digits(&trials->product, config, digits);

	config_set_add(&trials->seen, config);
	if (inside && trials->count == trials->capacity) {
		grow(trials);
	}
	for (size_t d = 0; inside && d < trials->product.dimension_count; d++) {
		trials->columns[d * trials->capacity + trials->count] = digits[d];
	}
	free(digits);
	if (!inside) {
		return TRIALS_NONE;
	}
	trials->list[trials->count] = (struct known){.config = config, .state = KNOWN_OUT};
	return (int)trials->count++;
}

static bool has_config(const struct product *product, const struct config *config)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));
	bool inside = product_digits(product, config, digits);

	free(digits);
	return inside;
}

/* All operators in fp32; NULL when the product does not have that or it is the default config. */
static struct config *baseline_config(const struct product *product)
{
	const struct space *space = product->space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	struct config *config = NULL;
	bool moved = false, possible = true;

	for (size_t op = 0; op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);

		possible = possible && kind->per_mode[MODE_FP32] > 0;
		choices[op] = kind->first[MODE_FP32];
		moved = moved || choices[op] != 0;
	}
	if (possible && moved) {
		config = config_create(space, choices);
	}
	free(choices);
	if (config != NULL && !has_config(product, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

static int add_baseline(struct trials *trials, const struct event *event)
{
	trials->baseline_objective = event->objective;
	trials->baseline = baseline_config(&trials->product);
	return trials->baseline != NULL ? add(trials, trials->baseline) : TRIALS_NONE;
}

static int find_or_add(struct trials *trials, const struct config *config)
{
	int index = find(trials, config);

	return index != TRIALS_NONE ? index : add(trials, config);
}

/* What is asked for although it is known is a repeat. */
static void ask_again(struct trials *trials, size_t index, const struct event *event)
{
	trials->repeats =
		mem_grow(trials->repeats, trials->repeat_count + 1, sizeof(struct repeat));
	trials->repeats[trials->repeat_count++] =
		(struct repeat){.index = index, .trial = event->trial};
}

/* NULL when the event is about no repeat. */
static struct repeat *find_repeat(const struct trials *trials, const struct event *event)
{
	for (size_t i = trials->repeat_count; i-- > 0;) {
		if (trials->repeats[i].trial == event->trial) {
			return &trials->repeats[i];
		}
	}
	return NULL;
}

static void take_repeat(struct trials *trials, struct repeat *repeat, const struct event *event)
{
	struct known *trial = &trials->list[repeat->index];
	double count = (double)++trial->repeats;

	repeat->told = true;
	repeat->margin = event->margin;
	repeat->objective = event->objective;
	trial->margin += (event->margin - trial->margin) / (count + 1);
	trial->objective += (event->objective - trial->objective) / (count + 1);
	trial->feasible = trial->first_feasible && trial->margin >= -least_margin;
}

bool trials_awaits(const struct trials *trials, const struct event *event)
{
	int index;

	if (event->kind != QUESTION_EVALUATE || find_repeat(trials, event) != NULL) {
		return true;
	}
	index = find(trials, event->config);
	return index != TRIALS_NONE && (trials->list[index].state == KNOWN_OUT ||
					trials->list[index].state == KNOWN_FAILED);
}

int trials_apply(struct trials *trials, const struct event *event)
{
	struct repeat *repeat;
	struct known *trial;
	int index;

	culprit_apply(&trials->culprit, event);
	if (event->kind == QUESTION_BASELINE && event->type == EVENT_TOLD) {
		index = add_baseline(trials, event);
	} else if (event->kind == QUESTION_EVALUATE) {
		index = find_or_add(trials, event->config);
	} else {
		return TRIALS_NONE;
	}
	if (index == TRIALS_NONE) {
		return index;
	}
	trial = &trials->list[index];
	if (event->type == EVENT_ASKED) {
		if (trial->state == KNOWN_TOLD) {
			ask_again(trials, (size_t)index, event);
		}
		return index;
	}
	repeat = find_repeat(trials, event);
	if (repeat != NULL) {
		if (event->type == EVENT_TOLD && !repeat->told) {
			take_repeat(trials, repeat, event);
		}
		return index;
	}
	trials->told += event->type == EVENT_TOLD && trial->state != KNOWN_TOLD;
	if (event->type == EVENT_TOLD) {
		trial->state = KNOWN_TOLD;
		trial->trial = event->trial;
		trial->feasible = event->feasible;
		trial->margin = event->margin;
		trial->objective = event->objective;
		trial->first_feasible = event->feasible;
		trial->first_margin = event->margin;
		trial->first_objective = event->objective;
	} else if (trial->state == KNOWN_OUT) {
		trial->state = KNOWN_FAILED;
	}
	return index;
}

/* 1/2, 1/4, 3/4, 1/8, ...: van der Corput's sequence. */
static double evenly(size_t number)
{
	double place = 0, digit = 0.5;

	for (size_t left = number + 1; left > 0; left /= 2) {
		place += left % 2 == 1 ? digit : 0;
		digit /= 2;
	}
	return place;
}

/* As the default is at this share of the operators, and as the baseline is at the others; under any
 * alpha. */
static struct config *between(const struct trials *trials, double share, struct rng *rng)
{
	const struct product *product = &trials->product;
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));
	struct config *config;

	(void)product_digits(product, trials->baseline, digits);
	for (size_t d = 0; d < product->dimension_count; d++) {
		if (product->dimensions[d] > space_size_dimension(product->space)) {
			digits[d] = (uint16_t)rng_below(rng, product->choices[d]);
		} else {
			digits[d] = rng_unit(rng) < share ? 0 : digits[d];
		}
	}
	config = product_config(product, digits);
	free(digits);
	return config;
}

struct config *trials_begin(const struct trials *trials, size_t draws, struct rng *rng,
			    const char **ret_stage)
{
	struct config *config = trials_default(trials);

	*ret_stage = "default";
	if (!config_set_has(&trials->seen, config)) {
		return config;
	}
	config_destroy(config);
	*ret_stage = "start-up";
	if (trials->count > draws + (trials->baseline != NULL)) {
		return NULL;
	}
	if (trials->baseline != NULL) {
		config = between(trials, evenly(trials->count - 2), rng);
		if (!config_set_has(&trials->seen, config)) {
			return config;
		}
		config_destroy(config);
	}
	return config_set_draw_other(&trials->seen, &trials->product, rng);
}

size_t trials_closest(const struct trials *trials)
{
	const struct known *list = trials->list;
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < trials->count; i++) {
		if (list[i].state == KNOWN_TOLD && list[i].trial > 0 &&
		    (found == SIZE_MAX || list[i].margin > list[found].margin)) {
			found = i;
		}
	}
	return found;
}

const double *trials_places(const struct trials *trials, size_t digit)
{
	const struct space *space = trials->product.space;
	size_t dimension = trials->product.dimensions[digit];

	if (dimension < space->op_count) {
		return NULL;
	}
	if (dimension == space_size_dimension(space)) {
		return trials->sizes;
	}
	return dimension < space->dimension_count - space->uniform_count ? trials->alphas : NULL;
}

bool trials_ordered(const struct trials *trials, size_t digit)
{
	const struct product *product = &trials->product;

	return product->dimensions[digit] == space_size_dimension(product->space);
}
