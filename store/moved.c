/* Compares a database that is moved with itself, counts what is in it, and hashes its events. */
#include "store/moved.h"

#include "store/db.h"
#include "store/digest.h"
#include "store/verify.h"

/* What nobody changes any more: that it is alike on both sides says that nothing was lost. */
static const char events[] = "SELECT job, n, type, at_ms, trial, data, sum FROM event ORDER BY seq";

static void add_row(struct digest *digest, sqlite3_stmt *row)
{
	for (int i = 0; i < sqlite3_column_count(row); i++) {
		const char *text = (const char *)sqlite3_column_text(row, i);

		/* The NUL, too: no two rows have the same bytes. */
		digest_add(digest, text != NULL ? text : "",
			   text != NULL ? (size_t)sqlite3_column_bytes(row, i) + 1 : 0);
	}
}

static int hash_events(sqlite3 *db, struct store_moved *ret, struct err *reterr)
{
	struct digest *digest = digest_create(reterr);
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE;
	int rc = digest != NULL ? db_prepare(db, events, &stmt, reterr) : -(int)reterr->code;

	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		add_row(digest, stmt);
		ret->events++;
	}
	if (rc == 0 && step != SQLITE_DONE) {
		rc = db_error(db, "reading the events", reterr);
	}
	if (digest != NULL) {
		digest_end(digest, ret->hash);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

_Static_assert(sizeof(((struct store_moved *)NULL)->hash) == DIGEST_HEX_SIZE, "it is one");

int moved_look(const char *path, struct store_moved *ret, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(path, DB_REBUILD, &db, reterr);

	*ret = (struct store_moved){0};
	if (rc != 0) {
		return rc;
	}
	rc = verify_run(db, reterr);
	if (rc == 0) {
		rc = hash_events(db, ret, reterr);
	}
	if (rc == 0) {
		rc = db_integer(db, "SELECT count(*) FROM job", &ret->jobs, reterr);
	}
	if (rc == 0) {
		rc = db_integer(
			db,
			"SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
			&ret->bytes, reterr);
	}
	(void)sqlite3_close(db);
	return rc;
}
