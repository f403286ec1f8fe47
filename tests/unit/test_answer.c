/*
 * backends/answer: what counts as an answer, and that everything else is refused with its place.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/answer.h"
#include "base/json.h"

static const char *const latency[] = {"latency_ms", NULL};
static const char *const sizes[] = {"latency_ms", "model_size_bytes", NULL};
static const char *const two[] = {"top1", "f1", NULL};
static const char *const ops[] = {"conv1", "fc"};

static const struct answer_expect plain = {.metrics = latency};
static const struct answer_expect sized = {.metrics = sizes};
static const struct answer_expect several = {.accuracies = two};
static const struct answer_expect bare = {0};
static const struct answer_expect scored = {.scores = true, .ops = ops, .op_count = 2};
static const size_t option_counts[] = {2, 3};
static const struct answer_expect tabled = {
	.scores = true, .ops = ops, .op_count = 2, .option_counts = option_counts};

static int parse(const char *text, const struct answer_expect *expect, struct answer *ret,
		 struct err *err)
{
	static const struct json_limits limits = {
		.max_bytes = 1 << 20, .max_depth = 32, .max_values = 100000};
	json_t *body = json_parse(text, strlen(text), &limits, err);
	int rc;

	cr_assert_not_null(body, "%s: %s", text, err->message);
	rc = answer_parse(body, expect, ret, err);
	json_decref(body);
	return rc;
}

static struct answer good(const char *text, const struct answer_expect *expect)
{
	struct answer answer;
	struct err err;

	err_init(&err);
	cr_assert_eq(parse(text, expect, &answer, &err), 0, "%s: %s", text, err.message);
	return answer;
}

Test(answer, a_measurement_brings_accuracy_and_metrics)
{
	struct answer answer = good("{\"accuracy\": 0.761, \"latency_ms\": 12.3, "
				    "\"metrics\": {\"model_size_bytes\": 25600000}}",
				    &sized);

	cr_expect_not(answer.failed);
	cr_expect_eq(answer.accuracy_count, 1);
	cr_expect_eq(answer.accuracy[0], 0.761);
	cr_expect_eq(answer.metric_count, 2);
	cr_expect_eq(answer_metric(&answer, "latency_ms", -1), 12.3);
	cr_expect_eq(answer_metric(&answer, "model_size_bytes", -1), 25600000);
	cr_expect_eq(answer_metric(&answer, "other", -1), -1);
	answer_finish(&answer);
}

Test(answer, latency_may_stand_among_the_metrics)
{
	struct answer answer = good("{\"accuracy\": 1, \"metrics\": {\"latency_ms\": 0}}", &plain);

	cr_expect_eq(answer_metric(&answer, "latency_ms", -1), 0);
	answer_finish(&answer);
}

Test(answer, several_accuracies_come_in_the_order_asked_for)
{
	struct answer answer = good("{\"accuracy\": {\"f1\": 2, \"top1\": -1}}", &several);

	cr_expect_eq(answer.accuracy_count, 2);
	cr_expect_eq(answer.accuracy[0], -1);
	cr_expect_eq(answer.accuracy[1], 2);
	answer_finish(&answer);
}

Test(answer, a_plain_number_may_be_anything_finite)
{
	static const char *const texts[] = {"57.3", "-0.0", "0", "-4e300", "9223372036854775807"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[64];
		struct answer answer;

		(void)snprintf(text, sizeof(text), "{\"accuracy\": %s, \"failed\": false}",
			       texts[i]);
		answer = good(text, &bare);
		cr_expect_eq(answer.accuracy[0], strtod(texts[i], NULL));
		answer_finish(&answer);
	}
}

Test(answer, scores_of_options_come_one_list_after_the_other)
{
	struct answer answer =
		good("{\"scores\": {\"fc\": [3, 4, 5], \"conv1\": [1, -2]}}", &tabled);
	const double expected[] = {1, -2, 3, 4, 5};

	cr_assert_eq(answer.score_count, 2);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		cr_expect_eq(answer.scores[i], expected[i]);
	}
	answer_finish(&answer);
}

Test(answer, scores_come_in_the_order_of_the_question)
{
	struct answer answer = good("{\"scores\": {\"fc\": 0.5, \"conv1\": -1e-9}}", &scored);

	cr_expect_eq(answer.score_count, 2);
	cr_expect_eq(answer.scores[0], -1e-9);
	cr_expect_eq(answer.scores[1], 0.5);
	answer_finish(&answer);
}

Test(answer, a_failure_answers_every_question)
{
	struct answer answer = good("{\"failed\": true, \"error\": \"no kernel\\nfor\\u001b[31m "
				    "fc\", \"retryable\": true}",
				    &scored);

	cr_expect(answer.failed);
	cr_expect(answer.retryable);
	cr_expect_str_eq(answer.error, "no kernel for [31m fc");
	answer_finish(&answer);
	answer = good("{\"failed\": true}", &plain);
	cr_expect(answer.failed);
	cr_expect_not(answer.retryable);
	cr_expect_gt(strlen(answer.error), 0);
	answer_finish(&answer);
}

Test(answer, error_texts_are_cut_between_characters)
{
	char text[1024] = "{\"failed\": true, \"error\": \"";
	struct answer answer;

	for (int i = 0; i < 100; i++) {
		(void)strcat(text, "\xE2\x82\xAC");
	}
	(void)strcat(text, "\"}");
	answer = good(text, &plain);
	cr_expect_eq(strlen(answer.error), LIMIT_ERROR_TEXT_BYTES - LIMIT_ERROR_TEXT_BYTES % 3);
	answer_finish(&answer);
}

/* Each must be refused, with a fault at this place and this in the message. */
static const struct bad {
	const struct answer_expect *expect;
	const char *text, *pointer, *message;
} bad[] = {
	{&plain, "{\"accuracy\": 0.9}", "/latency_ms", "objective"},
	{&plain, "{\"latency_ms\": 1}", "/accuracy", "is required"},
	{&plain, "{\"accuracy\": null, \"latency_ms\": 1}", "/accuracy", "is required"},
	{&plain, "{\"accuracy\": \"NaN\", \"latency_ms\": 1}", "/accuracy", "number"},
	{&plain, "{\"accuracy\": true, \"latency_ms\": 1}", "/accuracy", "number"},
	{&plain, "{\"accuracy\": [0.9], \"latency_ms\": 1}", "/accuracy", "number"},
	{&plain, "{\"accuracy\": {\"top1\": 0.9}, \"latency_ms\": 1}", "/accuracy", "number"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": -1}", "/latency_ms", "negative"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": \"1\"}", "/latency_ms", "number"},
	{&plain, "{\"accuracy\": 0.9, \"latency\": 0.01, \"latency_ms\": 1}", "/latency",
	 "unknown member"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"trial\": 7}", "/trial",
	 "unknown member"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"error\": \"x\"}", "/error",
	 "unknown member"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"scores\": {}}", "/scores",
	 "unknown member"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": []}", "/metrics", "object"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"latency_ms\": 1}}",
	 "/metrics/latency_ms", "twice"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"a/b\": null}}",
	 "/metrics/a~1b", "is required"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"x_bytes\": -1}}",
	 "/metrics/x_bytes", "negative"},
	{&sized, "{\"accuracy\": 0.9, \"latency_ms\": 1}", "/metrics/model_size_bytes",
	 "objective"},
	{&several, "{\"accuracy\": 0.9}", "/accuracy", "object"},
	{&several, "{\"accuracy\": {\"top1\": 0.9}}", "/accuracy/f1", "is required"},
	{&several, "{\"accuracy\": {\"top1\": 0.9, \"f1\": 1, \"f2\": 1}}", "/accuracy/f2",
	 "unknown member"},
	{&scored, "{}", "/scores", "is required"},
	{&tabled, "{\"scores\": {\"conv1\": [1, 2], \"fc\": [1, 2]}}", "/scores/fc", "3 numbers"},
	{&tabled, "{\"scores\": {\"conv1\": [1, 2, 3], \"fc\": [1, 2, 3]}}", "/scores/conv1", "2"},
	{&tabled, "{\"scores\": {\"conv1\": 1, \"fc\": [1, 2, 3]}}", "/scores/conv1", "array"},
	{&tabled, "{\"scores\": {\"conv1\": [1, null], \"fc\": [1, 2, 3]}}", "/scores/conv1/1",
	 "number"},
	{&tabled, "{\"scores\": {\"fc\": [1, 2, 3]}}", "/scores/conv1", "is required"},
	{&scored, "{\"scores\": {\"conv1\": [1], \"fc\": 1}}", "/scores/conv1", "number"},
	{&scored, "{\"scores\": [1, 2]}", "/scores", "object"},
	{&scored, "{\"scores\": {\"conv1\": 1}}", "/scores/fc", "is required"},
	{&scored, "{\"scores\": {\"conv1\": 1, \"fc\": \"2\"}}", "/scores/fc", "number"},
	{&scored, "{\"scores\": {\"conv1\": 1, \"fc\": 2, \"x\": 3}}", "/scores", "3 members"},
	{&scored, "{\"scores\": {\"conv1\": 1, \"fc\": 2}, \"accuracy\": 1}", "/accuracy",
	 "unknown member"},
	{&bare, "{\"accuracy\": 1, \"failed\": 1}", "/failed", "true or false"},
	{&bare, "{\"failed\": true, \"accuracy\": 1}", "/accuracy", "unknown member"},
	{&bare, "{\"failed\": true, \"error\": 5}", "/error", "string"},
	{&bare, "{\"failed\": true, \"retryable\": \"no\"}", "/retryable", "true or false"},
};

