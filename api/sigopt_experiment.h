/*
 * SigOpt's experiments as jobs: what may be chosen becomes operators and options, constraints
 * become accuracies, the optimized metric becomes the objective.
 *
 * An experiment is kept as it was posted; everything else follows from it. Ranges become at most
 * 256 values each, since a space is finite.
 */
#ifndef NARROWD_API_SIGOPT_EXPERIMENT_H
#define NARROWD_API_SIGOPT_EXPERIMENT_H

#include "base/json.h"
#include "tuner/tuner.h"

/* A job made of a posted experiment, whose questions wait in `pool`, ready to be submitted; NULL with every fault. */
struct prepared *sigopt_experiment_prepare(json_t *experiment, const char *pool,
					   struct err *reterr);
/* The experiment that a job was made of, borrowed from the job's evaluator; NULL for other jobs. */
json_t *sigopt_experiment_of(const json_t *evaluator);

/* What clients are shown of it: as it was posted, with the values of categorical parameters as objects.
 * New reference. */
json_t *sigopt_experiment_document(const json_t *experiment);
/* {parameter: value} of a config as evaluators get it. New reference. */
json_t *sigopt_experiment_assignments(const json_t *experiment, const json_t *config);
/* The answer of an evaluator that an observation stands for; NULL with a fault. New reference. */
json_t *sigopt_experiment_answer(const json_t *experiment, json_t *observation, struct err *reterr);
/* [{"name", "value"}, ...] of a trial's document. New reference. */
json_t *sigopt_experiment_values(const json_t *experiment, const json_t *trial);

#endif
