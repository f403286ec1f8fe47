/*
 * What the entries of a user's dictionaries mean: operators by name, or types.
 *
 * An entry whose key is a name means that name alone; any other key is a regular expression that
 * must match in full. Work is bounded by one budget for all entries together, because matching is
 * done where everything else waits.
 */
#ifndef NARROWD_SPACE_MATCH_H
#define NARROWD_SPACE_MATCH_H

#include "space/space.h"

/* Fills the matches of `entries`, which has one for each restriction of the request.
 * ERR_INVALID_FIELD with a fault at each key that is no regular expression, or at the one that takes
 * more work than all may. */
int match_all(const struct capability *capability, const struct space_request *request,
	      struct space_entry *entries, struct err *reterr);

/* Which entries match each operator, or each type: those of `i` are list[first[i]] ..
 * list[first[i + 1] - 1], ascending. */
struct match_index {
	size_t *first;
	uint32_t *list;
};
/* Of the entries of one dictionary; there are `universe` operators or types. */
void match_index_init(struct match_index *index, const struct space_entry *entries, size_t count,
		      bool by_name, size_t universe);
void match_index_finish(struct match_index *index);

#endif
