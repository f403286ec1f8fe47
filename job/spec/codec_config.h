/*
 * Configs and spaces as JSON: what the evaluator is sent, what the log keeps, what people read.
 */
#ifndef NARROWD_JOB_SPEC_CODEC_CONFIG_H
#define NARROWD_JOB_SPEC_CODEC_CONFIG_H

#include <jansson.h>

#include "base/buf.h"
#include "base/map.h"
#include "space/config.h"
#include "job/spec/spec.h"

/* The config member of a question (docs/writing-an-evaluator.md, "What it is asked"): every operator, the recipes, the
 * calibration sampling size. With `only_changes`, only operators that differ from the default.
 * NULL means the baseline: every operator in fp32. New reference. */
json_t *codec_config_json(const struct spec *spec, const struct config *config, bool only_changes);

/* Adds the same as text: what has thousands of operators need not be a tree. */
void codec_config_write(const struct spec *spec, const struct config *config, bool only_changes,
			struct buf *to);

/* {"mode", "weight", "activation"}: one option of an operator, as space_resolve() made it. New
 * reference. */
json_t *codec_choice_json(const struct space *space, const struct choice *choice);
/* An option of a choice, and what an extra dimension may be. New references. */
json_t *codec_option_json(const struct space *space, uint16_t atom);
json_t *codec_extra_json(const struct extra *extra, uint16_t choice);

/* Which of space->members each operator is, by its name, for reading many configs. Finish it with map_finish(). */
void codec_ops_init(struct map *ops, const struct space *space);
/*
 * Reads a config as codec_config_json() writes it, in full or only its changes: what is not there
 * is as in the default. Faults are reported through `at`; NULL on any.
 */
struct config *codec_config_read(const struct spec *spec, const struct map *ops,
				 const struct json_at *at);

#endif
