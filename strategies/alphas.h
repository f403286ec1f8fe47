/*
 * The alphas of smooth quant for strategies that choose one first: the one under which the default
 * loses least is kept for everything else.
 */
#ifndef NARROWD_STRATEGIES_ALPHAS_H
#define NARROWD_STRATEGIES_ALPHAS_H

#include "strategies/models/trials.h"

struct alphas {
	const struct trials *trials; /* borrowed */
	uint16_t count, chosen;
	bool settled; /* `chosen` is final; from the start when there is one alpha alone */
};

void alphas_init(struct alphas *alphas, const struct trials *trials);
/* Asks for the default under an alpha; false when all of that was asked. */
bool alphas_ask(const struct alphas *alphas, struct question *out);
/* Takes in what `trials` knows by now. */
void alphas_apply(struct alphas *alphas);
/* Whether a trial is about another alpha than the chosen one; the baseline has none. */
bool alphas_differ(const struct alphas *alphas, const struct known *trial);

#endif
