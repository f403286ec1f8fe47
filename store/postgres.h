/*
 * PostgreSQL behind one header: a connection that is made again, statements, and what they give back.
 *
 * A connection belongs to one thread, which waits in these functions: never the loop's. Nothing here waits for ever:
 * after POSTGRES_PATIENCE_MS in which not a byte came or went, and when give_up() says so, a call fails. Whatever fails closes the connection, so that
 * what comes next begins on a clean one. What a failed statement did is not known: it is to be such that running it
 * again is harmless.
 *
 * A build without libpq (-Dpostgresql=disabled) has postgres_absent.c in place of this.
 */
#ifndef NARROWD_STORE_POSTGRES_H
#define NARROWD_STORE_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { POSTGRES_PATIENCE_MS = 30000, POSTGRES_CONNECT_MS = 10000 };

struct postgres;

/* A parameter. NULL bytes are SQL's NULL; texts end with a NUL, whatever their length says. */
struct postgres_value {
	const char *bytes;
	size_t length;
	bool is_binary;
};

#define POSTGRES_TEXT(text) ((struct postgres_value){.bytes = (text)})

/* Columns are texts, or bytea. */
struct postgres_rows {
	size_t count;
	void *result;
};

/* Of libpq; NULL when this was built without it. */
const char *postgres_engine_version(void);
/* Looks at the URL only: ERR_CONFIG. */
struct postgres *postgres_create(const char *url, struct err *reterr);
void postgres_destroy(struct postgres *postgres);
/* Is asked some times a second while something is waited for. */
void postgres_give_up_when(struct postgres *postgres, bool (*give_up)(void *arg), void *arg);
bool postgres_is_connected(const struct postgres *postgres);
/* What the other end of the connection calls itself; 0 without one. */
int64_t postgres_peer(const struct postgres *postgres);
/*
 * Connects unless there is a connection, to the first host of the URL that can be written; one that says nothing is
 * left for the next after POSTGRES_CONNECT_MS. From then on what is committed is on the disk of the server, and of its
 * synchronous standbys, before a statement returns without a failure: a weaker synchronous_commit of the server's is not
 * taken over. ERR_STORAGE.
 */
int postgres_connect(struct postgres *postgres, struct err *reterr);
/* One statement, which is a transaction. `ret_rows` may be NULL. ERR_STORAGE. */
int postgres_run(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		 size_t count, struct postgres_rows *ret_rows, struct err *reterr);
/*
 * The same in two halves: what is sent is on its way while the caller does something else, and nothing else may be asked
 * of the connection before postgres_receive(). ERR_STORAGE.
 */
int postgres_send(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		  size_t count, struct err *reterr);
int postgres_receive(struct postgres *postgres, struct postgres_rows *ret_rows, struct err *reterr);
/* Statements without parameters and rows, in one transaction unless they say otherwise. */
int postgres_script(struct postgres *postgres, const char *sql, struct err *reterr);

/*
 * Waits until PostgreSQL notifies this connection of something that it listens to, or has closed it, until there is
 * something to be read from `wake`, or so many ms. Whether it was notified.
 */
bool postgres_wait(struct postgres *postgres, int wake, int64_t ms);

/* Borrowed; NULL for SQL's NULL. `ret_length` may be NULL. */
const char *postgres_cell(const struct postgres_rows *rows, size_t row, size_t column,
			  size_t *ret_length);
int64_t postgres_number(const struct postgres_rows *rows, size_t row, size_t column);
/* Harmless for zeroed ones. */
void postgres_rows_free(struct postgres_rows *rows);

#endif
