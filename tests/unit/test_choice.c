/* Whose choice is handed over, the measurements' or the strategy's, and what is said of that. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "job/disagree.h"
#include "job/endgame.h"
#include "tests/unit/endgame_kit.h"

/* What is within 5 % may be behind by chance. */
Test(choice, who_is_near_the_winner_gets_a_chance)
{
	static const struct says others[] = {{0.9, 53}, {0.9, 49}, {0.9, 50}, LAST};

	/* The winner, 50 and 53, stands at 51.5; the rival, 52.5 and 49, at 50.75. */
	kit_names(MEASURED(BUDGET("3", ""), 80, 50, 52.5), others, "0@0 2@0 3@0 0@1 3@1 ", 3);
}

/* Whose first measurement alone is better has only been lucky so far. */
Test(choice, who_was_not_measured_beside_the_winner_does_not_win)
{
	static const struct says others[] = {{0.9, 56}, {0.9, 55}, {0.9, 53}, LAST};

	/* The winner, 50 and 56, stands at 53; the rival, 52 and 55, at 53.5. */
	kit_names(MEASURED(BUDGET("3", ""), 50, 52, 52.4), others, "0@0 1@0 2@0 0@1 1@1 ", 1);
}

/* What other data said of it is none of its measurements on these. */
Test(choice, on_acceptance_data_only_what_was_measured_there_chooses)
{
	static const struct says others[] = {{0.9, 56}, {0.9, 55}, {0.9, 53}, LAST};
	struct job *job = MEASURED(BUDGET("2", ACCEPTANCE), 50, 52.4);
	char story[400];

	kit_play(job, steady, others, story);
	cr_assert_eq(strncmp(story, "0@0 1@0 2@0 0@1 2@1 ", 20), 0, "%s", story);
	cr_assert_eq(job->named->number, 2);
	job_destroy(job);
}

Test(choice, who_is_far_behind_gets_none)
{
	static const struct says others[] = {{0.9, 51}, LAST};

	kit_names(MEASURED(BUDGET("2", ""), 50, 52.6), others, "0@1 1@1 ", 1);
}

Test(choice, a_rival_that_stays_behind_is_not_chosen)
{
	static const struct says others[] = {{0.9, 50}, {0.9, 53}, {0.9, 50}, LAST};

	kit_names(MEASURED(BUDGET("2", ""), 50, 52), others, "0@0 1@0 2@0 0@1 1@1 ", 1);
}

Test(choice, a_rival_that_is_as_good_is_not_chosen)
{
	static const struct says others[] = {{0.9, 52}, {0.9, 50.5}, {0.9, 51}, LAST};

	/* Both stand at 51. */
	kit_names(MEASURED(BUDGET("2", ""), 50, 51.5), others, "0@0 1@0 2@0 0@1 1@1 ", 1);
}

/* However bad it looks afterwards: what is proved is proved of one config. */
Test(choice, between_rivals_is_chosen_once)
{
	static const struct says others[] = {{0.9, 50}, {0.9, 53}, {0.9, 60}, LAST};

	/* After the first round the winner stands at 53.3, the rival at 52.5. */
	kit_names(MEASURED(BUDGET("2", ", \"confirm\": 2"), 50, 52), others,
		  "0@0 1@0 2@0 0@1 1@1 0@2 1@2 ", 1);
}

Test(choice, who_follows_a_rejected_choice_has_no_rival)
{
	static const struct says others[] = {{0.85, 50}, {0.9, 61}, LAST};

	kit_names(MEASURED(BUDGET("3", ""), 50, 60, 61), others, "0@1 1@1 0@2 2@2 ", 2);
}

Test(choice, what_was_rejected_is_named_where_there_is_nothing_else)
{
	static const struct says others[] = {{0.85, 50}, LAST};
	struct job *job = MEASURED(BUDGET("1", ""), 50);
	char story[400];

	kit_play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 1@1 ");
	cr_assert_eq(job->named, job->trials[1]);
	cr_assert_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"),
			 "criterion_missed");
	job_destroy(job);
}

Test(choice, a_rival_that_is_excluded_meanwhile_is_none)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);
	struct next next = kit_next(job);

	cr_assert_eq(next.step, NEXT_CONFIRM);
	kit_tell(job, job_ask_again(job, &next), 0.9, 100);
	job_exclude(job, job->trials[2], "busy");
	next = kit_next(job);
	cr_assert_eq(next.trial, 0);
	cr_assert_eq(next.round, 1, "there is nothing to choose between");
	job_destroy(job);
}

/* Measurements of the round that chooses are measurements like others: what varied there is not exact. */
Test(choice, what_varied_in_the_round_that_chooses_is_not_exact)
{
	static const struct says baseline[] = {{0.901, 100}, {0.9, 100}, LAST};
	static const struct says others[] = {{0.9, 50}, {0.9, 52}, {0.9, 50}, LAST};
	struct job *job = MEASURED(
		BUDGET("2", ", \"min_gain\": 0.5, \"confirm\": 1, \"confirm_max\": 3"), 50, 52);
	char story[400];

	kit_play(job, baseline, others, story);
	cr_assert_str_eq(story, "0@0 1@0 2@0 0@1 1@1 0@2 1@2 ");
	job_destroy(job);
}

