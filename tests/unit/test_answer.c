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

static const char *const watt[] = {"watt", NULL};
static const char past[][ID_SIZE] = {"lse_before"};

static const struct answer_expect plain = {.metrics = latency, .of_config = true};
static const struct answer_expect of_baseline = {.metrics = latency};
static const struct answer_expect sized = {.metrics = sizes};
static const struct answer_expect several = {.accuracies = two, .of_config = true};
static const struct answer_expect bare = {0};
static const struct answer_expect offering = {.offered = watt};
static const struct answer_expect asked = {
	.of_config = true, .trial = 7, .lease = "lse_now", .past = past, .past_count = 1};
static const struct answer_expect scored = {.scores = true, .ops = ops, .op_count = 2};
static const size_t option_counts[] = {2, 3};
static const struct answer_expect tabled = {
	.scores = true, .ops = ops, .op_count = 2, .option_counts = option_counts};

static const char *const tied_to_first[] = {"q", "r", NULL};
static const char *const *const tied[] = {tied_to_first, NULL};
static const struct answer_expect grouped = {
	.scores = true, .ops = ops, .op_count = 2, .tied = tied};
static const struct answer_expect grouped_table = {
	.scores = true, .ops = ops, .op_count = 2, .tied = tied, .option_counts = option_counts};

