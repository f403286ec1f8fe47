/* Which config is the best, what that is judged by, and what is said where none is good enough. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/fold.h"
#include "job/trial.h"
#include "job/unscored.h"
#include "tests/unit/job_kit.h"

/* More configs than the kit's four. */
#define MANY                                                                                       \
	", \"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "       \
	"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"], \"scheme\": [\"sym\", "   \
	"\"asym\"]}}}}, \"ops\": [{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": \"b\", "       \
	"\"type\": \"Conv\"}]}"
#define ON(trials, more)                                                                           \
	MANY ", \"confirm\": 0, \"tuning_criterion\": {\"strategy\": \"exhaustive\", "             \
	     "\"stop_on\": "                                                                       \
	     "\"budget\", \"max_trials\": " trials more "}"
#define TWO_OBJECTIVES ON("4", ", \"objective\": [\"latency_ms\", \"power_w\"]")

static void measure(struct job *job, double accuracy, double latency, double power)
{
	char *text = mem_printf("{\"accuracy\": %g, \"latency_ms\": %g, \"metrics\": {\"power_w\": "
				"%g}}",
				accuracy, latency, power);

	kit_answer(job, kit_ask(job), text);
	kit_settle(job);
	free(text);
}

static struct job *two_objectives(void)
{
	return kit_running_from(TWO_OBJECTIVES, "{\"accuracy\": 0.9, \"latency_ms\": 100, "
						"\"metrics\": {\"power_w\": 10}}");
}

static double rank_of(const struct job *job, size_t trial)
{
	const json_t *value = json_array_get(
		json_object_get(kit_newest(job, LOGGED_TRIALS_RANKED), "values"), trial);

	return json_is_number(value) ? json_number_value(value) : -1;
}

/* Each objective is scaled from the best to the worst of all: only at the end is it known who is best. */
Test(judge, several_objectives_are_weighed_when_all_is_measured)
{
	struct job *job = two_objectives();

	measure(job, 0.9, 18, 9);
	measure(job, 0.9, 80, 1);
	measure(job, 0.9, 20, 1.25);
	measure(job, 0.5, 10, 1);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(job->named->number, 3);
	cr_assert_eq(kit_count(job, LOGGED_TRIALS_RANKED), 1);
	cr_assert_eq(rank_of(job, 0), -1, "the baseline has no rank");
	cr_assert_lt(rank_of(job, 3), rank_of(job, 1));
	cr_assert_lt(rank_of(job, 3), rank_of(job, 2));
	cr_assert_eq(json_number_value(
			     json_object_get(kit_newest(job, LOGGED_NEW_BEST), "objective_value")),
		     rank_of(job, 3));
	cr_assert(job->ranked);
	kit_check_again(job, TWO_OBJECTIVES);
	job_destroy(job);
}

Test(judge, who_shares_a_measurement_shares_its_rank)
{
	struct job *job = two_objectives();
	struct question same = {.kind = QUESTION_EVALUATE, .stage = "again"};

	measure(job, 0.9, 18, 9);
	measure(job, 0.9, 80, 1);
	same.config = job->trials[1]->config;
	cr_assert_null(job_ask(job, &same));
	measure(job, 0.9, 20, 1.25);
	measure(job, 0.5, 10, 1);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(rank_of(job, 3), rank_of(job, 1));
	cr_assert_eq(job->named->number, 4);
	job_destroy(job);
}

/* Only what was measured of a config has a rank, and a value that it comes from. */
Test(judge, what_failed_and_what_was_measured_again_has_no_rank)
{
	struct job *job = two_objectives();
	struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = 1};
	struct trial *again;
	char *told;

	measure(job, 0.9, 18, 9);
	measure(job, 0.9, 80, 1);
	measure(job, 0.9, 20, 1.25);
	again = job_ask_again(job, &next);
	kit_answer(job, again,
		   "{\"accuracy\": 0.9, \"latency_ms\": 19, \"metrics\": {\"power_w\": 9}}");
	told = mem_dup(again->told);
	kit_fail(job, kit_ask(job), "crashed");
	kit_settle(job);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(kit_count(job, LOGGED_TRIALS_RANKED), 1);
	cr_assert_str_eq(again->told, told);
	cr_assert_null(job->trials[5]->told);
	free(told);
	job_destroy(job);
}

