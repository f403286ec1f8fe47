/*
 * move: a database that is taken to PostgreSQL while a daemon uses it, or refused.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/snapshot.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

enum { MANY = 500 };

static void write_file(const char *path, char first, char last, size_t bytes)
{
	FILE *file = fopen(path, "w");

	for (size_t i = 0; i < bytes; i++) {
		(void)fputc(i < bytes / 2 ? first : last, file);
	}
	cr_assert_eq(fclose(file), 0);
}

Test(move, one_that_is_replaced_is_that_of_the_other_file_whatever_its_length)
{
	enum { MIB = 1024 * 1024 };
	static const size_t lengths[] = {MIB + 7, 4 * MIB, 3 * MIB - 1};
	const struct replica_place place = {0};
	struct snapshot snapshot;
	struct shared *shared;
	struct server server;
	struct world world;
	char *before, *after;
	struct err err;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	before = world_path(&world, "before");
	after = world_path(&world, "after");
	shared = shared_create(server.url, 0, &err);
	cr_assert_eq(shared_connect(shared, &err), 0, "%s", err.message);
	write_file(before, 'a', 'b', 3 * (size_t)MIB);
	cr_assert_eq(snapshot_put(shared, before, &place, &snapshot, &err), 0, "%s", err.message);
	cr_assert_eq(snapshot_compare(shared, &snapshot, &err), 0, "%s", err.message);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		write_file(after, 'a', (char)('c' + (char)i), lengths[i]);
		cr_assert_eq(snapshot_replace(shared, &snapshot, before, after, &err), 0, "%s",
			     err.message);
		cr_assert_eq(snapshot.bytes, lengths[i]);
		cr_assert_eq(snapshot_compare(shared, &snapshot, &err), 0, "%s", err.message);
		cr_assert_eq(rename(after, before), 0);
	}
	(void)server_say(&server, "UPDATE narrowd.piece SET bytes = 'x' WHERE n = 1");
	cr_assert_eq(snapshot_compare(shared, &snapshot, &err), -ERR_CORRUPT);
	shared_destroy(shared);
	free(before);
	free(after);
	world_finish(&world);
	server_finish(&server);
}

/* A store that is used while it is moved. */
struct used {
	struct world world;
	struct server server;
	enum { LIVES, DIES_BEFORE_STOP, DIES_AFTER_STOP } postgresql;
	int stops, starts;
};

static void refuse_another(const struct used *used)
{
	struct store_moved moved;
	struct err err;

	cr_assert_eq(
		world_move_to(&used->world, used->server.url, &world_mover_alone, &moved, &err),
		-ERR_BUSY, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "is being moved by another narrowd"), "%s",
			   err.message);
}

static void stop_used(void *arg)
{
	struct used *used = arg;

	used->stops++;
	cr_assert_eq(server_number(&used->server, "SELECT count(to_regclass('narrowd.head'))"), 0,
		     "nobody sees it before it is whole");
	refuse_another(used);
	cr_assert_eq(world_append(&used->world, "job_a", 1, &world_more, 1, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "job_%d", i);
		cr_assert_eq(world_insert(&used->world, id, NULL), 0);
	}
	if (used->postgresql != DIES_BEFORE_STOP) {
		world_close(&used->world);
	}
	if (used->postgresql != LIVES) {
		(void)server_say(&used->server, "kill9");
	}
}

static void start_used(void *arg)
{
	struct used *used = arg;

	used->starts++;
	cr_assert_eq(
		server_number(&used->server, "SELECT count(*) FROM narrowd.snapshot WHERE whole"),
		1);
}

/* With one job in it. */
static void used_begin(struct used *used)
{
	server_start(&used->server);
	world_start(&used->world, 0);
	cr_assert_eq(world_insert(&used->world, "job_a", NULL), 0);
}

static int used_move(struct used *used, struct store_moved *ret, struct err *reterr)
{
	const struct store_mover who = {stop_used, start_used, used};

	return world_move_to(&used->world, used->server.url, &who, ret, reterr);
}

