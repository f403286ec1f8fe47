/*
 * What holds for all operators, for strategies that choose it first: the alpha of smooth quant, then
 * each option that is uniform. The one under which the default does best is kept for everything else.
 */
#ifndef NARROWD_STRATEGIES_ALPHAS_H
#define NARROWD_STRATEGIES_ALPHAS_H

#include "strategies/models/trials.h"

struct alphas {
	const struct trials *trials; /* borrowed */
	bool one;                    /* the first alpha is taken */
	uint16_t *chosen;            /* of each extra of the space; owned */
	size_t extra;                /* which is being chosen */
	bool settled;                /* all are; from the start when none has several values */
};

void alphas_init(struct alphas *alphas, const struct trials *trials, bool one);
void alphas_finish(struct alphas *alphas);
/* Asks for the default, and for it under what is to be chosen; false when all of that was asked. */
bool alphas_ask(const struct alphas *alphas, struct question *out);
/* Takes in what `trials` knows by now. */
void alphas_apply(struct alphas *alphas);
/* The default under what was chosen; the caller destroys it. */
struct config *alphas_default(const struct alphas *alphas);
/* Whether a trial is about something else than what was chosen; the baseline is not. */
bool alphas_differ(const struct alphas *alphas, const struct known *trial);

#endif
