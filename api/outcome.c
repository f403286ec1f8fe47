/* Makes the document of a job's best config from its row, its trials and its baseline. */
#include "api/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/codec_changes.h"
#include "job/spec/codec_config.h"
#include "job/job.h"

void outcome_finish(struct outcome *outcome)
{
	spec_destroy(outcome->spec);
	json_decref(outcome->job);
	free(outcome->job_text);
	free(outcome->spec_text);
	free(outcome->capability_text);
	free(outcome->evaluator_text);
	free(outcome->text);
}

static void destroy(void *state)
{
	outcome_finish(state);
	free(state);
}

static void with_spec(struct call *call)
{
	struct outcome *outcome = call->state;

	outcome->spec = spec_ref(call->spec);
	outcome->next(call);
}

void outcome_keep(struct call *call, const struct store_rows *rows, call_fn *next)
{
	struct outcome *outcome = mem_new(1, sizeof(*outcome));

	outcome->next = next;
	outcome->job = json_loads(rows->cells[JOB_DOCUMENT], 0, NULL);
	outcome->job_text = mem_dup(rows->cells[JOB_DOCUMENT]);
	if (!call->wants_spec) {
		outcome->spec_text = mem_dup(rows->cells[JOB_SPEC]);
		outcome->capability_text = mem_dup(rows->cells[JOB_CAPABILITY]);
	}
	outcome->evaluator_text = mem_dup(rows->cells[JOB_EVALUATOR]);
	call->state = outcome;
	call->state_destroy = destroy;
	document_with_spec(call, rows, with_spec);
}

bool outcome_read_best(struct call *call, void (*next)(struct call *, const struct store_rows *))
{
	const struct outcome *outcome = call->state;
	const json_t *best = json_object_get(outcome->job, "best");
	struct store_value values[] = {
		{.text = call->params[0]},
		{.integer = json_integer_value(json_object_get(best, "trial"))}};

	if (!json_is_object(best) && !json_is_object(json_object_get(outcome->job, "baseline"))) {
		return false;
	}
	call_query(call, QUERY_TRIAL, values, 2, next);
	return true;
}

void outcome_no_best(struct call *call)
{
	const struct outcome *outcome = call->state;
	const char *state = json_string_value(json_object_get(outcome->job, "state"));

	if (json_is_null(json_object_get(outcome->job, "exit"))) {
		call_error(call, ERR_WRONG_STATE,
			   "the baseline has not been measured yet (the job is %s): there is a "
			   "best config from then on; \"Prefer: wait=20\" with If-None-Match waits",
			   state);
	} else {
		call_error(call, ERR_WRONG_STATE,
			   "the job is %s and its baseline was never measured, so nothing is best: "
			   "its exit says why",
			   state);
	}
}

json_t *outcome_config(const struct outcome *outcome, const char *changes)
{
	struct config *config =
		changes != NULL ? codec_changes_parse(outcome->spec->space, changes) : NULL;
	json_t *document = codec_config_json(outcome->spec, config, false);

	config_destroy(config);
	return document;
}

char *outcome_text(const json_t *document, const struct spec *spec, const struct config *config,
		   bool only_changes)
{
	char *head = json_text(document);
	struct buf text;

	buf_init_long(&text, SIZE_MAX / 2);
	buf_add(&text, head, strlen(head) - 1);
	buf_text(&text, ",\"config\":");
	codec_config_write(spec, config, only_changes, &text);
	buf_text(&text, "}");
	free(head);
	return buf_take_whole(&text);
}

/* Whether the objective is better than the baseline's by as much as the job asks for. A gain that
 * means nothing says nothing against what meets the criterion. */
static bool gains(const struct spec *spec, const json_t *best)
{
	const json_t *speedup = json_object_get(best, "speedup");
	const json_t *gain = json_object_get(best, "gain");

	if (spec->rules < 2) {
		return json_is_number(speedup) && json_number_value(speedup) > 1;
	}
	return !json_is_number(gain) || objective_gains(json_number_value(gain), spec->min_gain);
}

