/*
 * log/event: every type of event has a name of its own, by which it is found again.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "log/event.h"

/* A member in the middle of the enum without a row in the table leaves a hole, which the compiler does not see. */
Test(logged, every_event_has_its_name)
{
	for (int type = 0; type < LOGGED_TYPES_; type++) {
		const char *name = logged_name((enum logged)type);

		cr_assert_not_null(name, "event %d has no name", type);
		cr_expect_eq((int)logged_find(name), type, "%s is found as another one", name);
	}
}

Test(logged, what_is_no_event_is_not_found)
{
	cr_expect_eq((int)logged_find("trial_forgotten"), (int)LOGGED_TYPES_);
}
