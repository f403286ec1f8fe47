/*
 * The figures of a config: what all its measurements together say of it, beside the baseline's; part of
 * the job, pure.
 *
 * Noise is pooled over everything in the job that was measured more than once, on the scale on which it
 * is the same for all: the logarithm of the objective where there is one objective and it is above 0,
 * else the gain.
 */
#ifndef NARROWD_JOB_FIGURES_H
#define NARROWD_JOB_FIGURES_H

#include "job/job.h"
#include "job/noise.h"

/* What is known of a config against the baseline. */
struct figures {
	double accuracy[LIMIT_METRICS], accuracy_low[LIMIT_METRICS], accuracy_high[LIMIT_METRICS];
	double values[LIMIT_METRICS], low[LIMIT_METRICS],
		high[LIMIT_METRICS];  /* of the objective */
	double middle[LIMIT_METRICS]; /* median of the objective */
	double baseline_accuracy[LIMIT_METRICS], baseline[LIMIT_METRICS];
	int64_t measurements; /* that this comes from */
	double gain;          /* NAN: means nothing */
	double middle_gain;   /* by medians, which one measurement of many does not move */
	double interval[2];   /* of the gain, 90 %; NAN while nothing was measured twice */
	bool accepted;        /* all of it was measured on the acceptance data */
	bool feasible;
	bool moved; /* the objective of the baseline is that of its later measurements alone */
	double margin, loss;
	json_t *metrics, *baseline_metrics; /* means; owned */
};

void figures_init(struct figures *figures, const struct job *job, const struct trial *trial);
void figures_finish(struct figures *figures);

/* Whether a trial's first measurement is one of its figures: not when they come from other data. */
bool figures_first_counts(const struct job *job, const struct trial *trial);
/* The measurements of a trial's config, or of the baseline: its first one with those that a strategy repeated, and those of
 * the end game from round `from` on. `ret` has room for every trial of the job. */
size_t figures_gather(const struct job *job, int64_t subject, bool first, int64_t from,
		      const struct trial **ret);
/*
 * Whether the baseline's objective was another when it was measured in turns with the choice, by more than noise explains and
 * than is harmless: the machine has become busy, or calm. Then its first measurement counts no more, as that of a
 * choice that was measured again does not. `scratch` as for figures_gather().
 */
bool figures_baseline_moved(const struct job *job, const struct trial *choice,
			    const struct trial **scratch);
/* How often it was asked again in these rounds of the end game. */
size_t figures_count(const struct job *job, int64_t subject, int64_t round_from, int64_t round_to);
/* Whether the scale is the logarithm. `scratch` as for figures_gather(). */
bool figures_logarithmic(const struct job *job, const struct trial **scratch);
double figures_scaled(const struct job *job, const struct figures *figures, bool logarithm,
		      const struct trial *trial);
/* Takes these measurements of one thing into the noise; their mean on that scale. */
double figures_pool(const struct job *job, const struct figures *figures, bool logarithm,
		    const struct trial *const *trials, size_t count, struct noise *noise);
struct noise figures_noise(const struct job *job, const struct figures *figures, bool logarithm,
			   const struct trial **scratch);

#endif
