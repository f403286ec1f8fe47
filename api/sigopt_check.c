/* Checks a SigOpt experiment by the published server's limits, and by what can be searched here. */
#include "api/sigopt_check.h"

#include "base/limits.h"

/* Limits of the published server: NAME_MAX_LENGTH, MINIMUM_DOMAIN_EDGE_LENGTH, its metric rules. */
enum { NAME_BYTES = 100, CONSTRAINTS = 4 };
#define EDGE_MIN 1e-8

static const char *const members[] = {
	"name",       "project", "type",     "observation_budget", "parallel_bandwidth",
	"parameters", "metrics", "metadata", "num_solutions",      NULL,
};
static const char *const parameter_members[] = {
	"name", "type", "bounds", "grid", "categorical_values", "transformation", NULL,
};
static const char *const bounds_members[] = {"min", "max", NULL};
static const char *const metric_members[] = {"name", "objective", "strategy", "threshold", NULL};
static const char *const kinds[] = {"int", "double", "categorical", NULL};
static const char *const transformations[] = {"none", "log", NULL};
static const char *const types[] = {"offline", "random", "grid", NULL};
static const char *const directions[] = {"maximize", "minimize", NULL};
static const char *const roles[] = {"optimize", "constraint", "store", NULL};

enum { KIND_INT, KIND_DOUBLE, KIND_CATEGORICAL };
enum { ROLE_OPTIMIZE, ROLE_CONSTRAINT };

static void check_bounds(const struct json_at *at, int kind, bool log)
{
	struct json_at bounds = json_member(at, "bounds");
	struct json_at min = json_member(&bounds, "min");
	struct json_at max = json_member(&bounds, "max");
	double low, high;

	if (!json_required(&bounds) || !json_is_object_at(&bounds) || !json_required(&min) ||
	    !json_required(&max)) {
		return;
	}
	json_only(&bounds, bounds_members);
	if (kind == KIND_INT) {
		low = (double)json_int(&min, 0, INT32_MIN, INT32_MAX);
		high = (double)json_int(&max, 1, INT32_MIN, INT32_MAX);
	} else {
		low = json_real_in(&min, 0, -1e300, 1e300);
		high = json_real_in(&max, 1, -1e300, 1e300);
	}
	if (high - low < EDGE_MIN) {
		(void)json_fault(&bounds, "max must be larger than min");
	} else if (log && low <= 0) {
		(void)json_fault(&min, "must be positive for a logarithm");
	}
}

static bool is_listable(const json_t *value, int kind)
{
	return kind == KIND_CATEGORICAL ? json_is_string(value) : json_is_number(value);
}

static void check_list(const struct json_at *at, int kind)
{
	if (!json_required(at) || !json_is_array_at(at, SIGOPT_VALUES_MAX)) {
		return;
	}
	if (json_array_size(at->value) < 2) {
		(void)json_fault(at, "at least two values are needed");
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);
		const json_t *value = json_is_object(item.value)
					      ? json_object_get(item.value, "name")
					      : item.value;

		if (!is_listable(value, kind)) {
			(void)json_fault(&item, "is no value of this type");
		}
	}
}

static void only_of_numbers(const struct json_at *at)
{
	if (at->value != NULL) {
		(void)json_fault(at, "a categorical parameter has none");
	}
}

static void check_parameter(const struct json_at *at)
{
	struct json_at name = json_member(at, "name");
	struct json_at type = json_member(at, "type");
	struct json_at grid = json_member(at, "grid");
	struct json_at values = json_member(at, "categorical_values");
	struct json_at bounds = json_member(at, "bounds");
	struct json_at transformation = json_member(at, "transformation");
	bool log;
	int kind;

	if (!json_is_object_at(at)) {
		return;
	}
	json_only(at, parameter_members);
	if (json_required(&name)) {
		(void)json_string_in(&name, NULL, NAME_BYTES);
	}
	kind = json_required(&type) ? json_choice(&type, KIND_INT, kinds) : KIND_INT;
	log = json_choice(&transformation, 0, transformations) == 1;
	if (kind == KIND_CATEGORICAL) {
		check_list(&values, kind);
		only_of_numbers(&bounds);
		only_of_numbers(&grid);
		return;
	}
	if (values.value != NULL) {
		(void)json_fault(&values, "only a categorical parameter has them");
	}
	if (grid.value != NULL) {
		check_list(&grid, kind);
	}
	if (grid.value == NULL || bounds.value != NULL) {
		check_bounds(at, kind, log);
	}
}

