/* Reads what other jobs learnt of operators like these. */
#include "job/spec/codec_learnt.h"

#include <math.h>
#include <stdio.h>

#include "base/map.h"
#include "job/spec/codec_facts.h"

/* Names have no end of a line in them, so that no two groups have one key. */
const char *codec_learnt_key(const json_t *document, char *ret_key)
{
	const char *type = json_string_value(json_object_get(document, "type"));
	const char *shape = json_string_value(json_object_get(document, "shape"));

	(void)snprintf(ret_key, LEARNT_KEY_SIZE, "%s\n%s", type != NULL ? type : "",
		       shape != NULL ? shape : "");
	return ret_key;
}

static void read_group(const struct json_at *at, struct map *groups, struct capability *capability)
{
	static const char *const members[] = {"type", "shape", "known", NULL};
	struct json_at type = json_member(at, "type");
	struct json_at shape = json_member(at, "shape");
	struct json_at known = json_member(at, "known");
	char key[LEARNT_KEY_SIZE];

	if (!json_is_object_at(at)) {
		return;
	}
	json_only(at, members);
	(void)json_string_in(&shape, NULL, LIMIT_NAME_BYTES);
	if ((json_required(&type) & json_required(&known)) &&
	    json_string_in(&type, NULL, LIMIT_NAME_BYTES) != NULL) {
		map_set(groups, codec_learnt_key(at->value, key),
			(intptr_t)codec_facts_read(&known, capability));
	}
}

static void forget_told(struct capability *capability)
{
	for (enum fact fact = 0; fact < FACT_COUNT; fact++) {
		bool told = capability_tells(capability, fact);

		for (size_t l = capability->told_count; told && l < capability->fact_count; l++) {
			for (size_t i = 0; i < capability->facts[l].count; i++) {
				capability->facts[l].entries[i].values[fact] = NAN;
			}
		}
	}
}

/* Where faults of the document left operators out nothing fits, and nothing will be made of it. */
static void give(const struct json_at *document, const struct map *groups,
		 struct capability *capability)
{
	const json_t *ops = json_object_get(document->value, "ops");
	size_t count = json_array_size(ops) == capability->op_count ? capability->op_count : 0;
	char key[LEARNT_KEY_SIZE];

	for (size_t i = 0; i < count; i++) {
		capability->ops[i].learnt_facts =
			(uint32_t)map_get(groups, codec_learnt_key(json_array_get(ops, i), key), 0);
	}
}

void codec_learnt_read(const struct json_at *at, const struct json_at *document,
		       struct capability *capability)
{
	struct map groups;

	if (at->value == NULL || !json_is_array_at(at, LIMIT_OPS)) {
		return;
	}
	map_init(&groups);
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		read_group(&item, &groups, capability);
	}
	forget_told(capability);
	give(document, &groups, capability);
	map_finish(&groups);
}
