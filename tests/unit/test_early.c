/* What a worker says while it measures: what of it is read, what is refused, and when it is enough. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "job/early.h"
#include "tests/unit/job_kit.h"

/* May lose 1 % of 0.9: the bound is 0.891. */
static struct trial *measuring(const char *extra)
{
	return kit_ask(kit_running(extra, 0.9));
}

static int read_at(const struct trial *trial, const char *text, struct early *ret,
		   struct err *reterr)
{
	json_t *body = json_loads(text, 0, NULL);
	int rc = early_read(body, trial, ret, reterr);

	json_decref(body);
	return rc;
}

static struct early said(const struct trial *trial, const char *text)
{
	struct early early;
	struct err err;

	cr_expect_eq(read_at(trial, text, &early, &err), 0, "%s: %s", text, err.message);
	return early;
}

static void refused(const struct trial *trial, const char *text, const char *pointer)
{
	struct early early;
	struct err err;

	cr_expect_eq(read_at(trial, text, &early, &err), -ERR_INVALID_FIELD, "%s", text);
	cr_expect_eq(err.fault_count, 1, "%s: %zu faults", text, err.fault_count);
	cr_expect_str_eq(err.faults[0].pointer, pointer, "%s", text);
}

Test(early, what_says_nothing_is_no_fault)
{
	static const char *const texts[] = {"{}",
					    "{\"progress\": null}",
					    "{\"progress\": {\"seen\": 5}}",
					    "{\"progress\": {\"seen\": 300, \"total\": 1000}}",
					    "{\"progress\": {\"seen\": 0, \"total\": 9, "
					    "\"correct\": 0}}",
					    "{\"progress\": {\"seen\": 5, \"correct\": 3}}"};
	struct trial *trial = measuring("");
	struct early early = {.verdict = VERDICT_CERTAIN};
	struct err err;

	cr_assert_eq(early_read(NULL, trial, &early, &err), 0);
	cr_assert_eq(early.verdict, VERDICT_OPEN);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		early = said(trial, texts[i]);
		cr_expect_eq(early.verdict, VERDICT_OPEN, "%s", texts[i]);
		cr_expect_eq(early.estimate, 0, "nothing was judged: %s", texts[i]);
	}
	early = said(trial, "{\"progress\": {\"seen\": 5}}");
	cr_assert_eq(early.progress.seen, 5);
	cr_assert_eq(early.progress.total, 0, "nobody said how many there are");
	job_destroy(trial->job);
}

Test(early, faults_are_found_where_they_are)
{
	struct trial *trial = measuring("");

	refused(trial, "{\"progress\": 3}", "/progress");
	refused(trial, "{\"progress\": {}}", "/progress/seen");
	refused(trial, "{\"progress\": {\"seen\": -1}}", "/progress/seen");
	refused(trial, "{\"progress\": {\"seen\": 1, \"total\": 0}}", "/progress/total");
	refused(trial, "{\"progress\": {\"seen\": 6, \"total\": 5}}", "/progress/seen");
	refused(trial, "{\"progress\": {\"seen\": 2, \"total\": 1}}", "/progress/seen");
	refused(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"correct\": 6}}",
		"/progress/correct");
	refused(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"correct\": -1}}",
		"/progress/correct");
	refused(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"sum\": 4}}",
		"/progress/sum_squares");
	refused(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"sum_squares\": 4}}",
		"/progress/sum");
	refused(trial,
		"{\"progress\": {\"seen\": 5, \"total\": 9, \"sum\": 4, \"sum_squares\": -4}}",
		"/progress/sum_squares");
	refused(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"correct\": 4, \"paired\": 1}}",
		"/progress/paired");
	job_destroy(trial->job);
}

