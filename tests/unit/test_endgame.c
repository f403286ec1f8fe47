/* What is measured again before a job ends, in which order, for how long, and what comes of it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/endgame.h"
#include "job/words.h"
#include "tests/unit/job_kit.h"

enum { STEPS_MAX = 40 };

/* What an evaluator says to the questions of the end game, the last one for ever. */
struct says {
	double accuracy, latency; /* 0, 0: it fails */
};

/*
 * Goes on until the job has no more to do; writes down which trials were measured again, and in which round. Baselines
 * take what `baseline` says, the others what `others` says.
 */
static void play(struct job *job, const struct says *baseline, const struct says *others,
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

#define LAST {-1, -1}
#define BUDGET(trials, more)                                                                       \
	", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\", "         \
	"\"max_trials\": " trials "}" more

static const struct says steady[] = {{0.9, 100}, {0.9, 101}, {0.9, 99}, LAST};

/* Configs with these latencies, all as accurate as the baseline. */
static struct job *measured(const char *extra, const double *latencies, size_t count)
{
	struct job *job = kit_running(extra, 0.9);

	for (size_t i = 0; i < count; i++) {
		kit_tell(job, kit_ask(job), 0.9, latencies[i]);
		kit_settle(job);
	}
	return job;
}

#define MEASURED(extra, ...)                                                                       \
	measured(extra, (double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double))

Test(endgame, baseline_and_choice_are_measured_in_turns)
{
	static const struct says others[] = {{0.9, 51}, {0.9, 50}, {0.9, 49}, LAST};
	struct job *job = MEASURED(BUDGET("2", ", \"confirm\": 3"), 50, 80);
	char story[400];

	play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 1@1 0@2 1@2 0@3 1@3 ");
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_str_eq(kit_exit(job, "reason"), "max_trials");
	cr_assert_eq(kit_count(job, LOGGED_MEASUREMENT_DISAGREES), 0);
	kit_check_again(job, BUDGET("2", ", \"confirm\": 3"));
	job_destroy(job);
}

Test(endgame, none_where_nobody_wants_one)
{
	struct job *job = MEASURED(BUDGET("2", ", \"confirm\": 0"), 50, 80);
	char story[400];

	play(job, steady, steady, story);
	cr_assert_str_eq(story, "");
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_not(endgame_applies(job, "max_trials"));
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 80);
	cr_assert(endgame_applies(job, "max_trials"));
	cr_assert(endgame_applies(job, "timeout"));
	cr_assert_not(endgame_applies(job, "too_many_failures"));
	job_destroy(job);
}

Test(endgame, none_where_nothing_is_to_be_handed_over)
{
	struct job *job = kit_running(BUDGET("1", ""), 0.9);
	char story[400];

	kit_tell(job, kit_ask(job), 0.5, 50);
	play(job, steady, steady, story);
	cr_assert_str_eq(story, "", "it misses the criterion");
	cr_assert_eq(job->state, JOB_COMPLETED);
	job_destroy(job);
	job = kit_running(BUDGET("1", ", \"max_failed_trials\": 5"), 0.9);
	kit_fail(job, kit_ask(job), "crashed");
	play(job, steady, steady, story);
	cr_assert_str_eq(story, "");
	cr_assert_eq(job->state, JOB_FAILED);
	job_destroy(job);
}

/* What is within 5 % may be behind by chance. */
Test(endgame, who_is_near_the_winner_gets_a_chance)
{
	static const struct says others[] = {{0.9, 53}, {0.9, 49}, {0.9, 50}, LAST};
	struct job *job = MEASURED(BUDGET("3", ""), 80, 50, 52.5);
	char story[400];

	play(job, steady, others, story);
	/* The winner, 50 and 53, stands at 51.5; the rival, 52.5 and 49, at 50.75. */
	cr_assert_str_eq(story, "0@0 2@0 3@0 0@1 3@1 ");
	cr_assert_eq(job->named->number, 3);
	job_destroy(job);
}

Test(endgame, who_is_far_behind_gets_none)
{
	static const struct says others[] = {{0.9, 51}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52.6);
	char story[400];

	play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 1@1 ");
	cr_assert_eq(job->named->number, 1);
	job_destroy(job);
}

Test(endgame, a_rival_that_stays_behind_is_not_chosen)
{
	static const struct says others[] = {{0.9, 50}, {0.9, 53}, {0.9, 50}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);
	char story[400];

	play(job, steady, others, story);
	cr_assert_str_eq(story, "0@0 1@0 2@0 0@1 1@1 ");
	cr_assert_eq(job->named->number, 1);
	job_destroy(job);
}

