/* Builds the network for a config out of oneDNN's primitives, and runs it. */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv.h"

/* Activations are always kept as image, row, column, channel: fast for both data types, and a
 * change of the data type is then the only conversion there is. */
#define ACTIVATION_LAYOUT dnnl_nhwc

struct net {
	const struct model *model;
	struct dnn dnn;
	struct tensor image;
	struct tensor inputs[MODEL_MAX_OPS];
	struct tensor outputs[MODEL_MAX_OPS];
	dnnl_memory_t weights[MODEL_MAX_OPS];
};

static bool add_tensor(struct net *net, struct tensor *tensor, size_t channels, size_t side,
		       struct quant quant)
{
	const struct dnn_shape shape = {
		.count = 4,
		.dims = {MODEL_BATCH, (dnnl_dim_t)channels, (dnnl_dim_t)side, (dnnl_dim_t)side},
		.type = quant.u8 ? dnnl_u8 : dnnl_f32,
		.tag = ACTIVATION_LAYOUT,
	};

	tensor->quant = quant;
	return dnn_add_shape(&net->dnn, &shape, &tensor->memory);
}

static bool add_conv(struct net *net, size_t i, const struct choice *choice)
{
	const struct op *op = &net->model->ops[i];
	struct conv_scales scales;

	conv_scales(&scales, op, choice);
	return conv_add(&net->dnn, op, &net->inputs[i], &net->outputs[i], &scales,
			&net->weights[i]) &&
	       conv_load_weights(&net->dnn, net->weights[i], op, op->weights, &scales);
}

/* Brings what the operator before wrote into the form that this one reads. */
static bool add_input(struct net *net, size_t i, struct quant wanted)
{
	const struct op *op = &net->model->ops[i];
	struct tensor from = i > 0 ? net->outputs[i - 1] : net->image;

	if (op->average) {
		size_t side = i > 0 ? model_op_side_out(op - 1) : net->model->side;
		struct tensor pooled;

		if (!add_tensor(net, &pooled, op->in, 1, (struct quant){.scale = 1}) ||
		    !dnn_add_average(&net->dnn, from.memory, pooled.memory, side)) {
			return false;
		}
		from = pooled;
	}
	if (from.quant.u8 == wanted.u8) {
		net->inputs[i] = from;
		return true;
	}
	return add_tensor(net, &net->inputs[i], op->in, op->side, wanted) &&
	       dnn_add_quantize(&net->dnn, from.memory, &net->inputs[i]);
}

/* An int8 kernel can write what the next operator reads, unless that one takes an average first. */
static struct quant output_quant(const struct net *net, size_t i, const struct config *config,
				 const struct calib *calib)
{
	if (config->ops[i].quantized && i + 1 < net->model->op_count &&
	    !net->model->ops[i + 1].average) {
		return calib_quant(calib, i + 1, &config->ops[i + 1]);
	}
	return (struct quant){.scale = 1};
}

static bool add_op(struct net *net, size_t i, const struct config *config,
		   const struct calib *calib)
{
	const struct op *op = &net->model->ops[i];

	return add_input(net, i, calib_quant(calib, i, &config->ops[i])) &&
	       add_tensor(net, &net->outputs[i], op->out, model_op_side_out(op),
			  output_quant(net, i, config, calib)) &&
	       add_conv(net, i, &config->ops[i]);
}

struct net *net_create(const struct model *model, const struct config *config,
		       const struct calib *calib, struct fault *fault)
{
	struct net *net = calloc(1, sizeof(*net));

	if (net == NULL) {
		(void)fault_set(fault, "out of memory");
		return NULL;
	}
	net->model = model;
	if (!dnn_init(&net->dnn) ||
	    !add_tensor(net, &net->image, 1, model->side, (struct quant){.scale = 1})) {
		(void)fault_set(fault, "oneDNN does not start on this machine");
		net_destroy(net);
		return NULL;
	}
	for (size_t i = 0; i < model->op_count; i++) {
		if (!add_op(net, i, config, calib)) {
			(void)fault_set(fault, "oneDNN has no kernel for %s in %s",
					model->ops[i].name,
					config->ops[i].quantized ? "int8" : "fp32");
			net_destroy(net);
			return NULL;
		}
	}
	return net;
}

void net_destroy(struct net *net)
{
	if (net == NULL) {
		return;
	}
	dnn_finish(&net->dnn);
	free(net);
}

void net_run(struct net *net, const uint8_t *pixels)
{
	size_t count = MODEL_BATCH * net->model->side * net->model->side;
	float *image = dnn_handle(net->image.memory);

	for (size_t i = 0; i < count; i++) {
		image[i] = (float)pixels[i] / 255;
	}
	if (!dnn_run(&net->dnn)) {
		(void)fprintf(stderr, "digits-evaluator: oneDNN failed to run a kernel\n");
		exit(EXIT_FAILURE);
	}
}

const float *net_input(const struct net *net, size_t op, size_t *count)
{
	const struct tensor *tensor = &net->inputs[op];

	*count = dnn_size(tensor->memory) / sizeof(float);
	return dnn_handle(tensor->memory);
}

size_t net_output_size(const struct net *net, size_t op)
{
	size_t side = model_op_side_out(&net->model->ops[op]);

	return (size_t)MODEL_BATCH * net->model->ops[op].out * side * side;
}

void net_output(const struct net *net, size_t op, float *values)
{
	const struct tensor *tensor = &net->outputs[op];
	size_t count = net_output_size(net, op);
	const uint8_t *bytes = dnn_handle(tensor->memory);

	if (!tensor->quant.u8) {
		memcpy(values, bytes, count * sizeof(*values));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		values[i] = tensor->quant.scale * (float)(bytes[i] - tensor->quant.zero);
	}
}

int net_set_weights(struct net *net, size_t op, const float *weights, struct fault *fault)
{
	const struct conv_scales unscaled = {.count = 1, .values = {1}};
	const struct op *original = &net->model->ops[op];

	if (!conv_load_weights(&net->dnn, net->weights[op], original, weights, &unscaled)) {
		return fault_set(fault, "oneDNN cannot load weights into %s", original->name);
	}
	return 0;
}
