/* Keeps what waits to be written, and takes groups from it. */
#include "store/queue.h"

void queue_init(struct queue *queue)
{
	*queue = (struct queue){0};
	list_init(&queue->ops);
}

void queue_append(struct queue *queue, struct op *op)
{
	list_append(&queue->ops, &op->node);
	queue->count++;
	queue->bytes += op->bytes;
}

void queue_take(struct queue *queue, struct group *ret_group)
{
	size_t events = 0;
	struct list *node;

	ret_group->count = 0;
	while (ret_group->count < QUEUE_GROUP_OPS && events < QUEUE_GROUP_EVENTS &&
	       (node = list_pop(&queue->ops)) != NULL) {
		struct op *op = list_entry(node, struct op, node);

		ret_group->ops[ret_group->count++] = op;
		events += op->event_count;
		queue->count--;
		queue->bytes -= op->bytes;
	}
}

bool queue_is_long(const struct queue *queue)
{
	return queue->count >= QUEUE_WAITING_OPS || queue->bytes >= QUEUE_WAITING_BYTES;
}
