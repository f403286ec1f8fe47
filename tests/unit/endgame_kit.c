/* Plays the end game of a job in hand. */
#include "tests/unit/endgame_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 40 };

const struct says steady[] = {{0.9, 100}, {0.9, 101}, {0.9, 99}, LAST};

void kit_play(struct job *job, const struct says *baseline, const struct says *others,
	      char *ret_story)
{
	*ret_story = '\0';
	for (int i = 0; i < STEPS_MAX; i++) {
		struct next next = kit_next(job);
		const struct says *says;
		struct trial *trial;

		if (next.step == NEXT_CATCH_UP) {
			(void)strategy_catch_up(&job->strategy, NULL);
			continue;
		}
		if (next.step != NEXT_CONFIRM) {
			break;
		}
		trial = job_ask_again(job, &next);
		(void)sprintf(ret_story + strlen(ret_story), "%lld@%lld ", (long long)next.trial,
			      (long long)next.round);
		says = next.trial == 0 ? baseline : others;
		if (says->latency > 0) {
			kit_tell(job, trial, says->accuracy, says->latency);
		} else {
			kit_fail(job, trial, "crashed");
		}
		if (next.trial == 0) {
			baseline += baseline[1].accuracy >= 0;
		} else {
			others += others[1].accuracy >= 0;
		}
	}
}

void kit_names(struct job *job, const struct says *others, const char *story, int64_t named)
{
	char told[400];

	kit_play(job, steady, others, told);
	cr_assert_str_eq(told, story);
	cr_assert_eq(job->named->number, named);
	job_destroy(job);
}

struct job *kit_measured(const char *extra, const double *latencies, size_t count)
{
	struct job *job = kit_running(extra, 0.9);

	for (size_t i = 0; i < count; i++) {
		kit_tell(job, kit_ask(job), 0.9, latencies[i]);
		kit_settle(job);
	}
	return job;
}

struct job *kit_measured_as(const char *extra, const struct says *says)
{
	struct job *job = kit_running(extra, 0.9);

	for (; says->latency > 0; says++) {
		kit_tell(job, kit_ask(job), says->accuracy, says->latency);
		kit_settle(job);
	}
	return job;
}
