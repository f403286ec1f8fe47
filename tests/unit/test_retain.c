/*
 * store: what somebody reads is not deleted, and what is not read any more is.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/loop.h"
#include "store/query.h"
#include "tests/unit/store_world.h"

enum { JOBS = 3 };

static const struct store_retention none_stays = {.job_ms = 1};

static void make_jobs(struct world *world)
{
	world_start(world, 0);
	for (int i = 0; i < JOBS; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "job_%c", 'a' + i);
		world_insert_with_life(world, id);
		cr_assert_eq(world_append(world, id, WORLD_LIFE + 1, FINISHED, 1, NULL), 0);
	}
}

static size_t jobs_left(struct world *world)
{
	return QUERY(world, QUERY_JOBS, NONE, NONE, NONE, NONE, NUMBER(10), NONE);
}

static void on_gone(void *arg, const char *job)
{
	struct world *world = arg;

	cr_assert_str_neq(job, "");
	world->waiting--;
}

/* Waits for so many jobs to go. */
static void wait_for(struct world *world, size_t count)
{
	world->waiting = count;
	store_on_gone(world->store, on_gone, world);
	store_retain(world->store, &none_stays);
	world_wait(world);
}

Test(retain, what_is_read_stays_until_it_was_read)
{
	struct store_hold hold = {.job = "job_b"}, *again = &(struct store_hold){.job = "job_b"};
	struct world world;

	make_jobs(&world);
	cr_assert(store_hold(world.store, &hold));
	cr_assert(store_hold(world.store, again), "several may read");
	wait_for(&world, 2);
	cr_assert_eq(jobs_left(&world), 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "job_b");
	cr_assert_eq(QUERY(&world, QUERY_PRUNED, NONE), 1);
	cr_assert_str_eq(world_cell(&world, 0, 0), "81");
	store_release(&hold);
	store_release(&hold);
	wait_for(&world, 0);
	cr_assert_eq(jobs_left(&world), 1);
	store_release(again);
	wait_for(&world, 1);
	cr_assert_eq(jobs_left(&world), 0);
	world_finish(&world);
}

Test(retain, events_behind_a_reader_of_all_jobs_stay)
{
	struct store_hold hold = {.after = 2 * (WORLD_LIFE + 2)}; /* two jobs are read */
	struct world world;

	make_jobs(&world);
	cr_assert(store_hold(world.store, &hold));
	wait_for(&world, 2);
	cr_assert_eq(jobs_left(&world), 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "job_c");
	hold.after = 3 * (WORLD_LIFE + 2);
	wait_for(&world, 1);
	store_release(&hold);
	world_finish(&world);
}

static void on_swept(void *arg, char *const *gone, size_t count, const struct err *err)
{
	struct world *world = arg;

	cr_assert_eq(err->code, ERR_OK);
	cr_assert_eq(count, 2);
	cr_assert_str_eq(gone[0], "job_a");
	cr_assert_str_eq(gone[1], "job_c");
	world->waiting--;
}

Test(retain, a_job_that_is_being_deleted_cannot_be_read_any_more)
{
	static char *const ids[] = {"job_a", "job_b", "job_x", "job_c"};
	static const int64_t seqs[] = {1, 1, 1, 1};
	struct store_hold before = {.job = "job_b"}, after = {.job = "job_a"};
	struct world world;

	make_jobs(&world);
	cr_assert(store_hold(world.store, &before));
	world.waiting = 1;
	store_jobs_sweep(world.store, ids, seqs, 4, on_swept, &world);
	cr_assert_not(store_hold(world.store, &after), "its deletion is under way");
	cr_assert_eq(world.waiting, 1, "nothing is called back from inside the call");
	world_wait(&world);
	store_release(&before);
	store_release(&after);
	cr_assert_eq(QUERY(&world, QUERY_PRUNED, NONE), 1);
	cr_assert_str_eq(world_cell(&world, 0, 0), "0", "somebody has asked for it");
	world_verify(&world);
	world_finish(&world);
}

Test(retain, a_store_that_stops_deletes_no_more)
{
	struct world world;

	make_jobs(&world);
	store_retain(world.store, &none_stays);
	world_close(&world);
	world_open(&world, 0);
	cr_assert_eq(jobs_left(&world), JOBS);
	world_verify(&world);
	world_finish(&world);
}
