/*
 * What goes with every question to an evaluator besides the question: its secret, the authority that
 * vouches for it, and headers; part of the spec.
 */
#ifndef NARROWD_TUNER_SPEC_WIRE_H
#define NARROWD_TUNER_SPEC_WIRE_H

#include "tuner/spec.h"

/* What an endpoint borrows for the length of one call's start. */
struct spec_wire {
	struct secret secret;
	struct secret ca;                              /* ends with a NUL */
	struct secret values[LIMIT_EVALUATOR_HEADERS]; /* and these */
	struct fetch_header headers[LIMIT_EVALUATOR_HEADERS];
};

/* Reads "ca" and "headers" of an evaluator. */
void spec_wire_read(const struct json_at *at, struct target *ret);
/* Frees what that read. */
void spec_wire_finish(struct target *target);
/* Faults whatever named credentials or certificates cannot be used now; `at` is the evaluator. */
void spec_wire_check(const struct json_at *at, const struct target *target);
/* How to call it, with its credentials as they are now, which `keep` has. To be forgotten when the call was made,
 * also when this fails. ERR_INVALID_FIELD when one cannot be read. */
int spec_wire_endpoint(const struct target *target, struct spec_wire *keep, struct endpoint *ret,
		       struct err *reterr);
/* Wipes them out of both. */
void spec_wire_forget(struct spec_wire *keep, struct endpoint *endpoint);

/* The job's arguments for whoever measures, or {} with a fault. New reference. */
json_t *spec_wire_args(const struct json_at *at);
/* What is beyond the evaluators' places waits: a remark, since nobody means that who asks for it. */
void spec_wire_check_places(struct spec *spec);

#endif
