/* Reads which operators are tied and which options are uniform. */
#include "job/spec/codec_shared.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* `group_of` has for each operator the number plus one of the group that it is in. */
static void add_operator(const struct json_at *at, const struct map *names, size_t group,
			 uint32_t *group_of, struct op_list *list)
{
	const char *name = json_string_in(at, NULL, LIMIT_NAME_BYTES);
	intptr_t op = name != NULL ? map_get(names, name, 0) : 0;

	if (name == NULL) {
		return;
	}
	if (op == 0) {
		(void)json_fault(at, "no operator has this name");
	} else if (group_of[op - 1] == group + 1) {
		(void)json_fault(at, "the operator is in this group already");
	} else if (group_of[op - 1] != 0) {
		(void)json_fault(at, "the operator is in group %u already: groups are disjoint",
				 (unsigned)group_of[op - 1] - 1);
	} else {
		group_of[op - 1] = (uint32_t)group + 1;
		list->ops[list->count++] = (uint32_t)op - 1;
	}
}

static void read_group(const struct json_at *at, const struct map *names, size_t group,
		       uint32_t *group_of, struct op_list *list)
{
	char pointer[ERR_POINTER_MAX];
	size_t count;

	if (!json_is_array_at(at, LIMIT_OPS)) {
		return;
	}
	count = json_array_size(at->value);
	if (count < 2) {
		(void)json_fault(at, "at least two operators are needed to tie them");
	}
	list->name = mem_dup(json_pointer(at, pointer));
	list->ops = mem_new(count, sizeof(*list->ops));
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_item(at, i);

		add_operator(&item, names, group, group_of, list);
	}
	if (list->count > 0) {
		qsort(list->ops, list->count, sizeof(*list->ops), ascending);
	}
}

void codec_tied_read(const struct json_at *at, const struct map *names,
		     struct capability *capability)
{
	uint32_t *group_of;

	if (!json_is_array_at(at, LIMIT_OPS)) {
		return;
	}
	capability->tied_count = json_array_size(at->value);
	capability->tied = mem_new(capability->tied_count, sizeof(*capability->tied));
	group_of = mem_new(capability->op_count, sizeof(*group_of));
	for (size_t g = 0; g < capability->tied_count; g++) {
		struct json_at item = json_item(at, g);

		read_group(&item, names, g, group_of, &capability->tied[g]);
	}
	free(group_of);
}

/* ITEM_COUNT for what is no path. */
static enum item item_of(const char *path)
{
	enum item item = 0;

	for (; item < ITEM_COUNT; item++) {
		const char *attribute = item_names[item].weight ? "weight." : "activation.";
		size_t length = strlen(attribute);

		if (strncmp(path, attribute, length) == 0 &&
		    strcmp(path + length, item_names[item].name) == 0) {
			break;
		}
	}
	return item;
}

static void read_path(const struct json_at *at, struct capability *c)
{
	const char *path = json_string_in(at, NULL, LIMIT_NAME_BYTES);
	enum item item = path != NULL ? item_of(path) : ITEM_COUNT;
	char pointer[ERR_POINTER_MAX];

	if (path == NULL) {
		return;
	}
	for (size_t i = 0; i < c->uniform_count; i++) {
		if (c->uniform[i].item == item) {
			(void)json_fault(at, "the option is in this list already");
			return;
		}
	}
	if (item == ITEM_COUNT) {
		(void)json_fault(at, "unknown option: \"weight.\" or \"activation.\" and one of "
				     "dtype, scheme, algorithm, granularity, of weights bits and "
				     "group_size too, of activations compute_dtype");
		return;
	}
	c->uniform = mem_grow(c->uniform, c->uniform_count + 1, sizeof(*c->uniform));
	c->uniform[c->uniform_count++] = (struct uniform){item, mem_dup(json_pointer(at, pointer))};
}

void codec_uniform_read(const struct json_at *at, struct capability *capability)
{
	if (!json_is_array_at(at, ITEM_COUNT)) {
		return;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		read_path(&item, capability);
	}
}
