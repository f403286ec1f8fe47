/*
 * How much the model suffers from each operator's quantization: answers to `score` questions.
 *
 * Whatever the method, a higher score means more harm.
 */
#ifndef DIGITS_SCORE_H
#define DIGITS_SCORE_H

#include "calib.h"
#include "config.h"
#include "fault.h"
#include "model.h"

struct score_question {
	const struct config *config; /* how the other operators run */
	bool wanted[MODEL_MAX_OPS];
	size_t batches; /* of the calibration images; the methods that use only one ignore it */
};

/* Fills in scores[op] for each wanted operator. Returns 0, or -1 and `fault`. */
typedef int score_method(double *scores, const struct model *model, const struct calib *calib,
			 const struct score_question *question, struct fault *fault);

/*
 * Mean squared error of the operator's output in the config, against fp32, on the first batch.
 * Both tensors are first normalised to [0, 1] by their own minimum and maximum.
 */
score_method score_mse;

/*
 * Mean squared error of the logits against fp32 that the operator adds when it is quantized. One
 * that is fp32 in the config is tried with its default options.
 */
score_method score_mse_v2;

/* Ways to run an operator. */
struct score_options {
	size_t op;
	struct choice *choices; /* owned by whoever asks */
	size_t count;
};

/*
 * The same for each of several ways to run each operator: what it adds to the error that is there when the
 * operator alone is fp32. `scores` has all of them, one list after the other.
 */
int score_mse_v2_options(double *scores, const struct model *model, const struct calib *calib,
			 const struct score_question *question, const struct score_options *lists,
			 size_t list_count, struct fault *fault);

/* Mean second derivative of the loss by the operator's weights, in fp32 on the first batch. */
score_method score_hawq_v2;

#endif
