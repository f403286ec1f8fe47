/*
 * How much memory trees of JSON may take, all together.
 *
 * jansson makes 240 bytes of "{},": what a text becomes cannot be told from its length. All that it
 * allocates is counted, and while a text of a client is parsed an allocation beyond the budget fails.
 * What the daemon itself makes is never refused.
 */
#ifndef NARROWD_BASE_JSON_BUDGET_H
#define NARROWD_BASE_JSON_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

/* Once, before threads and before any JSON. */
void json_budget_setup(void);
/* From here on this thread parses what a client sent. */
void json_budget_begin(void);
/* How much that was refused for, or 0: what this text alone had taken by then. */
size_t json_budget_end(void);
/* How much this thread has ever taken for trees: what was much is to be given back (mem_give_back()). */
size_t json_budget_made(void);
/* Of all trees now. */
size_t json_budget_used(void);

#endif
