/*
 * shared: a store whose operations stand in a log in PostgreSQL, of which its own database is a replica.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/oplog.h"
#include "store/query.h"
#include "store/snapshot.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

Test(shared, a_new_replica_becomes_what_the_first_one_is)
{
	struct world first, second, alone;
	struct server server;
	char *one, *other;

	server_start(&server);
	world_start_at(&first, server.url);
	world_write_all(&first);
	world_verify(&first);
	world_close(&first);
	one = world_contents(&first);

	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	world_open(&second, 0);
	world_verify(&second);
	world_close(&second);
	other = world_contents(&second);
	cr_assert_str_eq(other, one);
	free(other);

	world_start(&alone, 0);
	world_write_all(&alone);
	world_close(&alone);
	other = world_contents(&alone);
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
	world_start_at(&world, server.url);
	world_insert_with_life(&world, "job_a");
	world_close(&world);
	world_shell(mem_printf("cp %s/narrowd.db %s.old", world.directory, world.directory));
	world_open(&world, 0);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, &world_more, 1, NULL), 0);
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	world_close(&world);
	whole = world_contents(&world);
	world_shell(mem_printf("mv %s.old %s/narrowd.db", world.directory, world.directory));
	world_open(&world, 0);
	world_verify(&world);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 2, &world_more, 1, NULL), 0);
	world_close(&world);
	world_shell(mem_printf("rm -f %s/narrowd.db-wal %s/narrowd.db-shm", world.directory,
			       world.directory));
	again = world_contents(&world);
	cr_assert_gt(strlen(again), strlen(whole));
	free(again);
	free(whole);
	world_finish(&world);
	server_finish(&server);
}

Test(shared, one_daemon_at_a_time_and_a_dead_one_is_shut_out)
{
	struct world first, second;
	struct server server;
	struct err err, why;

	err_init(&why);
	server_start(&server);
	world_start_at(&first, server.url);
	store_on_lost(first.store, world_note_lost, &why);
	cr_assert_eq(world_insert(&first, "job_a", NULL), 0);
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	cr_assert_eq(world_refused(&second, &err), -ERR_BUSY, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "one at a time can"), "%s", err.message);

	(void)server_say(&server, "UPDATE narrowd.daemon SET seen = seen - interval '16 seconds'");
	world_open(&second, 0);
	cr_assert_eq(world_append(&second, "job_a", 1, &world_more, 1, NULL), 0, "%s",
		     second.err.message);
	cr_assert_eq(world_append(&first, "job_a", 1, &world_more, 1, NULL), -ERR_BUSY, "%s",
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
	world_start_at(&first, server.url);
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	second.standby = true;
	world_open(&second, 0);
	cr_assert(store_is_spare(second.store));
	cr_assert_not(store_is_spare(first.store));
	store_on_free(second.store, note_free, &is_free);
	world_insert_with_life(&first, "job_a");
	while (QUERY(&second, QUERY_JOB, TEXT("job_a")) == 0 ||
	       strcmp(world_cell(&second, 0, 1), "26") != 0) {
		(void)usleep(1000);
	}
	cr_assert_eq(world_append(&second, "job_a", WORLD_LIFE + 1, &world_more, 1, NULL),
		     -ERR_STANDBY, "%s", second.err.message);
	cr_assert_not(is_free);
	/* It takes nobody's word for it: for a whole lease it has to see the same. */
	while (!is_free) {
		(void)server_say(&server, silent);
		(void)QUERY(&second, QUERY_JOB, TEXT("job_a"));
	}
	world_close(&second);
	world_open(&second, 0);
	cr_assert_not(store_is_spare(second.store));
	cr_assert_eq(world_append(&second, "job_a", WORLD_LIFE + 1, &world_more, 1, NULL), 0, "%s",
		     second.err.message);
	cr_assert_eq(world_append(&first, "job_a", WORLD_LIFE + 1, &world_more, 1, NULL),
		     -ERR_BUSY);
	world_verify(&second);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

