/*
 * A capability's module tree as JSON: read for the transformer blocks in it.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_MODULES_H
#define NARROWD_JOB_SPEC_CODEC_MODULES_H

#include "base/json.h"
#include "space/capability.h"

/* Adds the blocks of the member "modules", which may be absent, to the capability. `names` maps
 * operators to their index + 1. Faults go to the error of `at`. */
void codec_modules_read(const struct json_at *at, const struct map *names,
			struct capability *capability);

#endif