Test(judge, one_objective_ranks_nobody)
{
	struct job *job = kit_running(ON("1", ""), 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(kit_count(job, LOGGED_TRIALS_RANKED), 0);
	cr_assert_null(job_ranked_data(job));
	job_destroy(job);
}

Test(judge, nothing_that_meets_the_criterion_is_not_ranked)
{
	struct job *job = two_objectives();

	for (int i = 0; i < 4; i++) {
		measure(job, 0.5 + 0.01 * i, 20, 9);
	}
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(kit_count(job, LOGGED_TRIALS_RANKED), 0);
	cr_assert_eq(job->named->number, 4, "the smallest miss");
	job_destroy(job);
}

Test(judge, a_new_measurement_or_a_rejection_makes_old_ranks_void)
{
	struct job *job = two_objectives();
	json_t *ranks;

	measure(job, 0.9, 18, 9);
	measure(job, 0.9, 80, 1);
	job_record(job, LOGGED_TRIALS_RANKED, -1, job_ranked_data(job));
	cr_assert_null(job_ranked_data(job), "that is known");
	measure(job, 0.9, 20, 1.25);
	cr_assert_not(job->ranked);
	job_record(job, LOGGED_TRIALS_RANKED, -1, job_ranked_data(job));
	job_reject(job, job->trials[3]);
	ranks = job_ranked_data(job);
	cr_assert_not_null(ranks);
	cr_assert(json_is_null(json_array_get(json_object_get(ranks, "values"), 3)));
	json_decref(ranks);
	job_destroy(job);
}

#define RULES_1                                                                                    \
	", \"rules\": 1, \"confirm\": 2, \"tuning_criterion\": {\"strategy\": \"exhaustive\"}"

static void confirm(struct job *job, double accuracy)
{
	struct next next = kit_next(job);

	cr_assert_eq(next.step, NEXT_CONFIRM);
	cr_assert_eq(next.trial, job->best->number);
	kit_tell(job, job_ask_again(job, &next), accuracy, 50);
	kit_settle(job);
}

/* By the first rules the median of the winner's own measurement and two more decides. */
Test(judge, old_jobs_confirm_by_the_median)
{
	struct job *job = kit_running(RULES_1, 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	confirm(job, 0.5);
	cr_assert_not(job->trials[1]->rejected, "one is not enough");
	confirm(job, 0.895);
	cr_assert_not(job->trials[1]->rejected, "0.5 is the outlier");
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_str_eq(kit_exit(job, "reason"), "criterion_met");
	kit_check_again(job, RULES_1);
	job_destroy(job);
	job = kit_running(RULES_1, 0.9);
	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	confirm(job, 0.5);
	confirm(job, 0.6);
	cr_assert(job->trials[1]->rejected);
	cr_assert_null(job->best);
	cr_assert_str_eq(kit_text(job, LOGGED_MEASUREMENT_DISAGREES, "detail"),
			 "measured again, the config does not meet the criterion");
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY, "the search goes on");
	kit_tell(job, kit_ask(job), 0.9, 60);
	kit_settle(job);
	confirm(job, 0.5);
	confirm(job, 0.9);
	cr_assert_not(job->best->rejected, "what was measured of another one is none of its own");
	kit_check_again(job, RULES_1);
	job_destroy(job);
}

/* Of an even number the mean of the two in the middle: 0.88 and 0.9 have lost too much, 0.885 and 0.9 have not. */
Test(judge, the_median_of_an_even_number_is_between_two)
{
	const char *extra = ", \"rules\": 1, \"confirm\": 1, \"tuning_criterion\": {\"strategy\": "
			    "\"exhaustive\"}";
	struct job *job = kit_running(extra, 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	confirm(job, 0.88);
	cr_assert(job->trials[1]->rejected);
	job_destroy(job);
	job = kit_running(extra, 0.9);
	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	confirm(job, 0.885);
	cr_assert_not(job->trials[1]->rejected);
	job_destroy(job);
}

/* Of several accuracies each must hold in its own median. */
Test(judge, every_accuracy_is_confirmed)
{
	const char *extra = ", \"rules\": 1, \"confirm\": 2, \"accuracy_criterion\": {\"metrics\": "
			    "[{\"name\": \"x\"}, {\"name\": \"y\"}]}";

	for (int bad = 0; bad < 3; bad++) {
		struct job *job = kit_running_from(
			extra, "{\"accuracy\": {\"x\": 1, \"y\": 1}, \"latency_ms\": 100}");

		kit_answer(job, kit_ask(job),
			   "{\"accuracy\": {\"x\": 1, \"y\": 1}, \"latency_ms\": 50}");
		kit_settle(job);
		for (int i = 0; i < 2; i++) {
			char *text = mem_printf("{\"accuracy\": {\"x\": %g, \"y\": %g}, "
						"\"latency_ms\": 50}",
						bad == 1 ? 0.5 : 1, bad == 2 ? 0.5 : 1);
			struct next next = kit_next(job);

			kit_answer(job, job_ask_again(job, &next), text);
			kit_settle(job);
			free(text);
		}
		cr_expect_eq(job->trials[1]->rejected, bad > 0, "%d", bad);
		job_destroy(job);
	}
}

Test(judge, what_failed_is_no_measurement_in_a_median)
{
	struct job *job = kit_running(RULES_1, 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	for (int i = 0; i < 2; i++) {
		struct next next = kit_next(job);

		kit_fail(job, job_ask_again(job, &next), "crashed");
	}
	cr_assert_not(job->trials[1]->rejected);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_str_eq(kit_exit(job, "reason"), "criterion_met");
	job_destroy(job);
}

Test(judge, old_jobs_say_less_of_their_best)
{
	struct job *job = kit_running(RULES_1, 0.9);
	const json_t *best;

	kit_tell(job, kit_ask(job), 0.899, 50);
	kit_settle(job);
	best = kit_newest(job, LOGGED_NEW_BEST);
	cr_assert_null(json_object_get(best, "verdict"));
	cr_assert_null(json_object_get(best, "gain"));
	cr_assert_float_eq(json_number_value(json_object_get(best, "speedup")), 2, 1e-9);
	cr_assert_float_eq(json_number_value(json_object_get(best, "accuracy_loss")), 0.001 / 0.9,
			   1e-9);
	cr_assert_eq(json_number_value(json_object_get(best, "objective_value")), 50);
	job_destroy(job);
}

/* Who fills a front wants the other objective alone: what accuracy is worth, it learns from the margin. */
Test(judge, a_strategy_that_looks_for_a_front_is_told_the_other_objective)
{
	struct job *job =
		kit_running(", \"tuning_criterion\": {\"strategy\": \"sgp\", \"stop_on\": "
			    "\"budget\", \"max_trials\": 4, \"objective\": [\"accuracy\", "
			    "\"latency_ms\"]}",
			    0.9);
	struct trial *trial = kit_ask(job);

	kit_tell(job, trial, 0.895, 50);
	cr_assert_eq(job_told_objective(job, trial), 50);
	cr_assert_neq(trial->candidate.objective, 50, "that is weighed");
	trial->candidate.objective = NAN;
	cr_assert(isnan(job_told_objective(job, trial)), "what was never measured");
	job_destroy(job);
	job = kit_running("", 0.9);
	trial = kit_ask(job);
	kit_tell(job, trial, 0.895, 50);
	cr_assert_eq(job_told_objective(job, trial), trial->candidate.objective);
	job_destroy(job);
}

/* JSON has no infinity, and what stands for it is no number that anybody should read. */
Test(judge, a_margin_without_bounds_is_not_said)
{
	struct job *job =
		kit_running_from(", \"accuracy_criterion\": {\"higher_is_better\": false}",
				 "{\"accuracy\": 1e-300, \"latency_ms\": 100}");
	struct trial *trial = kit_ask(job);

	kit_tell(job, trial, 1e300, 50);
	cr_assert_eq(trial->candidate.margin, -1e100);
	cr_assert(json_is_null(json_object_get(kit_newest(job, LOGGED_TRIAL_TOLD), "margin")));
	job_destroy(job);
}

/* For who shows a config beside another baseline, too. */
Test(judge, a_gain_is_said_beside_the_speedup)
{
	const double values[] = {50}, baseline[] = {100};
	struct job *job = kit_running("", 0.9);
	json_t *data = json_object();

	job_add_gain(job->spec, values, baseline, data);
	cr_assert_eq(json_number_value(json_object_get(data, "speedup")), 2);
	cr_assert_eq(json_number_value(json_object_get(data, "gain")), 0.5);
	json_decref(data);
	job_destroy(job);
}

Test(judge, a_job_whose_configs_gain_nothing_says_so_once)
{
	struct job *job = kit_running(ON("8", ""), 0.9);

	for (int i = 0; i < 4; i++) {
		kit_tell(job, kit_ask(job), 0.9, 99);
		kit_settle(job);
	}
	cr_assert_eq(kit_count(job, LOGGED_NO_GAIN_SO_FAR), 0);
	kit_tell(job, kit_ask(job), 0.9, 99);
	kit_settle(job);
	cr_assert_eq(kit_count(job, LOGGED_NO_GAIN_SO_FAR), 1);
	cr_assert_eq(json_integer_value(
			     json_object_get(kit_newest(job, LOGGED_NO_GAIN_SO_FAR), "measured")),
		     5);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_NO_GAIN_SO_FAR, "detail"),
				  "none of the first 5 configs that were measured is better by 2 % "
				  "(1.02 times as fast) or more: see "));
	kit_tell(job, kit_ask(job), 0.9, 99);
	kit_settle(job);
	cr_assert_eq(kit_count(job, LOGGED_NO_GAIN_SO_FAR), 1);
	job_destroy(job);
}

