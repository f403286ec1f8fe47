/*
 * How each event changes a job in memory; private to the job.
 */
#ifndef NARROWD_JOB_FOLD_H
#define NARROWD_JOB_FOLD_H

#include "job/job.h"

/* Applies one event. ERR_CORRUPT when it does not fit what came before. */
int job_fold(struct job *job, enum logged type, int64_t trial, const json_t *data,
	     struct err *reterr);
/* How one type of event changes the job; `trial` is the one that it names, or NULL. */
typedef int fold_fn(struct job *job, struct trial *trial, const json_t *data, struct err *reterr);
int job_corrupt(struct err *reterr, const char *what);
/* job/state.c */
fold_fn job_on_submitted, job_on_state, job_on_stage, job_on_edited;
/* The place of a member's text among `names`, or -1. */
int job_name_index(const json_t *data, const char *member, const char *const *names);
/* Takes over the active seconds that an event carries, if it does. */
void job_take_active(struct job *job, const json_t *data);
/* job/lease.c */
fold_fn job_on_leased, job_on_accepted, job_on_attempt_over, job_on_returned;
/* job/score.c: members of an event about a score question. */
void job_read_score_question(struct trial *trial, const json_t *data);
void job_read_scores(const struct space *space, struct trial *trial, const json_t *scores);
/* job/retry.c */
fold_fn job_on_retried, job_on_revised;
/* job/gain.c: a config with all operators in fp32 is the baseline (never, under rules 1), and a job
 * whose configs gain nothing says so once. */
bool job_is_baseline(const struct job *job, const struct config *config);
/* Who is the best when this trial is: a config that is the baseline never wins over it. NULL: nobody,
 * because the strategy does not look for the baseline or the trial is not feasible. */
struct trial *job_stand_in(const struct job *job, struct trial *trial);
/* The baseline, when it is the answer to a question about this config; or NULL. */
struct trial *job_answered_by_baseline(const struct job *job, const struct config *config);
/* Whether the trial gains what the job looks for; false where it does not look for that. A gain that
 * means nothing is none to wait for. */
bool job_gains(const struct job *job, const struct trial *trial);
void job_count_gain(struct job *job, const struct trial *trial);
void job_hint(struct job *job);
fold_fn job_on_no_gain;
/* job/scores_told.c */
fold_fn job_on_scores_told, job_on_scores_taken;
void job_scores_finish(struct job *job);
/* job/exclude.c */
fold_fn job_on_excluded, job_on_included;
/* The job has ended, as `data` of the event says. */
int job_on_end(struct job *job, const json_t *data, struct err *reterr);
/* What decides between the trials is known, see job_ranked_data(). */
fold_fn job_on_ranked;
/* The trial is to be asked again, by the next turn that finds a place. */
void job_retry_later(struct job *job, struct trial *trial);
/* The trial has a result again, or never will have one. */
void job_retry_over(struct job *job, struct trial *trial);
/* Records that a late result is shown now; there is one. */
void job_revise(struct job *job);
/* job/order.c: the next result to settle, or NULL when it is not there yet. */
struct trial *job_next_result(const struct job *job);
/* How many trials have failed, as far as that may be known yet. */
int64_t job_failures(const struct job *job);
/* What had been settled when the question was asked is settled now, no more and no less. */
int job_settle_until(struct job *job, int64_t seen, struct err *reterr);
/* Whether strategies ask such questions. */
static inline bool job_is_strategys(const struct trial *trial)
{
	return trial->kind == QUESTION_EVALUATE || trial->kind == QUESTION_SCORE ||
	       question_is_advice(trial->kind);
}

/* Shows a trial's result to the strategy and to the choice of the best. */
void job_show(struct job *job, struct trial *trial);
/* The same with the next result in turn. */
void job_settle_one(struct job *job, struct trial *trial);
/* How a measurement stands against criterion and objective. */
struct candidate job_candidate(const struct job *job, const double *accuracy,
			       const double *objectives);
/* The objective of a measured trial as strategies are told it. */
double job_told_objective(const struct job *job, const struct trial *trial);
/* Whether the trial may be handed over. */
bool job_can_be_best(const struct trial *trial);
/* The trial is handed over no more: another one is best. */
void job_reject(struct job *job, struct trial *trial);
/* A confirmation has a result: once all have, their median may reject the trial they confirm. */
void job_weigh_confirmation(struct job *job, const struct trial *trial);
/* Adds feasible, objective_value and margin to the data of a measurement. */
void job_judge(const struct job *job, json_t *told);
/* Chooses the best among all that may be it. */
void job_choose_best(struct job *job);
/* Records which trial is best unless an event says so already. */
void job_log_best(struct job *job);
/* Data of new_best for `trial`. New reference. */
json_t *job_best_data(const struct job *job, const struct trial *trial);

#endif
