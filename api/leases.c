#include "api/resources.h"

#include "base/clock.h"

void leases_heartbeat(struct call *call)
{
	static const char *const members[] = {"progress", NULL};
	char text[CLOCK_TEXT_SIZE];
	int64_t expires_at;
	bool go_on;
	struct err err;

	if (!call_body_has_only(call, members)) {
		return;
	}
	if (tuner_lease_heartbeat(call->server->tuner, call->params[0], &go_on, &expires_at,
				  &err) != 0) {
		call_fail(call, &err);
		return;
	}
	call_reply_json(call, 200,
			json_pack("{s:b, s:s}", "continue", go_on, "expires_at",
				  clock_format(expires_at, text)));
}

static void on_counted(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_json(call, 200, json_pack("{s:s}", "lease", call->params[0]));
	}
	call_unref(call);
}

void leases_complete(struct call *call)
{
	call_ref(call);
	tuner_lease_complete(call->server->tuner, call->params[0], call->body, on_counted, call);
}
