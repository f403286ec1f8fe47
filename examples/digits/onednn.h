/*
 * One network in oneDNN: memories, and the primitives that run over them in order. Releases 2 and 3
 * of the library say in different ways what a memory looks like and how integers stand for real
 * numbers; onednn2.c and onednn3.c are the same functions for one release each.
 *
 * All functions say with false that oneDNN cannot do it.
 */
#ifndef DIGITS_ONEDNN_H
#define DIGITS_ONEDNN_H

#include <dnnl.h>

#include "calib.h"
#include "model.h"

#define DNN_MAX_STEPS    (3 * MODEL_MAX_OPS)
#define DNN_MAX_MEMORIES (12 * MODEL_MAX_OPS + 1)
/* Source, weights, bias, destination; three scales and two zero points. */
#define DNN_MAX_ARGS 9

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t dnn_desc;
#else
typedef const dnnl_memory_desc_t *dnn_desc;
#endif

struct dnn_step {
	dnnl_primitive_t primitive;
	dnnl_exec_arg_t args[DNN_MAX_ARGS];
	int arg_count;
};

struct dnn {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	struct dnn_step steps[DNN_MAX_STEPS];
	size_t step_count;
	dnnl_memory_t memories[DNN_MAX_MEMORIES];
	size_t memory_count;
};

struct dnn_shape {
	int count;
	dnnl_dims_t dims;
	dnnl_data_type_t type;
	dnnl_format_tag_t tag;
};

/* A place for activations; the memory belongs to the network. */
struct tensor {
	dnnl_memory_t memory;
	struct quant quant;
};

/* A convolution: what it reads, writes and multiplies with. int8 is on when `src` is stored as bytes. */
struct dnn_conv {
	const struct tensor *src, *dst;
	struct dnn_shape weights;
	dnnl_dims_t bias, stride, before, after;
	bool relu;
	const float *bias_values;
	/* One scale for all weights, or one per output channel. */
	dnnl_dim_t scale_count;
	const float *scales;
	/* The dimensions of the weights that the output channels are, as bits. */
	int channel_mask;
};

bool dnn_init(struct dnn *dnn);
void dnn_finish(struct dnn *dnn);
bool dnn_run(struct dnn *dnn);

void *dnn_handle(dnnl_memory_t memory);
size_t dnn_size(dnnl_memory_t memory);
dnn_desc dnn_desc_of(dnnl_memory_t memory);

/* The caller destroys the memory. */
bool dnn_new_memory(struct dnn *dnn, const struct dnn_shape *shape, dnnl_memory_t *memory);
/* The memory that is made belongs to `dnn`. */
bool dnn_add_memory(struct dnn *dnn, dnn_desc desc, dnnl_memory_t *memory);
bool dnn_add_shape(struct dnn *dnn, const struct dnn_shape *shape, dnnl_memory_t *memory);

/* Adds a step to those that dnn_run() takes; takes over `desc`. */
bool dnn_add_step(struct dnn *dnn, dnnl_primitive_desc_t desc, const dnnl_exec_arg_t *args,
		  int arg_count);
/* Copies once, now, into another layout or type. */
bool dnn_reorder(struct dnn *dnn, dnnl_memory_t from, dnnl_memory_t to);

bool dnn_add_quantize(struct dnn *dnn, dnnl_memory_t from, const struct tensor *to);
/* The average of each image of `from`, which has `side` rows and columns. */
bool dnn_add_average(struct dnn *dnn, dnnl_memory_t from, dnnl_memory_t to, size_t side);
/* The weights have the layout that the kernel wants, and no content yet. */
bool dnn_add_conv(struct dnn *dnn, const struct dnn_conv *conv, dnnl_memory_t *weights);

#endif