Test(early, a_range_is_two_values_in_order)
{
	static const char *const wrong[] = {"[0]", "[0, 1, 2]", "[1, 0]", "3"};
	struct trial *trial = measuring("");
	struct early early;
	char text[200];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"progress\": {\"seen\": 5, \"total\": 9, \"sum\": 4, "
			       "\"sum_squares\": 4, \"range\": %s}}",
			       wrong[i]);
		refused(trial, text, "/progress/range");
	}
	early = said(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"sum\": 5, "
			    "\"sum_squares\": 5, \"range\": [1, 1]}}");
	cr_assert_eq(early.progress.low, 1);
	cr_assert_eq(early.progress.high, 1);
	early = said(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"sum\": 5, "
			    "\"sum_squares\": 6, \"range\": [-3, 2]}}");
	cr_assert_eq(early.progress.low, -3);
	cr_assert_eq(early.progress.high, 2);
	cr_assert_eq(early.progress.sum, 5);
	cr_assert_eq(early.progress.squares, 6);
	early = said(trial, "{\"progress\": {\"seen\": 5, \"total\": 9, \"sum\": 5, "
			    "\"sum_squares\": 5}}");
	cr_assert_eq(early.progress.low, -INFINITY, "nobody said how bad it can be");
	cr_assert_eq(early.progress.high, INFINITY);
	job_destroy(trial->job);
}

Test(early, who_cannot_meet_the_bound_any_more_is_done)
{
	struct trial *trial = measuring("");
	struct early early;

	/* 891 of 1000 are needed: after 109 wrong ones they can still be had, after 110 not. */
	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"correct\": 191}}");
	cr_assert_eq(early.verdict, VERDICT_OPEN);
	cr_assert_float_eq(early.estimate, 191.0 / 300, 1e-12);
	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"correct\": 190}}");
	cr_assert_eq(early.verdict, VERDICT_CERTAIN);
	cr_assert_float_eq(early.estimate, 190.0 / 300, 1e-12);
	/* In units of what may be lost, 0.009. */
	cr_assert_float_eq(early.margin, (190.0 / 300 - 0.891) / 0.009, 1e-6);
	early = said(trial, "{\"progress\": {\"seen\": 1000, \"total\": 1000, \"correct\": 891}}");
	cr_assert_eq(early.verdict, VERDICT_OPEN, "all of it was seen and it meets the bound");
	job_destroy(trial->job);
}

Test(early, the_job_may_say_how_many_there_are)
{
	struct trial *trial = measuring(", \"early_verdict\": {\"samples\": 1000}");

	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 300, \"correct\": 190}}").verdict,
		     VERDICT_CERTAIN);
	cr_assert_eq(
		said(trial, "{\"progress\": {\"seen\": 300, \"correct\": 190}}").progress.total,
		1000);
	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 300, \"total\": 9000, "
				 "\"correct\": 190}}")
			     .verdict,
		     VERDICT_OPEN, "who measures knows better");
	job_destroy(trial->job);
}

/* However few there are. */
Test(early, one_of_one_is_all)
{
	struct trial *trial = measuring("");
	struct early early =
		said(trial, "{\"progress\": {\"seen\": 1, \"total\": 1, \"correct\": 0}}");

	cr_assert_eq(early.verdict, VERDICT_CERTAIN);
	cr_assert_eq(early.progress.low, 0);
	cr_assert_eq(early.progress.high, 1);
	early = said(trial, "{\"progress\": {\"seen\": 1, \"total\": 1, \"sum\": 0, "
			    "\"sum_squares\": 0, \"range\": [0, 1]}}");
	cr_assert_eq(early.verdict, VERDICT_CERTAIN);
	job_destroy(trial->job);
}

Test(early, likely_is_enough_where_the_job_says_so)
{
	const char *half = "{\"progress\": {\"seen\": 1000, \"total\": 9000, \"correct\": 500}}";
	struct trial *trial = measuring("");

	cr_assert_eq(said(trial, half).verdict, VERDICT_OPEN);
	job_destroy(trial->job);
	trial = measuring(", \"early_verdict\": {\"error_probability\": 0.01}");
	cr_assert_eq(said(trial, half).verdict, VERDICT_LIKELY);
	job_destroy(trial->job);
}

/* An error of 0.1 that may grow to 0.101: lower is better. */
Test(early, where_lower_is_better_too_much_is_too_much)
{
	struct trial *trial = kit_ask(kit_running(
		", \"accuracy_criterion\": {\"higher_is_better\": false, \"tolerable_loss\": 0.01}",
		0.1));
	struct early early;

	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": 102, "
			    "\"sum_squares\": 102, \"range\": [0, 1]}}");
	cr_assert_eq(early.verdict, VERDICT_CERTAIN);
	cr_assert_float_eq(early.estimate, 0.34, 1e-12);
	cr_assert_float_eq(early.margin, (0.101 - 0.34) / 0.001, 1e-6);
	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": 100, "
			    "\"sum_squares\": 100, \"range\": [0, 1]}}");
	cr_assert_eq(early.verdict, VERDICT_OPEN);
	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": 102, "
			    "\"sum_squares\": 102, \"range\": [-1, 1]}}");
	cr_assert_eq(early.verdict, VERDICT_OPEN, "what is left may make up for it");
	job_destroy(trial->job);
}

