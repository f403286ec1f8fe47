/*
 * Job bodies: whatever bytes come, they become a checked spec with a usable space, or faults.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "job/spec/codec_config.h"
#include "job/spec/codec_space.h"
#include "job/spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void use(struct spec *spec)
{
	json_t *space = codec_space_json(spec);
	uint16_t *choices = calloc(spec->space->dimension_count, sizeof(*choices));
	struct config *config = config_create(spec->space, choices);
	json_t *document = codec_config_json(spec, config, false);

	assert(space != NULL && document != NULL && config->count == 0);
	json_decref(document);
	json_decref(space);
	config_destroy(config);
	free(choices);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const struct json_limits limits = {LIMIT_BODY_BYTES, LIMIT_JSON_DEPTH,
						  LIMIT_JSON_VALUES};
	struct err err;
	struct spec *spec;
	json_t *body = json_parse((const char *)bytes, length, &limits, &err);

	if (body == NULL) {
		assert(err.code != ERR_OK && err.message[0] != '\0');
		return 0;
	}
	spec = spec_create(body, json_object_get(body, "capability"),
			   json_object_get(body, "evaluator"), &err);
	assert((spec == NULL) == (err.code != ERR_OK));
	if (spec != NULL) {
		use(spec);
		spec_destroy(spec);
	}
	json_decref(body);
	return 0;
}
