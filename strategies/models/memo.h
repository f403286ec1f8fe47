/*
 * What a pure function of a few numbers gave lately: of thousands of operators most are like another one, and ask for the same.
 *
 * Numbers are the same when their bits are, so what is found is what would be computed.
 */
#ifndef NARROWD_STRATEGIES_MODELS_MEMO_H
#define NARROWD_STRATEGIES_MODELS_MEMO_H

#include <stdbool.h>
#include <stddef.h>

struct memo {
	size_t places;      /* a power of two */
	size_t keys, width; /* numbers that are given, and all that a place has */
	double *numbers;    /* owned */
	bool *known;        /* owned */
};

/* For `questions` of `keys` numbers each, with answers of `values` numbers. */
void memo_init(struct memo *memo, size_t questions, size_t keys, size_t values);
void memo_finish(struct memo *memo);
/* Where the answer is, or, when it is not known, where it is to be put. Lent until the next question. */
double *memo_answer(struct memo *memo, const double *keys, bool *ret_known);

#endif
