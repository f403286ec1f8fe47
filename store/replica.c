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

static int say_full(struct err *reterr)
{
	return err_set(reterr, ERR_CONFIG,
		       "this data directory has jobs, tokens or evaluators that are not in the "
		       "log in PostgreSQL: choose an empty one, or take it there with `narrowd "
		       "migrate`");
}

static int say_other(const char *mine, const char *log, struct err *reterr)
{
	return err_set(reterr, ERR_CONFIG,
		       "this data directory is a replica of another log (%s) than the one in "
		       "PostgreSQL (%s): choose an empty one",
		       mine, log);
}

static int begin(sqlite3 *db, const char *log, struct err *reterr)
{
	int64_t full;
	int rc = db_integer(db, has_data, &full, reterr);

	rc = rc == 0 && full != 0 ? say_full(reterr) : rc;
	return rc == 0 ? replica_mark(db, log, reterr) : rc;
}

/* What a snapshot was made of had a name; what begins from it takes another one. */
static int take_name(struct replica *replica, sqlite3 *db, struct err *reterr)
{
	char daemon[ID_SIZE];
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, "UPDATE replica SET daemon = ?1", &stmt, reterr);

	if (rc == 0) {
		id_make(daemon, "dmn");
		db_bind_text(stmt, 1, daemon);
		rc = db_run(stmt, reterr);
		(void)sqlite3_finalize(stmt);
		(void)snprintf(replica->daemon, sizeof(replica->daemon), "%s", daemon);
	}
	return rc;
}

static void copy(char *to, size_t size, sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	(void)snprintf(to, size, "%s", text != NULL ? (const char *)text : "");
}

static int read_row(struct replica *replica, sqlite3 *db, char mine[REPLICA_NAME_SIZE],
		    struct err *reterr)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, "SELECT log, daemon, position, mark FROM replica", &stmt, reterr);

	if (rc != 0) {
		return rc;
	}
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		copy(mine, REPLICA_NAME_SIZE, stmt, 0);
		copy(replica->daemon, sizeof(replica->daemon), stmt, 1);
		replica->at.position = sqlite3_column_int64(stmt, 2);
		copy(replica->at.mark, sizeof(replica->at.mark), stmt, 3);
	}
	(void)sqlite3_finalize(stmt);
	return 0;
}

static int look(struct replica *replica, sqlite3 *db, const char *log, struct err *reterr)
{
	char mine[REPLICA_NAME_SIZE] = "";
	int rc = read_row(replica, db, mine, reterr);

	return rc == 0 && strcmp(mine, log) != 0 ? say_other(mine, log, reterr) : rc;
}

int replica_look(sqlite3 *db, const char *log, bool *ret_empty, struct replica_place *ret_at,
		 struct err *reterr)
{
	char mine[REPLICA_NAME_SIZE] = "";
	struct replica replica = {0};
	int64_t tables, there = 0, full = 0;
	int rc = db_integer(db, "SELECT count(*) FROM sqlite_schema", &tables, reterr);

	if (rc == 0 && tables > 0) {
		rc = db_integer(db, is_there, &there, reterr);
	}
	*ret_empty = rc == 0 && there == 0;
	*ret_at = replica.at;
	if (rc != 0 || tables == 0) {
		return rc;
	}
	/* A start that failed has left tables in which nothing is; what lacks some of them is older and no replica. */
	if (there == 0) {
		return db_integer(db, has_data, &full, NULL) != 0 || full != 0 ? say_full(reterr)
									       : 0;
	}
	rc = read_row(&replica, db, mine, reterr);
	*ret_at = replica.at;
	return rc == 0 && strcmp(mine, log) != 0 ? say_other(mine, log, reterr) : rc;
}

int replica_mark(sqlite3 *db, const char *log, struct err *reterr)
{
	sqlite3_stmt *stmt;
	int rc = db_exec(db, make, reterr);

	if (rc == 0) {
		rc = db_prepare(db, "INSERT INTO replica VALUES (1, ?1, '', 0, '')", &stmt, reterr);
	}
	if (rc == 0) {
		db_bind_text(stmt, 1, log);
		rc = db_run(stmt, reterr);
		(void)sqlite3_finalize(stmt);
	}
	return rc;
}

int replica_unname(sqlite3 *db, struct err *reterr)
{
	int64_t there;
	int rc = db_integer(db, is_there, &there, reterr);

	return rc == 0 && there != 0 ? db_exec(db, "UPDATE replica SET daemon = ''", reterr) : rc;
}

int replica_unmark(sqlite3 *db, struct err *reterr)
{
	return db_exec(db, "DROP TABLE replica", reterr);
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
	if (rc == 0 && replica->daemon[0] == '\0') {
		rc = take_name(replica, db, reterr);
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