/* The first that meets the criterion is the answer, however near others are. */
Test(choice, there_is_no_rival_where_the_first_is_taken)
{
	static const struct says others[] = {{0.9, 51}, LAST};
	struct job *job = kit_running("", 0.9);
	char story[400];

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 1@1 ");
	cr_assert_str_eq(kit_exit(job, "reason"), "criterion_met");
	job_destroy(job);
}

/* Also where it was the first of all that were asked. */
Test(choice, the_first_config_of_a_job_can_be_the_rival_that_wins)
{
	static const struct says others[] = {{0.9, 53}, {0.9, 49}, {0.9, 50}, LAST};

	/* The winner, 50 and 53, stands at 51.5; the rival, 52 and 49, at 50.5. */
	kit_names(MEASURED(BUDGET("2", ""), 52, 50), others, "0@0 2@0 1@0 0@1 1@1 ", 1);
}

/* It prefers what is surer. Where accuracies do not vary, nothing was lucky, and the better one is as sure. */
Test(choice, a_strategys_choice_stands_unless_accuracies_do_not_vary)
{
	static const struct says others[] = {{0.9, 51}, {0.9, 50}, LAST};
	static const struct says varying[] = {{0.9001, 100}, {0.9, 101}, LAST};
	static const struct says worse[] = {{0.9, 61}, {0.9, 60}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 50, 60);
	char story[400];

	kit_prefer(job, 2);
	kit_play(job, varying, worse, story);
	cr_assert_eq(strncmp(story, "0@1 2@1 ", 8), 0, "%s", story);
	cr_assert_eq(job->named->number, 2);
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 52);
	kit_prefer(job, 1);
	kit_play(job, varying, others, story);
	cr_assert_eq(strncmp(story, "0@1 1@1 ", 8), 0, "it has no rival: %s", story);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 60);
	kit_prefer(job, 2);
	kit_play(job, steady, others, story);
	cr_assert_eq(strncmp(story, "0@1 1@1 ", 8), 0, "%s", story);
	cr_assert_eq(job->named->number, 1);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"),
				  "the strategy would have handed over trial 2"));
	job_destroy(job);
}

Test(choice, what_is_hardly_better_is_not_worth_it)
{
	static const struct says others[] = {{0.9, 60}, {0.9, 60.1}, LAST};
	static const struct says exact[] = {{0.9, 100}, LAST};
	struct job *job = MEASURED(BUDGET("2", ""), 59.6, 60);
	char story[400];

	kit_prefer(job, 2);
	kit_play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 2@1 ");
	cr_assert_eq(job->named->number, 2);
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ", \"confirm\": 2" ACCEPTANCE), 59.6, 60);
	kit_prefer(job, 2);
	kit_play(job, steady, others, story);
	cr_assert_str_eq(story, "0@1 2@1 0@2 2@2 ");
	cr_assert_eq(job->named->number, 2, "its first measurement is all that the other has");
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 99, 100);
	kit_prefer(job, 2);
	kit_play(job, exact, exact, story);
	cr_assert_str_eq(story, "0@1 2@1 ", "one part in a hundred");
	job_destroy(job);
}

Test(choice, only_another_choice_than_the_strategys_overrules_it)
{
	struct job *job = kit_running(BUDGET("2", ""), 0.9);
	char *text;

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_tell(job, kit_ask(job), 0.9, 60);
	kit_settle(job);
	cr_assert_null(endgame_overruled(job, job->trials[2]), "it leaves it to the measurements");
	kit_prefer(job, 2);
	cr_assert_null(endgame_overruled(job, job->trials[2]), "that is its own");
	text = endgame_overruled(job, job->trials[1]);
	cr_assert_not_null(strstr(text, "handed over trial 2"), "%s", text);
	cr_assert_not_null(strstr(text, "trial 1 is better"), "%s", text);
	free(text);
	job_destroy(job);
}

