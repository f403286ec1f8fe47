/* dispatch/workers: who came, how much they did, who is left out and for how long. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dispatch/workers.h"

static int64_t now_ms;
static struct workers workers;

static int64_t mono(void *arg)
{
	(void)arg;
	return now_ms;
}

static int64_t wall(void *arg)
{
	(void)arg;
	return now_ms + INT64_C(1700000000000);
}

static const struct clock clock = {.mono_ms = mono, .wall_ms = wall};

static void begin(void)
{
	now_ms = 1000;
	memset(&workers, 0xa5, sizeof(workers)); /* whatever was there before */
	workers_init(&workers, &clock);
}

static void end(void)
{
	workers_finish(&workers);
	memset(&workers, 0,
	       sizeof(workers)); /* or what is still held would not be seen to be lost */
}

static void no_leases(void *arg, json_t *by_name)
{
	*(size_t *)arg = json_object_size(by_name);
}

/* Compares the whole document. */
static void expect_list(const char *owner, const char *text)
{
	size_t named = 0;
	json_t *is = workers_json(&workers, owner, no_leases, &named),
	       *wanted = json_loads(text, 0, NULL);
	char *said = json_dumps(is, JSON_COMPACT);

	cr_assert(json_equal(is, wanted) == 1, "%s", said);
	cr_assert_eq(named, json_array_size(wanted));
	free(said);
	json_decref(is);
	json_decref(wanted);
}

TestSuite(workers, .init = begin, .fini = end);

Test(workers, are_listed_by_pool_and_name)
{
	workers_seen(&workers, "gpu", "b", "ann");
	now_ms += 60000;
	workers_seen(&workers, "gpu", "a", "bob");
	workers_answered(&workers, "gpu", "a");
	workers_answered(&workers, "gpu", "a");
	workers_seen(&workers, "cpu", "z", "ann");
	workers_seen(&workers, "cpu", "z", NULL);
	expect_list(NULL, "[{\"pool\": \"cpu\", \"name\": \"z\", \"owner\": \"ann\", "
			  "\"last_seen\": \"2023-11-14T22:14:21.000Z\","
			  " \"answers\": 0, \"trials_per_hour\": 0, \"leases\": []},"
			  "{\"pool\": \"gpu\", \"name\": \"a\", \"owner\": \"bob\", \"last_seen\": "
			  "\"2023-11-14T22:14:21.000Z\","
			  " \"answers\": 2, \"trials_per_hour\": 2, \"leases\": []},"
			  "{\"pool\": \"gpu\", \"name\": \"b\", \"owner\": \"ann\", \"last_seen\": "
			  "\"2023-11-14T22:13:21.000Z\","
			  " \"answers\": 0, \"trials_per_hour\": 0, \"leases\": []}]");
	expect_list("bob", "[{\"pool\": \"gpu\", \"name\": \"a\", \"owner\": \"bob\", "
			   "\"last_seen\": \"2023-11-14T22:14:21.000Z\","
			   " \"answers\": 2, \"trials_per_hour\": 2, \"leases\": []}]");
}

static json_int_t in_an_hour(void)
{
	size_t named = 0;
	json_t *list = workers_json(&workers, NULL, no_leases, &named);
	json_int_t count =
		json_integer_value(json_object_get(json_array_get(list, 0), "trials_per_hour"));

	json_decref(list);
	return count;
}

Test(workers, count_the_answers_of_an_hour)
{
	now_ms = 0;
	workers_answered(&workers, "gpu", "a");
	now_ms = 30 * 60000;
	workers_answered(&workers, "gpu", "a");
	workers_answered(&workers, "gpu", "a");
	now_ms = 59 * 60000 + 59999;
	cr_assert_eq(in_an_hour(), 3);
	now_ms = 60 * 60000;
	cr_assert_eq(in_an_hour(), 2);
	now_ms = 89 * 60000;
	cr_assert_eq(in_an_hour(), 2);
	now_ms = 90 * 60000;
	cr_assert_eq(in_an_hour(), 0);
	workers_answered(&workers, "gpu", "a");
	now_ms += 61 * 60000;
	cr_assert_eq(in_an_hour(), 0);
	workers_answered(&workers, "gpu", "a");
	cr_assert_eq(in_an_hour(), 1);
}

Test(workers, are_forgotten_after_a_day)
{
	workers_seen(&workers, "gpu", "a", "ann");
	now_ms += INT64_C(24) * 3600000 - 1;
	workers_seen(&workers, "gpu", "b", "ann");
	cr_assert(in_an_hour() == 0);
	cr_assert_eq(workers.by_name.count, 2);
	now_ms += 1;
	cr_assert(in_an_hour() == 0);
	cr_assert_eq(workers.by_name.count, 1);
}

Test(workers, make_room_for_others)
{
	char name[32];

	for (int i = 0; i <= LIMIT_WORKERS; i++) {
		(void)snprintf(name, sizeof(name), "%d", (i + 500) % (LIMIT_WORKERS + 1));
		now_ms++;
		workers_seen(&workers, "gpu", name, "ann");
	}
	cr_assert_eq(workers.by_name.count, LIMIT_WORKERS);
	cr_assert_eq(map_get(&workers.by_name, "gpu/500", 0), 0);
	cr_assert_neq(map_get(&workers.by_name, "gpu/501", 0), 0);
}

struct silence {
	int count;
	int64_t longest_ms;
};

static void note(void *arg, const char *pool, const char *owner, int64_t silent_ms)
{
	struct silence *silence = arg;

	cr_assert_str_eq(pool, "gpu");
	cr_assert_str_eq(owner, "ann");
	silence->count++;
	silence->longest_ms = silent_ms > silence->longest_ms ? silent_ms : silence->longest_ms;
}

