/* Computes how promising configs are under additive effects, and climbs. */
#include "strategies/models/promise.h"

#include <math.h>

#include "strategies/models/normal.h"

/* Margins below this are all alike: how far a config misses, when by far, says little of others. */
static const double worst_margin = -1;
/* What additive effects are not trusted beyond: shares of what may be lost, of the objective. */
static const double least_margin_spread = 0.1, least_objective_spread = 1e-3;

static double margin_of(const struct known *trial)
{
	return fmax(trial->margin, worst_margin);
}

static double objective_of(const struct known *trial)
{
	return trial->objective;
}

void promise_init(struct promise *promise, const struct trials *trials)
{
	additive_init(&promise->margins, trials, margin_of);
	additive_init(&promise->objectives, trials, objective_of);
	promise->margins.spread += least_margin_spread;
	promise->objectives.spread += least_objective_spread * fabs(trials->baseline_objective);
	promise->best = INFINITY;
	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];

		if (trial->state == KNOWN_TOLD && trial->feasible) {
			promise->best = fmin(promise->best, trial->objective);
		}
	}
}

void promise_finish(struct promise *promise)
{
	additive_finish(&promise->margins);
	additive_finish(&promise->objectives);
}

static double value(const struct promise *promise, double margin, double objective)
{
	double value = normal_log_cdf(margin / promise->margins.spread);

	if (promise->best < INFINITY) {
		value += normal_log_ei(promise->best, objective, promise->objectives.spread);
	}
	return value;
}

double promise_of(const struct promise *promise, const uint16_t *digits)
{
	return value(promise, additive_at(&promise->margins, digits),
		     additive_at(&promise->objectives, digits));
}

/* A config on the way up, and what is expected of it. */
struct climber {
	uint16_t *digits;
	double margin, objective, value;
};

static void climb_digit(const struct promise *promise, size_t digit, struct climber *at)
{
	const struct additive *margins = &promise->margins, *objectives = &promise->objectives;
	uint16_t *choice = &at->digits[digit];
	double margin = at->margin - additive_effect(margins, digit, *choice);
	double objective = at->objective - additive_effect(objectives, digit, *choice);

	for (uint16_t c = 0; c < margins->product->choices[digit]; c++) {
		struct climber next = {
			.digits = at->digits,
			.margin = margin + additive_effect(margins, digit, c),
			.objective = objective + additive_effect(objectives, digit, c),
		};

		next.value = value(promise, next.margin, next.objective);
		if (next.value > at->value) {
			*at = next;
			*choice = c;
		}
	}
}

void promise_climb(const struct promise *promise, uint16_t *digits, struct rng *rng)
{
	size_t width = promise->margins.product->dimension_count;
	struct climber at = {
		.digits = digits,
		.margin = additive_at(&promise->margins, digits),
		.objective = additive_at(&promise->objectives, digits),
	};

	at.value = value(promise, at.margin, at.objective);
	for (size_t i = 0; i < width; i++) {
		climb_digit(promise, rng_below(rng, width), &at);
	}
}
