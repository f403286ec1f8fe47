/*
 * What a capability says is known beforehand (docs/capability.md, "What is known beforehand"): entries for the choices that they fit,
 * and one number for each mode as a shorthand.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_FACTS_H
#define NARROWD_JOB_SPEC_CODEC_FACTS_H

#include "base/json.h"
#include "space/capability.h"

/* Returns the place of the list plus one, or 0 when there is none. */
uint32_t codec_facts_read(const struct json_at *at, struct capability *capability);
/* {"static": 1.1, "fp32": 3.9} of the operator that is read next; `room` is how many there may be. */
void codec_shorthand_read(const struct json_at *at, double min, size_t op, size_t room,
			  double **table);

#endif
