/*
 * Whether a connection to PostgreSQL has a session of its own. Behind a pooler that pools transactions it has not: then
 * neither what was set for it holds, that a commit is on the disk, nor a lock, nor LISTEN.
 *
 * The thread of the connection. What fails as postgres.h says fails here, too.
 */
#ifndef NARROWD_STORE_PGSESSION_H
#define NARROWD_STORE_PGSESSION_H

#include "base/id.h"
#include "store/postgres.h"

/* In a statement: the name of the session in which it runs, or NULL. */
#define PGSESSION_NAME "current_setting('narrowd.session', true)"

struct pgsession {
	char *url; /* of the database */
	char name[ID_SIZE];
	bool is_direct; /* the backend itself was at the other end; a pooler goes by a name of its own */
};

void pgsession_init(struct pgsession *session, const char *url);
void pgsession_finish(struct pgsession *session);
/* Gives that of a connection a name. */
int pgsession_begin(struct pgsession *session, struct postgres *postgres, struct err *reterr);
/* ERR_CONFIG unless this is its name, which may be NULL. */
int pgsession_compare(const struct pgsession *session, const char *name, struct err *reterr);
/* The same of the one in which a statement runs now. */
int pgsession_check(const struct pgsession *session, struct postgres *postgres, struct err *reterr);
/* The same when another connection was used meanwhile: a pooler of transactions lends it what was idle. Without a pooler nothing is asked. */
int pgsession_probe(const struct pgsession *session, struct postgres *postgres, struct err *reterr);

#endif
