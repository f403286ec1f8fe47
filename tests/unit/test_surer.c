/* Which config is tried next where the end game has rejected another. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/endgame.h"
#include "job/fold.h"
#include "space/config.h"
#include "tests/unit/endgame_kit.h"

#define TWO_OBJECTIVES                                                                             \
	", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\", "         \
	"\"max_trials\": 4, \"objective\": [\"latency_ms\", \"power_w\"]}" ACCEPTANCE

static const char *const two_metrics =
	"{\"accuracy\": 0.9, \"latency_ms\": 100, \"metrics\": {\"power_w\": 10}}";
static const struct says exact[] = {{0.9, 100}, LAST};

/* Plays the end game; the story of its first questions is as expected. */
static void play(struct job *job, const struct says *others, const char *expected)
{
	char story[400];

	kit_play(job, exact, others, story);
	cr_assert_eq(strncmp(story, expected, strlen(expected)), 0, "%s", story);
}

/* The other data cost every config 0.004: what has that to spare is tried, not what is fastest. */
Test(surer, what_other_data_cost_one_they_cost_the_next)
{
	static const struct says search[] = {
		{0.892, 40}, {0.8935, 50}, {0.897, 60}, {0.8995, 70}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.893, 60}, LAST};
	struct job *job = kit_measured_as(BUDGET("4", ACCEPTANCE), search);

	play(job, others, "0@1 1@1 0@2 3@2 ");
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_eq(job->rejections, 1);
	cr_assert_float_eq(job->excess, 0.004 / 0.009, 1e-9);
	cr_assert_eq(job->named->number, 3);
	cr_assert(
		json_is_false(json_object_get(kit_newest(job, LOGGED_NEW_BEST), "keep_baseline")));
	kit_check_again(job, BUDGET("4", ACCEPTANCE));
	job_destroy(job);
}

/* What decides comes from the log: between two choices a restart goes on with the same one. */
Test(surer, a_restart_goes_on_with_the_same_choice)
{
	static const struct says search[] = {{0.892, 40}, {0.8935, 50}, {0.897, 60}, LAST};
	struct job *job = kit_measured_as(BUDGET("3", ACCEPTANCE), search), *again;
	struct next next = kit_next(job);

	kit_tell(job, job_ask_again(job, &next), 0.9, 100);
	next = kit_next(job);
	kit_tell(job, job_ask_again(job, &next), 0.888, 40);
	cr_assert_eq(job->rejections, 1);
	again = kit_again(job, BUDGET("3", ACCEPTANCE));
	(void)job_settle(again);
	cr_assert_eq(again->excess, job->excess);
	cr_assert_eq(endgame_choice(again, "max_trials")->number, 3);
	cr_assert_eq(endgame_choice(job, "max_trials")->number, 3);
	job_destroy(again);
	job_destroy(job);
}

/* The first that can bear it is at the very bound. */
Test(surer, what_comes_to_the_bound_is_tried)
{
	static const struct says search[] = {{0.892, 40}, {0.8949, 50}, {0.895, 60}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.892, 60}, LAST};
	struct job *job = kit_measured_as(BUDGET("3", ACCEPTANCE), search);

	play(job, others, "0@1 1@1 0@2 3@2 ");
	job_destroy(job);
}

Test(surer, where_none_can_bear_it_the_one_that_loses_least_is_tried)
{
	static const struct says search[] = {
		{0.892, 40}, {0.8925, 50}, {0.894, 60}, {0.893, 70}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.885, 60}, {0.885, 70}, LAST};
	struct job *job = kit_measured_as(BUDGET("4", ACCEPTANCE), search);

	play(job, others, "0@1 1@1 0@2 3@2 0@3 4@3 ");
	cr_assert_eq(job->rejections, 3);
	cr_assert_float_eq(job->excess, 0.009 / 0.009, 1e-9, "the worst of them");
	cr_assert_eq(job->named->number, 4);
	cr_assert_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"),
			 "criterion_missed");
	job_destroy(job);
}

Test(surer, of_those_that_lose_as_little_the_better_one_is_tried)
{
	static const struct says search[] = {
		{0.892, 40}, {0.893, 60}, {0.893, 50}, {0.893, 70}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.892, 50}, LAST};
	struct job *job = kit_measured_as(BUDGET("4", ACCEPTANCE), search);

	play(job, others, "0@1 1@1 0@2 3@2 ");
	job_destroy(job);
}

