/*
 * What a capability says of several operators together (docs/capability.md): groups that are tied, and
 * options that have one value for all.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_SHARED_H
#define NARROWD_JOB_SPEC_CODEC_SHARED_H

#include "base/json.h"
#include "base/map.h"
#include "space/capability.h"

/* `names` has each operator's index plus one. Groups are left ascending. */
void codec_tied_read(const struct json_at *at, const struct map *names,
		     struct capability *capability);
/* Paths such as "activation.algorithm". */
void codec_uniform_read(const struct json_at *at, struct capability *capability);

#endif
