/* What is asked: the documents that leave, and what their answers may hold; private to the tuner. */
#ifndef NARROWD_TUNER_ASKING_H
#define NARROWD_TUNER_ASKING_H

#include "tuner/parts.h"

/* What the trial's question is for who answers it: a confirmation is measured as what it confirms. */
static inline enum question_kind asking_kind(const struct trial *trial)
{
	if (trial->kind != QUESTION_CONFIRM) {
		return trial->kind;
	}
	return trial->config == NULL ? QUESTION_BASELINE : QUESTION_EVALUATE;
}

/* The document of the question, a new reference; and what its answer may hold, which borrows from the flight. */
json_t *asking_document(struct flight *flight);
struct answer_expect asking_expectation(struct flight *flight);

#endif
