/* Scores that somebody tells an open job: what is kept of them, when the strategy is shown them, and what is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "job/scores_told.h"
#include "job/spec/codec_scores.h"
#include "space/rescored.h"
#include "tests/unit/job_kit.h"

#define CRITERION(STRATEGY) ", \"tuning_criterion\": {\"strategy\": \"" STRATEGY "\"}"
/* Two operators that are tied, one with costs of its own, all with scores already. */
#define KNOWING                                                                                    \
	", \"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "       \
	"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"]}}, \"known\": "            \
	"[{\"when\": "                                                                             \
	"{\"mode\": \"static\"}, \"score\": 7, \"latency_ms\": 2}]}}, \"ops\": "                   \
	"[{\"name\": \"a\", \"type\": \"Conv\", \"known\": [{\"when\": {\"mode\": \"static\"}, "   \
	"\"score\": 9, \"latency_ms\": 5}]}, {\"name\": \"b\", \"type\": \"Conv\", \"score\": "    \
	"{\"static\": 8}}, {\"name\": \"c\", \"type\": \"Conv\"}], \"tied\": [[\"b\", \"c\"]]}"

static json_t *document(const char *text)
{
	json_t *body = json_loads(text, 0, NULL);

	cr_assert_not_null(body, "%s", text);
	return body;
}

static json_t *tell(struct job *job, const char *text)
{
	json_t *body = document(text), *receipt;
	struct scores_told read;
	struct err err;

	cr_assert_eq(scores_told_read(job->spec, body, &read, &err), 0, "%s", err.message);
	cr_assert_eq(scores_told_room(job, &read, &err), 0);
	receipt = scores_told_record(job, &read);
	scores_told_finish(&read);
	json_decref(body);
	return receipt;
}

static void told(struct job *job, const char *text)
{
	json_decref(tell(job, text));
}

/* What is known of an operator in a choice. */
static double score(const struct space *space, size_t op, uint16_t option, enum fact fact)
{
	struct choice choice = space_resolve(space, op, option, NULL);

	return space_fact(space, fact, op, &choice);
}

static struct space *read(const struct spec *spec, const char *text)
{
	json_t *body = document(text);
	struct json_at at;
	struct rescore *scores;
	struct space *space;
	struct err err;

	err_init(&err);
	at = json_root(body, &err);
	scores = codec_scores_read(spec->space, &at);
	cr_assert_not_null(scores, "%s", err.message);
	space = rescored_create(spec->space, scores);
	rescore_destroy(scores);
	json_decref(body);
	return space;
}

Test(scores_told, take_the_place_of_all_that_the_capability_tells_of_scores)
{
	struct spec *spec = kit_spec(KNOWING);
	struct space *space =
		read(spec, "{\"a\": 3, \"c\": [{\"when\": {\"weight\": {\"granularity\": "
			   "\"per_tensor\"}}, \"score\": 4}, {\"when\": {\"mode\": "
			   "\"static\"}, \"score\": 1}]}");

	cr_expect_eq(spec->space->op_count, 2, "b and c are one");
	cr_expect_eq(score(spec->space, 0, 0, FACT_SCORE), 9);
	cr_expect_eq(score(spec->space, 1, 0, FACT_SCORE), 8 + 7);
	cr_expect_eq(score(space, 0, 0, FACT_SCORE), 3);
	cr_expect_eq(score(space, 0, 1, FACT_SCORE), 3, "a number is of all ways to quantize it");
	cr_expect(isnan(score(space, 0, 2, FACT_SCORE)), "fp32 is none");
	cr_expect_eq(score(space, 1, 0, FACT_SCORE), 1,
		     "whoever of a group has it, has it for all");
	cr_expect_eq(score(space, 1, 1, FACT_SCORE), 4, "the first that fits");
	cr_expect_eq(score(space, 0, 0, FACT_LATENCY_MS), 5, "costs are as they were");
	cr_expect_eq(score(space, 1, 0, FACT_LATENCY_MS), 4);
	cr_expect(space_knows(space, FACT_LATENCY_MS));
	cr_expect_eq(score(spec->space, 0, 0, FACT_SCORE), 9, "the job's own space is as it was");
	rescored_destroy(space);
	spec_destroy(spec);
}

