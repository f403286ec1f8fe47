/* Reads the file of the network, and trusts none of its numbers. */
#include "model.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file_header {
	char magic[4];
	uint32_t layers, side, calibration, held_out, classes;
};

struct file_layer {
	char name[16];
	uint32_t kind, in, out, kernel, stride, side, relu, average;
};

size_t model_op_channel_weights(const struct op *op)
{
	return (size_t)(op->kind == OP_DEPTHWISE ? 1 : op->in) * op->kernel * op->kernel;
}

size_t model_op_weights(const struct op *op)
{
	return op->out * model_op_channel_weights(op);
}

size_t model_op_side_out(const struct op *op)
{
	return (op->side + op->stride - 1) / op->stride;
}

int model_find(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->op_count; i++) {
		if (strcmp(model->ops[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static bool in_range(uint32_t value)
{
	return value >= 1 && value <= MODEL_MAX_DIMENSION;
}

static bool is_sane(const struct file_layer *layer)
{
	return memchr(layer->name, '\0', sizeof(layer->name)) != NULL && layer->kind < OP_KINDS &&
	       in_range(layer->in) && in_range(layer->out) && in_range(layer->side) &&
	       in_range(layer->stride) && layer->kernel % 2 == 1 && layer->kernel <= layer->side;
}

/* Each layer must fit onto the one before, or the kernels would read past its tensor. */
static bool fits(const struct model *model, const struct file_layer *layer)
{
	const struct op *before = model->op_count > 0 ? &model->ops[model->op_count - 1] : NULL;
	size_t side = before != NULL ? model_op_side_out(before) : model->side;
	size_t channels = before != NULL ? before->out : 1;

	return layer->in == channels && layer->side == (layer->average != 0 ? 1 : side) &&
	       (layer->kind != OP_DEPTHWISE || layer->in == layer->out);
}

static float *read_floats(FILE *file, size_t count)
{
	float *values = calloc(count, sizeof(*values));

	if (values != NULL && fread(values, sizeof(*values), count, file) != count) {
		free(values);
		return NULL;
	}
	return values;
}

static int read_layer(struct model *model, FILE *file, struct fault *fault)
{
	struct op *op = &model->ops[model->op_count];
	struct file_layer layer;

	if (fread(&layer, sizeof(layer), 1, file) != 1 || !is_sane(&layer) ||
	    !fits(model, &layer)) {
		return fault_set(fault, "layer %zu does not fit", model->op_count);
	}
	*op = (struct op){
		.kind = (enum op_kind)layer.kind,
		.in = layer.in,
		.out = layer.out,
		.kernel = layer.kernel,
		.stride = layer.stride,
		.side = layer.side,
		.relu = layer.relu != 0,
		.average = layer.average != 0,
	};
	memcpy(op->name, layer.name, sizeof(op->name));
	model->op_count++;
	op->weights = read_floats(file, model_op_weights(op));
	op->bias = read_floats(file, op->out);
	if (op->weights == NULL || op->bias == NULL) {
		return fault_set(fault, "the weights of %s are cut short", op->name);
	}
	return 0;
}

static int read_images(struct model *model, FILE *file, const struct file_header *header,
		       struct fault *fault)
{
	size_t count = (size_t)header->calibration + header->held_out;
	size_t pixels = model->side * model->side;

	model->bytes = malloc(count * (pixels + 1));
	if (model->bytes == NULL || fread(model->bytes, pixels + 1, count, file) != count) {
		return fault_set(fault, "the images are cut short");
	}
	model->calibration = (struct images){
		.count = header->calibration,
		.pixels = model->bytes,
		.labels = model->bytes + count * pixels,
	};
	model->held_out = (struct images){
		.count = header->held_out,
		.pixels = model->bytes + header->calibration * pixels,
		.labels = model->calibration.labels + header->calibration,
	};
	return 0;
}

static bool header_is_good(const struct file_header *header)
{
	return memcmp(header->magic, "DGT1", 4) == 0 && header->layers >= 1 &&
	       header->layers <= MODEL_MAX_OPS && in_range(header->side) &&
	       in_range(header->classes) && header->calibration >= MODEL_BATCH &&
	       header->calibration < 1U << 16 && header->calibration % MODEL_BATCH == 0 &&
	       header->held_out >= MODEL_BATCH && header->held_out < 1U << 16 &&
	       header->held_out % MODEL_BATCH == 0;
}

static int read_model(struct model *model, FILE *file, struct fault *fault)
{
	const struct op *last;
	struct file_header header;

	if (fread(&header, sizeof(header), 1, file) != 1 || !header_is_good(&header)) {
		return fault_set(fault, "not a model that train.py wrote");
	}
	model->side = header.side;
	model->classes = header.classes;
	while (model->op_count < header.layers) {
		if (read_layer(model, file, fault) != 0) {
			return -1;
		}
	}
	last = &model->ops[model->op_count - 1];
	if (last->out != model->classes || model_op_side_out(last) != 1) {
		return fault_set(fault, "the last layer does not give one value per class");
	}
	return read_images(model, file, &header, fault);
}

int model_init(struct model *model, const char *path, struct fault *fault)
{
	struct fault why = {0};
	FILE *file;
	int result;

	*model = (struct model){0};
	if (htole32(1) != 1) {
		return fault_set(fault, "the model file needs a little-endian machine");
	}
	file = fopen(path, "rb");
	if (file == NULL) {
		return fault_set(fault, "cannot open %s: %s", path, strerror(errno));
	}
	result = read_model(model, file, &why);
	(void)fclose(file);
	return result == 0 ? 0 : fault_set(fault, "%s: %s", path, why.text);
}

void model_finish(struct model *model)
{
	for (size_t i = 0; i < model->op_count; i++) {
		free(model->ops[i].weights);
		free(model->ops[i].bias);
	}
	free(model->bytes);
	*model = (struct model){0};
}
