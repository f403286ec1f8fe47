/*
 * snapshot: a log in PostgreSQL that begins with a database, gets shorter, and is taken back.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/query.h"
#include "store/shared.h"
#include "store/snapshot.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

enum { SHORT = 10 };

static void start(struct server *server, struct world *world)
{
	server_start(server);
	world_prepare(world, server->url);
	world->snapshot_operations = SHORT;
}

/* What a moved database is on the other side. */
static void move(const struct world *from, const char *url, struct store_moved *ret)
{
	struct err err;

	cr_assert_eq(world_move_to(from, url, &world_mover_alone, ret, &err), 0, "%s", err.message);
	cr_assert_eq(strlen(ret->hash), sizeof(ret->hash) - 1);
}

Test(snapshot, a_database_goes_to_postgresql_and_back)
{
	struct world alone, replica, back;
	struct store_moved there, here;
	struct server server;
	char *one, *other;
	struct err err;

	server_start(&server);
	world_start(&alone, 0);
	world_write_all(&alone);
	world_close(&alone);
	one = world_contents(&alone);
	move(&alone, server.url, &there);
	cr_assert_eq(there.jobs, 1);
	cr_assert_eq(there.events, WORLD_LIFE + 1);
	cr_assert_eq(world_move_to(&alone, server.url, &world_mover_alone, &there, &err),
		     -ERR_CONFLICT, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "DROP SCHEMA narrowd CASCADE"), "%s", err.message);

	world_prepare(&replica, server.url);
	world_share_key(&alone, &replica);
	world_open(&replica, 0);
	cr_assert_eq(world_move_to(&alone, server.url, &world_mover_alone, &there, &err),
		     -ERR_CONFLICT, "%s", err.message);
	cr_assert_null(strstr(err.message, "DROP"), "a daemon uses it: %s", err.message);
	world_verify(&replica);
	world_close(&replica);
	other = world_contents(&replica);
	cr_assert_str_eq(other, one);
	free(other);

	world_prepare(&back, NULL);
	world_share_key(&alone, &back);
	cr_assert_eq(store_migrate_from(server.url, NULL, back.directory, &here, &err), 0, "%s",
		     err.message);
	cr_assert_str_eq(here.hash, there.hash);
	other = world_contents(&back);
	cr_assert_str_eq(other, one);
	free(other);
	free(one);
	cr_assert_eq(world_refused(&replica, &err), -ERR_CONFIG, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "taken back"), "%s", err.message);
	world_open(&back, 0);
	cr_assert_eq(world_append(&back, "job_a", WORLD_LIFE + 1, &world_more, 1, NULL), 0);
	world_verify(&back);
	world_finish(&back);
	world_finish(&replica);
	world_finish(&alone);
	server_finish(&server);
}

Test(snapshot, what_was_written_behind_the_move_comes_back_too)
{
	struct world alone, replica, back;
	struct store_moved there, here;
	struct server server;
	struct err err;

	server_start(&server);
	world_start(&alone, 0);
	cr_assert_eq(world_insert(&alone, "job_a", NULL), 0);
	world_close(&alone);
	move(&alone, server.url, &there);
	world_prepare(&replica, server.url);
	world_share_key(&alone, &replica);
	world_open(&replica, 0);
	cr_assert_eq(world_append(&replica, "job_a", 1, &world_more, 1, NULL), 0);

	world_prepare(&back, NULL);
	world_share_key(&alone, &back);
	cr_assert_eq(store_migrate_from(server.url, NULL, back.directory, &here, &err), -ERR_BUSY,
		     "a daemon uses it: %s", err.message);
	world_close(&replica);
	cr_assert_eq(store_migrate_from(server.url, NULL, back.directory, &here, &err), 0, "%s",
		     err.message);
	cr_assert_eq(here.events, 2);
	cr_assert_str_neq(here.hash, there.hash);
	world_finish(&back);
	world_finish(&replica);
	world_finish(&alone);
	server_finish(&server);
}

