/*
 * An intrusive doubly linked ring: the head is a node too, so no operation has a special case.
 */
#ifndef NARROWD_BASE_LIST_H
#define NARROWD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define list_entry(node, type, member) ((type *)((char *)(node) - (offsetof(type, member))))

static inline void list_init(struct list *node)
{
	node->next = node->prev = node;
}

/* True for an empty head and for a node that is in no list. */
static inline bool list_empty(const struct list *node)
{
	return node->next == node;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Takes the node out; doing it twice is harmless. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Takes the first node out, or returns NULL. */
static inline struct list *list_pop(struct list *head)
{
	struct list *node = head->next;

	if (node == head) {
		return NULL;
	}
	head->next = node->next;
	head->next->prev = head;
	list_init(node);
	return node;
}

#endif
