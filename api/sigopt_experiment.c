/*
 * Translates between SigOpt's experiments, suggestions and observations and our jobs, configs and
 * answers.
 */
#include "api/sigopt_experiment.h"

#include "api/sigopt_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum { DOUBLE_VALUES = 101 };

/* The one accuracy of a job whose experiment has no constraint: always 1, and always enough. */
#define UNCONSTRAINED "unconstrained"
#define OBJECTIVE     "objective"

static double bound(const json_t *parameter, const char *which)
{
	return json_number_value(json_object_get(json_object_get(parameter, "bounds"), which));
}

static bool has(const json_t *object, const char *member, const char *text)
{
	const char *value = json_string_value(json_object_get(object, member));

	return value != NULL && strcmp(value, text) == 0;
}

static const json_t *listed(const json_t *parameter)
{
	const json_t *grid = json_object_get(parameter, "grid");

	return json_is_array(grid) ? grid : json_object_get(parameter, "categorical_values");
}

/* How many values of the parameter there are to choose from. */
static size_t value_count(const json_t *parameter)
{
	if (listed(parameter) != NULL) {
		return json_array_size(listed(parameter));
	}
	if (has(parameter, "type", "double")) {
		return DOUBLE_VALUES;
	}
	return (size_t)fmin(SIGOPT_VALUES_MAX,
			    bound(parameter, "max") - bound(parameter, "min") + 1);
}

/* Number `index` of them. New reference. */
static json_t *value_at(const json_t *parameter, size_t index)
{
	double low = bound(parameter, "min"), high = bound(parameter, "max");
	double part = (double)index / (double)(value_count(parameter) - 1);
	const json_t *item = json_array_get(listed(parameter), index);

	if (item != NULL) {
		return json_incref(json_is_object(item) ? json_object_get(item, "name")
							: (json_t *)item);
	}
	if (has(parameter, "type", "int")) {
		return json_integer((json_int_t)llround(low + part * (high - low)));
	}
	return json_real(has(parameter, "transformation", "log") ? low * pow(high / low, part)
								 : low + part * (high - low));
}

/* One operator for each parameter, with the numbers of its values as options. */
static json_t *capability(const json_t *experiment)
{
	const json_t *parameters = json_object_get(experiment, "parameters");
	json_t *ops = json_array();

	for (size_t i = 0; i < json_array_size(parameters); i++) {
		const json_t *parameter = json_array_get(parameters, i);
		json_t *options = json_array();
		char text[24];

		for (size_t k = 0; k < value_count(parameter); k++) {
			(void)snprintf(text, sizeof(text), "%zu", k);
			(void)json_array_append_new(options, json_string(text));
		}
		(void)json_array_append_new(ops, json_pack("{s:O, s:s, s:{s:{s:{s:o}}}}", "name",
							   json_object_get(parameter, "name"),
							   "type", "parameter", "modes", "static",
							   "activation", "algorithm", options));
	}
	return json_pack("{s:o}", "ops", ops);
}

static bool is_constraint(const json_t *metric)
{
	return has(metric, "strategy", "constraint");
}

static bool is_optimized(const json_t *metric)
{
	return json_object_get(metric, "strategy") == NULL || has(metric, "strategy", "optimize");
}

/* The accuracies of the job; *ret_baseline is an answer that makes the thresholds its bounds. */
static json_t *accuracies(const json_t *experiment, json_t **ret_baseline)
{
	const json_t *metrics = json_object_get(experiment, "metrics");
	json_t *list = json_array();
	json_t *bounds = json_object();

	for (size_t i = 0; i < json_array_size(metrics); i++) {
		const json_t *metric = json_array_get(metrics, i);
		const char *name = json_string_value(json_object_get(metric, "name"));

		if (is_constraint(metric)) {
			(void)json_array_append_new(
				list, json_pack("{s:s, s:b}", "name", name, "higher_is_better",
						!has(metric, "objective", "minimize")));
			(void)json_object_set(bounds, name, json_object_get(metric, "threshold"));
		}
	}
	if (json_array_size(list) == 0) {
		(void)json_array_append_new(list, json_pack("{s:s}", "name", UNCONSTRAINED));
		(void)json_object_set_new(bounds, UNCONSTRAINED, json_integer(1));
	}
	*ret_baseline = json_pack("{s:o, s:{s:i}}", "accuracy", bounds, "metrics", OBJECTIVE, 0);
	return list;
}

