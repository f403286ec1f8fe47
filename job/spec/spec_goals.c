/* The goals of a job: its accuracy criterion and its objective, read from the body. */
#include "job/spec/spec_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/plural.h"

static const char *const accuracy_members[] = {
	"higher_is_better", "criterion", "tolerable_loss", "metrics", NULL,
};
static const char *const accuracy_metric_members[] = {
	"name", "weight", "higher_is_better", "tolerable_loss", NULL,
};
static const char *const inc_members[] = {"objective", "weight", "higher_is_better", NULL};
static const char *const objective_members[] = {"metric", "weight", "direction", NULL};
static const char *const criterion_names[] = {"relative", "absolute", NULL};
static const char *const direction_names[] = {"min", "max", NULL};

static const struct {
	const char *inc, *metric;
} objective_aliases[] = {
	{"performance", "latency_ms"},
	{"modelsize", "model_size_bytes"},
	{"footprint", "peak_memory_bytes"},
};

/* Nobody can lose more than all of an accuracy, but an error or a perplexity may double. */
static double read_loss(const struct json_at *at, const struct criterion *criterion,
			const struct criterion_metric *metric)
{
	bool share = criterion->relative && (metric->higher_is_better || criterion->rules < 2);
	double loss = json_number_value(at->value); /* 0 where there is no number */
	char *text;

	if (share && loss > 1) {
		text = criterion_too_much(loss);
		(void)json_fault(at, "%s", text);
		free(text);
		return metric->tolerable_loss;
	}
	return json_real_in(at, metric->tolerable_loss, criterion->relative ? -1 : -1e300,
			    share ? 1 : 1e300);
}

static void read_metric(const struct json_at *at, const struct criterion *criterion,
			struct criterion_metric *ret)
{
	struct json_at name = json_member(at, "name");
	struct json_at weight = json_member(at, "weight");
	struct json_at higher = json_member(at, "higher_is_better");
	struct json_at loss = json_member(at, "tolerable_loss");
	const char *text;

	if (!json_is_object_at(at)) {
		return;
	}
	json_only(at, accuracy_metric_members);
	text = json_required(&name) ? json_string_in(&name, NULL, LIMIT_NAME_BYTES) : NULL;
	ret->name = mem_dup(text != NULL ? text : "");
	ret->weight = json_real_in(&weight, 0, 0, 1e9);
	ret->higher_is_better = json_bool(&higher, ret->higher_is_better);
	ret->tolerable_loss = read_loss(&loss, criterion, ret);
	if (criterion->relative && ret->higher_is_better && ret->tolerable_loss > 1) {
		(void)json_fault(at, "where higher is better a relative \"tolerable_loss\" is at "
				     "most 1: give this accuracy its own");
	}
}

static void read_metrics(const struct json_at *at, struct criterion *ret)
{
	struct criterion_metric common = ret->metrics[0];
	size_t weighted = 0;

	if (!json_is_array_at(at, LIMIT_METRICS)) {
		return;
	}
	if (json_array_size(at->value) == 0) {
		(void)json_fault(at, "at least one accuracy is needed");
		return;
	}
	ret->metric_count = json_array_size(at->value);
	for (size_t i = 0; i < ret->metric_count; i++) {
		struct json_at item = json_item(at, i);

		ret->metrics[i] = common;
		read_metric(&item, ret, &ret->metrics[i]);
		weighted += ret->metrics[i].weight > 0;
		for (size_t k = 0; k < i; k++) {
			if (ret->metrics[k].name != NULL && ret->metrics[i].name != NULL &&
			    strcmp(ret->metrics[k].name, ret->metrics[i].name) == 0) {
				(void)json_fault(&item, "another accuracy has this name");
			}
		}
	}
	if (weighted > 0 && weighted < ret->metric_count) {
		(void)json_fault(at, "either every accuracy has a weight above 0 or none has");
	}
	ret->weighted = weighted > 0;
}

static void read_criterion(const struct json_at *body, struct criterion *ret)
{
	struct json_at at = json_member(body, "accuracy_criterion");
	struct json_at higher = json_member(&at, "higher_is_better");
	struct json_at kind = json_member(&at, "criterion");
	struct json_at loss = json_member(&at, "tolerable_loss");
	struct json_at metrics = json_member(&at, "metrics");

	ret->metric_count = 1;
	if (at.value != NULL && json_is_object_at(&at)) {
		json_only(&at, accuracy_members);
	}
	ret->relative = json_choice(&kind, 0, criterion_names) == 0;
	ret->metrics[0].higher_is_better = json_bool(&higher, true);
	ret->metrics[0].tolerable_loss = 0.01;
	ret->metrics[0].tolerable_loss = read_loss(&loss, ret, &ret->metrics[0]);
	read_metrics(&metrics, ret);
}

static char *metric_name(const char *name)
{
	for (size_t i = 0; i < sizeof(objective_aliases) / sizeof(objective_aliases[0]); i++) {
		if (strcmp(objective_aliases[i].inc, name) == 0) {
			return mem_dup(objective_aliases[i].metric);
		}
	}
	return mem_dup(name);
}

/* By the first rules accuracy is always better when it is higher. */
static bool higher_is_better(const struct spec *spec, const char *name)
{
	return strcmp(name, "accuracy") == 0 &&
	       (spec->rules < 2 || spec->criterion.metrics[0].higher_is_better);
}

/* `direction`: 1 for higher is better, 0 for lower, -1 when it is not said. */
static void add_objective(const struct json_at *at, const char *name, double weight, int direction,
			  struct spec *spec)
{
	struct objective *ret = &spec->objective;
	struct objective_metric *m = &ret->metrics[ret->count];

