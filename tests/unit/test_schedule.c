/*
 * courier/schedule: when a delivery is tried again, and when it is given up.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "courier/schedule.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const char *const defaults[] = {"5",     "300",   "1800",  "7200",  "18000",
				       "36000", "50400", "72000", "86400", NULL};

static struct schedule read(const char *const *texts)
{
	struct schedule schedule;

	cr_assert_eq(schedule_read(texts, &schedule, NULL), 0);
	return schedule;
}

static int64_t wait(const struct schedule *schedule, int64_t failures, int64_t age_ms,
		    int64_t retry_after_ms)
{
	return schedule_wait_ms(schedule, failures, age_ms, retry_after_ms,
				rng_make(1, RNG_TIMING, (uint64_t)failures));
}

Test(schedule, ten_attempts_within_three_days_and_a_bit)
{
	struct schedule schedule = read(defaults);
	int64_t age = 0, planned = 0;
	int attempts = 1;

	for (int64_t pause; (pause = wait(&schedule, attempts, age, -1)) >= 0; attempts++) {
		int64_t plain = SECOND * schedule.waits_s[attempts - 1];

		cr_expect_geq(pause, plain);
		cr_expect_leq(pause, plain + plain / 10);
		planned += plain;
		age += pause;
	}
	cr_expect_eq(attempts, 10);
	cr_expect_eq(planned, 75 * (int64_t)HOUR + 35 * MINUTE + 5 * SECOND);
	cr_expect_gt(age, planned, "no jitter at all");
}

Test(schedule, jitter_spreads_deliveries_over_a_tenth)
{
	static const char *const texts[] = {"1000", NULL};
	struct schedule schedule = read(texts);
	int64_t low = INT64_MAX, high = 0;

	for (uint64_t n = 0; n < 1000; n++) {
		int64_t pause = schedule_wait_ms(&schedule, 1, 0, -1, rng_make(n, RNG_TIMING, 0)) -
				(int64_t)1000 * SECOND;

		low = pause < low ? pause : low;
		high = pause > high ? pause : high;
	}
	cr_expect(low >= 0 && low < 2 * SECOND, "%lld", (long long)low);
	cr_expect(high > 98 * SECOND && high <= 100 * SECOND, "%lld", (long long)high);
}

Test(schedule, a_receiver_may_ask_for_more_time_but_not_for_less)
{
	struct schedule schedule = read(defaults);

	cr_expect_eq(wait(&schedule, 1, 0, 20 * SECOND), 20 * SECOND);
	cr_expect_eq(wait(&schedule, 1, 0, INT64_MAX), DAY);
	cr_expect_geq(wait(&schedule, 2, 0, 0), 300 * SECOND);
	cr_expect_eq(wait(&schedule, 10, 0, HOUR), -1, "that gives no further attempt");
}

Test(schedule, what_waited_too_long_behind_another_gets_one_attempt)
{
	static const char *const at_once[] = {"0", "0", NULL};
	struct schedule schedule = read(defaults);

	cr_expect_geq(wait(&schedule, 1, 76 * (int64_t)HOUR, -1), 0);
	cr_expect_eq(wait(&schedule, 1, 85 * (int64_t)HOUR, -1), -1);
	schedule = read(at_once);
	cr_expect_eq(wait(&schedule, 2, 10 * MINUTE, -1), 0);
	cr_expect_eq(wait(&schedule, 3, 0, -1), -1);
}

Test(schedule, nonsense_is_refused_by_name)
{
	static const char *const bad[] = {"x", "", "1.5", "-1", "604801", "5s", " "};
	const char *many[SCHEDULE_WAITS_MAX + 2] = {NULL};
	struct schedule schedule;
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const texts[] = {"5", bad[i], NULL};

		cr_expect_eq(schedule_read(texts, &schedule, &err), -ERR_CONFIG, "%s", bad[i]);
		cr_expect_not_null(strstr(err.message, bad[i]));
	}
	cr_expect_eq(schedule_read(many, &schedule, &err), -ERR_CONFIG);
	for (int i = 0; i <= SCHEDULE_WAITS_MAX; i++) {
		cr_expect_eq(schedule_read(many, &schedule, &err), i > 0 ? 0 : -ERR_CONFIG);
		many[i] = "604800";
	}
	cr_expect_eq(schedule_read(many, &schedule, &err), -ERR_CONFIG);
}
