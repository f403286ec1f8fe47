#include "conv.h"

#include <float.h>
#include <math.h>
#include <string.h>

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
static bool weights_desc(dnnl_memory_desc_t *desc, const struct op *op, dnnl_data_type_t type,
			 bool plain)
{
	dnnl_dims_t grouped = {op->out, 1, 1, op->kernel, op->kernel};
	dnnl_dims_t dense = {op->out, op->in, op->kernel, op->kernel};
	bool depthwise = op->kind == OP_DEPTHWISE;
	dnnl_format_tag_t tag = depthwise ? dnnl_goihw : dnnl_oihw;

	return dnnl_memory_desc_init_by_tag(desc, depthwise ? 5 : 4, depthwise ? grouped : dense,
					    type,
					    plain ? tag : dnnl_format_tag_any) == dnnl_success;
}

/* Lets oneDNN quantize the weights and bring them into the layout that the kernel chose. */
static bool reorder(dnnl_memory_t from, dnnl_memory_t to, dnnl_engine_t engine,
		    dnnl_stream_t stream, dnnl_primitive_attr_t attr)
{
	dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
	const dnnl_memory_desc_t *from_desc, *to_desc;
	dnnl_primitive_desc_t desc = NULL;
	dnnl_primitive_t primitive = NULL;
	bool done = dnnl_memory_get_memory_desc(from, &from_desc) == dnnl_success &&
		    dnnl_memory_get_memory_desc(to, &to_desc) == dnnl_success &&
		    dnnl_reorder_primitive_desc_create(&desc, from_desc, engine, to_desc, engine,
						       attr) == dnnl_success &&
		    dnnl_primitive_create(&primitive, desc) == dnnl_success &&
		    dnnl_primitive_execute(primitive, stream, 2, args) == dnnl_success &&
		    dnnl_stream_wait(stream) == dnnl_success;

	(void)dnnl_primitive_destroy(primitive);
	(void)dnnl_primitive_desc_destroy(desc);
	return done;
}

static bool reorder_scaled(dnnl_memory_t from, dnnl_memory_t to, dnnl_engine_t engine,
			   dnnl_stream_t stream, const struct op *op,
			   const struct conv_scales *scales)
{
	const int by_channel = op->kind == OP_DEPTHWISE ? 3 : 1;
	float factors[MODEL_MAX_DIMENSION];
	dnnl_primitive_attr_t attr;
	bool done;

	for (dnnl_dim_t i = 0; i < scales->count; i++) {
		factors[i] = 1 / scales->values[i];
	}
	if (dnnl_primitive_attr_create(&attr) != dnnl_success) {
		return false;
	}
	done = dnnl_primitive_attr_set_output_scales(attr, scales->count,
						     scales->count > 1 ? by_channel : 0,
						     factors) == dnnl_success &&
	       reorder(from, to, engine, stream, attr);
	(void)dnnl_primitive_attr_destroy(attr);
	return done;
}

bool conv_load_weights(dnnl_memory_t memory, dnnl_engine_t engine, dnnl_stream_t stream,
		       const struct op *op, const float *weights, const struct conv_scales *scales)
{
	dnnl_memory_desc_t desc;
	dnnl_memory_t plain;
	void *handle;
	bool done;

	if (!weights_desc(&desc, op, dnnl_f32, true) ||
	    dnnl_memory_create(&plain, &desc, engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) {
		return false;
	}
	done = dnnl_memory_get_data_handle(plain, &handle) == dnnl_success;
	if (done) {
		memcpy(handle, weights, model_op_weights(op) * sizeof(*weights));
		done = reorder_scaled(plain, memory, engine, stream, op, scales);
	}
	(void)dnnl_memory_destroy(plain);
	return done;
}

/*
 * oneDNN computes relu(factor * (sum + bias)) + zero, the sum being of stored integers. With stored
 * = real / scale + zero on the input's side and stored = real / scale on the weights' side, the
 * factor is input scale * weight scale / output scale, and the bias must be divided by the first two.
 */
static bool fill_attr(dnnl_primitive_attr_t attr, const struct op *op, const struct quant *input,
		      const struct quant *output, const struct conv_scales *scales)
{
	float factors[MODEL_MAX_DIMENSION];
	dnnl_post_ops_t after;
	bool done;

	for (dnnl_dim_t i = 0; i < scales->count; i++) {
		factors[i] = input->scale * scales->values[i] / output->scale;
	}
	if (dnnl_post_ops_create(&after) != dnnl_success) {
		return false;
	}
	done = !op->relu ||
	       (dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0) == dnnl_success &&
		dnnl_primitive_attr_set_post_ops(attr, after) == dnnl_success);
	(void)dnnl_post_ops_destroy(after);
	if (done && input->u8) {
		done = dnnl_primitive_attr_set_output_scales(attr, scales->count,
							     scales->count > 1 ? 2 : 0,
							     factors) == dnnl_success &&
		       dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0,
							   &input->zero) == dnnl_success &&
		       dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0,
							   &output->zero) == dnnl_success;
	}
	return done;
}

bool conv_kernel(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, const struct op *op,
		 const struct tensor *src, const struct tensor *dst,
		 const struct conv_scales *scales)
{
	dnnl_dim_t before = (op->kernel - 1) / 2;
	dnnl_dim_t after = (dnnl_dim_t)((model_op_side_out(op) - 1) * op->stride + op->kernel) -
			   (dnnl_dim_t)op->side - before;
	dnnl_dims_t stride = {op->stride, op->stride};
	dnnl_dims_t pad_before = {before, before}, pad_after = {after, after};
	dnnl_dims_t bias_dims = {op->out};
	dnnl_memory_desc_t weights, bias;
	dnnl_convolution_desc_t conv;
	dnnl_primitive_attr_t attr;
	bool done;

	if (dnnl_primitive_attr_create(&attr) != dnnl_success) {
		return false;
	}
	done = weights_desc(&weights, op, src->quant.u8 ? dnnl_s8 : dnnl_f32, false) &&
	       dnnl_memory_desc_init_by_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_a) ==
		       dnnl_success &&
	       fill_attr(attr, op, &src->quant, &dst->quant, scales) &&
	       dnnl_convolution_forward_desc_init(
		       &conv, dnnl_forward_inference, dnnl_convolution_direct, &src->desc, &weights,
		       &bias, &dst->desc, stride, pad_before, pad_after) == dnnl_success &&
	       dnnl_primitive_desc_create(desc, &conv, attr, engine, NULL) == dnnl_success;
	(void)dnnl_primitive_attr_destroy(attr);
	return done;
}

void conv_load_bias(float *bias, const struct op *op, const struct quant *input,
		    const struct conv_scales *scales)
{
	for (size_t i = 0; i < op->out; i++) {
		bias[i] = op->bias[i] / (input->scale * scales->values[scales->count > 1 ? i : 0]);
	}
}
