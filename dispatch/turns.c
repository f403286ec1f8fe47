/* Lets owners take turns, and within each those that wait. */
#include "dispatch/turns.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Nobody hears of nodes that leave, so owners of whom none waits are found and forgotten later. */
struct turns_owner {
	struct list node;
	struct list waiting;
	char *name; /* owned */
};

void turns_init(struct turns *turns)
{
	list_init(&turns->owners);
}

static void forget(struct turns_owner *owner)
{
	list_remove(&owner->node);
	free(owner->name);
	free(owner);
}

void turns_finish(struct turns *turns)
{
	struct list *node;

	while ((node = list_pop(&turns->owners)) != NULL) {
		struct turns_owner *owner = list_entry(node, struct turns_owner, node);

		free(owner->name);
		free(owner);
	}
}

static struct turns_owner *find(const struct turns *turns, const char *name)
{
	for (struct list *n = turns->owners.next; n != &turns->owners; n = n->next) {
		struct turns_owner *owner = list_entry(n, struct turns_owner, node);

		if (strcmp(owner->name, name) == 0) {
			return owner;
		}
	}
	return NULL;
}

void turns_join(struct turns *turns, const char *name, struct list *node)
{
	struct turns_owner *owner = find(turns, name);

	if (owner == NULL) {
		owner = mem_new(1, sizeof(*owner));
		owner->name = mem_dup(name);
		list_init(&owner->waiting);
		list_append(&turns->owners, &owner->node);
	}
	list_append(&owner->waiting, node);
}

static struct list *first_of(const struct turns_owner *owner,
			     bool (*fits)(void *arg, struct list *node), void *arg)
{
	for (struct list *n = owner->waiting.next; n != &owner->waiting; n = n->next) {
		if (fits == NULL || fits(arg, n)) {
			return n;
		}
	}
	return NULL;
}

struct list *turns_next(struct turns *turns, bool (*fits)(void *arg, struct list *node), void *arg)
{
	struct list *next;

	for (struct list *n = turns->owners.next; n != &turns->owners; n = next) {
		struct turns_owner *owner = list_entry(n, struct turns_owner, node);
		struct list *found = first_of(owner, fits, arg);

		next = n->next;
		if (found != NULL) {
			return found;
		}
		if (list_empty(&owner->waiting)) {
			forget(owner);
		}
	}
	return NULL;
}

void turns_served(struct turns *turns, const char *name)
{
	struct turns_owner *owner = find(turns, name);

	if (owner != NULL) {
		list_remove(&owner->node);
		list_append(&turns->owners, &owner->node);
	}
}
