/* Puts a call's queries to the store. */
#include "api/call.h"

static void on_rows(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct call *call = arg;

	call->query = NULL;
	if (rc != 0) {
		call_fail(call, err);
	} else {
		call->next(call, rows);
	}
}

struct store_value call_only(const struct call *call)
{
	const char *owner = access_only(&call->who);

	return (struct store_value){.text = owner, .is_null = owner == NULL};
}

void call_query(struct call *call, int query, const struct store_value *values, size_t count,
		void (*next)(struct call *call, const struct store_rows *rows))
{
	call->next = next;
	call->query = store_query(call->server->store, query, values, count, on_rows, call);
}

void call_find(struct call *call, int query,
	       void (*next)(struct call *call, const struct store_rows *rows))
{
	struct store_value id = {.text = call->params[0]};

	call_query(call, query, &id, 1, next);
}

bool call_found(struct call *call, const struct store_rows *rows, const char *what)
{
	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "no %s has the id %s", what, call->params[0]);
	}
	return rows->count > 0;
}
