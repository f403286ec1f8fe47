/*
 * Walks through what is possible.
 *
 * An operator's loss is that of its option, as the structured model has it, times a factor of the
 * operator. Factors follow a power law: most operators lose next to nothing and a few nearly all. Each
 * draw is where a walk of its own stands that is as often at a place as the place is probable
 * (Metropolis et al. 1953; Hastings, Biometrika 57, 1970). After a new measurement all go on from
 * where they stood, so that each needs few steps.
 *
 * A step changes one factor, or two at once. The measurements fix sums of many factors, and with them what
 * the large factors may be: one alone can hardly move. Two that exchange their factors, or share the sum
 * of both anew, keep sums as they are. The first of a pair is picked by its factor: there is little to
 * be gained from trading next to nothing.
 */
#include "strategies/models/draws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK = 16 };

/* Of the power law: the probability of more than x falls with x to minus this. */
static const double exponent = 2.0 / 3;
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

/* What was measured, in units of how far a sum may be off. */
struct evidence {
	size_t rows;
	double *columns; /* of operator i and row r: what a factor of 1 adds; owned */
	double *values;  /* owned */
};

struct walk {
	const struct evidence *evidence;
	size_t count;
	double least;    /* factor */
	double *factors; /* owned */
	double *blocks;  /* sums of BLOCK factors each; owned */
	double sum;      /* of all factors */
	double *misses;  /* of each row: expected less measured; owned */
	struct rng rng;
};

