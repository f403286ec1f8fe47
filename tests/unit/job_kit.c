/* Submits, asks, answers and reads jobs again for tests of what they decide. */
#include "tests/unit/job_kit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int64_t kit_preferred;
int64_t kit_now_ms = INT64_C(1700000000000);

static int64_t read_clock(void *arg)
{
	(void)arg;
	return kit_now_ms;
}

static const struct clock kit_clock = {read_clock, read_clock, NULL};

static json_t *loads(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

	cr_assert_not_null(value, "%s in %s", error.text, text);
	return value;
}

struct spec *kit_spec(const char *extra)
{
	char *text = mem_printf(
		"{\"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "
		"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"]}}}}, \"ops\": "
		"[{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": \"b\", \"type\": \"Conv\"}]}, "
		"\"evaluator\": {\"url\": \"http://127.0.0.1:9001\"}, "
		"\"tuning_criterion\": {\"strategy\": \"exhaustive\"}%s}",
		extra);
	json_t *body = loads(text);
	struct err err;
	struct spec *spec = spec_create(body, json_object_get(body, "capability"),
					json_object_get(body, "evaluator"), &err);

	cr_assert_not_null(spec, "%s", err.message);
	json_decref(body);
	free(text);
	return spec;
}

struct job *kit_job(const char *extra)
{
	return job_create("job_TEST", kit_spec(extra), &kit_clock);
}

struct job *kit_running_from(const char *extra, const char *baseline)
{
	struct job *job = kit_job(extra);

	cr_assert_eq(kit_next(job).step, NEXT_BASELINE);
	kit_answer(job, job_ask_baseline(job), baseline);
	cr_assert_eq(job->state, JOB_RUNNING);
	return job;
}

struct job *kit_running(const char *extra, double accuracy)
{
	char *text = mem_printf("{\"accuracy\": %.17g, \"latency_ms\": 100}", accuracy);
	struct job *job = kit_running_from(extra, text);

	free(text);
	return job;
}

struct next kit_next(struct job *job)
{
	static const struct circumstances calm = {false, NULL};

	return job_next(job, &calm);
}

struct trial *kit_ask(struct job *job)
{
	struct question question;
	struct trial *trial;

	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(strategy_next(&job->strategy, &question), STEP_ASK);
	trial = job_ask(job, &question);
	question_finish(&question);
	return trial;
}

void kit_settle(struct job *job)
{
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
}

void kit_answer(struct job *job, struct trial *trial, const char *text)
{
	json_t *body = loads(text);
	struct spec_needs needs;
	struct answer_expect expect;
	struct answer answer;
	struct err err;

	spec_needs_init(&needs, job->spec);
	expect = spec_needs_expect(&needs);
	cr_assert_eq(answer_parse(body, &expect, &answer, &err), 0, "%s", err.message);
	job_record(job, LOGGED_TRIAL_TOLD, trial->number, job_told_data(job, trial, &answer));
	job_after_result(job, trial);
	answer_finish(&answer);
	json_decref(body);
}

static int64_t choose(const void *state)
{
	(void)state;
	return kit_preferred;
}

void kit_prefer(struct job *job, int64_t number)
{
	static struct strategy_ops ops;

	ops = *job->strategy.ops;
	ops.choose = choose;
	job->strategy.ops = &ops;
	kit_preferred = number;
}

void kit_tell(struct job *job, struct trial *trial, double accuracy, double latency_ms)
{
	char *text =
		mem_printf("{\"accuracy\": %.17g, \"latency_ms\": %.17g}", accuracy, latency_ms);

	kit_answer(job, trial, text);
	free(text);
}

struct trial *kit_ask_again(struct job *job, int64_t subject, int64_t round)
{
	struct next next = {.step = NEXT_CONFIRM, .trial = subject, .round = round};

	return job_ask_again(job, &next);
}

struct trial *kit_tell_again(struct job *job, int64_t subject, int64_t round, double accuracy,
			     double latency_ms)
{
	struct trial *trial = kit_ask_again(job, subject, round);

	kit_tell(job, trial, accuracy, latency_ms);
	return trial;
}

void kit_rounds(struct job *job, double baseline, double config, double spread)
{
	for (int64_t round = 1; round <= 3; round++) {
		double offset = (double)(round - 2) * spread;

		(void)kit_tell_again(job, 0, round, 0.9, baseline + offset);
		(void)kit_tell_again(job, 1, round, 0.9, config - offset);
	}
}

void kit_fail(struct job *job, struct trial *trial, const char *error)
{
	job_record(job, LOGGED_TRIAL_FAILED, trial->number,
		   json_pack("{s:s, s:i}", "error", error, "attempts", 1));
	job_after_failure(job, trial, error);
}

void kit_record(struct job *job, enum logged type, int64_t trial, const char *data)
{
	job_record(job, type, trial, loads(data));
}

int kit_replay(struct job *job, enum logged type, int64_t trial, const char *data)
{
	json_t *value = loads(data);
	struct err err;
	int rc = job_replay(job, type, trial, value, &err);

	json_decref(value);
	return rc;
}

const json_t *kit_newest(const struct job *job, enum logged type)
{
	for (size_t i = job->row_count; i > 0; i--) {
		if (job->rows[i - 1].type == type) {
			return job->rows[i - 1].data;
		}
	}
	return NULL;
}

const char *kit_text(const struct job *job, enum logged type, const char *member)
{
	const char *text = json_string_value(json_object_get(kit_newest(job, type), member));

	return text != NULL ? text : "";
}

size_t kit_count(const struct job *job, enum logged type)
{
	size_t count = 0;

	for (size_t i = 0; i < job->row_count; i++) {
		count += job->rows[i].type == type;
	}
	return count;
}

const char *kit_exit(const struct job *job, const char *member)
{
	const json_t *end = json_object_get(kit_newest(job, LOGGED_STATE_CHANGED), "exit");
	const char *text = json_string_value(json_object_get(end, member));

	return text != NULL ? text : "";
}

struct job *kit_again(const struct job *job, const char *extra)
{
	struct job *again = kit_job(extra);
	struct err err;

	for (size_t i = 0; i < job->row_count; i++) {
		const struct row *row = &job->rows[i];

		cr_assert_eq(job_replay(again, row->type, row->trial, row->data, &err), 0,
			     "event %zu: %s", i, err.message);
	}
	return again;
}

void kit_check_again(struct job *job, const char *extra)
{
	struct job *again;

	if (!job_state_is_final(job->state)) {
		(void)job_settle(job);
	}
	again = kit_again(job, extra);
	if (!job_state_is_final(job->state)) {
		(void)job_settle(again);
	}
	cr_expect_eq(again->row_count, 0, "a restart must record nothing");
	cr_expect_eq(again->state, job->state);
	cr_expect_eq(again->version, job->version);
	cr_expect_eq(again->trial_count, job->trial_count);
	cr_expect_eq(again->settled, job->settled);
	cr_expect_eq(again->charged, job->charged);
	cr_expect_eq(again->failed, job->failed);
	cr_expect_eq(again->retries, job->retries);
	cr_expect_eq(again->out, job->out);
	cr_expect_eq(again->best != NULL ? again->best->number : -1,
		     job->best != NULL ? job->best->number : -1);
	for (int64_t i = 0; i < job->trial_count; i++) {
		cr_expect_eq(again->trials[i]->state, job->trials[i]->state);
		cr_expect_eq(again->trials[i]->attempts, job->trials[i]->attempts);
		cr_expect_eq(again->trials[i]->failures, job->trials[i]->failures);
	}
	job_destroy(again);
}
