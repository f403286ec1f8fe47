/* Runs the rows of a table and gathers what they say. */
#include "base/checkup.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { FOUND_BYTES = 1024 };

void checkup_say(struct checkup *checkup, const char *format, ...)
{
	char text[FOUND_BYTES];
	va_list args;
	char *line;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* Much of it is what others wrote: a file's name, a peer's words. */
	line = buf_line(text, strlen(text), sizeof(text));
	(void)json_array_append_new(checkup->found, json_string(line));
	free(line);
}

json_t *checkup_run(const struct check *table, void *arg)
{
	json_t *items = json_array();

	for (; table->name != NULL; table++) {
		struct checkup checkup = {.found = json_array()};
		bool well;

		table->look(arg, &checkup);
		well = json_array_size(checkup.found) == 0;
		(void)json_array_append_new(items, json_pack("{s:s, s:o, s:b, s:s?}", "check",
							     table->name, "found", checkup.found,
							     "advice", table->advice, "cure",
							     well ? NULL : table->cure));
	}
	return json_pack("{s:o, s:n}", "items", items, "next");
}

size_t checkup_print(const json_t *report, FILE *out)
{
	const json_t *items = json_object_get(report, "items");
	const json_t *item, *found;
	size_t i, k, wrong = 0;

	json_array_foreach(items, i, item) {
		const json_t *all = json_object_get(item, "found");
		bool advice = json_is_true(json_object_get(item, "advice"));
		const char *name = json_string_value(json_object_get(item, "check"));

		json_array_foreach(all, k, found) {
			(void)fprintf(out, "%s  %s: %s\n", advice ? "note " : "WRONG", name,
				      json_string_value(found));
		}
		if (json_array_size(all) == 0) {
			(void)fprintf(out, "ok     %s\n", name);
		} else {
			(void)fprintf(out, "       cure: %s\n",
				      json_string_value(json_object_get(item, "cure")));
			wrong += !advice;
		}
	}
	(void)fprintf(out, "%zu checks, %zu found what is wrong\n", json_array_size(items), wrong);
	return wrong;
}
