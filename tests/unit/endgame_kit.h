/* The end game of a job in hand, played by somebody who answers what is written down. */
#ifndef NARROWD_TESTS_UNIT_ENDGAME_KIT_H
#define NARROWD_TESTS_UNIT_ENDGAME_KIT_H

#include "tests/unit/job_kit.h"

/* What an evaluator says to the questions of the end game, the last one for ever. */
struct says {
	double accuracy, latency; /* 0, 0: it fails */
};

#define LAST {-1, -1}
#define BUDGET(trials, more)                                                                       \
	", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\", "         \
	"\"max_trials\": " trials "}" more
#define ACCEPTANCE ", \"acceptance\": {\"subset\": {\"from\": 5}}"

/* A little noise around 100 ms. */
extern const struct says steady[];

/*
 * Goes on until the job has no more to do; writes down which trials were measured again, and in which round. Baselines
 * take what `baseline` says, the others what `others` says.
 */
void kit_play(struct job *job, const struct says *baseline, const struct says *others,
	      char *ret_story);
/* Plays a job beside a steady baseline to its end, in which this is measured and that trial named, and destroys it. */
void kit_names(struct job *job, const struct says *others, const char *story, int64_t named);
/* Configs with these latencies, all as accurate as the baseline. */
struct job *kit_measured(const char *extra, const double *latencies, size_t count);

#define MEASURED(extra, ...)                                                                       \
	kit_measured(extra, (double[]){__VA_ARGS__},                                               \
		     sizeof((double[]){__VA_ARGS__}) / sizeof(double))

/* A job whose configs have these accuracies and latencies, where 0.9 is the baseline's and 0.891 the bound. */
struct job *kit_measured_as(const char *extra, const struct says *says);

#endif
