/* What a person reads of the end of a job. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/active.h"
#include "job/words.h"
#include "tests/unit/endgame_kit.h"

Test(end_words, an_end_says_why)
{
	struct job *job = kit_running("", 0.9);
	char *text = words_exit(job, "space_exhausted", true);

	cr_expect_str_eq(text, "there is no config to measure but the baseline itself");
	free(text);
	kit_fail(job, kit_ask(job), "crashed");
	text = words_exit(job, "space_exhausted", true);
	cr_expect_str_eq(text, "no config could be measured; trial 1 was the last: crashed");
	free(text);
	text = words_exit(job, "too_many_failures", true);
	cr_expect_str_eq(text, "more trials failed than max_failed_trials allows; trial 1 was the "
			       "last: crashed");
	free(text);
	kit_tell(job, kit_ask(job), 0.5, 50);
	kit_settle(job);
	text = words_exit(job, "space_exhausted", true);
	cr_expect_str_eq(text, "no config met the criterion");
	free(text);
	job_exclude(job, job->trials[2], "busy");
	text = words_exit(job, "space_exhausted", true);
	cr_expect_str_eq(text, "no measurement that counts meets the criterion");
	free(text);
	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	text = words_exit(job, "criterion_met", true);
	cr_expect_str_eq(text, "the best config meets the criterion");
	free(text);
	job->spec->stop_on = STOP_BUDGET;
	text = words_exit(job, "criterion_met", true);
	cr_expect_str_eq(text, "the strategy expects nothing better than the best config, which "
			       "meets the criterion");
	free(text);
	text = words_exit(job, "max_trials", true);
	cr_expect_str_eq(text, "the best config meets the criterion");
	free(text);
	job->spec->min_gain = 0.6;
	text = words_exit(job, "max_trials", true);
	cr_expect_str_eq(text, "the best config meets the criterion, but gains too little: the "
			       "baseline is to be kept");
	free(text);
	job->spec->min_gain = 0.02;
	job->best->rejected = true;
	text = words_exit(job, "max_trials", true);
	cr_expect_str_eq(text, "no config met the criterion", "measured again it did not");
	free(text);
	job->best = job->trials[0];
	text = words_exit(job, "space_exhausted", true);
	cr_expect_str_eq(text, "nothing but the baseline itself meets the criterion");
	free(text);
	job_destroy(job);
}

/* An end that says "meets the criterion" and no more beside a verdict to keep the baseline would contradict it. */
Test(end_words, an_end_says_what_the_verdict_says)
{
	static const struct {
		const char *extra;
		double baseline, config, spread;
		const char *end;
	} cases[] = {
		{"", 100, 95, 20, "its gain is not proved"},
		{"", 100, 99.5, 0, "gains too little"},
		{", \"min_gain\": 0.6", 100, 50, 0, "gains too little"},
		{", \"acceptance\": {\"subset\": {\"from\": 5}}", 0, 50, 0,
		 "was not judged on the acceptance data"},
		{"", 100, 50, 1, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct job *job = kit_running(cases[i].extra, 0.9);
		char *expected =
			cases[i].end != NULL
				? mem_printf("the best config meets the criterion, but %s: the "
					     "baseline is to be kept",
					     cases[i].end)
				: mem_dup("the best config meets the criterion");
		char *end;

		kit_tell(job, kit_ask(job), 0.9, cases[i].config);
		kit_settle(job);
		if (cases[i].baseline > 0) {
			kit_rounds(job, cases[i].baseline, cases[i].config, cases[i].spread);
		}
		end = words_exit(job, "max_trials", true);
		cr_expect_str_eq(end, expected, "%s", end);
		free(end);
		free(expected);
		job_destroy(job);
	}
}

/* What a strategy asks twice shows how much noise there is, but proves nothing that nobody wanted proved. */
Test(end_words, an_end_without_an_end_game_says_what_best_says)
{
	static const struct {
		const char *extra;
		double first, second;
		const char *because, *end;
	} cases[] = {
		{"", 95, 99, "", "the best config meets the criterion"},
		{", \"min_gain\": 0.2", 95, 94, "no_gain",
		 "the best config meets the criterion, but gains too little: the baseline is to be "
		 "kept"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *extra = mem_printf(", \"confirm\": 0%s%s", cases[i].extra, BUDGET("2", ""));
		struct job *job = kit_measured(extra, &cases[i].first, 1);
		struct question again = {.kind = QUESTION_EVALUATE,
					 .stage = "s",
					 .again = true,
					 .config = job->trials[1]->config};

		kit_tell(job, job_ask(job, &again), 0.9, cases[i].second);
		kit_settle(job);
		cr_assert_eq(kit_next(job).step, NEXT_END);
		cr_expect_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"),
				 cases[i].because, "%zu", i);
		cr_expect_str_eq(kit_exit(job, "detail"), cases[i].end, "%s",
				 kit_exit(job, "detail"));
		job_destroy(job);
		free(extra);
	}
}

/* The cure is not another strategy but data on which luck weighs less. */
Test(end_words, an_end_says_what_the_data_of_the_search_did_not_show)
{
	static const char *const ends[] = {
		"the best config meets the criterion",
		"the best config meets the criterion; 1 config that met it on the data of the "
		"search does not on the acceptance data: a search on more samples chooses better",
		"the best config meets the criterion; 2 configs that met it on the data of the "
		"search do not on the acceptance data: a search on more samples chooses better",
	};

	for (int rejections = 0; rejections < 3; rejections++) {
		struct job *job = kit_running(", \"acceptance\": {\"subset\": {\"from\": 5}}", 0.9);
		char *end;

		kit_tell(job, kit_ask(job), 0.9, 50);
		kit_settle(job);
		kit_rounds(job, 100, 50, 1);
		job->rejections = rejections;
		end = words_exit(job, "max_trials", true);
		cr_expect_str_eq(end, ends[rejections], "%s", end);
		free(end);
		end = words_exit(job, "max_trials", false);
		cr_expect_str_eq(end, ends[0], "%s", end);
		free(end);
		json_decref(job->spec->acceptance);
		job->spec->acceptance = NULL;
		end = words_exit(job, "max_trials", true);
		cr_expect_str_eq(end, ends[0], "%s", end);
		free(end);
		job_destroy(job);
	}
}

/* Whatever ends a job before its end game: what acceptance data is to judge, and did not, is not shipped. */
Test(end_words, what_nobody_asked_the_acceptance_data_of_is_not_shipped)
{
	for (int how = 0; how < 3; how++) {
		struct job *job = kit_running(", \"acceptance\": {\"subset\": {\"from\": 5}}", 0.9);
		struct circumstances around = {.down = "refused"};

		kit_tell(job, kit_ask(job), 0.9, 50);
		kit_settle(job);
		if (how == 0) {
			job_time_out(job);
		} else if (how == 1) {
			job_end(job, JOB_CANCELLED, "cancelled", "by request");
		} else {
			cr_assert_eq(job_next(job, &around).step, NEXT_END);
		}
		cr_expect_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"),
				 "not_accepted", "%d", how);
		cr_expect_eq(kit_count(job, LOGGED_NEW_BEST), 2);
		job_destroy(job);
	}
}

