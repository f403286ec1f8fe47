/* How long places stood idle in the last hour. */
#include <criterion/criterion.h>

#include "tuner/idle.h"

enum { MINUTE = 60 * 1000 };

Test(idle, counts_what_was_idle)
{
	struct idle idle = {0};
	int64_t start = (int64_t)1000 * MINUTE + 17;

	idle_note(&idle, 0, start);
	idle_note(&idle, 0.5, start + 10L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 0, 1e-9, "busy until now");
	idle_note(&idle, 1, start + 22L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 0.1, 1e-9, "half of the places for 12 minutes");
	idle_note(&idle, 0, start + 31L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 0.25, 1e-9, "... and all for 9");
	idle_note(&idle, 0, start + 32L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 0.25, 1e-9);
}

Test(idle, forgets_after_an_hour)
{
	struct idle idle = {0};
	int64_t start = (int64_t)77 * MINUTE;

	idle_note(&idle, 1, start);
	idle_note(&idle, 0, start + 30L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 0.5, 1e-9);
	idle_note(&idle, 0, start + 69L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 20.0 / 60, 1e-9,
			   "the first ten are over an hour ago");
	idle_note(&idle, 0, start + 500L * MINUTE);
	cr_expect_float_eq(idle_share(&idle), 0, 1e-9);
}

/* Also when nothing happened for longer than that. */
Test(idle, is_never_more_than_all)
{
	struct idle idle = {0};

	idle_note(&idle, 1, 5);
	idle_note(&idle, 0, 5 + 1000L * MINUTE);
	cr_expect_leq(idle_share(&idle), 1);
	cr_expect_gt(idle_share(&idle), 0.98);
}
