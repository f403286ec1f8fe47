#include "strategies/additive.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum { SWEEPS = 8 }; /* more change little, as the choices of trials are hardly correlated */

/* An effect is believed by half when it was measured so often. */
static const double ridge = 10;

/* The trials that a fit uses, and what their numbers have beyond the effects. */
struct rows {
	size_t count;
	size_t trials[ADDITIVE_TRIALS];
	double rest[ADDITIVE_TRIALS];
};

static void rows_init(struct rows *rows, const struct trials *trials, additive_response *response)
{
	rows->count = 0;
	for (size_t i = trials->count; i-- > 0 && rows->count < ADDITIVE_TRIALS;) {
		if (trials->list[i].state == KNOWN_TOLD) {
			rows->rest[rows->count] = response(&trials->list[i]);
			rows->trials[rows->count++] = i;
		}
	}
}

static void take_mean(struct additive *additive, struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		additive->mean += rows->rest[i] / (double)rows->count;
	}
	for (size_t i = 0; i < rows->count; i++) {
		rows->rest[i] -= additive->mean;
	}
}

static void count(struct additive *additive, const struct trials *trials, const struct rows *rows)
{
	for (size_t d = 0; d < additive->product->dimension_count; d++) {
		const uint16_t *column = trials_column(trials, d);
		uint16_t *counts = additive->counts + additive->starts[d];

		for (size_t i = 0; i < rows->count; i++) {
			counts[column[rows->trials[i]]]++;
		}
	}
}

/* Best effects of one digit, those of the others being as they are; `steps` has room for them. */
static void descend(struct additive *additive, size_t digit, const uint16_t *column,
		    struct rows *rows, double *steps)
{
	double *effects = additive->effects + additive->starts[digit];
	const uint16_t *counts = additive->counts + additive->starts[digit];
	uint16_t choices = additive->product->choices[digit];

	for (uint16_t c = 0; c < choices; c++) {
		steps[c] = 0;
	}
	for (size_t i = 0; i < rows->count; i++) {
		steps[column[rows->trials[i]]] += rows->rest[i];
	}
	for (uint16_t c = 0; c < choices; c++) {
		double best = (steps[c] + effects[c] * counts[c]) / (counts[c] + ridge);

		steps[c] = best - effects[c];
		effects[c] = best;
	}
	for (size_t i = 0; i < rows->count; i++) {
		rows->rest[i] -= steps[column[rows->trials[i]]];
	}
}

static double deviation(const struct rows *rows)
{
	double sum = 0;

	for (size_t i = 0; i < rows->count; i++) {
		sum += rows->rest[i] * rows->rest[i];
	}
	return rows->count > 0 ? sqrt(sum / (double)rows->count) : 0;
}

void additive_init(struct additive *additive, const struct trials *trials,
		   additive_response *response)
{
	const struct product *product = &trials->product;
	size_t total = 0, most = 0;
	struct rows rows;
	double *steps;

	*additive = (struct additive){.product = product};
	additive->starts = mem_new(product->dimension_count, sizeof(*additive->starts));
	for (size_t d = 0; d < product->dimension_count; d++) {
		additive->starts[d] = total;
		total += product->choices[d];
		most = product->choices[d] > most ? product->choices[d] : most;
	}
	additive->effects = mem_new(total, sizeof(*additive->effects));
	additive->counts = mem_new(total, sizeof(*additive->counts));
	rows_init(&rows, trials, response);
	take_mean(additive, &rows);
	count(additive, trials, &rows);
	steps = mem_new(most, sizeof(*steps));
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		for (size_t d = 0; d < product->dimension_count; d++) {
			descend(additive, d, trials_column(trials, d), &rows, steps);
		}
	}
	free(steps);
	additive->spread = deviation(&rows);
}

void additive_finish(struct additive *additive)
{
	free(additive->starts);
	free(additive->effects);
	free(additive->counts);
}

double additive_at(const struct additive *additive, const uint16_t *digits)
{
	double sum = additive->mean;

	for (size_t d = 0; d < additive->product->dimension_count; d++) {
		sum += additive_effect(additive, d, digits[d]);
	}
	return sum;
}
