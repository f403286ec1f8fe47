/* What must hold: of epochs at any time, of all else when nothing fails any more. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/op.h"
#include "tests/several/several.h"

enum { ROUNDS = 40 };

/* The log of the job as a replica has it, and all that follows from it. */
static char *contents(sqlite3 *db)
{
	static const char sql[] = "SELECT (SELECT group_concat(n || data, ' ') FROM (SELECT n, "
				  "data FROM event ORDER BY seq))"
				  " || (SELECT group_concat(id || state || version) FROM job)";
	sqlite3_stmt *stmt;
	char *text;

	if (db_prepare(db, sql, &stmt, NULL) != 0 || sqlite3_step(stmt) != SQLITE_ROW) {
		broken("a replica cannot be read: %s", sqlite3_errmsg(db));
		return mem_dup("");
	}
	text = mem_dup((const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt);
	return text;
}

/* An append of an earlier life, or of one that was taken for dead, stands behind what came since. */
void judge_epochs(void)
{
	static const char sql[] =
		"SELECT count(*)::text FROM (SELECT epoch < lag(epoch) OVER (ORDER BY position) AS"
		" is_old FROM narrowd.op) AS each WHERE is_old";

	if (between_ask("SELECT (to_regclass('narrowd.op') IS NOT NULL)::integer::text") != 0 &&
	    between_ask(sql) != 0) {
		broken("what was sent in an earlier epoch was taken behind a later one");
	}
}

static void heal_one(struct daemon *daemon)
{
	if (daemon->role == OUT) {
		daemon_forget(daemon);
	}
	if (daemon->role == DOWN) {
		daemon_begin(daemon);
	} else {
		daemon_idle(daemon);
	}
}

static struct daemon *who_writes(void)
{
	for (int i = 0; i < DAEMONS; i++) {
		if (several.daemons[i].role == WRITES) {
			return &several.daemons[i];
		}
	}
	return NULL;
}

/* Somebody takes the place, and what is given to that one is stored. */
static void judge_that_it_goes_on(void)
{
	bool stored = false;

	for (int round = 0; round < ROUNDS && !stored; round++) {
		struct daemon *writer;

		for (int i = 0; i < DAEMONS; i++) {
			heal_one(&several.daemons[i]);
		}
		between_pass(LEASE_MS / 2);
		writer = who_writes();
		if (writer != NULL && several.said < SAYINGS_MAX) {
			daemon_write(writer, 1);
			stored = several.sayings[several.said - 1].state == ACKNOWLEDGED;
		}
	}
	if (!stored) {
		broken("nothing fails any more, and nobody writes");
	}
}

/* Where a saying stands in the log; NULL: it does not. */
static const char *find(const char *text, int saying)
{
	char data[64];

	(void)snprintf(data, sizeof(data), "{\"detail\":\"s%d\"}", saying);
	return strstr(text, data);
}

/* What was asked for when another one had been answered comes behind it. */
static void judge_order(const char *text, int i)
{
	const struct saying *saying = &several.sayings[i];
	const char *at = find(text, i);

	for (int j = 0; at != NULL && saying->state == ACKNOWLEDGED && j < i; j++) {
		const struct saying *before = &several.sayings[j];
		const char *other = find(text, j);

		if (before->state == ACKNOWLEDGED && before->answered_at < saying->asked_at &&
		    other != NULL && other > at) {
			broken("s%d was answered before s%d was asked for, and stands behind it", j,
			       i);
		}
	}
}

static void judge_sayings(const char *text)
{
	for (int i = 0; i < several.said; i++) {
		const struct saying *saying = &several.sayings[i];
		const char *at = find(text, i);

		if (at != NULL && find(at + 1, i) != NULL) {
			broken("s%d stands in the log twice", i);
		} else if (saying->state == ACKNOWLEDGED && at == NULL && !saying->forgotten) {
			broken("s%d was acknowledged and is lost", i);
		} else if (saying->state == REFUSED && at != NULL) {
			broken("s%d was refused and stands in the log", i);
		}
		judge_order(text, i);
	}
}

/* Whose turn ended does not come again, but in a new epoch. */
static void judge_turns(void)
{
	static const char sql[] =
		"WITH turn AS (SELECT daemon || '/' || epoch AS who, position FROM narrowd.op),"
		" change AS (SELECT who, lag(who) OVER (ORDER BY position) IS DISTINCT FROM who AS "
		"is_one"
		" FROM turn) SELECT (count(*) FILTER (WHERE is_one) - count(DISTINCT who))::text "
		"FROM change";

	if (between_ask(sql) != 0) {
		broken("somebody whose place was taken has appended since");
	}
	if (between_ask("SELECT (count(*) - max(position) + min(position) - 1)::text FROM "
			"narrowd.op") != 0) {
		broken("positions of the log are missing");
	}
}

void judge_the_end(void)
{
	char *first = NULL;

	judge_that_it_goes_on();
	/* One of the replicas is made anew from what is in PostgreSQL. */
	for (int i = 0; i < DAEMONS; i++) {
		if (several.daemons[i].role == SPARE) {
			daemon_kill(&several.daemons[i]);
			daemon_forget(&several.daemons[i]);
			break;
		}
	}
	for (int i = 0; i < 2 * DAEMONS; i++) {
		heal_one(&several.daemons[i % DAEMONS]);
	}
	judge_turns();
	for (int i = 0; i < DAEMONS; i++) {
		const struct daemon *daemon = &several.daemons[i];
		char *text;

		if (daemon->role == DOWN || daemon->role == OUT) {
			broken("a daemon does not begin though nothing fails any more");
			break;
		}
		text = contents(daemon->apply.db);
		if (first == NULL) {
			judge_sayings(text);
			first = text;
			continue;
		}
		if (strcmp(first, text) != 0) {
			broken("two replicas differ");
		}
		free(text);
	}
	free(first);
}
