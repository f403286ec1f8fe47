#include "strategies/models/opening.h"

#include <stdlib.h>

#include "base/mem.h"
#include "strategies/models/walk.h"

enum {
	MOST_OPENINGS = 8,
	LEAST_TYPES = 3, /* with fewer the search tells them apart as fast */
	HEAVIEST = 2,
};

/* NULL when it was asked. */
static struct config *new_config(const struct beliefs *beliefs, const uint16_t *options)
{
	struct config *config = effects_config(&beliefs->effects, options);

	if (config_set_has(&beliefs->trials.seen, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

/* All operators that have the mode in it; NULL when few have, or it is what they begin with. */
static struct config *all_in(const struct beliefs *beliefs, enum mode mode, uint16_t *options)
{
	const struct effects *effects = &beliefs->effects;
	size_t moved = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		const struct kind *kind = space_kind(effects->space, i);
		bool has = kind->per_mode[mode] > 0 && kind->choices[0].mode != mode;

		options[i] = has ? kind->first[mode] : 0;
		moved += has;
	}
	return 2 * moved >= effects->op_count ? new_config(beliefs, options) : NULL;
}

/* The types of operators that can be quantized, those first that take most of the time; their number. */
static size_t rank_types(const struct effects *effects, uint32_t *ret)
{
	size_t types = effects->space->capability.type_count, count = 0;
	double *shares = mem_new(types, sizeof(*shares));

	for (size_t i = 0; i < effects->op_count; i++) {
		bool lowers = effects->classes[effects->first[i]] == CLASS_QUANTIZED;

		shares[effects->space->ops[i].type] += lowers ? effects->shares[i] : 0;
	}
	for (uint32_t t = 0; t < types; t++) {
		size_t place = count;

		if (shares[t] <= 0) {
			continue;
		}
		while (place > 0 && shares[ret[place - 1]] < shares[t]) {
			ret[place] = ret[place - 1];
			place--;
		}
		ret[place] = t;
		count++;
	}
	free(shares);
	return count;
}

/* Operators of one or two types as in the default, the others in their highest precision. */
static struct config *types_alone(const struct beliefs *beliefs, uint32_t a, uint32_t b,
				  uint16_t *options)
{
	const struct effects *effects = &beliefs->effects;

	for (size_t i = 0; i < effects->op_count; i++) {
		uint32_t type = effects->space->ops[i].type;
		uint32_t last = effects->first[i + 1] - effects->first[i] - 1;

		options[i] = type == a || type == b ? 0 : (uint16_t)last;
	}
	return new_config(beliefs, options);
}

static struct config *heaviest_alone(const struct beliefs *beliefs, uint16_t *options)
{
	const struct effects *effects = &beliefs->effects;
	uint32_t *types = mem_new(effects->space->capability.type_count, sizeof(*types));
	struct config *config = NULL;

	if (rank_types(effects, types) >= LEAST_TYPES) {
		for (size_t i = 0; i < HEAVIEST && config == NULL; i++) {
			config = types_alone(beliefs, types[i], types[i], options);
		}
		if (config == NULL) {
			config = types_alone(beliefs, types[0], types[1], options);
		}
	}
	free(types);
	return config;
}

/* NULL while it is out. */
static const struct known *find_default(const struct beliefs *beliefs)
{
	const struct trials *trials = &beliefs->trials;
	struct config *config = trials_default(trials);
	const struct known *found = NULL;

	for (size_t i = 0; i < trials->count && found == NULL; i++) {
		const struct known *trial = &trials->list[i];

		found = trial->state == KNOWN_TOLD && config_equal(trial->config, config) ? trial
											  : NULL;
	}
	config_destroy(config);
	return found;
}

struct config *opening_make(const struct beliefs *beliefs, const struct problem *problem)
{
	const struct trials *trials = &beliefs->trials;
	const struct known *usual = find_default(beliefs);
	struct config *config = NULL;
	uint16_t *options;
	bool slow, ruins;

	if (usual == NULL || trials->told > MOST_OPENINGS || beliefs->effects.first_rules) {
		return NULL;
	}
	options = mem_new(beliefs->effects.space->dimension_count, sizeof(*options));
	slow = usual->objective >= trials->baseline_objective;
	ruins = effects_measured_loss(problem->criterion, usual->margin) > walk_ruined;
	for (int mode = 0; mode < MODE_COUNT && config == NULL; mode++) {
		config = mode_is_quantized((enum mode)mode)
				 ? all_in(beliefs, (enum mode)mode, options)
				 : NULL;
	}
	if (config == NULL && (slow || ruins)) {
		config = heaviest_alone(beliefs, options);
	}
	free(options);
	return config;
}