/* One that had more to lose does not make the excess smaller. */
Test(surer, the_worst_excess_counts)
{
	static const struct says search[] = {
		{0.892, 40}, {0.8965, 50}, {0.897, 60}, {0.898, 70}, LAST};
	static const struct says others[] = {{0.887, 40}, {0.8905, 50}, {0.892, 70}, LAST};
	struct job *job = kit_measured_as(BUDGET("4", ACCEPTANCE), search);

	/* 0.005 first; the second could bear that, and 0.006 was lost; the third is at 0.006. */
	play(job, others, "0@1 1@1 0@2 2@2 0@3 3@3 ");
	cr_assert_float_eq(job->excess, 0.006 / 0.009, 1e-9);
	job_destroy(job);
}

/* On the same data one was lucky, which says little of the next; the last choice is the surer one. */
Test(surer, luck_is_no_reason_to_pass_the_next_but_the_last_is_a_surer_one)
{
	static const struct says search[] = {
		{0.892, 40}, {0.893, 50}, {0.894, 60}, {0.8985, 70}, LAST};
	static const struct says others[] = {{0.885, 40}, {0.887, 50}, {0.8975, 70}, LAST};
	struct job *job = kit_measured_as(BUDGET("4", ""), search);

	play(job, others, "0@1 1@1 0@2 2@2 0@3 4@3 ");
	cr_assert_eq(job->named->number, 4);
	cr_assert_eq(job->rejections, 2);
	job_destroy(job);
}

/* What is sure and gains nothing would only be another word for the baseline. */
Test(surer, what_gains_nothing_is_not_tried_for_it)
{
	static const struct says search[] = {{0.892, 40}, {0.8925, 50}, {0.9, 99}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.891, 50}, LAST};
	struct job *job = kit_measured_as(BUDGET("3", ACCEPTANCE), search);

	play(job, others, "0@1 1@1 0@2 2@2 ");
	cr_assert_eq(job->named->number, 2);
	job_destroy(job);
	/* ... unless there is nothing else. */
	job = kit_measured_as(BUDGET("2", ACCEPTANCE),
			      (const struct says[]){search[0], search[2], LAST});
	play(job, (const struct says[]){{0.888, 40}, {0.9, 99}, LAST}, "0@1 1@1 0@2 2@2 ");
	cr_assert_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"), "no_gain");
	job_destroy(job);
}

/* A strategy's choice stands if it can bear the excess, and what is faster is no longer believed. */
Test(surer, a_strategys_choice_has_to_bear_it_too)
{
	static const struct says search[] = {
		{0.892, 40}, {0.8925, 50}, {0.897, 60}, {0.898, 70}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.896, 70}, LAST};
	struct job *job = kit_measured_as(BUDGET("4", ACCEPTANCE), search);

	kit_prefer(job, 4);
	job_reject(job, job->trials[1]);
	job->rejections = 1;
	job->excess = 0.004 / 0.009;
	cr_assert_eq(job_final_choice(job)->number, 4, "it is the strategy's, and sure enough");
	kit_preferred = 2;
	cr_assert_eq(job_final_choice(job)->number, 3);
	job_destroy(job);
	job = kit_measured_as(BUDGET("4", ", \"confirm\": 2" ACCEPTANCE), search);
	kit_prefer(job, 4);
	job_reject(job, job->trials[1]);
	job->rejections = 1;
	job->excess = 0.004 / 0.009;
	play(job, &others[1], "0@1 4@1 0@2 4@2 ");
	cr_assert_eq(job->named->number, 4, "however exact all of it was");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0, "nobody was overruled");
	cr_assert_null(endgame_overruled(job, job->trials[1]), "least of all by what was rejected");
	job_destroy(job);
}

/* Each answer with a second metric, which costs what the first gains. */
Test(surer, of_several_objectives_as_well)
{
	static const char *const search[] = {
		"{\"accuracy\": 0.892, \"latency_ms\": 40, \"metrics\": {\"power_w\": 4}}",
		"{\"accuracy\": 0.893, \"latency_ms\": 50, \"metrics\": {\"power_w\": 5}}",
		"{\"accuracy\": 0.897, \"latency_ms\": 60, \"metrics\": {\"power_w\": 6}}",
		"{\"accuracy\": 0.898, \"latency_ms\": 70, \"metrics\": {\"power_w\": 7}}"};
	struct job *job = kit_running_from(TWO_OBJECTIVES, two_metrics);

	for (size_t i = 0; i < 4; i++) {
		kit_answer(job, kit_ask(job), search[i]);
	}
	kit_settle(job);
	cr_assert_eq(job_final_choice(job)->number, 1);
	job_reject(job, job->trials[1]);
	cr_assert_eq(job_final_choice(job)->number, 2, "nothing is known of what was lost");
	job->excess = 0.004 / 0.009;
	cr_assert_eq(job_final_choice(job)->number, 3);
	job->excess = 0.0085 / 0.009;
	cr_assert_eq(job_final_choice(job)->number, 4, "none can bear it");
	job_destroy(job);
}

