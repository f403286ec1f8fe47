/* Routes about the daemon itself: its OpenAPI document, whether it is well, how it is set. */
#include "api/relay.h"
#include "api/resources.h"

#include <string.h>

#include "base/mem.h"

extern const char openapi_json[];

void meta_openapi(struct call *call)
{
	request_add_header(call->request, "Cache-Control", "no-cache");
	call_reply_copy(call, 200, openapi_json);
}

/* Asked every second by each of those who watch, and always the same: its tag is made once. */
static void reply_ok(struct call *call)
{
	static const char text[] = "{\"status\":\"ok\"}";
	static char tag[CALL_TAG_SIZE];
	struct answer_text answer = {.text = mem_dup("{\"status\":\"ok\"}\n"),
				     .length = sizeof(text),
				     .status = 200,
				     .type = "application/json"};

	if (tag[0] == '\0') {
		(void)call_text_tag(text, tag);
	}
	memcpy(answer.tag, tag, sizeof(tag));
	call_reply_answer(call, &answer);
}

void meta_health(struct call *call)
{
	reply_ok(call);
}

static const char *unwritable(const struct store *store)
{
	return store_is_away(store) ? "the store cannot be written: PostgreSQL is away"
				    : "the store cannot be written: the disk is full";
}

void meta_ready(struct call *call)
{
	bool known = call->who.known; /* others hear no more than yes or no */
	struct err err ERR_UNCLEARED;

	if (call->server->draining) {
		call_error(call, ERR_DRAINING, "%s",
			   known ? "the daemon is stopping" : "not ready");
	} else if (store_is_spare(call->server->store) && relay_check(call->server, &err) != 0) {
		call_error(call, known ? ERR_STANDBY : ERR_OVERLOADED, "%s",
			   known ? err.message : "not ready");
	} else if (!store_writable(call->server->store)) {
		call_error(call, known ? ERR_STORAGE : ERR_OVERLOADED, "%s",
			   known ? unwritable(call->server->store) : "not ready");
	} else {
		reply_ok(call);
	}
}

void meta_config(struct call *call)
{
	call_reply_text(call, 200, "application/json", call->server->settings());
}
