/* Writes a space as SigOpt's parameters, and reads SigOpt's assignments back as a config. */
#include "backends/sigopt_body.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { NAME_SIZE = 64 };

static const char *name_of(const struct product *product, size_t digit, char *name)
{
	const struct space *space = product->space;
	size_t dimension = product->dimensions[digit];

	if (dimension >= space->op_count) {
		return space->extras[dimension - space->op_count].name;
	}
	(void)snprintf(name, NAME_SIZE, "op_%zu", dimension);
	return name;
}

json_t *sigopt_body_parameters(const struct product *product)
{
	json_t *list = json_array();
	char name[NAME_SIZE];

	for (size_t i = 0; i < product->dimension_count; i++) {
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:{s:i, s:i}}", "name",
							    name_of(product, i, name), "type",
							    "int", "bounds", "min", 0, "max",
							    product->choices[i] - 1));
	}
	return list;
}

struct config *sigopt_body_config(const struct product *product, const json_t *assignments,
				  struct err *reterr)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));
	struct config *config = NULL;
	char name[NAME_SIZE];
	size_t i;

	for (i = 0; i < product->dimension_count; i++) {
		const json_t *value = json_object_get(assignments, name_of(product, i, name));
		double index = json_number_value(value);

		if (!json_is_number(value) || index != floor(index) || index < 0 ||
		    index >= product->choices[i]) {
			(void)err_set(reterr, ERR_EVALUATOR,
				      "SigOpt suggests no integer from 0 to %d for \"%s\"",
				      product->choices[i] - 1, name_of(product, i, name));
			break;
		}
		digits[i] = (uint16_t)index;
	}
	if (i == product->dimension_count) {
		config = product_config(product, digits);
	}
	free(digits);
	return config;
}
