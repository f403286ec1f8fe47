/*
 * The library: what the jobs of an owner that have ended learnt of operators, for the next one of them.
 */
#ifndef NARROWD_TUNER_LIBRARY_H
#define NARROWD_TUNER_LIBRARY_H

#include <jansson.h>
#include <stdatomic.h>

#include "tuner/io.h"

/*
 * What the newest jobs that have operators in common with the capability learnt of these: {"from": [job], "known":
 * [{"type", "shape", "known": [...]}]}, which codec_learnt_read() reads. Losses come as scores and gains as latencies.
 * What cannot be read any more is passed over. Blocks, and fits the models of up to LIMIT_LIBRARY_JOBS jobs: any thread but
 * the loop's. When *stop becomes true it looks at no further job. New reference.
 */
json_t *library_look(const struct tuner_io *io, const char *owner, const json_t *capability,
		     const atomic_bool *stop);

#endif