static int parse(const char *text, const struct answer_expect *expect, struct answer *ret,
		 struct err *err)
{
	static const struct json_limits limits = {
		.max_bytes = 1 << 20, .max_depth = 32, .max_values = 100000, .words = true};
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

/* An evaluator scores a group as one, or each of it. */
Test(answer, scores_of_what_is_tied_add_up)
{
	struct answer answer =
		good("{\"scores\": {\"q\": 4, \"fc\": 0.5, \"conv1\": 1}}", &grouped);

	cr_expect_eq(answer.scores[0], 5);
	cr_expect_eq(answer.scores[1], 0.5);
	cr_expect_null(answer.strangers);
	answer_finish(&answer);
	answer = good("{\"scores\": {\"fc\": [1, 2, 3], \"r\": [0.5, 1], \"conv1\": [1, 1]}}",
		      &grouped_table);
	cr_expect_eq(answer.scores[0], 1.5);
	cr_expect_eq(answer.scores[1], 2);
	cr_expect_eq(answer.scores[4], 3);
	answer_finish(&answer);
	answer = good("{\"scores\": {\"fc\": 1, \"conv1\": 1, \"x\": 2}}", &grouped);
	cr_expect_not_null(answer.strangers);
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

/* Each must be refused, with a fault at this place, this in the message and this one's fault. */
static const struct bad {
	const struct answer_expect *expect;
	const char *text, *pointer, *message;
	enum answer_fault fault;
} bad[] = {
	{&plain, "{\"accuracy\": 0.9}", "/latency_ms", "objective", ANSWER_MALFORMED},
	{&plain, "{\"latency_ms\": 1}", "/accuracy", "is required", ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": null, \"latency_ms\": 1}", "/accuracy", "not a number",
	 ANSWER_NO_NUMBER},
	{&plain, "{\"accuracy\": NaN, \"latency_ms\": 1}", "/accuracy", "ruins", ANSWER_NO_NUMBER},
	{&plain, "{\"accuracy\": 1, \"latency_ms\":-Infinity}", "/latency_ms", "infinite",
	 ANSWER_NO_NUMBER},
	{&plain, "{\"accuracy\": 1, \"latency_ms\": [1, Infinity]}", "/latency_ms/1", "infinite",
	 ANSWER_NO_NUMBER},
	{&plain, "{\"accuracy\": 1e999, \"latency_ms\": 1}", "/accuracy", "infinite",
	 ANSWER_NO_NUMBER},
	{&plain, "{\"accuracy\": 1, \"metrics\": {\"latency_ms\": NaN}}", "/metrics/latency_ms",
	 "infinite", ANSWER_NO_NUMBER},
	{&several, "{\"accuracy\": {\"top1\": 0.9, \"f1\": NaN}}", "/accuracy/f1", "infinite",
	 ANSWER_NO_NUMBER},
	{&several, "{\"accuracy\": NaN}", "/accuracy", "infinite", ANSWER_NO_NUMBER},
	{&of_baseline, "{\"accuracy\": NaN, \"latency_ms\": 1}", "/accuracy", "cannot be used",
	 ANSWER_MALFORMED},
	{&scored, "{\"scores\": {\"conv1\": NaN, \"fc\": 1}}", "/scores/conv1", "cannot be used",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": \"NaN\", \"latency_ms\": 1}", "/accuracy", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": true, \"latency_ms\": 1}", "/accuracy", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": [\"0.9\"], \"latency_ms\": 1}", "/accuracy/0", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": [], \"latency_ms\": 1}", "/accuracy", "1 to 1000",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 1, \"latency_ms\": []}", "/latency_ms", "1 to 1000",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 1, \"latency_ms\": [[1]]}", "/latency_ms/0", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 1, \"latency_ms\": [1, -1]}", "/latency_ms/1", "negative",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": {\"top1\": 0.9}, \"latency_ms\": 1}", "/accuracy", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": -1}", "/latency_ms", "negative",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": \"1\"}", "/latency_ms", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": []}", "/metrics", "object",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"latency_ms\": 1}}",
	 "/metrics/latency_ms", "twice", ANSWER_MALFORMED},
	{&sized, "{\"accuracy\": 0.9, \"latency_ms\": 1}", "/metrics/model_size_bytes", "objective",
	 ANSWER_MALFORMED},
	{&several, "{\"accuracy\": 0.9}", "/accuracy", "object", ANSWER_MALFORMED},
	{&several, "{\"accuracy\": {\"top1\": 0.9}}", "/accuracy/f1", "is required",
	 ANSWER_MALFORMED},
	{&asked, "{\"accuracy\": 1, \"trial\": 8}", "/trial", "trial 7", ANSWER_MISPLACED},
	{&asked, "{\"accuracy\": 1, \"trial\": 7, \"lease\": \"lse_x\"}", "/lease", "lse_now",
	 ANSWER_MISPLACED},
	{&asked, "{\"failed\": true, \"trial\": 0}", "/trial", "trial 7", ANSWER_MISPLACED},
	{&asked, "{\"accuracy\": 1, \"trial\": \"7\"}", "/trial", "integer", ANSWER_MALFORMED},
	{&asked, "{\"accuracy\": 1, \"lease\": 7}", "/lease", "string", ANSWER_MALFORMED},
	{&scored, "{}", "/scores", "is required", ANSWER_MALFORMED},
	{&tabled, "{\"scores\": {\"conv1\": [1, 2], \"fc\": [1, 2]}}", "/scores/fc", "3 numbers",
	 ANSWER_MALFORMED},
	{&tabled, "{\"scores\": {\"conv1\": [1, 2, 3], \"fc\": [1, 2, 3]}}", "/scores/conv1", "2",
	 ANSWER_MALFORMED},
	{&tabled, "{\"scores\": {\"conv1\": 1, \"fc\": [1, 2, 3]}}", "/scores/conv1", "array",
	 ANSWER_MALFORMED},
	{&tabled, "{\"scores\": {\"conv1\": [1, null], \"fc\": [1, 2, 3]}}", "/scores/conv1/1",
	 "number", ANSWER_MALFORMED},
	{&tabled, "{\"scores\": {\"fc\": [1, 2, 3]}}", "/scores/conv1", "is required",
	 ANSWER_MALFORMED},
	{&scored, "{\"scores\": {\"conv1\": [1], \"fc\": 1}}", "/scores/conv1", "number",
	 ANSWER_MALFORMED},
	{&scored, "{\"scores\": [1, 2]}", "/scores", "object", ANSWER_MALFORMED},
	{&scored, "{\"scores\": {\"conv1\": 1}}", "/scores/fc", "is required", ANSWER_MALFORMED},
	{&scored, "{\"scores\": {\"conv1\": 1, \"fc\": \"2\"}}", "/scores/fc", "number",
	 ANSWER_MALFORMED},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"error\": \"x\"}", "/error", "failed",
	 ANSWER_MALFORMED},
	{&bare, "{\"accuracy\": 1, \"failed\": 1}", "/failed", "true or false", ANSWER_MALFORMED},
	{&bare, "{\"accuracy\": 1, \"cached\": 1}", "/cached", "true or false", ANSWER_MALFORMED},
	{&bare, "{\"failed\": true, \"error\": 5}", "/error", "string", ANSWER_MALFORMED},
	{&bare, "{\"failed\": true, \"retryable\": \"no\"}", "/retryable", "true or false",
	 ANSWER_MALFORMED},
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
		cr_expect_eq(answer.fault, bad[i].fault, "%s", bad[i].text);
		answer_finish(&answer);
	}
}

