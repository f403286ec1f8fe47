/* Measurements from elsewhere: which are taken, which are no measurements, and what is wrong with the rest. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/import.h"
#include "job/trial.h"
#include "tests/unit/job_kit.h"

#define PER_TENSOR                                                                                 \
	"{\"ops\": {\"a\": {\"mode\": \"static\", \"weight\": {\"dtype\": \"int8\", "              \
	"\"granularity\": \"per_tensor\"}}}}"
#define MEASURED "\"config\": " PER_TENSOR ", \"accuracy\": 0.9, \"latency_ms\": 40"

static int read_as(const char *extra, const char *text, struct import *ret, struct err *reterr)
{
	struct spec *spec = kit_spec(extra);
	json_t *body = json_loads(text, 0, NULL);
	int rc;

	cr_assert_not_null(body, "%s", text);
	rc = import_read(spec, body, ret, reterr);
	json_decref(body);
	spec_destroy(spec);
	return rc;
}

static const char *member(const struct import *import, size_t i, const char *name)
{
	const char *text = json_string_value(json_object_get(import->list[i], name));

	return text != NULL ? text : "";
}

Test(import, a_trial_is_taken_as_it_is_printed)
{
	struct import import;
	struct err err;
	json_t *metrics;

	cr_assert_eq(
		read_as("",
			"{\"trials\": [{" MEASURED
			"}, {\"job\": \"job_X\", \"number\": 7, \"kind\": \"evaluate\", "
			"\"stage\": \"all\", \"state\": \"told\", \"source\": \"measured\", "
			"\"attempts\": 1, \"accuracy\": 0.8, \"metrics\": {\"latency_ms\": 30, "
			"\"power_w\": 5}, \"feasible\": true, \"objective_value\": 30, "
			"\"margin\": 1, \"subset\": null, \"worker\": \"w\", \"error\": null, "
			"\"hash\": \"00\", \"excluded\": null, \"rejected\": null, \"config\": "
			"{}}]}",
			&import, &err),
		0, "%s", err.message);
	cr_assert_eq(import.count, 2);
	cr_assert_eq(import.skipped, 0);
	cr_assert_str_eq(member(&import, 0, "kind"), "evaluate");
	cr_assert_str_eq(member(&import, 0, "source"), "imported");
	cr_assert_str_eq(member(&import, 0, "stage"), "import");
	cr_assert_eq(json_real_value(json_object_get(import.list[0], "accuracy")), 0.9);
	cr_assert_neq(json_array_size(json_object_get(import.list[0], "config")), 0);
	metrics = json_object_get(import.list[1], "metrics");
	cr_assert_eq(json_real_value(json_object_get(metrics, "latency_ms")), 30);
	cr_assert_eq(json_real_value(json_object_get(metrics, "power_w")), 5);
	import_finish(&import);
	cr_assert_eq(import.count, 0);
	import_finish(&import);
}

Test(import, what_is_no_measurement_of_a_config_is_left_out)
{
	static const char *const others[] = {
		"\"kind\": \"score\"",
		"\"kind\": \"confirm\"",
		"\"kind\": \"baseline\"",
		"\"state\": \"asked\"",
		"\"state\": \"leased\"",
		"\"state\": \"failed\"",
		"\"state\": \"pruned\"",
		"\"state\": \"cancelled\"",
		"\"source\": \"cache\"",
		"\"subset\": {\"from\": 1}",
		"\"excluded\": {\"reason\": \"busy\"}",
	};
	static const char *const taken[] = {
		"\"kind\": \"evaluate\"",   "\"state\": \"told\"",
		"\"source\": \"measured\"", "\"subset\": null",
		"\"excluded\": null",       "\"rejected\": {\"reason\": \"r\"}",
		"\"source\": \"imported\"",
	};
	struct import import;
	struct err err;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char *text = mem_printf("{\"trials\": [{" MEASURED ", %s}]}", others[i]);

		cr_expect_eq(read_as("", text, &import, &err), 0, "%s: %s", text, err.message);
		cr_expect_eq(import.count, 0, "%s", others[i]);
		cr_expect_eq(import.skipped, 1, "%s", others[i]);
		import_finish(&import);
		free(text);
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		char *text = mem_printf("{\"trials\": [{" MEASURED ", %s}]}", taken[i]);

		cr_expect_eq(read_as("", text, &import, &err), 0, "%s: %s", text, err.message);
		cr_expect_eq(import.count, 1, "%s", taken[i]);
		cr_expect_eq(import.skipped, 0, "%s", taken[i]);
		import_finish(&import);
		free(text);
	}
}

Test(import, every_fault_says_where_it_is)
{
	static const struct {
		const char *body, *pointer;
	} cases[] = {
		{"{}", "/trials"},
		{"{\"trials\": {}}", "/trials"},
		{"{\"trials\": [], \"more\": 1}", "/more"},
		{"{\"trials\": [3]}", "/trials/0"},
		{"{\"trials\": [null]}", "/trials/0"},
		{"{\"trials\": [{" MEASURED "}, {" MEASURED ", \"latency\": 3}]}",
		 "/trials/1/latency"},
		{"{\"trials\": [{\"config\": {}, \"latency_ms\": 4}]}", "/trials/0/accuracy"},
		{"{\"trials\": [{\"config\": {}, \"accuracy\": 0.9}]}", "/trials/0/latency_ms"},
		{"{\"trials\": [{\"accuracy\": 0.9, \"latency_ms\": 4}]}", "/trials/0/config"},
		{"{\"trials\": [{\"config\": {\"ops\": {\"z\": {\"mode\": \"fp32\"}}}, "
		 "\"accuracy\": 0.9, \"latency_ms\": 4}]}",
		 "/trials/0/config/ops/z"},
		{"{\"trials\": [{" MEASURED ", \"state\": \"odd\"}]}", "/trials/0/state"},
	};
	struct import import;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(read_as("", cases[i].body, &import, &err), -ERR_INVALID_FIELD, "%s",
			     cases[i].body);
		cr_expect_eq(err.fault_count, 1, "%s: %zu faults, %s", cases[i].body,
			     err.fault_count, err.faults[1].pointer);
		cr_expect_str_eq(err.faults[0].pointer, cases[i].pointer, "%s", cases[i].body);
		import_finish(&import);
	}
	cr_assert_eq(read_as("",
			     "{\"trials\": [{\"config\": {}, \"accuracy\": 0.9}, {\"config\": {}, "
			     "\"latency_ms\": 0.9}]}",
			     &import, &err),
		     -ERR_INVALID_FIELD);
	cr_assert_eq(err.fault_count, 2, "those of all trials");
	import_finish(&import);
}

Test(import, a_call_takes_so_many_and_no_more)
{
	struct import import;
	struct err err;

	for (size_t more = 0; more < 2; more++) {
		struct spec *spec = kit_spec("");
		json_t *list = json_array(), *body = json_pack("{s:o}", "trials", list);

		for (size_t i = 0; i < IMPORT_TRIALS_MAX + more; i++) {
			(void)json_array_append_new(list, json_pack("{s:s}", "state", "failed"));
		}
		cr_assert_eq(import_read(spec, body, &import, &err),
			     more > 0 ? -ERR_INVALID_FIELD : 0);
		cr_assert_eq(import.skipped, more > 0 ? 0 : IMPORT_TRIALS_MAX);
		import_finish(&import);
		json_decref(body);
		spec_destroy(spec);
	}
}

Test(import, all_that_the_job_judges_by_is_needed)
{
	const char *extra = ", \"accuracy_criterion\": {\"metrics\": [{\"name\": \"top1\"}, "
			    "{\"name\": \"top5\"}]}, \"tuning_criterion\": {\"objective\": "
			    "[\"latency_ms\", \"power_w\"]}";
	struct import import;
	struct err err;

	cr_assert_eq(read_as(extra,
			     "{\"trials\": [{\"config\": {}, \"accuracy\": {\"top1\": 0.9, "
			     "\"top5\": 0.95}, \"metrics\": {\"latency_ms\": 3, \"power_w\": 5}}]}",
			     &import, &err),
		     0, "%s", err.message);
	cr_assert_eq(import.count, 1);
	cr_assert_eq(json_real_value(
			     json_object_get(json_object_get(import.list[0], "accuracy"), "top5")),
		     0.95);
	import_finish(&import);
	cr_assert_eq(read_as(extra, "{\"trials\": [{" MEASURED "}]}", &import, &err),
		     -ERR_INVALID_FIELD);
	cr_assert_eq(import.count, 0);
	import_finish(&import);
}

static void copy(const struct spec *spec, const char *text, struct import *ret)
{
	json_t *history = json_loads(text, 0, NULL);

	cr_assert_not_null(history, "%s", text);
	import_copy(spec, history, ret);
	json_decref(history);
}

Test(import, an_earlier_job_gives_what_this_one_can_use)
{
	struct spec *spec = kit_spec("");
	struct import import;

	copy(spec,
	     "[{\"kind\": \"evaluate\", \"config\": [[0, 1]], \"accuracy\": 0.8, \"metrics\": "
	     "{\"latency_ms\": 9}, \"seen\": 4, \"worker\": \"w\"},"
	     " {\"kind\": \"evaluate\", \"config\": [[0, 1]], \"accuracy\": 0.8, \"metrics\": "
	     "{\"power_w\": 9}},"
	     " {\"kind\": \"evaluate\", \"config\": [[77, 1]], \"accuracy\": 0.8, \"metrics\": "
	     "{\"latency_ms\": 9}},"
	     " {\"kind\": \"score\", \"method\": \"mse\", \"phase\": \"fallback\", \"ops\": [0, "
	     "1], "
	     "\"scores\": {\"a\": 1, \"b\": 2}, \"seen\": 4}]",
	     &import);
	cr_assert_eq(import.count, 2);
	cr_assert_eq(import.skipped, 2, "what lacks a metric, and what is not in the space");
	cr_assert_str_eq(member(&import, 0, "kind"), "evaluate");
	cr_assert_str_eq(member(&import, 0, "source"), "imported");
	cr_assert_null(json_object_get(import.list[0], "worker"));
	cr_assert_eq(json_real_value(json_object_get(import.list[0], "accuracy")), 0.8);
	cr_assert_str_eq(member(&import, 1, "kind"), "score");
	cr_assert_str_eq(member(&import, 1, "source"), "imported");
	cr_assert_str_eq(member(&import, 1, "stage"), "import");
	cr_assert_str_eq(member(&import, 1, "method"), "mse");
	cr_assert_str_eq(member(&import, 1, "phase"), "fallback");
	cr_assert_eq(json_object_size(json_object_get(import.list[1], "scores")), 2);
	cr_assert_eq(json_array_size(json_object_get(import.list[1], "ops")), 2);
	cr_assert_null(json_object_get(import.list[1], "seen"), "that was the other job's");
	import_finish(&import);
	spec_destroy(spec);
}

Test(import, there_is_room_for_so_many_in_a_job)
{
	struct job *job = kit_running("", 0.9);
	struct import import = {.count = 2 * LIMIT_TRIALS - 1};
	struct err err;

	cr_assert_eq(import_check(job, &import, &err), 0, "with the baseline it is full");
	import.count++;
	cr_assert_neq(import_check(job, &import, &err), 0);
	cr_assert_str_eq(err.faults[0].pointer, "/trials");
	job_destroy(job);
}

static void take(struct job *job, const char *text)
{
	json_t *body = json_loads(text, 0, NULL);
	struct import import;
	struct err err;

	cr_assert_eq(import_read(job->spec, body, &import, &err), 0, "%s", err.message);
	import_record(job, &import);
	import_finish(&import);
	json_decref(body);
}

/* Whatever is found it goes on. */
#define ON ", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\"}"
#define TWO                                                                                        \
	"{\"trials\": [{" MEASURED "}, {\"config\": {}, \"accuracy\": 0.5, \"latency_ms\": 20}]}"

