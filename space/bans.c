/* Keeps which modes of which operators are banned, and replaces them in configs. */
#include "space/bans.h"

#include <stdlib.h>

#include "base/mem.h"

void bans_finish(struct bans *bans)
{
	free(bans->list);
	*bans = (struct bans){0};
}

/* The last choice whose mode is not banned, or -1. */
static int find_instead(const struct kind *kind, const bool *banned)
{
	int choice = kind->count - 1;

	while (choice >= 0 && banned[kind->choices[choice].mode]) {
		choice--;
	}
	return choice;
}

void bans_set(struct bans *bans, const struct space *space, const bool *banned)
{
	bans_finish(bans);
	for (size_t op = 0; op < space->op_count; op++) {
		const bool *of_op = banned + op * MODE_COUNT;
		int instead = find_instead(space_kind(space, op), of_op);

		for (int mode = 0; mode < MODE_COUNT && instead >= 0; mode++) {
			if (of_op[mode]) {
				bans->list =
					mem_grow(bans->list, bans->count + 1, sizeof(*bans->list));
				bans->list[bans->count++] = (struct ban){
					(uint32_t)op, (uint8_t)mode, (uint16_t)instead};
			}
		}
	}
}

static int by_op(const void *key, const void *element)
{
	const struct ban *a = key, *b = element;

	if (a->op != b->op) {
		return a->op < b->op ? -1 : 1;
	}
	return (a->mode > b->mode) - (a->mode < b->mode);
}

const struct ban *bans_find(const struct bans *bans, size_t op, enum mode mode)
{
	const struct ban key = {.op = (uint32_t)op, .mode = (uint8_t)mode};

	return bans->count > 0 ? bsearch(&key, bans->list, bans->count, sizeof(key), by_op) : NULL;
}

void bans_apply(const struct bans *bans, const struct space *space, uint16_t *choices)
{
	for (size_t i = 0; i < bans->count; i++) {
		const struct ban *ban = &bans->list[i];
		uint16_t *choice = &choices[ban->op];

		if (space_kind(space, ban->op)->choices[*choice].mode == ban->mode) {
			*choice = ban->instead;
		}
	}
}
