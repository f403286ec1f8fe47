/* Takes a member out of the text of an object, for SQL. */
#include "store/member.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "store/db.h"

/* By which SQLite's own functions know that a text is JSON. */
enum { JSON_SUBTYPE = 'J' };

#ifndef SQLITE_RESULT_SUBTYPE /* before SQLite 3.45 nobody had to say so */
#define SQLITE_RESULT_SUBTYPE 0
#endif

static void answer(sqlite3_context *context, const char *text, size_t length)
{
	sqlite3_result_text64(context, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
	sqlite3_result_subtype(context, JSON_SUBTYPE);
}

static void parse(sqlite3_context *context, const char *object, const char *name)
{
	json_t *tree = json_loads(object, 0, NULL);
	json_t *found = json_object_get(tree, name);
	char *text = found != NULL ? json_text(found) : NULL;

	if (text != NULL) {
		answer(context, text, strlen(text));
	}
	free(text);
	json_decref(tree);
}

static void member(sqlite3_context *context, int count, sqlite3_value **values)
{
	const char *object = (const char *)sqlite3_value_text(values[0]);
	const char *name = (const char *)sqlite3_value_text(values[1]), *found;
	size_t length = 0;

	(void)count;
	if (object == NULL || name == NULL) {
		return;
	}
	if (sqlite3_value_type(values[2]) == SQLITE_NULL) {
		parse(context, object, name);
		return;
	}
	found = json_text_member(object, name, &length);
	if (found != NULL) {
		answer(context, found, length);
	}
}

int member_register(sqlite3 *db, struct err *reterr)
{
	int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY | SQLITE_RESULT_SUBTYPE;

	return sqlite3_create_function(db, "narrowd_member", 3, flags, NULL, member, NULL, NULL) ==
			       SQLITE_OK
		       ? 0
		       : db_error(db, "preparing", reterr);
}