/* The first that meets the criterion is the answer, however near others are. */
Test(endgame, there_is_no_rival_where_the_first_is_taken)
{
	static const struct says others[] = {{0.9, 51}, LAST};
	struct job *job = kit_running("", 0.9);
	char story[400];

	kit_tell(job, kit_ask(job), 0.9, 50);
	play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 1@1 ");
	cr_assert_str_eq(kit_exit(job, "reason"), "criterion_met");
	job_destroy(job);
}

/* 3 % are wanted, and noise leaves open whether these are. */
Test(endgame, it_goes_on_while_the_gain_is_open_and_not_for_ever)
{
	static const struct says baseline[] = {{0.9, 110}, {0.9, 92}, {0.9, 100}, LAST};
	static const struct says others[] = {{0.9, 90}, {0.9, 106}, {0.9, 97}, LAST};
	struct job *job = MEASURED(
		BUDGET("1", ", \"min_gain\": 0.03, \"confirm\": 1, \"confirm_max\": 3"), 96);
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@1 1@1 0@2 1@2 0@3 1@3 ", "confirm_max rounds");
	job_destroy(job);
	job = MEASURED(BUDGET("1", ", \"min_gain\": 0.03, \"confirm\": 1, \"confirm_max\": 9"), 96);
	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@1 1@1 0@2 1@2 0@3 1@3 0@4 1@4 ",
			 "eight questions where the search itself had few");
	job_destroy(job);
}

/* Nothing would be learnt from more of the same. */
Test(endgame, what_is_exact_is_measured_once_more)
{
	static const struct says baseline[] = {{0.9, 100}, LAST};
	static const struct says others[] = {{0.9, 50}, LAST};
	struct job *job = MEASURED(BUDGET("1", ", \"confirm\": 4"), 50);
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@1 1@1 ");
	job_destroy(job);
}

Test(endgame, a_choice_that_misses_the_criterion_is_no_choice)
{
	static const struct says baseline[] = {{0.9, 100}, {0.9, 101}, LAST};
	static const struct says others[] = {{0.85, 50}, {0.9, 61}, {0.9, 62}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 50, 60);
	struct next again = {.step = NEXT_CONFIRM, .round = 1};
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@1 1@1 0@2 2@2 ");
	cr_assert_eq(kit_count(job, LOGGED_MEASUREMENT_DISAGREES), 1);
	cr_assert_str_eq(kit_text(job, LOGGED_MEASUREMENT_DISAGREES, "detail"),
			 "measured again, trial 1 does not meet the criterion: it loses 5.56 % "
			 "where 1 % is allowed");
	cr_assert_eq(job->rejections, 1);
	cr_assert_eq(job->named->number, 2);
	again.trial = 1;
	kit_tell(job, job_ask_again(job, &again), 0.7, 50);
	cr_assert_eq(job->rejections, 1, "it is rejected once");
	kit_check_again(job, BUDGET("2", ""));
	job_destroy(job);
}

/* In the mean of as many rounds as are wanted, not at the first bad one. */
Test(endgame, one_bad_measurement_rejects_nobody)
{
	static const struct says baseline[] = {{0.9, 100}, {0.9, 101}, LAST};
	static const struct says others[] = {{0.885, 50}, {0.9, 51}, {0.9, 52}, LAST};
	struct job *job = MEASURED(BUDGET("1", ", \"confirm\": 3"), 50);
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@1 1@1 0@2 1@2 0@3 1@3 ");
	cr_assert_eq(job->rejections, 0);
	cr_assert_eq(job->named->number, 1);
	job_destroy(job);
}

Test(endgame, three_choices_are_tried_when_the_search_is_over)
{
	static const struct says baseline[] = {{0.9, 100}, {0.9, 101}, LAST};
	static const struct says others[] = {{0.8, 50}, {0.8, 61}, {0.8, 71}, {0.9, 80}, LAST};
	struct job *job = MEASURED(BUDGET("4", ""), 50, 60, 70, 80);
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@1 1@1 0@2 2@2 0@3 3@3 ");
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_eq(job->named->number, 3, "the last one, and what is known of it");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0, "no strategy was overruled");
	cr_assert_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"),
			 "criterion_missed");
	job_destroy(job);
}

