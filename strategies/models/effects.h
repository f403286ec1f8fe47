/*
 * What is expected of every option of every operator before anything is measured: how much it
 * costs in accuracy, relative to other options, and which part of the latency it takes.
 *
 * The prior of the structured model: sensitivities from scores where there are any, times factors
 * of what the option is (per tensor, symmetric, bf16, ...). Calibration sizes and other dimensions
 * that are not operators stay at their defaults.
 */
#ifndef NARROWD_STRATEGIES_MODELS_EFFECTS_H
#define NARROWD_STRATEGIES_MODELS_EFFECTS_H

#include "space/bans.h"
#include "strategies/models/chain.h"
#include "strategies/interface/strategy.h"

enum { EFFECTS_TAGS = 32, CLASS_QUANTIZED = 0, CLASS_BF16, CLASS_FP16, CLASS_FP32 };

struct effects {
	const struct space *space; /* borrowed */
	size_t op_count, option_count;
	uint32_t *first; /* operator i has options first[i] .. first[i + 1] - 1, its choices */
	uint8_t *classes;
	uint32_t *tags; /* of an option: what distinguishes it from the operator's default */
	uint16_t tag_atoms[EFFECTS_TAGS];
	uint8_t tag_items[EFFECTS_TAGS];
	size_t tag_count;
	double *factors;   /* of an option, from its mode and tags */
	double *paces;     /* of an option: what its bits gain, as against those of the default */
	double *scores;    /* of an operator; 1 on average; higher suffers more */
	bool scored;       /* whether they are more than a guess */
	bool learnt;       /* ... or what other jobs learnt of operators like these */
	double *losses;    /* expected of an option, in units of what may be lost */
	double *shares;    /* of an operator in the latency of the baseline */
	double *latencies; /* expected of an option, relative to the baseline's */
	bool timed;        /* whether those are more than a guess */
	bool paced;        /* ... or at least what other jobs learnt */
	enum fact cost;    /* ... what they are then: of a size it is no time */
	bool entries;      /* whether scores of options are known */
	bool first_rules;  /* those of the job: beliefs are as they were under rules 1 */
	bool noisy; /* whether measuring a config again has shown noise, which is then told more exactly */
	const struct bans *bans; /* no config has what they ban; borrowed; NULL: nothing is */
	const uint16_t *extras; /* what configs are made with, by extra; borrowed; NULL: defaults */
};

void effects_init(struct effects *effects, const struct problem *problem);
void effects_finish(struct effects *effects);
/* Begins anew, from what is known now; `bans` and `extras` stay. */
static inline void effects_renew(struct effects *effects, const struct problem *problem)
{
	const struct bans *bans = effects->bans;
	const uint16_t *extras = effects->extras;

	effects_finish(effects);
	effects_init(effects, problem);
	effects->bans = bans;
	effects->extras = extras;
}
/* Lists the operators that can be quantized, in order; their number. */
size_t effects_quantizable(const struct effects *effects, uint32_t *ret);
/* `options` has the scores of all their options, and takes the place of the factors; or NULL. */
void effects_take_scores(struct effects *effects, const double *scores, const double *options);
/* Sets the expected losses: scale * (score^exponent * factor), with a floor. */
void effects_expect(struct effects *effects, double exponent, double scale);
/* Before anything is measured: the default loses three times what may be lost. */
void effects_expect_some(struct effects *effects);

/* The selection that a config is; `ret_options` has space->dimension_count elements. */
void effects_options(const struct effects *effects, const struct config *config,
		     uint16_t *ret_options);
/* Makes what is banned worth as much as what stands in for it: `of_options` has a number for each option. */
void effects_ban(const struct effects *effects, double *of_options);
struct config *effects_config(const struct effects *effects, const uint16_t *options);
/* How many measurements a model can take in without becoming slow. */
size_t effects_most_rows(const struct effects *effects);
/* How many a model can take in again and again to choose its hyperparameters. */
size_t effects_learnt_rows(const struct effects *effects);
/* Whether a tag is about how many bits there are, or of a mode: gains depend on those most. */
bool effects_tag_is_coarse(const struct effects *effects, size_t tag);
/* Sum of the expected losses. */
double effects_loss(const struct effects *effects, const uint16_t *options);

/*
 * How much was lost, in units of what may be lost, as a quantity that adds up over operators: a
 * relative loss L becomes L / (1 - L).
 */
double effects_measured_loss(const struct criterion *criterion, double margin);

#endif
