/*
 * shared: a store whose operations stand in a log in PostgreSQL, of which its own database is a replica.
 */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/query.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

static const struct log_event more = {LOGGED_WARNING, T0 + 5, -1, "{\"detail\":\"d\"}"};

static void run_shell(char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
	free(command);
}

/* Another daemon of the same database has its key. */
static void share_key(const struct world *from, const struct world *to)
{
	cr_assert_eq(mkdir(to->directory, 0700), 0);
	run_shell(mem_printf("cp %s/narrowd.key %s/", from->directory, to->directory));
}

/* All that is in the tables, but for what is sealed, each time as another text. */
static char *contents(const struct world *world)
{
	static const char *const queries[] = {
		"SELECT seq, job, n, type, at_ms, trial, data, sum FROM event",
		"SELECT id, spec, capability, head, matched, owner FROM submission ORDER BY id",
		"SELECT * FROM job ORDER BY id",
		"SELECT * FROM trial ORDER BY job, number",
		"SELECT * FROM lease ORDER BY id",
		"SELECT id, document, owner FROM evaluator ORDER BY id",
		"SELECT id, document, owner, disabled FROM webhook ORDER BY id",
		"SELECT * FROM delivery ORDER BY webhook, event",
		"SELECT * FROM token ORDER BY id",
		"SELECT scope, key, fingerprint, status, location, at_ms FROM idempotency",
		"SELECT seq FROM sqlite_sequence",
	};
	char *path = world_path(world, "narrowd.db");
	struct buf buf;
	struct err err;
	sqlite3 *db;

	buf_init(&buf, 10000000);
	cr_assert_eq(db_open(path, DB_READER, &db, &err), 0, "%s", err.message);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		sqlite3_stmt *stmt;

		cr_assert_eq(db_prepare(db, queries[i], &stmt, &err), 0, "%s", err.message);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(stmt); c++) {
				const char *text = (const char *)sqlite3_column_text(stmt, c);

				buf_printf(&buf, "%s|", text != NULL ? text : "");
			}
			buf_text(&buf, "\n");
		}
		(void)sqlite3_finalize(stmt);
	}
	(void)sqlite3_close(db);
	free(path);
	return buf_take(&buf, NULL);
}

static void wait_for(struct world *world)
{
	world->waiting++;
}

/* Some of everything that can be written. */
static void write_all(struct world *world)
{
	const struct store_key key = {"s", "k1", "f", 200, "/there", "{\"secret\":1}", T0};
	const struct store_attempt attempt = {"wh_a", 0, STORE_RETRY, T0, T0 + 9, 500, "no"};

	wait_for(world);
	store_evaluator_put(world->store, "ev_a", "{\"url\":\"u\"}", "{\"t\":\"hidden\"}", NULL,
			    &key, world_done, world);
	wait_for(world);
	store_webhook_put(world->store, "wh_a", "{\"events\":[\"state_changed\",\"new_best\"]}",
			  "{\"secret\":\"x\"}", "local", NULL, world_done, world);
	wait_for(world);
	store_token_put(world->store, "tok_a",
			"{\"digest\":\"00\",\"name\":\"n\",\"owner\":\"o\",\"scopes\":[],"
			"\"created_at\":1,\"expires_at\":null}",
			NULL, world_done, world);
	world_wait(world);
	cr_assert_eq(world->rc, 0, "%s", world->err.message);
	world_insert_with_life(world, "job_a");
	cr_assert_eq(world_insert(world, "job_b", NULL), 0, "%s", world->err.message);
	cr_assert_eq(world_append(world, "job_b", 7, &more, 1, NULL), -ERR_CONFLICT,
		     "what one replica refuses");
	cr_assert_eq(world_append(world, "job_b", 1, FINISHED, 1, NULL), 0);
	wait_for(world);
	store_job_delete(world->store, "job_b", world_done, world);
	wait_for(world);
	store_token_used(world->store, "tok_a", T0);
	store_delivery_end(world->store, &attempt, world_done, world);
	world_wait(world);
	store_token_end(world->store, "tok_a", T0 + 3, NULL, NULL);
}

Test(shared, a_new_replica_becomes_what_the_first_one_is)
{
	struct world first, second, alone;
	struct server server;
	char *one, *other;

	server_start(&server);
	world_prepare(&first, server.url);
	world_open(&first, 0);
	write_all(&first);
	world_verify(&first);
	world_close(&first);
	one = contents(&first);

	world_prepare(&second, server.url);
	share_key(&first, &second);
	world_open(&second, 0);
	world_verify(&second);
	world_close(&second);
	other = contents(&second);
	cr_assert_str_eq(other, one);
	free(other);

	world_start(&alone, 0);
	write_all(&alone);
	world_close(&alone);
	other = contents(&alone);
	cr_assert_str_eq(other, one, "a store without such a log has the same");
	free(other);
	free(one);
	world_finish(&first);
	world_finish(&second);
	world_finish(&alone);
	server_finish(&server);
}

