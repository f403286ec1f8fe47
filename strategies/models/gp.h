/*
 * Gaussian processes over configs: what the strategy bayesian believes of unseen ones.
 *
 * The kernel is Matern 5/2 (or exp(-d2)) of a weighted sum of how much each digit differs (distance.h). Rasmussen and Williams: Gaussian Processes for Machine
 * Learning, 2006, algorithms 2.1 and 5.1.
 */
#ifndef NARROWD_STRATEGIES_MODELS_GP_H
#define NARROWD_STRATEGIES_MODELS_GP_H

#include "strategies/models/distance.h"

/* Values at rows: `trials` says which trial each row is. What has no value is believed: it counts
 * as if it had turned out as the rows before it foretell, so such rows come last. */
struct gp_data {
	const struct trials *trials; /* borrowed */
	const size_t *rows;          /* borrowed */
	const double *values;        /* of the first `known` rows; borrowed */
	size_t count, known;
};

/* Hyperparameters. Digits of one group share a weight. */
struct gp {
	const struct distance *distance; /* borrowed */
	bool matern;
	uint32_t *group; /* of each digit */
	size_t group_count;
	double *logs; /* weights of the groups, then the variance, then the noise: logarithms */
};

/* A GP conditioned on data. */
struct gp_fit {
	const struct gp *gp; /* borrowed */
	struct gp_data data;
	double *weights; /* of each digit */
	double *factor, *alpha;
	double mean, scale; /* of the values */
};

void gp_init(struct gp *gp, const struct distance *distance, bool matern);
void gp_finish(struct gp *gp);
/* Climbs the logarithm of the marginal likelihood times the priors of Optuna's GPSampler. */
void gp_learn(struct gp *gp, const struct gp_data *data);

void gp_fit_init(struct gp_fit *fit, const struct gp *gp, const struct gp_data *data);
void gp_fit_finish(struct gp_fit *fit);
/* The squared distances of a config to all rows. */
void gp_fit_place(const struct gp_fit *fit, const uint16_t *digits, double *ret_distances);
/* What they are after one digit changed. */
void gp_fit_move(const struct gp_fit *fit, size_t digit, uint16_t from, uint16_t to,
		 double *distances);
/* Means and deviations at `count` configs, given their distances one after the other; in the
 * units of the values. */
void gp_fit_predict(const struct gp_fit *fit, const double *distances, size_t count,
		    double *ret_means, double *ret_deviations);

#endif
