/* What operators and options score, who is told of it, and what is said where nobody can score them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/fold.h"
#include "job/trial.h"
#include "job/unscored.h"
#include "tests/unit/job_kit.h"

#define MSE                                                                                        \
	", \"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "       \
	"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"]}}}}, \"ops\": "            \
	"[{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": \"b\", \"type\": \"Conv\"}], "         \
	"\"answers\": [\"evaluate\", \"score:mse\"]}"

static struct trial *ask_scores(struct job *job, bool per_option, const char *phase)
{
	static const uint32_t ops[] = {1, 0};
	struct question question = {.kind = QUESTION_SCORE,
				    .stage = "rank",
				    .method = "mse",
				    .phase = phase,
				    .ops = (uint32_t *)ops,
				    .op_count = 2,
				    .per_option = per_option};

	return job_ask(job, &question);
}

static void score(struct job *job, struct trial *trial, const double *scores)
{
	struct answer answer = {.scores = (double *)scores, .score_count = 2};

	job_record(job, LOGGED_TRIAL_TOLD, trial->number, job_told_data(job, trial, &answer));
}

Test(score, scores_are_told_operator_by_operator)
{
	static const double whole[] = {3, 4};
	struct job *job = kit_running(MSE, 0.9);
	struct trial *trial = ask_scores(job, false, NULL);

	cr_assert_eq(job->charged, 0, "a score costs no budget");
	score(job, trial, whole);
	cr_assert_eq(trial->scores[0], 3);
	cr_assert_eq(trial->scores[1], 4);
	cr_assert_null(trial->option_scores);
	cr_assert_eq(json_number_value(json_object_get(
			     json_object_get(kit_newest(job, LOGGED_TRIAL_TOLD), "scores"), "b")),
		     3, "in the order of the question");
	kit_check_again(job, MSE);
	job_destroy(job);
}

Test(score, or_option_by_option)
{
	static const double each[] = {3, 4, 0, 5, 6, 0};
	struct job *job = kit_running(MSE, 0.9);
	struct trial *trial = ask_scores(job, true, NULL);
	const json_t *scores;

	cr_assert(json_is_true(json_object_get(kit_newest(job, LOGGED_QUESTION_ASKED), "options")));
	cr_assert(trial->per_option);
	score(job, trial, each);
	scores = json_object_get(kit_newest(job, LOGGED_TRIAL_TOLD), "scores");
	cr_assert_eq(json_array_size(json_object_get(scores, "b")), 3);
	cr_assert_eq(trial->scores[0], 3, "the default option stands for the operator");
	cr_assert_eq(trial->scores[1], 5);
	for (size_t i = 0; i < 6; i++) {
		cr_assert_eq(trial->option_scores[i], each[i]);
	}
	job_destroy(job);
}

static void fails_as(const char *strategy, bool ends, const char *phase, const char *expected)
{
	char *extra = mem_printf(MSE ", \"tuning_criterion\": {\"strategy\": \"%s\"}", strategy);
	struct job *job = kit_running(extra, 0.9);
	struct trial *trial = ask_scores(job, false, phase);

	kit_fail(job, trial, strcmp(strategy, "bisect") == 0 ? "no gradients." : "no gradients");
	if (ends) {
		cr_expect_eq(job->state, JOB_FAILED);
		cr_expect_str_eq(kit_exit(job, "reason"), "score_failed");
		cr_expect_str_eq(kit_exit(job, "detail"), expected);
	} else {
		cr_expect_eq(job->state, JOB_RUNNING);
		cr_expect_str_eq(kit_text(job, LOGGED_WARNING, "detail"), expected);
	}
	job_destroy(job);
	free(extra);
}

Test(score, what_cannot_be_scored_is_said_with_what_follows)
{
	fails_as("mse", false, NULL,
		 "the question for the scores of mse (trial 1) failed: no gradients. Without them "
		 "mse puts operators back in the reverse order of the capability");
	fails_as("bisect", false, NULL,
		 "the question for the scores of mse (trial 1) failed: no gradients. Without them "
		 "bisect puts operators back in the reverse order of the capability");
	fails_as("exhaustive", false, NULL,
		 "the question for the scores of mse (trial 1) failed: no gradients. Without them "
		 "exhaustive goes on as if it had not asked");
	fails_as(
		"mse", true, "fallback",
		"the question for the scores of mse (trial 1) failed: no gradients. Without them "
		"mse cannot go on; a clone with another strategy and \"warm_start\" keeps what was "
		"measured");
}

/* Only what was brought in answers a question that is asked again: the strategy has its reasons. */
Test(score, scores_that_were_asked_for_here_are_asked_for_again)
{
	static const double whole[] = {3, 4};
	struct job *job = kit_running(MSE, 0.9);
	struct trial *trial = ask_scores(job, false, NULL);

	score(job, trial, whole);
	trial = ask_scores(job, false, NULL);
	cr_assert_not_null(trial);
	cr_assert_eq(trial->twin, -1);
	job_destroy(job);
}

