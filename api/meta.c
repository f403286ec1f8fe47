/* Routes about the daemon itself: its OpenAPI document, whether it is well, how it is set. */
#include "api/resources.h"

extern const char openapi_json[];

void meta_openapi(struct call *call)
{
	request_add_header(call->request, "Cache-Control", "no-cache");
	call_reply_copy(call, 200, openapi_json);
}

void meta_health(struct call *call)
{
	call_reply_json(call, 200, json_pack("{s:s}", "status", "ok"));
}

void meta_ready(struct call *call)
{
	bool known = call->who.known; /* others hear no more than yes or no */

	if (call->server->draining) {
		call_error(call, ERR_DRAINING, "%s",
			   known ? "the daemon is stopping" : "not ready");
	} else if (!store_writable(call->server->store)) {
		call_error(call, known ? ERR_STORAGE : ERR_OVERLOADED, "%s",
			   known ? "the store cannot be written: the disk is full" : "not ready");
	} else {
		call_reply_json(call, 200, json_pack("{s:s}", "status", "ok"));
	}
}

void meta_config(struct call *call)
{
	call_reply_text(call, 200, "application/json", call->server->settings());
}