Test(snapshot, one_that_waits_is_seen_whatever_its_sessions_are_called)
{
	struct world first, second, back;
	struct store_moved here;
	struct server server;
	struct err err;
	char *url;

	server_start(&server);
	world_prepare(&first, server.url);
	world_open(&first, 0);
	cr_assert_eq(world_insert(&first, "job_a", NULL), 0);
	url = mem_printf("%s%capplication_name=other", server.url,
			 strchr(server.url, '?') != NULL ? '&' : '?');
	world_prepare(&second, url);
	world_share_key(&first, &second);
	second.standby = true;
	world_open(&second, 0);
	world_close(&first);
	world_prepare(&back, NULL);
	world_share_key(&first, &back);
	cr_assert_eq(store_migrate_from(server.url, NULL, back.directory, &here, &err), -ERR_BUSY,
		     "one waits: %s", err.message);
	cr_assert_not_null(strstr(err.message, "that wait, too"), "%s", err.message);
	world_close(&second);
	cr_assert_eq(store_migrate_from(server.url, NULL, back.directory, &here, &err), 0, "%s",
		     err.message);
	free(url);
	world_finish(&back);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

/* Writes until the log has lost what stands up to that position. Returns the version of the job. */
static int64_t write_until_gone(struct server *server, struct world *world, int64_t version,
				int64_t position)
{
	while (server_number(server, "SELECT coalesce(max(last), 0) FROM narrowd.past") <
	       position) {
		for (int i = 0; i < SHORT; i++) {
			cr_assert_eq(world_append(world, "job_a", version++, &world_more, 1, NULL),
				     0, "%s", world->err.message);
		}
	}
	return version;
}

/* How many of something of that snapshot there are. */
static int64_t left(struct server *server, const char *from, const char *id)
{
	char *sql = mem_printf("SELECT count(*) FROM narrowd.%s = '%s'", from, id);
	int64_t count = server_number(server, sql);

	free(sql);
	return count;
}

Test(snapshot, a_log_gets_shorter_and_a_new_replica_begins_from_the_snapshot)
{
	/* There may be a newer one at any time: what the log gets shorter by later is behind this one in any case. */
	static const char oldest[] =
		"SELECT position, id FROM narrowd.snapshot WHERE whole ORDER BY 1 LIMIT 1";
	struct world first, second;
	struct server server;
	char *one, *other, *id;
	int64_t version, position;

	start(&server, &first);
	world_open(&first, 0);
	world_write_all(&first);
	version = write_until_gone(&server, &first, WORLD_LIFE + 1, 1);
	position = server_number(&server, oldest);
	cr_assert_gt(position, 0);
	id = mem_dup(strchr(server.answer, '|') + 1);
	(void)write_until_gone(&server, &first, version, position);
	world_close(&first);
	one = world_contents(&first);
	cr_assert_eq(left(&server, "snapshot WHERE id", id), 0);
	cr_assert_eq(left(&server, "piece WHERE snapshot", id), 0);
	cr_assert_eq(server_number(&server, "SELECT count(*) FROM narrowd.op WHERE position <="
					    " (SELECT max(last) FROM narrowd.past)"),
		     0, "what stands before a snapshot is not needed");
	cr_assert_geq(server_number(&server, "SELECT count(*) FROM narrowd.snapshot WHERE whole"),
		      1);
	free(id);

	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	world_open(&second, 0);
	world_verify(&second);
	world_close(&second);
	other = world_contents(&second);
	cr_assert_str_eq(other, one);
	free(other);
	free(one);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

Test(snapshot, a_replica_that_stayed_behind_begins_again_unless_it_is_of_another_log)
{
	struct world world;
	struct server server;
	struct err err;
	char *one, *other;

	start(&server, &world);
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	world_close(&world);
	world_shell(mem_printf("cp %s/narrowd.db %s.old", world.directory, world.directory));
	world_open(&world, 0);
	(void)write_until_gone(&server, &world, 1, 2);
	world_close(&world);
	one = world_contents(&world);

	world_shell(mem_printf("cp %s.old %s/narrowd.db", world.directory, world.directory));
	world_open(&world, 0);
	world_verify(&world);
	world_close(&world);
	other = world_contents(&world);
	cr_assert_str_eq(other, one);
	free(other);
	free(one);

	world_shell(mem_printf("mv %s.old %s/narrowd.db", world.directory, world.directory));
	world_outside(&world, "UPDATE replica SET mark = 'dmn_x/1/1'");
	cr_assert_eq(world_refused(&world, &err), -ERR_CORRUPT, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "lacks operations"), "%s", err.message);
	world_finish(&world);
	server_finish(&server);
}

Test(snapshot, one_that_follows_ends_when_the_log_begins_behind_it)
{
	/* As if it had slept: what comes next went, and something stands behind that. */
	static const char leap[] =
		"WITH head AS (UPDATE narrowd.head SET position = position + 2 RETURNING position),"
		" past AS (INSERT INTO narrowd.past SELECT position - 1, position - 1, 'dmn', 9, 1"
		" FROM head) INSERT INTO narrowd.op SELECT position, 'dmn', 9, 2, 'k', ''"
		" FROM head";
	struct world first, second;
	struct server server;
	struct err why;

	err_init(&why);
	start(&server, &first);
	world_open(&first, 0);
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	second.standby = true;
	world_open(&second, 0);
	store_on_lost(second.store, world_note_lost, &why);
	world_close(&first);
	(void)server_say(&server, leap);
	while (why.code == ERR_OK) {
		(void)QUERY(&second, QUERY_JOB, TEXT("job_a"));
	}
	cr_assert_eq(why.code, ERR_BUSY, "its next start begins again: %s", why.message);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

Test(snapshot, one_that_is_damaged_is_not_used)
{
	struct world first, second;
	struct server server;
	struct err err;

	start(&server, &first);
	world_open(&first, 0);
	cr_assert_eq(world_insert(&first, "job_a", NULL), 0);
	(void)write_until_gone(&server, &first, 1, 1);
	world_close(&first);
	(void)server_say(&server, "UPDATE narrowd.piece SET bytes = set_byte(bytes, 5000,"
				  " 255 - get_byte(bytes, 5000)) WHERE n = 0");
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	cr_assert_eq(world_refused(&second, &err), -ERR_CORRUPT, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "SHA-256"), "%s", err.message);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

/* Of a daemon that was taken for dead and wakes in the middle of one, and of the one that took its place. */
Test(snapshot, two_of_one_position_do_not_remove_each_other)
{
	struct world world;
	struct server server;
	struct snapshot ones[2];
	struct shared *shared;
	struct err err;
	char *path;

	start(&server, &world);
	world_open(&world, 0);
	world_write_all(&world);
	world_close(&world);
	path = mem_printf("%s/narrowd.db", world.directory);
	shared = shared_create(server.url, 0, &err);
	cr_assert_eq(shared_connect(shared, &err), 0, "%s", err.message);
	for (int i = 0; i < 2; i++) {
		const struct replica_place at = {.position = 3, .mark = "daemon/1/3"};

		cr_assert_eq(snapshot_put(shared, path, &at, &ones[i], &err), 0, "%s", err.message);
	}
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(snapshot_shorten(shared, &ones[i], 0, &err), 0, "%s", err.message);
	}
	cr_assert_eq(server_number(&server, "SELECT count(*) FROM narrowd.snapshot WHERE whole"),
		     1);
	cr_assert_eq(server_number(&server, "SELECT count(DISTINCT snapshot) FROM narrowd.piece"),
		     1);
	shared_destroy(shared);
	free(path);
	world_finish(&world);
	server_finish(&server);
}
