#include "api/outcome.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tuner/codec_config.h"

void outcome_finish(struct outcome *outcome)
{
	spec_destroy(outcome->spec);
	json_decref(outcome->job);
	free(outcome->job_text);
	free(outcome->spec_text);
	free(outcome->capability_text);
	free(outcome->evaluator_text);
}

static void destroy(void *state)
{
	outcome_finish(state);
	free(state);
}

struct outcome *outcome_keep(struct call *call, const struct store_rows *rows)
{
	struct spec *spec = document_spec(call, rows);
	struct outcome *outcome;

	if (spec == NULL) {
		return NULL;
	}
	outcome = mem_new(1, sizeof(*outcome));
	outcome->spec = spec;
	outcome->job = json_loads(rows->cells[JOB_DOCUMENT], 0, NULL);
	outcome->job_text = mem_dup(rows->cells[JOB_DOCUMENT]);
	outcome->spec_text = mem_dup(rows->cells[JOB_SPEC]);
	outcome->capability_text = mem_dup(rows->cells[JOB_CAPABILITY]);
	outcome->evaluator_text = mem_dup(rows->cells[JOB_EVALUATOR]);
	call->state = outcome;
	call->state_destroy = destroy;
	return outcome;
}

bool outcome_read_best(struct call *call, void (*next)(struct call *, const struct store_rows *))
{
	const struct outcome *outcome = call->state;
	const json_t *best = json_object_get(outcome->job, "best");
	struct store_value values[] = {
		{.text = call->params[0]},
		{.integer = json_integer_value(json_object_get(best, "trial"))}};

	if (!json_is_object(best)) {
		return false;
	}
	call_query(call, QUERY_TRIAL, values, 2, next);
	return true;
}

json_t *outcome_config(const struct outcome *outcome, const json_t *changes)
{
	struct config *config =
		changes != NULL ? codec_changes_read(outcome->spec->space, changes) : NULL;
	json_t *document = codec_config_json(outcome->spec, config, false);

	config_destroy(config);
	return document;
}

/* Whether no feasible trial beats the baseline on the objective. */
static bool keep_baseline(const json_t *best)
{
	const json_t *speedup = json_object_get(best, "speedup");

	return !json_is_true(json_object_get(best, "feasible")) || !json_is_number(speedup) ||
	       json_number_value(speedup) <= 1;
}

json_t *outcome_best(const struct outcome *outcome, const struct store_rows *rows)
{
	json_t *best = json_deep_copy(json_object_get(outcome->job, "best"));
	json_t *trial = json_loads(rows->cells[0], 0, NULL);
	json_t *changes = rows->cells[1] != NULL ? json_loads(rows->cells[1], 0, NULL) : NULL;
	json_t *nearest = json_null();

	if (!json_is_true(json_object_get(best, "feasible"))) {
		const json_t *margin = json_object_get(trial, "margin");

		nearest = json_pack("{s:O, s:f}", "accuracy", json_object_get(best, "accuracy"),
				    "misses_by", -json_number_value(margin));
	}
	(void)json_object_set(best, "metrics", json_object_get(trial, "metrics"));
	(void)json_object_set_new(best, "keep_baseline", json_boolean(keep_baseline(best)));
	(void)json_object_set_new(best, "nearest", nearest);
	(void)json_object_set_new(best, "config", outcome_config(outcome, changes));
	json_decref(trial);
	json_decref(changes);
	return best;
}
