/*
 * store: a short life of it with a fault at every call to the disk, and with the machine stopping at every step.
 *
 * Whatever was acknowledged is there afterwards, whatever was refused is not, and the database is whole.
 */
#include <criterion/criterion.h>

#include "base/rng.h"
#include "tests/unit/disk_image.h"
#include "tests/unit/fault_vfs.h"
#include "tests/unit/points.h"
#include "tests/unit/store_life.h"

/* A process that forks a thousand times need not keep what was freed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=0:max_malloc_fill_size=0:malloc_context_size=0";
}

static void begin(void)
{
	life_setup();
	fault_vfs_install();
}

TestSuite(store_faults, .init = begin, .fini = life_teardown);

struct plan {
	int64_t at;
	enum fault_means means;
};

static void take_plan(void *arg)
{
	const struct plan *plan = arg;

	fault_vfs_plan(plan->at, plan->means);
}

static int live_with(struct world *world, int64_t at, enum fault_means means)
{
	struct plan plan = {at, means};
	struct life_plan faults = {take_plan, &plan, false, fault_vfs_calls};

	return life_elsewhere(world, &faults);
}

/* At each call of so many (points.h). */
static void fault_everywhere(enum fault_means means, int64_t every, const char *what)
{
	struct world world;
	int64_t calls, told = 0, ended = 0, unopened = 0;

	life_copy(&world);
	cr_assert_eq(live_with(&world, -1, means), 0);
	calls = life_ledger->calls;
	for (int act = 0; act < ACTS; act++) {
		cr_assert_eq(life_ledger->said[act], 0);
	}
	life_look_at(&world, life_ledger->said, what, -1);
	every = points_every(every);
	for (int64_t at = points_first(every); at < calls; at += every) {
		int status;

		life_begin_anew(&world);
		status = live_with(&world, at, means);
		cr_assert(status == 0 || status == STORAGE_EXIT || status == NOT_OPENED,
			  "%s %lld: ends as %d", what, (long long)at, status);
		cr_assert_not(life_ledger->accused, "%s %lld: nobody else has written", what,
			      (long long)at);
		told += status == 0;
		ended += status == STORAGE_EXIT;
		unopened += status == NOT_OPENED;
		life_look_at(&world, life_ledger->said, what, at);
	}
	world_finish(&world);
	cr_log_info("%s: %lld calls; lived on after %lld faults, ended in %lld commits, refused to "
		    "open after %lld",
		    what, (long long)calls, (long long)told, (long long)ended, (long long)unopened);
}

Test(store_faults, a_call_that_fails_once)
{
	fault_everywhere(FAULT_ONCE, 2, "one fault at call");
}

Test(store_faults, a_disk_that_fails_from_here_on)
{
	fault_everywhere(FAULT_FOREVER, 6, "faults from call");
}

Test(store_faults, a_disk_that_is_full_from_here_on)
{
	fault_everywhere(FAULT_FULL, 6, "full from call");
}

/* Of the files behind so many steps, and what was acknowledged by then. */
static void take_step(struct disk_image *image, int *said, const struct disk_step *step)
{
	if (step->change == DISK_NOTE) {
		said[step->at] = 0;
	} else {
		disk_image_step(image, step);
	}
}

/* One life, undisturbed, with all that it writes. */
static const struct disk_step *live_and_write_down(struct world *world, size_t *ret_count)
{
	life_forget();
	fault_vfs_plan(-1, FAULT_ONCE);
	fault_vfs_record();
	world_open(world, 0);
	life_live(world);
	world_close(world);
	return fault_vfs_steps(ret_count);
}

Test(store_faults, a_machine_that_stops_at_any_step)
{
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	int said[ACTS] = {UNANSWERED, UNANSWERED, UNANSWERED, UNANSWERED, UNANSWERED};
	const struct disk_step *steps;
	struct disk_image image;
	struct world world;
	size_t count, images = 0;

	life_copy(&world);
	steps = live_and_write_down(&world, &count);
	disk_image_init(&image, "narrowd.db", life_database, life_database_size);
	for (size_t i = 0; i < count; i++) {
		take_step(&image, said, &steps[i]);
		for (int kind = 0; steps[i].change != DISK_NOTE && kind < IMAGE_KINDS; kind++) {
			life_begin_anew(&world);
			disk_image_put(&image, world.directory, kind, &rng);
			life_look_at(&world, said, disk_image_names[kind], (int64_t)i);
			images++;
		}
	}
	cr_log_info("%zu images of %zu steps", images, count);
	disk_image_finish(&image);
	world_finish(&world);
}