Test(import, before_the_baseline_nobody_can_judge_them)
{
	struct job *job = kit_job(ON);

	take(job, TWO);
	cr_assert_eq(job->trial_count, 3, "place 0 is the baseline's");
	cr_assert_not(job->trials[0]->imported);
	cr_assert(job->trials[1]->imported && job->trials[2]->imported);
	cr_assert_null(json_object_get(kit_newest(job, LOGGED_TRIAL_IMPORTED), "feasible"));
	kit_tell(job, job_ask_baseline(job), 0.9, 100);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_JUDGED), 2);
	cr_assert(job->trials[1]->candidate.feasible);
	cr_assert_not(job->trials[2]->candidate.feasible);
	kit_settle(job);
	cr_assert_eq(job->best->number, 1);
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(import, a_judgement_comes_between_the_baseline_and_the_strategy)
{
	struct job *job = kit_job(ON);

	take(job, TWO);
	cr_assert_eq(kit_replay(job, LOGGED_TRIAL_JUDGED, 1, "{}"), -ERR_CORRUPT);
	job_destroy(job);
	job = kit_running(ON, 0.9);
	take(job, TWO);
	kit_settle(job);
	cr_assert_eq(kit_replay(job, LOGGED_TRIAL_JUDGED, 1, "{}"), -ERR_CORRUPT);
	job_destroy(job);
}

