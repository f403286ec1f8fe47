/* What comes with an answer besides its numbers: samples, a cache, members that nobody understood. */
#include "job/remark.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"

/* Baselines have no config: they are all the same one. */
static bool asks_the_same(const struct trial *a, const struct trial *b)
{
	if (a->config == NULL || b->config == NULL) {
		return a->config == b->config;
	}
	return config_equal(a->config, b->config);
}

static bool is_measurement(enum question_kind kind)
{
	return kind == QUESTION_BASELINE || kind == QUESTION_EVALUATE || kind == QUESTION_CONFIRM;
}

int64_t remark_repeat(const struct trial *trial)
{
	const struct job *job = trial->job;
	int64_t count = 0;

	if (!is_measurement(trial->kind) || job_asks_first(job, trial)) {
		return 0;
	}
	for (int64_t i = 0; i < job->trial_count; i++) {
		const struct trial *other = job->trials[i];

		count += other != trial && other->state == TRIAL_TOLD && !other->cached &&
			 !other->imported && is_measurement(other->kind) &&
			 asks_the_same(other, trial);
	}
	return count;
}

static bool is_listed(const json_t *list, const char *text)
{
	bool found = false;

	for (size_t i = 0; i < json_array_size(list) && !found; i++) {
		found = strcmp(json_string_value(json_array_get(list, i)), text) == 0;
	}
	return found;
}

void remark_strangers(struct job *job, const json_t *strangers)
{
	json_t *news = json_array();
	struct buf detail;

	buf_init(&detail, (size_t)(ANSWER_STRANGERS + 1) * ERR_MESSAGE_MAX);
	buf_text(&detail, "answers have members that this job does not know: ");
	for (size_t i = 0; i < json_array_size(strangers); i++) {
		json_t *pointer = json_array_get(strangers, i);

		if (!is_listed(job->strangers, json_string_value(pointer)) &&
		    json_array_size(job->strangers) + json_array_size(news) < ANSWER_STRANGERS) {
			buf_text(&detail, json_array_size(news) > 0 ? ", " : "");
			buf_text(&detail, json_string_value(pointer));
			(void)json_array_append(news, pointer);
		}
	}
	buf_text(&detail, ". Numbers of your own belong in \"metrics\", where they are kept; the "
			  "capability's \"metrics\" names those that there are");
	for (char *c = detail.bytes; *c != '\0'; c++) {
		*c = iscntrl((unsigned char)*c) ? ' ' : *c; /* it ends up on people's screens */
	}
	if (json_array_size(news) > 0) {
		job_record(job, LOGGED_WARNING, -1,
			   json_pack("{s:s, s:O}", "detail", detail.bytes, "members", news));
	}
	buf_finish(&detail);
	json_decref(news);
}

void remark_answer(struct job *job, const struct trial *trial, const struct answer *answer,
		   json_t *data)
{
	if (answer->samples != NULL) {
		(void)json_object_set(data, "samples", answer->samples);
	}
	if (answer->cached) {
		(void)json_object_set_new(data, "cached", json_true());
	}
	if (answer->cached && remark_repeat(trial) > 0) {
		job_record(
			job, LOGGED_WARNING, -1,
			json_pack("{s:s}", "detail",
				  "the evaluator answered a repeated question from a cache: that "
				  "is no measurement. Measure again when \"repeat\" is above 0"));
	}
	remark_strangers(job, answer->strangers);
}
