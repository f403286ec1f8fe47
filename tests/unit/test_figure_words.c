/* What a person reads of figures, whatever was measured for them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job/words.h"
#include "tests/unit/job_kit.h"

/* What is said of these figures of the job's first config. */
static void says_of(const char *extra, struct figures f, const char *expected)
{
	struct job *job = kit_running(extra, 0.9);
	char *verdict;

	kit_tell(job, kit_ask(job), 0.9, 50);
	verdict = words_verdict(job, job->trials[1], &f, NULL);
	cr_expect_eq(strncmp(verdict, expected, strlen(expected)), 0, "%s\n  and not\n%s", verdict,
		     expected);
	free(verdict);
	job_destroy(job);
}

Test(figure_words, a_ratio_is_said_where_it_is_a_number)
{
	says_of("", (struct figures){.gain = 0.5, .interval = {0, 0.75}},
		"2 times as fast (1 to 4), ");
	says_of("", (struct figures){.gain = 0.5, .interval = {0, 1}},
		"50 % better than the baseline in latency_ms (0 to 100 %), ");
	says_of("", (struct figures){.gain = 0.5, .interval = {-0.5, 1.5}},
		"50 % better than the baseline in latency_ms (-50 to 150 %), ");
	says_of("", (struct figures){.gain = 1, .interval = {NAN, NAN}},
		"100 % better than the baseline in latency_ms, ");
	says_of("", (struct figures){.gain = 1.5, .interval = {NAN, NAN}},
		"150 % better than the baseline in latency_ms, ");
	says_of("", (struct figures){.gain = -0.25, .interval = {-0.3125, -0.1}},
		"0.8 times as fast (0.762 to 0.909), ");
	says_of(", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": "
		"{\"metric\": "
		"\"latency_ms\", \"direction\": \"max\"}}",
		(struct figures){.gain = -0.25, .interval = {-0.3, -0.2}},
		"25 % worse than the baseline in latency_ms (20 to 30 %), ");
}

Test(figure_words, what_was_measured_twice_is_no_single_measurement)
{
	says_of("", (struct figures){.gain = 0.5, .interval = {NAN, NAN}, .measurements = 2},
		"2 times as fast, loses no accuracy, 2 of 2 operators in int8, measured 2 times");
}
