/* Makes a convolution with oneDNN, its weights in the form that the kernel wants. */
#include "conv.h"

#include <float.h>
#include <math.h>

static float scale_for(const float *weights, size_t count)
{
	float largest = 0;

	for (size_t i = 0; i < count; i++) {
		largest = fmaxf(largest, fabsf(weights[i]));
	}
	return fmaxf(largest, FLT_MIN) / 127;
}

void conv_scales(struct conv_scales *scales, const struct op *op, const struct choice *choice)
{
	size_t per_channel = model_op_channel_weights(op);

	if (!choice->quantized || choice->option[WEIGHT_GRANULARITY] == PER_TENSOR) {
		scales->count = 1;
		scales->values[0] =
			choice->quantized ? scale_for(op->weights, model_op_weights(op)) : 1;
		return;
	}
	scales->count = op->out;
	for (size_t i = 0; i < op->out; i++) {
		scales->values[i] = scale_for(op->weights + i * per_channel, per_channel);
	}
}

/* Weights as the model file has them; only depthwise ones have a dimension for groups. */
static struct dnn_shape weights_shape(const struct op *op, dnnl_data_type_t type)
{
	dnnl_dim_t out = op->out, in = op->in, kernel = op->kernel;

	if (op->kind == OP_DEPTHWISE) {
		return (struct dnn_shape){
			.count = 5,
			.dims = {out, 1, 1, kernel, kernel},
			.type = type,
			.tag = dnnl_goihw,
		};
	}
	return (struct dnn_shape){
		.count = 4,
		.dims = {out, in, kernel, kernel},
		.type = type,
		.tag = dnnl_oihw,
	};
}

bool conv_add(struct dnn *dnn, const struct op *op, const struct tensor *src,
	      const struct tensor *dst, const struct conv_scales *scales, dnnl_memory_t *weights)
{
	dnnl_dim_t before = (op->kernel - 1) / 2;
	dnnl_dim_t after = (dnnl_dim_t)((model_op_side_out(op) - 1) * op->stride + op->kernel) -
			   (dnnl_dim_t)op->side - before;
	struct dnn_conv conv = {
		.src = src,
		.dst = dst,
		.weights = weights_shape(op, src->quant.u8 ? dnnl_s8 : dnnl_f32),
		.bias = {op->out},
		.stride = {op->stride, op->stride},
		.before = {before, before},
		.after = {after, after},
		.relu = op->relu,
		.bias_values = op->bias,
		.scale_count = scales->count,
		.scales = scales->values,
		.channel_mask = op->kind == OP_DEPTHWISE ? 3 : 1,
	};

	conv.weights.tag = dnnl_format_tag_any;
	return dnn_add_conv(dnn, &conv, weights);
}

/* Divides by the scales; oneDNN rounds, and brings the weights into the layout that the kernel chose. */
bool conv_load_weights(struct dnn *dnn, dnnl_memory_t weights, const struct op *op,
		       const float *values, const struct conv_scales *scales)
{
	const struct dnn_shape shape = weights_shape(op, dnnl_f32);
	size_t per_channel = model_op_channel_weights(op);
	dnnl_memory_t plain;
	float *scaled;
	bool done;

	if (!dnn_new_memory(dnn, &shape, &plain)) {
		return false;
	}
	scaled = dnn_handle(plain);
	for (size_t i = 0; i < model_op_weights(op); i++) {
		size_t channel = scales->count > 1 ? i / per_channel : 0;

		scaled[i] = values[i] * (1 / scales->values[channel]);
	}
	done = dnn_reorder(dnn, plain, weights);
	(void)dnnl_memory_destroy(plain);
	return done;
}
