/*
 * Answers: what an evaluator or a worker says to a question, checked before anybody believes it.
 *
 * The same checks serve the body of a push reply, a callback and a worker's completion. Nothing
 * missing is ever taken as zero.
 */
#ifndef NARROWD_BACKENDS_ANSWER_H
#define NARROWD_BACKENDS_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/limits.h"

/* What a question allows its answer to contain. All borrowed. */
struct answer_expect {
	bool scores;                   /* a score question; otherwise a measurement */
	const char *const *accuracies; /* names of several accuracies, NULL-terminated; NULL: one */
	const char *const *metrics;    /* metrics that must be there (the objectives) */
	const char *const *ops;        /* for scores: op names that must be scored */
	size_t op_count;
	const size_t *option_counts; /* of each op, when each option has a score; otherwise NULL */
};

struct answer_metric {
	char *name; /* owned */
	double value;
};

struct answer {
	bool failed;    /* the evaluator says that this config cannot be run */
	bool retryable; /* only with failed */
	char *error;    /* owned; only with failed; cleaned, at most LIMIT_ERROR_TEXT_BYTES */
	size_t accuracy_count;
	double accuracy[LIMIT_METRICS]; /* in the order of expect->accuracies */
	size_t metric_count;
	struct answer_metric metrics[LIMIT_METRICS]; /* latency_ms among them */
	double *scores;     /* owned; in the order of expect->ops, and of their options */
	size_t score_count; /* of ops */
};

/*
 * Returns -ERR_EVALUATOR, a message that names the first fault and every fault with its pointer;
 * `reterr` must not be NULL. Metrics in milliseconds, seconds and bytes (by the end of their names)
 * must not be negative. `ret` is to be finished either way. Any thread that owns `body`.
 */
int answer_parse(json_t *body, const struct answer_expect *expect, struct answer *ret,
		 struct err *reterr);
void answer_finish(struct answer *answer);
/* The metric of that name, or `fallback`. */
double answer_metric(const struct answer *answer, const char *name, double fallback);

#endif
