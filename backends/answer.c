#include "backends/answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static const char *const measured_members[] = {"accuracy", "latency_ms", "metrics", "failed", NULL};
static const char *const score_members[] = {"scores", "failed", NULL};
static const char *const failed_members[] = {"failed", "error", "retryable", NULL};
/* Units in which less than nothing cannot be measured. */
static const char *const unsigned_units[] = {"_ms", "_s", "_bytes"};

void answer_finish(struct answer *answer)
{
	for (size_t i = 0; i < answer->metric_count; i++) {
		free(answer->metrics[i].name);
	}
	free(answer->scores);
	free(answer->error);
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

/* Printable text of bounded length, cut between characters: it ends up on people's screens. */
static char *clean(const char *text)
{
	size_t n = strnlen(text, LIMIT_ERROR_TEXT_BYTES);
	char *copy;

	while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) {
		n--;
	}
	copy = mem_dup_n(text, n);
	for (char *c = copy; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7F) {
			*c = ' ';
		}
	}
	return copy;
}

static bool read_number(const struct json_at *at, double *ret)
{
	if (!json_required(at)) {
		return false;
	}
	if (!json_is_number(at->value)) {
		(void)json_fault(at, "a number is expected");
		return false;
	}
	*ret = json_number_value(at->value);
	return true;
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

static void add_metric(const struct json_at *at, const char *name, struct answer *ret)
{
	double value;

	if (!read_number(at, &value)) {
		return;
	}
	if (value < 0 && is_unsigned(name)) {
		(void)json_fault(at, "must not be negative");
	} else if (ret->metric_count == LIMIT_METRICS) {
		(void)json_fault(at, "at most %d metrics are taken", LIMIT_METRICS);
	} else if (!isnan(answer_metric(ret, name, NAN))) {
		(void)json_fault(at, "is given twice");
	} else {
		ret->metrics[ret->metric_count++] = (struct answer_metric){mem_dup(name), value};
	}
}

static void read_accuracy(const struct json_at *at, const struct answer_expect *expect,
			  struct answer *ret)
{
	if (expect->accuracies == NULL) {
		ret->accuracy_count = read_number(at, &ret->accuracy[0]);
		return;
	}
	if (!json_required(at) || !json_is_object_at(at)) {
		return;
	}
	json_only(at, expect->accuracies);
	for (size_t i = 0; i < LIMIT_METRICS && expect->accuracies[i] != NULL; i++) {
		struct json_at member = json_member(at, expect->accuracies[i]);

		ret->accuracy_count += read_number(&member, &ret->accuracy[i]);
	}
}

static void read_measurement(const struct json_at *at, const struct answer_expect *expect,
			     struct answer *ret)
{
	struct json_at accuracy = json_member(at, "accuracy");
	struct json_at latency = json_member(at, "latency_ms");
	struct json_at metrics = json_member(at, "metrics");
	const char *key;
	json_t *value;

	json_only(at, measured_members);
	read_accuracy(&accuracy, expect, ret);
	if (latency.value != NULL) {
		add_metric(&latency, "latency_ms", ret);
	}
	if (metrics.value != NULL && json_is_object_at(&metrics)) {
		json_object_foreach(metrics.value, key, value) {
			struct json_at member = json_member(&metrics, key);

			add_metric(&member, key, ret);
		}
	}
	for (size_t i = 0; expect->metrics != NULL && expect->metrics[i] != NULL; i++) {
		const char *name = expect->metrics[i];
		struct json_at missing =
			json_member(strcmp(name, "latency_ms") == 0 ? at : &metrics, name);

		if (isnan(answer_metric(ret, name, NAN)) && missing.value == NULL) {
			(void)json_fault(&missing, "is missing, and the job's objective needs it");
		}
	}
}

/* One number for each option; returns where the next operator's go. */
static double *read_option_scores(const struct json_at *at, size_t count, double *ret)
{
	if (json_required(at) && json_is_array_at(at, count) &&
	    json_array_size(at->value) != count) {
		(void)json_fault(at, "%zu numbers are expected, one for each option", count);
	}
	for (size_t i = 0; i < count && i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		(void)read_number(&item, &ret[i]);
	}
	return ret + count;
}

static size_t count_scores(const struct answer_expect *expect)
{
	size_t count = 0;

	for (size_t i = 0; i < expect->op_count; i++) {
		count += expect->option_counts != NULL ? expect->option_counts[i] : 1;
	}
	return count;
}

static void read_scores(const struct json_at *at, const struct answer_expect *expect,
			struct answer *ret)
{
	struct json_at scores = json_member(at, "scores");
	double *next;

	json_only(at, score_members);
	if (!json_required(&scores) || !json_is_object_at(&scores)) {
		return;
	}
	if (json_object_size(scores.value) > expect->op_count) {
		(void)json_fault(&scores, "has %zu members, but %zu operators were asked about",
				 json_object_size(scores.value), expect->op_count);
	}
	ret->scores = next = mem_new(count_scores(expect), sizeof(*ret->scores));
	ret->score_count = expect->op_count;
	for (size_t i = 0; i < expect->op_count; i++) {
		struct json_at member = json_member(&scores, expect->ops[i]);

		if (expect->option_counts != NULL) {
			next = read_option_scores(&member, expect->option_counts[i], next);
		} else {
			(void)read_number(&member, next++);
		}
	}
}

static void read_failure(const struct json_at *at, struct answer *ret)
{
	struct json_at error = json_member(at, "error");
	struct json_at retryable = json_member(at, "retryable");

	json_only(at, failed_members);
	if (error.value != NULL && !json_is_string(error.value)) {
		(void)json_fault(&error, "a string is expected");
	}
	ret->failed = true;
	ret->retryable = json_bool(&retryable, false);
	ret->error = clean(json_is_string(error.value) ? json_string_value(error.value)
						       : "the evaluator gave no reason");
}

int answer_parse(json_t *body, const struct answer_expect *expect, struct answer *ret,
		 struct err *reterr)
{
	struct json_at at = json_root(body, reterr);
	struct json_at failed = json_member(&at, "failed");

	err_init(reterr);
	memset(ret, 0, sizeof(*ret));
	if (!json_is_object(body)) {
		return err_set(reterr, ERR_EVALUATOR, "the answer is not a JSON object");
	}
	if (json_bool(&failed, false)) {
		read_failure(&at, ret);
	} else if (expect->scores) {
		read_scores(&at, expect, ret);
	} else {
		read_measurement(&at, expect, ret);
	}
	if (reterr->code != ERR_OK) {
		reterr->code = ERR_EVALUATOR;
		return err_prefix(reterr, "the answer cannot be used");
	}
	return 0;
}
