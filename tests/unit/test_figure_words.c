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

/* By means 2 times as fast; what medians of three or more say is named where it is another tenth. */
Test(figure_words, medians_are_named_where_they_differ_by_a_tenth)
{
	static const struct {
		double middle;
		int64_t measurements;
		const char *expected;
	} cases[] = {
		{0.2, 2, "2 times as fast (1 to 4), "},
		{0.2, 3, "2 times as fast (1 to 4; 1.25 times by medians), "},
		{0.5, 3, "2 times as fast (1 to 4), "},
		{0.455, 3, "2 times as fast (1 to 4), "},
		{0.445, 3, "2 times as fast (1 to 4; 1.8 times by medians), "},
		{0.56, 3, "2 times as fast (1 to 4; 2.27 times by medians), "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		says_of("",
			(struct figures){.gain = 0.5,
					 .interval = {0, 0.75},
					 .middle_gain = cases[i].middle,
					 .measurements = cases[i].measurements},
			cases[i].expected);
	}
	says_of(", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": "
		"{\"metric\": \"latency_ms\", \"direction\": \"max\"}}",
		(struct figures){
			.gain = 0.5, .interval = {NAN, NAN}, .middle_gain = 0.1, .measurements = 3},
		"50 % better than the baseline in latency_ms (10 % by medians), ");
}

Test(figure_words, three_medians_outweigh_a_mean)
{
	struct job *job = kit_running("", 0.9);
	struct figures f = {.feasible = true,
			    .gain = 0.5,
			    .interval = {0.1, 0.75},
			    .middle_gain = 0.01,
			    .measurements = 3};
	const struct trial *trial = kit_ask(job);

	cr_expect_str_eq(words_keep_because(job, trial, &f, true), "not_proved");
	cr_expect_null(words_keep_because(job, trial, &f, false), "it may still be");
	f.measurements = 2;
	cr_expect_null(words_keep_because(job, trial, &f, true));
	f.measurements = 3;
	f.middle_gain = 0.02;
	cr_expect_null(words_keep_because(job, trial, &f, true));
	f.middle_gain = NAN;
	cr_expect_null(words_keep_because(job, trial, &f, true));
	job_destroy(job);
}
