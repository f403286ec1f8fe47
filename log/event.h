/*
 * The events of a job's log: what may stand there, under which name.
 *
 * A job is the fold of its events (job/fold.c), its rows in the database are their projection
 * (store/project.c); both have a table by these types, so one that is added at the end and missing there does not compile.
 * Names are on disk and in answers for ever: an event gets another meaning under another name only.
 * What is in an event's data stands in docs/events.md.
 */
#ifndef NARROWD_LOG_EVENT_H
#define NARROWD_LOG_EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum logged {
	LOGGED_JOB_SUBMITTED,
	LOGGED_STATE_CHANGED,
	LOGGED_JOB_EDITED,
	LOGGED_STAGE_ENTERED,
	LOGGED_QUESTION_ASKED,
	LOGGED_QUESTION_LEASED,
	LOGGED_LEASE_ACCEPTED,
	LOGGED_LEASE_EXPIRED,
	LOGGED_LEASE_RETURNED,
	LOGGED_ATTEMPT_FAILED,
	LOGGED_LATE_ANSWER,
	LOGGED_TRIAL_TOLD,
	LOGGED_TRIAL_IMPORTED,
	LOGGED_TRIAL_JUDGED,
	LOGGED_TRIAL_FAILED,
	LOGGED_TRIAL_PRUNED,
	LOGGED_TRIAL_CANCELLED,
	LOGGED_TRIAL_RETRIED,
	LOGGED_TRIAL_REVISED,
	LOGGED_TRIAL_EXCLUDED,
	LOGGED_TRIAL_INCLUDED,
	LOGGED_BASELINE_MEASURED,
	LOGGED_NEW_BEST,
	LOGGED_TRIALS_RANKED,
	LOGGED_NO_GAIN_SO_FAR,
	LOGGED_MEASUREMENT_DISAGREES,
	LOGGED_WARNING,
	LOGGED_TIMEOUT,
	LOGGED_SCORES_TOLD,
	LOGGED_SCORES_TAKEN,
	LOGGED_TYPES_,
};

/* One event, but for its job and its number there. */
struct log_event {
	enum logged type;
	int64_t at_ms;    /* wall clock */
	int64_t trial;    /* -1 when the event is of no trial */
	const char *data; /* a JSON object; NULL is "{}" */
};

/* The name on disk; static text. */
const char *logged_name(enum logged type);
/* The type of this name, or LOGGED_TYPES_. */
enum logged logged_find(const char *name);
/* Whether it is of one trial. */
bool logged_is_of_trial(enum logged type);

#endif
