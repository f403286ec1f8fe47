/*
 * The answers to the tuner's questions, as JSON. How they travel is none of its business.
 *
 * One question at a time: nothing here may be called from two threads, and two measurements at once
 * would disturb each other anyway.
 */
#ifndef DIGITS_EVALUATOR_H
#define DIGITS_EVALUATOR_H

#include <jansson.h>

#include "calib.h"
#include "fault.h"
#include "measure.h"
#include "model.h"

struct evaluator {
	struct model model;
	struct calib calib; /* of the number of samples that was asked for last */
	struct measure_options measure;
};

/* Loads the model and calibrates it. Returns 0, or -1 and `fault`; finish it in both cases. */
int evaluator_init(struct evaluator *evaluator, const char *model_path,
		   const struct measure_options *measure, struct fault *fault);
void evaluator_finish(struct evaluator *evaluator);

enum verdict {
	VERDICT_ANSWER,  /* also when the answer is that this config cannot be run */
	VERDICT_BAD,     /* the body is not such a question */
	VERDICT_UNKNOWN, /* there is no such question */
};

/*
 * Answers `question` ("capability", "baseline", "evaluate" or "score"). `*answer` is a new reference,
 * set only with VERDICT_ANSWER; otherwise `fault` says what is wrong.
 */
enum verdict evaluator_ask(struct evaluator *evaluator, const char *question, const json_t *body,
			   json_t **answer, struct fault *fault);

#endif
