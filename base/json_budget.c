/* The allocator that jansson is given: malloc's, and a count. */
#include "base/json_budget.h"

#include <jansson.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

static atomic_size_t used;
static _Thread_local size_t made;
static _Thread_local struct {
	bool limited;
	size_t own; /* allocated since the beginning, and not freed */
	size_t refused;
} parsing;

static void *counted_malloc(size_t size)
{
	bool over = parsing.limited && atomic_load(&used) + size > LIMIT_JSON_BYTES;
	void *memory = over ? NULL : malloc(size);

	if (memory == NULL && parsing.limited) {
		parsing.refused = parsing.own > 0 ? parsing.own : 1;
	} else if (memory == NULL) {
		memory = mem_again(NULL, size);
	}
	if (memory != NULL) {
		size_t real = malloc_usable_size(memory);

		atomic_fetch_add(&used, real);
		made += real;
		parsing.own += real;
	}
	return memory;
}

static void counted_free(void *memory)
{
	if (memory != NULL) {
		size_t real = malloc_usable_size(memory);

		atomic_fetch_sub(&used, real);
		parsing.own -= real < parsing.own ? real : parsing.own;
		free(memory);
	}
}

void json_budget_setup(void)
{
	json_set_alloc_funcs(counted_malloc, counted_free);
}

size_t json_budget_made(void)
{
	return made;
}

size_t json_budget_used(void)
{
	return atomic_load(&used);
}

void json_budget_begin(void)
{
	parsing.limited = true;
	parsing.own = parsing.refused = 0;
}

size_t json_budget_end(void)
{
	parsing.limited = false;
	return parsing.refused;
}