Test(import, afterwards_they_are_judged_and_cost_nothing)
{
	struct job *job = kit_running(ON, 0.9);
	const json_t *data;

	take(job, TWO);
	cr_assert_eq(job->trial_count, 3);
	data = kit_newest(job, LOGGED_TRIAL_IMPORTED);
	cr_assert(json_is_false(json_object_get(data, "feasible")));
	cr_assert_eq(json_real_value(json_object_get(data, "objective_value")), 20);
	cr_assert(job->trials[1]->candidate.feasible);
	cr_assert_eq(job->charged, 0);
	cr_assert_eq(job->out, 0);
	kit_settle(job);
	cr_assert_eq(job->settled, 2);
	cr_assert_eq(job->best->number, 1);
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(import, scores_have_nothing_to_judge)
{
	struct job *job = kit_running("", 0.9);
	struct import import;

	copy(job->spec,
	     "[{\"kind\": \"score\", \"method\": \"mse\", \"ops\": [0], \"config\": [], "
	     "\"scores\": {\"a\": 1}}]",
	     &import);
	import_record(job, &import);
	import_finish(&import);
	cr_assert_eq(job->trials[1]->kind, QUESTION_SCORE);
	cr_assert(job->trials[1]->imported);
	cr_assert_null(json_object_get(kit_newest(job, LOGGED_TRIAL_IMPORTED), "feasible"));
	cr_assert_eq(job->trials[1]->scores[0], 1);
	job_destroy(job);
}

#define WARM ", \"warm_start\": {\"job\": \"job_EARLIER\"}"

/* What a job is warned of that started warm from one with this baseline, its own being `here`; "" without a warning. */
static char *warned(const char *extra, const char *there, const char *here, const char *trials)
{
	char *on = mem_printf(ON WARM "%s", extra);
	char *submitted = mem_printf("{\"warm_baseline\": %s}", there), *text;
	struct job *job = kit_job(on);

	kit_record(job, LOGGED_JOB_SUBMITTED, -1, submitted);
	take(job, trials);
	kit_answer(job, job_ask_baseline(job), here);
	cr_assert_leq(kit_count(job, LOGGED_WARNING), 1);
	text = mem_dup(kit_text(job, LOGGED_WARNING, "detail"));
	kit_check_again(job, on);
	job_destroy(job);
	free(submitted);
	free(on);
	return text;
}

Test(import, an_earlier_job_that_measured_in_another_way_is_warned_of)
{
	static const char *const lax =
		", \"accuracy_criterion\": {\"criterion\": \"absolute\", \"tolerable_loss\": 0.1}";
	static const struct {
		const char *extra, *there, *here, *said;
	} cases[] = {
		{"", "0.9, \"metrics\": {\"latency_ms\": 5.67}", "0.9, \"latency_ms\": 24.7",
		 "of the baseline, latency_ms is 5.67 there and 24.7 here. "},
		{"", "0.9, \"metrics\": {\"latency_ms\": 151}", "0.9, \"latency_ms\": 100",
		 "latency_ms is 151 there and 100 here. "},
		{"", "0.9, \"metrics\": {\"latency_ms\": 149}", "0.9, \"latency_ms\": 100", NULL},
		{"", "0.9, \"metrics\": {\"latency_ms\": 0}", "0.9, \"latency_ms\": 100", NULL},
		{"", "0.9, \"metrics\": {\"power_w\": 900}", "0.9, \"latency_ms\": 100", NULL},
		{"", "98.4, \"metrics\": {\"latency_ms\": 9}", "0.984, \"latency_ms\": 100",
		 "accuracy is 98.4 there and 0.984 here, latency_ms is 9 there and 100 here. "},
		{"", "0.94, \"metrics\": {\"latency_ms\": 100}", "0.9, \"latency_ms\": 100", NULL},
		{"", "0.96, \"metrics\": {\"latency_ms\": 100}", "0.9, \"latency_ms\": 100",
		 "accuracy is 0.96 there and 0.9 here. "},
		{lax, "0.45, \"metrics\": {\"latency_ms\": 100}", "0.9, \"latency_ms\": 100",
		 "accuracy is 0.45 there"},
		{lax, "0.62, \"metrics\": {\"latency_ms\": 100}", "0.9, \"latency_ms\": 100", NULL},
		{lax, "0.05, \"metrics\": {\"latency_ms\": 100}", "0.1, \"latency_ms\": 100", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *there = mem_printf("{\"accuracy\": %s}", cases[i].there);
		char *here = mem_printf("{\"accuracy\": %s}", cases[i].here);
		char *text = warned(cases[i].extra, there, here, TWO);

		cr_expect(cases[i].said != NULL ? strstr(text, cases[i].said) != NULL
						: text[0] == '\0',
			  "%s: %s", there, text);
		cr_expect(text[0] == '\0' ||
			  strstr(text, "imported from job_EARLIER are not") != NULL);
		free(text);
		if (i == 0) {
			text = warned("", there, here, "{\"trials\": []}");
			cr_expect_str_eq(text, "", "nothing was imported");
			free(text);
		}
		free(there);
		free(here);
	}
}
