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
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/limits.h"

/* So many members that nobody understood are named. */
enum { ANSWER_STRANGERS = 16 };

/* What a question allows its answer to contain. All borrowed. */
struct answer_expect {
	bool scores;                   /* a score question; otherwise a measurement */
	const char *const *accuracies; /* names of several accuracies, NULL-terminated; NULL: one */
	const char *const *metrics;    /* metrics that must be there (the objectives) */
	const char *const *ops;        /* for scores: op names that must be scored */
	size_t op_count;
	/* Of each op who is tied to it, NULL-terminated, or NULL; an answer may score these too, and the
	 * op's score is then the sum. NULL: nobody is. */
	const char *const *const *tied;
	const size_t *option_counts; /* of each op, when each option has a score; otherwise NULL */
	const char *const *offered;  /* metrics of the capability, NULL-terminated; NULL: any */
	bool of_config;    /* an evaluation, so that what is no number is the config's doing */
	int64_t trial;     /* the question's number; checked when there is a lease */
	const char *lease; /* its lease; NULL: an answer cannot be another question's */
	const char (*past)[ID_SIZE]; /* the leases of its earlier attempts */
	size_t past_count;
};

/* Whose fault it is that an answer cannot be used. */
enum answer_fault {
	ANSWER_FINE,
	ANSWER_NO_NUMBER, /* the config's: an accuracy or a metric is null, NaN or infinite */
	ANSWER_MALFORMED, /* the evaluator's: something is missing or has the wrong type */
	ANSWER_MISPLACED, /* the evaluator's: it answers another question */
};

struct answer_metric {
	char *name; /* owned */
	double value;
};

struct answer {
	enum answer_fault fault; /* when it was refused; the rest is not to be used then */
	bool failed;             /* the evaluator says that this config cannot be run */
	bool retryable;          /* only with failed */
	char *error; /* owned; only with failed; cleaned, at most LIMIT_ERROR_TEXT_BYTES */
	size_t accuracy_count;
	double accuracy[LIMIT_METRICS]; /* in the order of expect->accuracies */
	size_t metric_count;
	struct answer_metric
		metrics[LIMIT_METRICS + 1]; /* those that are needed, latency_ms, others */
	double *scores;     /* owned; in the order of expect->ops, and of their options */
	size_t score_count; /* of ops */
	bool cached;        /* it says that nothing was measured for it */
	json_t *samples;    /* what medians were taken of, by metric; owned, or NULL */
	json_t *strangers;  /* pointers of members that nobody understood; owned, or NULL */
};

/*
 * Returns -ERR_EVALUATOR, a message that names the first fault and every fault with its pointer, and
 * whose fault it is in `ret`; `reterr` must not be NULL. An accuracy or a metric may be a list of
 * samples. Members and metrics that nobody asked for are no fault. Metrics in milliseconds, seconds and bytes (by the end of their names)
 * must not be negative. `ret` is to be finished either way. Any thread that owns `body`.
 */
int answer_parse(json_t *body, const struct answer_expect *expect, struct answer *ret,
		 struct err *reterr);
void answer_finish(struct answer *answer);
/* The metric of that name, or `fallback`. */
double answer_metric(const struct answer *answer, const char *name, double fallback);

#endif
