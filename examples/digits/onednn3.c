/*
 * oneDNN 3: scales and zero points are arguments of a step, and stored = real / scale + zero holds
 * for each of them by itself.
 */
#include "onednn.h"

#include <string.h>

#if DNNL_VERSION_MAJOR >= 3

bool dnn_new_memory(struct dnn *dnn, const struct dnn_shape *shape, dnnl_memory_t *memory)
{
	dnnl_memory_desc_t desc;
	bool done;

	if (dnnl_memory_desc_create_with_tag(&desc, shape->count, shape->dims, shape->type,
					     shape->tag) != dnnl_success) {
		return false;
	}
	done = dnnl_memory_create(memory, desc, dnn->engine, DNNL_MEMORY_ALLOCATE) == dnnl_success;
	(void)dnnl_memory_desc_destroy(desc);
	return done;
}

/* A primitive while it is described: its attributes and its arguments. */
struct draft {
	struct dnn *dnn;
	dnnl_primitive_attr_t attr;
	dnnl_exec_arg_t args[DNN_MAX_ARGS];
	int arg_count;
};

static bool draft_init(struct draft *draft, struct dnn *dnn)
{
	*draft = (struct draft){.dnn = dnn};
	return dnnl_primitive_attr_create(&draft->attr) == dnnl_success;
}

static void draft_finish(struct draft *draft)
{
	(void)dnnl_primitive_attr_destroy(draft->attr);
}

static void add_arg(struct draft *draft, int arg, dnnl_memory_t memory)
{
	draft->args[draft->arg_count++] = (dnnl_exec_arg_t){arg, memory};
}

/* An argument of `count` values of four bytes. */
static bool add_values(struct draft *draft, int arg, dnnl_data_type_t type, const void *values,
		       dnnl_dim_t count)
{
	const struct dnn_shape shape = {.count = 1, .dims = {count}, .type = type, .tag = dnnl_a};
	dnnl_memory_t memory;

	if (!dnn_add_shape(draft->dnn, &shape, &memory)) {
		return false;
	}
	memcpy(dnn_handle(memory), values, (size_t)count * 4);
	add_arg(draft, arg, memory);
	return true;
}

static bool add_scales(struct draft *draft, int arg, const float *scales, dnnl_dim_t count,
		       int mask)
{
	return dnnl_primitive_attr_set_scales_mask(draft->attr, arg, count > 1 ? mask : 0) ==
		       dnnl_success &&
	       add_values(draft, DNNL_ARG_ATTR_SCALES | arg, dnnl_f32, scales, count);
}

/* How real numbers are stored in the tensor that `arg` is; nothing when they are stored as they are. */
static bool add_quant(struct draft *draft, int arg, const struct quant *quant)
{
	return !quant->u8 ||
	       (add_scales(draft, arg, &quant->scale, 1, 0) &&
		dnnl_primitive_attr_set_zero_points_mask(draft->attr, arg, 0) == dnnl_success &&
		add_values(draft, DNNL_ARG_ATTR_ZERO_POINTS | arg, dnnl_s32, &quant->zero, 1));
}

bool dnn_add_quantize(struct dnn *dnn, dnnl_memory_t from, const struct tensor *to)
{
	dnnl_primitive_desc_t desc = NULL;
	struct draft draft;
	bool done;

	if (!draft_init(&draft, dnn)) {
		return false;
	}
	add_arg(&draft, DNNL_ARG_FROM, from);
	add_arg(&draft, DNNL_ARG_TO, to->memory);
	done = add_quant(&draft, DNNL_ARG_DST, &to->quant) &&
	       dnnl_reorder_primitive_desc_create(&desc, dnn_desc_of(from), dnn->engine,
						  dnn_desc_of(to->memory), dnn->engine,
						  draft.attr) == dnnl_success &&
	       dnn_add_step(dnn, desc, draft.args, draft.arg_count);
	draft_finish(&draft);
	return done;
}

