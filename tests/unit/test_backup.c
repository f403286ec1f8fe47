/*
 * backup: copies of a database while it is written.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/directory.h"
#include "tests/unit/store_world.h"

/* A file of some steps, and what happens between two of them. */
struct copying {
	sqlite3 *writer;
	int asked, enough;
};

static bool write_and_give_up(void *arg)
{
	struct copying *copying = arg;

	cr_assert_eq(db_exec(copying->writer,
			     "DELETE FROM t WHERE n % 3 = 0;"
			     " INSERT INTO t SELECT n, b FROM t LIMIT 9",
			     NULL),
		     0);
	cr_assert_lt(copying->asked, 100, "it begins again with each write");
	return ++copying->asked == copying->enough;
}

Test(backup, a_copy_is_of_one_moment_and_can_be_broken_off)
{
	static const char fill[] =
		"CREATE TABLE t (n INTEGER, b BLOB); WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL"
		" SELECT n + 1 FROM c WHERE n < 4000) INSERT INTO t SELECT n, zeroblob(4000) FROM "
		"c";
	struct copying copying = {0};
	struct world world;
	char *path, *copy;
	int64_t count;
	sqlite3 *db;
	struct err err;

	world_prepare(&world, NULL);
	cr_assert_eq(mkdir(world.directory, 0700), 0);
	path = world_path(&world, "source.db");
	copy = world_path(&world, "copy.db");
	world_shell(mem_printf("touch %s", path));
	cr_assert_eq(db_open(path, DB_WRITER, &copying.writer, &err), 0, "%s", err.message);
	cr_assert_eq(db_exec(copying.writer, fill, &err), 0, "%s", err.message);
	cr_assert_eq(db_open(path, DB_READER, &db, &err), 0, "%s", err.message);
	cr_assert_eq(backup_copy_unless(db, copy, write_and_give_up, &copying, &err), 0, "%s",
		     err.message);
	cr_assert_geq(copying.asked, 3);
	(void)sqlite3_close(db);
	cr_assert_eq(db_open(copy, DB_READER, &db, &err), 0, "%s", err.message);
	cr_assert_eq(db_integer(db, "SELECT sum(n) FROM t", &count, &err), 0, "%s", err.message);
	cr_assert_eq(count, 4000 * 4001 / 2, "it is not of one moment");
	cr_assert_eq(db_integer(db,
				"SELECT count(*) FROM pragma_integrity_check WHERE"
				" integrity_check = 'ok'",
				&count, &err),
		     0);
	cr_assert_eq(count, 1);
	(void)sqlite3_close(db);
	cr_assert_eq(unlink(copy), 0);

	copying.asked = 0;
	copying.enough = 1;
	cr_assert_eq(db_open(path, DB_READER, &db, &err), 0, "%s", err.message);
	cr_assert_eq(backup_copy_unless(db, copy, write_and_give_up, &copying, &err), -ERR_TIMEOUT);
	cr_assert_eq(copying.asked, 1);
	cr_assert_neq(access(copy, F_OK), 0, "half a copy stays");
	(void)sqlite3_close(db);
	(void)sqlite3_close(copying.writer);
	free(copy);
	free(path);
	world_finish(&world);
}

Test(backup, what_the_disk_has_no_room_for_is_not_begun)
{
	struct directory directory;
	struct world world;
	struct err err;

	world_start(&world, 0);
	directory_init(&directory, world.directory);
	cr_assert_eq(directory_check_room(directory.database, INT64_MAX, &err), -ERR_DISK_FULL);
	cr_assert_eq(directory_check_room(directory.database, 0, &err), 0, "%s", err.message);
	directory_finish(&directory);
	world_finish(&world);
}
