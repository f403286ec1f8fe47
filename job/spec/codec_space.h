/*
 * Spaces as documents: GET .../space.
 *
 * Per operator its type, the options left and the default; the other dimensions; what was ignored and why; the size as
 * a decimal string. A tree of it takes many times its text, so it is written as text.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_SPACE_H
#define NARROWD_JOB_SPEC_CODEC_SPACE_H

#include "base/buf.h"
#include "job/spec/spec.h"

/* Adds the document without its end, so that members may follow. */
void codec_space_write(const struct spec *spec, struct buf *to);
/* The same as a tree, for who sends it elsewhere. New reference. */
json_t *codec_space_json(const struct spec *spec);

#endif
