/* What autoscalers ask: how many questions wait in a pool, and how many workers there are. */
#include <string.h>

#include "api/resources.h"
#include "api/router.h"

void pools_list(struct call *call)
{
	json_t *items = tuner_pools_json(call->server->tuner, access_only(&call->who));

	call_reply_json(call, 200, json_pack("{s:o, s:n}", "items", items, "next"));
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
	if (found == NULL) {
		found = json_pack("{s:s, s:i, s:i, s:i}", "name", call->params[0], "waiting", 0,
				  "out", 0, "workers", 0);
	}
	json_decref(items);
	call_reply_json(call, 200, found);
}