Test(endgame, who_cannot_be_measured_again_is_handed_over_with_a_warning)
{
	static const struct says fails[] = {{0, 0}, LAST};
	struct job *job = MEASURED(BUDGET("1", ""), 50);
	char story[400];

	play(job, steady, fails, story);
	cr_assert_str_eq(story, "0@1 1@1 ");
	cr_assert_eq(job->named->number, 1);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"),
				  "the choice, trial 1, could not be measured again: crashed"));
	job_destroy(job);
	job = MEASURED(BUDGET("1", ""), 50);
	play(job, fails, steady, story);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"),
				  "the baseline could not be measured again: crashed"));
	job_destroy(job);
}

Test(endgame, a_given_baseline_is_not_measured)
{
	static const struct says others[] = {{0.9, 51}, {0.9, 50}, {0.9, 53}, LAST};
	const char *extra = BUDGET("2", ", \"confirm\": 2, \"evaluator\": {\"pool\": \"gpu\", "
					"\"baseline\": {}}");
	struct job *job = MEASURED(extra, 50, 80);
	char story[400];

	play(job, steady, others, story);
	cr_assert_str_eq(story, "1@1 1@2 ");
	job_destroy(job);
	job = MEASURED(extra, 50, 51);
	play(job, steady, others, story);
	cr_assert_str_eq(story, "1@0 2@0 1@1 1@2 ");
	job_destroy(job);
}

/* Workers differ in more than noise: who has measured the baseline measures the choice. */
Test(endgame, a_round_is_one_workers)
{
	struct job *job = MEASURED(BUDGET("1", ""), 50);
	struct next next = kit_next(job);
	struct trial *baseline, *choice;

	cr_assert_null(endgame_worker(job, job->trials[1]), "of no end game");
	baseline = job_ask_again(job, &next);
	cr_assert_null(endgame_worker(job, baseline), "the first may be anybody's");
	kit_record(job, LOGGED_QUESTION_LEASED, baseline->number,
		   "{\"lease\": \"l\", \"worker\": \"w1\", \"attempt\": 1}");
	cr_assert_eq(kit_next(job).step, NEXT_REST, "one at a time");
	kit_tell(job, baseline, 0.9, 99);
	next = kit_next(job);
	choice = job_ask_again(job, &next);
	cr_assert_str_eq(endgame_worker(job, choice), "w1");
	choice->round++;
	cr_assert_null(endgame_worker(job, choice), "another round begins anew");
	job_destroy(job);
}

Test(endgame, a_first_measurement_that_was_too_good_is_said)
{
	static const struct says baseline[] = {{0.9, 100}, {0.9, 101}, LAST};
	static const struct says others[] = {{0.9, 60}, {0.9, 61}, {0.9, 62}, LAST};
	struct job *job = MEASURED(BUDGET("1", ", \"confirm\": 3"), 50);
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(kit_text(job, LOGGED_MEASUREMENT_DISAGREES, "detail"),
			 "latency_ms was 50 when it was measured first and 61 in the mean of 3 "
			 "measurements since: the later ones count");
	cr_assert_eq(strncmp(kit_text(job, LOGGED_NEW_BEST, "verdict"), "1.65 times as fast (", 20),
		     0);
	job_destroy(job);
}

static int64_t chosen;

static int64_t choose(const void *state)
{
	(void)state;
	return chosen;
}

/* The job's strategy would hand over this trial. */
static struct strategy_ops prefer(struct job *job, int64_t number)
{
	struct strategy_ops ops = *job->strategy.ops;

	ops.choose = choose;
	chosen = number;
	return ops;
}

/* It prefers what is surer. Where accuracies do not vary, nothing was lucky, and the better one is as sure. */
Test(endgame, a_strategys_choice_stands_unless_accuracies_do_not_vary)
{
	static const struct says others[] = {{0.9, 51}, {0.9, 50}, LAST};
	static const struct says varying[] = {{0.9001, 100}, {0.9, 101}, LAST};
	static const struct says worse[] = {{0.9, 61}, {0.9, 60}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 50, 60);
	struct strategy_ops ops = prefer(job, 2);
	char story[400];

	job->strategy.ops = &ops;
	play(job, varying, worse, story);
	cr_assert_eq(strncmp(story, "0@1 2@1 ", 8), 0, "%s", story);
	cr_assert_eq(job->named->number, 2);
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 52);
	job->strategy.ops = &ops;
	chosen = 1;
	play(job, varying, others, story);
	cr_assert_eq(strncmp(story, "0@1 1@1 ", 8), 0, "it has no rival: %s", story);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 60);
	job->strategy.ops = &ops;
	chosen = 2;
	play(job, steady, others, story);
	cr_assert_eq(strncmp(story, "0@1 1@1 ", 8), 0, "%s", story);
	cr_assert_eq(job->named->number, 1);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"),
				  "the strategy would have handed over trial 2"));
	job_destroy(job);
}

