/* What the verdict says of a config that measured better than the one that is handed over. */
#include <criterion/criterion.h>
#include <string.h>

#include "job/fold.h"
#include "tests/unit/endgame_kit.h"

static const struct says exact[] = {{0.9, 100}, LAST};

/* The clause of the verdict of a job that is played to its end, "" without one; and what is named then. */
static void ends_with(struct job *job, const struct says *baseline, const struct says *others,
		      int64_t named, const char *clause)
{
	char story[400];
	const char *verdict, *at;

	kit_play(job, baseline, others, story);
	verdict = kit_text(job, LOGGED_NEW_BEST, "verdict");
	at = strstr(verdict, "; trial");
	cr_expect_eq(job->named->number, named, "%lld: %s", (long long)job->named->number, story);
	cr_expect_str_eq(at != NULL ? at : "", clause, "%s", verdict);
	job_destroy(job);
}

Test(passed, what_other_data_cost_too_much_is_named)
{
	static const struct says search[] = {{0.892, 40}, {0.8999, 70}, LAST};
	static const struct says others[] = {{0.888, 40}, {0.893, 70}, LAST};

	ends_with(kit_measured_as(BUDGET("2", ACCEPTANCE), search), exact, others, 2,
		  "; trial 1 measured 2.5 times as fast, but loses 1.33 % where 1 % is allowed on "
		  "the acceptance data");
	ends_with(
		kit_measured_as(BUDGET("2", ""), search), exact, others, 2,
		"; trial 1 measured 2.5 times as fast, but loses 1.33 % where 1 % is allowed when "
		"it was measured again");
}

/* Nobody measured it again, since what was cost too much and had more to spare. */
Test(passed, what_could_not_bear_as_much_is_named)
{
	static const struct says search[] = {{0.8915, 40}, {0.8935, 50}, {0.897, 60}, LAST};
	static const struct says others[] = {{0.8895, 50}, {0.893, 60}, LAST};
	struct job *job = kit_measured_as(BUDGET("3", ACCEPTANCE), search);

	kit_prefer(job, 2);
	ends_with(job, exact, others, 3,
		  "; trial 1 measured 2.5 times as fast, but would miss the criterion if it lost "
		  "as much more as another did when that was measured again");
}

Test(passed, a_strategy_that_wants_to_be_sure_says_so)
{
	static const struct says search[] = {{0.892, 50}, {0.9, 60}, LAST};
	static const struct says varying[] = {{0.9001, 100}, {0.9, 101}, LAST};
	static const struct says others[] = {{0.9, 61}, {0.9, 60}, LAST};
	struct job *job = kit_measured_as(BUDGET("2", ""), search);

	kit_prefer(job, 2);
	ends_with(job, varying, others, 2,
		  "; trial 1 measured 2 times as fast, but is less sure to meet the criterion on "
		  "other data");
}

Test(passed, who_was_the_luckier_one_is_named)
{
	static const struct says others[] = {{0.9, 53}, {0.9, 51.5}, {0.9, 52}, LAST};

	ends_with(
		MEASURED(BUDGET("2", ""), 51, 50), steady, others, 1,
		"; trial 2 measured 2.01 times as fast, but was behind by the mean when both were "
		"measured again");
}

/* Nobody passed over what is behind the choice in the search, or what is as good. */
Test(passed, nothing_is_said_of_what_nobody_passed_over)
{
	static const struct says worse[] = {{0.9, 60}, {0.9, 61}, LAST};
	static const struct says same[] = {{0.9, 50}, LAST};

	ends_with(MEASURED(BUDGET("2", ""), 50, 55), steady, worse, 1, "");
	ends_with(MEASURED(BUDGET("2", ""), 50, 50), exact, same, 1, "");
}

/* Stages of INC that try to do better than what met the criterion, in another sense than that of the objective. */
Test(passed, a_later_stage_is_named)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 60);

	job->trials[2]->candidate.insists = true;
	job_choose_best(job);
	ends_with(
		job, exact, (const struct says[]){{0.9, 60}, LAST}, 2,
		"; trial 1 measured 2 times as fast, but the strategy goes on with what meets the "
		"criterion at a later stage");
}

Test(passed, the_first_that_gains_enough_is_what_was_asked_for)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 60);

	job->trials[2]->candidate.gains = true;
	job_choose_best(job);
	ends_with(job, exact, (const struct says[]){{0.9, 60}, LAST}, 2,
		  "; trial 1 measured 2 times as fast, but came later than the first one that "
		  "gains enough, at which the job ends");
}

/* While the search goes on what was rejected is named, too: the best has become a slower one. */
Test(passed, a_verdict_so_far_says_it)
{
	static const struct says search[] = {{0.892, 40}, {0.8999, 70}, LAST};
	struct job *job = kit_measured_as(BUDGET("9", ACCEPTANCE), search);
	json_t *data;
	const char *verdict;

	job_reject(job, job->trials[1]);
	data = job_best_data(job, job->best);
	verdict = json_string_value(json_object_get(data, "verdict"));
	cr_expect_not_null(strstr(verdict, "; trial 1 measured 2.5 times as fast, but "), "%s",
			   verdict);
	json_decref(data);
	job_destroy(job);
}

/* What is better of several objectives follows from all of them together, and from all trials. */
Test(passed, nothing_is_said_under_several_objectives)
{
	static const char *const search[] = {
		"{\"accuracy\": 0.892, \"latency_ms\": 40, \"metrics\": {\"power_w\": 4}}",
		"{\"accuracy\": 0.8999, \"latency_ms\": 70, \"metrics\": {\"power_w\": 7}}"};
	struct job *job = kit_running_from(
		", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\", "
		"\"max_trials\": 2, \"objective\": [\"latency_ms\", \"power_w\"]}",
		"{\"accuracy\": 0.9, \"latency_ms\": 100, \"metrics\": {\"power_w\": 10}}");
	json_t *data;

	for (size_t i = 0; i < 2; i++) {
		kit_answer(job, kit_ask(job), search[i]);
	}
	kit_settle(job);
	job_reject(job, job->trials[1]);
	data = job_best_data(job, job->best);
	cr_expect_null(strstr(json_string_value(json_object_get(data, "verdict")), "; trial"));
	json_decref(data);
	job_destroy(job);
}
