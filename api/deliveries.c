/*
 * Routes about deliveries of webhooks: the list of those that failed or wait, and sending one
 * again.
 */
#include "api/idempotency.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

static void on_page(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, 1, -1);
}

static const char *const states[] = {"pending", "delivered", "dead", NULL};

static void list(struct call *call, const struct store_rows *rows)
{
	char before[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];
	struct store_value values[4] = {{.text = call->params[0]}};
	char *wanted;

	if (!call_found(call, rows, "webhook")) {
		return;
	}
	if (!page_read(call, before, unused) || !page_choices(call, "state", states, &wanted)) {
		return;
	}
	values[1] = (struct store_value){.text = wanted, .is_null = wanted == NULL};
	values[2] = (struct store_value){.integer = strtoll(before, NULL, 10),
					 .is_null = before[0] == '\0'};
	values[3].integer = call->limit + 1;
	call_query(call, QUERY_DELIVERIES, values, 4, on_page);
	free(wanted);
}

void deliveries_list(struct call *call)
{
	call_may_wait(call, STORE_WEBHOOKS);
	call_find(call, QUERY_WEBHOOK, list);
}

static void on_replayed(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_copy(call, 202, call->state);
	}
	call_unref(call);
}

static void replay(struct call *call)
{
	char *end;
	long long n = strtoll(call->params[1], &end, 10);
	const struct store_key *key;

	if (*end != '\0' || n <= 0) {
		call_error(call, ERR_NOT_FOUND, "%s has no delivery %s", call->params[0],
			   call->params[1]);
		return;
	}
	key = idempotency_key(call, 202, NULL);
	call->state = mem_printf("{\"webhook\":\"%s\",\"n\":%lld,\"state\":\"pending\"}",
				 call->params[0], n);
	call->state_destroy = free;
	call->stored.body = call->state;
	call_ref(call);
	store_delivery_replay(call->server->store, call->params[0], n, clock_wall_ms(), key,
			      on_replayed, call);
}

void deliveries_replay(struct call *call)
{
	static const char *const no_members[] = {NULL};

	if (call_body_has_only(call, no_members)) {
		idempotency_run(call, replay);
	}
}
