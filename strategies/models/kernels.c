/* Computes kernels, several rows at a time, and those of new rows alone. */
#include "strategies/models/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Rows that are spread out side by side, for what is read of another row to do for all of them. */
enum { LANES = 4 };

struct sums {
	double lanes[LANES];
};

/* What the features of some groups, a bit for each, add to the kernels of rows that are spread out. */
static void add_kernels(const struct linear *linear, unsigned groups, const struct linear_row *row,
			const struct sums *scratch, struct sums *sums)
{
	uint8_t now = 0;
	struct sums sum = {0}; /* sums[now], which is not as quick */

	for (size_t i = 0; i < row->count; i++) {
		const struct sums *spread = &scratch[row->features[i]];
		uint8_t group = linear->groups[row->features[i]];
		double value = row->values[i];

		if ((groups >> group & 1) == 0) {
			continue;
		}
		if (group != now) {
			sums[now] = sum;
			now = group;
			sum = sums[now];
		}
		for (size_t l = 0; l < LANES; l++) {
			sum.lanes[l] += value * spread->lanes[l];
		}
	}
	sums[now] = sum;
}

static void spread_out(const struct linear *linear, unsigned groups, size_t first, size_t lanes,
		       struct sums *scratch)
{
	for (size_t l = 0; l < lanes; l++) {
		const struct linear_row *row = &linear->rows[first + l];

		for (size_t i = 0; i < row->count; i++) {
			uint32_t f = row->features[i];

			if ((groups >> linear->groups[f] & 1) != 0) {
				scratch[f].lanes[l] += linear->factors[f] * row->values[i];
			}
		}
	}
}

static void fold_in(const struct linear *linear, size_t first, size_t lanes, struct sums *scratch)
{
	for (size_t l = 0; l < lanes; l++) {
		const struct linear_row *row = &linear->rows[first + l];

		for (size_t i = 0; i < row->count; i++) {
			scratch[row->features[i]] = (struct sums){0};
		}
	}
}

/* Of all rows from `first` on with those up to them. */
static void make(struct linear *linear, unsigned groups, size_t first)
{
	size_t n = linear->kernel_room, rows = linear->row_count;
	struct sums *scratch;

	if (groups == 0 || first >= rows) {
		return;
	}
	scratch = mem_new(linear->feature_count, sizeof(*scratch));
	for (size_t r = first; r < rows; r += LANES) {
		size_t lanes = rows - r < LANES ? rows - r : LANES;

		spread_out(linear, groups, r, lanes, scratch);
		for (size_t k = 0; k < r + lanes; k++) {
			struct sums sums[LINEAR_GROUPS] = {0};

			add_kernels(linear, groups, &linear->rows[k], scratch, sums);
			for (size_t c = 0; c < LINEAR_GROUPS * lanes; c++) {
				size_t g = c / lanes, l = c % lanes;

				if ((groups >> g & 1) != 0 && k <= r + l) {
					linear->kernels[(g * n + r + l) * n + k] = sums[g].lanes[l];
				}
			}
		}
		fold_in(linear, r, lanes, scratch);
	}
	free(scratch);
}

/* For more rows than there are, since they come one by one. */
static void make_room(struct linear *linear)
{
	size_t before = linear->kernel_room, room = linear->row_count + linear->row_count / 8 + 1;
	size_t rows = linear->kernels != NULL ? linear->kernel_rows : 0;
	double *kernels;

	if (linear->kernels != NULL && linear->row_count <= before) {
		return;
	}
	kernels = mem_new(LINEAR_GROUPS * room * room, sizeof(*kernels));
	for (size_t g = 0; g < LINEAR_GROUPS; g++) {
		for (size_t r = 0; r < rows; r++) {
			memcpy(&kernels[(g * room + r) * room],
			       &linear->kernels[(g * before + r) * before],
			       (r + 1) * sizeof(*kernels));
		}
	}
	free(linear->kernels);
	linear->kernels = kernels;
	linear->kernel_room = room;
}

void kernels_make(struct linear *linear, unsigned stale)
{
	unsigned all = (1U << LINEAR_GROUPS) - 1;

	make_room(linear);
	make(linear, all & ~stale, linear->kernel_rows);
	make(linear, stale, 0);
	linear->kernel_rows = linear->row_count;
}
