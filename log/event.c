/* The one table of the events' names. */
#include "log/event.h"

#include <string.h>

static const struct {
	const char *name;
	bool of_trial;
} types[] = {
	[LOGGED_JOB_SUBMITTED] = {"job_submitted", false},
	[LOGGED_STATE_CHANGED] = {"state_changed", false},
	[LOGGED_JOB_EDITED] = {"job_edited", false},
	[LOGGED_STAGE_ENTERED] = {"stage_entered", false},
	[LOGGED_QUESTION_ASKED] = {"question_asked", true},
	[LOGGED_QUESTION_LEASED] = {"question_leased", true},
	[LOGGED_LEASE_ACCEPTED] = {"lease_accepted", true},
	[LOGGED_LEASE_EXPIRED] = {"lease_expired", true},
	[LOGGED_LEASE_RETURNED] = {"lease_returned", true},
	[LOGGED_ATTEMPT_FAILED] = {"attempt_failed", true},
	[LOGGED_LATE_ANSWER] = {"late_answer", true},
	[LOGGED_TRIAL_TOLD] = {"trial_told", true},
	[LOGGED_TRIAL_IMPORTED] = {"trial_imported", true},
	[LOGGED_TRIAL_JUDGED] = {"trial_judged", true},
	[LOGGED_TRIAL_FAILED] = {"trial_failed", true},
	[LOGGED_TRIAL_PRUNED] = {"trial_pruned", true},
	[LOGGED_TRIAL_CANCELLED] = {"trial_cancelled", true},
	[LOGGED_TRIAL_RETRIED] = {"trial_retried", true},
	[LOGGED_TRIAL_REVISED] = {"trial_revised", true},
	[LOGGED_TRIAL_EXCLUDED] = {"trial_excluded", true},
	[LOGGED_TRIAL_INCLUDED] = {"trial_included", true},
	[LOGGED_BASELINE_MEASURED] = {"baseline_measured", true},
	[LOGGED_NEW_BEST] = {"new_best", true},
	[LOGGED_TRIALS_RANKED] = {"trials_ranked", false},
	[LOGGED_NO_GAIN_SO_FAR] = {"no_gain_so_far", false},
	[LOGGED_MEASUREMENT_DISAGREES] = {"measurement_disagrees", true},
	[LOGGED_WARNING] = {"warning", false},
	[LOGGED_TIMEOUT] = {"timeout", false},
	[LOGGED_SCORES_TOLD] = {"scores_told", false},
	[LOGGED_SCORES_TAKEN] = {"scores_taken", false},
};

_Static_assert(sizeof(types) / sizeof(types[0]) == LOGGED_TYPES_, "every type has a name");

const char *logged_name(enum logged type)
{
	return types[type].name;
}

enum logged logged_find(const char *name)
{
	enum logged type = 0;

	while (type < LOGGED_TYPES_ && strcmp(types[type].name, name) != 0) {
		type++;
	}
	return type;
}

bool logged_is_of_trial(enum logged type)
{
	return types[type].of_trial;
}
