/* Looks at what a data directory holds, and at whose it is. */
#include "store/look.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/db.h"
#include "store/directory.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/shape.h"

/* Opens the database, has it looked at, and closes it. `rest` is for the function alone. */
struct look {
	struct directory names;
	void *rest;
};

typedef int look_fn(const struct look *look, sqlite3 *db, struct err *reterr);

static int look_into(const char *directory, look_fn *fn, void *rest, struct err *reterr)
{
	struct look look = {.rest = rest};
	sqlite3 *db;
	int rc;

	directory_init(&look.names, directory);
	rc = db_open(look.names.database, DB_READER, &db, reterr);
	if (rc == 0) {
		rc = fn(&look, db, reterr);
		(void)sqlite3_close(db);
	}
	directory_finish(&look.names);
	return rc;
}

bool look_is_there(const char *directory)
{
	struct directory names;
	struct stat status;
	bool there;

	directory_init(&names, directory);
	there = stat(names.database, &status) == 0 && status.st_size > 0;
	directory_finish(&names);
	return there;
}

int look_at_lock(const char *directory, struct err *reterr)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return held ? err_set(reterr, ERR_BUSY, "a process holds %s", directory) : 0;
}

static int shape(const struct look *look, sqlite3 *db, struct err *reterr)
{
	int64_t version;
	int rc = schema_examine(db, look->names.database, schema_step_count, &version, reterr);

	/* One of an older schema is brought to today's by a start, which then compares. */
	return rc == 0 && version == (int64_t)schema_step_count ? shape_check(db, reterr) : rc;
}

int look_at_shape(const char *directory, struct err *reterr)
{
	return look_into(directory, shape, NULL, reterr);
}

static int key(const struct look *look, sqlite3 *db, struct err *reterr)
{
	const char *file = look->rest;

	return seal_look(db, file != NULL && file[0] != '\0' ? file : look->names.key, reterr);
}

int look_at_key(const char *directory, const char *key_file, struct err *reterr)
{
	return look_into(directory, key, (void *)key_file, reterr);
}

static int mark(const struct look *look, sqlite3 *db, struct err *reterr)
{
	struct directory names = look->names;
	int64_t stored, found = 0, has_tables = 0;
	int rc = db_integer(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'event'",
			    &has_tables, reterr);

	if (rc == 0 && has_tables > 0) {
		rc = db_integer(db, "SELECT seq FROM sqlite_sequence WHERE name = 'event'", &found,
				reterr);
	}

	names.lock_fd = open(names.lock, O_RDONLY | O_CLOEXEC);
	stored = names.lock_fd >= 0 ? directory_marked(&names) : 0;
	if (names.lock_fd >= 0) {
		(void)close(names.lock_fd);
	}
	if (rc == 0 && found < stored) {
		rc = err_set(reterr, ERR_CORRUPT,
			     "event %lld was stored, and the newest in %s is %lld: its -wal file "
			     "was removed or cut, or an older backup was put in its place",
			     (long long)stored, names.database, (long long)found);
	}
	return rc;
}

int look_at_mark(const char *directory, struct err *reterr)
{
	return look_into(directory, mark, NULL, reterr);
}

static int newest(const struct look *look, sqlite3 *db, struct err *reterr)
{
	return db_integer(db, "SELECT at_ms FROM event ORDER BY seq DESC LIMIT 1", look->rest,
			  reterr);
}

int look_at_newest(const char *directory, int64_t *ret_ms, struct err *reterr)
{
	return look_into(directory, newest, ret_ms, reterr);
}

static int tokens(const struct look *look, sqlite3 *db, struct err *reterr)
{
	return db_integer(db,
			  "SELECT count(*) FROM token WHERE ended_at IS NULL AND (expires_at IS "
			  "NULL OR expires_at > unixepoch() * 1000)",
			  look->rest, reterr);
}

int look_at_tokens(const char *directory, int64_t *ret_count, struct err *reterr)
{
	return look_into(directory, tokens, ret_count, reterr);
}

int64_t look_at_backup(const char *directory)
{
	struct directory names;
	int64_t at_ms;

	directory_init(&names, directory);
	at_ms = directory_backup_at_ms(&names);
	directory_finish(&names);
	return at_ms;
}

struct urls {
	void (*fn)(void *arg, const char *url);
	void *arg;
};

static int evaluators(const struct look *look, sqlite3 *db, struct err *reterr)
{
	static const char sql[] =
		"SELECT document ->> 'url' AS url FROM evaluator WHERE url IS NOT NULL"
		" UNION SELECT named.value ->> 'url' AS url FROM job JOIN submission USING (id),"
		" json_each(CASE json_type(spec, '$.evaluator') WHEN 'array' THEN spec -> "
		"'evaluator' ELSE json_array(spec -> 'evaluator') END) AS named"
		" WHERE state IN ('queued', 'baseline', 'running', 'paused') AND url IS NOT NULL";
	const struct urls *urls = look->rest;
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, sql, &stmt, reterr);
	int step = SQLITE_DONE;

	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		urls->fn(urls->arg, (const char *)sqlite3_column_text(stmt, 0));
	}
	if (rc == 0 && step != SQLITE_DONE) {
		rc = db_error(db, "reading", reterr);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

int look_at_evaluators(const char *directory, void (*fn)(void *arg, const char *url), void *arg,
		       struct err *reterr)
{
	struct urls urls = {fn, arg};

	return look_into(directory, evaluators, &urls, reterr);
}

void look_at_files(const char *directory,
		   void (*fn)(void *arg, const char *path, unsigned mode, unsigned owner),
		   void *arg)
{
	struct directory names;

	directory_init(&names, directory);
	{
		const char *const paths[] = {directory,  names.database, names.wal,
					     names.lock, names.key,      names.reserve};
		struct stat status;

		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			if (lstat(paths[i], &status) == 0) {
				fn(arg, paths[i], (unsigned)status.st_mode,
				   (unsigned)status.st_uid);
			}
		}
	}
	directory_finish(&names);
}