Test(scores_told, of_whom_nothing_is_told_nothing_is_known)
{
	struct spec *spec = kit_spec(KNOWING);
	struct space *space = read(spec, "{\"b\": [{\"when\": {}, \"score\": 1}]}");

	cr_expect(isnan(score(space, 0, 0, FACT_SCORE)), "units may be others");
	cr_expect_eq(score(space, 0, 0, FACT_LATENCY_MS), 5);
	cr_expect_eq(score(space, 1, 0, FACT_SCORE), 1);
	rescored_destroy(space);
	space = read(spec, "{\"b\": [{\"when\": {\"weight\": {\"bits\": 3}}, \"score\": 1}]}");
	cr_expect(isnan(score(space, 1, 0, FACT_SCORE)), "the space has no such option");
	rescored_destroy(space);
	spec_destroy(spec);
}

Test(scores_told, what_is_wrong_is_refused_where_it_stands)
{
	static const struct {
		const char *text, *pointer;
	} bad[] = {
		{"{}", "/scores"},
		{"{\"scores\": 1}", "/scores"},
		{"{\"scores\": {}}", "/scores"},
		{"{\"scores\": {\"a\": 1}, \"from\": 1}", "/from"},
		{"{\"scores\": {\"a\": 1, \"d\": 1}}", "/scores/d"},
		{"{\"scores\": {\"a\": null}}", "/scores/a"},
		{"{\"scores\": {\"a\": \"1\"}}", "/scores/a"},
		{"{\"scores\": {\"a\": 1e13}}", "/scores/a"},
		{"{\"scores\": {\"a\": []}}", "/scores/a"},
		{"{\"scores\": {\"a\": {\"static\": 1}}}", "/scores/a"},
		{"{\"scores\": {\"a\": [1]}}", "/scores/a/0"},
		{"{\"scores\": {\"a\": [{\"when\": {}}]}}", "/scores/a/0/score"},
		{"{\"scores\": {\"a\": [{\"score\": 1}]}}", "/scores/a/0/when"},
		{"{\"scores\": {\"a\": [{\"when\": {}, \"score\": -1}]}}", "/scores/a/0/score"},
		{"{\"scores\": {\"a\": [{\"when\": {}, \"score\": 1, \"latency_ms\": 1}]}}",
		 "/scores/a/0/latency_ms"},
		{"{\"scores\": {\"a\": [{\"when\": {\"mode\": \"int8\"}, \"score\": 1}]}}",
		 "/scores/a/0/when/mode"},
	};
	struct spec *spec = kit_spec("");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *body = document(bad[i].text);
		struct scores_told read;
		struct err err;

		memset(&read, 0xa5, sizeof(read));
		cr_expect_eq(scores_told_read(spec, body, &read, &err), -ERR_INVALID_FIELD, "%s",
			     bad[i].text);
		cr_expect_eq(err.fault_count, 1, "%s", bad[i].text);
		cr_expect_str_eq(err.faults[0].pointer, bad[i].pointer);
		scores_told_finish(&read);
		json_decref(body);
	}
	spec_destroy(spec);
}

/* Which operator is alone in fp32 in the newest question, or -1. */
static int alone(const struct job *job)
{
	const struct config *config = job->trials[job->trial_count - 1]->config;
	bool a = config_choice(config, 0) == 2, b = config_choice(config, 1) == 2;

	return a == b ? -1 : (int)b;
}

static void ask_and_miss(struct job *job)
{
	struct trial *trial;

	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	trial = kit_ask(job);
	if (trial != NULL) {
		kit_tell(job, trial, 0.1, 50);
	}
}

/* The default comes first, again where it is known, then one operator alone in fp32. Ends the job. */
static void goes_by_them(struct job *job, int first)
{
	ask_and_miss(job);
	cr_expect_eq(kit_count(job, LOGGED_SCORES_TAKEN), 1);
	ask_and_miss(job);
	cr_expect_eq(alone(job), first);
	cr_expect_eq(job->charged, 2, "nothing is measured twice");
	kit_check_again(job, CRITERION("bisect"));
	job_destroy(job);
}

Test(scores_told, the_strategy_goes_by_them_from_its_next_question_on)
{
	for (int first = 0; first < 2; first++) {
		struct job *job = kit_running(CRITERION("bisect"), 0.9);

		ask_and_miss(job);
		told(job, first == 0 ? "{\"scores\": {\"a\": 2, \"b\": 1}}"
				     : "{\"scores\": {\"a\": 1, \"b\": 2}}");
		cr_expect_not_null(job->scores_due);
		cr_expect_eq(kit_count(job, LOGGED_SCORES_TAKEN), 0);
		goes_by_them(job, first);
	}
}

