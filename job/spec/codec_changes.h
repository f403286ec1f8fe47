/*
 * Configs as the log keeps them: [[dimension, choice], ...] of what differs from the default.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_CHANGES_H
#define NARROWD_JOB_SPEC_CODEC_CHANGES_H

#include <jansson.h>

#include "space/config.h"

/* New reference. */
json_t *codec_changes_json(const struct config *config);
/* NULL when it does not fit the space. */
struct config *codec_changes_read(const struct space *space, const json_t *changes);
/* The same of the text that json_text() makes of them: those of a large space are long. */
struct config *codec_changes_parse(const struct space *space, const char *text);

#endif
