/* A statement that is kept until it is run. */
#ifndef NARROWD_TESTS_SEVERAL_STATEMENT_H
#define NARROWD_TESTS_SEVERAL_STATEMENT_H

#include <stdbool.h>

#include "store/postgres.h"

/* Of one that appends: the parameters that come first (store/oplog.c). */
enum { APPEND_DAEMON, APPEND_EPOCH, APPEND_BEFORE };

struct statement {
	char *sql;
	struct postgres_value *values;
	size_t count;
};

/* Owns copies of all of it. */
void statement_copy(struct statement *ret, const char *sql, const struct postgres_value *values,
		    size_t count);
void statement_free(struct statement *statement);
bool statement_is_append(const char *sql);
/* ... and what stands before it in its epoch is a few operations, and not nothing. */
bool statement_is_early(const char *sql, const struct postgres_value *values);

#endif