	m->name = metric_name(name);
	m->weight = weight;
	m->higher_is_better = direction >= 0 ? direction == 1 : higher_is_better(spec, name);
	for (size_t i = 0; i < ret->count; i++) {
		if (strcmp(ret->metrics[i].name, m->name) == 0) {
			(void)json_fault(at, "\"%s\" is named twice", m->name);
		}
	}
	ret->count++;
}

static void read_objective_item(const struct json_at *at, struct spec *spec)
{
	struct json_at metric = json_member(at, "metric");
	struct json_at weight = json_member(at, "weight");
	struct json_at direction = json_member(at, "direction");
	const char *name;

	if (json_is_string(at->value)) {
		name = json_string_in(at, NULL, LIMIT_NAME_BYTES);
		if (name != NULL) {
			add_objective(at, name, 1, -1, spec);
		}
		return;
	}
	if (!json_is_object_at(at)) {
		return;
	}
	json_only(at, objective_members);
	name = json_required(&metric) ? json_string_in(&metric, NULL, LIMIT_NAME_BYTES) : NULL;
	if (name != NULL) {
		add_objective(at, name, json_real_in(&weight, 1, 1e-9, 1e9),
			      json_choice(&direction, -1, direction_names), spec);
	}
}

/* A list of the dictionary that says something of each objective; whether it may be read. */
static bool fits(const struct json_at *at, size_t count)
{
	if (at->value == NULL || !json_is_array_at(at, LIMIT_METRICS)) {
		return false;
	}
	if (json_array_size(at->value) != count) {
		(void)json_fault(at, "has %zu item%s for %zu objective%s: one for each is needed",
				 json_array_size(at->value),
				 plural_s((long long)json_array_size(at->value)), count,
				 plural_s((long long)count));
		return false;
	}
	return true;
}

/* As INC writes several: {"objective": [names], "weight": [numbers], "higher_is_better": [...]}. */
static void read_inc_objective(const struct json_at *at, struct spec *spec)
{
	struct json_at names = json_member(at, "objective");
	struct json_at weights = json_member(at, "weight");
	struct json_at higher = json_member(at, "higher_is_better");
	size_t count = json_array_size(names.value);
	bool weighted, directed;

	json_only(at, inc_members);
	if (!json_is_array_at(&names, LIMIT_METRICS)) {
		return;
	}
	if (count == 0) {
		(void)json_fault(&names, "at least one metric is needed");
	}
	weighted = fits(&weights, count);
	directed = fits(&higher, count);
	for (size_t i = 0; i < count; i++) {
		struct json_at name = json_item(&names, i);
		struct json_at weight = json_item(&weights, i);
		struct json_at direction = json_item(&higher, i);
		const char *text = json_string_in(&name, NULL, LIMIT_NAME_BYTES);

		if (text != NULL) {
			add_objective(&name, text,
				      weighted ? json_real_in(&weight, 1, 1e-9, 1e9) : 1,
				      directed ? json_bool(&direction, false) : -1, spec);
		}
	}
}

static void read_objective(const struct json_at *at, struct spec *spec)
{
	if (at->value == NULL) {
		add_objective(at, "latency_ms", 1, -1, spec);
		return;
	}
	if (json_object_get(at->value, "objective") != NULL) {
		read_inc_objective(at, spec);
		return;
	}
	if (!json_is_array(at->value)) {
		read_objective_item(at, spec);
		return;
	}
	if (json_array_size(at->value) == 0) {
		(void)json_fault(at, "at least one metric is needed");
	}
	if (json_is_array_at(at, LIMIT_METRICS)) {
		for (size_t i = 0; i < json_array_size(at->value); i++) {
			struct json_at item = json_item(at, i);

			read_objective_item(&item, spec);
		}
	}
}

void spec_read_goals(const struct json_at *body, struct spec *spec)
{
	struct json_at tuning = json_member(body, "tuning_criterion");
	struct json_at objective = json_member(&tuning, "objective");
	struct json_at min_gain = json_member(body, "min_gain");

	spec->criterion.rules = spec->objective.rules = spec->rules;
	read_criterion(body, &spec->criterion);
	read_objective(&objective, spec);
	spec->min_gain = json_real_in(&min_gain, 0.02, 0, 10);
}

/* One number says how much is lost, more of it is worse, and there is a unit for it. */
static bool accuracy_opens(const struct spec *spec, const struct objective_metric *m)
{
	const struct criterion *criterion = &spec->criterion;

	return strcmp(m->name, "accuracy") == 0 &&
	       m->higher_is_better == criterion->metrics[0].higher_is_better &&
	       criterion->metrics[0].tolerable_loss > 0 &&
	       (criterion->metric_count == 1 || criterion->weighted);
}

void spec_open_both(struct spec *spec)
{
	const struct objective_metric *metrics = spec->objective.metrics;
	bool fills = spec->strategy != NULL && (spec->strategy->traits & STRATEGY_FRONT) != 0;
	size_t other;

	spec->apart = (struct objective){.rules = spec->rules};
	if (spec->rules < 2 || !fills || spec->stop_on != STOP_BUDGET ||
	    spec->objective.count != 2) {
		return;
	}
	other = accuracy_opens(spec, &metrics[0]) ? 1 : 0;
	if (other == 1 || accuracy_opens(spec, &metrics[1])) {
		spec->apart.count = 1;
		spec->apart.metrics[0] = metrics[other];
		spec->apart.metrics[0].weight = 1;
		spec->apart_at = other;
	}
}
