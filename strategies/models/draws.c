/*
 * Walks through what is possible.
 *
 * An operator's loss is that of its option, as the structured model has it, times a factor of the
 * operator. Factors follow a power law. By a small exponent most operators lose next to nothing and one
 * or two nearly all, by a large one all lose nearly the same; the walks find out the exponent and the
 * least factor together with the factors (under rules 1 both were given). Each draw is where a walk of
 * its own stands (walk.h). After a new measurement all go on from where they stood, so that each needs few
 * steps.
 */
#include "strategies/models/draws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/walk.h"

/* Of so many times more operators than draws each draw suspects others. */
enum { MANY = 4 };

/* Steps times measurements, of all walks together, for a new measurement. */
static const double work = 2.4e6;
/* What a step costs besides, in measurements. */
static const double step_overhead = 20;
/* Losses do not quite add up: how far a sum is off, of itself, ... */
static const double misfit = 0.1;
/* ... and when nothing like it was measured: of itself, and at least. */
static const double blur = 0.07, least_blur = 0.03;
/* Options keep this share of their expected loss at least. */
static const double least_share = 0.2;

void draws_init(struct draws *draws, const struct effects *effects)
{
	*draws = (struct draws){
		.effects = effects,
		.factors = mem_new(effects->op_count * DRAWS, sizeof(double)),
		.bases = mem_new(effects->option_count, sizeof(double)),
	};
	for (size_t k = 0; k < DRAWS; k++) {
		/* So that many factors are 1 on average: the largest is then count^(1 / exponent) times
		 * the least, and their sum 2.612 (zeta of 1 / exponent) times the largest. */
		draws->leasts[k] = 1 / (2.612 * sqrt((double)effects->op_count));
		draws->exponents[k] = walk_usual_exponent;
	}
}

void draws_finish(struct draws *draws)
{
	free(draws->factors);
	free(draws->bases);
}

static void set_bases(struct draws *draws, const struct linear *loss)
{
	const struct effects *effects = draws->effects;

	loss_model_shares(effects, loss->weights, draws->bases);
	for (size_t o = 0; o < effects->option_count; o++) {
		draws->bases[o] = effects->losses[o] * fmax(draws->bases[o], least_share);
	}
}

/* The row of the evidence that measurement `of` becomes: what is censored comes after all others. */
static size_t place_row(struct evidence *evidence, bool censored, size_t *censored_count)
{
	return censored ? evidence->rows - ++*censored_count : evidence->exact++;
}

static void evidence_init(struct evidence *evidence, const struct draws *draws,
			  const struct linear *loss, const struct measured *data)
{
	const struct effects *effects = draws->effects;
	size_t most = effects_most_rows(effects), censored = 0;
	size_t oldest = data->count > most ? data->count - most : 0;

	evidence->rows = data->count - oldest;
	evidence->exact = 0;
	evidence->columns = mem_new(effects->op_count * evidence->rows, sizeof(double));
	evidence->values = mem_new(evidence->rows, sizeof(double));
	for (size_t d = oldest; d < data->count; d++) {
		bool is_ruined = !effects->first_rules && data->values[d] > walk_ruined;
		double value = data->values[d];
		double off = is_ruined ? 1 : hypot(loss->noise, misfit * value);
		size_t r = place_row(evidence, is_ruined, &censored);

		evidence->values[r] = value / off;
		for (size_t i = 0; i < effects->op_count; i++) {
			uint32_t option = effects->first[i] + data->options[d][i];

			evidence->columns[i * evidence->rows + r] = draws->bases[option] / off;
		}
	}
}

static void evidence_finish(struct evidence *evidence)
{
	free(evidence->columns);
	free(evidence->values);
}

void draws_update(struct draws *draws, const struct linear *loss, const struct measured *data,
		  struct rng rng)
{
	bool infers = !draws->effects->first_rules;
	struct evidence evidence;
	struct walk walk;
	size_t steps;

	set_bases(draws, loss);
	evidence_init(&evidence, draws, loss, data);
	walk_init(&walk, draws->effects->op_count, infers, &evidence);
	steps = (size_t)(work / ((double)evidence.rows + step_overhead) / DRAWS);
	walk.rng = rng;
	for (size_t k = 0; k < DRAWS; k++) {
		double *factors = &draws->factors[k];

		walk.exponent = draws->exponents[k];
		walk.least = draws->leasts[k];
		if (infers && !draws->begun) {
			walk_begin(&walk, factors, DRAWS);
		}
		walk_take_up(&walk, infers || draws->begun ? factors : NULL, DRAWS);
		walk_go(&walk, steps);
		for (size_t i = 0; i < walk.count; i++) {
			factors[i * DRAWS] = walk.factors[i];
		}
		draws->leasts[k] = walk.least;
		draws->exponents[k] = walk.exponent;
	}
	draws->begun = true;
	walk_finish(&walk);
	evidence_finish(&evidence);
}

bool draws_ruined(const struct measured *data)
{
	double least = INFINITY;

	for (size_t i = 0; i < data->count; i++) {
		least = fmin(least, data->values[i] != 0 ? data->values[i] : INFINITY);
	}
	return isfinite(least) && least > walk_ruined;
}

void draws_move(const struct draws *draws, const uint16_t *from, const uint16_t *to, double *losses)
{
	const struct effects *effects = draws->effects;

	for (size_t i = 0; i < effects->op_count; i++) {
		const double *bases = &draws->bases[effects->first[i]];
		const double *factors = &draws->factors[i * DRAWS];
		double more = bases[to[i]] - (from != NULL ? bases[from[i]] : 0);

		for (size_t k = 0; k < DRAWS && more != 0; k++) {
			losses[k] += more * factors[k];
		}
	}
}

size_t draws_proposing(const struct draws *draws)
{
	bool many = draws->effects->op_count > (size_t)MANY * DRAWS;

	return many && !draws->effects->first_rules ? DRAWS / 2 : DRAWS;
}

double draws_probability(const struct draws *draws, const double *losses, double limit)
{
	size_t proposing = draws_proposing(draws), first = proposing < DRAWS ? proposing : 0;
	double sum = 0;

	for (size_t k = first; k < DRAWS; k++) {
		sum += 0.5 *
		       erfc((losses[k] - limit) / (least_blur + blur * losses[k]) * M_SQRT1_2);
	}
	return sum / (double)(DRAWS - first);
}

void draws_one(const struct draws *draws, struct rng *rng, double *ret)
{
	const struct effects *effects = draws->effects;
	size_t k = rng_below(rng, draws_proposing(draws));

	for (size_t i = 0; i < effects->op_count; i++) {
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			ret[o] = draws->bases[o] * draws->factors[i * DRAWS + k];
		}
	}
}

void draws_mean(const struct draws *draws, double *ret)
{
	const struct effects *effects = draws->effects;
	size_t count = draws_proposing(draws);

	for (size_t i = 0; i < effects->op_count; i++) {
		double sum = 0;

		for (size_t k = 0; k < count; k++) {
			sum += draws->factors[i * DRAWS + k];
		}
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			ret[o] = draws->bases[o] * sum / (double)count;
		}
	}
}
