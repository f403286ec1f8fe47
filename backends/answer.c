/* Reads answers member by member; a fault names the member and what was expected there. */
#include "backends/answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/answer_reader.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/median.h"
#include "base/mem.h"

/* What an answer may have besides what it is asked for. */
static const char *const measured_members[] = {"accuracy", "latency_ms", "metrics", NULL};
static const char *const unsigned_units[] = {"_ms", "_s", "_bytes"}; /* never less than nothing */

void answer_finish(struct answer *answer)
{
	for (size_t i = 0; i < answer->metric_count; i++) {
		free(answer->metrics[i].name);
	}
	free(answer->scores);
	free(answer->error);
	json_decref(answer->samples);
	json_decref(answer->strangers);
	memset(answer, 0, sizeof(*answer));
}

double answer_metric(const struct answer *answer, const char *name, double fallback)
{
	for (size_t i = 0; i < answer->metric_count; i++) {
		if (strcmp(answer->metrics[i].name, name) == 0) {
			return answer->metrics[i].value;
		}
	}
	return fallback;
}

static bool is_unsigned(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(unsigned_units) / sizeof(unsigned_units[0]); i++) {
		size_t length = strlen(unsigned_units[i]);

		if (n > length && strcmp(name + n - length, unsigned_units[i]) == 0) {
			return true;
		}
	}
	return false;
}

static bool read_sample(struct answer_reader *reader, const struct json_at *at, const char *name,
			double *ret)
{
	if (!answer_reader_number(reader, at, ret)) {
		return false;
	}
	if (*ret < 0 && is_unsigned(name)) {
		(void)json_fault(at, "must not be negative");
		return false;
	}
	return true;
}

static bool read_samples(struct answer_reader *reader, const struct json_at *at, const char *name,
			 double *ret)
{
	size_t count = json_array_size(at->value), good = 0;
	double *values;

	if (count == 0 || count > LIMIT_SAMPLES) {
		(void)json_fault(at, "a list of samples has 1 to %d numbers", LIMIT_SAMPLES);
		return false;
	}
	values = mem_new(count, sizeof(*values));
	while (good < count) {
		struct json_at item = json_item(at, good);

		if (!read_sample(reader, &item, name, &values[good])) {
			break;
		}
		good++;
	}
	if (good == count) {
		*ret = median(values, count);
		if (reader->ret->samples == NULL) {
			reader->ret->samples = json_object();
		}
		(void)json_object_set(reader->ret->samples, name, at->value);
	}
	free(values);
	return good == count;
}

/* A number, or a list of samples whose median counts. */
static bool read_value(struct answer_reader *reader, const struct json_at *at, const char *name,
		       double *ret)
{
	return json_is_array(at->value) ? read_samples(reader, at, name, ret)
					: read_sample(reader, at, name, ret);
}

static void add_metric(struct answer_reader *reader, const struct json_at *at, const char *name)
{
	struct answer *ret = reader->ret;
	double value;

	if (!isnan(answer_metric(ret, name, NAN))) {
		(void)json_fault(at, "is given twice");
	} else if (read_value(reader, at, name, &value)) {
		ret->metrics[ret->metric_count++] = (struct answer_metric){mem_dup(name), value};
	}
}

/* One that the job does not need is kept when it is what a metric is, and cannot be a fault. */
static void add_own_metric(struct answer_reader *reader, const struct json_at *at, const char *name)
{
	const char *const *offered = reader->expect->offered;
	bool expected = offered == NULL || answer_reader_knows(offered, name) ||
			strcmp(name, "latency_ms") == 0;
	size_t before = reader->ret->metric_count;
	struct answer_reader own = *reader;
	struct json_at quiet = *at;
	struct err ignored;

	err_init(&ignored);
	quiet.err = &ignored;
	if (before < LIMIT_METRICS) {
		add_metric(&own, &quiet, name);
	}
	if (!expected || (reader->ret->metric_count == before && !answer_reader_is_null(at))) {
		answer_reader_stranger(reader, at);
	}
}

static void read_accuracy(struct answer_reader *reader, const struct json_at *at)
{
	const char *const *names = reader->expect->accuracies;
	struct answer *ret = reader->ret;

	if (names == NULL) {
		ret->accuracy_count = read_value(reader, at, "accuracy", &ret->accuracy[0]);
		return;
	}
	if (at->value == NULL) {
		(void)answer_reader_number(reader, at, &ret->accuracy[0]);
		return;
	}
	if (!json_is_object_at(at)) {
		return;
	}
	answer_reader_strangers(reader, at, names, NULL);
	for (size_t i = 0; i < LIMIT_METRICS && names[i] != NULL; i++) {
		struct json_at member = json_member(at, names[i]);

		ret->accuracy_count += read_value(reader, &member, names[i], &ret->accuracy[i]);
	}
}

/* Those that count first, so that no others take their places. */
static void read_metrics(struct answer_reader *reader, const struct json_at *at)
{
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	for (int own = 0; own < 2; own++) {
		json_object_foreach(at->value, key, value) {
			bool needed = answer_reader_knows(reader->expect->metrics, key);
			struct json_at member = json_member(at, key);

			if (needed == (own == 0)) {
				(needed ? add_metric : add_own_metric)(reader, &member, key);
			}
		}
	}
}

