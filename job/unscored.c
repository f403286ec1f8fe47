/* A score question that failed: no method is replaced in silence. */
#include "job/unscored.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/trial.h"

static const struct {
	const char *strategy, *goes_on;
} ways[] = {
	{"mse", "puts operators back in the reverse order of the capability"},
	{"hawq_v2", "puts operators back in the reverse order of the capability"},
	{"bisect", "puts operators back in the reverse order of the capability"},
	{"knapsack", "takes all operators for equally sensitive, the first and the last for more"},
	{"sgp", "learns the operators' losses from measured configs alone"},
	{"mse_v2", "keeps all operators that were put back as they are"},
};

bool unscored_is_fatal(const struct trial *trial)
{
	json_t *question = trial_question(trial);
	const char *phase = json_string_value(json_object_get(question, "phase"));
	bool fatal = phase != NULL && strcmp(phase, "fallback") == 0;

	json_decref(question);
	return fatal;
}

char *unscored_text(const struct job *job, const struct trial *trial, const char *error)
{
	json_t *question = trial_question(trial);
	const char *name = job->spec->strategy->name;
	const char *method = json_string_value(json_object_get(question, "method"));
	const char *goes_on = "goes on as if it had not asked";
	size_t length = strlen(error);
	char *text;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].strategy, name) == 0) {
			goes_on = ways[i].goes_on;
		}
	}
	if (unscored_is_fatal(trial)) {
		goes_on = "cannot go on; a clone with another strategy and "
			  "\"warm_start\" keeps what was measured";
	}
	length -= length > 0 && error[length - 1] == '.';
	text = mem_printf(
		"the question for the scores of %s (trial %lld) failed: %.*s. Without them %s %s",
		method != NULL ? method : "the operators", (long long)trial->number, (int)length,
		error, name, goes_on);
	json_decref(question);
	return text;
}

void unscored_warn(struct job *job, char *text)
{
	job_record(job, LOGGED_WARNING, -1, json_pack("{s:s}", "detail", text));
	free(text);
}
