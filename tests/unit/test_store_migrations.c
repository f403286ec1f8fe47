/*
 * store: a database of every schema there was, brought to the newest one on a disk that fails at any call, and with the
 * machine stopping at any step.
 *
 * Whatever happens to the upgrade, the next start finds the same jobs, trials and events.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/query.h"
#include "store/schema.h"
#include "store/seal.h"
#include "tests/unit/disk_image.h"
#include "tests/unit/points.h"
#include "tests/unit/store_world.h"

/* A process that forks a thousand times need not keep what was freed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=0:max_malloc_fill_size=0:malloc_context_size=0";
}

enum {
	FIXTURE = 4 /* the schema of the jobs in tests/data/rules1 */,
	NOT_OPENED = 3,
	STORAGE_EXIT = 74,
	PATIENCE_S = 600
};

/* Of each so many points, the rest with NARROWD_EVERY_POINT. */
enum { CALLS_EVERY = 120, STEPS_EVERY = 48 };

/* The database of a schema, and a folder to upgrade it in. */
struct old {
	size_t version;
	struct world world;
	unsigned char *bytes;
	size_t size;
};

/* The smallest jobs are enough: the steps do not look at them one by one. */
static const char few[] = "PRAGMA foreign_keys = ON;"
			  "DELETE FROM submission WHERE id NOT IN"
			  " (SELECT job FROM event GROUP BY job ORDER BY count(*) LIMIT 6);"
			  "VACUUM";

/* What the older schema did not have yet was not there. */
static const char copy_common[] =
	"SELECT group_concat('INSERT INTO main.' || name || ' (' || columns || ') SELECT ' ||"
	" columns || ' FROM later.' || name, ';') FROM (SELECT t.name,"
	" (SELECT group_concat(i.name) FROM pragma_table_info(t.name) AS i) AS columns"
	" FROM main.sqlite_schema AS t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
	" ORDER BY t.name <> 'submission')";

static char *expected; /* what a start without faults says of all jobs */

static char *read_text(const char *path, size_t *ret_size)
{
	char *text = mem_new(DISK_FILE_MAX, 1);
	FILE *file = fopen(path, "rb");

	cr_assert_not_null(file, "%s", path);
	*ret_size = fread(text, 1, DISK_FILE_MAX, file);
	cr_assert_lt(*ret_size, DISK_FILE_MAX - 1);
	(void)fclose(file);
	return text;
}

