/* Scores operators by what quantizing them does to tensors or to the output. */
#include "score.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

/* A copy of what the operator wrote; the caller frees. */
static float *output_of(const struct net *net, size_t op)
{
	float *values = calloc(net_output_size(net, op), sizeof(*values));

	if (values != NULL) {
		net_output(net, op, values);
	}
	return values;
}

static void normalise(float *values, size_t count)
{
	float low = values[0], high = values[0];

	for (size_t i = 1; i < count; i++) {
		low = fminf(low, values[i]);
		high = fmaxf(high, values[i]);
	}
	for (size_t i = 0; i < count; i++) {
		/* A constant tensor has no spread to compare with: it counts as all 0. */
		values[i] = high > low ? (values[i] - low) / (high - low) : 0;
	}
}

static double squared_error(const float *a, const float *b, size_t count)
{
	double total = 0;

	for (size_t i = 0; i < count; i++) {
		total += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
	}
	return total / (double)count;
}

static int compare_output(double *score, const struct net *exact, const struct net *net, size_t op,
			  struct fault *fault)
{
	float *a = output_of(exact, op), *b = output_of(net, op);
	size_t count = net_output_size(net, op);
	int status = 0;

	if (a != NULL && b != NULL) {
		normalise(a, count);
		normalise(b, count);
		*score = squared_error(a, b, count);
	} else {
		status = fault_set(fault, "out of memory");
	}
	free(a);
	free(b);
	return status;
}

int score_mse(double *scores, const struct model *model, const struct calib *calib,
	      const struct score_question *question, struct fault *fault)
{
	struct config baseline;
	struct net *exact, *net;
	int status = -1;

	config_baseline(&baseline);
	exact = net_create(model, &baseline, NULL, fault);
	net = net_create(model, question->config, calib, fault);
	if (exact != NULL && net != NULL) {
		net_run(exact, model->calibration.pixels);
		net_run(net, model->calibration.pixels);
		status = 0;
	}
	for (size_t op = 0; status == 0 && op < model->op_count; op++) {
		if (question->wanted[op]) {
			status = compare_output(&scores[op], exact, net, op, fault);
		}
	}
	net_destroy(exact);
	net_destroy(net);
	return status;
}

/* The logits of the first calibration batches; the caller frees. NULL and `fault` on failure. */
static float *logits_of(const struct model *model, const struct config *config,
			const struct calib *calib, size_t batches, struct fault *fault)
{
	size_t pixels = MODEL_BATCH * model->side * model->side;
	size_t per_batch = MODEL_BATCH * model->classes;
	struct net *net = net_create(model, config, calib, fault);
	float *logits = net != NULL ? calloc(batches * per_batch, sizeof(*logits)) : NULL;

	for (size_t i = 0; logits != NULL && i < batches; i++) {
		net_run(net, model->calibration.pixels + i * pixels);
		net_output(net, model->op_count - 1, logits + i * per_batch);
	}
	if (net != NULL && logits == NULL) {
		(void)fault_set(fault, "out of memory");
	}
	net_destroy(net);
	return logits;
}

struct reference {
	const struct model *model;
	const struct calib *calib;
	size_t batches;
	float *logits; /* in fp32 */
};

static int reference_init(struct reference *ret, const struct model *model,
			  const struct calib *calib, size_t batches, struct fault *fault)
{
	struct config baseline;

	config_baseline(&baseline);
	*ret = (struct reference){.model = model, .calib = calib, .batches = batches};
	ret->logits = logits_of(model, &baseline, NULL, batches, fault);
	return ret->logits != NULL ? 0 : -1;
}

static int logits_error(double *error, const struct reference *exact, const struct config *config,
			struct fault *fault)
{
	float *logits = logits_of(exact->model, config, exact->calib, exact->batches, fault);

	if (logits == NULL) {
		return -1;
	}
	*error = squared_error(exact->logits, logits,
			       exact->batches * MODEL_BATCH * exact->model->classes);
	free(logits);
	return 0;
}

/* Of the two runs that an operator's score compares, one is always the config as it stands. */
static int score_turned(double *score, const struct reference *exact, const struct config *config,
			double error, size_t op, struct fault *fault)
{
	bool quantized = config->ops[op].quantized;
	struct config turned = *config;
	double other;

	turned.ops[op] = config_default_choice();
	turned.ops[op].quantized = !quantized;
	if (logits_error(&other, exact, &turned, fault) != 0) {
		return -1;
	}
	*score = quantized ? error - other : other - error;
	return 0;
}

int score_mse_v2(double *scores, const struct model *model, const struct calib *calib,
		 const struct score_question *question, struct fault *fault)
{
	struct reference exact;
	double error;
	int status = reference_init(&exact, model, calib, question->batches, fault);

	if (status != 0) {
		return -1;
	}
	status = logits_error(&error, &exact, question->config, fault);
	for (size_t op = 0; status == 0 && op < model->op_count; op++) {
		if (question->wanted[op]) {
			status = score_turned(&scores[op], &exact, question->config, error, op,
					      fault);
		}
	}
	free(exact.logits);
	return status;
}

static int score_list(double *scores, const struct reference *exact, const struct config *config,
		      const struct score_options *list, struct fault *fault)
{
	struct config turned = *config;
	double without;

	turned.ops[list->op] = (struct choice){.quantized = false};
	if (logits_error(&without, exact, &turned, fault) != 0) {
		return -1;
	}
	for (size_t i = 0; i < list->count; i++) {
		double error = without;

		turned.ops[list->op] = list->choices[i];
		if (list->choices[i].quantized &&
		    logits_error(&error, exact, &turned, fault) != 0) {
			return -1;
		}
		scores[i] = error - without;
	}
	return 0;
}

int score_mse_v2_options(double *scores, const struct model *model, const struct calib *calib,
			 const struct score_question *question, const struct score_options *lists,
			 size_t list_count, struct fault *fault)
{
	struct reference exact;
	int status = reference_init(&exact, model, calib, question->batches, fault);

	for (size_t i = 0; status == 0 && i < list_count; i++) {
		status = score_list(scores, &exact, question->config, &lists[i], fault);
		scores += lists[i].count;
	}
	free(exact.logits);
	return status;
}
