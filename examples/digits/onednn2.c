/*
 * oneDNN 2: scales and zero points are constants of a primitive, and scales are multiplied with.
 */
#include "onednn.h"

#if DNNL_VERSION_MAJOR == 2

bool dnn_new_memory(struct dnn *dnn, const struct dnn_shape *shape, dnnl_memory_t *memory)
{
	dnnl_memory_desc_t desc;

	return dnnl_memory_desc_init_by_tag(&desc, shape->count, shape->dims, shape->type,
					    shape->tag) == dnnl_success &&
	       dnnl_memory_create(memory, &desc, dnn->engine, DNNL_MEMORY_ALLOCATE) == dnnl_success;
}

bool dnn_add_quantize(struct dnn *dnn, dnnl_memory_t from, const struct tensor *to)
{
	const float factor = 1 / to->quant.scale;
	dnnl_primitive_desc_t desc = NULL;
	dnnl_primitive_attr_t attr;
	bool done;

	if (dnnl_primitive_attr_create(&attr) != dnnl_success) {
		return false;
	}
	done = dnnl_primitive_attr_set_output_scales(attr, 1, 0, &factor) == dnnl_success &&
	       dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0, &to->quant.zero) ==
		       dnnl_success &&
	       dnnl_reorder_primitive_desc_create(&desc, dnn_desc_of(from), dnn->engine,
						  dnn_desc_of(to->memory), dnn->engine,
						  attr) == dnnl_success;
	(void)dnnl_primitive_attr_destroy(attr);
	return done &&
	       dnn_add_step(dnn, desc,
			    (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to->memory}},
			    2);
}

bool dnn_add_average(struct dnn *dnn, dnnl_memory_t from, dnnl_memory_t to, size_t side)
{
	dnnl_dims_t stride = {1, 1}, padding = {0, 0};
	dnnl_dims_t kernel = {(dnnl_dim_t)side, (dnnl_dim_t)side};
	dnnl_primitive_desc_t desc;
	dnnl_pooling_desc_t pooling;

	return dnnl_pooling_forward_desc_init(&pooling, dnnl_forward_inference,
					      dnnl_pooling_avg_exclude_padding, dnn_desc_of(from),
					      dnn_desc_of(to), stride, kernel, padding,
					      padding) == dnnl_success &&
	       dnnl_primitive_desc_create(&desc, &pooling, NULL, dnn->engine, NULL) ==
		       dnnl_success &&
	       dnn_add_step(dnn, desc,
			    (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}}, 2);
}

/*
 * oneDNN computes relu(factor * (sum + bias)) + zero, the sum being of stored integers. With stored
 * = real / scale + zero on the input's side and stored = real / scale on the weights' side, the
 * factor is input scale * weight scale / output scale, and the bias must be divided by the first two.
 */
static bool fill_attr(dnnl_primitive_attr_t attr, const struct dnn_conv *conv)
{
	const struct quant *input = &conv->src->quant, *output = &conv->dst->quant;
	float factors[MODEL_MAX_DIMENSION];
	dnnl_post_ops_t after;
	bool done;

	for (dnnl_dim_t i = 0; i < conv->scale_count; i++) {
		factors[i] = input->scale * conv->scales[i] / output->scale;
	}
	if (dnnl_post_ops_create(&after) != dnnl_success) {
		return false;
	}
	done = !conv->relu ||
	       (dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0) == dnnl_success &&
		dnnl_primitive_attr_set_post_ops(attr, after) == dnnl_success);
	(void)dnnl_post_ops_destroy(after);
	if (done && input->u8) {
		done = dnnl_primitive_attr_set_output_scales(attr, conv->scale_count,
							     conv->scale_count > 1 ? 2 : 0,
							     factors) == dnnl_success &&
		       dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0,
							   &input->zero) == dnnl_success &&
		       dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0,
							   &output->zero) == dnnl_success;
	}
	return done;
}

static bool kernel(dnnl_primitive_desc_t *desc, struct dnn *dnn, const struct dnn_conv *conv)
{
	dnnl_memory_desc_t weights, bias;
	dnnl_convolution_desc_t wanted;
	dnnl_primitive_attr_t attr;
	bool done;

	if (dnnl_primitive_attr_create(&attr) != dnnl_success) {
		return false;
	}
	done = dnnl_memory_desc_init_by_tag(&weights, conv->weights.count, conv->weights.dims,
					    conv->weights.type,
					    conv->weights.tag) == dnnl_success &&
	       dnnl_memory_desc_init_by_tag(&bias, 1, conv->bias, dnnl_f32, dnnl_a) ==
		       dnnl_success &&
	       fill_attr(attr, conv) &&
	       dnnl_convolution_forward_desc_init(&wanted, dnnl_forward_inference,
						  dnnl_convolution_direct,
						  dnn_desc_of(conv->src->memory), &weights, &bias,
						  dnn_desc_of(conv->dst->memory), conv->stride,
						  conv->before, conv->after) == dnnl_success &&
	       dnnl_primitive_desc_create(desc, &wanted, attr, dnn->engine, NULL) == dnnl_success;
	(void)dnnl_primitive_attr_destroy(attr);
	return done;
}

bool dnn_add_conv(struct dnn *dnn, const struct dnn_conv *conv, dnnl_memory_t *weights)
{
	dnnl_primitive_desc_t desc;
	dnnl_memory_t bias;
	float *values;

	if (!kernel(&desc, dnn, conv)) {
		return false;
	}
	if (!dnn_add_memory(dnn, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
			    weights) ||
	    !dnn_add_memory(dnn, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 1),
			    &bias)) {
		(void)dnnl_primitive_desc_destroy(desc);
		return false;
	}
	values = dnn_handle(bias);
	for (dnnl_dim_t i = 0; i < conv->bias[0]; i++) {
		values[i] = conv->bias_values[i] /
			    (conv->src->quant.scale * conv->scales[conv->scale_count > 1 ? i : 0]);
	}
	return dnn_add_step(dnn, desc,
			    (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, conv->src->memory},
						{DNNL_ARG_WEIGHTS, *weights},
						{DNNL_ARG_BIAS, bias},
						{DNNL_ARG_DST, conv->dst->memory}},
			    4);
}

#endif
