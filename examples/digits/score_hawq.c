/*
 * The score of HAWQ-V2 (Dong et al., NeurIPS 2020): the mean of the Hessian's diagonal, for the
 * loss as a function of one operator's weights.
 *
 * Hutchinson: for random signs v, the mean of v'Hv is the trace of H. Along a line, v'Hv is the
 * second derivative, and that is taken by central differences,
 *
 *	v'Hv = (L(w + s v) - 2 L(w) + L(w - s v)) / s^2,
 *
 * so that no gradients are needed. The step s must be so small that the loss is still a parabola,
 * and so large that its change does not drown in the rounding of fp32: it is shrunk until the
 * change is below LARGEST_CHANGE, which rounding is a thousand times below.
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
#define LARGEST_CHANGE 1e-3

struct probe {
	const struct model *model;
	struct net *net;
	float *weights; /* room for the weights of the largest operator */
	float *signs;
	float *logits;
	double loss; /* of the model as it is */
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

/* Cross entropy, the mean of the first calibration batch. */
static double run_loss(struct probe *probe)
{
	const struct model *model = probe->model;
	double total = 0;

	net_run(probe->net, model->calibration.pixels);
	net_output(probe->net, model->op_count - 1, probe->logits);
	for (size_t i = 0; i < MODEL_BATCH; i++) {
		const float *logits = probe->logits + i * model->classes;
		double largest = -INFINITY, sum = 0;

		for (size_t k = 0; k < model->classes; k++) {
			largest = fmax(largest, logits[k]);
		}
		for (size_t k = 0; k < model->classes; k++) {
			sum += exp(logits[k] - largest);
		}
		total += log(sum) + largest - logits[model->calibration.labels[i]];
	}
	return total / MODEL_BATCH;
}

static int loss_at(double *loss, struct probe *probe, size_t op, double step, struct fault *fault)
{
	const struct op *original = &probe->model->ops[op];

	for (size_t i = 0; i < op_weights(original); i++) {
		probe->weights[i] = original->weights[i] + (float)step * probe->signs[i];
	}
	if (net_set_weights(probe->net, op, probe->weights, fault) != 0) {
		return -1;
	}
	*loss = run_loss(probe);
	return 0;
}

/* L(w + s v) - 2 L(w) + L(w - s v) */
static int change_at(double *change, struct probe *probe, size_t op, double step,
		     struct fault *fault)
{
	double above, below;

	if (loss_at(&above, probe, op, step, fault) != 0 ||
	    loss_at(&below, probe, op, -step, fault) != 0) {
		return -1;
	}
	*change = above - 2 * probe->loss + below;
	return 0;
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

	for (size_t i = 0; i < op_weights(op); i++) {
		total += (double)op->weights[i] * op->weights[i];
	}
	return fmax(sqrt(total / (double)op_weights(op)), FLT_MIN);
}

/* v'Hv along a new direction. `step` is shrunk where needed and stays so for the next one. */
static int curvature(double *result, struct probe *probe, size_t op, double *step,
		     struct fault *fault)
{
	double change;

	pick_direction(probe, op_weights(&probe->model->ops[op]));
	for (int shrinks = 0;; shrinks++) {
		if (change_at(&change, probe, op, *step, fault) != 0) {
			return -1;
		}
		if (fabs(change) <= LARGEST_CHANGE || shrinks == MAX_SHRINKS) {
			break;
		}
		*step /= SHRINK;
	}
	*result = change / (*step * *step);
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
	*score = total / DIRECTIONS / (double)op_weights(original);
	return net_set_weights(probe->net, op, original->weights, fault);
}

static int probe_init(struct probe *probe, const struct model *model, struct fault *fault)
{
	struct config baseline;
	size_t largest = 0;

	config_baseline(&baseline);
	for (size_t i = 0; i < model->op_count; i++) {
		largest = op_weights(&model->ops[i]) > largest ? op_weights(&model->ops[i]) :
								 largest;
	}
	*probe = (struct probe){
		.model = model,
		.net = net_create(model, &baseline, NULL, fault),
		.weights = calloc(largest, sizeof(*probe->weights)),
		.signs = calloc(largest, sizeof(*probe->signs)),
		.logits = calloc(MODEL_BATCH * model->classes, sizeof(*probe->logits)),
	};
	if (probe->net == NULL) {
		return -1;
	}
	if (probe->weights == NULL || probe->signs == NULL || probe->logits == NULL) {
		return fault_set(fault, "out of memory");
	}
	probe->loss = run_loss(probe);
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
