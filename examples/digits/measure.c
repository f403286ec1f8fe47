/* Measures accuracy, latency and size of the network under a config. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net.h"

#define NS_PER_MS 1e6

/* Prices of measure_work(), roughly those of one core with AVX-512 and VNNI. */
#define FP32_NS_PER_MAC   0.02
#define INT8_NS_PER_MAC   0.005
#define NS_PER_CONVERSION 0.1

static size_t best_class(const float *logits, size_t classes)
{
	size_t best = 0;

	for (size_t i = 1; i < classes; i++) {
		if (logits[i] > logits[best]) {
			best = i;
		}
	}
	return best;
}

static void print_progress(size_t seen, size_t correct, size_t total)
{
	(void)printf("{\"progress\": {\"seen\": %zu, \"correct\": %zu, \"total\": %zu}}\n", seen,
		     correct, total);
	(void)fflush(stdout);
}

static int measure_accuracy(double *accuracy, const struct model *model, struct net *net,
			    const struct measure_options *options, struct fault *fault)
{
	const struct images *images = &model->held_out;
	size_t last = model->op_count - 1, correct = 0;
	size_t all = images->count / MODEL_BATCH, skipped = options->from / MODEL_BATCH;
	size_t batches = skipped < all ? all - skipped : 0, from, count;
	float *logits = calloc(net_output_size(net, last), sizeof(*logits));

	if (logits == NULL) {
		return fault_set(fault, "out of memory");
	}
	if (options->images / MODEL_BATCH < batches) {
		batches = options->images / MODEL_BATCH;
	}
	batches = batches > 0 ? batches : 1;
	from = (skipped < all ? skipped : all - 1) * MODEL_BATCH;
	count = batches * MODEL_BATCH;
	for (size_t first = from; first < from + count; first += MODEL_BATCH) {
		net_run(net, images->pixels + first * model->side * model->side);
		net_output(net, last, logits);
		for (size_t i = 0; i < MODEL_BATCH; i++) {
			correct += best_class(logits + i * model->classes, model->classes) ==
				   images->labels[first + i];
		}
		if (options->progress) {
			print_progress(first - from + MODEL_BATCH, correct, count);
		}
	}
	free(logits);
	*accuracy = (double)correct / (double)count;
	return 0;
}

/*
 * The processor time of this thread, which does all the work: on a machine with other work to do,
 * time on the wall can double from one minute to the next.
 */
static double now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* The median of some batches. The run for the accuracy has warmed everything up. */
static int measure_latency(double *latency_ms, const struct model *model, struct net *net,
			   unsigned int batches, struct fault *fault)
{
	double *times = calloc(batches, sizeof(*times));

	if (times == NULL) {
		return fault_set(fault, "out of memory");
	}
	for (unsigned int i = 0; i < batches; i++) {
		double start = now_ns();

		net_run(net, model->held_out.pixels);
		times[i] = now_ns() - start;
	}
	qsort(times, batches, sizeof(*times), compare_doubles);
	*latency_ms = times[batches / 2] / NS_PER_MS;
	free(times);
	return 0;
}

double measure_work(const struct model *model, const struct config *config)
{
	double ns = 0;
	bool before = false;

	for (size_t i = 0; i < model->op_count; i++) {
		const struct op *op = &model->ops[i];
		bool quantized = config->ops[i].quantized;
		size_t pixels = model_op_side_out(op) * model_op_side_out(op);
		double macs = (double)(model_op_weights(op) * pixels);
		/* Depthwise kernels wait for memory: int8 helps them little. */
		bool quick = quantized && op->kind != OP_DEPTHWISE;

		ns += macs * (quick ? INT8_NS_PER_MAC : FP32_NS_PER_MAC);
		if (quantized != before) {
			ns += (double)((size_t)op->in * op->side * op->side) * NS_PER_CONVERSION;
		}
		before = quantized;
	}
	return ns * MODEL_BATCH;
}

/* Weights in their data type, a bias in fp32, and a scale in fp32 for each set of int8 weights. */
static size_t size_of(const struct op *op, const struct choice *choice)
{
	size_t scales = choice->option[WEIGHT_GRANULARITY] == PER_TENSOR ? 1 : op->out;

	if (!choice->quantized) {
		return (model_op_weights(op) + op->out) * sizeof(float);
	}
	return model_op_weights(op) + (op->out + scales) * sizeof(float);
}

int measure_config(struct measurement *result, const struct model *model,
		   const struct config *config, const struct calib *calib,
		   const struct measure_options *options, struct fault *fault)
{
	struct net *net = net_create(model, config, calib, fault);
	int status;

	if (net == NULL) {
		return -1;
	}
	*result = (struct measurement){0};
	for (size_t i = 0; i < model->op_count; i++) {
		result->model_size_bytes += size_of(&model->ops[i], &config->ops[i]);
	}
	status = measure_accuracy(&result->accuracy, model, net, options, fault);
	if (status == 0 && options->deterministic) {
		result->latency_ms = measure_work(model, config) / NS_PER_MS;
	} else if (status == 0) {
		status = measure_latency(&result->latency_ms, model, net, options->latency_batches,
					 fault);
	}
	net_destroy(net);
	return status;
}