static void used_finish(struct used *used)
{
	world_finish(&used->world);
	server_finish(&used->server);
}

Test(move, what_is_written_while_a_database_is_moved_comes_along)
{
	struct used used = {0};
	struct store_moved there, again;
	struct world replica;
	char *one, *other;
	struct err err;

	used_begin(&used);
	cr_assert_eq(used_move(&used, &there, &err), 0, "%s", err.message);
	cr_assert(used.stops == 1 && used.starts == 1);
	cr_assert_eq(there.jobs, 1 + MANY);
	one = world_contents(&used.world);
	world_prepare(&replica, used.server.url);
	world_share_key(&used.world, &replica);
	world_open(&replica, 0);
	world_verify(&replica);
	world_close(&replica);
	other = world_contents(&replica);
	cr_assert_str_eq(other, one);
	(void)server_say(&used.server, "DROP SCHEMA narrowd CASCADE");
	cr_assert_eq(world_move_to(&used.world, used.server.url, &world_mover_alone, &again, &err),
		     0, "%s", err.message);
	cr_assert_str_eq(again.hash, there.hash, "as of one that nobody used");
	free(other);
	free(one);
	world_finish(&replica);
	used_finish(&used);
}

Test(move, postgresql_that_goes_before_the_stop_is_told_of_before_it)
{
	struct used used = {.postgresql = DIES_BEFORE_STOP};
	struct store_moved moved;
	struct err err;

	used_begin(&used);
	cr_assert_eq(used_move(&used, &moved, &err), -ERR_STORAGE, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "let the daemon go on"), "%s", err.message);
	cr_assert(used.stops == 1 && used.starts == 0);
	cr_assert_eq(world_append(&used.world, "job_a", 2, &world_more, 1, NULL), 0);
	world_verify(&used.world);
	(void)server_say(&used.server, "start");
	cr_assert_eq(server_number(&used.server, "SELECT count(to_regclass('narrowd.head'))"), 0);
	used_finish(&used);
}

static char *what_stays(const struct world *world)
{
	static const char *const names[] = {"narrowd.db.moved", "narrowd.db.moved-last",
					    "narrowd.db.moving"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = world_path(world, names[i]);

		if (access(path, F_OK) == 0) {
			return path;
		}
		free(path);
	}
	return NULL;
}

Test(move, one_that_fails_behind_the_stop_says_where_a_daemon_can_be_started)
{
	struct used used = {.postgresql = DIES_AFTER_STOP};
	struct store_moved moved;
	struct err err;

	used_begin(&used);
	cr_assert_eq(used_move(&used, &moved, &err), -ERR_STORAGE, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "nothing was moved"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "can be started again on"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, used.world.directory), "%s", err.message);
	cr_assert_null(what_stays(&used.world));
	world_open(&used.world, 0);
	world_verify(&used.world);
	(void)server_say(&used.server, "start");
	cr_assert_eq(server_number(&used.server, "SELECT count(to_regclass('narrowd.head'))"), 0);
	used_finish(&used);
}

/* The log's own table refuses it at the end of the transaction, which is as near to a lost answer as can be had at will. */
static const char at_commit[] =
	"CREATE FUNCTION public.fails() RETURNS trigger LANGUAGE plpgsql AS $$"
	" BEGIN RAISE EXCEPTION 'not committed'; END $$;"
	" CREATE FUNCTION public.arms() RETURNS event_trigger LANGUAGE plpgsql AS $$"
	" DECLARE made text; BEGIN"
	" FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands()"
	" WHERE object_identity = 'narrowd.head' LOOP"
	" CREATE CONSTRAINT TRIGGER late AFTER INSERT ON narrowd.head"
	" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.fails();"
	" END LOOP; END $$;"
	" CREATE EVENT TRIGGER arms ON ddl_command_end WHEN TAG IN ('CREATE TABLE')"
	" EXECUTE FUNCTION public.arms()";

