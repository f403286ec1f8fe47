/*
 * What a strategy that learns knows: every config asked or measured, as a point of a product.
 *
 * Digits are kept by column, padded to whole blocks, so that comparing a config with all trials
 * is a loop over neighbouring memory. The baseline counts as a measurement of the config that
 * leaves all operators in fp32, where the product has it.
 */
#ifndef NARROWD_STRATEGIES_MODELS_TRIALS_H
#define NARROWD_STRATEGIES_MODELS_TRIALS_H

#include "space/config_set.h"
#include "space/product.h"
#include "strategies/models/culprit.h"
#include "strategies/interface/strategy.h"

enum {
	TRIALS_BLOCK = 16, /* columns have room for a multiple of this */
	TRIALS_NONE = -1,
};

enum known_state { KNOWN_OUT, KNOWN_TOLD, KNOWN_FAILED };

struct known {
	const struct config *config; /* borrowed from the events */
	int64_t trial;               /* whose measurement it is */
	enum known_state state;
	bool feasible;            /* whenever it was measured */
	double margin, objective; /* on average */
	size_t repeats;           /* measurements besides the first */
	bool first_feasible;
	double first_margin, first_objective;
};

/* Another measurement of a config that was known. */
struct repeat {
	size_t index; /* in the list */
	int64_t trial;
	bool told;
	double margin, objective;
};

struct trials {
	struct product product;
	struct config_set seen;
	struct culprit culprit; /* what it bans no config of the product has */
	struct known *list;     /* oldest first */
	size_t count, capacity;
	size_t told;
	struct repeat *repeats; /* that were asked for, oldest first; owned */
	size_t repeat_count;
	uint16_t *columns;       /* digit d of trial i is columns[d * capacity + i] */
	struct config *baseline; /* owned; NULL when the product has no such config */
	double baseline_objective;
	/* Of the calibration sizes, their logarithms, and of alphas, scaled to 0 .. 1; owned. NULL without
	 * several. */
	double *sizes, *alphas;
};

/* `full`: the product has every choice, not only those of the default mode. */
void trials_init(struct trials *trials, const struct problem *problem, bool full);
void trials_finish(struct trials *trials);
/* The space's default, but for what is banned; the caller destroys it. */
struct config *trials_default(const struct trials *trials);
/* Returns the trial that the event is about, or TRIALS_NONE when it says nothing of the product. */
int trials_apply(struct trials *trials, const struct event *event);
/* Whether an answer, which may be late, is to a question of our own, and not a measurement from elsewhere; before it is
 * applied. */
bool trials_awaits(const struct trials *trials, const struct event *event);
static inline const uint16_t *trials_column(const struct trials *trials, size_t digit)
{
	return trials->columns + digit * trials->capacity;
}
/*
 * How a learning strategy begins: the default, then `draws` draws, counting all trials that are
 * known. Where the baseline is a config, too, draws lie between it and the default, which loses
 * too much, at shares that fill the way evenly; else they are uniform. NULL when that is over. The
 * caller destroys the config.
 */
struct config *trials_begin(const struct trials *trials, size_t draws, struct rng *rng,
			    const char **ret_stage);
/* The index of what was measured to miss the criterion least, or SIZE_MAX. */
size_t trials_closest(const struct trials *trials);
/* Where the digit's choices lie between 0 and 1; NULL for what has no order: an operator's, and those of
 * an option that is uniform. */
const double *trials_places(const struct trials *trials, size_t digit);
/* Whether the digit is that of the calibration sizes. */
bool trials_ordered(const struct trials *trials, size_t digit);

#endif
