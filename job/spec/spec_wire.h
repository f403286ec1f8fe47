/*
 * What goes with every question to an evaluator besides the question: the authority that vouches for it,
 * headers, the job's arguments; part of the spec.
 */
#ifndef NARROWD_JOB_SPEC_SPEC_WIRE_H
#define NARROWD_JOB_SPEC_SPEC_WIRE_H

#include "job/spec/spec.h"

/* Reads "ca" and "headers" of an evaluator. */
void spec_wire_read(const struct json_at *at, struct target *ret);
/* Frees what that read. */
void spec_wire_finish(struct target *target);
/* The job's arguments for whoever measures, or {} with a fault. New reference. */
json_t *spec_wire_args(const struct json_at *at);
/* What is beyond the evaluators' places waits: a remark, since nobody means that who asks for it. */
void spec_wire_check_places(struct spec *spec);

#endif
