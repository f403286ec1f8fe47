/* Keeps lists of who makes a spec and who waits for it. */
#include "api/maker.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct maker {
	struct list node; /* in server->makers */
	const struct call *call;
	struct list waiters; /* calls whose clients are there */
};

static struct maker *find(struct server *server, const char *job)
{
	struct list *makers = &server->makers;

	for (struct list *node = makers->next; node != makers; node = node->next) {
		struct maker *maker = list_entry(node, struct maker, node);

		if (strcmp(maker->call->params[0], job) == 0) {
			return maker;
		}
	}
	return NULL;
}

bool maker_begin(struct call *call, call_fn *again)
{
	struct maker *maker = call->maker == NULL ? find(call->server, call->params[0]) : NULL;

	if (maker != NULL) {
		call->then = again;
		list_append(&maker->waiters, &call->waits);
		return false;
	}
	if (call->maker == NULL) {
		call->maker = mem_new(1, sizeof(*call->maker));
		call->maker->call = call;
		list_init(&call->maker->waiters);
		list_append(&call->server->makers, &call->maker->node);
	}
	return true;
}

/* Each asks again: what was made is on the shelf, or one of them makes it. */
void maker_end(struct call *call)
{
	struct maker *maker = call->maker;
	struct list *node;

	if (maker == NULL) {
		return;
	}
	call->maker = NULL;
	list_remove(&maker->node);
	while ((node = list_pop(&maker->waiters)) != NULL) {
		struct call *waiter = list_entry(node, struct call, waits);

		waiter->then(waiter);
	}
	free(maker);
}