/* Only what was measured here, of a config, on all of the data. */
Test(judge, nothing_else_is_a_config_without_a_gain)
{
	struct job *job = kit_running(ON("4", ""), 0.9);
	struct question same = {.kind = QUESTION_EVALUATE, .stage = "again"};
	struct trial *part;

	kit_record(job, LOGGED_TRIAL_IMPORTED, 1,
		   "{\"kind\": \"evaluate\", \"stage\": \"import\", \"source\": \"imported\", "
		   "\"config\": [], \"accuracy\": 0.9, \"metrics\": {\"latency_ms\": 100}}");
	kit_settle(job);
	cr_assert_eq(job->gainless, 0, "that was measured elsewhere");
	same.config = job->trials[1]->config;
	cr_assert_null(job_ask(job, &same));
	kit_settle(job);
	cr_assert_eq(job->gainless, 0, "nor is who shares it one");
	part = kit_ask(job);
	part = part != NULL ? part : kit_ask(job); /* the first may be what was imported */
	part->partial = true;
	kit_tell(job, part, 0.9, 100);
	kit_settle(job);
	cr_assert_eq(job->gainless, 0, "part of the data says little of the speed");
	kit_fail(job, kit_ask(job), "crashed");
	kit_settle(job);
	cr_assert_eq(job->gainless, 0);
	kit_tell(job, kit_ask(job), 0.9, 100);
	kit_settle(job);
	cr_assert_eq(job->gainless, 1);
	job_destroy(job);
}

