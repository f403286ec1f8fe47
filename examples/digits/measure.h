/* What a config is worth: accuracy on the held-out images, latency, size. */
#ifndef DIGITS_MEASURE_H
#define DIGITS_MEASURE_H

#include "calib.h"
#include "config.h"
#include "fault.h"
#include "model.h"

struct measure_options {
	unsigned int latency_batches;
	bool deterministic; /* latency is counted from the config: see measure_work() */
	size_t from,
		images; /* the accuracy is that on so many held-out images, at most, from this one on */
	bool progress; /* a line of JSON on standard output after each batch */
};

struct measurement {
	double accuracy;
	double latency_ms; /* of one batch of MODEL_BATCH images */
	size_t model_size_bytes;
};

/* Builds the network, runs all held-out images, then times it. Returns 0, or -1 and `fault`. */
int measure_config(struct measurement *result, const struct model *model,
		   const struct config *config, const struct calib *calib,
		   const struct measure_options *options, struct fault *fault);

/*
 * A stand-in for latency that is the same on every machine and in every run: a made-up price in
 * nanoseconds for each multiplication and each conversion. It is for tests which compare two runs
 * of a tuner; for anything else it is wrong.
 */
double measure_work(const struct model *model, const struct config *config);

#endif
