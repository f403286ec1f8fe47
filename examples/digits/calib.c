/* Finds the ranges of activations in the calibration images, by extremes or by divergence. */
#include "calib.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "net.h"

#define BINS        2048
#define LEVELS      128
#define BIN_STEP    8
#define TINY_WEIGHT 1e-6

/* Values that are exactly 0, half of what ReLU writes, are left out: every scheme keeps them. */
struct histogram {
	double counts[BINS];
	float limit; /* the largest magnitude */
};

static double sum(const double *values, size_t count)
{
	double total = 0;

	for (size_t i = 0; i < count; i++) {
		total += values[i];
	}
	return total;
}

/*
 * Bins [0, width) as they would look after being stored in LEVELS steps: each step spreads what it
 * holds over those of its bins that are not empty.
 */
static void coarsen(const double *counts, size_t width, double *coarse)
{
	for (size_t level = 0; level < LEVELS; level++) {
		size_t from = level * width / LEVELS, to = (level + 1) * width / LEVELS;
		size_t filled = 0;
		double mean;

		for (size_t i = from; i < to; i++) {
			filled += counts[i] > 0;
		}
		mean = filled > 0 ? sum(counts + from, to - from) / (double)filled : 0;
		for (size_t i = from; i < to; i++) {
			coarse[i] = counts[i] > 0 ? mean : 0;
		}
	}
}

/* Kullback-Leibler divergence of what is left when values beyond `width` bins are cut off. */
static double divergence(const struct histogram *histogram, size_t width)
{
	double total = sum(histogram->counts, BINS), kept = sum(histogram->counts, width);
	double coarse[BINS], result = 0;

	if (kept <= 0) {
		return INFINITY;
	}
	coarsen(histogram->counts, width, coarse);
	for (size_t i = 0; i < width; i++) {
		double p = histogram->counts[i] + (i == width - 1 ? total - kept : 0);

		if (p > 0) {
			p /= total;
			result += p * log(p / fmax(coarse[i] / kept, TINY_WEIGHT));
		}
	}
	return result;
}

/* The threshold search of S. Migacz, "8-bit inference with TensorRT", GTC 2017. */
static float kl_threshold(const struct histogram *histogram)
{
	double least = INFINITY;
	size_t best = BINS;

	for (size_t width = LEVELS; width <= BINS; width += BIN_STEP) {
		double found = divergence(histogram, width);

		if (found < least) {
			least = found;
			best = width;
		}
	}
	return histogram->limit * (float)best / BINS;
}

static void widen(struct range *range, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		range->low = fminf(range->low, values[i]);
		range->high = fmaxf(range->high, values[i]);
	}
}

static void count_values(struct histogram *histogram, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		float magnitude = fabsf(values[i]);

		if (magnitude > 0) {
			size_t bin = (size_t)(magnitude / histogram->limit * BINS);

			histogram->counts[bin < BINS ? bin : BINS - 1]++;
		}
	}
}

/* One pass over the images: the ranges when there are no histograms yet, else the histograms. */
static void pass(struct calib *calib, const struct model *model, struct net *net,
		 struct histogram *histograms)
{
	size_t pixels = model->side * model->side;

	for (size_t first = 0; first < calib->samples; first += MODEL_BATCH) {
		size_t left = calib->samples - first;

		net_run(net, model->calibration.pixels + first * pixels);
		for (size_t op = 0; op < model->op_count; op++) {
			size_t count;
			const float *values = net_input(net, op, &count);

			if (left < MODEL_BATCH) {
				count = count / MODEL_BATCH * left;
			}
			if (histograms == NULL) {
				widen(&calib->ranges[op][MINMAX], values, count);
			} else {
				count_values(&histograms[op], values, count);
			}
		}
	}
}

static void find_ranges(struct calib *calib, const struct model *model, struct net *net,
			struct histogram *histograms)
{
	pass(calib, model, net, NULL);
	for (size_t op = 0; op < model->op_count; op++) {
		const struct range *range = &calib->ranges[op][MINMAX];

		histograms[op].limit = fmaxf(fmaxf(-range->low, range->high), FLT_MIN);
	}
	pass(calib, model, net, histograms);
	for (size_t op = 0; op < model->op_count; op++) {
		const struct range *range = &calib->ranges[op][MINMAX];
		float threshold = kl_threshold(&histograms[op]);

		calib->ranges[op][KL] = (struct range){
			.low = fmaxf(range->low, -threshold),
			.high = fminf(range->high, threshold),
		};
	}
}

int calib_init(struct calib *calib, const struct model *model, size_t samples, struct fault *fault)
{
	struct histogram *histograms = calloc(model->op_count, sizeof(*histograms));
	struct config config;
	struct net *net;

	*calib = (struct calib){.samples = samples};
	config_baseline(&config);
	net = histograms != NULL ? net_create(model, &config, NULL, fault) : NULL;
	if (net != NULL) {
		find_ranges(calib, model, net, histograms);
	}
	free(histograms);
	net_destroy(net);
	return net != NULL ? 0 : -1;
}

/* A range always holds 0, since widening starts there; 0 is exact because borders are padded with it. */
static struct quant asymmetric(const struct range *range)
{
	float scale = fmaxf(range->high - range->low, FLT_MIN) / 255;

	return (struct quant){
		.u8 = true,
		.scale = scale,
		.zero = (int32_t)lrintf(-range->low / scale),
	};
}

struct quant calib_quant(const struct calib *calib, size_t op, const struct choice *choice)
{
	const struct range *range;

	if (!choice->quantized) {
		return (struct quant){.scale = 1};
	}
	range = &calib->ranges[op][choice->option[ACTIVATION_ALGORITHM]];
	if (choice->option[ACTIVATION_SCHEME] == SYMMETRIC) {
		/* As PyTorch does it with uint8: 0 in the middle, the sign has half of the values. */
		return (struct quant){
			.u8 = true,
			.scale = fmaxf(fmaxf(-range->low, range->high), FLT_MIN) / 127,
			.zero = 128,
		};
	}
	return asymmetric(range);
}
