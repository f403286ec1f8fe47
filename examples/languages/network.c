/* The network of model.json with its weights rounded; the layers stay the JSON that they are. */
#include "network.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 64 /* of the widest layer: the pixels */

static double at(const json_t *array, size_t i)
{
	return json_number_value(json_array_get(array, i));
}

json_t *network_capability(const json_t *model)
{
	json_t *ops = json_array(), *layer;
	size_t i;

	json_array_foreach(json_object_get(model, "layers"), i, layer) {
		json_array_append_new(ops,
				      json_pack("{s:O, s:s}", "name",
						json_object_get(layer, "name"), "type", "Linear"));
	}
	return json_pack("{s:o, s:{s:{s:{s:{s:[i,i], s:[s]}}}}, s:[s,s]}", "ops", ops, "op_types",
			 "Linear", "weight_only", "weight", "bits", 8, 4, "granularity",
			 "per_channel", "metrics", "accuracy", "model_size_bytes");
}

/* The bits of a layer, or 0 when they are not known here. */
static int bits_of(const json_t *choice)
{
	const json_t *bits = json_object_get(json_object_get(choice, "weight"), "bits");
	const char *mode = json_string_value(json_object_get(choice, "mode"));

	if (mode && strcmp(mode, "fp32") == 0) {
		return 32;
	}
	if (mode && strcmp(mode, "weight_only") == 0 &&
	    (json_integer_value(bits) == 8 || json_integer_value(bits) == 4)) {
		return (int)json_integer_value(bits);
	}
	return 0;
}

static void round_row(json_t *row, int bits)
{
	double largest = 0, step;
	size_t i;

	for (i = 0; i < json_array_size(row); i++) {
		largest = fmax(largest, fabs(at(row, i)));
	}
	step = largest / ((1 << (bits - 1)) - 1);
	for (i = 0; i < json_array_size(row); i++) {
		json_array_set_new(row, i, json_real(floor(at(row, i) / step + 0.5) * step));
	}
}

/* Rounds a layer in place and returns its bytes: a row has a bias and, when it is rounded, a step. */
static long round_layer(json_t *weight, int bits)
{
	long columns = (long)json_array_size(json_array_get(weight, 0));
	json_t *row;
	size_t r;

	if (bits < 32) {
		json_array_foreach(weight, r, row) {
			round_row(row, bits);
		}
	}
	return (long)json_array_size(weight) * (columns * bits / 8 + (bits < 32 ? 8 : 4));
}

json_t *network_apply(const json_t *model, const json_t *config, long *bytes, char *why,
		      size_t size)
{
	const json_t *ops = json_object_get(config, "ops");
	json_t *layers = json_deep_copy(json_object_get(model, "layers")), *layer;
	size_t i, wanted = json_object_size(ops), count = json_array_size(layers);

	*bytes = 0;
	snprintf(why, size, "the config has %zu layers, the network %zu", wanted, count);
	json_array_foreach(layers, i, layer) {
		const char *name = json_string_value(json_object_get(layer, "name"));
		int bits = bits_of(json_object_get(ops, name));

		if (bits == 0) {
			snprintf(why, size, "%s: neither fp32 nor weight_only with 8 or 4 bits",
				 name);
			break;
		}
		*bytes += round_layer(json_object_get(layer, "weight"), bits);
	}
	if (i < count || wanted != count) {
		json_decref(layers);
		return NULL;
	}
	return layers;
}

/* From the values in to the values out, in the same place. */
static size_t run(const json_t *layer, double *values)
{
	const json_t *weight = json_object_get(layer, "weight"),
		     *bias = json_object_get(layer, "bias");
	size_t rows = json_array_size(weight), r, c;
	double outputs[WIDTH];

	assert(rows <= WIDTH);
	for (r = 0; r < rows; r++) {
		const json_t *row = json_array_get(weight, r);

		outputs[r] = at(bias, r);
		for (c = 0; c < json_array_size(row); c++) {
			outputs[r] += at(row, c) * fmax(values[c], 0);
		}
	}
	memcpy(values, outputs, rows * sizeof(*values));
	return rows;
}

double network_accuracy(const json_t *model, const json_t *layers)
{
	const json_t *images = json_object_get(model, "images"),
		     *labels = json_object_get(model, "labels");
	json_t *image, *layer;
	size_t i, l, c, right = 0;

	json_array_foreach(images, i, image) {
		double values[WIDTH] = {0};
		size_t count = json_array_size(image), best = 0;

		for (c = 0; c < count && c < WIDTH; c++) {
			values[c] = at(image, c);
		}
		json_array_foreach(layers, l, layer) {
			count = run(layer, values);
		}
		for (c = 1; c < count; c++) {
			best = values[c] > values[best] ? c : best;
		}
		right += best == (size_t)at(labels, i);
	}
	return (double)right / (double)json_array_size(images);
}