Test(score, a_question_says_what_is_wanted_and_no_more)
{
	struct job *job = kit_running(MSE, 0.9);
	struct question question = {.kind = QUESTION_SCORE, .stage = "rank", .method = "mse"};
	json_t *data = job_asked_data(job, &question, -1, false);

	cr_assert_null(json_object_get(data, "subject"));
	cr_assert_null(json_object_get(data, "twin"));
	cr_assert_null(json_object_get(data, "confidence_batches"));
	cr_assert_null(json_object_get(data, "insists"));
	cr_assert_null(json_object_get(data, "whole"));
	cr_assert_null(json_object_get(data, "options"));
	json_decref(data);
	question.subject = 1;
	question.confidence_batches = 1;
	question.insists = question.whole = question.per_option = true;
	data = job_asked_data(job, &question, 1, true);
	cr_assert_eq(json_integer_value(json_object_get(data, "subject")), 1);
	cr_assert_eq(json_integer_value(json_object_get(data, "twin")), 1);
	cr_assert_eq(json_integer_value(json_object_get(data, "confidence_batches")), 1);
	cr_assert(json_is_true(json_object_get(data, "insists")));
	cr_assert(json_is_true(json_object_get(data, "whole")));
	cr_assert(json_is_true(json_object_get(data, "options")));
	cr_assert_str_eq(json_string_value(json_object_get(data, "source")), "cache");
	json_decref(data);
	job_destroy(job);
}

Test(score, an_evaluator_may_give_no_reason)
{
	struct job *job = kit_running(MSE, 0.9);
	struct trial *trial = ask_scores(job, false, NULL);
	static const char *const errors[] = {"", "."};

	for (size_t i = 0; i < 2; i++) {
		char *error = mem_dup(errors[i]), *text = unscored_text(job, trial, error);

		cr_expect_not_null(strstr(text, "(trial 1) failed: . Without them"), "%s", text);
		free(text);
		free(error);
	}
	job_destroy(job);
}

Test(score, imported_scores_answer_what_was_asked_in_the_same_way)
{
	struct job *job = kit_running(MSE, 0.9);
	struct config *config = config_from_changes(job->spec->space, NULL, 0);
	struct question question = {.kind = QUESTION_SCORE,
				    .stage = "rank",
				    .method = "mse",
				    .config = config,
				    .ops = (uint32_t[]){1, 0},
				    .op_count = 2};
	json_t *data = job_asked_data(job, &question, -1, false);

	(void)json_object_update_new(data, json_pack("{s:s, s:{s:f, s:f}}", "source", "imported",
						     "scores", "a", 1.0, "b", 2.0));
	cr_assert_null(job_find_twin(job, &question));
	job_record(job, LOGGED_TRIAL_IMPORTED, 1, data);
	cr_assert_eq(job_find_twin(job, &question), job->trials[1]);
	cr_assert_null(job_ask(job, &question), "nobody need be asked");
	cr_assert_eq(job->trials[2]->scores[0], 2);
	cr_assert_eq(job->trials[2]->state, TRIAL_TOLD);
	question.per_option = true;
	cr_assert_null(job_find_twin(job, &question));
	question.per_option = false;
	question.method = "mse_v2";
	cr_assert_null(job_find_twin(job, &question));
	question.method = "mse";
	question.op_count = 1;
	cr_assert_null(job_find_twin(job, &question));
	question.op_count = 2;
	question.loss = "ce";
	cr_assert_null(job_find_twin(job, &question));
	question.loss = NULL;
	question.confidence_batches = 2;
	cr_assert_null(job_find_twin(job, &question));
	question.confidence_batches = 0;
	question.phase = "other";
	cr_assert_null(job_find_twin(job, &question));
	question.phase = NULL;
	cr_assert_eq(job_find_twin(job, &question), job->trials[1]);
	config_destroy(config);
	config = config_from_changes(job->spec->space, (struct config_change[]){{0, 1}}, 1);
	question.config = config;
	cr_assert_null(job_find_twin(job, &question), "of another config");
	config_destroy(config);
	job_destroy(job);
}
