/*
 * A trained network and its images, as train.py wrote them into one file.
 *
 * The file, little-endian: "DGT1"; u32 layers, side of an image, calibration images, held-out images,
 * classes. Then per layer: name[16] padded with zeros; u32 kind (enum op_kind), channels in, channels
 * out, kernel, stride, side of the input, relu, average; f32 weights [out][in per group][k][k]; f32
 * bias [out]. Then the images, a byte per pixel, calibration first; then their labels, a byte each.
 */
#ifndef DIGITS_MODEL_H
#define DIGITS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

#define MODEL_MAX_OPS 32
/* Most channels of a layer, and the longest side of an image. */
#define MODEL_MAX_DIMENSION 1024
/* Images that go through the network at once. */
#define MODEL_BATCH 20

enum op_kind {
	OP_CONV,
	OP_DEPTHWISE,
	OP_LINEAR,
	OP_KINDS,
};

/* One operator: a convolution with its bias; a Linear is one of a single pixel. */
struct op {
	char name[16];
	enum op_kind kind;
	uint32_t in, out, kernel, stride, side;
	bool relu;
	bool average; /* the input is averaged to a single pixel first */
	float *weights;
	float *bias;
};

struct images {
	size_t count; /* a multiple of MODEL_BATCH */
	const uint8_t *pixels;
	const uint8_t *labels;
};

/* The operators form a chain: each reads what the one before it wrote. */
struct model {
	struct op ops[MODEL_MAX_OPS];
	size_t op_count;
	size_t side, classes;
	struct images calibration, held_out;
	uint8_t *bytes;
};

/* Reads and checks the file. Returns 0, or -1 and `fault`; either way model_finish() may follow. */
int model_init(struct model *model, const char *path, struct fault *fault);
void model_finish(struct model *model);

/* The operator's number, or -1. */
int model_find(const struct model *model, const char *name);

/* How many weights an operator has, and how many belong to one output channel. */
size_t model_op_weights(const struct op *op);
size_t model_op_channel_weights(const struct op *op);
/* Side of the image that the operator writes. */
size_t model_op_side_out(const struct op *op);

#endif
