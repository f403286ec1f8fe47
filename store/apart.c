/* Lends connections to threads for a query each. */
#include "store/apart.h"

#include <stdlib.h>

#include "base/mem.h"

struct lent {
	struct list node;
	struct conn conn;
};

void apart_init(struct apart *apart, const char *path)
{
	apart->path = path;
	list_init(&apart->idle);
	(void)pthread_mutex_init(&apart->lock, NULL);
}

static struct lent *take_idle(struct apart *apart)
{
	struct list *node;

	(void)pthread_mutex_lock(&apart->lock);
	node = list_pop(&apart->idle);
	(void)pthread_mutex_unlock(&apart->lock);
	return node != NULL ? list_entry(node, struct lent, node) : NULL;
}

static void give_back(struct apart *apart, struct lent *lent)
{
	(void)pthread_mutex_lock(&apart->lock);
	list_append(&apart->idle, &lent->node);
	(void)pthread_mutex_unlock(&apart->lock);
}

void apart_finish(struct apart *apart)
{
	struct lent *lent;

	while ((lent = take_idle(apart)) != NULL) {
		conn_finish(&lent->conn);
		free(lent);
	}
	(void)pthread_mutex_destroy(&apart->lock);
}

int apart_query(struct apart *apart, int query, const struct store_value *values, size_t count,
		conn_row_fn row, void *arg, struct err *reterr)
{
	struct lent *lent = take_idle(apart);
	int rc;

	if (lent == NULL) {
		lent = mem_new(1, sizeof(*lent));
		rc = conn_init(&lent->conn, apart->path, reterr);
		if (rc != 0) {
			free(lent);
			return rc;
		}
	}
	rc = conn_query(&lent->conn, query, values, count, row, arg, reterr);
	give_back(apart, lent);
	return rc;
}
