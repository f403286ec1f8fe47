/* Answers questions: what can be done, the baseline, a config, scores. */
#include "evaluator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "score.h"

#define DEFAULT_BATCHES 2

static const struct {
	const char *name;
	score_method *run;
} methods[] = {
	{"mse", score_mse},
	{"mse_v2", score_mse_v2},
	{"hawq_v2", score_hawq_v2},
};

int evaluator_init(struct evaluator *evaluator, const char *model_path,
		   const struct measure_options *measure, struct fault *fault)
{
	*evaluator = (struct evaluator){.measure = *measure};
	if (model_init(&evaluator->model, model_path, fault) != 0) {
		return -1;
	}
	return calib_init(&evaluator->calib, &evaluator->model, evaluator->model.calibration.count,
			  fault);
}

void evaluator_finish(struct evaluator *evaluator)
{
	model_finish(&evaluator->model);
}

/* This config cannot be run, and asking again will not help. */
static json_t *failed(const struct fault *fault)
{
	return json_pack("{s:b, s:s, s:b}", "failed", 1, "error", fault->text, "retryable", 0);
}

/* Reads the config and calibrates for as many images as it says. */
static int prepare(struct evaluator *evaluator, struct config *config, const json_t *json,
		   struct fault *fault)
{
	if (config_read(config, &evaluator->model, json, fault) != 0) {
		return -1;
	}
	if (config->samples == evaluator->calib.samples) {
		return 0;
	}
	return calib_init(&evaluator->calib, &evaluator->model, config->samples, fault);
}

/* {"images": N, "from": K} is said by a question's `subset`, or else by the job's `evaluator_args`: fewer
 * images are enough to compare configs, and others than those tell whether the search has overfitted. */
static size_t wanted(const json_t *body, const char *name, size_t otherwise)
{
	const json_t *subset = json_object_get(body, "subset");
	const json_t *said = subset != NULL ? subset : json_object_get(body, "evaluator_args");
	json_int_t n = json_integer_value(json_object_get(said, name));

	return n > 0 ? (size_t)n : otherwise;
}

static json_t *measure(struct evaluator *evaluator, const struct config *config, const json_t *body)
{
	struct measure_options options = evaluator->measure;
	struct measurement found;
	struct fault fault = {0};

	options.images = wanted(body, "images", SIZE_MAX);
	options.from = wanted(body, "from", 0);
	if (measure_config(&found, &evaluator->model, config, &evaluator->calib, &options,
			   &fault) != 0) {
		return failed(&fault);
	}
	return json_pack("{s:f, s:f, s:{s:I}}", "accuracy", found.accuracy, "latency_ms",
			 found.latency_ms, "metrics", "model_size_bytes",
			 (json_int_t)found.model_size_bytes);
}

static json_t *answer_capability(struct evaluator *evaluator, const json_t *body)
{
	(void)body;
	return config_capability(&evaluator->model);
}

static json_t *answer_baseline(struct evaluator *evaluator, const json_t *body)
{
	struct config config;

	(void)body;
	config_baseline(&config);
	return measure(evaluator, &config, body);
}

static json_t *answer_evaluate(struct evaluator *evaluator, const json_t *body)
{
	struct config config;
	struct fault fault = {0};

	if (prepare(evaluator, &config, json_object_get(body, "config"), &fault) != 0) {
		return failed(&fault);
	}
	return measure(evaluator, &config, body);
}

static int read_wanted(struct score_question *question, const struct model *model,
		       const json_t *ops, struct fault *fault)
{
	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *name = json_string_value(json_array_get(ops, i));
		int op = name != NULL ? model_find(model, name) : -1;

		if (op < 0) {
			return fault_set(fault, "the model has no operator \"%s\"",
					 name != NULL ? name : "(not a string)");
		}
		question->wanted[op] = true;
	}
	return 0;
}

static int read_batches(struct score_question *question, const struct model *model,
			const json_t *value, struct fault *fault)
{
	json_int_t most = (json_int_t)(model->calibration.count / MODEL_BATCH);
	json_int_t batches = value != NULL ? json_integer_value(value) : DEFAULT_BATCHES;

	if (batches < 1 || batches > most) {
		return fault_set(fault, "confidence_batches must be from 1 to %d", (int)most);
	}
	question->batches = (size_t)batches;
	return 0;
}

static score_method *find_method(const json_t *body, struct fault *fault)
{
	const char *name = json_string_value(json_object_get(body, "method"));
	const char *loss = json_string_value(json_object_get(body, "loss"));

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(name, methods[i].name) != 0) {
			continue;
		}
		if (loss != NULL && strcmp(loss, "cross_entropy") != 0) {
			(void)fault_set(fault, "the only loss here is \"cross_entropy\"");
			return NULL;
		}
		return methods[i].run;
	}
	(void)fault_set(fault, "there is no score \"%s\"", name);
	return NULL;
}

static json_t *not_a_number(const struct op *op)
{
	struct fault fault = {0};

	(void)fault_set(&fault, "the score of %s is not a number", op->name);
	return failed(&fault);
}

