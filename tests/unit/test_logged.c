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

/* All others say of which trial they are (docs/events.md). */
Test(logged, few_events_are_of_no_trial)
{
	static const enum logged of_the_job[] = {LOGGED_JOB_SUBMITTED, LOGGED_STATE_CHANGED,
						 LOGGED_JOB_EDITED,    LOGGED_STAGE_ENTERED,
						 LOGGED_TRIALS_RANKED, LOGGED_NO_GAIN_SO_FAR,
						 LOGGED_WARNING,       LOGGED_TIMEOUT,
						 LOGGED_SCORES_TOLD,   LOGGED_SCORES_TAKEN};

	for (int type = 0; type < LOGGED_TYPES_; type++) {
		bool of_trial = true;

		for (size_t i = 0; i < sizeof(of_the_job) / sizeof(of_the_job[0]); i++) {
			of_trial = of_trial && (int)of_the_job[i] != type;
		}
		cr_expect_eq(logged_is_of_trial((enum logged)type), of_trial, "%s",
			     logged_name((enum logged)type));
	}
}
