/* Lends plug-ins the functions of spaces and configs. */
#include "strategies/interface/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "space/config.h"
#include "space/space.h"

static size_t dimension_count(const struct space *space)
{
	return space->dimension_count;
}

static size_t op_count(const struct space *space)
{
	return space->member_count;
}

static size_t op_dimension(const struct space *space, size_t op)
{
	return space->members[op].op;
}

static const char *op_name(const struct space *space, size_t op)
{
	return space->members[op].name;
}

static const char *op_type(const struct space *space, size_t op)
{
	return space->capability.types[space->members[op].type];
}

static const struct choice *choice_of(const struct space *space, size_t op, uint16_t choice)
{
	return &space_kind(space, space->members[op].op)->choices[choice];
}

static const char *choice_mode(const struct space *space, size_t op, uint16_t choice)
{
	return mode_names[choice_of(space, op, choice)->mode];
}

static bool choice_is_quantized(const struct space *space, size_t op, uint16_t choice)
{
	return mode_is_quantized(choice_of(space, op, choice)->mode);
}

static const char *choice_option(const struct space *space, size_t op, const uint16_t *choices,
				 const char *attribute, const char *option)
{
	size_t dimension = op_dimension(space, op);
	struct choice choice = space_resolve(space, dimension, choices[dimension], choices);
	bool weight = strcmp(attribute, "weight") == 0;

	for (int i = 0; i < ITEM_COUNT; i++) {
		if (choice.options[i] != 0 && item_names[i].weight == weight &&
		    strcmp(item_names[i].name, option) == 0) {
			return space_atom(space, choice.options[i]);
		}
	}
	return NULL;
}

static double known(const struct space *space, enum fact fact, size_t op, uint16_t choice)
{
	size_t dimension = op_dimension(space, op);
	struct choice resolved = space_resolve(space, dimension, choice, NULL);

	return space_fact(space, fact, dimension, &resolved);
}

static double known_latency_ms(const struct space *space, size_t op, uint16_t choice)
{
	return known(space, FACT_LATENCY_MS, op, choice);
}

static double known_size_bytes(const struct space *space, size_t op, uint16_t choice)
{
	return known(space, FACT_SIZE_BYTES, op, choice);
}

static double known_score(const struct space *space, size_t op, uint16_t choice)
{
	return known(space, FACT_SCORE, op, choice);
}

static struct config *create(const struct space *space, const uint16_t *choices)
{
	for (size_t d = 0; d < space->dimension_count; d++) {
		if (choices[d] >= space_choices(space, d)) {
			return NULL;
		}
	}
	return config_create(space, choices);
}

static int fail(struct err *reterr, const char *format, ...)
{
	char text[ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(reterr, ERR_INVALID_FIELD, "%s", text);
}

const struct strategy_host host_functions = {
	.dimension_count = dimension_count,
	.op_count = op_count,
	.op_dimension = op_dimension,
	.choice_count = space_choices,
	.op_name = op_name,
	.op_type = op_type,
	.choice_mode = choice_mode,
	.choice_is_quantized = choice_is_quantized,
	.choice_option = choice_option,
	.known_latency_ms = known_latency_ms,
	.known_size_bytes = known_size_bytes,
	.known_score = known_score,
	.config_create = create,
	.config_destroy = config_destroy,
	.config_choice = config_choice,
	.config_equal = config_equal,
	.allocate = mem_new,
	.random_below = rng_below,
	.random_unit = rng_unit,
	.fail = fail,
};
