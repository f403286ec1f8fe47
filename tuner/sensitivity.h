/*
 * What a job's trials say about each operator by itself: what was measured, and what a model of all
 * of them believes.
 */
#ifndef NARROWD_TUNER_SENSITIVITY_H
#define NARROWD_TUNER_SENSITIVITY_H

#include <jansson.h>

#include "store/store.h"
#include "job/spec/spec.h"
#include "strategies/models/posterior.h"

struct sensitivity;

/* From rows of QUERY_ANSWERED and the job's baseline (null before there is one). Borrows the spec.
 * sensitivity_destroy() takes NULL. */
struct sensitivity *sensitivity_create(const struct spec *spec, const json_t *baseline,
				       const struct store_rows *rows);
void sensitivity_destroy(struct sensitivity *sensitivity);
/* Fits the models, which takes a while with many operators: any thread, once. */
void sensitivity_learn(struct sensitivity *sensitivity);
/* What the models say then, borrowed; NULL when there is nothing to learn from. */
const struct posterior *sensitivity_posterior(const struct sensitivity *sensitivity);
/*
 * The document of GET .../sensitivity. For each operator that can be quantized: the first score that
 * it was given; what changed, in accuracy and latency, when it was in high precision alone, against
 * the trial that differs in nothing else; and what is believed of each of its options. Any thread.
 * Its text; the caller frees. NULL without memory.
 */
char *sensitivity_text(const struct sensitivity *sensitivity);

#endif