Test(answer, one_fault_of_the_evaluator_is_enough)
{
	struct answer answer;
	struct err err;

	cr_expect_neq(parse("{\"accuracy\": NaN, \"latency_ms\": \"1\"}", &plain, &answer, &err),
		      0);
	cr_expect_eq(err.fault_count, 2);
	cr_expect_eq(answer.fault, ANSWER_MALFORMED);
	answer_finish(&answer);
}

Test(answer, the_median_of_samples_counts_and_they_are_kept)
{
	struct answer answer = good("{\"accuracy\": [0.5, 0.7], \"latency_ms\": [3, 1, 2], "
				    "\"metrics\": {\"model_size_bytes\": [4]}}",
				    &sized);

	cr_expect_eq(answer.accuracy[0], 0.6);
	cr_expect_eq(answer_metric(&answer, "latency_ms", -1), 2);
	cr_expect_eq(answer_metric(&answer, "model_size_bytes", -1), 4);
	cr_expect_eq(json_object_size(answer.samples), 3);
	cr_expect_eq(json_array_size(json_object_get(answer.samples, "latency_ms")), 3);
	cr_expect_eq(json_array_size(json_object_get(answer.samples, "accuracy")), 2);
	answer_finish(&answer);
	answer = good("{\"accuracy\": {\"f1\": [1, 9], \"top1\": 2}}", &several);
	cr_expect_eq(answer.accuracy[1], 5);
	cr_expect_eq(json_object_size(answer.samples), 1);
	answer_finish(&answer);
	answer = good("{\"accuracy\": 1}", &bare);
	cr_expect_null(answer.samples);
	answer_finish(&answer);
}

Test(answer, samples_have_a_limit)
{
	char text[4096] = "{\"accuracy\": [0.5";
	struct answer answer;
	struct err err;

	for (int i = 1; i < LIMIT_SAMPLES; i++) {
		(void)strcat(text, ",1");
	}
	(void)strcat(text, "]}");
	answer = good(text, &bare);
	cr_expect_eq(answer.accuracy[0], 1);
	answer_finish(&answer);
	text[strlen(text) - 2] = '\0';
	(void)strcat(text, ",1]}");
	cr_expect_neq(parse(text, &bare, &answer, &err), 0);
	cr_expect_eq(answer.fault, ANSWER_MALFORMED);
	answer_finish(&answer);
}

