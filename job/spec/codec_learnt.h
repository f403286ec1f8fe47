/*
 * What other jobs learnt of operators (docs/api.md, "What earlier jobs learnt"): facts of operators of one type and one shape.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_LEARNT_H
#define NARROWD_JOB_SPEC_CODEC_LEARNT_H

#include "base/json.h"
#include "base/limits.h"
#include "space/capability.h"

enum { LEARNT_KEY_SIZE = 2 * LIMIT_NAME_BYTES + 2 };

/* What operators have in common of which the same was learnt, from a document with "type" and perhaps "shape".
 * Returns `ret_key`. */
const char *codec_learnt_key(const json_t *document, char *ret_key);
/*
 * Reads [{"type", "shape", "known": [...]}] into the facts of the operators that have these. `document` is the capability,
 * whose operators have been read; what it tells itself of any operator is not taken from elsewhere, since units differ.
 */
void codec_learnt_read(const struct json_at *at, const struct json_at *document,
		       struct capability *capability);

#endif
