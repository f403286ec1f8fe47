#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/text.h"

enum { GAP = 2 };

void table_init(struct table *table, const char *align, const char *const *heads)
{
	*table = (struct table){.align = align};
	for (; heads != NULL && *heads != NULL; heads++) {
		table_text(table, *heads);
	}
}

void table_finish(struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->cells[i]);
	}
	free(table->cells);
}

void table_add(struct table *table, char *text)
{
	if (table->count == table->capacity) {
		table->capacity = 2 * table->capacity + 16;
		table->cells = mem_grow(table->cells, table->capacity, sizeof(*table->cells));
	}
	table->cells[table->count++] = text;
}

void table_text(struct table *table, const char *text)
{
	table_add(table, text_clean(text));
}

void table_number(struct table *table, const json_t *number)
{
	table_add(table, text_number(number));
}

void table_member(struct table *table, const json_t *object, const char *key)
{
	table_add(table, text_member(object, key));
}

void table_pair(struct table *table, const char *name, char *value)
{
	if (value != NULL) {
		table_text(table, name);
		table_add(table, value);
	}
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t columns = strlen(table->align), width = 0;

	for (size_t i = column; i < table->count; i += columns) {
		size_t cell = text_width(table->cells[i]);

		width = cell > width ? cell : width;
	}
	return width;
}

void table_print(const struct table *table)
{
	size_t columns = strlen(table->align) > 0 ? strlen(table->align) : 1;
	size_t *widths = mem_new(columns, sizeof(*widths));
	int blanks = 0;

	for (size_t column = 0; column < columns; column++) {
		widths[column] = column_width(table, column);
	}
	for (size_t i = 0; i < table->count; i++) {
		const char *cell = table->cells[i];
		size_t column = i % columns;
		int pad = (int)(widths[column] - text_width(cell));

		blanks += table->align[column] == 'r' ? pad : 0;
		if (cell[0] != '\0') {
			printf("%*s%s", blanks, "", cell);
			blanks = 0;
		}
		blanks += (table->align[column] == 'l' ? pad : 0) + GAP;
		if (column + 1 == columns) {
			(void)putchar('\n');
			blanks = 0;
		}
	}
	free(widths);
}