void draws_init(struct draws *draws, const struct effects *effects)
{
	*draws = (struct draws){
		.effects = effects,
		.factors = mem_new(effects->op_count * DRAWS, sizeof(double)),
		.bases = mem_new(effects->option_count, sizeof(double)),
	};
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

static void evidence_init(struct evidence *evidence, const struct draws *draws,
			  const struct linear *loss, const struct measured *data)
{
	const struct effects *effects = draws->effects;
	size_t most = effects_most_rows(effects);
	size_t oldest = data->count > most ? data->count - most : 0;

	evidence->rows = data->count - oldest;
	evidence->columns = mem_new(effects->op_count * evidence->rows, sizeof(double));
	evidence->values = mem_new(evidence->rows, sizeof(double));
	for (size_t r = 0; r < evidence->rows; r++) {
		double value = data->values[oldest + r];
		double off = hypot(loss->noise, misfit * value);

		evidence->values[r] = value / off;
		for (size_t i = 0; i < effects->op_count; i++) {
			uint32_t option = effects->first[i] + data->options[oldest + r][i];

			evidence->columns[i * evidence->rows + r] = draws->bases[option] / off;
		}
	}
}

static void evidence_finish(struct evidence *evidence)
{
	free(evidence->columns);
	free(evidence->values);
}

/* Of the power law. */
static double draw_factor(double least, struct rng *rng)
{
	return least * pow(1 - rng_unit(rng), -1 / exponent);
}

static void walk_init(struct walk *walk, const struct draws *draws, const struct evidence *evidence)
{
	size_t count = draws->effects->op_count;

	*walk = (struct walk){
		.evidence = evidence,
		.count = count,
		/* So that many factors are 1 on average: the largest is then count^(1 / exponent) times
		 * the least, and their sum 2.612 (zeta of 1 / exponent) times the largest. */
		.least = 1 / (2.612 * sqrt((double)count)),
		.factors = mem_new(count, sizeof(double)),
		.blocks = mem_new(count / BLOCK + 1, sizeof(double)),
		.misses = mem_new(evidence->rows, sizeof(double)),
	};
}

static void walk_finish(struct walk *walk)
{
	free(walk->factors);
	free(walk->blocks);
	free(walk->misses);
}

/* Starts where the draw stands, or anywhere. */
static void take_up(struct walk *walk, const struct draws *draws, size_t k)
{
	const struct evidence *evidence = walk->evidence;

	memset(walk->blocks, 0, (walk->count / BLOCK + 1) * sizeof(double));
	walk->sum = 0;
	for (size_t r = 0; r < evidence->rows; r++) {
		walk->misses[r] = -evidence->values[r];
	}
	for (size_t i = 0; i < walk->count; i++) {
		double factor = draws->begun ? draws->factors[i * DRAWS + k]
					     : draw_factor(walk->least, &walk->rng);

		walk->factors[i] = factor;
		walk->blocks[i / BLOCK] += factor;
		walk->sum += factor;
		for (size_t r = 0; r < evidence->rows; r++) {
			walk->misses[r] += factor * evidence->columns[i * evidence->rows + r];
		}
	}
}

static size_t pick_by_factor(struct walk *walk)
{
	double left = rng_unit(&walk->rng) * walk->sum;
	size_t i = 0;

	while (i + BLOCK < walk->count && left >= walk->blocks[i / BLOCK]) {
		left -= walk->blocks[i / BLOCK];
		i += BLOCK;
	}
	while (i + 1 < walk->count && left >= walk->factors[i]) {
		left -= walk->factors[i++];
	}
	return i;
}

static void set_factor(struct walk *walk, size_t i, double factor)
{
	double more = factor - walk->factors[i];

	walk->factors[i] = factor;
	walk->blocks[i / BLOCK] += more;
	walk->sum += more;
}

/*
 * Takes the step to these factors of two operators, which may be the same, with the probability that it
 * should have. `log_ratio` is what speaks for it besides the measurements.
 */
static void step(struct walk *walk, size_t i, double at_i, size_t j, double at_j, double log_ratio)
{
	size_t rows = walk->evidence->rows;
	const double *of_i = &walk->evidence->columns[i * rows];
	const double *of_j = &walk->evidence->columns[j * rows];
	double more_i = at_i - walk->factors[i], more_j = i != j ? at_j - walk->factors[j] : 0;
	double worse = 0;

	for (size_t r = 0; r < rows; r++) {
		double change = more_i * of_i[r] + more_j * of_j[r];

		worse += change * (2 * walk->misses[r] + change);
	}
	if (log(1 - rng_unit(&walk->rng)) > log_ratio - 0.5 * worse) {
		return;
	}
	for (size_t r = 0; r < rows; r++) {
		walk->misses[r] += more_i * of_i[r] + more_j * of_j[r];
	}
	set_factor(walk, i, at_i);
	if (i != j) {
		set_factor(walk, j, at_j);
	}
}

/* A new factor of one operator: another draw, ... */
static void redraw(struct walk *walk)
{
	size_t i = rng_below(&walk->rng, walk->count);
	double factor = draw_factor(walk->least, &walk->rng);

	step(walk, i, factor, i, factor, 0);
}

/* ... or some more or less; how probable the operator was to be picked for it changes too. */
static void scale(struct walk *walk)
{
	size_t i = pick_by_factor(walk);
	double log_times = 2 * rng_unit(&walk->rng) - 1, factor = walk->factors[i] * exp(log_times);
	double sum = walk->sum - walk->factors[i] + factor;

	if (factor >= walk->least) {
		step(walk, i, factor, i, factor, (1 - exponent) * log_times - log(sum / walk->sum));
	}
}

static void exchange(struct walk *walk)
{
	size_t i = pick_by_factor(walk), j = rng_below(&walk->rng, walk->count);

	if (i != j) {
		step(walk, i, walk->factors[j], j, walk->factors[i], 0);
	}
}

/* The smaller share is drawn by the power law, so that only the larger one's probability counts. */
static void share(struct walk *walk)
{
	size_t i = pick_by_factor(walk), j = rng_below(&walk->rng, walk->count);
	double sum = walk->factors[i] + walk->factors[j];
	double most = 1 - pow(2 * walk->least / sum, exponent);
	double smaller = walk->least * pow(1 - most * rng_unit(&walk->rng), -1 / exponent);
	double larger = fmax(walk->factors[i], walk->factors[j]);
	double log_ratio = (-1 - exponent) * log((sum - smaller) / larger);
	bool swap = rng_unit(&walk->rng) < 0.5;

	if (i != j) {
		step(walk, i, swap ? sum - smaller : smaller, j, swap ? smaller : sum - smaller,
		     log_ratio);
	}
}

static void go(struct walk *walk, size_t steps)
{
	static void (*const kinds[])(struct walk *) = {redraw, exchange, scale, share};

	for (size_t s = 0; s < steps; s++) {
		kinds[s % 4](walk);
	}
}

void draws_update(struct draws *draws, const struct linear *loss, const struct measured *data,
		  struct rng rng)
{
	struct evidence evidence;
	struct walk walk;
	size_t steps;

	set_bases(draws, loss);
	evidence_init(&evidence, draws, loss, data);
	walk_init(&walk, draws, &evidence);
	steps = (size_t)(work / ((double)evidence.rows + step_overhead) / DRAWS);
	walk.rng = rng;
	for (size_t k = 0; k < DRAWS; k++) {
		take_up(&walk, draws, k);
		go(&walk, steps);
		for (size_t i = 0; i < walk.count; i++) {
			draws->factors[i * DRAWS + k] = walk.factors[i];
		}
	}
	draws->begun = true;
	walk_finish(&walk);
	evidence_finish(&evidence);
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

double draws_probability(const double *losses)
{
	double sum = 0;

	for (size_t k = 0; k < DRAWS; k++) {
		sum += 0.5 * erfc((losses[k] - 1) / (least_blur + blur * losses[k]) * M_SQRT1_2);
	}
	return sum / DRAWS;
}

void draws_one(const struct draws *draws, struct rng *rng, double *ret)
{
	const struct effects *effects = draws->effects;
	size_t k = rng_below(rng, DRAWS);

	for (size_t i = 0; i < effects->op_count; i++) {
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			ret[o] = draws->bases[o] * draws->factors[i * DRAWS + k];
		}
	}
}

void draws_mean(const struct draws *draws, double *ret)
{
	const struct effects *effects = draws->effects;

	for (size_t i = 0; i < effects->op_count; i++) {
		double sum = 0;

		for (size_t k = 0; k < DRAWS; k++) {
			sum += draws->factors[i * DRAWS + k];
		}
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			ret[o] = draws->bases[o] * sum / DRAWS;
		}
	}
}
