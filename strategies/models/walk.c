/*
 * Steps of walks (Metropolis et al. 1953; Hastings, Biometrika 57, 1970).
 *
 * A step changes one factor, or two at once. The measurements fix sums of many factors, and with them what
 * the large factors may be: one alone can hardly move. Two that exchange their factors, or share the sum
 * of both anew, keep sums as they are. The first of a pair is picked by its factor: there is little to
 * be gained from trading next to nothing.
 */
#include "strategies/models/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	BLOCK = 16,
	AT_HAND = 8, /* sums that a processor adds to side by side */
};

/* The largest exponents are those of factors that are all nearly the same, the least those of one that is all there is. The logarithm is
 * believed to be normal. */
const double walk_usual_exponent = 2.0 / 3;

const double walk_ruined = 20;

static const double saturation = 0.35, ruin_spread = 2;
static const double log_spread = 1, least_exponent = 0.25, most_exponent = 12;
/* Of the least factor, relative to what is expected on average. */
static const double least_least = 1e-5, most_least = 4;

/* Of the power law. */
static double draw_factor(struct walk *walk)
{
	return walk->least * pow(1 - rng_unit(&walk->rng), -1 / walk->exponent);
}

void walk_init(struct walk *walk, size_t count, bool infers, const struct evidence *evidence)
{
	*walk = (struct walk){
		.evidence = evidence,
		.count = count,
		.infers = infers,
		.factors = mem_new(count, sizeof(double)),
		.blocks = mem_new(count / BLOCK + 1, sizeof(double)),
		.misses = mem_new(evidence->rows, sizeof(double)),
		.others = mem_new(count + evidence->rows, sizeof(double)),
	};
}

void walk_finish(struct walk *walk)
{
	free(walk->factors);
	free(walk->blocks);
	free(walk->misses);
	free(walk->others);
}

/* Of some rows, whose sums stay at hand. */
static void find_some(const struct evidence *evidence, const double *factors, size_t count,
		      size_t first, double *ret)
{
	const double *columns = evidence->columns + first;
	double sums[AT_HAND];

	for (size_t r = 0; r < AT_HAND; r++) {
		sums[r] = -evidence->values[first + r];
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t r = 0; r < AT_HAND; r++) {
			sums[r] += factors[i] * columns[i * evidence->rows + r];
		}
	}
	memcpy(&ret[first], sums, sizeof(sums));
}

static void find_misses(const struct evidence *evidence, const double *factors, size_t count,
			double *ret)
{
	size_t rows = evidence->rows, r = 0;

	for (; r + AT_HAND <= rows; r += AT_HAND) {
		find_some(evidence, factors, count, r, ret);
	}
	for (; r < rows; r++) {
		double sum = -evidence->values[r];

		for (size_t i = 0; i < count; i++) {
			sum += factors[i] * evidence->columns[i * rows + r];
		}
		ret[r] = sum;
	}
}

