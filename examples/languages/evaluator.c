/*
 * An evaluator in C, for `narrow worker --persistent`: a question in, a line; its answer out, a line. What is measured is
 * in network.c.
 *
 *     narrow worker --pool c --persistent -- ./evaluator model.json
 */
#include "network.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *answer(const json_t *model, const json_t *question)
{
	const char *asked = json_string_value(json_object_get(question, "question"));
	char why[200];
	long bytes;
	json_t *layers, *result;

	if (asked && strcmp(asked, "capability") == 0) {
		return network_capability(model);
	}
	if (!asked || (strcmp(asked, "baseline") != 0 && strcmp(asked, "evaluate") != 0)) {
		return json_pack("{s:b, s:s+, s:b}", "failed", 1, "error", asked ? asked : "?",
				 " is not answered here", "retryable", 0);
	}
	layers =
		network_apply(model, json_object_get(question, "config"), &bytes, why, sizeof(why));
	if (!layers) {
		return json_pack("{s:b, s:s, s:b}", "failed", 1, "error", why, "retryable", 0);
	}
	result = json_pack("{s:f, s:{s:I}}", "accuracy", network_accuracy(model, layers), "metrics",
			   "model_size_bytes", (json_int_t)bytes);
	json_decref(layers);
	return result;
}

int main(int count, char **args)
{
	json_error_t error;
	json_t *model = json_load_file(count > 1 ? args[1] : "model.json", 0, &error);
	char *line = NULL;
	size_t size = 0;

	if (!model) {
		fprintf(stderr, "%s: %s\n", error.source, error.text);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0) { /* one at a time by itself */
		json_t *question = json_loads(line, 0, &error), *result = answer(model, question);
		json_t *lease = json_object_get(question, "lease");

		if (lease) { /* so that a late answer is not taken for another question's */
			json_object_set(result, "lease", lease);
		}
		json_dumpf(result, stdout, JSON_COMPACT);
		puts("");
		fflush(stdout);
		json_decref(result);
		json_decref(question);
	}
	json_decref(model);
	free(line);
	return 0;
}