Test(scores_told, before_the_baseline_they_wait_for_it)
{
	struct job *job = kit_job(CRITERION("bisect"));

	told(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");
	cr_assert_eq(kit_next(job).step, NEXT_BASELINE);
	kit_answer(job, job_ask_baseline(job), "{\"accuracy\": 0.9, \"latency_ms\": 100}");
	goes_by_them(job, 0);
}

/* What was asked before it was told is answered after it, in memory as from the log. */
Test(scores_told, what_is_out_stays_valid)
{
	struct job *job = kit_running(CRITERION("bisect"), 0.9);
	struct trial *out = kit_ask(job);

	told(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");
	cr_assert_eq(kit_next(job).step, NEXT_REST, "one question at a time");
	cr_expect_eq(kit_count(job, LOGGED_SCORES_TAKEN), 1);
	kit_tell(job, out, 0.1, 50);
	cr_expect_eq(out->state, TRIAL_TOLD);
	goes_by_them(job, 0);
}

/* Nor is a question that the strategy thought of while they were told of another strategy. */
Test(scores_told, what_was_thought_before_is_asked_before)
{
	struct job *job = kit_running(CRITERION("bisect"), 0.9);
	struct question question;

	(void)kit_next(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(strategy_next(&job->strategy, &question), STEP_ASK);
	told(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");
	kit_tell(job, job_ask(job, &question), 0.1, 50);
	question_finish(&question);
	cr_expect_eq(kit_count(job, LOGGED_SCORES_TAKEN), 0);
	goes_by_them(job, 0);
}

Test(scores_told, the_last_ones_count)
{
	struct job *job = kit_running(CRITERION("bisect"), 0.9);

	ask_and_miss(job);
	told(job, "{\"scores\": {\"a\": 1, \"b\": 2}}");
	told(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");
	cr_expect_eq(job->told_count, 1, "the first were shown to nobody");
	ask_and_miss(job);
	ask_and_miss(job);
	cr_expect_eq(alone(job), 0);
	told(job, "{\"scores\": {\"a\": 1, \"b\": 2}}");
	ask_and_miss(job);
	ask_and_miss(job);
	cr_expect_eq(alone(job), 1);
	cr_expect_eq(job->told_count, 2);
	cr_expect_eq(kit_count(job, LOGGED_SCORES_TAKEN), 2);
	kit_check_again(job, CRITERION("bisect"));
	job_destroy(job);
}

/* What was told is no larger than the report, and the space of one goes when the strategy has heard of the next:
 * bisect goes on here after two of them, and catches up with both. */
Test(scores_told, only_the_last_ones_are_kept)
{
	static const char *const users[] = {CRITERION("sgp"), CRITERION("knapsack"),
					    CRITERION("bisect")};

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct job *job = kit_running(users[i], 0.9);
		const struct space *before = NULL;

		for (int times = 1; times <= 3; times++) {
			ask_and_miss(job);
			told(job, times % 2 == 1 ? "{\"scores\": {\"a\": 2}}"
						 : "{\"scores\": {\"b\": 2}}");
			cr_expect_eq(job->scores_due->count, 1, "of one operator");
			(void)kit_next(job);
			cr_expect_null(job->scores_due);
			(void)strategy_catch_up(&job->strategy, NULL);
			cr_expect_neq(job->strategy.told, before);
			cr_expect_eq(score(job->strategy.told, times % 2 == 0, 0, FACT_SCORE), 2);
			before = job->strategy.told;
		}
		kit_check_again(job, users[i]);
		job_destroy(job);
	}
}

Test(scores_told, who_has_no_use_for_them_says_so)
{
	struct job *job = kit_running("", 0.9);
	json_t *receipt = tell(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");

	cr_expect(json_is_false(json_object_get(receipt, "used")));
	cr_expect_eq(json_integer_value(json_object_get(receipt, "operators")), 2);
	cr_expect_str_eq(kit_text(job, LOGGED_WARNING, "detail"),
			 json_string_value(json_object_get(receipt, "detail")));
	cr_expect_not_null(
		strstr(kit_text(job, LOGGED_WARNING, "detail"), "exhaustive makes no use"));
	ask_and_miss(job);
	cr_expect_eq(kit_count(job, LOGGED_SCORES_TAKEN), 0);
	cr_expect_eq(job->told_count, 0);
	kit_check_again(job, "");
	json_decref(receipt);
	job_destroy(job);
}

Test(scores_told, who_had_nothing_left_to_ask_may_have_something)
{
	struct job *job = kit_running(CRITERION("bisect"), 0.9);

	ask_and_miss(job);
	kit_settle(job);
	cr_assert(job_ask_nothing(job, STEP_DONE));
	cr_assert_str_eq(job_exit_reason(job), "space_exhausted");
	told(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");
	cr_expect_null(job_exit_reason(job), "it has not seen them");
	cr_expect_eq(kit_next(job).step, NEXT_STRATEGY);
	cr_expect_not(job->exhausted);
	job_destroy(job);
}

Test(scores_told, a_score_question_that_fails_then_is_no_loss)
{
	static const char extra[] = CRITERION(
		"sgp") ", \"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": "
		       "{\"dtype\": [\"int8\"]}}}}, \"ops\": [{\"name\": \"a\", \"type\": "
		       "\"Conv\"}, {\"name\": \"b\", \"type\": \"Conv\"}], \"answers\": "
		       "[\"evaluate\", \"score:mse\"]}";
	struct job *job = kit_running(extra, 0.9);
	struct trial *question = kit_ask(job);

	cr_assert_eq(question->kind, QUESTION_SCORE);
	told(job, "{\"scores\": {\"a\": 2, \"b\": 1}}");
	kit_fail(job, question, "no gradients");
	cr_expect_eq(kit_count(job, LOGGED_WARNING), 0);
	cr_expect_eq(kit_next(job).step, NEXT_STRATEGY);
	cr_expect_eq(kit_ask(job)->kind, QUESTION_EVALUATE);
	kit_check_again(job, extra);
	job_destroy(job);
}

Test(scores_told, there_is_an_end_to_telling)
{
	struct job *job = kit_running(CRITERION("bisect"), 0.9);
	json_t *body = document("{\"scores\": {\"a\": 1}}");
	struct scores_told more;
	struct err err;

	for (int i = 0; i < SCORES_TOLD_MAX; i++) {
		told(job, "{\"scores\": {\"a\": 1}}");
		(void)kit_next(job);
	}
	cr_expect_eq(scores_told_read(job->spec, body, &more, &err), 0);
	cr_expect_eq(scores_told_room(job, &more, &err), -ERR_WRONG_STATE);
	scores_told_finish(&more);
	json_decref(body);
	job_destroy(job);
}

/* All of them are on the disk, and a replay hears of all: used or not they count as the log has them. */
Test(scores_told, so_much_may_be_told_in_all)
{
	static const char *const criteria[] = {CRITERION("bisect"), ""};

	for (size_t i = 0; i < sizeof(criteria) / sizeof(criteria[0]); i++) {
		struct job *job = kit_running(criteria[i], 0.9), *again;
		struct scores_told more = {0};
		size_t bytes = 0;
		struct err err;

		for (int times = 0; times < 2; times++) {
			char *text;

			told(job,
			     "{\"scores\": {\"a\": 0.1, \"b\": [{\"when\": {}, \"score\": 2}]}}");
			text = json_text(kit_newest(job, LOGGED_SCORES_TOLD));
			bytes += strlen(text);
			free(text);
			cr_expect_eq(job->told_bytes, bytes);
		}
		again = kit_again(job, criteria[i]);
		cr_expect_eq(again->told_bytes, bytes);
		job_destroy(again);
		more.bytes = LIMIT_SCORES_BYTES - bytes;
		cr_expect_eq(scores_told_room(job, &more, &err), 0);
		more.bytes++;
		cr_expect_eq(scores_told_room(job, &more, &err), -ERR_WRONG_STATE);
		cr_expect_not_null(strstr(err.message, "have been told 33554433 bytes of scores, "
						       "and takes 33554432: a clone"));
		job_destroy(job);
	}
}

Test(scores_told, a_log_that_does_not_fit_together_is_refused)
{
	struct job *job = kit_running(CRITERION("bisect"), 0.9);

	cr_expect_eq(kit_replay(job, LOGGED_SCORES_TAKEN, -1, "{\"seen\": 0}"), -ERR_CORRUPT);
	cr_expect_eq(
		kit_replay(job, LOGGED_SCORES_TOLD, -1, "{\"scores\": {\"z\": 1}, \"used\": true}"),
		-ERR_CORRUPT);
	cr_expect_eq(
		kit_replay(job, LOGGED_SCORES_TOLD, -1, "{\"scores\": {\"a\": 1}, \"used\": true}"),
		0);
	cr_expect_eq(kit_replay(job, LOGGED_SCORES_TAKEN, -1, "{\"seen\": 5}"), -ERR_CORRUPT);
	job_destroy(job);
	job = kit_job(CRITERION("bisect"));
	cr_expect_eq(
		kit_replay(job, LOGGED_SCORES_TOLD, -1, "{\"scores\": {\"a\": 1}, \"used\": true}"),
		0);
	cr_expect_eq(kit_replay(job, LOGGED_SCORES_TAKEN, -1, "{\"seen\": 0}"), -ERR_CORRUPT);
	job_destroy(job);
}