static void write_bytes(const char *path, const unsigned char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(bytes, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

/* Leaves nothing in the folder but, where it is wanted, the key. */
static void empty(const struct world *world, bool keep_key)
{
	char *command = mem_printf("find '%s' -type f %s -delete", world->directory,
				   keep_key ? "! -name narrowd.key" : "");

	cr_assert_eq(system(command), 0);
	free(command);
}

static sqlite3 *outside(const char *path)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
}

static void make_fixture(const char *path)
{
	size_t size;
	char *sql = read_text(RULES1_DATABASE, &size);
	sqlite3 *db = outside(path);

	run(db, sql);
	run(db, few);
	(void)sqlite3_close(db);
	free(sql);
}

static void make_older(const char *path, size_t version)
{
	char *later = mem_printf("%s.later", path), *attach, *copy;
	sqlite3_stmt *stmt;
	sqlite3 *db;

	cr_assert_eq(rename(path, later), 0);
	db = outside(path);
	for (size_t i = 0; i < version; i++) {
		run(db, schema_steps[i]);
	}
	attach = mem_printf("PRAGMA user_version = %zu; PRAGMA application_id = %d; ATTACH '%s' AS "
			    "later",
			    version, SCHEMA_APPLICATION_ID, later);
	run(db, attach);
	cr_assert_eq(sqlite3_prepare_v2(db, copy_common, -1, &stmt, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
	copy = mem_dup((const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt);
	run(db, copy);
	(void)sqlite3_close(db);
	free(copy);
	free(attach);
	free(later);
}

static void make_newer(const struct world *world, const char *path, size_t version)
{
	char *key = world_path(world, "narrowd.key");
	struct err err;
	sqlite3 *db;

	cr_assert_eq(db_open(path, DB_WRITER, &db, &err), 0, "%s", err.message);
	cr_assert_eq(seal_take_key(db, key, &err), 0, "%s", err.message);
	cr_assert_eq(schema_upgrade(db, path, schema_steps, version, &err), 0, "%s", err.message);
	(void)sqlite3_close(db);
	free(key);
}

static void old_init(struct old *old, size_t version)
{
	char *path;

	*old = (struct old){.version = version};
	world_prepare(&old->world, NULL);
	cr_assert_eq(mkdir(old->world.directory, 0700), 0);
	path = world_path(&old->world, "narrowd.db");
	make_fixture(path);
	if (version < FIXTURE) {
		make_older(path, version);
	} else if (version > FIXTURE) {
		make_newer(&old->world, path, version);
	}
	old->bytes = (unsigned char *)read_text(path, &old->size);
	free(path);
}

static void old_finish(struct old *old)
{
	world_finish(&old->world);
	free(old->bytes);
}

/* As it was before the upgrade. Before there was anything to seal there was no key. */
static void old_put(const struct old *old)
{
	char *path = world_path(&old->world, "narrowd.db");

	empty(&old->world, old->version > FIXTURE);
	write_bytes(path, old->bytes, old->size);
	(void)chmod(path, 0600);
	free(path);
}

static void add_rows(const struct world *world, struct buf *text)
{
	for (size_t i = 0; i < world->count * world->columns; i++) {
		buf_printf(text, "%s\n", world->cells[i] != NULL ? world->cells[i] : "null");
	}
}

/* Starts on the folder as it is, and says all there is of every job. */
static char *documents(struct world *world)
{
	char *ids[16];
	struct buf text;
	size_t jobs, size;

	buf_init(&text, SIZE_MAX / 2);
	world_open(world, 0);
	jobs = QUERY(world, QUERY_JOBS, NONE, NONE, NONE, NONE, NUMBER(100), NONE);
	cr_assert_leq(jobs, sizeof(ids) / sizeof(ids[0]));
	for (size_t i = 0; i < jobs; i++) {
		ids[i] = mem_dup(world_cell(world, i, 1));
	}
	for (size_t i = 0; i < jobs; i++) {
		(void)QUERY(world, QUERY_JOB, TEXT(ids[i]), NONE);
		add_rows(world, &text);
		(void)QUERY(world, QUERY_TRIALS, TEXT(ids[i]), NONE, NONE, NONE, NUMBER(0), NONE,
			    NONE, NUMBER(1000), NONE, NONE);
		add_rows(world, &text);
		(void)QUERY(world, QUERY_EVENTS, TEXT(ids[i]), NUMBER(0), NUMBER(1000), NONE);
		add_rows(world, &text);
		free(ids[i]);
	}
	world_close(world);
	return buf_take(&text, &size);
}

static void expect_the_same(struct world *world, const char *what, size_t version, int64_t at)
{
	char *found = documents(world);

	cr_assert_str_eq(found, expected, "%s %lld of the upgrade from schema %zu", what,
			 (long long)at, version);
	world_verify(world);
	free(found);
}

/* The documents of a database that nothing has happened to since it was written. */
static void begin(void)
{
	struct old old;

	(void)umask(077);
	old_init(&old, FIXTURE);
	expected = documents(&old.world);
	cr_assert_gt(strlen(expected), 10000);
	old_finish(&old);
	fault_vfs_install();
}

static void end(void)
{
	free(expected);
}

TestSuite(store_migrations, .init = begin, .fini = end);

/* In a process of its own, which may end in a commit as the daemon would. */
static int start_elsewhere(struct world *world, int64_t at, enum fault_means means, int64_t *calls)
{
	struct store_options options = {.directory = world->directory};
	int status = -1;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct err err;

		(void)alarm(PATIENCE_S);
		world->loop = loop_create();
		fault_vfs_plan(at, means);
		world->store = store_open(world->loop, &options, &err);
		if (world->store == NULL) {
			_exit(NOT_OPENED);
		}
		*calls = fault_vfs_calls();
		world_close(world);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void fault_everywhere(size_t version, enum fault_means means, const char *what,
			     int64_t *shared_calls)
{
	int64_t every = points_every(CALLS_EVERY), lives = 0, refused = 0, calls;
	struct old old;

	old_init(&old, version);
	old_put(&old);
	cr_assert_eq(start_elsewhere(&old.world, -1, means, shared_calls), 0);
	calls = *shared_calls;
	expect_the_same(&old.world, what, version, -1);
	for (int64_t at = points_first(every); at < calls; at += every) {
		int status;

		old_put(&old);
		status = start_elsewhere(&old.world, at, means, shared_calls);
		cr_assert(status == 0 || status == STORAGE_EXIT || status == NOT_OPENED,
			  "%s %lld of the upgrade from schema %zu: ends as %d", what, (long long)at,
			  version, status);
		refused += status != 0;
		lives++;
		fault_vfs_plan(-1, FAULT_ONCE);
		expect_the_same(&old.world, what, version, at);
	}
	cr_log_info("schema %zu, %s: %lld of %lld calls, %lld starts were refused", version, what,
		    (long long)lives, (long long)calls, (long long)refused);
	old_finish(&old);
}

static void fault_from_every_schema(enum fault_means means, const char *what)
{
	int64_t *calls = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq((void *)calls, MAP_FAILED);
	for (size_t version = 1; version < schema_step_count; version++) {
		fault_everywhere(version, means, what, calls);
	}
	(void)munmap(calls, sizeof(*calls));
}

Test(store_migrations, a_call_that_fails_once)
{
	fault_from_every_schema(FAULT_ONCE, "one fault at call");
}

Test(store_migrations, a_disk_that_fails_from_here_on)
{
	fault_from_every_schema(FAULT_FOREVER, "faults from call");
}

Test(store_migrations, a_disk_that_is_full_from_here_on)
{
	fault_from_every_schema(FAULT_FULL, "full from call");
}

/* The copy of what was there before is for people: no start reads it. */
static bool is_of_the_database(const struct disk_step *step)
{
	static const char *const files[] = {"narrowd.db", "narrowd.db-wal", "narrowd.db-journal"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(step->name, files[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void stop_everywhere(size_t version)
{
	struct rng rng = rng_make(version, RNG_SEARCH, 0);
	int64_t every = points_every(STEPS_EVERY), first = points_first(every), images = 0;
	const struct disk_step *steps;
	struct disk_image image;
	struct old old;
	size_t begun, count;

	old_init(&old, version);
	old_put(&old);
	(void)fault_vfs_steps(&begun);
	fault_vfs_plan(-1, FAULT_ONCE);
	fault_vfs_record();
	expect_the_same(&old.world, "without a fault", version, 0);
	steps = fault_vfs_steps(&count);
	disk_image_init(&image, "narrowd.db", old.bytes, old.size);
	for (size_t i = begun; i < count; i++) {
		if (!is_of_the_database(&steps[i])) {
			continue;
		}
		disk_image_step(&image, &steps[i]);
		for (int kind = 0; (int64_t)i % every == first && kind < IMAGE_KINDS; kind++) {
			empty(&old.world, true);
			disk_image_put(&image, old.world.directory, kind, &rng);
			expect_the_same(&old.world, disk_image_names[kind], version, (int64_t)i);
			images++;
		}
	}
	cr_log_info("schema %zu: %lld images of %zu steps", version, (long long)images,
		    count - begun);
	disk_image_finish(&image);
	old_finish(&old);
}

Test(store_migrations, a_machine_that_stops_at_any_step)
{
	for (size_t version = 1; version < schema_step_count; version++) {
		stop_everywhere(version);
	}
}
