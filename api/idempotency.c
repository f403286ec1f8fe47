/* Looks a key up before a POST runs, and stores its answer with what the POST did. */
#include "api/idempotency.h"

#include <stdlib.h>
#include <string.h>

#include "api/http/header.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

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
	if (strcmp(rows->cells[5], "1") == 0) {
		call->go(call);
		return;
	}
	request_add_header(call->request, "Idempotency-Replayed", "true");
	if (rows->cells[2] != NULL) {
		request_add_header(call->request, "Location", rows->cells[2]);
	}
	call_reply_copy(call, atoi(rows->cells[1]), rows->cells[3]);
}

/* Keys of two owners have nothing to do with each other. The caller frees. */
static char *busy_name(const struct call *call)
{
	return mem_printf("%s %s", call->who.owner, call->key);
}

void idempotency_run(struct call *call, call_fn *go)
{
	const char *header = request_header(call->request, "Idempotency-Key");
	struct store_value values[] = {{.text = call->who.owner}, {0}};
	char *busy;

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
	busy = busy_name(call);
	if (map_get(&call->server->keys, busy, 0) != 0) {
		free(busy);
		free(call->key);
		call->key = NULL;
		call_error(call, ERR_IDEMPOTENCY_BUSY,
			   "the first request with this Idempotency-Key still runs");
		return;
	}
	map_set(&call->server->keys, busy, 1);
	free(busy);
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
		.scope = call->who.owner,
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
		char *busy = busy_name(call);

		map_remove(&call->server->keys, busy);
		free(busy);
		free(call->key);
		call->key = NULL;
	}
}
