/*
 * Configs as other tools read them: each a pure function of a job's outcome and one config, in a
 * file of its own, with nothing in it that the tool does not know.
 */
#ifndef NARROWD_API_FORMAT_H
#define NARROWD_API_FORMAT_H

#include "api/outcome.h"

/* `config` is as outcome_config() makes it. New reference. */
json_t *format_inc(const struct outcome *outcome, const json_t *config);

#endif
