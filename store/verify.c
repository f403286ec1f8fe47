/* Rebuilds the projections from the log in temporary tables, and compares. */
#include "store/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/project.h"
#include "store/schema.h"
#include "store/shape.h"
#include "store/sum.h"

/* Each of these gives one text per fault, and nothing when all is well. */
static const char *const checks[] = {
	"SELECT 'table ' || \"table\" || ' refers to a row of ' || parent || ' that does not exist'"
	" FROM pragma_foreign_key_check",
	"SELECT 'the log of ' || job || ' has gaps' FROM event GROUP BY job"
	" HAVING min(n) <> 1 OR max(n) <> count(*)",
	"SELECT 'the submission of ' || id || ' is damaged' FROM submission"
	" WHERE sum <> narrowd_sum(" SUM_OF_SUBMISSION ")",
	"SELECT id || ' was submitted but is no job' FROM submission"
	" WHERE id NOT IN (SELECT id FROM main.job)",
	"SELECT webhook || ' has not one first delivery for ' || job FROM delivery"
	" WHERE state = 'pending' GROUP BY webhook, job"
	" HAVING count(due_at) <> 1 OR min(event) <> max(event) FILTER (WHERE due_at IS NOT NULL)",
	"SELECT webhook || ' has a delivery that is over and due' FROM delivery"
	" WHERE state <> 'pending' AND due_at IS NOT NULL",
};

/* The log remembers leases that the store may have forgotten (op.c). */
static const char forget_leases[] =
	"DELETE FROM temp.lease WHERE id NOT IN (SELECT id FROM main.lease)"
	" AND at_ms < 1000 * (CAST(strftime('%s', 'now') AS INTEGER) - 172800)";

