/*
 * The network as oneDNN primitives: one convolution per operator in int8 or fp32, as a config says,
 * and between them the conversions that the config makes necessary.
 *
 * An int8 operator takes uint8 and writes what the next operator wants, so two of them in a row
 * hand over bytes; behind an fp32 operator a conversion is added, and that border costs time.
 * Everything runs in the calling thread (main() limits OpenMP to one).
 */
#ifndef DIGITS_NET_H
#define DIGITS_NET_H

#include <stddef.h>
#include <stdint.h>

#include "calib.h"
#include "config.h"
#include "fault.h"
#include "model.h"

struct net;

/*
 * Builds the network. `model` must outlive it; `calib` is only read here and may be NULL when no
 * operator is quantized. Returns NULL and `fault` when oneDNN cannot do it.
 */
struct net *net_create(const struct model *model, const struct config *config,
		       const struct calib *calib, struct fault *fault);
void net_destroy(struct net *net);

/*
 * Runs MODEL_BATCH images, and only their kernels: nothing is allocated. Ends the program when oneDNN
 * fails in the middle: the tuner asks again, while numbers from an unfinished run would be believed.
 */
void net_run(struct net *net, const uint8_t *pixels);

/* What an fp32 operator read in the last run: images, rows, columns, channels. Owned by the net. */
const float *net_input(const struct net *net, size_t op, size_t *count);

/* How many values an operator writes for a batch, and a copy of them from the last run, as real
 * numbers, also when they are stored as bytes. */
size_t net_output_size(const struct net *net, size_t op);
void net_output(const struct net *net, size_t op, float *values);

/* Replaces the weights of an fp32 operator; the model keeps its own. Returns 0, or -1 and `fault`. */
int net_set_weights(struct net *net, size_t op, const float *weights, struct fault *fault);

#endif
