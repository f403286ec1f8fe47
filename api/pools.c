/* What autoscalers ask: how many questions wait in a pool, and how many workers there are. */
#include <string.h>

#include "api/resources.h"
#include "api/router.h"
#include "base/limits.h"
#include "job/spec/spec_target.h"

void pools_list(struct call *call)
{
	json_t *items = tuner_pools_json(call->server->tuner, access_only(&call->who));

	call_reply_json(call, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

/* The face of SigOpt has one for each job. */
static bool may_be(const char *name)
{
	static const char face[] = "sigopt:";

	return spec_pool_may_be(name + (strncmp(name, face, strlen(face)) == 0 ? strlen(face) : 0));
}

/* One that nobody has heard of is one with nothing in it: whoever scales it begins so. */
void pools_get(struct call *call)
{
	json_t *items = tuner_pools_json(call->server->tuner, access_only(&call->who));
	json_t *found = NULL, *item;
	size_t i;

	json_array_foreach(items, i, item) {
		if (strcmp(json_string_value(json_object_get(item, "name")), call->params[0]) ==
		    0) {
			found = json_incref(item);
		}
	}
	json_decref(items);
	if (found == NULL && !may_be(call->params[0])) {
		call_error(call, ERR_NOT_FOUND,
			   "a pool's name has 1 to %d letters, digits, \".\", \"_\" and \"-\"",
			   LIMIT_POOL_BYTES);
		return;
	}
	if (found == NULL) {
		found = json_pack("{s:s, s:i, s:i, s:i}", "name", call->params[0], "waiting", 0,
				  "out", 0, "workers", 0);
	}
	call_reply_json(call, 200, found);
}
