/*
 * Recipes: what a framework does around quantization (docs/inc.md, "Recipes"), as the user set
 * them and as a config has them.
 *
 * Three recipes are tuned, where the capability says which operators they concern: turning one off
 * puts these operators into fp32. So they are no dimension of their own; a config that has the
 * operators of a recipe in fp32 has the recipe off.
 */
#ifndef NARROWD_JOB_SPEC_RECIPES_H
#define NARROWD_JOB_SPEC_RECIPES_H

#include "base/json.h"
#include "space/config.h"
#include "space/space.h"

struct recipes {
	json_t *values; /* owned; as evaluators see them, smooth_quant_alpha split off its args */
	bool smooth_quant;
	char **alphas; /* JSON texts; owned */
	size_t alpha_count;
	char *ignored; /* pointer of alphas that have no effect, or NULL; owned */
	int64_t rules; /* of the job */
};

/* Reads the member "recipes" of a job, which may be absent. Finish it either way. */
void recipes_read(const struct json_at *at, int64_t rules, struct recipes *ret);
void recipes_finish(struct recipes *recipes);

/* Whether there is a recipe of this name that can be turned off, and whether it is one that is tuned
 * where the user leaves it open. */
bool recipes_has(const char *name);
bool recipes_is_tuned(const char *name);
/* The operators that stay in fp32 because the user turned their recipes off: a flag for each, to be
 * freed; NULL when there are none. */
bool *recipes_kept(const struct recipes *recipes, const struct capability *capability);
/* Leaves in the capability the recipes that are tuned, in the order of their trials: not those that
 * the user set (under rules 1: turned off), nor those without operators. */
void recipes_choose_tuned(const struct recipes *recipes, struct capability *capability);

/* The recipes under this config (NULL for the baseline, `choices` its full vector). New reference.
 */
json_t *recipes_effective(const json_t *values, const struct space *space, const uint16_t *choices);

#endif