/* Calls each() for every row. */
static int for_each(sqlite3 *db, const char *sql,
		    int (*each)(void *arg, sqlite3_stmt *row, struct err *reterr), void *arg,
		    struct err *reterr)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, sql, &stmt, reterr);
	int step = SQLITE_DONE;

	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		rc = each(arg, stmt, reterr);
	}
	if (rc == 0 && step != SQLITE_DONE) {
		rc = db_error(db, "verifying", reterr);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

static const char *text(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

/* A temporary table hides the table of the same name: the same statements now fill the copy. */
static int make_copy(void *arg, sqlite3_stmt *row, struct err *reterr)
{
	static const char table[] = "CREATE TABLE", index[] = "CREATE INDEX ";
	const char *sql = text(row, 0);
	char *copy = strncmp(sql, table, strlen(table)) == 0
			     ? mem_printf("CREATE TEMP TABLE%s", sql + strlen(table))
			     : mem_printf("CREATE INDEX temp.%s", sql + strlen(index));
	int rc = db_exec(arg, copy, reterr);

	free(copy);
	return rc;
}

/* With what it is looked up by, or filling it takes a time that grows with the square of its rows. */
static int make_copy_of(sqlite3 *db, const char *table, struct err *reterr)
{
	char *query = mem_printf(
		"SELECT sql FROM main.sqlite_schema WHERE tbl_name = '%s' AND"
		" type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type = 'index'",
		table);
	int rc = for_each(db, query, make_copy, db, reterr);

	free(query);
	return rc;
}

static int add_job(void *arg, sqlite3_stmt *row, struct err *reterr)
{
	return project_job(arg, text(row, 0), text(row, 1), reterr);
}

static int add_event(void *arg, sqlite3_stmt *row, struct err *reterr)
{
	struct log_event is = {
		.type = logged_find(text(row, 2)),
		.at_ms = sqlite3_column_int64(row, 3),
		.trial = sqlite3_column_type(row, 4) == SQLITE_NULL ? -1
								    : sqlite3_column_int64(row, 4),
		.data = text(row, 5),
	};
	struct project_event event = {text(row, 0), sqlite3_column_int64(row, 1), &is};

	return project_apply(arg, &event, reterr);
}

static int rebuild(sqlite3 *db, struct err *reterr)
{
	static const char *const copies[] = {"job", "trial", "lease"};
	struct project project;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(copies) / sizeof(copies[0]); i++) {
		rc = make_copy_of(db, copies[i], reterr);
	}
	if (rc == 0) {
		rc = project_init(&project, db, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	rc = for_each(db, "SELECT id, head FROM submission ORDER BY id", add_job, &project, reterr);
	if (rc == 0) {
		rc = for_each(db,
			      "SELECT job, n, type, at_ms, trial, " SUM_EVENT(
				      "event") " FROM event ORDER BY seq",
			      add_event, &project, reterr);
	}
	if (rc == 0) {
		rc = db_exec(db, forget_leases, reterr);
	}
	project_finish(&project);
	return rc;
}

static int report(void *arg, sqlite3_stmt *row, struct err *reterr)
{
	(void)arg;
	return err_set(reterr, ERR_CORRUPT, "database: %s", text(row, 0));
}

struct comparison {
	sqlite3 *db;
	const char *table;
	const char *row; /* SQL: the name of a row of `a` */
	const char *on;  /* SQL: a and b are the same row */
};

/* `row` is a column's name; one query per column finds any row where the two tables differ. */
static int compare_column(void *arg, sqlite3_stmt *row, struct err *reterr)
{
	const struct comparison *it = arg;
	char *sql = mem_printf("SELECT %s || ': ' || '%s is ' || coalesce(quote(a.%s), '') ||"
			       " ', but the log says ' || coalesce(quote(b.%s), '')"
			       " FROM main.%s AS a JOIN temp.%s AS b ON %s"
			       " WHERE a.%s IS NOT b.%s LIMIT 1",
			       it->row, text(row, 0), text(row, 0), text(row, 0), it->table,
			       it->table, it->on, text(row, 0), text(row, 0));
	int rc = for_each(it->db, sql, report, NULL, reterr);

	free(sql);
	return rc;
}

static int compare_presence(const struct comparison *it, const char *here, const char *there,
			    const char *fault, struct err *reterr)
{
	char *sql = mem_printf("SELECT %s || ': %s' FROM %s.%s AS a WHERE NOT EXISTS"
			       " (SELECT 1 FROM %s.%s AS b WHERE %s) LIMIT 1",
			       it->row, fault, here, it->table, there, it->table, it->on);
	int rc = for_each(it->db, sql, report, NULL, reterr);

	free(sql);
	return rc;
}

static int compare(struct comparison *it, struct err *reterr)
{
	char *columns = mem_printf("SELECT name FROM pragma_table_info('%s', 'main')", it->table);
	int rc = compare_presence(it, "main", "temp", "not in the log", reterr);

	if (rc == 0) {
		rc = compare_presence(it, "temp", "main", "in the log only", reterr);
	}
	if (rc == 0) {
		rc = for_each(it->db, columns, compare_column, it, reterr);
	}
	free(columns);
	return rc;
}

int verify_run(sqlite3 *db, struct err *reterr)
{
	struct comparison comparisons[] = {
		{db, "job", "a.id", "a.id = b.id"},
		{db, "trial", "a.job || ' trial ' || a.number",
		 "a.job = b.job AND a.number = b.number"},
		{db, "lease", "'lease ' || a.id", "a.id = b.id"},
	};
	int rc = db_exec(db, "BEGIN", reterr);

	if (rc == 0) {
		rc = schema_check(db, reterr);
	}
	if (rc == 0) {
		rc = shape_check(db, reterr);
	}
	for (size_t i = 0; rc == 0 && i < sizeof(checks) / sizeof(checks[0]); i++) {
		rc = for_each(db, checks[i], report, NULL, reterr);
	}
	if (rc == 0) {
		rc = rebuild(db, reterr);
	}
	for (size_t i = 0; rc == 0 && i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
		rc = compare(&comparisons[i], reterr);
	}
	return rc;
}
