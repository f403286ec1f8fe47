/* Makes trials, and keeps what was asked and answered as text. */
#include "job/trial.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

struct trial *trial_create(struct job *job, int64_t number)
{
	size_t accuracies = job->spec->criterion.metric_count;
	size_t values = job->spec->objective.count;
	struct trial *trial =
		mem_new(1, sizeof(*trial) + (accuracies + values) * sizeof(*trial->numbers));

	trial->job = job;
	trial->number = number;
	trial->twin = -1;
	trial->accuracy = trial->numbers;
	trial->objectives = &trial->numbers[accuracies];
	return trial;
}

void trial_destroy(struct trial *trial)
{
	config_destroy(trial->config);
	free(trial->question);
	free(trial->told);
	free(trial->ops);
	free(trial->scores);
	free(trial->option_scores);
	free(trial->worker);
	free(trial->last_error);
	free(trial->past);
	free(trial);
}

void trial_keep_question(struct trial *trial, const json_t *data)
{
	json_t *subset = json_object_get(data, "subset");

	free(trial->question);
	trial->question = NULL;
	trial->asked = true;
	if (trial->kind == QUESTION_SCORE) {
		trial->question = json_text(data);
	} else if (subset != NULL) {
		trial->question = json_text_last(json_pack("{s:O}", "subset", subset));
	}
}

json_t *trial_question(const struct trial *trial)
{
	return trial->question != NULL ? json_loads(trial->question, 0, NULL) : NULL;
}

void trial_keep_told(struct trial *trial, const json_t *data)
{
	static const char *const members[] = {
		"accuracy", "metrics", "feasible", "objective_value", "margin",   "scores",
		"estimate", "verdict", "source",   "experiment",      "reference"};
	json_t *kept = json_object();
	char *text;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		(void)json_object_set(kept, members[i], json_object_get(data, members[i]));
	}
	free(trial->told);
	text = json_text_last(kept);
	trial->told = mem_dup(text); /* a text in the making has room for twice as much */
	free(text);
}

json_t *trial_told(const struct trial *trial)
{
	return trial->told != NULL ? json_loads(trial->told, 0, NULL) : NULL;
}

void trial_revalue(struct trial *trial, const json_t *value)
{
	json_t *told = trial_told(trial);

	(void)json_object_set(told, "objective_value", (json_t *)value);
	trial_keep_told(trial, told);
	json_decref(told);
}
