/*
 * What a job's trials say about each operator by itself.
 */
#ifndef NARROWD_TUNER_SENSITIVITY_H
#define NARROWD_TUNER_SENSITIVITY_H

#include <jansson.h>

#include "store/store.h"
#include "tuner/spec.h"

/*
 * The document of GET .../sensitivity, from rows of QUERY_ANSWERED. For each operator that can be
 * quantized: the first score that it was given; and what changed, in accuracy and latency, when it
 * was in high precision alone, against the trial that differs in nothing else. New reference.
 */
json_t *sensitivity_json(const struct spec *spec, const struct store_rows *rows);

#endif
