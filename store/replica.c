/* Keeps the place of a replica in its log. */
#include "store/replica.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "store/db.h"

/* Not a step of the schema: a database that is no replica goes without. */
static const char make[] = "CREATE TABLE replica (id INTEGER PRIMARY KEY CHECK (id = 1),"
			   " log TEXT NOT NULL, daemon TEXT NOT NULL, position INTEGER NOT NULL,"
			   " mark TEXT NOT NULL) STRICT";
static const char is_there[] = "SELECT count(*) FROM sqlite_schema WHERE name = 'replica'";
static const char has_data[] =
	"SELECT EXISTS (SELECT 1 FROM submission) OR EXISTS (SELECT 1 FROM evaluator)"
	" OR EXISTS (SELECT 1 FROM webhook) OR EXISTS (SELECT 1 FROM token)"
	" OR EXISTS (SELECT 1 FROM sqlite_sequence)";

bool replica_is_table(const char *name)
{
	return strcmp(name, "replica") == 0;
}

int replica_refuse(sqlite3 *db, struct err *reterr)
{
	int64_t there;
	int rc = db_integer(db, is_there, &there, reterr);

	if (rc == 0 && there != 0) {
		rc = err_set(reterr, ERR_CONFIG,
			     "this data directory is a replica of a log in PostgreSQL: say with "
			     "`data` where that is, or choose another directory");
	}
	return rc;
}

static int begin(sqlite3 *db, const char *log, struct err *reterr)
{
	char daemon[ID_SIZE];
	sqlite3_stmt *stmt;
	int64_t full;
	int rc = db_integer(db, has_data, &full, reterr);

	if (rc == 0 && full != 0) {
		rc = err_set(reterr, ERR_CONFIG,
			     "this data directory has jobs, tokens or evaluators that are not in "
			     "the log in PostgreSQL: choose an empty one");
	}
	if (rc == 0) {
		rc = db_exec(db, make, reterr);
	}
	if (rc == 0) {
		rc = db_prepare(db, "INSERT INTO replica VALUES (1, ?1, ?2, 0, '')", &stmt, reterr);
	}
	if (rc == 0) {
		id_make(daemon, "dmn");
		db_bind_text(stmt, 1, log);
		db_bind_text(stmt, 2, daemon);
		rc = db_run(stmt, reterr);
		(void)sqlite3_finalize(stmt);
	}
	return rc;
}

static void copy(char *to, size_t size, sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	(void)snprintf(to, size, "%s", text != NULL ? (const char *)text : "");
}

static int look(struct replica *replica, sqlite3 *db, const char *log, struct err *reterr)
{
	char mine[REPLICA_NAME_SIZE] = "";
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, "SELECT log, daemon, position, mark FROM replica", &stmt, reterr);

	if (rc != 0) {
		return rc;
	}
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		copy(mine, sizeof(mine), stmt, 0);
		copy(replica->daemon, sizeof(replica->daemon), stmt, 1);
		replica->at.position = sqlite3_column_int64(stmt, 2);
		copy(replica->at.mark, sizeof(replica->at.mark), stmt, 3);
	}
	(void)sqlite3_finalize(stmt);
	if (strcmp(mine, log) != 0) {
		rc = err_set(reterr, ERR_CONFIG,
			     "this data directory is a replica of another log (%s) than the one in "
			     "PostgreSQL (%s): choose an empty one",
			     mine, log);
	}
	return rc;
}

/* One transaction: a directory is a replica or it is not. */
int replica_init(struct replica *replica, sqlite3 *db, const char *log, struct err *reterr)
{
	int64_t there;
	int rc = db_exec(db, "BEGIN IMMEDIATE", reterr);

	*replica = (struct replica){0};
	if (rc != 0) {
		return rc;
	}
	rc = db_integer(db, is_there, &there, reterr);
	if (rc == 0 && there == 0) {
		rc = begin(db, log, reterr);
	}
	if (rc == 0) {
		rc = look(replica, db, log, reterr);
	}
	if (rc == 0) {
		rc = db_exec(db, "COMMIT", reterr);
	}
	if (rc != 0) {
		(void)db_exec(db, "ROLLBACK", NULL);
		return rc;
	}
	return db_prepare(db, "UPDATE replica SET position = ?1, mark = ?2", &replica->note,
			  reterr);
}

void replica_finish(struct replica *replica)
{
	(void)sqlite3_finalize(replica->note);
	replica->note = NULL;
}

int replica_note(struct replica *replica, const struct replica_place *place, struct err *reterr)
{
	(void)sqlite3_bind_int64(replica->note, 1, place->position);
	db_bind_text(replica->note, 2, place->mark);
	return db_run(replica->note, reterr);
}

void replica_is_at(struct replica *replica, const struct replica_place *place)
{
	replica->at = *place;
}
