#include "api/idempotency.h"

#include <stdlib.h>
#include <string.h>

#include "api/http/header.h"
#include "base/clock.h"
#include "base/limits.h"

enum { KEY_LIFE_MS = 48 * 3600 * 1000 };

static void fingerprint(struct call *call)
{
	size_t length;
	const char *body = request_body(call->request, &length);
	struct buf text;

	buf_init(&text, LIMIT_BODY_BYTES + 2 * LIMIT_TARGET_BYTES);
	buf_printf(&text, "%s %s\n", request_method(call->request), request_path(call->request));
	buf_add(&text, body, length);
	hash_sha256_hex(text.bytes, text.length, call->fingerprint);
	buf_finish(&text);
}

static void on_key(struct call *call, const struct store_rows *rows)
{
	/* The store forgets old keys when it keeps new ones, which may be much later. */
	if (rows->count == 0 ||
	    strtoll(rows->cells[4], NULL, 10) <= clock_wall_ms() - KEY_LIFE_MS) {
		call->go(call);
		return;
	}
	if (strcmp(rows->cells[0], call->fingerprint) != 0) {
		call_error(call, ERR_IDEMPOTENCY_MISMATCH,
			   "this Idempotency-Key was used for another request");
		return;
	}
	request_add_header(call->request, "Idempotency-Replayed", "true");
	if (rows->cells[2] != NULL) {
		request_add_header(call->request, "Location", rows->cells[2]);
	}
	call_reply_copy(call, atoi(rows->cells[1]), rows->cells[3]);
}

void idempotency_run(struct call *call, call_fn *go)
{
	const char *header = request_header(call->request, "Idempotency-Key");
	struct store_value values[] = {{.text = "-"}, {0}};

	if (header == NULL) {
		go(call);
		return;
	}
	call->key = header_key(header);
	if (call->key == NULL) {
		call_error(call, ERR_BAD_REQUEST,
			   "Idempotency-Key must be 1 to %d visible characters", LIMIT_KEY_BYTES);
		return;
	}
	if (map_get(&call->server->keys, call->key, 0) != 0) {
		free(call->key);
		call->key = NULL;
		call_error(call, ERR_IDEMPOTENCY_BUSY,
			   "the first request with this Idempotency-Key still runs");
		return;
	}
	map_set(&call->server->keys, call->key, 1);
	fingerprint(call);
	call->go = go;
	values[1].text = call->key;
	call_query(call, QUERY_KEY, values, 2, on_key);
}

const struct store_key *idempotency_key(struct call *call, int status, const char *location)
{
	if (call->key == NULL) {
		return NULL;
	}
	call->stored = (struct store_key){
		.scope = "-",
		.key = call->key,
		.fingerprint = call->fingerprint,
		.status = status,
		.location = location,
		.at_ms = clock_wall_ms(),
	};
	return &call->stored;
}

void idempotency_end(struct call *call)
{
	if (call->key != NULL) {
		map_remove(&call->server->keys, call->key);
		free(call->key);
		call->key = NULL;
	}
}
