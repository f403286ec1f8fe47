/*
 * Transformer blocks: finds them in a model's module tree by the numbers of linear layers alone
 * (docs/inc.md, "Transformer blocks").
 */
#ifndef NARROWD_SPACE_BLOCKS_H
#define NARROWD_SPACE_BLOCKS_H

#include "space/capability.h"

struct module {
	const char *name; /* full name, the parts joined by dots */
	const char *type; /* its class */
};

/*
 * The feed-forward blocks, the last one first, as lists of indexes into `modules`. Modules come in
 * the order of the model; those that others are below count as containers only. *ret_blocks and
 * its lists are the caller's to free; returns how many there are.
 */
size_t blocks_find(const struct module *modules, size_t count, struct op_list **ret_blocks);

#endif
