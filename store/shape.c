/* Compares a database with one that is made in memory by the same steps. */
#include "store/shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/replica.h"
#include "store/schema.h"

enum { KIND, NAME, FORM };

/* What is there: kind, name, and what it is made of. */
static const char things[] = "SELECT type, name, tbl_name || coalesce((SELECT group_concat(c.name "
			     "|| ' ' || c.type || ' ' ||"
			     " c.\"notnull\" || ' ' || c.pk || ' ' || c.hidden, ', ') FROM "
			     "pragma_table_xinfo(thing.name)"
			     " AS c WHERE thing.type = 'table'), '') FROM sqlite_schema AS thing"
			     " WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";

struct thing {
	char *kind, *name, *form;
};

struct shape {
	struct thing *list;
	size_t count;
};

static char *text(sqlite3_stmt *row, int column)
{
	return mem_dup((const char *)sqlite3_column_text(row, column));
}

static int read_shape(sqlite3 *db, struct shape *shape, struct err *reterr)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, things, &stmt, reterr);
	int step = SQLITE_DONE;

	*shape = (struct shape){0};
	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		shape->list = mem_grow(shape->list, shape->count + 1, sizeof(*shape->list));
		shape->list[shape->count++] =
			(struct thing){text(stmt, KIND), text(stmt, NAME), text(stmt, FORM)};
	}
	if (rc == 0 && step != SQLITE_DONE) {
		rc = db_error(db, "reading the schema", reterr);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

static void free_shape(struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		free(shape->list[i].kind);
		free(shape->list[i].name);
		free(shape->list[i].form);
	}
	free(shape->list);
}

static const struct thing *find(const struct shape *shape, const struct thing *like)
{
	for (size_t i = 0; i < shape->count; i++) {
		if (strcmp(shape->list[i].kind, like->kind) == 0 &&
		    strcmp(shape->list[i].name, like->name) == 0) {
			return &shape->list[i];
		}
	}
	return NULL;
}

static int make_reference(struct shape *shape, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(":memory:", DB_COPY, &db, reterr);

	*shape = (struct shape){0};
	for (size_t i = 0; rc == 0 && i < schema_step_count; i++) {
		rc = db_exec(db, schema_steps[i], reterr);
	}
	if (rc == 0) {
		rc = read_shape(db, shape, reterr);
	}
	(void)sqlite3_close(db);
	return rc;
}

/* Triggers and views are switched off for us (db.c); they are refused because somebody meant them. */
static int judge_stranger(const struct thing *thing, struct err *reterr)
{
	if (strcmp(thing->kind, "trigger") == 0 || strcmp(thing->kind, "view") == 0) {
		return err_set(
			reterr, ERR_CORRUPT,
			"database: it has a %s that narrowd did not make, \"%s\": look at it, then "
			"remove it with DROP %s \"%s\"",
			thing->kind, thing->name, thing->kind, thing->name);
	}
	log_line(LOG_WARNING, "the database has something that narrowd did not make",
		 LOG_TEXT("kind", thing->kind), LOG_TEXT("name", thing->name));
	return 0;
}

static int compare(const struct shape *is, const struct shape *must, struct err *reterr)
{
	int rc = 0;

	for (size_t i = 0; i < must->count; i++) {
		const struct thing *thing = find(is, &must->list[i]);

		if (thing == NULL || strcmp(thing->form, must->list[i].form) != 0) {
			return err_set(reterr, ERR_CORRUPT, "database: its %s %s is %s",
				       must->list[i].kind, must->list[i].name,
				       thing == NULL ? "missing" : "not as narrowd makes it");
		}
	}
	for (size_t i = 0; i < is->count && rc == 0; i++) {
		if (find(must, &is->list[i]) == NULL && !replica_is_table(is->list[i].name)) {
			rc = judge_stranger(&is->list[i], reterr);
		}
	}
	return rc;
}

int shape_check(sqlite3 *db, struct err *reterr)
{
	struct shape is, must;
	int rc = make_reference(&must, reterr);

	if (rc == 0) {
		rc = read_shape(db, &is, reterr);
		rc = rc == 0 ? compare(&is, &must, reterr) : rc;
		free_shape(&is);
	}
	free_shape(&must);
	return rc;
}