static bool is_maximized(const json_t *experiment)
{
	const json_t *metrics = json_object_get(experiment, "metrics");
	size_t i = 0;

	while (i < json_array_size(metrics) && !is_optimized(json_array_get(metrics, i))) {
		i++;
	}
	return !has(json_array_get(metrics, i), "objective", "minimize");
}

static int64_t whole_or(const json_t *value, int64_t fallback)
{
	int64_t whole;

	return json_whole(value, &whole) ? whole : fallback;
}

static json_t *job_body(const json_t *experiment, json_t *metrics, const char *pool)
{
	bool random = has(experiment, "type", "random"), grid = has(experiment, "type", "grid");
	json_t *kwargs = random || grid ? json_object() : json_pack("{s:b}", "fallback", 0);
	json_t *criterion = json_pack(
		"{s:s, s:o, s:{s:s, s:s}, s:s, s:I}", "strategy",
		random ? "random"
		: grid ? "exhaustive"
		       : "tpe",
		"strategy_kwargs", kwargs, "objective", "metric", OBJECTIVE, "direction",
		is_maximized(experiment) ? "max" : "min", "stop_on", "budget", "max_trials",
		(json_int_t)whole_or(json_object_get(experiment, "observation_budget"),
				     LIMIT_TRIALS));

	return json_pack("{s:O, s:{s:s}, s:o, s:{s:s, s:i, s:o}, s:{s:s}, s:I, s:i, s:i, s:b}",
			 "name", json_object_get(experiment, "name"), "labels", "face", "sigopt",
			 "tuning_criterion", criterion, "accuracy_criterion", "criterion",
			 "absolute", "tolerable_loss", 0, "metrics", metrics, "evaluator", "pool",
			 pool, "parallel",
			 (json_int_t)whole_or(json_object_get(experiment, "parallel_bandwidth"), 1),
			 "max_failed_trials", LIMIT_TRIALS, "confirm", 0, "deterministic", 0);
}

struct prepared *sigopt_experiment_prepare(json_t *experiment, const char *pool, struct err *reterr)
{
	struct json_at at = json_root(experiment, reterr);
	struct prepared *prepared;
	json_t *metrics, *baseline;

	err_init(reterr);
	sigopt_check(&at);
	if (reterr->code != ERR_OK) {
		return NULL;
	}
	prepared = mem_new(1, sizeof(*prepared));
	metrics = accuracies(experiment, &baseline);
	prepared->body = job_body(experiment, metrics, pool);
	prepared->capability = capability(experiment);
	prepared->target = json_pack("{s:s, s:o, s:O}", "pool", pool, "baseline", baseline,
				     "experiment", experiment);
	prepared->spec =
		spec_create(prepared->body, prepared->capability, prepared->target, reterr);
	if (prepared->spec == NULL) {
		prepared_destroy(prepared);
		return NULL;
	}
	prepared_write(prepared);
	return prepared;
}

json_t *sigopt_experiment_of(const json_t *evaluator)
{
	return json_object_get(evaluator, "experiment");
}

static json_t *value_objects(const json_t *values)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(values); i++) {
		json_t *value = json_array_get(values, i);

		if (json_is_object(value)) {
			value = json_object_get(value, "name");
		}
		(void)json_array_append_new(list, json_pack("{s:s, s:O, s:I}", "object",
							    "categorical_value", "name", value,
							    "enum_index", (json_int_t)(i + 1)));
	}
	return list;
}

json_t *sigopt_experiment_document(const json_t *experiment)
{
	json_t *copy = json_deep_copy(experiment);
	const json_t *parameters = json_object_get(copy, "parameters");

	for (size_t i = 0; i < json_array_size(parameters); i++) {
		json_t *parameter = json_array_get(parameters, i);
		const json_t *values = json_object_get(parameter, "categorical_values");

		if (json_is_array(values)) {
			(void)json_object_set_new(parameter, "categorical_values",
						  value_objects(values));
		}
	}
	return copy;
}

