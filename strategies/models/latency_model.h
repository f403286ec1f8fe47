/*
 * The model of latencies, relative to the baseline's: what each operator gains in each class of
 * precisions, and what every border between operators of different classes costs.
 *
 * Learnt from the trials; where the capability says how long operators take that is where it
 * starts. Nothing assumes that lower precision is faster.
 */
#ifndef NARROWD_STRATEGIES_MODELS_LATENCY_MODEL_H
#define NARROWD_STRATEGIES_MODELS_LATENCY_MODEL_H

#include "strategies/models/effects.h"
#include "strategies/models/linear.h"
#include "strategies/models/loss_model.h"

/* Whether the time of an option, counted over all operators, is more than a guess before anything is measured. */
bool latency_model_knows(const struct effects *effects, size_t op, uint32_t option);
void latency_model_init(struct linear *model, const struct effects *effects);
/* `noise` is what repeats say of it; NAN when they say nothing. */
void latency_model_fit(struct linear *model, const struct effects *effects,
		       const struct measured *data, bool learn, double noise);
/* What is expected of a selection; the row is what the model may add to it. */
double latency_model_row(const struct effects *effects, const uint16_t *options,
			 struct linear_row *ret);
/* What one option by itself is expected to take more than fp32, borders aside; the row is what the
 * model may add to it. */
double latency_model_option(const struct effects *effects, size_t op, uint32_t option,
			    struct linear_row *ret);
/* What each option takes, and each border, by these weights. */
void latency_model_options(const struct effects *effects, const double *weights, double *ret,
			   double *ret_borders);

#endif
