/*
 * The normal distribution far into its tails, in logarithms: what an acquisition is made of.
 *
 * Stable forms after Ament, Daulton, Eriksson, Balandat and Bakshy: Unexpected improvements to
 * expected improvement (arXiv 2310.20708, eq. 9), with libm's erfc only. Relative errors stay below
 * 1e-13 for arguments of -1e8 to 10.
 */
#ifndef NARROWD_STRATEGIES_MODELS_NORMAL_H
#define NARROWD_STRATEGIES_MODELS_NORMAL_H

/* log Phi(z), Phi being the cumulative distribution. */
double normal_log_cdf(double z);
/* log(z Phi(z) + phi(z)): the logarithm of the expected improvement in units of the deviation. */
double normal_log_h(double z);
/*
 * The logarithm of the expected amount by which a normal variable lies below `best`. A deviation
 * of 0 or less is taken as certainty.
 */
double normal_log_ei(double best, double mean, double deviation);

#endif
