/*
 * Tables for people: columns as wide as their content, and on a terminal as many as it has room for.
 */
#ifndef NARROWD_CLI_TABLE_H
#define NARROWD_CLI_TABLE_H

#include <jansson.h>
#include <stddef.h>

struct table {
	const char *align; /* one letter for each column: "l" or "r"; borrowed */
	const char *const *
		drop; /* heads of columns that a narrow terminal does not show, the first one first; NULL-terminated,
				  * or NULL; borrowed */
	char **cells; /* row by row; owned */
	size_t count;
	size_t capacity;
};

/* `heads` is a NULL-terminated list of column heads, or NULL for a table without. */
void table_init(struct table *table, const char *align, const char *const *heads);
void table_finish(struct table *table);
/* The next cell; takes the text over. */
void table_add(struct table *table, char *text);
/* The next cell: the text cleaned, the number, the member's string; see text.h. */
void table_text(struct table *table, const char *text);
void table_number(struct table *table, const json_t *number);
void table_member(struct table *table, const json_t *object, const char *key);
/* A row of two cells, for tables "ll": nothing when `value` is NULL; takes `value` over. */
void table_pair(struct table *table, const char *name, char *value);
/* To standard output. */
void table_print(const struct table *table);

#endif