Test(judge, one_gain_is_enough_to_be_silent)
{
	struct job *job = kit_running(ON("8", ""), 0.9);

	kit_tell(job, kit_ask(job), 0.5, 50);
	for (int i = 0; i < 6; i++) {
		kit_tell(job, kit_ask(job), 0.9, 99);
	}
	kit_settle(job);
	cr_assert_eq(kit_count(job, LOGGED_NO_GAIN_SO_FAR), 0);
	job_destroy(job);
}

#define FIRST_GAIN                                                                                 \
	", \"confirm\": 0, \"min_gain\": 0.1, \"tuning_criterion\": {\"strategy\": "               \
	"\"exhaustive\", \"stop_on\": \"first_gain\"}"

Test(judge, the_first_that_gains_ends_the_search)
{
	struct job *job = kit_running(FIRST_GAIN, 0.9);

	kit_tell(job, kit_ask(job), 0.9, 95);
	kit_settle(job);
	cr_assert_null(job_exit_reason(job), "it gains too little");
	kit_tell(job, kit_ask(job), 0.5, 50);
	kit_settle(job);
	cr_assert_null(job_exit_reason(job), "it misses the criterion");
	kit_tell(job, kit_ask(job), 0.9, 90);
	kit_settle(job);
	cr_assert_str_eq(job_exit_reason(job), "criterion_met");
	cr_assert_eq(job->best->number, 3);
	cr_assert(job->best->candidate.gains);
	job_destroy(job);
	job = kit_running(FIRST_GAIN, 0.9);
	kit_tell(job, kit_ask(job), 0.9, 90);
	kit_settle(job);
	cr_assert_str_eq(job_exit_reason(job), "criterion_met", "it may be the first of all");
	job_destroy(job);
}