json_t *sigopt_experiment_assignments(const json_t *experiment, const json_t *config)
{
	const json_t *parameters = json_object_get(experiment, "parameters");
	const json_t *ops = json_object_get(config, "ops");
	json_t *assignments = json_object();

	for (size_t i = 0; i < json_array_size(parameters); i++) {
		const json_t *parameter = json_array_get(parameters, i);
		const char *name = json_string_value(json_object_get(parameter, "name"));
		const json_t *op = json_object_get(ops, name);
		const char *option = json_string_value(
			json_object_get(json_object_get(op, "activation"), "algorithm"));

		(void)json_object_set_new(
			assignments, name,
			value_at(parameter, option != NULL ? strtoul(option, NULL, 10) : 0));
	}
	return assignments;
}

/* Every value by its name; faults for what is unknown, twice there, or no number. */
static json_t *by_name(const json_t *experiment, const struct json_at *values)
{
	static const char *const value_members[] = {"name", "value", "value_stddev", NULL};
	const json_t *metrics = json_object_get(experiment, "metrics");
	json_t *found = json_object();

	if (!json_required(values) || !json_is_array_at(values, LIMIT_METRICS)) {
		return found;
	}
	for (size_t i = 0; i < json_array_size(values->value); i++) {
		struct json_at item = json_item(values, i);
		struct json_at name = json_member(&item, "name");
		struct json_at value = json_member(&item, "value");
		const char *text = json_string_value(name.value);

		if (!json_is_object_at(&item)) {
			continue;
		}
		json_only(&item, value_members);
		if (text == NULL || json_object_get(found, text) != NULL) {
			(void)json_fault(&name, "every metric is named once");
		} else if (json_required(&value)) {
			(void)json_real_in(&value, 0, -1e300, 1e300);
			(void)json_object_set(found, text, value.value);
		}
	}
	for (size_t i = 0; i < json_array_size(metrics); i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(metrics, i), "name"));

		if (json_object_get(found, name) == NULL) {
			(void)json_fault(values, "the metric \"%.60s\" is missing", name);
		}
	}
	if (json_object_size(found) > json_array_size(metrics)) {
		(void)json_fault(values, "there is a metric that the experiment does not have");
	}
	return found;
}

json_t *sigopt_experiment_answer(const json_t *experiment, json_t *observation, struct err *reterr)
{
	static const char *const observation_members[] = {"suggestion", "values", "failed",
							  "metadata", NULL};
	const json_t *metrics = json_object_get(experiment, "metrics");
	struct json_at at = json_root(observation, reterr);
	struct json_at failed = json_member(&at, "failed");
	struct json_at values = json_member(&at, "values");
	json_t *accuracy, *found, *answer, *objective = NULL;

	err_init(reterr);
	json_only(&at, observation_members);
	if (json_bool(&failed, false)) {
		if (values.value != NULL) {
			(void)json_fault(&values, "what failed has no values");
		}
		return json_pack("{s:b, s:s}", "failed", 1, "error", "reported as failed");
	}
	found = by_name(experiment, &values);
	accuracy = json_object();
	for (size_t i = 0; i < json_array_size(metrics); i++) {
		const json_t *metric = json_array_get(metrics, i);
		const char *name = json_string_value(json_object_get(metric, "name"));

		if (is_constraint(metric)) {
			(void)json_object_set(accuracy, name, json_object_get(found, name));
		} else if (is_optimized(metric)) {
			objective = json_object_get(found, name);
		}
	}
	if (json_object_size(accuracy) == 0) {
		(void)json_object_set_new(accuracy, UNCONSTRAINED, json_integer(1));
	}
	answer =
		json_pack("{s:o, s:{s:O?}}", "accuracy", accuracy, "metrics", OBJECTIVE, objective);
	json_decref(found);
	return answer;
}

json_t *sigopt_experiment_values(const json_t *experiment, const json_t *trial)
{
	const json_t *metrics = json_object_get(experiment, "metrics");
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(metrics); i++) {
		const json_t *metric = json_array_get(metrics, i);
		const char *name = json_string_value(json_object_get(metric, "name"));
		json_t *value =
			is_constraint(metric)
				? json_object_get(json_object_get(trial, "accuracy"), name)
				: json_object_get(json_object_get(trial, "metrics"), OBJECTIVE);

		if (is_constraint(metric) || is_optimized(metric)) {
			(void)json_array_append_new(
				list, json_pack("{s:s, s:O}", "name", name, "value", value));
		}
	}
	return list;
}
