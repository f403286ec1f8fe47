/* Gives sessions names, and looks whether they are still there. */
#include "store/pgsession.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void pgsession_init(struct pgsession *session, const char *url)
{
	*session = (struct pgsession){.url = mem_dup(url)};
}

void pgsession_finish(struct pgsession *session)
{
	free(session->url);
	*session = (struct pgsession){0};
}

/* `ret_direct` may be NULL. */
static int give(struct postgres *postgres, const char *name, bool *ret_direct, struct err *reterr)
{
	static const char sql[] =
		"SELECT set_config('narrowd.session', $1, false), pg_backend_pid()::text";
	struct postgres_rows rows;
	int rc = postgres_run(postgres, sql, &POSTGRES_TEXT(name), 1, &rows, reterr);

	if (ret_direct != NULL) {
		*ret_direct = rc == 0 && postgres_number(&rows, 0, 1) == postgres_peer(postgres);
	}
	postgres_rows_free(&rows);
	return rc;
}

int pgsession_begin(struct pgsession *session, struct postgres *postgres, struct err *reterr)
{
	id_make(session->name, "ses");
	return give(postgres, session->name, &session->is_direct, reterr);
}

int pgsession_compare(const struct pgsession *session, const char *name, struct err *reterr)
{
	return name != NULL && strcmp(name, session->name) == 0
		       ? 0
		       : err_set(reterr, ERR_CONFIG,
				 "the way to PostgreSQL leads through a pooler that pools "
				 "transactions or statements: have it pool sessions "
				 "(`pool_mode = session`), or go there directly");
}

int pgsession_check(const struct pgsession *session, struct postgres *postgres, struct err *reterr)
{
	struct postgres_rows rows;
	int rc = postgres_run(postgres, "SELECT " PGSESSION_NAME, NULL, 0, &rows, reterr);

	if (rc == 0) {
		rc = pgsession_compare(session, postgres_cell(&rows, 0, 0, NULL), reterr);
	}
	postgres_rows_free(&rows);
	return rc;
}

/* One that cannot be made says nothing: the pool may be small. */
int pgsession_probe(const struct pgsession *session, struct postgres *postgres, struct err *reterr)
{
	struct postgres *other;

	if (session->is_direct) {
		return 0;
	}
	other = postgres_create(session->url, reterr);
	if (other == NULL) {
		return -(int)reterr->code;
	}
	if (postgres_connect(other, reterr) == 0) {
		(void)give(other, "other", NULL, reterr);
	}
	postgres_destroy(other);
	return pgsession_check(session, postgres, reterr);
}
