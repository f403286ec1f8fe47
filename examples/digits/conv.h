/*
 * One operator as a oneDNN convolution: its kernel, its weights and its bias, in int8 or fp32.
 *
 * int8 is on when the input is stored as bytes. The weights then get one scale, or one per output
 * channel. All functions say with false that oneDNN cannot do it, and keep nothing of their arguments.
 */
#ifndef DIGITS_CONV_H
#define DIGITS_CONV_H

#include <dnnl.h>

#include "calib.h"
#include "config.h"
#include "model.h"

/* A place for activations; the memory belongs to the network. */
struct tensor {
	dnnl_memory_t memory;
	dnnl_memory_desc_t desc;
	struct quant quant;
};

struct conv_scales {
	dnnl_dim_t count;
	float values[MODEL_MAX_DIMENSION];
};

/* Scales that map the largest weight onto 127; a single 1 in fp32. */
void conv_scales(struct conv_scales *scales, const struct op *op, const struct choice *choice);

/* Picks the kernel from `src` to `dst`; the caller destroys `*desc`. */
bool conv_kernel(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, const struct op *op,
		 const struct tensor *src, const struct tensor *dst,
		 const struct conv_scales *scales);

/* Writes `weights`, laid out as in the model, into memory with the layout that the kernel wants. */
bool conv_load_weights(dnnl_memory_t memory, dnnl_engine_t engine, dnnl_stream_t stream,
		       const struct op *op, const float *weights, const struct conv_scales *scales);

/* Writes the bias as the kernel wants it; `bias` has room for op->out values. */
void conv_load_bias(float *bias, const struct op *op, const struct quant *input,
		    const struct conv_scales *scales);

#endif