/* Why the baseline is to be kept, or NULL. */
static const char *keep_because(const struct spec *spec, const json_t *best, bool measured)
{
	if (json_integer_value(json_object_get(best, "trial")) == 0) {
		return measured ? "no_gain" : "nothing_measured";
	}
	if (!json_is_true(json_object_get(best, "feasible"))) {
		return "criterion_missed";
	}
	return gains(spec, best) ? NULL : "no_gain";
}

/* Until a config was measured the baseline is the best there is. */
static json_t *baseline_best(const struct outcome *outcome, const json_t *trial)
{
	double accuracy[LIMIT_METRICS] = {0}, values[LIMIT_METRICS] = {0};
	json_t *accuracy_of = json_object_get(trial, "accuracy");
	json_t *value = json_object_get(trial, "objective_value");
	json_t *best =
		json_pack("{s:i, s:b, s:O, s:f, s:O, s:{s:O, s:O, s:O}}", "trial", 0, "feasible",
			  true, "accuracy", accuracy_of, "accuracy_loss", 0.0, "objective_value",
			  value, "baseline", "accuracy", accuracy_of, "objective_value", value,
			  "metrics", json_object_get(trial, "metrics"));

	job_read_measurement(outcome->spec, trial, accuracy, values);
	job_add_gain(outcome->spec, values, values, best);
	return best;
}

/* How far the best is from the criterion when it misses it; how many times the tolerable loss is
 * null where that is too large for a number. */
static json_t *nearest_of(const json_t *best, const json_t *trial)
{
	const json_t *margin = json_object_get(trial, "margin");

	if (json_is_true(json_object_get(best, "feasible"))) {
		return json_null();
	}
	return json_pack("{s:O, s:o}", "accuracy", json_object_get(best, "accuracy"), "misses_by",
			 json_is_number(margin) ? json_real(-json_number_value(margin))
						: json_null());
}

/* What a job's own best says by the second rules, for the baseline and for jobs from before them. */
static void add_judgement(const struct outcome *outcome, const json_t *trial, json_t *best)
{
	static const char *const unknown[] = {"gain",           "gain_interval",
					      "accuracy_range", "objective_range",
					      "measurements",   "baseline"};
	bool measured = json_is_object(json_object_get(outcome->job, "best"));
	const char *because = keep_because(outcome->spec, best, measured);
	const json_t *state = json_object_get(outcome->job, "exit");

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		if (json_object_get(best, unknown[i]) == NULL) {
			(void)json_object_set_new(best, unknown[i], json_null());
		}
	}
	(void)json_object_set(best, "metrics", json_object_get(trial, "metrics"));
	(void)json_object_set_new(best, "keep_baseline", json_boolean(because != NULL));
	(void)json_object_set_new(best, "keep_baseline_because",
				  because != NULL ? json_string(because) : json_null());
	(void)json_object_set_new(best, "nearest", nearest_of(best, trial));
	(void)json_object_set_new(
		best, "verdict",
		because == NULL || strcmp(because, "nothing_measured") != 0 ? json_null()
		: json_is_object(state) ? json_string("keep fp32: no config has been measured")
					: json_string("no config has been measured yet"));
}

void outcome_judge(const struct outcome *outcome, const json_t *trial, json_t *best)
{
	if (!json_is_string(json_object_get(best, "verdict"))) {
		add_judgement(outcome, trial, best);
	}
}

char *outcome_best(const struct outcome *outcome, const struct store_rows *rows)
{
	const json_t *known = json_object_get(outcome->job, "best");
	json_t *trial = json_loads(rows->cells[0], 0, NULL);
	struct config *config = rows->cells[1] != NULL
					? codec_changes_parse(outcome->spec->space, rows->cells[1])
					: NULL;
	json_t *best =
		json_is_object(known) ? json_copy((json_t *)known) : baseline_best(outcome, trial);
	char *text;

	outcome_judge(outcome, trial, best);
	if (outcome->criterion.metric_count > 0) {
		(void)json_object_set_new(best, "tolerable_loss",
					  json_real(outcome->criterion.metrics[0].tolerable_loss));
	}
	text = outcome_text(best, outcome->spec, config, false);
	config_destroy(config);
	json_decref(trial);
	json_decref(best);
	return text;
}
