/* Reads the waits between attempts, and chooses the next one, a little longer by chance. */
#include "courier/schedule.h"

#include <stdlib.h>

enum {
	JITTER_PART = 10,
	RETRY_AFTER_CAP_MS = 24 * 3600 * 1000,
	/* The attempts themselves take time. */
	LIFE_SLACK_MS = 3600 * 1000,
};

int schedule_read(const char *const *texts, struct schedule *ret, struct err *reterr)
{
	*ret = (struct schedule){.count = 0};
	for (; *texts != NULL; texts++) {
		char *end;
		long long wait = strtoll(*texts, &end, 10);

		if (end == *texts || *end != '\0' || wait < 0 || wait > SCHEDULE_WAIT_MAX_S) {
			return err_set(
				reterr, ERR_CONFIG,
				"a wait must be a number of seconds from 0 to %d, not \"%s\"",
				SCHEDULE_WAIT_MAX_S, *texts);
		}
		if (ret->count == SCHEDULE_WAITS_MAX) {
			return err_set(reterr, ERR_CONFIG, "more than %d waits",
				       SCHEDULE_WAITS_MAX);
		}
		ret->waits_s[ret->count++] = wait;
	}
	return ret->count > 0 ? 0 : err_set(reterr, ERR_CONFIG, "at least one wait is needed");
}

/* The longest that a delivery whose first attempt came at once can be under way. */
static int64_t life_ms(const struct schedule *schedule)
{
	int64_t total = 0;

	for (size_t i = 0; i < schedule->count; i++) {
		total += 1000 * schedule->waits_s[i];
	}
	return total + total / JITTER_PART + LIFE_SLACK_MS;
}

int64_t schedule_wait_ms(const struct schedule *schedule, int64_t failures, int64_t age_ms,
			 int64_t retry_after_ms, struct rng rng)
{
	int64_t wait;

	if (failures > (int64_t)schedule->count || age_ms > life_ms(schedule)) {
		return -1;
	}
	wait = 1000 * schedule->waits_s[failures - 1];
	wait += (int64_t)(rng_unit(&rng) * (double)wait / JITTER_PART);
	if (retry_after_ms > RETRY_AFTER_CAP_MS) {
		retry_after_ms = RETRY_AFTER_CAP_MS;
	}
	return wait > retry_after_ms ? wait : retry_after_ms;
}
