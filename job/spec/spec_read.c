/* Reads which strategy a body wants, and the arguments for it. */
#include "job/spec/spec_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "strategies/registry.h"
#include "job/spec/spec_adviser.h"

static void read_param(const struct json_at *at, const struct param *param, double *number,
		       const char **text)
{
	int choice;

	switch (param->type) {
	case PARAM_INTEGER:
		*number = (double)json_int(at, (int64_t)param->fallback, (int64_t)param->min,
					   (int64_t)param->max);
		return;
	case PARAM_REAL:
		*number = json_real_in(at, param->fallback, param->min, param->max);
		return;
	case PARAM_BOOL:
		*number = json_bool(at, param->fallback != 0);
		return;
	case PARAM_TEXT:
		if (param->choices == NULL) {
			*text = json_string_in(at, param->text_fallback, (size_t)param->max);
			return;
		}
		choice = json_choice(at, -1, param->choices);
		*text = choice >= 0 ? param->choices[choice] : param->text_fallback;
		return;
	}
}

static void read_kwargs(const struct json_at *kwargs, struct spec *spec)
{
	const struct param *params = spec->strategy->params;
	const char *allowed[sizeof(spec->args.numbers) / sizeof(spec->args.numbers[0]) + 1] = {0};

	args_init(&spec->args, params);
	if (kwargs->value != NULL && !json_is_object_at(kwargs)) {
		return;
	}
	spec->kwargs = json_incref(kwargs->value);
	for (size_t i = 0; params != NULL && params[i].name != NULL; i++) {
		struct json_at at = json_member(kwargs, params[i].name);

		allowed[i] = params[i].name;
		if (!params[i].required || json_required(&at)) {
			read_param(&at, &params[i], &spec->args.numbers[i], &spec->args.texts[i]);
		}
	}
	if (kwargs->value != NULL) {
		json_only(kwargs, allowed);
	}
	spec_adviser_read(kwargs, spec);
}

/* 0, 1 or "auto"; -1 when it is not given. */
static const char *read_quant_level(const struct json_at *at)
{
	int64_t number;

	if (at->value == NULL) {
		return NULL;
	}
	if (json_whole(at->value, &number) && (number == 0 || number == 1)) {
		return number == 0 ? "0" : "1";
	}
	if (!json_is_string(at->value) || strcmp(json_string_value(at->value), "auto") != 0) {
		(void)json_fault(at, "must be 0, 1 or \"auto\"");
	}
	return "auto";
}

static void refuse_strategy(const struct json_at *at, const char *name)
{
	const char *like = strategy_like(name);

	if (like != NULL) {
		(void)json_fault(at, "there is no strategy \"%s\": did you mean \"%s\"?", name,
				 like);
	} else {
		(void)json_fault(at, "there is no strategy \"%s\"; see /v1/strategies", name);
	}
}

void spec_read_strategy(const struct json_at *body, bool stored, struct spec *spec)
{
	struct json_at level = json_member(body, "quant_level");
	struct json_at criterion = json_member(body, "tuning_criterion");
	struct json_at strategy = json_member(&criterion, "strategy");
	struct json_at kwargs = json_member(&criterion, "strategy_kwargs");
	const char *name = json_string_in(&strategy, "basic", LIMIT_NAME_BYTES);

	spec->quant_level = read_quant_level(&level);
	if (spec->quant_level == NULL) {
		spec->quant_level = strategy.value != NULL ? "1" : "auto";
	}
	spec->strategy = strategy_find(name);
	if (spec->strategy == NULL && stored) {
		return;
	}
	if (spec->strategy == NULL) {
		/* Also when quant_level outranks it: a typing error is not a wish. */
		refuse_strategy(&strategy, name);
		return;
	}
	if (spec->strategy->has_levels) {
		spec->quant_level = level.value != NULL ? spec->quant_level : "auto";
	} else if (strcmp(spec->quant_level, "1") != 0) {
		bool none = strcmp(spec->quant_level, "0") == 0;
		const struct strategy_ops *named = strategy.value != NULL ? spec->strategy : NULL;

		spec->strategy = none ? &conservative_strategy : &auto_strategy;
		spec->outranked = named != spec->strategy ? named : NULL;
	}
	if (spec->outranked != NULL && spec->rules >= 2) {
		args_init(&spec->args, spec->strategy->params);
		(void)(kwargs.value != NULL && json_is_object_at(&kwargs));
	} else {
		read_kwargs(&kwargs, spec);
	}
}