Test(workers, are_gone_through)
{
	struct silence silence = {0};

	workers_seen(&workers, "gpu", "a", "ann");
	now_ms += 700;
	workers_seen(&workers, "gpu", "b", "ann");
	workers_each(&workers, note, &silence);
	cr_assert_eq(silence.count, 2);
	cr_assert_eq(silence.longest_ms, 700);
}

Test(workers, are_left_out_of_a_job_or_of_all)
{
	cr_assert(workers_may(&workers, "gpu", "a", "job_1"));
	workers_leave_out(&workers, "gpu", "a", "job_1", now_ms + 100);
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_1"));
	cr_assert(workers_may(&workers, "gpu", "a", "job_2"));
	cr_assert(workers_may(&workers, "gpu", "b", "job_1"));
	workers_leave_out(&workers, "gpu", "a", "job_3", now_ms + 300);
	now_ms += 99;
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_1"));
	now_ms += 1;
	cr_assert(workers_may(&workers, "gpu", "a", "job_1"));
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_3"));
	workers_leave_out(&workers, "gpu", "a", NULL, now_ms + 100);
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_2"));
	now_ms += 100;
	cr_assert(workers_may(&workers, "gpu", "a", "job_2"));
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_3"));
	now_ms += 100;
	cr_assert(workers_may(&workers, "gpu", "a", "job_3"));
}

Test(workers, who_answers_three_times_in_vain_is_left_out)
{
	cr_assert_not(workers_misjudged(&workers, "gpu", "a", false, 1000));
	cr_assert_not(workers_misjudged(&workers, "gpu", "a", false, 1000));
	cr_assert_not(workers_misjudged(&workers, "gpu", "a", true, 1000));
	cr_assert_not(workers_misjudged(&workers, "gpu", "a", false, 1000));
	cr_assert_not(workers_misjudged(&workers, "gpu", "a", false, 1000));
	cr_assert(workers_may(&workers, "gpu", "a", "job_1"));
	cr_assert(workers_misjudged(&workers, "gpu", "a", false, 1000));
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_1"));
	cr_assert_not(workers_misjudged(&workers, "gpu", "a", false, 1000));
	now_ms += 999;
	cr_assert_not(workers_may(&workers, "gpu", "a", "job_1"));
	now_ms += 1;
	cr_assert(workers_may(&workers, "gpu", "a", "job_1"));
}

Test(workers, others_are_who_came_within_a_minute_and_may_be_asked)
{
	workers_seen(&workers, "gpu", "a", "ann");
	cr_assert_not(workers_has_other(&workers, "gpu", "a"));
	cr_assert(workers_has_other(&workers, "gpu", "b"));
	cr_assert_not(workers_has_other(&workers, "gp", "b"));
	cr_assert_not(workers_has_other(&workers, "cpu", "b"));
	cr_assert_not(workers_has_other(&workers, "gpu2", "b"));
	now_ms += 59999;
	cr_assert(workers_has_other(&workers, "gpu", "b"));
	now_ms += 1;
	cr_assert_not(workers_has_other(&workers, "gpu", "b"));
	workers_leave_out(&workers, "gpu", "a", "job_1", now_ms + 1000);
	cr_assert(workers_has_other(&workers, "gpu", "b"));
	workers_leave_out(&workers, "gpu", "a", NULL, now_ms + 1000);
	cr_assert_not(workers_has_other(&workers, "gpu", "b"));
}

Test(workers, are_there_for_whom_they_serve)
{
	cr_assert_not(workers_there(&workers, "gpu", "ann"));
	workers_serves(&workers, "gpu", "a", "ann");
	cr_assert(workers_there(&workers, "gpu", "ann"));
	cr_assert_not(workers_there(&workers, "gpu", "bob"));
	cr_assert_not(workers_there(&workers, "cpu", "ann"));
	workers_serves(&workers, "gpu", "b", "");
	cr_assert(workers_there(&workers, "gpu", "bob"));
	now_ms += 60000;
	cr_assert_not(workers_there(&workers, "gpu", "ann"));
}

static char *long_name(char *ret, size_t length, char c)
{
	memset(ret, c, length);
	ret[length] = '\0';
	return ret;
}

Test(workers, may_have_names_of_the_greatest_length)
{
	char pool[LIMIT_POOL_BYTES + 1], name[LIMIT_WORKER_BYTES + 1], owner[LIMIT_OWNER_BYTES + 1];
	size_t named = 0;
	json_t *list;

	(void)long_name(pool, LIMIT_POOL_BYTES, 'p');
	(void)long_name(name, LIMIT_WORKER_BYTES, 'w');
	(void)long_name(owner, LIMIT_OWNER_BYTES, 'o');
	workers_seen(&workers, pool, name, owner);
	workers_serves(&workers, pool, name, owner);
	cr_assert(workers_there(&workers, pool, owner));
	name[LIMIT_WORKER_BYTES - 1] = 'v';
	cr_assert(workers_has_other(&workers, pool, name));
	workers_seen(&workers, pool, name, owner);
	list = workers_json(&workers, owner, no_leases, &named);
	cr_assert_eq(json_array_size(list), 2);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "pool")), pool);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "name")), name);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "owner")),
			 owner);
	json_decref(list);
}

Test(workers, are_there_as_long_as_they_work)
{
	workers_serves(&workers, "gpu", "a", "");
	workers_works(&workers, "gpu", "a", now_ms + 600000);
	workers_works(&workers, "gpu", "a", now_ms + 1000);
	now_ms += 599999;
	cr_assert(workers_there(&workers, "gpu", "ann"), "it may be silent for so long");
	now_ms += 1;
	cr_assert_not(workers_there(&workers, "gpu", "ann"));
}
