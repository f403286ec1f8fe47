/*
 * away: a store whose log is in PostgreSQL, while that is away.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/query.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

Test(away, while_postgresql_is_away_writes_wait_and_reads_go_on)
{
	struct world world;
	struct server server;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "kill9");
	world_expect(&world);
	store_append(world.store, "job_a", 1, &world_more, 1, NULL, world_done, &world);
	while (store_writable(world.store)) {
		(void)usleep(1000);
	}
	cr_assert(store_is_away(world.store));
	cr_assert_eq(world.waiting, 1, "it is not answered");
	world_expect(&world);
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

Test(away, a_commit_whose_answer_was_lost_counts_once)
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
	world_expect(&world);
	store_append(world.store, "job_a", 1, &world_more, 1, NULL, world_done, &world);
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
	cr_assert_eq(world_append(&world, "job_a", 2, &world_more, 1, NULL), 0, "%s",
		     world.err.message);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(away, a_store_that_stops_does_not_wait_for_postgresql_for_ever)
{
	struct world world;
	struct server server;

	server_start(&server);
	world_prepare(&world, server.url);
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "suspend");
	world_expect(&world);
	store_append(world.store, "job_a", 1, &world_more, 1, NULL, world_done, &world);
	world_close(&world);
	cr_assert_eq(world.rc, -ERR_COMMIT_UNKNOWN, "%s", world.err.message);
	(void)server_say(&server, "resume");
	world_open(&world, 0);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}