Test(endgame, what_is_hardly_better_is_not_worth_it)
{
	static const struct says others[] = {{0.9, 60}, {0.9, 60.1}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 59.6, 60);
	struct strategy_ops ops = prefer(job, 2);
	char story[400];

	job->strategy.ops = &ops;
	play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 2@1 ");
	cr_assert_eq(job->named->number, 2);
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	job_destroy(job);
}

/* What a strategy must not be trusted with. */
Test(endgame, a_strategy_cannot_choose_what_cannot_be_handed_over)
{
	struct job *job = kit_running(BUDGET("3", ""), 0.9);
	struct strategy_ops ops = prefer(job, 2);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_tell(job, kit_ask(job), 0.5, 40);
	kit_tell(job, kit_ask(job), 0.9, 60);
	kit_settle(job);
	job->strategy.ops = &ops;
	cr_assert_eq(job_final_choice(job)->number, 1, "it misses the criterion");
	chosen = 3;
	cr_assert_eq(job_final_choice(job)->number, 3);
	chosen = 4;
	cr_assert_eq(job_final_choice(job)->number, 1, "there is none");
	chosen = 0;
	cr_assert_eq(job_final_choice(job)->number, 1, "it leaves it to the measurements");
	chosen = 3;
	job->best->candidate.gains = true;
	cr_assert_eq(job_final_choice(job)->number, 1, "the first that gains was looked for");
	job_destroy(job);
}

/* Which of several objectives would be the better one? */
Test(endgame, of_several_objectives_the_strategys_choice_stands)
{
	static const char *const answers[] = {
		"{\"accuracy\": 0.9, \"latency_ms\": 50, \"metrics\": {\"power_w\": 5}}",
		"{\"accuracy\": 0.9, \"latency_ms\": 60, \"metrics\": {\"power_w\": 6}}"};
	const char *baseline =
		"{\"accuracy\": 0.9, \"latency_ms\": 100, \"metrics\": {\"power_w\": 10}}";
	struct next next = {.step = NEXT_CONFIRM, .trial = 0, .round = 1};
	struct job *job = kit_running_from(
		", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\", "
		"\"max_trials\": 2, \"objective\": [\"latency_ms\", \"power_w\"]}",
		baseline);
	struct strategy_ops ops = prefer(job, 2);

	for (size_t i = 0; i < 2; i++) {
		kit_answer(job, kit_ask(job), answers[i]);
	}
	kit_settle(job);
	job->strategy.ops = &ops;
	kit_answer(job, job_ask_again(job, &next), baseline);
	cr_assert_eq(endgame_choice(job, "max_trials")->number, 2);
	job_destroy(job);
}

/* Also where it was the first of all that were asked. */
Test(endgame, the_first_config_of_a_job_can_be_the_rival_that_wins)
{
	static const struct says others[] = {{0.9, 53}, {0.9, 49}, {0.9, 50}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 52, 50);
	char story[400];

	play(job, steady, others, story);
	/* The winner, 50 and 53, stands at 51.5; the rival, 52 and 49, at 50.5. */
	cr_assert_str_eq(story, "0@0 2@0 1@0 0@1 1@1 ");
	cr_assert_eq(job->named->number, 1);
	job_destroy(job);
}

/* Three of the eight went to the choice between two. */
Test(endgame, the_round_that_chooses_costs_of_the_same_questions)
{
	static const struct says baseline[] = {{0.9, 104}, {0.9, 110}, {0.9, 92}, LAST};
	static const struct says others[] = {{0.9, 96}, {0.9, 99}, {0.9, 101}, {0.9, 97}, LAST};
	struct job *job = MEASURED(
		BUDGET("2", ", \"min_gain\": 0.03, \"confirm\": 1, \"confirm_max\": 9"), 96, 97);
	char story[400];

	play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@0 1@0 2@0 0@1 1@1 0@2 1@2 ");
	job_destroy(job);
}

/* What chose between rivals is no end game: it says nothing against the first measurement. */
Test(endgame, the_round_that_chooses_disagrees_with_nobody)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);
	struct next next = {.step = NEXT_CONFIRM, .trial = 1};
	char *text;

	for (; next.round < 2; next.round++) {
		kit_tell(job, job_ask_again(job, &next), 0.9, 70 + (double)next.round);
		kit_settle(job);
		text = endgame_disagreement(job, job->trials[1]);
		cr_assert_eq(text != NULL, next.round > 0);
		free(text);
	}
	job_destroy(job);
}