/* Stopped when it had taken the place, and before it began anew. */
Test(shared, a_place_that_was_taken_for_nothing_is_given_back)
{
	struct world first, second, third;
	struct server server;
	bool is_free = false;

	server_start(&server);
	world_start_at(&first, server.url);
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	second.standby = true;
	second.lease_ms = 1000;
	(void)server_say(&server, "UPDATE narrowd.daemon SET lease_ms = 1000");
	world_open(&second, 0);
	store_on_free(second.store, note_free, &is_free);
	world_close(&first);
	while (!is_free) {
		(void)QUERY(&second, QUERY_JOB, TEXT("job_a"));
	}
	store_stop(second.store, world_stopped, &second);
	loop_run(second.loop);
	cr_assert_str_eq(
		server_say(&server, "SELECT (seen > '-infinity')::text FROM narrowd.daemon"),
		"true", "until it is known that it does not begin anew");
	store_renounce(second.store);
	store_destroy(second.store);
	loop_destroy(second.loop);
	second.store = NULL;

	world_prepare(&third, server.url);
	world_share_key(&first, &third);
	world_open(&third, 0);
	cr_assert_eq(world_insert(&third, "job_a", NULL), 0, "%s", third.err.message);
	world_finish(&third);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

Test(shared, one_that_begins_from_a_backup_is_another_daemon)
{
	struct world first, second;
	struct server server;
	struct err err;
	char *copy;

	server_start(&server);
	world_start_at(&first, server.url);
	world_insert_with_life(&first, "job_a");
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	copy = world_path(&second, "narrowd.db");
	cr_assert_eq(store_backup(first.directory, copy, &err), 0, "%s", err.message);
	second.standby = true;
	world_open(&second, 0);
	cr_assert(store_is_spare(second.store), "it takes the place of the one it was copied of");
	cr_assert_eq(world_append(&first, "job_a", WORLD_LIFE + 1, &world_more, 1, NULL), 0, "%s",
		     first.err.message);
	free(copy);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

/* What a standby lacks that was not synchronous, or a backup: operations, and that their daemon had begun again. */
Test(shared, what_one_ran_that_the_log_lost_is_not_taken_for_what_stands_there_now)
{
	struct world first, second;
	struct server server;
	struct err err;

	server_start(&server);
	world_start_at(&first, server.url);
	world_close(&first);
	world_shell(mem_printf("cp %s/narrowd.db %s.old", first.directory, first.directory));
	(void)server_say(&server, "CREATE TABLE public.daemon AS TABLE narrowd.daemon");
	(void)server_say(&server, "CREATE TABLE public.head AS TABLE narrowd.head");
	world_open(&first, 0);
	cr_assert_eq(world_insert(&first, "job_a", NULL), 0);
	world_close(&first);
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
	world_open(&second, 0);
	world_close(&second);

	(void)server_say(&server, "TRUNCATE narrowd.op, narrowd.daemon, narrowd.head");
	(void)server_say(&server, "INSERT INTO narrowd.daemon TABLE public.daemon");
	(void)server_say(&server, "INSERT INTO narrowd.head TABLE public.head");
	world_shell(mem_printf("mv %s.old %s/narrowd.db", first.directory, first.directory));
	world_open(&first, 0);
	cr_assert_eq(world_insert(&first, "job_b", NULL), 0);
	world_close(&first);
	cr_assert_eq(world_refused(&second, &err), -ERR_CORRUPT, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "lacks operations"), "%s", err.message);
	world_finish(&second);
	world_finish(&first);
	server_finish(&server);
}

/* A daemon without a replica, which has appended one operation. */
struct appender {
	struct server server;
	struct world world;
	struct replica replica;
	struct shared *shared;
	struct buf payload;
	struct op op, *ops[1];
	struct oplog_batch batch;
	struct err err;
};

static void appender_start(struct appender *a)
{
	struct replica_place last;

	*a = (struct appender){.replica = {.daemon = "dmn_x"}, .batch = {.count = 1}};
	server_start(&a->server);
	world_start_at(&a->world, a->server.url);
	world_close(&a->world);
	a->shared = shared_create(a->server.url, 0, &a->err);
	cr_assert_eq(shared_join(a->shared, &a->replica, &a->err), 0, "%s", a->err.message);
	buf_init(&a->payload, SIZE_MAX);
	buf_text(&a->payload, "x");
	a->ops[0] = &a->op;
	a->batch.payloads = &a->payload;
	a->batch.ops = a->ops;
	cr_assert_eq(oplog_append(a->shared, &a->batch, &last, &a->err), 0, "%s", a->err.message);
	cr_assert_eq(last.position, 1);
	a->batch.appended = false;
}

static void appender_finish(struct appender *a)
{
	buf_finish(&a->payload);
	shared_destroy(a->shared);
	world_finish(&a->world);
	server_finish(&a->server);
}

/* As a pooler of transactions does it, which no start has noticed. */
Test(shared, what_is_written_in_a_session_of_somebody_else_s_is_not_acknowledged)
{
	struct replica_place last;
	struct appender a;

	appender_start(&a);
	a.shared->session.name[5] = '-';
	cr_assert_eq(oplog_append(a.shared, &a.batch, &last, &a.err), -ERR_CONFIG);
	cr_assert(a.batch.in_doubt);
	a.shared->beat_at_ms = 0;
	cr_assert_eq(shared_beat(a.shared, &a.err), -ERR_CONFIG);
	cr_assert_not_null(strstr(a.err.message, "pool sessions"), "%s", a.err.message);
	appender_finish(&a);
}

/* The answer was lost; then another one took the place, and made the log shorter behind the last look at where it begins. */
Test(shared, what_stands_in_the_log_no_more_is_not_taken_for_what_never_did)
{
	const struct snapshot snapshot = {.at.position = 2};
	struct replica_place last = {0};
	struct shared *other;
	struct appender a;

	appender_start(&a);
	a.shared->serial = 0;
	a.batch.in_doubt = true;
	(void)server_say(&a.server, "DELETE FROM narrowd.daemon");
	other = shared_create(a.server.url, 0, &a.err);
	cr_assert_eq(shared_connect(other, &a.err), 0, "%s", a.err.message);
	cr_assert_eq(snapshot_shorten(other, &snapshot, 0, &a.err), 0, "%s", a.err.message);
	cr_assert_str_eq(server_say(&a.server, "SELECT count(*) FROM narrowd.op"), "0");

	cr_assert_eq(oplog_append(a.shared, &a.batch, &last, &a.err), -ERR_BUSY);
	cr_assert_eq(last.position, 1, "it was appended there");
	shared_destroy(other);
	appender_finish(&a);
}

Test(shared, a_daemon_that_has_ended_makes_room_at_once)
{
	struct world first, second;
	struct server server;

	server_start(&server);
	world_start_at(&first, server.url);
	world_prepare(&second, server.url);
	world_share_key(&first, &second);
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
	world_start_at(&first, server.url);
	world_close(&first);
	world_prepare(&second, server.url);
	cr_assert_eq(world_refused(&second, &err), -ERR_CONFIG, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "share one, so copy it there"), "%s", err.message);
	world_shell(mem_printf("head -c 32 /dev/zero | base64 > %s/narrowd.key", second.directory));
	cr_assert_eq(world_refused(&second, &err), -ERR_CONFIG, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "is not the one that the daemons"), "%s",
			   err.message);
	world_shell(mem_printf("cp %s/narrowd.key %s/", first.directory, second.directory));
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
	world_start_at(&replica, server.url);
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
	world_shell(mem_printf("cp %s/narrowd.key %s/", replica.directory, alone.directory));
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
	world_start_at(&world, server.url);
	store_on_lost(world.store, world_note_lost, &why);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	cr_assert_eq(world_append(&world, "job_a", 1, &world_more, 1, NULL), 0);
	(void)server_say(&server, "DELETE FROM narrowd.op WHERE position = 2;"
				  " UPDATE narrowd.head SET position = 1");
	(void)server_say(&server, "stop");
	(void)server_say(&server, "start");
	(void)world_append(&world, "job_a", 2, &world_more, 1, NULL);
	cr_assert_eq(why.code, ERR_CORRUPT, "%s", why.message);
	world_close(&world);
	cr_assert_eq(world_refused(&world, &err), -ERR_CORRUPT, "%s", err.message);
	cr_assert_not_null(strstr(err.message, "up to 2"), "%s", err.message);
	world_finish(&world);
	server_finish(&server);
}

Test(shared, what_got_no_answer_from_a_log_that_is_another_one_then_is_unknown)
{
	/* The connection ends in the middle of the statement, and the next one is refused. */
	static const char cut[] =
		"CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
		" PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(0.1);"
		" RETURN NEW; END'; CREATE TRIGGER cut BEFORE INSERT ON narrowd.op"
		" FOR EACH ROW EXECUTE FUNCTION public.cut();"
		" UPDATE narrowd.head SET id = 'log_other'";
	struct world world;
	struct server server;
	struct err why;

	err_init(&why);
	server_start(&server);
	world_start_at(&world, server.url);
	store_on_lost(world.store, world_note_lost, &why);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, cut);
	cr_assert_eq(world_append(&world, "job_a", 1, &world_more, 1, NULL), -ERR_COMMIT_UNKNOWN,
		     "%s", world.err.message);
	cr_assert_eq(why.code, ERR_CORRUPT, "%s", why.message);
	world_finish(&world);
	server_finish(&server);
}