Test(move, one_whose_commit_fails_says_that_it_may_be_there)
{
	struct used used = {0};
	struct store_moved moved;
	struct err err;

	used_begin(&used);
	(void)server_say(&used.server, at_commit);
	cr_assert_neq(used_move(&used, &moved, &err), 0);
	cr_assert_not_null(strstr(err.message, "not committed"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "it is not known whether"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "can be started again on"), "%s", err.message);
	used_finish(&used);
}

/* Says in its header, and by its length, that it is so long, and takes no space. */
static void pretend(const char *path, uint64_t bytes)
{
	enum { PAGE = 4096, PAGES_AT = 28 };
	uint64_t pages = bytes / PAGE;
	unsigned char field[4];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 4; i++) {
		field[i] = (unsigned char)(pages >> (24 - 8 * i));
	}
	cr_assert_eq(pwrite(fd, field, sizeof(field), PAGES_AT), (ssize_t)sizeof(field));
	cr_assert_eq(ftruncate(fd, (off_t)(pages * PAGE)), 0);
	cr_assert_eq(close(fd), 0);
}

Test(move, what_the_disk_has_no_room_for_is_told_before_a_daemon_is_stopped)
{
	/* What is begun nevertheless ends here, not with a full disk. */
	const struct rlimit limit = {64 << 20, 64 << 20};
	struct directory used;
	struct store_moved moved;
	struct statvfs status;
	struct server server;
	struct world world;
	struct err err;

	server_start(&server);
	world_start(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	world_close(&world);
	directory_init(&used, world.directory);
	cr_assert_eq(statvfs(used.database, &status), 0);
	pretend(used.database, (uint64_t)status.f_bavail * status.f_frsize / 4 * 3);
	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_neq(world_move_to(&world, server.url, &world_mover_alone, &moved, &err), 0);
	cr_assert_null(strstr(err.message, "are free"), "it is one copy: %s", err.message);
	cr_assert_eq(directory_lock(&used, world.directory, &err), 0, "%s", err.message);
	cr_assert_eq(world_move_to(&world, server.url, &world_mover_alone, &moved, &err),
		     -ERR_DISK_FULL, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "are free"), "it is two: %s", err.message);
	cr_assert_null(what_stays(&world));
	directory_finish(&used);
	world_finish(&world);
	server_finish(&server);
}

Test(move, what_cannot_be_moved_is_left_alone)
{
	struct world alone, replica;
	struct store_moved moved;
	struct server server;
	struct err err;
	char *key;

	server_start(&server);
	world_start(&alone, 0);
	cr_assert_eq(world_insert(&alone, "job_a", NULL), 0);
	world_close(&alone);
	world_outside(&alone, "UPDATE event SET data = '{\"x\":1}'");
	cr_assert_eq(world_move_to(&alone, server.url, &world_mover_alone, &moved, &err),
		     -ERR_CORRUPT, "%s", err.message);
	key = world_path(&alone, "narrowd.key");
	cr_assert_eq(unlink(key), 0);
	cr_assert_eq(world_move_to(&alone, server.url, &world_mover_alone, &moved, &err),
		     -ERR_CONFIG, "%s", err.message);
	cr_assert_str_eq(server_say(&server, "SELECT to_regclass('narrowd.head') IS NULL"), "t");
	world_prepare(&replica, server.url);
	cr_assert_eq(store_migrate_from(server.url, NULL, replica.directory, &moved, &err),
		     -ERR_NOT_FOUND, "%s", err.message);
	world_open(&replica, 0);
	world_close(&replica);
	(void)server_say(&server, "DROP SCHEMA narrowd CASCADE");
	cr_assert_eq(world_move_to(&replica, server.url, &world_mover_alone, &moved, &err),
		     -ERR_CONFIG, "a replica is no database of its own: %s", err.message);
	free(key);
	world_finish(&replica);
	world_finish(&alone);
	server_finish(&server);
}
