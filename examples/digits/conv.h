/*
 * One operator as a convolution: how its weights become integers, and its shape.
 *
 * int8 is on when the input is stored as bytes. The weights then get one scale, or one per output
 * channel. All functions say with false that oneDNN cannot do it, and keep nothing of their arguments.
 */
#ifndef DIGITS_CONV_H
#define DIGITS_CONV_H

#include "config.h"
#include "onednn.h"

struct conv_scales {
	dnnl_dim_t count;
	float values[MODEL_MAX_DIMENSION];
};

/* Scales that map the largest weight onto 127; a single 1 in fp32. */
void conv_scales(struct conv_scales *scales, const struct op *op, const struct choice *choice);

/* Adds the operator; `*weights` is to be filled by conv_load_weights(). */
bool conv_add(struct dnn *dnn, const struct op *op, const struct tensor *src,
	      const struct tensor *dst, const struct conv_scales *scales, dnnl_memory_t *weights);

/* Writes `values`, laid out as in the model, into memory with the layout that the kernel wants. */
bool conv_load_weights(struct dnn *dnn, dnnl_memory_t weights, const struct op *op,
		       const float *values, const struct conv_scales *scales);

#endif