static void read_latency(struct answer_reader *reader, const struct json_at *at)
{
	bool needed = answer_reader_knows(reader->expect->metrics, at->key);

	if (at->value != NULL || (needed && answer_reader_is_null(at))) {
		(needed ? add_metric : add_own_metric)(reader, at, at->key);
	}
}

static void read_measurement(struct answer_reader *reader, const struct json_at *at)
{
	struct json_at accuracy = json_member(at, "accuracy");
	struct json_at latency = json_member(at, "latency_ms");
	struct json_at metrics = json_member(at, "metrics");
	struct json_at error = json_member(at, "error");
	const char *const *needed = reader->expect->metrics;

	if (error.value != NULL) {
		(void)json_fault(&error, "is there, but \"failed\" is not true");
	}
	answer_reader_strangers(reader, at, measured_members, answer_reader_any_members);
	read_accuracy(reader, &accuracy);
	read_latency(reader, &latency);
	read_metrics(reader, &metrics);
	for (; needed != NULL && *needed != NULL; needed++) {
		bool own = strcmp(*needed, latency.key) == 0;
		struct json_at missing = json_member(own ? at : &metrics, *needed);

		if (json_object_get(metrics.value, *needed) == NULL &&
		    (!own || json_object_get(at->value, *needed) == NULL)) {
			(void)json_fault(&missing, "is missing, and the job's objective needs it");
		}
	}
}

static void read_failure(struct answer_reader *reader, const struct json_at *at)
{
	struct json_at error = json_member(at, "error");
	struct json_at retryable = json_member(at, "retryable");
	struct answer *ret = reader->ret;
	const char *text = json_is_string(error.value) ? json_string_value(error.value)
						       : "the evaluator gave no reason";

	answer_reader_strangers(reader, at, answer_reader_any_members, NULL);
	if (error.value != NULL && !json_is_string(error.value)) {
		(void)json_fault(&error, "a string is expected");
	}
	ret->failed = true;
	ret->retryable = json_bool(&retryable, false);
	ret->error = buf_line(text, strlen(text), LIMIT_ERROR_TEXT_BYTES);
}

/* An earlier attempt's lease is this question's, too: its answer may have been kept for the next. */
static bool is_own_lease(const struct answer_expect *expect, const char *lease)
{
	bool own = strcmp(lease, expect->lease) == 0;

	for (size_t i = 0; i < expect->past_count && !own; i++) {
		own = strcmp(lease, expect->past[i]) == 0;
	}
	return own;
}

/* An answer may say which question it is for. */
static void check_question(struct answer_reader *reader, const struct json_at *at)
{
	const struct answer_expect *expect = reader->expect;
	struct json_at trial = json_member(at, "trial"), lease = json_member(at, "lease");

	if (expect->lease == NULL) {
		return;
	}
	if (trial.value != NULL && !json_is_integer(trial.value)) {
		(void)json_fault(&trial, "an integer is expected");
	} else if (trial.value != NULL && json_integer_value(trial.value) != expect->trial) {
		reader->misplaced = true;
		(void)json_fault(&trial, "is another question's; this one is trial %lld",
				 (long long)expect->trial);
	}
	if (lease.value != NULL && !json_is_string(lease.value)) {
		(void)json_fault(&lease, "a string is expected");
	} else if (lease.value != NULL && !is_own_lease(expect, json_string_value(lease.value))) {
		reader->misplaced = true;
		(void)json_fault(&lease, "is another question's; this one has the lease %s",
				 expect->lease);
	}
}

static enum answer_fault fault_of(const struct answer_reader *reader, const struct err *err)
{
	if (reader->misplaced) {
		return ANSWER_MISPLACED;
	}
	return reader->expect->of_config && reader->unusable == err->fault_count ? ANSWER_NO_NUMBER
										 : ANSWER_MALFORMED;
}

int answer_parse(json_t *body, const struct answer_expect *expect, struct answer *ret,
		 struct err *reterr)
{
	struct answer_reader reader = {.expect = expect, .ret = ret};
	struct json_at at = json_root(body, reterr);
	struct json_at failed = json_member(&at, "failed"), cached = json_member(&at, "cached");

	err_init(reterr);
	memset(ret, 0, sizeof(*ret));
	if (json_is_string(body)) {
		ret->fault = ANSWER_MALFORMED;
		return err_set(reterr, ERR_EVALUATOR, "the answer is no JSON: %s",
			       json_string_value(body));
	}
	if (!json_is_object(body)) {
		ret->fault = ANSWER_MALFORMED;
		return err_set(reterr, ERR_EVALUATOR, "the answer is not a JSON object");
	}
	check_question(&reader, &at);
	ret->cached = json_bool(&cached, false);
	if (json_bool(&failed, false)) {
		read_failure(&reader, &at);
	} else if (expect->scores) {
		answer_scores_read(&reader, &at);
	} else {
		read_measurement(&reader, &at);
	}
	if (reterr->code == ERR_OK) {
		return 0;
	}
	reterr->code = ERR_EVALUATOR;
	ret->fault = fault_of(&reader, reterr);
	return ret->fault == ANSWER_NO_NUMBER
		       ? err_prefix(reterr,
				    "the answer is not a number: the config ruins the model")
		       : err_prefix(reterr, "the answer cannot be used");
}
