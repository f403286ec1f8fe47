/* Reads a module tree, and keeps the blocks that are found in it. */
#include "job/spec/codec_modules.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "space/blocks.h"

/* More levels than any model has, and few enough that no list of names makes a large tree. */
enum { MODULE_LEVELS = 32 };

static bool read_module(const struct json_at *at, struct module *ret)
{
	static const char *const members[] = {"name", "class", NULL};
	struct json_at name = json_member(at, "name");
	struct json_at type = json_member(at, "class");
	int levels = 1;

	if (!json_is_object_at(at)) {
		return false;
	}
	json_only(at, members);
	ret->name = json_required(&name) ? json_string_in(&name, NULL, LIMIT_NAME_BYTES) : NULL;
	ret->type = json_required(&type) ? json_string_in(&type, NULL, LIMIT_NAME_BYTES) : NULL;
	for (const char *c = ret->name; c != NULL && *c != '\0'; c++) {
		levels += *c == '.';
	}
	if (levels > MODULE_LEVELS) {
		(void)json_fault(&name, "more than %d levels", MODULE_LEVELS);
	}
	return ret->name != NULL && ret->type != NULL && levels <= MODULE_LEVELS;
}

/* Of a block only the operators count; one without any is none. */
static void keep_block(struct capability *c, const struct map *names, struct op_list *block,
		       const struct module *modules)
{
	size_t kept = 0;

	for (size_t i = 0; i < block->count; i++) {
		intptr_t op = map_get(names, modules[block->ops[i]].name, 0);

		if (op > 0) {
			block->ops[kept++] = (uint32_t)op - 1;
		}
	}
	block->count = kept;
	if (kept == 0) {
		free(block->ops);
		return;
	}
	c->blocks = mem_grow(c->blocks, c->block_count + 1, sizeof(*c->blocks));
	c->blocks[c->block_count++] = *block;
}

void codec_modules_read(const struct json_at *at, const struct map *names,
			struct capability *capability)
{
	struct op_list *blocks;
	struct module *modules;
	size_t count = 0, found;

	if (!json_is_array_at(at, LIMIT_OPS)) {
		return;
	}
	modules = mem_new(json_array_size(at->value), sizeof(*modules));
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		count += read_module(&item, &modules[count]);
	}
	found = blocks_find(modules, count, &blocks);
	for (size_t i = 0; i < found; i++) {
		keep_block(capability, names, &blocks[i], modules);
	}
	free(blocks);
	free(modules);
}