Test(answer, whatever_is_wrong_is_refused_with_its_place)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct answer answer;
		struct err err;

		err_init(&err);
		cr_expect_eq(parse(bad[i].text, bad[i].expect, &answer, &err), -(int)ERR_EVALUATOR,
			     "%s", bad[i].text);
		cr_expect_eq(err.code, ERR_EVALUATOR);
		cr_assert_eq(err.fault_count, 1, "%s: %zu faults", bad[i].text, err.fault_count);
		cr_expect_str_eq(err.faults[0].pointer, bad[i].pointer, "%s", bad[i].text);
		cr_expect_not_null(strstr(err.message, bad[i].message), "%s: %s", bad[i].text,
				   err.message);
		cr_expect_not_null(strstr(err.message, bad[i].pointer));
		answer_finish(&answer);
	}
}

Test(answer, every_fault_is_named_at_once)
{
	struct answer answer;
	struct err err;

	err_init(&err);
	cr_expect_neq(parse("{\"accuracy\": \"x\", \"a\": 1, \"metrics\": {\"y_ms\": -1}}", &plain,
			    &answer, &err),
		      0);
	cr_expect_eq(err.fault_count, 4);
	answer_finish(&answer);
}

Test(answer, metrics_are_taken_up_to_a_limit)
{
	char text[1024] = "{\"accuracy\": 1, \"metrics\": {\"m0\": 0";
	struct answer answer;
	struct err err;

	for (int i = 1; i < LIMIT_METRICS; i++) {
		(void)sprintf(text + strlen(text), ", \"m%d\": %d", i, i);
	}
	(void)strcat(text, "}}");
	answer = good(text, &bare);
	cr_expect_eq(answer.metric_count, LIMIT_METRICS);
	answer_finish(&answer);
	text[strlen(text) - 2] = '\0';
	(void)strcat(text, ", \"one_more\": 1}}");
	err_init(&err);
	cr_expect_neq(parse(text, &bare, &answer, &err), 0);
	cr_expect_str_eq(err.faults[0].pointer, "/metrics/one_more");
	answer_finish(&answer);
}

Test(answer, only_an_object_is_an_answer)
{
	json_t *array = json_array();
	struct answer answer;
	struct err err;

	cr_expect_eq(answer_parse(array, &bare, &answer, &err), -(int)ERR_EVALUATOR);
	answer_finish(&answer);
	json_decref(array);
}