static void check_unique(const struct json_at *list)
{
	struct json_at here, there;

	for (size_t i = 0; i < json_array_size(list->value); i++) {
		for (size_t k = 0; k < i; k++) {
			here = json_item(list, i);
			there = json_item(list, k);
			here = json_member(&here, "name");
			there = json_member(&there, "name");
			if (here.value != NULL && json_equal(here.value, there.value) != 0) {
				(void)json_fault(list, "names must be unique");
				return;
			}
		}
	}
}

/* Returns how many of them are constraints. */
static size_t check_metrics(const struct json_at *at)
{
	size_t counts[3] = {0};

	if (!json_required(at) || !json_is_array_at(at, LIMIT_METRICS)) {
		return 0;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);
		struct json_at name = json_member(&item, "name");
		struct json_at direction = json_member(&item, "objective");
		struct json_at role = json_member(&item, "strategy");
		struct json_at threshold = json_member(&item, "threshold");
		int kind;

		if (!json_is_object_at(&item)) {
			return 0;
		}
		json_only(&item, metric_members);
		if (json_required(&name)) {
			(void)json_string_in(&name, NULL, NAME_BYTES);
		}
		(void)json_choice(&direction, 0, directions);
		kind = json_choice(&role, ROLE_OPTIMIZE, roles);
		counts[kind]++;
		if (kind == ROLE_CONSTRAINT && json_required(&threshold)) {
			(void)json_real_in(&threshold, 0, -1e300, 1e300);
		} else if (kind != ROLE_CONSTRAINT && threshold.value != NULL) {
			(void)json_fault(&threshold, "only constraints have one here");
		}
	}
	if (counts[ROLE_OPTIMIZE] != 1 || counts[ROLE_CONSTRAINT] > CONSTRAINTS) {
		(void)json_fault(at, "one metric is optimized, at most %d are constraints",
				 CONSTRAINTS);
	}
	check_unique(at);
	return counts[ROLE_CONSTRAINT];
}

void sigopt_check(const struct json_at *at)
{
	struct json_at name = json_member(at, "name");
	struct json_at project = json_member(at, "project");
	struct json_at type = json_member(at, "type");
	struct json_at budget = json_member(at, "observation_budget");
	struct json_at bandwidth = json_member(at, "parallel_bandwidth");
	struct json_at solutions = json_member(at, "num_solutions");
	struct json_at parameters = json_member(at, "parameters");
	struct json_at metrics = json_member(at, "metrics");

	json_only(at, members);
	if (json_required(&name)) {
		(void)json_string_in(&name, NULL, NAME_BYTES);
	}
	(void)json_string_in(&project, NULL, NAME_BYTES);
	(void)json_choice(&type, 0, types);
	(void)json_int(&budget, 1, 1, LIMIT_TRIALS);
	(void)json_int(&bandwidth, 1, 1, LIMIT_PARALLEL);
	(void)json_int(&solutions, 1, 1, 1);
	if (json_required(&parameters) && json_is_array_at(&parameters, LIMIT_OPS)) {
		if (json_array_size(parameters.value) == 0) {
			(void)json_fault(&parameters, "at least one parameter is needed");
		}
		for (size_t i = 0; i < json_array_size(parameters.value); i++) {
			struct json_at item = json_item(&parameters, i);

			check_parameter(&item);
		}
		check_unique(&parameters);
	}
	if (check_metrics(&metrics) > 0) {
		(void)json_required(&budget);
	}
}