static json_t *scores_json(const struct model *model, const struct score_question *question,
			   const double *scores)
{
	json_t *object = json_object();

	for (size_t op = 0; op < model->op_count; op++) {
		if (!question->wanted[op]) {
			continue;
		}
		if (!isfinite(scores[op])) {
			json_decref(object);
			return not_a_number(&model->ops[op]);
		}
		(void)json_object_set_new(object, model->ops[op].name, json_real(scores[op]));
	}
	return json_pack("{s:o}", "scores", object);
}

/* The options of one operator: {"conv1": [{"mode": ...}, ...]}. Free list->choices either way. */
static int read_options(struct score_options *list, const struct model *model, size_t op,
			const json_t *options, struct fault *fault)
{
	const json_t *array = json_object_get(options, model->ops[op].name);

	*list = (struct score_options){.op = op, .count = json_array_size(array)};
	list->choices = calloc(list->count + 1, sizeof(*list->choices));
	if (list->choices == NULL) {
		return fault_set(fault, "out of memory");
	}
	for (size_t i = 0; i < list->count; i++) {
		if (config_read_choice(&list->choices[i], &model->ops[op], json_array_get(array, i),
				       fault) != 0) {
			return -1;
		}
	}
	return 0;
}

static json_t *option_scores_json(const struct model *model, const struct score_options *lists,
				  size_t list_count, const double *scores)
{
	json_t *object = json_object();

	for (size_t i = 0; i < list_count; i++) {
		const struct op *op = &model->ops[lists[i].op];
		json_t *array = json_array();

		for (size_t k = 0; k < lists[i].count; k++, scores++) {
			if (!isfinite(*scores)) {
				json_decref(array);
				json_decref(object);
				return not_a_number(op);
			}
			(void)json_array_append_new(array, json_real(*scores));
		}
		(void)json_object_set_new(object, op->name, array);
	}
	return json_pack("{s:o}", "scores", object);
}

/* A table: a score for each option of each operator. */
static json_t *answer_options(struct evaluator *evaluator, const struct score_question *question,
			      const json_t *options)
{
	const struct model *model = &evaluator->model;
	struct score_options lists[MODEL_MAX_OPS] = {0};
	struct fault fault = {0};
	size_t list_count = 0, count = 0;
	double *scores = NULL;
	json_t *answer = NULL;
	int status = 0;

	for (size_t op = 0; op < model->op_count && status == 0; op++) {
		if (question->wanted[op]) {
			status = read_options(&lists[list_count], model, op, options, &fault);
			count += lists[list_count++].count;
		}
	}
	scores = calloc(count + 1, sizeof(*scores));
	if (status == 0 && scores != NULL &&
	    score_mse_v2_options(scores, model, &evaluator->calib, question, lists, list_count,
				 &fault) == 0) {
		answer = option_scores_json(model, lists, list_count, scores);
	}
	for (size_t i = 0; i < list_count; i++) {
		free(lists[i].choices);
	}
	free(scores);
	return answer != NULL ? answer : failed(&fault);
}

static json_t *answer_score(struct evaluator *evaluator, const json_t *body)
{
	const struct model *model = &evaluator->model;
	double scores[MODEL_MAX_OPS] = {0};
	struct score_question question = {0};
	struct config config;
	struct fault fault = {0};
	score_method *method = find_method(body, &fault);

	question.config = &config;
	if (method == NULL ||
	    prepare(evaluator, &config, json_object_get(body, "config"), &fault) != 0 ||
	    read_wanted(&question, model, json_object_get(body, "ops"), &fault) != 0 ||
	    read_batches(&question, model, json_object_get(body, "confidence_batches"), &fault) !=
		    0) {
		return failed(&fault);
	}
	if (method == score_mse_v2 && json_object_get(body, "options") != NULL) {
		return answer_options(evaluator, &question, json_object_get(body, "options"));
	}
	if (method(scores, model, &evaluator->calib, &question, &fault) != 0) {
		return failed(&fault);
	}
	return scores_json(model, &question, scores);
}

/* A member that the body of a question must have. */
struct member {
	const char *name;
	json_type type;
};

static const struct {
	const char *name;
	json_t *(*answer)(struct evaluator *, const json_t *);
	struct member members[4];
} questions[] = {
	{"capability", answer_capability, {{0}}},
	{"baseline", answer_baseline, {{0}}},
	{"evaluate", answer_evaluate, {{"config", JSON_OBJECT}}},
	{"score",
	 answer_score,
	 {{"config", JSON_OBJECT}, {"method", JSON_STRING}, {"ops", JSON_ARRAY}}},
};

static int check_members(const json_t *body, const struct member *members, struct fault *fault)
{
	if (!json_is_object(body)) {
		return fault_set(fault, "the body must be a JSON object");
	}
	for (; members->name != NULL; members++) {
		const json_t *value = json_object_get(body, members->name);

		if (value == NULL || json_typeof(value) != members->type) {
			return fault_set(fault, "\"%s\" is missing or has the wrong type",
					 members->name);
		}
	}
	return 0;
}

enum verdict evaluator_ask(struct evaluator *evaluator, const char *question, const json_t *body,
			   json_t **answer, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(question, questions[i].name) != 0) {
			continue;
		}
		if (check_members(body, questions[i].members, fault) != 0) {
			return VERDICT_BAD;
		}
		*answer = questions[i].answer(evaluator, body);
		return VERDICT_ANSWER;
	}
	(void)fault_set(fault, "there is no question \"%s\"", question);
	return VERDICT_UNKNOWN;
}
