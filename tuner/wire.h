/*
 * How an evaluator is called: its secret, the authority that vouches for it and its headers as they are now,
 * which may mean reading the files of credentials; private to the tuner and the API.
 */
#ifndef NARROWD_TUNER_WIRE_H
#define NARROWD_TUNER_WIRE_H

#include "backends/endpoint.h"
#include "job/spec/spec_target.h"

/* What an endpoint borrows for the length of one call's start. */
struct wire {
	struct secret secret;
	struct secret ca;                              /* ends with a NUL */
	struct secret values[LIMIT_EVALUATOR_HEADERS]; /* and these */
	struct fetch_header headers[LIMIT_EVALUATOR_HEADERS];
};

/* Faults whatever named credentials or certificates cannot be used now; `at` is the evaluator. */
void wire_check(const struct json_at *at, const struct target *target);
/* How to call it, with its credentials as they are now, which `keep` has. To be forgotten when the call was made,
 * also when this fails. ERR_INVALID_FIELD when one cannot be read. */
int wire_endpoint(const struct target *target, struct wire *keep, struct endpoint *ret,
		  struct err *reterr);
/* Wipes them out of both. */
void wire_forget(struct wire *keep, struct endpoint *endpoint);

#endif