Test(shared, a_replica_that_stayed_behind_runs_what_it_missed)
{
	struct world world;
	struct server server;
	char *whole, *again;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	world_insert_with_life(&world, "job_a");
	world_close(&world);
	run_shell(mem_printf("cp %s/narrowd.db %s.old", world.directory, world.directory));
	world_open(&world, 0);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, &more, 1, NULL), 0);
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	world_close(&world);
	whole = contents(&world);
	run_shell(mem_printf("mv %s.old %s/narrowd.db", world.directory, world.directory));
	world_open(&world, 0);
	world_verify(&world);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 2, &more, 1, NULL), 0);
	world_close(&world);
	run_shell(mem_printf("rm -f %s/narrowd.db-wal %s/narrowd.db-shm", world.directory,
			     world.directory));
	again = contents(&world);
	cr_assert_gt(strlen(again), strlen(whole));
	free(again);
	free(whole);
	world_finish(&world);
	server_finish(&server);
}

Test(shared, while_postgresql_is_away_writes_wait_and_reads_go_on)
{
	struct world world;
	struct server server;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "kill9");
	wait_for(&world);
	store_append(world.store, "job_a", 1, &more, 1, NULL, world_done, &world);
	while (store_writable(world.store)) {
		(void)usleep(1000);
	}
	cr_assert(store_is_away(world.store));
	cr_assert_eq(world.waiting, 1, "it is not answered");
	wait_for(&world);
	(void)store_query(world.store, QUERY_JOB, &TEXT("job_a"), 1, world_rows, &world);
	while (world.waiting > 1) {
		(void)uv_run(loop_uv(world.loop), UV_RUN_ONCE);
	}
	cr_assert_eq(world.count, 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "1", "it is not there before it is stored");
	(void)server_say(&server, "start");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert(store_writable(world.store));
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "2");
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(shared, a_commit_whose_answer_was_lost_counts_once)
{
	static const char waits[] =
		"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
	struct world world;
	struct server server;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	/* It commits and then waits for a standby that does not exist. */
	(void)server_say(&server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	(void)server_say(&server, "SELECT pg_reload_conf()");
	wait_for(&world);
	store_append(world.store, "job_a", 1, &more, 1, NULL, world_done, &world);
	while (strcmp(server_say(&server, waits), "1") != 0) {
		(void)usleep(1000);
	}
	(void)server_say(&server, "ALTER SYSTEM RESET synchronous_standby_names");
	(void)server_say(&server, "kill9");
	(void)server_say(&server, "start");
	cr_assert_str_eq(server_say(&server, "SELECT position FROM narrowd.head"), "2",
			 "it was stored, and nobody was told");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_str_eq(server_say(&server, "SELECT position FROM narrowd.head"), "2");
	cr_assert_eq(world_append(&world, "job_a", 2, &more, 1, NULL), 0, "%s", world.err.message);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

static void note_lost(void *arg, const struct err *why)
{
	struct err *err = arg;

	*err = *why;
}

Test(shared, one_daemon_at_a_time_and_a_dead_one_is_shut_out)
{
	struct world first, second;
	struct server server;
	struct err err, why;

	err_init(&why);
	server_start(&server);
	world_prepare(&first, server.url);
	world_open(&first, 0);
	store_on_lost(first.store, note_lost, &why);
	cr_assert_eq(world_insert(&first, "job_a", NULL), 0);
	world_prepare(&second, server.url);
	share_key(&first, &second);
	cr_assert_eq(world_refused(&second, &err), -ERR_BUSY, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "one at a time can"), "%s", err.message);

	(void)server_say(&server, "UPDATE narrowd.daemon SET seen = seen - interval '16 seconds'");
	world_open(&second, 0);
	cr_assert_eq(world_append(&second, "job_a", 1, &more, 1, NULL), 0, "%s",
		     second.err.message);
	cr_assert_eq(world_append(&first, "job_a", 1, &more, 1, NULL), -ERR_BUSY, "%s",
		     first.err.message);
	cr_assert_eq(why.code, ERR_BUSY, "its process is to end: %s", why.message);
	cr_assert_str_eq(server_say(&server, "SELECT position FROM narrowd.head"), "2",
			 "it wrote nothing");
	world_close(&first);
	world_verify(&second);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

static void note_free(void *arg)
{
	*(bool *)arg = true;
}

Test(shared, one_that_waits_follows_and_hears_when_it_may_write)
{
	static const char silent[] =
		"UPDATE narrowd.daemon SET seen = clock_timestamp() - interval '16 seconds'";
	struct world first, second;
	struct server server;
	bool is_free = false;

	server_start(&server);
	world_prepare(&first, server.url);
	world_open(&first, 0);
	world_prepare(&second, server.url);
	share_key(&first, &second);
	second.standby = true;
	world_open(&second, 0);
	cr_assert_not_null(store_waits_for(second.store));
	cr_assert_null(store_waits_for(first.store));
	store_on_free(second.store, note_free, &is_free);
	world_insert_with_life(&first, "job_a");
	while (QUERY(&second, QUERY_JOB, TEXT("job_a")) == 0 ||
	       strcmp(world_cell(&second, 0, 1), "26") != 0) {
		(void)usleep(1000);
	}
	cr_assert_eq(world_append(&second, "job_a", WORLD_LIFE + 1, &more, 1, NULL), -ERR_STANDBY,
		     "%s", second.err.message);
	cr_assert_not(is_free);
	/* It takes nobody's word for it: for a whole lease it has to see the same. */
	while (!is_free) {
		(void)server_say(&server, silent);
		(void)QUERY(&second, QUERY_JOB, TEXT("job_a"));
	}
	world_close(&second);
	world_open(&second, 0);
	cr_assert_null(store_waits_for(second.store));
	cr_assert_eq(world_append(&second, "job_a", WORLD_LIFE + 1, &more, 1, NULL), 0, "%s",
		     second.err.message);
	cr_assert_eq(world_append(&first, "job_a", WORLD_LIFE + 1, &more, 1, NULL), -ERR_BUSY);
	world_verify(&second);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

Test(shared, a_daemon_that_has_ended_makes_room_at_once)
{
	struct world first, second;
	struct server server;

	server_start(&server);
	world_prepare(&first, server.url);
	world_open(&first, 0);
	world_prepare(&second, server.url);
	share_key(&first, &second);
	world_close(&first);
	world_open(&second, 0);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

Test(shared, all_daemons_share_one_key)
{
	struct world first, second;
	struct server server;
	struct err err;

	server_start(&server);
	world_prepare(&first, server.url);
	world_open(&first, 0);
	world_close(&first);
	world_prepare(&second, server.url);
	cr_assert_eq(world_refused(&second, &err), -ERR_CONFIG, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "share one, so copy it there"), "%s", err.message);
	run_shell(mem_printf("head -c 32 /dev/zero | base64 > %s/narrowd.key", second.directory));
	cr_assert_eq(world_refused(&second, &err), -ERR_CONFIG, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "is not the one that the daemons"), "%s",
			   err.message);
	run_shell(mem_printf("cp %s/narrowd.key %s/", first.directory, second.directory));
	world_open(&second, 0);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

Test(shared, a_directory_belongs_to_one_log_or_to_none)
{
	struct world replica, alone;
	struct server server, other;
	struct err err;

	server_start(&server);
	server_start(&other);
	world_prepare(&replica, server.url);
	world_open(&replica, 0);
	world_close(&replica);
	replica.postgresql = NULL;
	cr_assert_eq(world_refused(&replica, &err), -ERR_CONFIG, "%s", err.message);
	replica.postgresql = other.url;
	cr_assert_eq(world_refused(&replica, &err), -ERR_CONFIG, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "another log"), "%s", err.message);

	world_start(&alone, 0);
	cr_assert_eq(world_insert(&alone, "job_a", NULL), 0);
	world_close(&alone);
	alone.postgresql = other.url;
	run_shell(mem_printf("cp %s/narrowd.key %s/", replica.directory, alone.directory));
	cr_assert_neq(world_refused(&alone, &err), 0);
	world_finish(&alone);
	world_finish(&replica);
	server_finish(&server);
	server_finish(&other);
}

Test(shared, a_log_that_lacks_what_was_run_is_refused)
{
	struct world world;
	struct server server;
	struct err err, why;

	err_init(&why);
	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	store_on_lost(world.store, note_lost, &why);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	cr_assert_eq(world_append(&world, "job_a", 1, &more, 1, NULL), 0);
	(void)server_say(&server, "DELETE FROM narrowd.op WHERE position = 2;"
				  " UPDATE narrowd.head SET position = 1");
	(void)server_say(&server, "stop");
	(void)server_say(&server, "start");
	(void)world_append(&world, "job_a", 2, &more, 1, NULL);
	cr_assert_eq(why.code, ERR_CORRUPT, "%s", why.message);
	world_close(&world);
	cr_assert_eq(world_refused(&world, &err), -ERR_CORRUPT, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "up to 2"), "%s", err.message);
	world_finish(&world);
	server_finish(&server);
}

Test(shared, a_store_that_stops_does_not_wait_for_postgresql_for_ever)
{
	struct world world;
	struct server server;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "suspend");
	wait_for(&world);
	store_append(world.store, "job_a", 1, &more, 1, NULL, world_done, &world);
	world_close(&world);
	cr_assert_eq(world.rc, -ERR_COMMIT_UNKNOWN, "%s", world.err.message);
	(void)server_say(&server, "resume");
	world_open(&world, 0);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}