void walk_take_up(struct walk *walk, const double *factors, size_t stride)
{
	memset(walk->blocks, 0, (walk->count / BLOCK + 1) * sizeof(double));
	walk->sum = 0;
	for (size_t i = 0; i < walk->count; i++) {
		double factor = factors != NULL ? factors[i * stride] : draw_factor(walk);

		walk->factors[i] = factor;
		walk->blocks[i / BLOCK] += factor;
		walk->sum += factor;
	}
	find_misses(walk->evidence, walk->factors, walk->count, walk->misses);
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

static double square(double x)
{
	return x * x;
}

/*
 * What speaks against what was measured of a row in which all is ruined: that the sum is small, and a little
 * that it is another one, since losses saturate.
 */
static double against_ruin(double measured, double miss)
{
	double sum = measured + miss;

	return square(miss / (saturation * fmax(sum, measured))) +
	       (sum < walk_ruined ? square((walk_ruined - sum) / ruin_spread) : 0);
}

/*
 * Takes the step to these factors of two operators, which may be the same, with the probability that it
 * should have. `log_ratio` is what speaks for it besides the measurements.
 */
static void step(struct walk *walk, size_t i, double at_i, size_t j, double at_j, double log_ratio)
{
	size_t rows = walk->evidence->rows, exact = walk->evidence->exact;
	const double *of_i = &walk->evidence->columns[i * rows];
	const double *of_j = &walk->evidence->columns[j * rows];
	double more_i = at_i - walk->factors[i], more_j = i != j ? at_j - walk->factors[j] : 0;
	double worse = 0;

	for (size_t r = 0; r < exact; r++) {
		double change = more_i * of_i[r] + more_j * of_j[r];

		worse += change * (2 * walk->misses[r] + change);
	}
	for (size_t r = exact; r < rows; r++) {
		double change = more_i * of_i[r] + more_j * of_j[r];

		worse += against_ruin(walk->evidence->values[r], walk->misses[r] + change) -
			 against_ruin(walk->evidence->values[r], walk->misses[r]);
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
	double factor = draw_factor(walk);

	step(walk, i, factor, i, factor, 0);
}

/* ... or some more or less; how probable the operator was to be picked for it changes too. */
static void scale(struct walk *walk)
{
	size_t i = pick_by_factor(walk);
	double log_times = 2 * rng_unit(&walk->rng) - 1, factor = walk->factors[i] * exp(log_times);
	double sum = walk->sum - walk->factors[i] + factor;

	if (factor >= walk->least) {
		step(walk, i, factor, i, factor,
		     (1 - walk->exponent) * log_times - log(sum / walk->sum));
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
	double most = 1 - pow(2 * walk->least / sum, walk->exponent);
	double smaller = walk->least * pow(1 - most * rng_unit(&walk->rng), -1 / walk->exponent);
	double larger = fmax(walk->factors[i], walk->factors[j]);
	double log_ratio = (-1 - walk->exponent) * log((sum - smaller) / larger);
	bool swap = rng_unit(&walk->rng) < 0.5;

	if (i != j) {
		step(walk, i, swap ? sum - smaller : smaller, j, swap ? smaller : sum - smaller,
		     log_ratio);
	}
}

/* The logarithm of how probable the exponent is, before anything is measured. */
static double log_prior(double exponent)
{
	double away = log(exponent / walk_usual_exponent) / log_spread;

	return exponent >= least_exponent && exponent <= most_exponent ? -0.5 * away * away
								       : -INFINITY;
}

/* Twice the logarithm of how probable the measurements are, less a constant, from their misses. */
static double fit_of(const struct evidence *evidence, const double *misses)
{
	double sum = 0;

	for (size_t r = 0; r < evidence->rows; r++) {
		sum -= r < evidence->exact ? square(misses[r])
					   : against_ruin(evidence->values[r], misses[r]);
	}
	return sum;
}

static void set_factors(struct walk *walk, const double *factors)
{
	memset(walk->blocks, 0, (walk->count / BLOCK + 1) * sizeof(double));
	walk->sum = 0;
	for (size_t i = 0; i < walk->count; i++) {
		walk->factors[i] = factors[i];
		walk->blocks[i / BLOCK] += factors[i];
		walk->sum += factors[i];
	}
}

/*
 * Another exponent, and factors that stand as they did in their order: each is as far in the tail of the
 * new law as it was in the old one's. `more` is how much more they all lose then. A step in the exponent
 * and the least factor that leaves the ranks alone, so that only priors and measurements count.
 */
static void reshape(struct walk *walk, double times, double more)
{
	double exponent = walk->exponent * times, sum = 0, least, ratio;
	double *factors = walk->others, *misses = walk->others + walk->count;

	for (size_t i = 0; i < walk->count; i++) {
		factors[i] = times != 1 ? pow(walk->factors[i] / walk->least, 1 / times)
					: walk->factors[i] / walk->least;
		sum += factors[i];
	}
	least = more * walk->sum / sum;
	for (size_t i = 0; i < walk->count; i++) {
		factors[i] *= least;
	}
	find_misses(walk->evidence, factors, walk->count, misses);
	ratio = 0.5 * (fit_of(walk->evidence, misses) - fit_of(walk->evidence, walk->misses)) +
		log_prior(exponent) - log_prior(walk->exponent);
	if (!(least >= least_least && least <= most_least) ||
	    log(1 - rng_unit(&walk->rng)) > ratio) {
		return;
	}
	walk->exponent = exponent;
	walk->least = least;
	set_factors(walk, factors);
	memcpy(walk->misses, misses, walk->evidence->rows * sizeof(*misses));
}

/* The exponent and the least factor that go with the factors as they stand. */
static void relearn(struct walk *walk)
{
	double logs = 0, smallest = INFINITY, count = (double)walk->count, ratio, exponent, least;

	for (size_t i = 0; i < walk->count; i++) {
		smallest = fmin(smallest, walk->factors[i]);
		logs += log(walk->factors[i] / walk->least);
	}
	exponent = walk->exponent * exp(rng_unit(&walk->rng) - 0.5);
	ratio = count * log(exponent / walk->exponent) - (exponent - walk->exponent) * logs +
		log_prior(exponent) - log_prior(walk->exponent);
	if (log(1 - rng_unit(&walk->rng)) <= ratio) {
		walk->exponent = exponent;
	}
	least = smallest * pow(1 - rng_unit(&walk->rng), 1 / (count * walk->exponent));
	if (least >= least_least && least <= most_least) {
		walk->least = least;
	}
}

void walk_go(struct walk *walk, size_t steps)
{
	static void (*const kinds[])(struct walk *) = {redraw, exchange, scale, share};

	for (size_t s = 0; s < steps; s++) {
		if (walk->infers && s % walk->count == 0) {
			reshape(walk, exp(1.4 * rng_unit(&walk->rng) - 0.7), 1);
			reshape(walk, 1, exp(0.4 * rng_unit(&walk->rng) - 0.2));
			relearn(walk);
		}
		kinds[s % 4](walk);
	}
}

void walk_begin(struct walk *walk, double *factors, size_t stride)
{
	struct rng *rng = &walk->rng;
	double away = log_spread * (rng_unit(rng) + rng_unit(rng) + rng_unit(rng) - 1.5) * 2;
	double sum = 0;

	walk->exponent = fmin(most_exponent, fmax(least_exponent, walk_usual_exponent * exp(away)));
	walk->least = 1;
	for (size_t i = 0; i < walk->count; i++) {
		factors[i * stride] = draw_factor(walk);
		sum += factors[i * stride];
	}
	walk->least = fmax(fmin((double)walk->count / sum, most_least), least_least);
	for (size_t i = 0; i < walk->count; i++) {
		factors[i * stride] *= walk->least;
	}
}
