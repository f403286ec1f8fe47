#include "net.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv.h"

#define MAX_ARGS     4
#define MAX_STEPS    (3 * MODEL_MAX_OPS)
#define MAX_MEMORIES (5 * MODEL_MAX_OPS + 1)

/* Activations are always kept as image, row, column, channel: fast for both data types, and a
 * change of the data type is then the only conversion there is. */
#define ACTIVATION_LAYOUT dnnl_nhwc

struct step {
	dnnl_primitive_t primitive;
	dnnl_exec_arg_t args[MAX_ARGS];
	int arg_count;
};

struct net {
	const struct model *model;
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	struct step steps[MAX_STEPS];
	size_t step_count;
	dnnl_memory_t memories[MAX_MEMORIES];
	size_t memory_count;
	struct tensor image;
	struct tensor inputs[MODEL_MAX_OPS];
	struct tensor outputs[MODEL_MAX_OPS];
	dnnl_memory_t weights[MODEL_MAX_OPS];
};

static void *handle_of(dnnl_memory_t memory)
{
	void *handle = NULL;

	(void)dnnl_memory_get_data_handle(memory, &handle);
	return handle;
}

static bool add_memory(struct net *net, const dnnl_memory_desc_t *desc, dnnl_memory_t *memory)
{
	if (dnnl_memory_create(memory, desc, net->engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) {
		return false;
	}
	net->memories[net->memory_count++] = *memory;
	return true;
}

static bool add_tensor(struct net *net, struct tensor *tensor, size_t channels, size_t side,
		       struct quant quant)
{
	dnnl_dims_t dims = {MODEL_BATCH, (dnnl_dim_t)channels, (dnnl_dim_t)side, (dnnl_dim_t)side};

	tensor->quant = quant;
	return dnnl_memory_desc_init_by_tag(&tensor->desc, 4, dims, quant.u8 ? dnnl_u8 : dnnl_f32,
					    ACTIVATION_LAYOUT) == dnnl_success &&
	       add_memory(net, &tensor->desc, &tensor->memory);
}

/* Takes over `desc`. */
static bool add_step(struct net *net, dnnl_primitive_desc_t desc, const dnnl_exec_arg_t *args,
		     int arg_count)
{
	struct step *step = &net->steps[net->step_count];
	bool done = dnnl_primitive_create(&step->primitive, desc) == dnnl_success;

	(void)dnnl_primitive_desc_destroy(desc);
	if (done) {
		memcpy(step->args, args, (size_t)arg_count * sizeof(*args));
		step->arg_count = arg_count;
		net->step_count++;
	}
	return done;
}

static bool add_quantize(struct net *net, const struct tensor *from, const struct tensor *to)
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
	       dnnl_reorder_primitive_desc_create(&desc, &from->desc, net->engine, &to->desc,
						  net->engine, attr) == dnnl_success;
	(void)dnnl_primitive_attr_destroy(attr);
	return done && add_step(net, desc,
				(dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from->memory},
						    {DNNL_ARG_TO, to->memory}},
				2);
}

static bool add_average(struct net *net, const struct tensor *from, const struct tensor *to)
{
	dnnl_dims_t stride = {1, 1}, padding = {0, 0};
	dnnl_dims_t kernel = {from->desc.dims[2], from->desc.dims[3]};
	dnnl_primitive_desc_t desc;
	dnnl_pooling_desc_t pooling;

	return dnnl_pooling_forward_desc_init(
		       &pooling, dnnl_forward_inference, dnnl_pooling_avg_exclude_padding,
		       &from->desc, &to->desc, stride, kernel, padding, padding) == dnnl_success &&
	       dnnl_primitive_desc_create(&desc, &pooling, NULL, net->engine, NULL) ==
		       dnnl_success &&
	       add_step(net, desc,
			(dnnl_exec_arg_t[]){{DNNL_ARG_SRC, from->memory},
					    {DNNL_ARG_DST, to->memory}},
			2);
}