/* Scaled over what was found, which is another order than that of their gains. */
Test(surer, several_objectives_are_weighed_as_they_always_are)
{
	static const char *const search[] = {
		"{\"accuracy\": 0.892, \"latency_ms\": 40, \"metrics\": {\"power_w\": 4}}",
		"{\"accuracy\": 0.893, \"latency_ms\": 41, \"metrics\": {\"power_w\": 5}}",
		"{\"accuracy\": 0.897, \"latency_ms\": 44, \"metrics\": {\"power_w\": 9.9}}",
		"{\"accuracy\": 0.898, \"latency_ms\": 48, \"metrics\": {\"power_w\": 9}}"};
	struct job *job = kit_running_from(TWO_OBJECTIVES, two_metrics);

	for (size_t i = 0; i < 4; i++) {
		kit_answer(job, kit_ask(job), search[i]);
	}
	kit_settle(job);
	cr_assert(candidate_better(&job->trials[4]->candidate, &job->trials[3]->candidate));
	job_reject(job, job->trials[1]);
	job->excess = 0.004 / 0.009;
	cr_assert_eq(job_final_choice(job)->number, 3);
	job_destroy(job);
}

/* Nobody can say what it gains. */
Test(surer, where_gains_mean_nothing_any_is_worth_it)
{
	struct job *job =
		kit_running_from(BUDGET("4", ACCEPTANCE), "{\"accuracy\": 0.9, \"latency_ms\": 0}");

	kit_tell(job, kit_ask(job), 0.892, 1);
	kit_tell(job, kit_ask(job), 0.893, 2);
	kit_tell(job, kit_ask(job), 0.897, 3);
	kit_settle(job);
	job_reject(job, job->trials[1]);
	job->excess = 0.004 / 0.009;
	cr_assert_eq(job_final_choice(job)->number, 3);
	job_destroy(job);
}

/* Nothing loses less than that, and it is no config to hand over. */
Test(surer, the_baselines_config_is_none)
{
	static const struct says search[] = {{0.892, 40}, {0.8925, 50}, LAST};
	const char *extra = BUDGET("3", ", \"min_gain\": 0" ACCEPTANCE);
	struct job *job = kit_measured_as(extra, search);
	const struct space *space = job->spec->space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	struct question same = {.kind = QUESTION_EVALUATE, .stage = "s"};

	for (size_t i = 0; i < space->member_count; i++) {
		size_t op = space->members[i].op;

		choices[op] = (uint16_t)(space_kind(space, op)->count - 1);
	}
	same.config = config_create(space, choices);
	cr_assert(config_is_baseline(same.config, space));
	cr_assert_null(job_ask(job, &same));
	kit_settle(job);
	job_reject(job, job->trials[1]);
	job->excess = 0.004 / 0.009;
	cr_assert_eq(job_final_choice(job)->number, 2);
	question_finish(&same);
	free(choices);
	job_destroy(job);
}

/* Who shares the measurement of a rejected config is the same config. */
Test(surer, a_config_is_rejected_once)
{
	static const struct says search[] = {{0.892, 40}, {0.8915, 60}, LAST};
	struct question same = {.kind = QUESTION_EVALUATE, .stage = "s"};
	static const struct says others[] = {{0.888, 40}, {0.8875, 60}, LAST};
	struct job *job = kit_measured_as(BUDGET("2", ACCEPTANCE), search);

	same.config = job->trials[1]->config;
	cr_assert_null(job_ask(job, &same));
	kit_settle(job);
	cr_assert(job_can_be_best(job->trials[3]));
	play(job, others, "0@1 1@1 0@2 2@2 ");
	cr_assert_not(job_can_be_best(job->trials[3]));
	cr_assert_eq(job->rejections, 2);
	cr_assert_eq(job->named->number, 2);
	job_destroy(job);
}
