/* Copies statements, and tells which append to the log. */
#include "tests/several/statement.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FEW = 4 };

void statement_copy(struct statement *ret, const char *sql, const struct postgres_value *values,
		    size_t count)
{
	*ret = (struct statement){mem_dup(sql), mem_new(count + 1, sizeof(*values)), count};
	for (size_t i = 0; i < count; i++) {
		ret->values[i] = values[i];
		if (values[i].bytes != NULL) {
			size_t size = values[i].is_binary ? values[i].length
							  : strlen(values[i].bytes) + 1;
			char *copy = mem_new(size + 1, 1);

			memcpy(copy, values[i].bytes, size);
			ret->values[i].bytes = copy;
		}
	}
}

void statement_free(struct statement *statement)
{
	for (size_t i = 0; i < statement->count; i++) {
		free((char *)statement->values[i].bytes);
	}
	free(statement->values);
	free(statement->sql);
}

bool statement_is_append(const char *sql)
{
	static const char begin[] = "WITH me AS";

	return strncmp(sql, begin, strlen(begin)) == 0;
}

bool statement_is_early(const char *sql, const struct postgres_value *values)
{
	long before = statement_is_append(sql) ? strtol(values[APPEND_BEFORE].bytes, NULL, 10) : 0;

	return before > 0 && before <= FEW;
}