static bool add_conv(struct net *net, size_t i, const struct choice *choice)
{
	const struct op *op = &net->model->ops[i];
	const struct tensor *src = &net->inputs[i], *dst = &net->outputs[i];
	struct conv_scales scales;
	dnnl_primitive_desc_t desc;
	dnnl_memory_t bias;

	conv_scales(&scales, op, choice);
	if (!conv_kernel(&desc, net->engine, op, src, dst, &scales)) {
		return false;
	}
	if (!add_memory(net, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
			&net->weights[i]) ||
	    !add_memory(net, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 1), &bias)) {
		(void)dnnl_primitive_desc_destroy(desc);
		return false;
	}
	conv_load_bias(handle_of(bias), op, &src->quant, &scales);
	return add_step(net, desc,
			(dnnl_exec_arg_t[]){{DNNL_ARG_SRC, src->memory},
					    {DNNL_ARG_WEIGHTS, net->weights[i]},
					    {DNNL_ARG_BIAS, bias},
					    {DNNL_ARG_DST, dst->memory}},
			4) &&
	       conv_load_weights(net->weights[i], net->engine, net->stream, op, op->weights,
				 &scales);
}

/* Brings what the operator before wrote into the form that this one reads. */
static bool add_input(struct net *net, size_t i, struct quant wanted)
{
	const struct op *op = &net->model->ops[i];
	struct tensor from = i > 0 ? net->outputs[i - 1] : net->image;

	if (op->average) {
		struct tensor pooled;

		if (!add_tensor(net, &pooled, op->in, 1, (struct quant){.scale = 1}) ||
		    !add_average(net, &from, &pooled)) {
			return false;
		}
		from = pooled;
	}
	if (from.quant.u8 == wanted.u8) {
		net->inputs[i] = from;
		return true;
	}
	return add_tensor(net, &net->inputs[i], op->in, op->side, wanted) &&
	       add_quantize(net, &from, &net->inputs[i]);
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
	if (dnnl_engine_create(&net->engine, dnnl_cpu, 0) != dnnl_success ||
	    dnnl_stream_create(&net->stream, net->engine, dnnl_stream_default_flags) !=
		    dnnl_success ||
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
	for (size_t i = 0; i < net->step_count; i++) {
		(void)dnnl_primitive_destroy(net->steps[i].primitive);
	}
	for (size_t i = 0; i < net->memory_count; i++) {
		(void)dnnl_memory_destroy(net->memories[i]);
	}
	(void)dnnl_stream_destroy(net->stream);
	(void)dnnl_engine_destroy(net->engine);
	free(net);
}

static void give_up(void)
{
	(void)fprintf(stderr, "digits-evaluator: oneDNN failed to run a kernel\n");
	exit(EXIT_FAILURE);
}

void net_run(struct net *net, const uint8_t *pixels)
{
	size_t count = MODEL_BATCH * net->model->side * net->model->side;
	float *image = handle_of(net->image.memory);

	for (size_t i = 0; i < count; i++) {
		image[i] = (float)pixels[i] / 255;
	}
	for (size_t i = 0; i < net->step_count; i++) {
		const struct step *step = &net->steps[i];

		if (dnnl_primitive_execute(step->primitive, net->stream, step->arg_count,
					   step->args) != dnnl_success) {
			give_up();
		}
	}
	if (dnnl_stream_wait(net->stream) != dnnl_success) {
		give_up();
	}
}

const float *net_input(const struct net *net, size_t op, size_t *count)
{
	const struct tensor *tensor = &net->inputs[op];

	*count = dnnl_memory_desc_get_size(&tensor->desc) / sizeof(float);
	return handle_of(tensor->memory);
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
	const uint8_t *bytes = handle_of(tensor->memory);

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

	if (!conv_load_weights(net->weights[op], net->engine, net->stream, original, weights,
			       &unscaled)) {
		return fault_set(fault, "oneDNN cannot load weights into %s", original->name);
	}
	return 0;
}
