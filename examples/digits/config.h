/*
 * What can be chosen for each operator, and the config of a question as C values.
 *
 * One table of items says what exists; the capability is written from it and configs are checked
 * against it, so that nothing is accepted that would not change what is computed.
 */
#ifndef DIGITS_CONFIG_H
#define DIGITS_CONFIG_H

#include <jansson.h>

#include "fault.h"
#include "model.h"

enum item {
	WEIGHT_DTYPE,
	WEIGHT_SCHEME,
	WEIGHT_GRANULARITY,
	WEIGHT_ALGORITHM,
	ACTIVATION_DTYPE,
	ACTIVATION_SCHEME,
	ACTIVATION_GRANULARITY,
	ACTIVATION_ALGORITHM,
	ITEMS,
};

/* Numbers of options, in the order of the table; 0 is the default. */
enum { PER_CHANNEL, PER_TENSOR };
enum { ASYMMETRIC, SYMMETRIC };
enum { MINMAX, KL, ALGORITHMS };

/* int8 with one option per item, or fp32. */
struct choice {
	bool quantized;
	uint8_t option[ITEMS];
};

struct config {
	struct choice ops[MODEL_MAX_OPS];
	size_t samples; /* calibration images */
};

/* Every operator in fp32. */
void config_baseline(struct config *config);
/* The default int8 choice of any operator. */
struct choice config_default_choice(void);

/* Reads the member "config" of a question. Returns 0, or -1 and what cannot be done. */
int config_read(struct config *config, const struct model *model, const json_t *json,
		struct fault *fault);

/* How one operator is to run, as configs have it. Returns as config_read() does. */
int config_read_choice(struct choice *choice, const struct op *op, json_t *json,
		       struct fault *fault);

/* The capability document. New reference, NULL when out of memory. */
json_t *config_capability(const struct model *model);

#endif
