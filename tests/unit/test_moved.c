/* When the first measurement of the baseline counts no more, and what then follows for the figures of a choice. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/figures.h"
#include "tests/unit/job_kit.h"

/* One more measurement of the baseline, 0, or of the only config, 1. */
struct again {
	int64_t subject, round;
	double latency; /* 0 ends a list */
};

/* The baseline took 100 ms and one config 50, before they were measured again. */
static struct job *measured(const char *extra, const struct again *again)
{
	struct job *job = kit_running(extra, 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	for (; again->latency > 0; again++) {
		(void)kit_tell_again(job, again->subject, again->round, 0.9, again->latency);
	}
	return job;
}

static bool moved(const char *extra, const struct again *again)
{
	struct job *job = measured(extra, again);
	struct figures f;
	bool result;

	figures_init(&f, job, job->trials[1]);
	result = f.moved;
	figures_finish(&f);
	job_destroy(job);
	return result;
}

Test(moved, it_is_what_noise_does_not_explain)
{
	/* Twice within 0.03 of the logarithm of 135: with one degree of freedom 0.33 may be noise, and that is 0.30. */
	static const struct again near[] = {{1, 1, 50}, {0, 1, 131}, {0, 2, 139.1}, {0, 0, 0}},
				  far[] = {{1, 1, 50}, {0, 1, 141}, {0, 2, 149.7}, {0, 0, 0}};
	/* What the choice, or a round before the end game, shows of noise explains the same. */
	static const struct again choice[] = {
		{1, 1, 50}, {0, 1, 141}, {1, 2, 100}, {0, 2, 149.7}, {0, 0, 0}};
	static const struct again exact[] = {
		{1, 1, 50}, {0, 1, 130}, {1, 2, 50}, {0, 2, 130}, {0, 0, 0}};
	static const struct again before[] = {{0, 0, 1000}, {1, 1, 50},  {0, 1, 130},
					      {1, 2, 50},   {0, 2, 130}, {0, 0, 0}};

	cr_expect_not(moved("", near));
	cr_expect(moved("", far));
	cr_expect_not(moved("", choice));
	cr_expect(moved("", exact));
	cr_expect_not(moved("", before));
}

Test(moved, it_is_told_by_the_end_game_alone)
{
	static const struct again none[] = {{0, 0, 300}, {0, 0, 301}, {0, 0, 0}},
				  once[] = {{1, 1, 50}, {0, 1, 300}, {0, 0, 0}};

	cr_expect_not(moved("", none), "the choice has no measurement beside it");
	cr_expect_not(moved("", once), "nothing is known of noise");
}

Test(moved, what_was_measured_on_other_data_is_another_machine_for_all_that_is_known)
{
	static const struct again apart[] = {
		{1, 1, 50}, {0, 1, 300}, {1, 2, 50}, {0, 2, 300}, {0, 0, 0}};

	cr_expect_not(moved(", \"acceptance\": {\"subset\": {\"split\": \"fresh\"}}", apart));
}

/* The choice is held to those that took turns with it, and to those of the rounds before; its noise is that of 50, 148 and
 * 152, and of 290, 310 and 330. */
Test(moved, a_choice_is_held_to_the_later_ones)
{
	static const struct again later[] = {{0, 0, 330}, {1, 1, 148}, {0, 1, 290},
					     {1, 2, 152}, {0, 2, 310}, {0, 0, 0}};
	struct job *job = measured("", later);
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(*list));
	double a = (log(50) + log(148) + log(152)) / 3, b = (log(290) + log(310) + log(330)) / 3;
	double squares = pow(log(50) - a, 2) + pow(log(148) - a, 2) + pow(log(152) - a, 2) +
			 pow(log(290) - b, 2) + pow(log(310) - b, 2) + pow(log(330) - b, 2);
	struct noise noise;
	struct figures f;

	figures_init(&f, job, job->trials[1]);
	cr_expect(f.moved);
	cr_expect_float_eq(f.baseline[0], 310, 1e-9);
	cr_expect_float_eq(f.gain, 1 - 150.0 / 310, 1e-9);
	cr_expect_float_eq(f.middle_gain, 1 - 150.0 / 310, 1e-9);
	cr_expect_float_eq(f.baseline_accuracy[0], 0.9, 1e-9);
	noise = figures_noise(job, &f, true, list);
	cr_expect_eq(noise.degrees, 4);
	cr_expect_float_eq(noise.squares, squares, 1e-9);
	figures_finish(&f);
	figures_init(&f, job, job->trials[0]);
	cr_expect_not(f.moved, "it is not held to itself");
	cr_expect_float_eq(f.baseline[0], (100 + 330 + 290 + 310) / 4.0, 1e-9);
	figures_finish(&f);
	free(list);
	job_destroy(job);
}

/* Each objective has a median of its own. */
Test(moved, of_several_objectives_each_has_its_median)
{
	static const char *const two =
		", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": "
		"[\"latency_ms\", \"power_w\"]}";
	struct job *job = kit_running_from(
		two, "{\"accuracy\": 0.9, \"latency_ms\": 100, \"metrics\": {\"power_w\": 10}}");
	struct figures f;

	kit_answer(job, kit_ask(job),
		   "{\"accuracy\": 0.9, \"latency_ms\": 50, \"metrics\": {\"power_w\": 4}}");
	figures_init(&f, job, job->trials[1]);
	cr_expect_eq(f.middle[0], 50);
	cr_expect_eq(f.middle[1], 4);
	figures_finish(&f);
	job_destroy(job);
}