/* Differences to the baseline, sample by sample. */
Test(early, paired_values_are_added_to_the_baseline)
{
	struct trial *trial = measuring("");
	struct early early;

	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": -720, "
			    "\"sum_squares\": 1728, \"range\": [-3, 1], \"paired\": true}}");
	cr_assert_eq(early.verdict, VERDICT_CERTAIN, "at best 0.02 below the baseline");
	cr_assert_float_eq(early.estimate, 0.9 - 2.4, 1e-12);
	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": -720, "
			    "\"sum_squares\": 1728, \"range\": [-3, 3], \"paired\": false}}");
	cr_assert_eq(early.verdict, VERDICT_OPEN);
	cr_assert_float_eq(early.estimate, -2.4, 1e-12);
	early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": 0, "
			    "\"sum_squares\": 0, \"range\": [0, 0], \"paired\": true}}");
	cr_assert_eq(early.verdict, VERDICT_OPEN, "it is as good as the baseline");
	cr_assert_float_eq(early.estimate, 0.9, 1e-12);
	job_destroy(trial->job);
}

Test(early, paired_errors_too)
{
	struct trial *trial = kit_ask(kit_running(
		", \"accuracy_criterion\": {\"higher_is_better\": false, \"tolerable_loss\": 0.01}",
		0.1));

	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": 2, "
				 "\"sum_squares\": 2, \"range\": [0, 1], \"paired\": true}}")
			     .verdict,
		     VERDICT_CERTAIN);
	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, \"sum\": 0, "
				 "\"sum_squares\": 0, \"range\": [0, 1], \"paired\": true}}")
			     .verdict,
		     VERDICT_OPEN);
	job_destroy(trial->job);
}

Test(early, rounding_is_no_reason_to_stop)
{
	struct trial *trial = measuring("");

	/* 0.891 but for the last digit of a double. */
	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 1, \"total\": 1, "
				 "\"sum\": 0.8909999999, \"sum_squares\": 0.8, \"range\": [0, 1]}}")
			     .verdict,
		     VERDICT_OPEN);
	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 1, \"total\": 1, "
				 "\"sum\": 0.89099, \"sum_squares\": 0.8, \"range\": [0, 1]}}")
			     .verdict,
		     VERDICT_CERTAIN);
	job_destroy(trial->job);
}

Test(early, rounding_is_no_reason_where_lower_is_better)
{
	struct trial *trial = kit_ask(kit_running(
		", \"accuracy_criterion\": {\"higher_is_better\": false, \"tolerable_loss\": 0.01}",
		0.1));

	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 1, \"total\": 1, \"sum\": "
				 "0.10100000000005, \"sum_squares\": 0.02, \"range\": [0, 1]}}")
			     .verdict,
		     VERDICT_OPEN);
	cr_assert_eq(said(trial, "{\"progress\": {\"seen\": 1, \"total\": 1, \"sum\": 0.10101, "
				 "\"sum_squares\": 0.02, \"range\": [0, 1]}}")
			     .verdict,
		     VERDICT_CERTAIN);
	job_destroy(trial->job);
}

Test(early, no_other_question_is_judged_early)
{
	const char *hopeless = "{\"progress\": {\"seen\": 300, \"total\": 1000, \"correct\": 0}}";
	struct job *job = kit_job("");
	struct trial *trial = job_ask_baseline(job);

	cr_expect_eq(said(trial, hopeless).verdict, VERDICT_OPEN, "there is no bound yet");
	job_destroy(job);
	trial = measuring("");
	cr_expect_eq(said(trial, hopeless).verdict, VERDICT_CERTAIN);
	trial->whole = true;
	cr_expect_eq(said(trial, hopeless).verdict, VERDICT_OPEN, "its numbers are wanted");
	trial->whole = false;
	trial->kind = QUESTION_CONFIRM;
	cr_expect_eq(said(trial, hopeless).verdict, VERDICT_OPEN);
	trial->kind = QUESTION_EVALUATE;
	job_destroy(trial->job);
	job = kit_running_from(
		", \"accuracy_criterion\": {\"metrics\": [{\"name\": \"top1\"}, "
		"{\"name\": \"top5\"}]}",
		"{\"accuracy\": {\"top1\": 0.9, \"top5\": 0.95}, \"latency_ms\": 9}");
	cr_expect_eq(said(kit_ask(job), hopeless).verdict, VERDICT_OPEN,
		     "of which accuracy would that be?");
	job_destroy(job);
}

