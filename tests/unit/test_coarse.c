/* What is said of a choice whose accuracy was measured on few samples. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/coarse.h"
#include "tests/unit/endgame_kit.h"

Test(coarse, accuracies_tell_of_how_many_samples_they_are)
{
	static const int right[] = {535, 533, 520, 97};
	double shares[4], percents[4], rounded[4];

	for (size_t i = 0; i < 4; i++) {
		shares[i] = right[i] / 543.0;
		percents[i] = 100 * shares[i];
		rounded[i] = round(1e6 * shares[i]) / 1e6;
	}
	cr_expect_eq(coarse_samples(shares, 4, 1, 2000), 543);
	cr_expect_eq(coarse_samples(percents, 4, 100, 2000), 543);
	cr_expect_eq(coarse_samples(rounded, 4, 1, 2000), 543);
	cr_expect_eq(coarse_samples(shares, 4, 1, 542), 0, "there are more than anybody asks for");
	cr_expect_eq(coarse_samples((double[]){0.9, 0.8, 0.9, 0.8}, 4, 1, 2000), 0,
		     "of two values nobody can tell");
	cr_expect_eq(coarse_samples((double[]){0.9, 0.8, 0.7}, 3, 1, 2000), 10);
	cr_expect_eq(coarse_samples((double[]){0.912345678, 0.8765432, 0.717171345}, 3, 1, 2000), 0,
		     "a mean of distances is no share");
	cr_expect_eq(coarse_samples(NULL, 0, 1, 2000), 0);
}

/* Against the normal distribution's table. */
Test(coarse, what_is_lost_near_the_bound_in_few_steps_may_be_luck)
{
	cr_expect_float_eq(coarse_chance(0, 6), 0.00135, 1e-5, "3 deviations");
	cr_expect_float_eq(coarse_chance(3, 6), 0.02275, 1e-5, "2 deviations");
	cr_expect_float_eq(coarse_chance(6, 6), 0.15866, 1e-5, "1 deviation");
	cr_expect_float_eq(coarse_chance(54, 54), 0.00135, 1e-5, "of many it is none");
}

/* With accuracies of 20 samples, of which one is 0.05. */
Test(coarse, where_one_sample_is_more_than_may_be_lost_that_is_told_whatever_comes_of_it)
{
	static const char *const extras[] = {"", ACCEPTANCE, ", \"min_gain\": 0.6"};
	static const struct says baseline[] = {{0.9, 100}, LAST};
	static const struct says others[] = {{0.9, 50}, {0.85, 40}, {0.7, 30}, LAST};
	/* Of the acceptance data, which are as few, nothing is said. */
	static const struct says fine[] = {{0.8987654321, 50}, LAST};

	for (size_t i = 0; i < 3; i++) {
		char *extra = mem_printf(BUDGET("3", "%s"), extras[i]);
		struct job *job = kit_measured_as(extra, others);
		char story[400];

		kit_play(job, baseline, i == 1 ? fine : others, story);
		cr_assert_eq(kit_count(job, LOGGED_WARNING), 1, "%s", story);
		cr_expect_str_eq(
			kit_text(job, LOGGED_WARNING, "detail"),
			"accuracies come in steps of 0.05, as those of 20 samples would, and "
			"0.009 may be lost: a single sample is more than that. Measure on "
			"more samples");
		job_destroy(job);
		free(extra);
	}
}

struct search {
	const char *extra;
	double accuracy;
	bool warns;
};

/* Three configs; the fastest has this accuracy, and nothing else of them is chosen. */
static void search(const struct search *s)
{
	const struct says others[] = {{s->accuracy, 50}, {0.5, 60}, {0.3, 70}, LAST};
	static const struct says baseline[] = {{0.9, 100}, LAST};
	struct job *job = kit_measured_as(s->extra, others);
	char story[400];

	kit_play(job, baseline, others, story);
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_expect_eq(kit_count(job, LOGGED_WARNING), s->warns, "%g: %s", s->accuracy, story);
	if (s->warns) {
		cr_expect_str_eq(
			kit_text(job, LOGGED_WARNING, "detail"),
			"accuracies come in steps of 0.002, as those of 500 samples would: by "
			"chance alone 1 in 13 configs that lose half as much again as is "
			"allowed would look as good as trial 1. Measure on more samples, "
			"or have the choice judged on others (acceptance)");
	}
	job_destroy(job);
}

/* 0.009 may be lost. */
Test(coarse, a_choice_that_a_few_samples_made_is_told)
{
	static const struct search searches[] = {
		{BUDGET("3", ""), 0.898, false},         /* 1 step of 4.5, 1 in 60 */
		{BUDGET("3", ""), 0.894, true},          /* 3 steps of 0.002 */
		{BUDGET("3", ""), 150, false},           /* neither a share nor a percentage */
		{BUDGET("3", ""), 0.8940123, false},     /* no share of anything */
		{BUDGET("3", ACCEPTANCE), 0.894, false}, /* other data has judged it */
		{BUDGET("3", ", \"min_gain\": 0.6"), 0.894, false}, /* nobody ships it */
	};

	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		search(&searches[i]);
	}
}
