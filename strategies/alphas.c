/* Chooses an alpha of smooth quant by what the default loses under each. */
#include "strategies/alphas.h"

#include <math.h>

#include "strategies/plan/stages.h"

void alphas_init(struct alphas *alphas, const struct trials *trials)
{
	*alphas = (struct alphas){.trials = trials, .count = space_alphas(trials->product.space)};
	alphas->settled = alphas->count == 1;
}

static struct config *default_under(const struct alphas *alphas, uint16_t alpha)
{
	const struct space *space = alphas->trials->product.space;
	struct config_change change = {(uint32_t)space_alpha_dimension(space), alpha};

	return config_from_changes(space, &change, alpha > 0 ? 1 : 0);
}

bool alphas_ask(const struct alphas *alphas, struct question *out)
{
	out->kind = QUESTION_EVALUATE;
	for (uint16_t alpha = 0; alpha < alphas->count; alpha++) {
		out->stage = alpha == 0 ? "default" : stage_alpha.name;
		out->config = default_under(alphas, alpha);
		if (!config_set_has(&alphas->trials->seen, out->config)) {
			return true;
		}
		config_destroy(out->config);
	}
	out->config = NULL;
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

void alphas_apply(struct alphas *alphas)
{
	double best = -INFINITY;
	uint16_t chosen = 0;

	for (uint16_t alpha = 0; alpha < alphas->count && !alphas->settled; alpha++) {
		struct config *config = default_under(alphas, alpha);
		const struct known *known = find(alphas->trials, config);

		config_destroy(config);
		if (known == NULL || known->state == KNOWN_OUT) {
			return;
		}
		if (known->state == KNOWN_TOLD && known->margin > best) {
			best = known->margin;
			chosen = alpha;
		}
	}
	if (!alphas->settled) {
		alphas->settled = true;
		alphas->chosen = chosen;
	}
}

bool alphas_differ(const struct alphas *alphas, const struct known *trial)
{
	const struct space *space = alphas->trials->product.space;

	return alphas->count > 1 && trial->config != alphas->trials->baseline &&
	       config_choice(trial->config, space_alpha_dimension(space)) != alphas->chosen;
}
