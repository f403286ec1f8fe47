/* Tells operators that a job could lower from those that stay as they are in every config. */
#include "cli/lowerable.h"

#include <stdlib.h>

/* Whether it has a mode besides fp32. */
static bool has_choice(const json_t *op)
{
	json_t *modes = json_object_get(op, "modes");

	return json_object_size(modes) > (json_object_get(modes, "fp32") != NULL ? 1U : 0U);
}

json_t *lowerable_ops(struct cli *cli, json_t *ops, int64_t *ret_others)
{
	char *path = cli_job_path(cli, "/space");
	json_t *kept = json_copy(ops), *space = cli_beside(cli, path), *op;
	size_t i;

	json_array_foreach(json_object_get(space, "ops"), i, op) {
		const char *name = json_string_value(json_object_get(op, "name"));

		if (name != NULL && !has_choice(op)) {
			(void)json_object_del(kept, name);
		}
	}
	*ret_others =
		space != NULL ? (int64_t)(json_object_size(ops) - json_object_size(kept)) : -1;
	json_decref(space);
	free(path);
	return kept;
}
