/* Makes the first configs of a search that learns. */
#include "strategies/models/opening.h"

#include <stdlib.h>

#include "base/mem.h"
#include "strategies/models/walk.h"

enum {
	MOST_OPENINGS = 8,
	LEAST_TYPES = 3, /* with fewer the search tells them apart as fast */
	HEAVIEST = 2,
};

/* What openings are made of. */
struct scene {
	const struct effects *effects;
	const struct trials *trials;
};

/* NULL when it was asked. */
static struct config *new_config(const struct scene *scene, const uint16_t *options)
{
	struct config *config = effects_config(scene->effects, options);

	if (config_set_has(&scene->trials->seen, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

/* All operators that have the mode in it; NULL when few have, or it is what they begin with. */
static struct config *all_in(const struct scene *scene, enum mode mode, uint16_t *options)
{
	const struct effects *effects = scene->effects;
	size_t moved = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		const struct kind *kind = space_kind(effects->space, i);
		bool has = kind->per_mode[mode] > 0 && kind->choices[0].mode != mode;

		options[i] = has ? kind->first[mode] : 0;
		moved += has;
	}
	return 2 * moved >= effects->op_count ? new_config(scene, options) : NULL;
}

/*
 * What a job that tried this mode alone would begin with: whoever has no such mode is in its highest precision. So a
 * mode that suits the model is found where it is offered by a few operators only and another one spoils the rest.
 */
static struct config *alone_in(const struct scene *scene, enum mode mode, uint16_t *options)
{
	const struct effects *effects = scene->effects;
	bool any = false;

	for (size_t i = 0; i < effects->op_count; i++) {
		const struct kind *kind = space_kind(effects->space, i);
		uint32_t last = effects->first[i + 1] - effects->first[i] - 1;
		bool has = kind->per_mode[mode] > 0;

		options[i] = has ? kind->first[mode] : (uint16_t)last;
		any = any || has;
	}
	return any ? new_config(scene, options) : NULL;
}

static struct config *next_mode(const struct scene *scene,
				struct config *(*make)(const struct scene *, enum mode, uint16_t *),
				uint16_t *options)
{
	struct config *config = NULL;

	for (enum mode mode = 0; mode_is_quantized(mode) && config == NULL; mode++) {
		config = make(scene, mode, options);
	}
	return config;
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
static struct config *types_alone(const struct scene *scene, uint32_t a, uint32_t b,
				  uint16_t *options)
{
	const struct effects *effects = scene->effects;

	for (size_t i = 0; i < effects->op_count; i++) {
		uint32_t type = effects->space->ops[i].type;
		uint32_t last = effects->first[i + 1] - effects->first[i] - 1;

		options[i] = type == a || type == b ? 0 : (uint16_t)last;
	}
	return new_config(scene, options);
}

static struct config *heaviest_alone(const struct scene *scene, uint16_t *options)
{
	const struct effects *effects = scene->effects;
	uint32_t *types = mem_new(effects->space->capability.type_count, sizeof(*types));
	struct config *config = NULL;

	if (rank_types(effects, types) >= LEAST_TYPES) {
		for (size_t i = 0; i < HEAVIEST && config == NULL; i++) {
			config = types_alone(scene, types[i], types[i], options);
		}
		if (config == NULL) {
			config = types_alone(scene, types[0], types[1], options);
		}
	}
	free(types);
	return config;
}

/* As the default under one value of an option that all operators share, or NULL; every operator that can be is
 * in the mode that the option is of. */
static struct config *all_with(const struct scene *scene, size_t extra, uint16_t value)
{
	const struct space *space = scene->trials->product.space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	enum mode mode = space->extras[extra].mode;
	struct config *config;

	for (size_t op = 0; op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);

		choices[op] = kind->per_mode[mode] > 0 ? kind->first[mode] : 0;
	}
	bans_apply(&scene->trials->culprit.bans, space, choices);
	choices[space->op_count + extra] = value;
	config = config_create(space, choices);
	free(choices);
	if (config_set_has(&scene->trials->seen, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

/* Who has no values of those options chosen yet. */
static struct config *next_option(const struct scene *scene)
{
	const struct space *space = scene->trials->product.space;
	struct config *config = NULL;

	for (size_t i = space->extra_count - space->uniform_count; i < space->extra_count; i++) {
		uint16_t count = scene->effects->extras == NULL ? space->extras[i].count : 0;

		for (uint16_t value = 1; value < count && config == NULL; value++) {
			config = all_with(scene, i, value);
		}
	}
	return config;
}

/* NULL while it is out. */
static const struct known *find_default(const struct trials *trials)
{
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

struct config *opening_make(const struct effects *effects, const struct trials *trials,
			    const struct problem *problem)
{
	const struct scene scene = {effects, trials};
	const struct known *usual = find_default(trials);
	struct config *config = NULL;
	uint16_t *options;
	bool slow, misses, ruins;

	if (usual == NULL || trials->told > MOST_OPENINGS || effects->first_rules) {
		return NULL;
	}
	options = mem_new(effects->space->dimension_count, sizeof(*options));
	slow = usual->objective >= trials->baseline_objective;
	misses = usual->margin < 0;
	ruins = effects_measured_loss(problem->criterion, usual->margin) > walk_ruined;
	config = next_mode(&scene, all_in, options);
	if (config == NULL && (slow || misses)) {
		config = next_mode(&scene, alone_in, options);
	}
	if (config == NULL) {
		config = next_option(&scene);
	}
	if (config == NULL && (slow || ruins)) {
		config = heaviest_alone(&scene, options);
	}
	free(options);
	return config;
}
