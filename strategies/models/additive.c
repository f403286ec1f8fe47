/* Fits additive effects of choices by coordinate descent. */
#include "strategies/models/additive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SWEEPS = 8 }; /* more change little, as the choices of trials are hardly correlated */

/* An effect is believed by half when it was measured so often. What makes choices of one mode
 * differ is less than what makes modes differ. */
static const double mode_ridge = 5, choice_ridge = 30;

/* What is left to explain where an effect was measured, and by how much it was moved. */
struct evidence {
	double sum, count, step;
};

/* A regression under way. */
struct fit {
	const struct product *product;
	size_t count; /* of rows, the trials that it learns from */
	size_t rows[ADDITIVE_TRIALS];
	double rest[ADDITIVE_TRIALS]; /* what the effects do not yet explain */
	double *modes;                /* effects of each digit's modes */
	struct evidence *room;        /* for the choices of a digit */
};

static void fit_init(struct fit *fit, const struct trials *trials, additive_response *response)
{
	size_t most = 0;

	fit->product = &trials->product;
	fit->count = 0;
	for (size_t i = trials->count; i-- > 0 && fit->count < ADDITIVE_TRIALS;) {
		const struct known *trial = &trials->list[i];
		double value = trial->state == KNOWN_TOLD ? response(trial) : NAN;

		if (!isnan(value)) {
			fit->rest[fit->count] = value;
			fit->rows[fit->count++] = i;
		}
	}
	for (size_t d = 0; d < fit->product->dimension_count; d++) {
		most = fit->product->choices[d] > most ? fit->product->choices[d] : most;
	}
	fit->modes = mem_new(fit->product->dimension_count * MODE_COUNT, sizeof(*fit->modes));
	fit->room = mem_new(most, sizeof(*fit->room));
}

/* Takes it out of what is left to explain. */
static double fit_mean(struct fit *fit)
{
	double mean = 0;

	for (size_t i = 0; i < fit->count; i++) {
		mean += fit->rest[i] / (double)fit->count;
	}
	for (size_t i = 0; i < fit->count; i++) {
		fit->rest[i] -= mean;
	}
	return mean;
}

static double fit_deviation(const struct fit *fit)
{
	double sum = 0;

	for (size_t i = 0; i < fit->count; i++) {
		sum += fit->rest[i] * fit->rest[i];
	}
	return fit->count > 0 ? sqrt(sum / (double)fit->count) : 0;
}

/* What is no operator has no modes: all its choices are of the first. */
static enum mode mode_of(const struct product *product, size_t digit, uint16_t choice)
{
	size_t op = product->dimensions[digit];

	return op < product->space->op_count ? space_kind(product->space, op)->choices[choice].mode
					     : 0;
}

/* Moves the effect to where it is best, the others being as they are. */
static void improve(double *effect, struct evidence *evidence, double ridge)
{
	double best = (evidence->sum + *effect * evidence->count) / (evidence->count + ridge);

	evidence->step = best - *effect;
	*effect = best;
}

static void gather(struct fit *fit, size_t digit, const uint16_t *column,
		   struct evidence of_mode[MODE_COUNT])
{
	uint16_t choices = fit->product->choices[digit];

	memset(fit->room, 0, choices * sizeof(*fit->room));
	for (size_t i = 0; i < fit->count; i++) {
		struct evidence *of_choice = &fit->room[column[fit->rows[i]]];

		of_choice->sum += fit->rest[i];
		of_choice->count++;
	}
	for (uint16_t c = 0; c < choices; c++) {
		struct evidence *mode = &of_mode[mode_of(fit->product, digit, c)];

		mode->sum += fit->room[c].sum;
		mode->count += fit->room[c].count;
	}
}

/* Improves the effects of a digit's modes, then those of its choices. */
static void descend(struct fit *fit, size_t digit, const uint16_t *column, double *effects)
{
	struct evidence of_mode[MODE_COUNT] = {{0, 0, 0}};

	gather(fit, digit, column, of_mode);
	for (int m = 0; m < MODE_COUNT; m++) {
		improve(&fit->modes[digit * MODE_COUNT + (size_t)m], &of_mode[m], mode_ridge);
	}
	for (uint16_t c = 0; c < fit->product->choices[digit]; c++) {
		struct evidence *of_choice = &fit->room[c];
		double step = of_mode[mode_of(fit->product, digit, c)].step;

		of_choice->sum -= step * of_choice->count;
		improve(&effects[c], of_choice, choice_ridge);
		of_choice->step += step;
	}
	for (size_t i = 0; i < fit->count; i++) {
		fit->rest[i] -= fit->room[column[fit->rows[i]]].step;
	}
}

static void add_modes(const struct fit *fit, size_t digit, double *effects)
{
	for (uint16_t c = 0; c < fit->product->choices[digit]; c++) {
		effects[c] += fit->modes[digit * MODE_COUNT + mode_of(fit->product, digit, c)];
	}
}

void additive_init(struct additive *additive, const struct trials *trials,
		   additive_response *response)
{
	const struct product *product = &trials->product;
	size_t width = product->dimension_count, total = 0;
	struct fit fit;

	*additive = (struct additive){.product = product};
	additive->starts = mem_new(width, sizeof(*additive->starts));
	for (size_t d = 0; d < width; d++) {
		additive->starts[d] = total;
		total += product->choices[d];
	}
	additive->effects = mem_new(total, sizeof(*additive->effects));
	fit_init(&fit, trials, response);
	additive->mean = fit_mean(&fit);
	for (size_t i = 0; i < SWEEPS * width; i++) {
		size_t d = i % width;

		descend(&fit, d, trials_column(trials, d), additive->effects + additive->starts[d]);
	}
	for (size_t d = 0; d < width; d++) {
		add_modes(&fit, d, additive->effects + additive->starts[d]);
	}
	additive->spread = fit_deviation(&fit);
	free(fit.modes);
	free(fit.room);
}

void additive_finish(struct additive *additive)
{
	free(additive->starts);
	free(additive->effects);
}

double additive_at(const struct additive *additive, const uint16_t *digits)
{
	double sum = additive->mean;

	for (size_t d = 0; d < additive->product->dimension_count; d++) {
		sum += additive_effect(additive, d, digits[d]);
	}
	return sum;
}
