/* What a person reads of the best config and of the end of a job. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/words.h"
#include "tests/unit/job_kit.h"

/* The job is as it says, its first config has this answer; what is said of that before or after the end game. */
static void says(const char *extra, const char *baseline, const char *answer, bool ended,
		 const char *expected)
{
	struct job *job = kit_running_from(extra, baseline);
	struct trial *trial = kit_ask(job);
	json_t *data;
	const char *verdict;

	kit_answer(job, trial, answer);
	data = words_best_data(job, trial, ended);
	verdict = json_string_value(json_object_get(data, "verdict"));
	cr_expect_str_eq(verdict, expected, "%s\n  is said of %s %s, and not\n%s", verdict, extra,
			 answer, expected);
	cr_expect_eq(json_is_true(json_object_get(data, "keep_baseline")),
		     strstr(expected, "keep fp32") != NULL);
	json_decref(data);
	job_destroy(job);
}

#define BASELINE          "{\"accuracy\": 0.9, \"latency_ms\": 100}"
#define OF(metric, value) "{\"accuracy\": 0.9, \"metrics\": {\"" metric "\": " value "}}"
#define OBJECTIVE(metric)                                                                          \
	", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": \"" metric "\"}"

Test(words, a_ratio_has_a_word_where_there_is_one)
{
	says("", BASELINE, "{\"accuracy\": 0.9, \"latency_ms\": 50}", false,
	     "2 times as fast, loses no accuracy, 2 of 2 operators in int8, measured once");
	says("", BASELINE, "{\"accuracy\": 0.91, \"latency_ms\": 80}", false,
	     "1.25 times as fast, loses no accuracy, 2 of 2 operators in int8, measured once");
	says(OBJECTIVE("modelsize"), OF("model_size_bytes", "400"), OF("model_size_bytes", "100"),
	     false, "4 times smaller, loses no accuracy, 2 of 2 operators in int8, measured once");
	says(OBJECTIVE("footprint"), OF("peak_memory_bytes", "300"), OF("peak_memory_bytes", "100"),
	     false,
	     "3 times less memory, loses no accuracy, 2 of 2 operators in int8, measured once");
	says(OBJECTIVE("power_w"), OF("power_w", "20"), OF("power_w", "15"), false,
	     "25 % better than the baseline in power_w, loses no accuracy, 2 of 2 operators in "
	     "int8, measured once");
	says(", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": {\"metric\": "
	     "\"latency_ms\", \"direction\": \"max\"}}",
	     BASELINE, "{\"accuracy\": 0.9, \"latency_ms\": 200}", false,
	     "100 % better than the baseline in latency_ms, loses no accuracy, 2 of 2 operators in "
	     "int8, measured once");
	says(", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": [{\"metric\": "
	     "\"latency_ms\"}, {\"metric\": \"power_w\"}]}",
	     "{\"accuracy\": 0.9, \"latency_ms\": 100, \"metrics\": {\"power_w\": 20}}",
	     "{\"accuracy\": 0.9, \"latency_ms\": 50, \"metrics\": {\"power_w\": 20}}", false,
	     "50 % better than the baseline in latency_ms and power_w weighed together, loses no "
	     "accuracy, 2 of 2 operators in int8, measured once");
}

#define BETTER(criterion, tolerable)                                                               \
	", \"accuracy_criterion\": {\"criterion\": \"" criterion                                   \
	"\", \"tolerable_loss\": " tolerable "}"

/* What is below 0 is no loss to anybody who reads. */
Test(words, where_the_accuracy_is_to_become_better_a_gain_is_one)
{
	says(BETTER("relative", "-0.01"), BASELINE, "{\"accuracy\": 0.918, \"latency_ms\": 50}",
	     false,
	     "2 times as fast, gains 2 % where a gain of 1 % is asked for, 2 of 2 operators in "
	     "int8, measured once");
	says(BETTER("absolute", "-0.2"), BASELINE, "{\"accuracy\": 1, \"latency_ms\": 50}", false,
	     "keep fp32: no config that was measured meets the criterion; the nearest gains 0.1 "
	     "where a gain of 0.2 is asked for");
	says(BETTER("relative", "-0.01"), BASELINE, "{\"accuracy\": 0.9, \"latency_ms\": 50}",
	     false,
	     "keep fp32: no config that was measured meets the criterion; the nearest gains no "
	     "accuracy where a gain of 1 % is asked for");
	says(BETTER("relative", "-0.01"), BASELINE, "{\"accuracy\": 0.81, \"latency_ms\": 50}",
	     false,
	     "keep fp32: no config that was measured meets the criterion; the nearest loses 10 % "
	     "where a gain of 1 % is asked for");
}

#define FAST(accuracy) "{\"accuracy\": " accuracy ", \"latency_ms\": 50}"
#define LOSES(text)    "2 times as fast, loses " text ", 2 of 2 operators in int8, measured once"

Test(words, a_loss_is_said_beside_what_is_allowed)
{
	says("", BASELINE, FAST("0.897"), false, LOSES("0.333 % where 1 % is allowed"));
	says(", \"accuracy_criterion\": {\"criterion\": \"absolute\", \"tolerable_loss\": 0.02}",
	     BASELINE, FAST("0.89"), false, LOSES("0.01 where 0.02 is allowed"));
	says(", \"accuracy_criterion\": {\"criterion\": \"absolute\", \"tolerable_loss\": 0.02}",
	     BASELINE, FAST("0.8999999999999"), false, LOSES("no accuracy"));
	says(", \"accuracy_criterion\": {\"criterion\": \"absolute\", \"tolerable_loss\": 0}",
	     "{\"accuracy\": 0, \"latency_ms\": 100}", FAST("0"), false, LOSES("no accuracy"));
	says(", \"accuracy_criterion\": {\"higher_is_better\": false, \"tolerable_loss\": 0.5}",
	     BASELINE, FAST("1.08"), false, LOSES("20 % where 50 % is allowed"));
}

Test(words, a_loss_can_be_more_than_there_are_numbers)
{
	says(", \"accuracy_criterion\": {\"higher_is_better\": false}",
	     "{\"accuracy\": 1e-300, \"latency_ms\": 100}", FAST("1e300"), false,
	     "keep fp32: no config that was measured meets the criterion; the nearest loses more "
	     "than a number can say");
}

#define TWO_ACCURACIES                                                                             \
	", \"accuracy_criterion\": {\"metrics\": [{\"name\": \"x\"}, {\"name\": \"y\"}]}"
#define TWO(x, y) "{\"accuracy\": {\"x\": " x ", \"y\": " y "}, \"latency_ms\": 50}"

Test(words, of_several_accuracies_the_worst_says_how_much_is_lost)
{
	says(TWO_ACCURACIES, "{\"accuracy\": {\"x\": 1, \"y\": 1}, \"latency_ms\": 100}",
	     TWO("1", "0.996"), false, LOSES("40 % of what may be lost"));
	says(TWO_ACCURACIES, "{\"accuracy\": {\"x\": 1, \"y\": 1}, \"latency_ms\": 100}",
	     TWO("1.1", "1.1"), false, LOSES("nothing"));
}

Test(words, a_share_of_what_may_be_lost_is_said_as_the_loss_it_is)
{
	struct criterion c = {.metric_count = 1, .relative = true};
	struct buf text;

	c.metrics[0].tolerable_loss = 0.02;
	buf_init(&text, 1000);
	words_share(&c, 0.5, &text);
	cr_assert_str_eq(text.bytes, "1 % where 2 % is allowed");
	buf_clear(&text);
	c.metrics[0].tolerable_loss = 0;
	words_share(&c, 0.5, &text);
	cr_assert_str_eq(text.bytes, "50 % of what may be lost", "where nothing may be");
	buf_clear(&text);
	words_share(&c, 0, &text);
	cr_assert_str_eq(text.bytes, "nothing");
	buf_finish(&text);
}

Test(words, keep_what_you_have)
{
	says("", BASELINE, "{\"accuracy\": 0.8, \"latency_ms\": 50}", false,
	     "keep fp32: no config that was measured meets the criterion; the nearest loses 11.1 % "
	     "where 1 % is allowed");
	says("", BASELINE, "{\"accuracy\": 0.9, \"latency_ms\": 99}", false,
	     "keep fp32: no config that meets the criterion is better by 2 % (1.02 times as fast) "
	     "or "
	     "more; the best is 1.01 times as fast, measured once");
	says("", BASELINE, "{\"accuracy\": 0.9, \"latency_ms\": 125}", false,
	     "keep fp32: no config that meets the criterion is better by 2 % (1.02 times as fast) "
	     "or "
	     "more; the best is 0.8 times as fast, measured once");
	says(", \"min_gain\": 0.3" OBJECTIVE("power_w"), OF("power_w", "20"), OF("power_w", "25"),
	     false,
	     "keep fp32: no config that meets the criterion is better by 30 % or more; the best is "
	     "25 % worse than the baseline in power_w, measured once");
	says(OBJECTIVE("power_w"), OF("power_w", "20"), OF("power_w", "20"), false,
	     "keep fp32: no config that meets the criterion is better by 2 % or more; the best is "
	     "0 % better than the baseline in power_w, measured once");
	says(", \"min_gain\": 0" OBJECTIVE("power_w"), OF("power_w", "20"), OF("power_w", "20"),
	     false,
	     "0 % better than the baseline in power_w, loses no accuracy, 2 of 2 operators in "
	     "int8, measured once");
}

Test(words, an_objective_that_the_criterion_judges_is_no_gain)
{
	says(OBJECTIVE("accuracy"), "{\"accuracy\": 0.9}", "{\"accuracy\": 0.9}", false,
	     "meets the criterion, loses no accuracy, 2 of 2 operators in int8, measured once");
}

static char *verdict_of(const struct job *job, bool ended)
{
	json_t *data = words_best_data(job, job->trials[1], ended);
	char *verdict = mem_dup(json_string_value(json_object_get(data, "verdict")));

	json_decref(data);
	return verdict;
}

static char *after_rounds(const char *extra, double baseline, double config, double spread)
{
	struct job *job = kit_running(extra, 0.9);
	char *verdict;

	kit_tell(job, kit_ask(job), 0.9, config);
	kit_rounds(job, baseline, config, spread);
	verdict = verdict_of(job, true);
	job_destroy(job);
	return verdict;
}

static void says_after_rounds(const char *extra, double baseline, double config, double spread,
			      const char *expected)
{
	char *verdict = after_rounds(extra, baseline, config, spread);

	cr_expect_str_eq(verdict, expected, "%s\n  and not\n%s", verdict, expected);
	free(verdict);
}

Test(words, an_interval_has_as_many_digits_as_it_needs)
{
	says_after_rounds(
		"", 100, 50, 0,
		"2 times as fast, loses no accuracy, 2 of 2 operators in int8, measured 3 "
		"times");
	says_after_rounds("", 100, 50, 1,
			  "2 times as fast (1.96 to 2.04), loses no accuracy, 2 of 2 operators in "
			  "int8, measured 3 times");
	says_after_rounds("", 100, 50, 0.01,
			  "2 times as fast (1.9996 to 2.0004), loses no accuracy, 2 of 2 operators "
			  "in int8, measured 3 times");
	says_after_rounds("", 100, 50, 0.00001,
			  "2 times as fast, loses no accuracy, 2 of 2 operators in int8, measured "
			  "3 times");
}

/* What nobody can lose any of cannot be lost by half. */
Test(words, a_margin_without_bounds_is_no_loss)
{
	struct job *job = kit_running_from(
		TWO_ACCURACIES, "{\"accuracy\": {\"x\": 1, \"y\": 1}, \"latency_ms\": 100}");
	struct figures f = {.gain = 0.5, .interval = {NAN, NAN}, .margin = INFINITY};
	char *verdict;

	kit_answer(job, kit_ask(job), TWO("1", "1"));
	verdict = words_verdict(job, job->trials[1], &f, NULL);
	cr_expect_not_null(strstr(verdict, ", loses nothing, "), "%s", verdict);
	free(verdict);
	job_destroy(job);
}

Test(words, a_gain_that_may_be_none_is_not_proved)
{
	struct job *job = kit_running("", 0.9);
	struct figures f = {.feasible = true, .gain = 0.5, .interval = {0, 0.75}};
	const struct trial *trial = kit_ask(job);

	cr_assert_str_eq(words_keep_because(job, trial, &f, true), "not_proved");
	cr_assert_null(words_keep_because(job, trial, &f, false), "it may still be");
	f.interval[0] = 0.001;
	cr_assert_null(words_keep_because(job, trial, &f, true));
	f.interval[0] = NAN;
	cr_assert_null(words_keep_because(job, trial, &f, true));
	job_destroy(job);
}

/* 0.914 times as fast, 0.431 to 1.94: that none is faster nobody knows. */
Test(words, what_scatters_too_widely_is_no_proof_that_nothing_gains)
{
	struct job *job = kit_running("", 0.9);
	struct figures f = {
		.feasible = true, .gain = 1 - 1 / 0.914, .interval = {1 - 1 / 0.431, 1 - 1 / 1.94}};
	const struct trial *trial = kit_ask(job);

	cr_assert_str_eq(words_keep_because(job, trial, &f, true), "not_proved");
	cr_assert_str_eq(words_keep_because(job, trial, &f, false), "no_gain");
	f.interval[0] = 1 - 1 / 0.98;
	cr_assert_str_eq(words_keep_because(job, trial, &f, true), "no_gain",
			 "the range is narrow");
	f.interval[0] = 1 - 1 / 0.431;
	f.interval[1] = 1 - 1 / 1.01;
	cr_assert_str_eq(words_keep_because(job, trial, &f, true), "no_gain",
			 "no end of it gains enough");
	job_destroy(job);
}

Test(words, what_may_be_chance_is_not_proved)
{
	says_after_rounds(
		"", 100, 95, 20,
		"not proved, keep fp32: 1.05 times as fast (0.817 to 1.36) after 3 rounds; "
		"measure more calmly (by CPU time where others work on the machine), or take more "
		"samples in each");
	says_after_rounds(
		", \"labels\": {\"latency_ms\": \"CPU time of one thread\"}", 100, 95, 20,
		"not proved, keep fp32: 1.05 times as fast (0.817 to 1.36) after 3 rounds; "
		"measure more calmly, or take more samples in each");
}

/* A program that ran beside one of the baseline's measurements makes no config fast. */
Test(words, one_measurement_of_many_does_not_speak_for_all)
{
	static const double baselines[] = {75.2, 67.2, 58.5, 579.5};
	static const double configs[] = {63.8, 56.6, 55.9, 88.3}, slow[] = {80, 76, 74, 88.3};
	struct job *job = kit_running("", 0.9), *other = kit_running("", 0.9);
	char *verdict;

	kit_tell(job, kit_ask(job), 0.9, 60);
	kit_tell(other, kit_ask(other), 0.9, 60);
	for (int64_t round = 1; round <= 4; round++) {
		(void)kit_tell_again(job, 0, round, 0.9, baselines[round - 1]);
		(void)kit_tell_again(job, 1, round, 0.9, configs[round - 1]);
		(void)kit_tell_again(other, 0, round, 0.9, baselines[round - 1]);
		(void)kit_tell_again(other, 1, round, 0.9, slow[round - 1]);
	}
	verdict = verdict_of(job, false);
	cr_expect(strstr(verdict, " times as fast (") != NULL &&
			  strstr(verdict, "; 1.25 times by medians), loses no accuracy") != NULL,
		  "%s", verdict);
	free(verdict);
	verdict = verdict_of(other, true);
	cr_expect(strstr(verdict, "not proved, keep fp32: ") == verdict, "%s", verdict);
	free(verdict);
	job_destroy(job);
	job_destroy(other);
}

Test(words, who_wants_other_data_to_judge_does_not_ship_what_they_did_not)
{
	struct job *job = kit_running(", \"acceptance\": {\"subset\": {\"from\": 5}}", 0.9);
	json_t *data;

	kit_tell(job, kit_ask(job), 0.9, 50);
	data = words_best_data(job, job->trials[1], false);
	cr_expect(json_is_false(json_object_get(data, "keep_baseline")), "it goes on");
	json_decref(data);
	data = words_best_data(job, job->trials[1], true);
	cr_expect_str_eq(json_string_value(json_object_get(data, "keep_baseline_because")),
			 "not_accepted");
	cr_expect_str_eq(json_string_value(json_object_get(data, "verdict")),
			 "not judged on the acceptance data, keep fp32: 2 times as fast, loses no "
			 "accuracy, 2 of 2 operators in int8, measured once");
	json_decref(data);
	(void)kit_tell_again(job, 0, 1, 0.9, 100);
	(void)kit_tell_again(job, 1, 1, 0.9, 50);
	data = words_best_data(job, job->trials[1], true);
	cr_expect(json_is_false(json_object_get(data, "keep_baseline")));
	json_decref(data);
	job_destroy(job);
}

Test(words, where_the_numbers_come_from)
{
	struct job *job = kit_running(", \"acceptance\": {\"subset\": {\"from\": 5}}", 0.9);
	char *verdict;

	kit_tell(job, kit_ask(job), 0.9, 50);
	(void)kit_tell_again(job, 0, 1, 0.9, 100);
	(void)kit_tell_again(job, 1, 1, 0.9, 50);
	verdict = verdict_of(job, false);
	cr_expect_str_eq(verdict, "2 times as fast, loses no accuracy, 2 of 2 operators in int8, "
				  "measured once, judged on the acceptance data");
	free(verdict);
	job_destroy(job);
	says(", \"evaluator\": {\"pool\": \"gpu\", \"baseline\": {}}", BASELINE,
	     "{\"accuracy\": 0.9, \"latency_ms\": 50}", false,
	     "2 times as fast, loses no accuracy, 2 of 2 operators in int8, measured once, against "
	     "the baseline that you gave");
}

Test(words, members_say_the_same_as_the_sentence)
{
	struct job *job = kit_running("", 0.9);
	json_t *data;

	kit_tell(job, kit_ask(job), 0.88, 50);
	data = words_best_data(job, job->trials[1], false);
	cr_assert(json_is_false(json_object_get(data, "feasible")));
	cr_assert_str_eq(json_string_value(json_object_get(data, "keep_baseline_because")),
			 "criterion_missed");
	cr_assert_float_eq(json_real_value(json_object_get(data, "accuracy")), 0.88, 1e-12);
	cr_assert_float_eq(json_real_value(json_object_get(data, "accuracy_loss")), 0.02 / 0.9,
			   1e-9);
	cr_assert_float_eq(
		json_real_value(json_object_get(json_object_get(data, "nearest"), "misses_by")),
		0.011 / 0.009, 1e-6);
	cr_assert_float_eq(json_real_value(json_object_get(data, "gain")), 0.5, 1e-12);
	cr_assert_float_eq(json_real_value(json_object_get(data, "speedup")), 2, 1e-12);
	cr_assert(json_is_null(json_object_get(data, "gain_interval")));
	cr_assert_eq(json_integer_value(json_object_get(data, "measurements")), 1);
	json_decref(data);
	(void)kit_tell_again(job, 0, 1, 0.9, 104);
	(void)kit_tell_again(job, 1, 1, 0.9, 40);
	(void)kit_tell_again(job, 0, 2, 0.9, 96);
	(void)kit_tell_again(job, 1, 2, 0.9, 60);
	data = words_best_data(job, job->trials[1], false);
	cr_assert(json_is_true(json_object_get(data, "feasible")));
	cr_assert(json_is_null(json_object_get(data, "nearest")));
	cr_assert_null(json_string_value(json_object_get(data, "keep_baseline_because")));
	cr_assert_eq(json_real_value(json_array_get(json_object_get(data, "objective_range"), 0)),
		     40);
	cr_assert_eq(json_real_value(json_array_get(json_object_get(data, "objective_range"), 1)),
		     60);
	cr_assert_eq(json_real_value(json_array_get(json_object_get(data, "accuracy_range"), 0)),
		     0.9);
	cr_assert_eq(json_array_size(json_object_get(data, "gain_interval")), 2);
	job->trials[1]->rejected = true;
	json_decref(data);
	data = words_best_data(job, job->trials[1], false);
	cr_assert(json_is_false(json_object_get(data, "feasible")));
	cr_assert_str_eq(json_string_value(json_object_get(data, "keep_baseline_because")),
			 "criterion_missed");
	cr_assert(json_is_object(json_object_get(data, "nearest")));
	cr_assert_str_eq(json_string_value(json_object_get(data, "verdict")),
			 "keep fp32: the config that was measured again does not meet the "
			 "criterion: it loses no accuracy");
	json_decref(data);
	job->rejections = 3;
	data = words_best_data(job, job->trials[1], false);
	cr_assert_str_eq(json_string_value(json_object_get(data, "verdict")),
			 "keep fp32: of 3 configs that were measured again none meets the "
			 "criterion; the last one loses no accuracy");
	json_decref(data);
	job_destroy(job);
}

Test(words, several_accuracies_are_said_by_name)
{
	struct job *job = kit_running_from(
		TWO_ACCURACIES, "{\"accuracy\": {\"x\": 1, \"y\": 2}, \"latency_ms\": 100}");
	struct trial *trial = kit_ask(job);
	json_t *data;

	kit_answer(job, trial, TWO("1", "1.99"));
	data = words_best_data(job, trial, false);
	cr_assert_eq(json_real_value(json_object_get(json_object_get(data, "accuracy"), "y")),
		     1.99);
	cr_assert_eq(json_real_value(json_array_get(
			     json_object_get(json_object_get(data, "accuracy_range"), "y"), 1)),
		     1.99);
	json_decref(data);
	job_destroy(job);
}

#define MIXED                                                                                      \
	", \"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "       \
	"[\"int8\"]}}, \"bf16\": {}, \"fp32\": {}}, \"Add\": {\"fp32\": {}}}, \"ops\": "           \
	"[{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": \"b\", \"type\": \"Conv\"}, "          \
	"{\"name\": \"c\", \"type\": \"Add\"}]}"
#define WEIGHTS                                                                                    \
	", \"approach\": \"weight_only\", \"capability\": {\"op_types\": {\"Mat\": "               \
	"{\"weight_only\": [{\"weight\": {\"dtype\": [\"int\"], \"bits\": [4]}}, {\"weight\": "    \
	"{\"dtype\": [\"int\"], \"bits\": [8]}}, {\"weight\": {\"dtype\": [\"nf4\"]}}], "          \
	"\"fp32\": {}}}, \"ops\": [{\"name\": \"a\", \"type\": \"Mat\"}, {\"name\": "              \
	"\"b\", \"type\": \"Mat\"}]}"

static void lowered(const char *extra, const char *config, const char *expected)
{
	struct job *job = kit_running(extra, 0.9);
	char *verdict;
	char *data = mem_printf("{\"kind\": \"evaluate\", \"stage\": \"s\", \"source\": "
				"\"measured\", \"seen\": 0, \"config\": %s}",
				config);

	kit_record(job, LOGGED_QUESTION_ASKED, 1, data);
	kit_tell(job, job->trials[1], 0.9, 50);
	verdict = verdict_of(job, false);
	cr_expect_not_null(strstr(verdict, expected), "%s of %s", verdict, config);
	free(verdict);
	free(data);
	job_destroy(job);
}

/* Of each operator the first option is the default. */
Test(words, operators_are_counted_by_format)
{
	lowered(MIXED, "[]", ", 2 of 2 operators in int8, measured");
	lowered(MIXED, "[[0, 1]]", ", 1 of 2 operators in bf16, 1 of 2 in int8, measured");
	lowered(MIXED, "[[0, 2]]", ", 1 of 2 operators in int8, measured");
	lowered(MIXED, "[[0, 1], [1, 1]]", ", 2 of 2 operators in bf16, measured");
	lowered(WEIGHTS, "[]", ", 2 of 2 operators in int4, measured");
	lowered(", \"approach\": \"weight_only\", \"capability\": {\"op_types\": {\"Mat\": "
		"{\"weight_only\": {\"weight\": {\"dtype\": [\"int\"]}}, \"fp32\": {}}}, \"ops\": "
		"[{\"name\": \"a\", \"type\": \"Mat\"}]}",
		"[]", ", 1 of 1 operator in int, measured");
	lowered(WEIGHTS, "[[0, 1]]", ", 1 of 2 operators in int8, 1 of 2 in int4, measured");
	lowered(WEIGHTS, "[[0, 2], [1, 3]]", ", 1 of 2 operators in nf4, measured");
}
