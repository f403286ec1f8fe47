/*
 * move: a database that is taken to PostgreSQL while a daemon uses it, or refused.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/snapshot.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

enum { MANY = 500 };

static int64_t number(struct server *server, const char *sql)
{
	return strtoll(server_say(server, sql), NULL, 10);
}

/* Of a move during which no daemon runs. */
static void nobody(void *arg)
{
	(void)arg;
	cr_assert_fail("no daemon uses it");
}

static const struct store_mover alone_mover = {nobody, nobody, NULL};

static int move_to(const struct world *from, const char *url, const struct store_mover *who,
		   struct store_moved *ret, struct err *reterr)
{
	const struct store_move what = {.directory = from->directory};

	return store_migrate_to(&what, url, who, ret, reterr);
}

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
	bool kills; /* PostgreSQL, before it is stopped */
	int stops, starts;
};

static void stop_used(void *arg)
{
	struct used *used = arg;

	used->stops++;
	cr_assert_eq(number(&used->server, "SELECT count(to_regclass('narrowd.head'))"), 0,
		     "nobody sees it before it is whole");
	cr_assert_eq(world_append(&used->world, "job_a", 1, &world_more, 1, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "job_%d", i);
		cr_assert_eq(world_insert(&used->world, id, NULL), 0);
	}
	if (used->kills) {
		(void)server_say(&used->server, "kill9");
	} else {
		world_close(&used->world);
	}
}

static void start_used(void *arg)
{
	struct used *used = arg;

	used->starts++;
	cr_assert_eq(number(&used->server, "SELECT count(*) FROM narrowd.snapshot WHERE whole"), 1);
}

Test(move, what_is_written_while_a_database_is_moved_comes_along)
{
	struct used used = {0};
	const struct store_mover who = {stop_used, start_used, &used};
	struct store_moved there, again;
	struct world replica;
	char *one, *other;
	struct err err;

	server_start(&used.server);
	world_start(&used.world, 0);
	cr_assert_eq(world_insert(&used.world, "job_a", NULL), 0);
	cr_assert_eq(move_to(&used.world, used.server.url, &who, &there, &err), 0, "%s",
		     err.message);
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
	cr_assert_eq(move_to(&used.world, used.server.url, &alone_mover, &again, &err), 0, "%s",
		     err.message);
	cr_assert_str_eq(again.hash, there.hash, "as of one that nobody used");
	free(other);
	free(one);
	world_finish(&replica);
	world_finish(&used.world);
	server_finish(&used.server);
}

Test(move, postgresql_that_goes_before_the_stop_is_told_of_before_it)
{
	struct used used = {.kills = true};
	const struct store_mover who = {stop_used, start_used, &used};
	struct store_moved moved;
	struct err err;

	server_start(&used.server);
	world_start(&used.world, 0);
	cr_assert_eq(world_insert(&used.world, "job_a", NULL), 0);
	cr_assert_eq(move_to(&used.world, used.server.url, &who, &moved, &err), -ERR_STORAGE, "%s",
		     err.message);
	cr_assert_not_null(strstr(err.message, "let the daemon go on"), "%s", err.message);
	cr_assert(used.stops == 1 && used.starts == 0);
	cr_assert_eq(world_append(&used.world, "job_a", 2, &world_more, 1, NULL), 0);
	world_verify(&used.world);
	(void)server_say(&used.server, "start");
	cr_assert_eq(number(&used.server, "SELECT count(to_regclass('narrowd.head'))"), 0);
	world_finish(&used.world);
	server_finish(&used.server);
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
	cr_assert_eq(move_to(&alone, server.url, &alone_mover, &moved, &err), -ERR_CORRUPT, "%s",
		     err.message);
	key = world_path(&alone, "narrowd.key");
	cr_assert_eq(unlink(key), 0);
	cr_assert_eq(move_to(&alone, server.url, &alone_mover, &moved, &err), -ERR_CONFIG, "%s",
		     err.message);
	cr_assert_str_eq(server_say(&server, "SELECT to_regclass('narrowd.head') IS NULL"), "t");
	world_prepare(&replica, server.url);
	cr_assert_eq(store_migrate_from(server.url, NULL, replica.directory, &moved, &err),
		     -ERR_NOT_FOUND, "%s", err.message);
	world_open(&replica, 0);
	world_close(&replica);
	(void)server_say(&server, "DROP SCHEMA narrowd CASCADE");
	cr_assert_eq(move_to(&replica, server.url, &alone_mover, &moved, &err), -ERR_CONFIG,
		     "a replica is no database of its own: %s", err.message);
	free(key);
	world_finish(&replica);
	world_finish(&alone);
	server_finish(&server);
}
