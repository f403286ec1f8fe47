/*
 * How parts of a job's document read: the API's, in words. Nothing here changes the documents.
 *
 * Functions that return text return memory that the caller frees.
 */
#ifndef NARROWD_CLI_JOB_H
#define NARROWD_CLI_JOB_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/cli.h"

/* Whether the job is completed, failed or cancelled. */
bool job_is_final(const json_t *job);
/* Whether its best trial so far meets the criterion. */
bool job_is_met(const json_t *job);
/* Whether it waits for somebody to mend what the daemon paused it for. */
bool job_is_stuck(const json_t *job);
/* How a command that was told of the job's end ends: CLI_KEEP when it completed with a config that meets
 * the criterion and says that the baseline is to be kept, CLI_OK instead when that is fine. */
enum cli_exit job_exit(const json_t *job, bool ok_keep);
/* Whether the daemon has found that nothing gains so far, and nothing has since; of a job that has ended the verdict says it. */
bool job_gains_nothing(const json_t *job);
/* The verdict on a best (of a job's document or its own), or NULL. Jobs from before there were any say less. */
char *job_verdict(const json_t *best);
/* Says on standard error that what was exported of the best of this job is not what it recommends, where that is so. */
void job_warn_of_kept(const json_t *job);
/* "baseline" is a state that nobody can be in: "measuring the baseline"; the others as they are. */
char *job_state(const json_t *job);
/* "/op_type_dict/fc: ignored" */
char *job_warning(const json_t *warning);
/* Prints the warnings of a job or of a dry run on standard error. */
void job_warn(const json_t *document);
/* "17/100" */
char *job_trials(const json_t *job);
/* "latency_ms", or the weighted metrics. */
char *job_objective(const json_t *job);
/* "relative loss of at most 1 %: accuracy at least 0.7535"; where `best`, which may be NULL, is compared with another
 * baseline than the job began with, the accuracy that it was judged by, and the search's behind it. */
char *job_criterion(const json_t *job, const json_t *best);
/* Whether it is lost, and not gained as a loss below 0 is. */
bool job_is_lost(const json_t *loss);
/* "0.0089" or, when the job's criterion is relative, "0.89 %", without its sign; "-" when unknown. */
char *job_loss(const json_t *job, const json_t *loss);
/* By which share of the baseline the best is better: "+57 %", "-20 %" (worse); "-" where that means
 * nothing. */
char *job_gain(const json_t *best);
/* "2.31x" where that means something; else the same. */
char *job_improvement(const json_t *best);
/* What the best is compared with: the means of the baseline's measurements that count (with acceptance only those
 * on its data), where the job's document has the first one. The accuracy is borrowed. */
const json_t *job_baseline_accuracy(const json_t *job, const json_t *best);
char *job_baseline_value(const json_t *job, const json_t *best);
/* "accuracy 0.73, latency_ms 24.6": the baseline that the job's best is compared with, where measuring it again, or on other
 * data, has moved it; NULL where not. The caller frees. */
char *job_measured_again(const json_t *job);
enum job_best_size {
	JOB_BEST_WHOLE, /* "trial 23, accuracy 0.7543 (loss 0.89 %), latency_ms 5.1 (2.31x)" */
	JOB_BEST_SHORT, /* "trial 23, 5.1 (2.31x)" */
	JOB_BEST_VALUE, /* "5.1 (2.31x)" */
};
/* Its best so far in as many words; "-" before there is one. */
char *job_best(const json_t *job, enum job_best_size size);
/* What to do about a job that is stuck: "mend it, then: narrow resume job_..." */
char *job_remedy(const json_t *job);
/* Behind what makes a job that nobody may come for: "; to have that measured: ..." where it says how, else "". */
char *job_start(const json_t *job);
/* How a job that has ended can go on: "narrow clone job_... --warm-start goes on from what it measured". */
char *job_way_on(const json_t *job);
/* Whether it ended because it might not ask more, without anything worth shipping. */
bool job_is_short(const json_t *job);
/* "completed after 21 of 100 trials: criterion_met (...)", "paused: evaluator_broken (...)" */
char *job_end(const json_t *job);
/* What of the verdict goes into a column: "ship", "keep baseline", "criterion missed", "not proved" of a job that failed, was
 * cancelled or ran out of time, or "-"; with "so far: " before it of one that has not ended. */
char *job_verdict_word(const json_t *job);

#endif
