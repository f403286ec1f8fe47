/*
 * The structured model of losses: each option's expected loss times 1 + what the model, its
 * operator type with this tag, the operator and the option itself add to it.
 *
 * The additive, hierarchical prior of algorithms used in mixed-precision search, as a linear model;
 * fitted anew with the variances, the noise and the trust in scores that explain the data best. What an
 * operator makes of its expected loss is lognormal: quantizing rarely helps, and a few operators suffer
 * many times more than the others.
 */
#ifndef NARROWD_STRATEGIES_MODELS_LOSS_MODEL_H
#define NARROWD_STRATEGIES_MODELS_LOSS_MODEL_H

#include "strategies/models/effects.h"
#include "strategies/models/linear.h"

/* What was measured: selections of options and the losses in units of what may be lost. */
struct measured {
	uint16_t **options; /* borrowed */
	const double *values;
	size_t count;
};

/* How many levels of noise are thought possible, LOSS_NOISES at most; and one of them, a deviation. Level 0 stands for no
 * noise to speak of. Once there is known to be noise the others lie closer together: to be sure of a config is
 * to be so under every level that may be. */
enum { LOSS_NOISES = 8 };
size_t loss_model_noises(const struct effects *effects);
double loss_model_noise(const struct effects *effects, size_t level);

void loss_model_init(struct linear *model, const struct effects *effects);
/* Fits the model to the latest measurements; `learn` chooses the hyperparameters anew, those of
 * `effects` included, and then writes how probable each level of noise is, unless that is NULL. */
void loss_model_fit(struct linear *model, struct effects *effects, const struct measured *data,
		    bool learn, double *ret_noises);
/* What is expected of a selection; the row is what the model may add to it. */
double loss_model_row(const struct effects *effects, const uint16_t *options,
		      struct linear_row *ret);
/* The expected square of what two options of an operator differ by, before anything is measured. */
double loss_model_difference(const struct linear *model, const struct effects *effects, size_t op,
			     uint16_t a, uint16_t b);
/* What is expected of one option by itself; the row is what the model may add to it. */
double loss_model_option(const struct effects *effects, size_t op, uint32_t option,
			 struct linear_row *ret);
/* What each option costs by these weights: the posterior means, or a sample. */
void loss_model_options(const struct effects *effects, const double *weights, double *ret);
/* The same relative to what was expected, and without what the operator makes of it. */
void loss_model_shares(const struct effects *effects, const double *weights, double *ret);

#endif
