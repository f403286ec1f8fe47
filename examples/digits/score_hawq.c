/*
 * The score of HAWQ-V2 (Dong et al., NeurIPS 2020): the mean of the Hessian's diagonal, for the
 * loss as a function of one operator's weights.
 *
 * Hutchinson: for random signs v, the mean of v'Hv is the trace of H. Between the kinks of ReLU the
 * logits z are linear in one operator's weights, so with J = dz/dw and the cross entropy of
 * p = softmax(z)
 *
 *	v'Hv = (Jv)' (diag(p) - pp') (Jv), and Jv = (z(w + sv) - z(w - sv)) / 2s,
 *
 * exactly and without gradients. The step s must be so small that hardly any kink is crossed, and so
 * large that the change does not drown in the rounding of fp32: it is shrunk until no logit changes
 * by more than LARGEST_CHANGE, which rounding is a thousand times below.
 */
#include "score.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "net.h"

#define DIRECTIONS     8
#define FIRST_STEP     0.1 /* as a part of the weights' own size */
#define SHRINK         4
#define MAX_SHRINKS    12
#define LARGEST_CHANGE 0.02

struct probe {
	const struct model *model;
	struct net *net;
	float *weights; /* room for the weights of the largest operator */
	float *signs;
	float *logits;        /* of the model as it is */
	float *above, *below; /* with the weights moved; in the same allocation */
	size_t count;         /* of logits */
	uint64_t random;
};

/* splitmix64: the same directions in every run. */
static uint64_t next_random(struct probe *probe)
{
	uint64_t z = probe->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The logits of the first calibration batch. */
static void run(struct probe *probe, float *logits)
{
	net_run(probe->net, probe->model->calibration.pixels);
	net_output(probe->net, probe->model->op_count - 1, logits);
}

static int run_moved(float *logits, struct probe *probe, size_t op, double step,
		     struct fault *fault)
{
	const struct op *original = &probe->model->ops[op];

	for (size_t i = 0; i < model_op_weights(original); i++) {
		probe->weights[i] = original->weights[i] + (float)step * probe->signs[i];
	}
	if (net_set_weights(probe->net, op, probe->weights, fault) != 0) {
		return -1;
	}
	run(probe, logits);
	return 0;
}

static double largest_change(const struct probe *probe)
{
	double largest = 0;

	for (size_t i = 0; i < probe->count; i++) {
		largest = fmax(largest, fabs((double)probe->above[i] - probe->below[i]) / 2);
	}
	return largest;
}

/* u'(diag(p) - pp')u for one image: the variance of u under p. `u` is above - below. */
static double variance(const float *logits, const float *above, const float *below, size_t classes)
{
	double largest = -INFINITY, weight = 0, mean = 0, result = 0;

	for (size_t k = 0; k < classes; k++) {
		largest = fmax(largest, logits[k]);
	}
	for (size_t k = 0; k < classes; k++) {
		double p = exp(logits[k] - largest);

		weight += p;
		mean += p * ((double)above[k] - below[k]);
	}
	mean /= weight;
	for (size_t k = 0; k < classes; k++) {
		double distance = (double)above[k] - below[k] - mean;

		result += exp(logits[k] - largest) / weight * distance * distance;
	}
	return result;
}

static void pick_direction(struct probe *probe, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		probe->signs[i] = next_random(probe) >> 63 != 0 ? 1 : -1;
	}
}

static double size_of_weights(const struct op *op)
{
	double total = 0;

	for (size_t i = 0; i < model_op_weights(op); i++) {
		total += (double)op->weights[i] * op->weights[i];
	}
	return fmax(sqrt(total / (double)model_op_weights(op)), FLT_MIN);
}

/* v'Hv along a new direction. `step` is shrunk where needed and stays so for the next one. */
static int curvature(double *result, struct probe *probe, size_t op, double *step,
		     struct fault *fault)
{
	size_t classes = probe->model->classes;
	double total = 0;

	pick_direction(probe, model_op_weights(&probe->model->ops[op]));
	for (int shrinks = 0;; shrinks++) {
		if (run_moved(probe->above, probe, op, *step, fault) != 0 ||
		    run_moved(probe->below, probe, op, -*step, fault) != 0) {
			return -1;
		}
		if (largest_change(probe) <= LARGEST_CHANGE || shrinks == MAX_SHRINKS) {
			break;
		}
		*step /= SHRINK;
	}
	for (size_t i = 0; i < probe->count; i += classes) {
		total += variance(probe->logits + i, probe->above + i, probe->below + i, classes);
	}
	*result = total / MODEL_BATCH / (4 * *step * *step);
	return 0;
}

static int mean_diagonal(double *score, struct probe *probe, size_t op, struct fault *fault)
{
	const struct op *original = &probe->model->ops[op];
	double step = FIRST_STEP * size_of_weights(original), total = 0;

	for (int i = 0; i < DIRECTIONS; i++) {
		double found;

		if (curvature(&found, probe, op, &step, fault) != 0) {
			return -1;
		}
		total += found;
	}
	*score = total / DIRECTIONS / (double)model_op_weights(original);
	return net_set_weights(probe->net, op, original->weights, fault);
}

static int probe_init(struct probe *probe, const struct model *model, struct fault *fault)
{
	struct config baseline;
	size_t largest = 1;

	config_baseline(&baseline);
	for (size_t i = 0; i < model->op_count; i++) {
		largest = model_op_weights(&model->ops[i]) > largest
				  ? model_op_weights(&model->ops[i])
				  : largest;
	}
	*probe = (struct probe){
		.model = model,
		.net = net_create(model, &baseline, NULL, fault),
		.weights = calloc(largest, sizeof(*probe->weights)),
		.signs = calloc(largest, sizeof(*probe->signs)),
		.count = MODEL_BATCH * model->classes,
	};
	probe->logits = calloc(3 * probe->count, sizeof(*probe->logits));
	if (probe->net == NULL) {
		return -1;
	}
	if (probe->weights == NULL || probe->signs == NULL || probe->logits == NULL) {
		return fault_set(fault, "out of memory");
	}
	probe->above = probe->logits + probe->count;
	probe->below = probe->above + probe->count;
	run(probe, probe->logits);
	return 0;
}

static void probe_finish(struct probe *probe)
{
	net_destroy(probe->net);
	free(probe->weights);
	free(probe->signs);
	free(probe->logits);
}

int score_hawq_v2(double *scores, const struct model *model, const struct calib *calib,
		  const struct score_question *question, struct fault *fault)
{
	struct probe probe;
	int status = probe_init(&probe, model, fault);

	(void)calib;
	for (size_t op = 0; status == 0 && op < model->op_count; op++) {
		if (question->wanted[op]) {
			status = mean_diagonal(&scores[op], &probe, op, fault);
		}
	}
	probe_finish(&probe);
	return status;
}
