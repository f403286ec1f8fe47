/*
 * Capability documents (docs/capability.md): JSON to plain data, every fault with its pointer.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_CAPABILITY_H
#define NARROWD_JOB_SPEC_CODEC_CAPABILITY_H

#include "base/json.h"
#include "space/capability.h"

/* Fills `ret`, which is to be finished either way; faults are in at->err and learnt->err. `learnt` is what other jobs
 * learnt of operators (codec_learnt.h). */
void codec_capability_read(const struct json_at *at, const struct json_at *learnt,
			   struct capability *ret);

/* A string or an integer as an atom, or 0 and a fault. */
uint16_t codec_option_read(const struct json_at *at, struct atoms *atoms);
/* One attribute map {"scheme": ["sym"], ...} of a description or of a user's restriction: options
 * as atoms. An option may be given alone instead of as a list of one. */
void codec_attribute_read(const struct json_at *at, bool weight, struct atoms *atoms,
			  struct options *items);

/* Whether the evaluator says that it answers `what`; without a list it answers "evaluate". */
bool codec_capability_answers(const json_t *capability, const char *what);
/* The same as a NULL-terminated list; list and texts are the caller's to free. */
char **codec_capability_answer_list(const json_t *capability);
/* Any list of names that it has, in the same way; NULL when it has none. */
char **codec_capability_list(const json_t *capability, const char *member);
/* Whether the evaluator reports `metric`; without a list nobody knows, so it may. */
bool codec_capability_has_metric(const json_t *capability, const char *metric);

#endif