Test(end_words, what_has_no_acceptance_data_or_no_best_is_told_once)
{
	struct job *job = kit_running("", 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	job_time_out(job);
	cr_expect_eq(kit_count(job, LOGGED_NEW_BEST), 1);
	job_destroy(job);
	job = kit_running(", \"acceptance\": {\"subset\": {\"from\": 5}}", 0.9);
	job_time_out(job);
	cr_expect_eq(kit_count(job, LOGGED_NEW_BEST), 0);
	job_destroy(job);
}

/* Where the end game has asked and got nothing it has said so, once; where too much failed there was none. */
Test(end_words, what_the_acceptance_data_did_not_answer_is_not_shipped)
{
	static const struct says nothing[] = {{0, 0}, LAST};
	struct job *job = MEASURED(BUDGET("1", ACCEPTANCE), 50);
	char story[400];

	kit_play(job, steady, nothing, story);
	cr_expect_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"), "not_accepted");
	cr_expect_eq(kit_count(job, LOGGED_NEW_BEST), 2);
	cr_expect_str_eq(kit_exit(job, "detail"),
			 "the best config meets the criterion, but was not judged on the "
			 "acceptance data: the baseline is to be kept");
	job_destroy(job);
	job = MEASURED(BUDGET("5", ACCEPTANCE ", \"max_failed_trials\": 0"), 50);
	kit_fail(job, kit_ask(job), "crashed");
	kit_play(job, steady, nothing, story);
	cr_expect_str_eq(story, "");
	cr_expect_str_eq(kit_exit(job, "reason"), "too_many_failures");
	cr_expect_str_eq(kit_text(job, LOGGED_NEW_BEST, "keep_baseline_because"), "not_accepted");
	job_destroy(job);
}
