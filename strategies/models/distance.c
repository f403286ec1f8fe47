/* Tables of how much choices of a digit differ, and sums over digits. */
#include "strategies/models/distance.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
	OTHER_MODE = 2, /* quarters */
	LARGE = 1024,   /* choices */
};

static const double quarter = 0.25;

static uint8_t quarters(const struct kind *kind, uint16_t a, uint16_t b)
{
	const struct choice *x = &kind->choices[a], *y = &kind->choices[b];
	uint8_t sum = x->mode != y->mode ? OTHER_MODE : 0;

	for (int item = 0; item < ITEM_COUNT; item++) {
		sum += x->options[item] != y->options[item];
	}
	return sum;
}

static uint8_t *table_of(const struct kind *kind)
{
	uint8_t *table = mem_new((size_t)kind->count * kind->count, sizeof(*table));

	for (uint16_t a = 0; a < kind->count; a++) {
		for (uint16_t b = 0; b < kind->count; b++) {
			table[(size_t)a * kind->count + b] = quarters(kind, a, b);
		}
	}
	return table;
}

void distance_init(struct distance *distance, const struct trials *trials)
{
	const struct space *space = trials->product.space;

	distance->trials = trials;
	distance->tables = mem_new(space->kind_count, sizeof(*distance->tables));
	for (size_t k = 0; k < space->kind_count; k++) {
		const struct kind *kind = &space->kinds[k];

		distance->tables[k] = kind->count <= LARGE ? table_of(kind) : NULL;
	}
}

void distance_finish(struct distance *distance)
{
	for (size_t k = 0; k < distance->trials->product.space->kind_count; k++) {
		free(distance->tables[k]);
	}
	free(distance->tables);
}

double distance_of(const struct distance *distance, size_t digit, uint16_t a, uint16_t b)
{
	const struct trials *trials = distance->trials;
	const struct space *space = trials->product.space;
	const double *places = trials_places(trials, digit);
	double step;

	if (places == NULL && trials->product.dimensions[digit] >= space->op_count) {
		return a != b; /* an option of all operators */
	}
	if (places == NULL) {
		return quarter *
		       quarters(space_kind(space, trials->product.dimensions[digit]), a, b);
	}
	step = places[a] - places[b];
	return step * step;
}

void distance_add(const struct distance *distance, size_t digit, uint16_t choice, double weight,
		  const size_t *rows, size_t count, double *ret)
{
	const struct product *product = &distance->trials->product;
	const uint16_t *column = trials_column(distance->trials, digit);
	bool of_op = product->dimensions[digit] < product->space->op_count;
	uint32_t kind = of_op ? product->space->ops[product->dimensions[digit]].kind : 0;
	const uint8_t *table = of_op ? distance->tables[kind] : NULL;

	if (table == NULL) {
		for (size_t i = 0; i < count; i++) {
			ret[i] += weight * distance_of(distance, digit, column[rows[i]], choice);
		}
		return;
	}
	table += (size_t)choice * product->space->kinds[kind].count;
	for (size_t i = 0; i < count; i++) {
		ret[i] += weight * quarter * table[column[rows[i]]];
	}
}