#define ON_FEW ", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\"}"

/* Everything in fp32: that is what the baseline is. */
Test(judge, a_config_that_is_the_baseline_is_not_measured)
{
	struct job *job = kit_running(ON_FEW, 0.9);
	struct config_change changes[] = {{0, 2}, {1, 2}};
	struct config *config = config_from_changes(job->spec->space, changes, 2);
	struct question question = {.kind = QUESTION_EVALUATE, .stage = "s", .config = config};

	cr_assert(job_is_baseline(job, config));
	cr_assert_null(job_ask(job, &question));
	cr_assert_eq(job->trials[1]->twin, 0);
	cr_assert_eq(job->trials[1]->objectives[0], 100);
	cr_assert(job->trials[1]->candidate.feasible);
	cr_assert_eq(job->charged, 0);
	question.again = true;
	cr_assert_null(job_ask(job, &question), "nor again: the end game sees to the baseline");
	cr_assert(job->trials[2]->cached);
	kit_settle(job);
	cr_assert_null(job->best, "it gains nothing on itself");
	config_destroy(config);
	job_destroy(job);
}

/* Who is measured again to learn more of it is not lucky twice: its first measurement stands for it. */
Test(judge, a_config_that_is_measured_again_is_as_good_as_it_was_first)
{
	struct job *job = kit_running(ON_FEW, 0.9);
	struct question again = {.kind = QUESTION_EVALUATE, .stage = "s", .again = true};
	struct trial *second;

	kit_tell(job, kit_ask(job), 0.9, 50);
	again.config = job->trials[1]->config;
	second = job_ask(job, &again);
	cr_assert_not_null(second);
	cr_assert_eq(second->twin, 1);
	kit_tell(job, second, 0.9, 30);
	kit_settle(job);
	cr_assert_not(job_can_be_best(second));
	cr_assert_eq(job->best->number, 1);
	again.again = false;
	cr_assert_null(job_ask(job, &again));
	kit_settle(job);
	cr_assert(job_can_be_best(job->trials[3]), "who shares it is as good");
	job_destroy(job);
}

/* Older logs do not say what had been shown by the end: the choice is among all. */
Test(judge, an_old_end_leaves_the_choice_among_all_results)
{
	struct job *job = kit_running(ON("3", ""), 0.9);

	kit_tell(job, kit_ask(job), 0.9, 70);
	kit_settle(job);
	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_tell(job, kit_ask(job), 0.9, 40);
	kit_record(job, LOGGED_NEW_BEST, 2, "{}");
	kit_record(job, LOGGED_STATE_CHANGED, -1, "{\"state\": \"completed\"}");
	cr_assert_eq(job->best->number, 2, "as it was named");
	job_exclude(job, job->trials[2], "busy");
	cr_assert_eq(job->best->number, 3);
	job_destroy(job);
}