bool dnn_add_average(struct dnn *dnn, dnnl_memory_t from, dnnl_memory_t to, size_t side)
{
	dnnl_dims_t stride = {1, 1}, zero = {0, 0};
	dnnl_dims_t window = {(dnnl_dim_t)side, (dnnl_dim_t)side};
	dnnl_primitive_desc_t desc;

	return dnnl_pooling_forward_primitive_desc_create(
		       &desc, dnn->engine, dnnl_forward_inference, dnnl_pooling_avg_exclude_padding,
		       dnn_desc_of(from), dnn_desc_of(to), stride, window, zero, zero, zero,
		       NULL) == dnnl_success &&
	       dnn_add_step(dnn, desc,
			    (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}}, 2);
}

static bool add_relu(struct draft *draft)
{
	dnnl_post_ops_t after;
	bool done;

	if (dnnl_post_ops_create(&after) != dnnl_success) {
		return false;
	}
	done = dnnl_post_ops_append_eltwise(after, dnnl_eltwise_relu, 0, 0) == dnnl_success &&
	       dnnl_primitive_attr_set_post_ops(draft->attr, after) == dnnl_success;
	(void)dnnl_post_ops_destroy(after);
	return done;
}

static bool kernel(dnnl_primitive_desc_t *desc, const struct draft *draft,
		   const struct dnn_conv *conv)
{
	const struct dnn_shape *shape = &conv->weights;
	dnnl_dims_t dilation = {0, 0};
	dnnl_memory_desc_t weights = NULL, bias = NULL;
	bool done = dnnl_memory_desc_create_with_tag(&weights, shape->count, shape->dims,
						     shape->type, shape->tag) == dnnl_success &&
		    dnnl_memory_desc_create_with_tag(&bias, 1, conv->bias, dnnl_f32, dnnl_a) ==
			    dnnl_success &&
		    dnnl_convolution_forward_primitive_desc_create(
			    desc, draft->dnn->engine, dnnl_forward_inference,
			    dnnl_convolution_direct, dnn_desc_of(conv->src->memory), weights, bias,
			    dnn_desc_of(conv->dst->memory), conv->stride, dilation, conv->before,
			    conv->after, draft->attr) == dnnl_success;

	(void)dnnl_memory_desc_destroy(weights);
	(void)dnnl_memory_desc_destroy(bias);
	return done;
}

static bool add_weights(struct draft *draft, const_dnnl_primitive_desc_t desc,
			const struct dnn_conv *conv, dnnl_memory_t *weights)
{
	if (!dnn_add_memory(draft->dnn,
			    dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
			    weights)) {
		return false;
	}
	add_arg(draft, DNNL_ARG_WEIGHTS, *weights);
	return add_values(draft, DNNL_ARG_BIAS, dnnl_f32, conv->bias_values, conv->bias[0]);
}

bool dnn_add_conv(struct dnn *dnn, const struct dnn_conv *conv, dnnl_memory_t *weights)
{
	dnnl_primitive_desc_t desc = NULL;
	struct draft draft;
	bool done;

	if (!draft_init(&draft, dnn)) {
		return false;
	}
	add_arg(&draft, DNNL_ARG_SRC, conv->src->memory);
	add_arg(&draft, DNNL_ARG_DST, conv->dst->memory);
	done = (!conv->relu || add_relu(&draft)) &&
	       (!conv->src->quant.u8 || add_scales(&draft, DNNL_ARG_WEIGHTS, conv->scales,
						   conv->scale_count, conv->channel_mask)) &&
	       add_quant(&draft, DNNL_ARG_SRC, &conv->src->quant) &&
	       add_quant(&draft, DNNL_ARG_DST, &conv->dst->quant) && kernel(&desc, &draft, conv);
	if (done && !add_weights(&draft, desc, conv, weights)) {
		(void)dnnl_primitive_desc_destroy(desc);
		done = false;
	}
	done = done && dnn_add_step(dnn, desc, draft.args, draft.arg_count);
	draft_finish(&draft);
	return done;
}

#endif
