/* tuner/library: a look that nobody waits for any more is broken off. */
#include <criterion/criterion.h>

#include "store/query.h"
#include "tuner/library.h"

/* A world with jobs that cannot be read; after so many nobody waits. */
struct jobs {
	int looked_at, wanted;
	atomic_bool stop;
};

static int query(void *world, int which, const struct store_value *values, size_t count,
		 void (*row)(void *arg, char *const *cells), void *arg, struct err *reterr)
{
	struct jobs *jobs = world;
	char id[] = "job_a";
	char *cells[] = {id};

	(void)values;
	(void)count;
	(void)reterr;
	for (int i = 0; which == QUERY_LIBRARY && i < 9; i++) {
		row(arg, cells);
	}
	if (which == QUERY_JOB && ++jobs->looked_at == jobs->wanted) {
		atomic_store(&jobs->stop, true);
	}
	return 0;
}

static int looked_at(int wanted)
{
	struct jobs jobs = {.wanted = wanted};
	const struct tuner_io io = {.world = &jobs, .query_apart = query};
	json_t *capability = json_pack("{s:[]}", "ops");

	json_decref(library_look(&io, "ann", capability, &jobs.stop));
	json_decref(capability);
	return jobs.looked_at;
}

Test(library_look, ends_where_nobody_waits_for_it)
{
	cr_assert_eq(looked_at(0), 9);
	cr_assert_eq(looked_at(2), 2);
}
