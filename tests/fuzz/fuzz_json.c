/*
 * Fuzzes the one parser that untrusted text goes through first, and the pointers of its faults.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);

static const struct json_limits limits = {
	.max_bytes = LIMIT_BODY_BYTES,
	.max_depth = LIMIT_JSON_DEPTH,
	.max_values = 10000,
};

static void visit(const struct json_at *at)
{
	char pointer[ERR_POINTER_MAX];
	const char *key;
	json_t *member;

	(void)json_pointer(at, pointer);
	(void)json_int(at, 0, -10, 10);
	(void)json_string_in(at, NULL, 8);
	json_object_foreach(at->value, key, member) {
		struct json_at below = json_member(at, key);

		visit(&below);
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at below = json_item(at, i);

		visit(&below);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
	struct err err;
	struct json_at root;
	json_t *value;
	char *text;

	err_init(&err);
	value = json_parse((const char *)bytes, size, &limits, &err);
	if (value == NULL) {
		return 0;
	}
	root = json_root(value, &err);
	visit(&root);
	text = json_text(value);
	free(text);
	json_decref(value);
	return 0;
}
