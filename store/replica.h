/*
 * Which log a database is a replica of, and how far it has come: a row that is written in the transaction that takes
 * it there. A database that is the truth itself has no such table.
 */
#ifndef NARROWD_STORE_REPLICA_H
#define NARROWD_STORE_REPLICA_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { REPLICA_NAME_SIZE = 40, REPLICA_MARK_SIZE = 96 };

/* A position in the log, and what stands there in few words: of another log it would be something else. */
struct replica_place {
	int64_t position;
	char mark[REPLICA_MARK_SIZE];
};

struct replica {
	sqlite3_stmt *note;
	char daemon[REPLICA_NAME_SIZE]; /* whose database this is: made up once */
	struct replica_place at;
};

/*
 * Looks whether a database is empty, or where it is as a replica of that log. ERR_CONFIG when it is something else.
 */
int replica_look(sqlite3 *db, const char *log, bool *ret_empty, struct replica_place *ret_at,
		 struct err *reterr);
/* Makes a database, whatever is in it, the beginning of that log. */
int replica_mark(sqlite3 *db, const char *log, struct err *reterr);
/* Whoever opens it next as a replica is another daemon than the one whose copy it is. Harmless when it is none. */
int replica_unname(sqlite3 *db, struct err *reterr);
/* It is the truth itself from now on. */
int replica_unmark(sqlite3 *db, struct err *reterr);
/* Whether this is the name of the table, which the schema does not have. */
bool replica_is_table(const char *name);
/* ERR_CONFIG when it is one. */
int replica_refuse(sqlite3 *db, struct err *reterr);
/*
 * Makes the database one of that log when it is empty, or reads how far it is. ERR_CONFIG when something else is in it.
 * replica_finish() in any case.
 */
int replica_init(struct replica *replica, sqlite3 *db, const char *log, struct err *reterr);
void replica_finish(struct replica *replica);
/* In the open transaction. */
int replica_note(struct replica *replica, const struct replica_place *place, struct err *reterr);
/* That transaction is committed. */
void replica_is_at(struct replica *replica, const struct replica_place *place);

#endif