/* What a strategy must not be trusted with. */
Test(choice, a_strategy_cannot_choose_what_cannot_be_handed_over)
{
	struct job *job = kit_running(BUDGET("4", ""), 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_tell(job, kit_ask(job), 0.5, 40);
	kit_tell(job, kit_ask(job), 0.9, 60);
	kit_settle(job);
	kit_prefer(job, 2);
	cr_assert_eq(job_final_choice(job)->number, 1, "it misses the criterion");
	kit_preferred = 3;
	cr_assert_eq(job_final_choice(job)->number, 3);
	kit_preferred = 4;
	cr_assert_eq(job_final_choice(job)->number, 1, "there is none");
	kit_preferred = 0;
	cr_assert_eq(job_final_choice(job)->number, 1, "it leaves it to the measurements");
	kit_tell(job, kit_ask(job), 0.9, 45);
	kit_settle(job);
	cr_assert_eq(job_final_choice(job)->number, 4);
	kit_preferred = 1;
	cr_assert_eq(job_final_choice(job)->number, 1);
	job->best->candidate.gains = true;
	cr_assert_eq(job_final_choice(job)->number, 4, "the first that gains was looked for");
	job_destroy(job);
}

/* Which of several objectives would be the better one? */
Test(choice, of_several_objectives_the_strategys_choice_stands)
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

	for (size_t i = 0; i < 2; i++) {
		kit_answer(job, kit_ask(job), answers[i]);
	}
	kit_settle(job);
	kit_prefer(job, 2);
	kit_answer(job, job_ask_again(job, &next), baseline);
	cr_assert_eq(endgame_choice(job, "max_trials")->number, 2);
	job_destroy(job);
}

static void again(struct job *job, int64_t subject, int64_t round, double latency)
{
	(void)kit_tell_again(job, subject, round, 0.9, latency);
	kit_settle(job);
}

/* NULL: nothing is said of the first config. */
static void disagrees(const struct job *job, const char *expected)
{
	char *text = disagree_choice(job, job->trials[1]);

	cr_expect_eq(text == NULL, expected == NULL, "%s", text != NULL ? text : "nothing");
	cr_expect(text == NULL || expected == NULL || strstr(text, expected) != NULL, "%s", text);
	free(text);
}

/* What chose between rivals is no end game: it says nothing against the first measurement. */
Test(choice, the_round_that_chooses_disagrees_with_nobody)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);

	disagrees(job, NULL);
	again(job, 1, 0, 70);
	disagrees(job, NULL);
	again(job, 1, 1, 71);
	disagrees(job, "latency_ms was 50 when it was measured first and 71 when it was measured "
		       "again: the later one counts");
	again(job, 1, 2, 73);
	disagrees(job, "latency_ms was 50 when it was measured first and 72 in the mean of 2 "
		       "measurements since: the later ones count");
	job_destroy(job);
}

/* But what it measured is noise as well: 50 is as far from 57 as it may be where the same took 51 and 60. */
Test(choice, the_round_that_chooses_tells_of_noise)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);

	again(job, 1, 0, 51);
	again(job, 1, 1, 60);
	again(job, 1, 2, 60);
	disagrees(job, NULL);
	job_destroy(job);
}

/* While nothing was measured twice, five parts in a hundred may be noise. */
Test(choice, what_noise_explains_is_no_disagreement)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);

	again(job, 1, 1, 52);
	disagrees(job, NULL);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 52);
	again(job, 1, 1, 60);
	disagrees(job, "was 50");
	again(job, 0, 0, 110);
	disagrees(job, NULL);
	job_destroy(job);
	job = MEASURED(BUDGET("2", ""), 50, 52);
	again(job, 1, 1, 52);
	again(job, 0, 1, 100.1);
	disagrees(job, "was 50");
	job_destroy(job);
}

/* Other work began on the machine behind the baseline: whatever was searched then looked slow. */
Test(choice, a_baseline_that_has_moved_is_told_of)
{
	struct job *job = MEASURED(BUDGET("2", ""), 150, 152);
	char *text;

	again(job, 1, 1, 150);
	again(job, 0, 1, 108);
	cr_assert_null(disagree_baseline(job, job->trials[1]), "a little is no harm");
	job_destroy(job);

	job = MEASURED(BUDGET("2", ""), 150, 152);
	again(job, 0, 0, 300);
	again(job, 1, 1, 150);
	again(job, 0, 1, 290);
	again(job, 1, 2, 154);
	again(job, 0, 2, 310);
	text = disagree_baseline(job, job->trials[1]);
	cr_assert_str_eq(text, "the baseline's latency_ms was 100 when it was measured first and "
			       "300 in the mean of 3 measurements since: the later ones count, but "
			       "the search went by the first, so it may have passed over what is "
			       "better; measure more "
			       "calmly (by CPU time where others work on the machine), and search "
			       "again");
	free(text);
	job_destroy(job);

	job = MEASURED(BUDGET("2", ""), 150, 152);
	again(job, 1, 1, 150);
	again(job, 0, 1, 60);
	again(job, 1, 2, 400);
	again(job, 0, 2, 250);
	cr_assert_null(disagree_baseline(job, job->trials[1]), "noise explains it");
	job_destroy(job);
}

/* Before other work began the baseline took 100; that is no noise, beside which 50 and 61 were the same. */
Test(choice, a_baseline_that_has_moved_hides_no_disagreement)
{
	struct job *job = MEASURED(BUDGET("2", ""), 50, 52);

	again(job, 1, 1, 60);
	again(job, 0, 1, 290);
	again(job, 1, 2, 62);
	again(job, 0, 2, 310);
	disagrees(job, "latency_ms was 50 when it was measured first and 61 in the mean of 2 "
		       "measurements since");
	job_destroy(job);
}
