/* Lays tables out: widths, columns that are left out, colours. */
#include "cli/table.h"

#include <stdbool.h>
#include <stdint.h>
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

static bool is_shown(const size_t *widths, size_t column)
{
	return widths[column] != SIZE_MAX;
}

/* With the gaps between its columns. */
static size_t table_width(const size_t *widths, size_t columns)
{
	size_t width = 0;

	for (size_t i = 0; i < columns; i++) {
		width += is_shown(widths, i) ? widths[i] + (width > 0 ? GAP : 0) : 0;
	}
	return width;
}

/* Marks columns as not shown, while the terminal is too narrow and there are some that may go. */
static void drop_columns(const struct table *table, size_t *widths, size_t columns)
{
	size_t room = text_columns();

	for (size_t d = 0; room > 0 && table->drop != NULL && table->drop[d] != NULL &&
			   table_width(widths, columns) > room;
	     d++) {
		for (size_t i = 0; i < columns && i < table->count; i++) {
			if (strcmp(table->cells[i], table->drop[d]) == 0) {
				widths[i] = SIZE_MAX;
			}
		}
	}
}

/* The colour of a cell that says how something is, NULL for others. */
static const char *colour_of(const char *cell)
{
	static const struct {
		const char *colour, *words[5];
	} colours[] = {
		{"\033[32m", {"completed", "ship", "well"}},
		{"\033[31m", {"failed", "criterion missed"}},
		{"\033[33m", {"paused", "keep baseline", "cancelled", "not proved"}},
		{"\033[36m", {"running", "baseline", "queued"}},
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		for (size_t w = 0; colours[i].words[w] != NULL; w++) {
			if (strcmp(cell, colours[i].words[w]) == 0) {
				return colours[i].colour;
			}
		}
	}
	return NULL;
}

/* On a terminal that has them, unless somebody wants none (no-color.org). */
static bool has_colours(void)
{
	const char *unwanted = getenv("NO_COLOR"), *kind = getenv("TERM");

	return text_columns() > 0 && (unwanted == NULL || unwanted[0] == '\0') && kind != NULL &&
	       strcmp(kind, "dumb") != 0;
}

/* Blanks are written when something follows them. */
static void print_row(const struct table *table, char *const *cells, const size_t *widths,
		      size_t columns)
{
	int blanks = 0;

	for (size_t i = 0; i < columns; i++) {
		int pad;

		if (!is_shown(widths, i)) {
			continue;
		}
		pad = (int)(widths[i] - text_width(cells[i]));
		blanks += table->align[i] == 'r' ? pad : 0;
		if (cells[i][0] != '\0') {
			const char *colour = has_colours() ? colour_of(cells[i]) : NULL;

			printf("%*s%s%s%s", blanks, "", colour != NULL ? colour : "", cells[i],
			       colour != NULL ? "\033[0m" : "");
			blanks = 0;
		}
		blanks += (table->align[i] == 'l' ? pad : 0) + GAP;
	}
	(void)putchar('\n');
}

void table_print(const struct table *table)
{
	size_t columns = strlen(table->align) > 0 ? strlen(table->align) : 1;
	size_t *widths = mem_new(columns, sizeof(*widths));

	for (size_t column = 0; column < columns; column++) {
		widths[column] = column_width(table, column);
	}
	drop_columns(table, widths, columns);
	for (size_t i = 0; i + columns <= table->count; i += columns) {
		print_row(table, &table->cells[i], widths, columns);
	}
	free(widths);
}
