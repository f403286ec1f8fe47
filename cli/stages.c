/* Says what the stages of a search are for, in the daemon's words. */
#include "cli/stages.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/table.h"
#include "cli/text.h"

json_t *stages_get(struct cli *cli)
{
	json_t *answer = cli_beside(cli, "/v1/strategies");
	json_t *stages = json_incref(json_object_get(answer, "stages"));

	json_decref(answer);
	if (!json_is_object(stages)) {
		json_decref(stages);
		return json_object();
	}
	return stages;
}

static char *text_of(const char *name, const char *words)
{
	char *text = words != NULL ? mem_printf("%s: %s", name, words) : mem_dup(name);
	char *clean = text_clean(text);

	free(text);
	return clean;
}

char *stages_text(const json_t *stages, const char *name)
{
	return text_of(name, json_string_value(json_object_get(stages, name)));
}

char *stages_of_job(const json_t *job)
{
	const json_t *progress = json_object_get(job, "progress");
	const char *words = json_string_value(json_object_get(progress, "stage_words"));
	char *name = text_member(progress, "stage"), *text = text_of(name, words);

	free(name);
	return text;
}

void stages_print(struct cli *cli, json_t *seen)
{
	static const char *const heads[] = {"STAGE", "WHAT IS TRIED", NULL};
	json_t *stages = json_object_size(seen) > 0 ? stages_get(cli) : json_object(), *ignored;
	size_t known = 0;
	const char *name;
	struct table table;

	table_init(&table, "ll", heads);
	json_object_foreach(seen, name, ignored) {
		const char *words = json_string_value(json_object_get(stages, name));

		table_pair(&table, name, words != NULL ? text_clean(words) : NULL);
		known += words != NULL;
	}
	if (known > 0) {
		(void)putchar('\n');
		table_print(&table);
	}
	table_finish(&table);
	json_decref(stages);
}