/* Values beyond the range that was said: whatever that means, nobody reads of a config that missed the criterion that
 * it meets it. */
Test(early, what_was_stopped_is_never_shown_as_good)
{
	struct trial *trial = measuring("");
	struct early early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, "
					 "\"sum\": 285, \"sum_squares\": 285, "
					 "\"range\": [0, 0.5]}}");

	cr_assert_eq(early.verdict, VERDICT_CERTAIN);
	cr_assert_lt(early.margin, 0);
	cr_assert_float_eq(early.estimate, 0.891, 1e-12);
	job_destroy(trial->job);
}

Test(early, an_estimate_without_bounds_can_be_written_down)
{
	struct trial *trial = measuring(", \"accuracy_criterion\": {\"criterion\": \"absolute\", "
					"\"tolerable_loss\": 0}");
	struct early early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, "
					 "\"correct\": 0}}");

	cr_assert_eq(early.verdict, VERDICT_CERTAIN);
	cr_assert(isfinite(early.margin * early.margin));
	cr_assert_lt(early.margin, 0);
	job_destroy(trial->job);
}

Test(early, the_event_says_what_was_seen)
{
	struct trial *trial = measuring("");
	struct early early = said(trial, "{\"progress\": {\"seen\": 300, \"total\": 1000, "
					 "\"correct\": 190}}");
	json_t *data = early_json(&early);
	json_t *progress = json_object_get(data, "progress");

	cr_assert(json_is_false(json_object_get(data, "feasible")));
	cr_assert_str_eq(json_string_value(json_object_get(data, "verdict")), "certain");
	cr_assert_str_eq(json_string_value(json_object_get(data, "source")), "measured");
	cr_assert_float_eq(json_real_value(json_object_get(data, "estimate")), 190.0 / 300, 1e-12);
	cr_assert_lt(json_real_value(json_object_get(data, "margin")), 0);
	cr_assert_eq(json_integer_value(json_object_get(progress, "seen")), 300);
	cr_assert_eq(json_integer_value(json_object_get(progress, "total")), 1000);
	cr_assert_eq(json_real_value(json_object_get(progress, "sum")), 190);
	cr_assert_eq(json_real_value(json_object_get(progress, "sum_squares")), 190);
	json_decref(data);
	job_destroy(trial->job);
}

static void strangers_of(const char *text, const char *expected)
{
	json_t *body = json_loads(text, 0, NULL);
	json_t *list = early_strangers(body);
	char *got = json_dumps(list, JSON_COMPACT);

	cr_expect_str_eq(got, expected, "%s: %s", text, got);
	free(got);
	json_decref(list);
	json_decref(body);
}

Test(early, members_that_nobody_knows_are_named)
{
	strangers_of("{\"progress\": {\"seen\": 1, \"total\": 2, \"correct\": 1, \"sum\": 1, "
		     "\"range\": [0, 1], \"sum_squares\": 1, \"paired\": false}}",
		     "[]");
	strangers_of("{\"progres\": 1, \"progress\": {\"seen\": 1, \"done\": 2}}",
		     "[\"/progres\",\"/progress/done\"]");
	strangers_of("{\"progress\": 7}", "[]");
}

Test(early, so_many_strangers_are_named_and_no_more)
{
	json_t *body = json_object(), *list;
	char name[20];

	for (int i = 0; i < ERR_FAULTS_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "odd%d", i);
		(void)json_object_set_new(body, name, json_true());
	}
	list = early_strangers(body);
	cr_assert_eq(json_array_size(list), ERR_FAULTS_MAX);
	json_decref(list);
	json_decref(body);
}
