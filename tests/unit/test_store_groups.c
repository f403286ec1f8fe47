/*
 * store: what is queued is committed in groups, and to the last one.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sqlite3.h>

#include "store/query.h"
#include "tests/unit/store_world.h"

/* No commit gets by while a test holds it. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int at_the_gate(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&gate);
	(void)pthread_mutex_unlock(&gate);
	return 0;
}

static int pass_the_gate(sqlite3 *db)
{
	(void)sqlite3_commit_hook(db, at_the_gate, NULL);
	return SQLITE_OK;
}

Test(store_groups, what_is_queued_together_is_committed_together)
{
	enum { QUEUED = 1000, GROUP = 256 };
	struct log_event event = {LOGGED_TIMEOUT, T0, -1, NULL};
	struct store_stats before;
	struct store_stats after;
	struct world world;

	cr_assert_eq(sqlite3_auto_extension((void (*)(void))pass_the_gate), SQLITE_OK);
	world_start(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	store_stats(world.store, &before);
	(void)pthread_mutex_lock(&gate);
	for (int64_t i = 0; i < QUEUED; i++) {
		world.waiting++;
		store_append(world.store, "job_a", 1 + i, &event, 1, NULL, world_done, &world);
	}
	(void)pthread_mutex_unlock(&gate);
	world_wait(&world);
	store_stats(world.store, &after);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_eq(after.operations - before.operations, QUEUED);
	cr_assert_eq(after.failures, before.failures);
	cr_assert_eq(after.queued, 0);
	cr_assert_leq(after.commits - before.commits, QUEUED / GROUP + 2);
	world_finish(&world);
}

Test(store_groups, a_stop_commits_what_is_queued_and_refuses_the_rest)
{
	enum { QUEUED = 100 };
	struct log_event event = {LOGGED_TIMEOUT, T0, -1, NULL};
	struct store_value id = TEXT("job_a");
	struct world world;

	world_start(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	for (int64_t i = 0; i < QUEUED; i++) {
		world.waiting++;
		store_append(world.store, "job_a", 1 + i, &event, 1, NULL, world_done, &world);
	}
	store_stop(world.store, world_stopped, &world);
	world.waiting++;
	store_append(world.store, "job_a", QUEUED + 1, &event, 1, NULL, world_done, &world);
	cr_assert_eq(world.waiting, QUEUED + 1, "nothing is called back from inside the call");
	loop_run(world.loop);
	cr_assert_eq(world.waiting, 0, "every operation has its answer before the store is gone");
	store_destroy(world.store);
	loop_destroy(world.loop);
	world_open(&world, 0);
	cr_assert_eq(QUERY(&world, QUERY_LOG, id, NUMBER(0), NUMBER(999)), QUEUED + 1);
	world_finish(&world);
}
