/* Chooses what holds for all operators by what the default is worth under each value. */
#include "strategies/alphas.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "strategies/plan/stages.h"

static const struct space *space_of(const struct alphas *alphas)
{
	return alphas->trials->product.space;
}

/* How many values of an extra there are to choose from. */
static uint16_t count_of(const struct alphas *alphas, size_t extra)
{
	const struct space *space = space_of(alphas);

	if (extra == 0) {
		return 1;
	}
	if (space->extras[extra].atoms != NULL) {
		return space->extras[extra].count;
	}
	return alphas->one ? 1 : space_alphas(space);
}

static void find_next(struct alphas *alphas)
{
	do {
		alphas->extra++;
		alphas->settled = alphas->extra == space_of(alphas)->extra_count;
	} while (!alphas->settled && count_of(alphas, alphas->extra) == 1);
}

void alphas_init(struct alphas *alphas, const struct trials *trials, bool one)
{
	*alphas = (struct alphas){.trials = trials, .one = one};
	alphas->chosen = mem_new(space_of(alphas)->extra_count, sizeof(*alphas->chosen));
	find_next(alphas);
}

void alphas_finish(struct alphas *alphas)
{
	free(alphas->chosen);
}

/* As the default, but with every operator that can be in the mode that the extra is about. */
static struct config *config_under(const struct alphas *alphas, size_t extra, uint16_t value)
{
	const struct space *space = space_of(alphas);
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	struct config *config;

	for (size_t op = 0; space->extras[extra].atoms != NULL && op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);
		enum mode mode = space->extras[extra].mode;

		choices[op] = kind->per_mode[mode] > 0 ? kind->first[mode] : 0;
	}
	bans_apply(&alphas->trials->culprit.bans, space, choices);
	for (size_t i = 1; i < space->extra_count; i++) {
		choices[space->op_count + i] = i == extra ? value : alphas->chosen[i];
	}
	config = config_create(space, choices);
	free(choices);
	return config;
}

struct config *alphas_default(const struct alphas *alphas)
{
	return config_under(alphas, 0, 0);
}

static bool is_new(const struct alphas *alphas, struct question *out)
{
	if (!config_set_has(&alphas->trials->seen, out->config)) {
		return true;
	}
	config_destroy(out->config);
	out->config = NULL;
	return false;
}

bool alphas_ask(const struct alphas *alphas, struct question *out)
{
	const struct space *space = space_of(alphas);

	out->kind = QUESTION_EVALUATE;
	out->stage = "default";
	out->config = alphas->settled ? alphas_default(alphas) : trials_default(alphas->trials);
	if (is_new(alphas, out)) {
		return true;
	}
	for (uint16_t value = 0; !alphas->settled && value < count_of(alphas, alphas->extra);
	     value++) {
		out->stage =
			space->extras[alphas->extra].atoms != NULL ? "uniform" : stage_alpha.name;
		out->config = config_under(alphas, alphas->extra, value);
		if (is_new(alphas, out)) {
			return true;
		}
	}
	return false;
}

/* NULL when it is not known. */
static const struct known *find(const struct trials *trials, const struct config *config)
{
	for (size_t i = 0; i < trials->count; i++) {
		if (config_equal(trials->list[i].config, config)) {
			return &trials->list[i];
		}
	}
	return NULL;
}

/* An alpha costs no time; an option may. */
static bool is_better(const struct known *known, const struct known *best, bool timed)
{
	if (best == NULL) {
		return known->margin > -INFINITY;
	}
	if (timed && known->feasible && best->feasible) {
		return known->objective < best->objective;
	}
	return known->margin > best->margin;
}

void alphas_apply(struct alphas *alphas)
{
	while (!alphas->settled) {
		bool timed = space_of(alphas)->extras[alphas->extra].atoms != NULL;
		const struct known *best = NULL;

		for (uint16_t value = 0; value < count_of(alphas, alphas->extra); value++) {
			struct config *config = config_under(alphas, alphas->extra, value);
			const struct known *known = find(alphas->trials, config);

			config_destroy(config);
			if (known == NULL || known->state == KNOWN_OUT) {
				alphas->chosen[alphas->extra] = 0;
				return;
			}
			if (known->state == KNOWN_TOLD && is_better(known, best, timed)) {
				best = known;
				alphas->chosen[alphas->extra] = value;
			}
		}
		find_next(alphas);
	}
}

bool alphas_differ(const struct alphas *alphas, const struct known *trial)
{
	const struct space *space = space_of(alphas);

	for (size_t i = 1; i < space->extra_count && trial->config != alphas->trials->baseline;
	     i++) {
		const struct extra *extra = &space->extras[i];

		if (count_of(alphas, i) > 1 &&
		    config_choice(trial->config, space->op_count + i) != alphas->chosen[i] &&
		    (extra->atoms == NULL || config_uses(trial->config, space, extra->mode))) {
			return true;
		}
	}
	return false;
}
