/* dispatch/quota: what an owner may have open, submit in a second and ask in a day, each at its edge. */
#include <criterion/criterion.h>
#include <string.h>

#include "dispatch/quota.h"

enum { OK = 0, TOO_MANY = -(int)ERR_TOO_MANY };

static int64_t now_ms;

static int64_t now(void *arg)
{
	(void)arg;
	return now_ms;
}

static const struct clock clock = {.mono_ms = now, .wall_ms = now};
static const int64_t hour = INT64_C(3600000);

/* Whatever was there before. */
static void begin(struct quota *quota, struct quota_limits limits)
{
	memset(quota, 0xa5, sizeof(*quota));
	quota_init(quota, &limits, &clock);
}

static void expect(struct quota *quota, const char *owner, int64_t bytes, bool dry, int rc,
		   const char *says)
{
	struct err err;

	err_init(&err);
	cr_assert_eq(quota_submit(quota, owner, bytes, dry, &err), rc, "%s", err.message);
	cr_assert(rc == OK || strstr(err.message, says) != NULL, "%s", err.message);
}

Test(quota, open_jobs)
{
	struct quota quota;

	begin(&quota, (struct quota_limits){.open_jobs = 2});
	quota_open(&quota, "ann", 10);
	expect(&quota, "ann", 1, false, OK, "");
	quota_open(&quota, "ann", 10);
	expect(&quota, "ann", 1, false, TOO_MANY, "2 jobs of this owner are open, at most 2");
	expect(&quota, "ann", 1, true, OK, "");
	expect(&quota, "bob", 1, false, OK, "");
	quota_close(&quota, "ann", 10);
	expect(&quota, "ann", 1, false, OK, "");
	quota_finish(&quota);
	begin(&quota, (struct quota_limits){.open_jobs = 1});
	quota_open(&quota, "ann", 10);
	expect(&quota, "ann", 1, false, TOO_MANY, "at most 1");
	quota_finish(&quota);
}

Test(quota, open_bytes)
{
	struct quota quota;

	begin(&quota, (struct quota_limits){.open_bytes = 100});
	quota_open(&quota, "ann", 60);
	expect(&quota, "ann", 40, false, OK, "");
	expect(&quota, "ann", 41, false, TOO_MANY, "would have 101 bytes, at most 100");
	quota_close(&quota, "ann", 60);
	expect(&quota, "ann", 100, false, OK, "");
	quota_finish(&quota);
}

Test(quota, bytes_that_an_open_job_has_more)
{
	struct quota quota;
	struct err err;

	begin(&quota, (struct quota_limits){.open_jobs = 1, .open_bytes = 100});
	quota_open(&quota, "ann", 60);
	cr_expect_eq(quota_may_grow(&quota, "ann", 40, &err), 0, "no other job is opened");
	cr_expect_eq(quota_may_grow(&quota, "ann", 41, &err), TOO_MANY);
	cr_expect_not_null(strstr(err.message, "would have 101 bytes, at most 100"));
	quota_grow(&quota, "ann", 40);
	cr_expect_eq(quota_may_grow(&quota, "ann", 1, &err), TOO_MANY);
	cr_expect_eq(quota_may_grow(&quota, "bob", 100, &err), 0);
	quota_close(&quota, "ann", 100);
	expect(&quota, "ann", 100, false, OK, "");
	quota_finish(&quota);
	begin(&quota, (struct quota_limits){.open_bytes = 0});
	cr_expect_eq(quota_may_grow(&quota, "ann", INT64_C(1) << 40, &err), 0);
	quota_finish(&quota);
}

Test(quota, submissions_in_a_second)
{
	struct quota quota;

	now_ms = 5000;
	begin(&quota, (struct quota_limits){.submits_per_s = 2});
	for (int i = 0; i < 10; i++) {
		expect(&quota, "ann", 1, i % 2 == 0, OK, "");
	}
	expect(&quota, "ann", 1, false, TOO_MANY, "at most 2 submissions a second");
	now_ms += 499;
	expect(&quota, "ann", 1, false, TOO_MANY, "at most 2 submissions a second");
	now_ms += 1;
	expect(&quota, "ann", 1, true, OK, "");
	expect(&quota, "ann", 1, true, TOO_MANY, "at most 2 submissions a second");
	now_ms += 1000000; /* five seconds' worth is all that is kept */
	for (int i = 0; i < 10; i++) {
		expect(&quota, "ann", 1, false, OK, "");
	}
	expect(&quota, "ann", 1, false, TOO_MANY, "at most 2 submissions a second");
	quota_finish(&quota);
}

Test(quota, questions_in_a_day)
{
	struct quota quota;

	now_ms = 100 * hour;
	begin(&quota, (struct quota_limits){.trials_per_day = 3});
	quota_asked(&quota, "ann");
	now_ms += hour;
	quota_asked(&quota, "ann");
	expect(&quota, "ann", 1, false, OK, "");
	quota_asked(&quota, "ann");
	expect(&quota, "ann", 1, false, TOO_MANY,
	       "3 questions were asked for this owner within 24 hours, at most 3");
	expect(&quota, "bob", 1, false, OK, "");
	now_ms += 22 * hour; /* the first is as old as counts */
	expect(&quota, "ann", 1, false, TOO_MANY, "3 questions");
	now_ms += hour;
	expect(&quota, "ann", 1, false, OK, "");
	quota_asked(&quota, "ann");
	expect(&quota, "ann", 1, false, TOO_MANY, "3 questions");
	now_ms += 24 * hour;
	expect(&quota, "ann", 1, false, OK, "");
	now_ms += 100 * hour;
	quota_asked(&quota, "ann");
	quota_asked(&quota, "ann");
	expect(&quota, "ann", 1, false, OK, "");
	for (int i = 0; i < 24; i++) { /* whichever hour of the day it is */
		now_ms += 24 * hour + hour;
		quota_asked(&quota, "ann");
		quota_asked(&quota, "ann");
		expect(&quota, "ann", 1, false, OK, "");
		quota_asked(&quota, "ann");
		expect(&quota, "ann", 1, false, TOO_MANY, "3 questions");
	}
	quota_finish(&quota);
}