/* Each is an answer, in which this is named as not understood. */
static const struct {
	const struct answer_expect *expect;
	const char *text, *pointer;
} strange[] = {
	{&plain, "{\"accuracy\": 0.9, \"latency\": 0.01, \"latency_ms\": 1}", "/latency"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"scores\": {}}", "/scores"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"a\\nb\": NaN, \"c\\nd\": 1}", "/c\nd"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"x_bytes\": -1}}",
	 "/metrics/x_bytes"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"a/b\": \"c\"}}",
	 "/metrics/a~1b"},
	{&plain, "{\"accuracy\": 0.9, \"latency_ms\": 1, \"metrics\": {\"a\": []}}", "/metrics/a"},
	{&offering, "{\"accuracy\": 0.9, \"metrics\": {\"watt\": 1, \"watts\": 2}}",
	 "/metrics/watts"},
	{&bare, "{\"accuracy\": 0.9, \"latency_ms\": \"1\"}", "/latency_ms"},
	{&several, "{\"accuracy\": {\"top1\": 0.9, \"f1\": 1, \"f2\": 1}}", "/accuracy/f2"},
	{&scored, "{\"scores\": {\"conv1\": 1, \"fc\": 2, \"x\": 3}}", "/scores/x"},
	{&scored, "{\"scores\": {\"conv1\": 1, \"fc\": 2}, \"accuracy\": 1}", "/accuracy"},
	{&bare, "{\"failed\": true, \"accuracy\": 1}", "/accuracy"},
};

Test(answer, what_nobody_asked_for_is_named_and_no_fault)
{
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		struct answer answer = good(strange[i].text, strange[i].expect);

		cr_assert_eq(json_array_size(answer.strangers), 1, "%s", strange[i].text);
		cr_expect_str_eq(json_string_value(json_array_get(answer.strangers, 0)),
				 strange[i].pointer);
		answer_finish(&answer);
	}
}

Test(answer, what_is_known_is_no_stranger)
{
	static const struct {
		const struct answer_expect *expect;
		const char *text;
	} known[] = {
		{&asked,
		 "{\"accuracy\": 1, \"trial\": 7, \"lease\": \"lse_now\", \"error\": null}"},
		{&asked, "{\"accuracy\": 1, \"lease\": \"lse_before\", \"cached\": false}"},
		{&asked, "{\"accuracy\": 1, \"failed\": false, \"retryable\": false}"},
		{&bare, "{\"accuracy\": 1, \"trial\": 5, \"lease\": \"any\"}"},
		{&bare, "{\"accuracy\": 1, \"metrics\": {\"own\": 3}, \"latency_ms\": null}"},
		{&offering, "{\"accuracy\": 1, \"latency_ms\": 2, \"metrics\": {\"watt\": 3}}"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct answer answer = good(known[i].text, known[i].expect);

		cr_expect_null(answer.strangers, "%s", known[i].text);
		cr_expect_not(answer.cached);
		answer_finish(&answer);
	}
}

Test(answer, metrics_that_count_are_not_displaced)
{
	char text[1024] = "{\"accuracy\": 1, \"latency_ms\": 7, \"metrics\": {";
	struct answer answer;

	for (int i = 0; i < 2 * LIMIT_METRICS; i++) {
		(void)sprintf(text + strlen(text), "\"m%d\": %d, ", i, i);
	}
	(void)strcat(text, "\"model_size_bytes\": 9}, \"cached\": true}");
	answer = good(text, &sized);
	cr_expect_eq(answer.metric_count, LIMIT_METRICS);
	cr_expect_eq(answer_metric(&answer, "model_size_bytes", -1), 9);
	cr_expect_eq(answer_metric(&answer, "latency_ms", -1), 7);
	cr_expect_eq(json_array_size(answer.strangers), ANSWER_STRANGERS);
	cr_expect(answer.cached);
	answer_finish(&answer);
}

Test(answer, every_fault_is_named_at_once)
{
	struct answer answer;
	struct err err;

	err_init(&err);
	cr_expect_neq(
		parse("{\"accuracy\": \"x\", \"failed\": 0, \"metrics\": {\"latency_ms\": -1}}",
		      &plain, &answer, &err),
		0);
	cr_expect_eq(err.fault_count, 3);
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
