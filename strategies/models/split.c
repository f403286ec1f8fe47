/* Parts trials into good ones and others, and weighs them. */
#include "strategies/models/split.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
	MOST_GOOD = 25, /* more would blur what is good about them */
	IN_FULL = 25,   /* so many of the latest trials are not yet weighed down */
};

/* How a trial ranks: by class first, then by value; lower is better. */
struct rank {
	int class;
	double value;
	size_t trial;
};

/*
 * INC's loss (neural_compressor/strategy/tpe.py): within the tolerated loss only speed counts,
 * beyond it a penalty grows with the loss. Each term is scaled to 10: at a loss of 1 %, and at the
 * baseline's time; half of that time is 0.
 */
static double inc_loss(const struct trials *trials, const struct problem *problem,
		       const struct known *trial)
{
	const double accuracy_scale = 10 / expm1(0.01), speed_scale = 10 / (8 * M_LN2);
	const struct criterion *criterion = problem->criterion;
	double tolerated = criterion->metrics[0].tolerable_loss;
	double unit = criterion->relative ? 1 : fmax(fabs(criterion->baseline[0]), DBL_MIN);
	double loss = tolerated * (1 - trial->margin) / unit;
	double speedup =
		objective_ratio(problem->objective, trial->objective, trials->baseline_objective);
	double slowness = speedup > 0 ? -8 * log(speedup / 2) : 0;

	return speed_scale * slowness +
	       (trial->feasible ? 0 : 80 + accuracy_scale * expm1(fmin(loss, 1)));
}

static struct rank rank_of(const struct trials *trials, const struct problem *inc, size_t index)
{
	const struct known *trial = &trials->list[index];

	if (trial->state == KNOWN_FAILED) {
		return (struct rank){2, 0, index};
	}
	if (inc != NULL) {
		return (struct rank){0, inc_loss(trials, inc, trial), index};
	}
	return trial->feasible ? (struct rank){0, trial->objective, index}
			       : (struct rank){1, -trial->margin, index};
}

static int by_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->class != y->class) {
		return x->class - y->class;
	}
	if (x->value != y->value) {
		return x->value < y->value ? -1 : 1;
	}
	return (x->trial > y->trial) - (x->trial < y->trial);
}

/* The latest count in full, older ones less the older they are; as Optuna and hyperopt do. */
static float log_weight(size_t age, size_t count)
{
	size_t older = count - IN_FULL;
	double lowest = 1 / (double)count;

	if (count <= IN_FULL || age >= older) {
		return 0;
	}
	return logf((float)(lowest + (1 - lowest) * (double)age / (double)older));
}

static void choose_good(struct split *split, const struct trials *trials, double share,
			const struct problem *inc)
{
	struct rank *ranks = mem_new(trials->count, sizeof(*ranks));
	size_t known = 0;

	for (size_t i = 0; i < trials->count; i++) {
		if (trials->list[i].state != KNOWN_OUT) {
			ranks[known++] = rank_of(trials, inc, i);
		}
	}
	qsort(ranks, known, sizeof(*ranks), by_rank);
	split->good_count = (size_t)ceil(share * (double)known);
	if (split->good_count > MOST_GOOD) {
		split->good_count = MOST_GOOD;
	}
	for (size_t i = 0; i < split->good_count; i++) {
		split->good[i] = ranks[i].trial;
		split->is_good[ranks[i].trial] = true;
	}
	free(ranks);
}

void split_init(struct split *split, const struct trials *trials, double share,
		const struct problem *inc)
{
	size_t age = 0;

	split->good = mem_new(MOST_GOOD, sizeof(*split->good));
	split->is_good = mem_new(trials->count, sizeof(*split->is_good));
	split->log_weights = mem_new(trials->count, sizeof(*split->log_weights));
	choose_good(split, trials, share, inc);
	for (size_t i = 0; i < trials->count; i++) {
		if (!split->is_good[i]) {
			split->log_weights[i] =
				log_weight(age++, trials->count - split->good_count);
		}
	}
}

void split_finish(struct split *split)
{
	free(split->good);
	free(split->is_good);
	free(split->log_weights);
}
