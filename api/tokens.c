/* Routes about tokens, and about the session that a browser has in place of one. */
#include "api/idempotency.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static void on_made(void *arg, const json_t *document, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && document == NULL) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		char *location = mem_printf("/v1/tokens/%s",
					    json_string_value(json_object_get(document, "id")));

		log_line(LOG_INFO, "token made",
			 LOG_TEXT("id", json_string_value(json_object_get(document, "id"))),
			 LOG_TEXT("owner", json_string_value(json_object_get(document, "owner"))),
			 LOG_TEXT("token", call->who.token[0] != '\0' ? call->who.token : NULL),
			 LOG_TEXT("request_id", request_id(call->request)));
		request_add_header(call->request, "Location", location);
		call_reply_json(call, 201, json_incref((json_t *)document));
		free(location);
	}
	call_unref(call);
}

static void create(struct call *call)
{
	call_ref(call);
	ledger_issue(call->server->access.ledger, call->body, idempotency_key(call, 201, NULL),
		     on_made, call);
}

void tokens_create(struct call *call)
{
	struct err err;

	if (ledger_check(call->body, &err) != 0) {
		call_fail(call, &err);
	} else {
		idempotency_run(call, create);
	}
}

static void on_page(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, 1, -1);
}

void tokens_list(struct call *call)
{
	char after[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];
	struct store_value values[2] = {{0}};

	call_may_wait(call, STORE_TOKENS);
	if (!page_read(call, after, unused)) {
		return;
	}
	values[0] = (struct store_value){.text = after, .is_null = after[0] == '\0'};
	values[1].integer = call->limit + 1;
	call_query(call, QUERY_TOKENS, values, 2, on_page);
}

static void reply(struct call *call, const struct store_rows *rows)
{
	if (call_found(call, rows, "token")) {
		call_reply_copy(call, 200, rows->cells[0]);
	}
}

void tokens_get(struct call *call)
{
	call_may_wait(call, STORE_TOKENS);
	call_find(call, QUERY_TOKEN, reply);
}

static void on_revoked(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		log_line(LOG_INFO, "token revoked", LOG_TEXT("id", call->params[0]),
			 LOG_TEXT("token", call->who.token[0] != '\0' ? call->who.token : NULL),
			 LOG_TEXT("request_id", request_id(call->request)));
		call_reply_empty(call, 204);
	}
	call_unref(call);
}

void tokens_delete(struct call *call)
{
	call_ref(call);
	ledger_revoke(call->server->access.ledger, call->params[0], on_revoked, call);
}

/* Who one is, for the page and for people who wonder. */
static void reply_session(struct call *call, const struct identity *who)
{
	json_t *scopes = ledger_scopes(who->scopes);

	call_reply_json(call, 200,
			json_pack("{s:s, s:o, s:O?, s:s?}", "owner", who->owner, "scopes", scopes,
				  "pools", who->pools, "token",
				  who->token[0] != '\0' ? who->token : NULL));
}

/* A cookie that scripts cannot read, that comes from our own page alone, and that ends with the browser's
 * session or the token. */
static void set_cookie(struct call *call, const char *value, bool over)
{
	struct http_peer peer;
	char *cookie;

	request_peer(call->request, &peer);
	cookie = mem_printf(ACCESS_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s", value,
			    peer.is_secure ? "; Secure" : "", over ? "; Max-Age=0" : "");
	request_add_header(call->request, "Set-Cookie", cookie);
	free(cookie);
}

void session_begin(struct call *call)
{
	static const char *const members[] = {"token", NULL};
	struct json_at at, token;
	struct identity who = {0};
	const char *text = NULL;
	struct err err;

	err_init(&err);
	at = json_root(call->body, &err);
	token = json_member(&at, "token");
	if (json_is_object_at(&at)) {
		json_only(&at, members);
		text = json_required(&token) ? json_string_in(&token, NULL, LIMIT_NAME_BYTES)
					     : NULL;
	}
	if (err.code != ERR_OK ||
	    access_log_in(&call->server->access, call->request, text, &who, &err) != 0) {
		call_refuse(call, &err);
		return;
	}
	set_cookie(call, text, false);
	reply_session(call, &who);
	identity_finish(&who);
}

void session_get(struct call *call)
{
	reply_session(call, &call->who);
}

void session_end(struct call *call)
{
	set_cookie(call, "", true);
	call_reply_empty(call, 204);
}
