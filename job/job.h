/*
 * A job in memory: the fold of its log.
 *
 * Everything that a job knows comes from its events, applied one by one by job_record() while it
 * runs and by job_replay() after a restart: the same code, so a restart cannot differ. There is
 * no I/O here and no clock; what time it is comes with the events.
 *
 *	queued --> baseline --> running <--> paused --> completed | failed | cancelled
 *
 * Results are *settled*, that is shown to the strategy and to the exit policy, one after the
 * other: in the order of trial numbers when the job is deterministic, in the order of the log
 * otherwise. Each question's event says how many results had been settled when it was asked
 * (`seen`), so that a replay settles at the very same places.
 *
 * Measurements from elsewhere come as one event each and are trials that have their result from
 * the start: they are settled in their turn, cost no budget and answer questions about the same
 * config. Nobody can judge them before the baseline; then each is judged by another event. Trial 0
 * is the baseline's even when imports come first.
 *
 * A trial that failed may be measured again. As long as its failure was not settled it is as if it
 * had never failed. Afterwards its result comes late: it is shown once more, before other results,
 * and an event of its own says when, so that a replay shows it at the same place.
 */
#ifndef NARROWD_JOB_JOB_H
#define NARROWD_JOB_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/answer.h"
#include "base/given_clock.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "job/spec/spec.h"
#include "log/event.h"

enum job_state {
	JOB_QUEUED,
	JOB_BASELINE,
	JOB_RUNNING,
	JOB_PAUSED,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_CANCELLED,
};

enum trial_state {
	TRIAL_ASKED,
	TRIAL_LEASED,
	TRIAL_TOLD,
	TRIAL_FAILED,
	TRIAL_CANCELLED,
	TRIAL_PRUNED, /* part of the measurement said that it misses the criterion */
};

extern const char *const job_state_names[]; /* NULL-terminated */

static inline bool job_state_is_final(enum job_state state)
{
	return state >= JOB_COMPLETED;
}

struct job;

/* There may be a hundred thousand: what is alike in size stands together, so that nothing is left between. */
struct trial {
	struct job *job;
	int64_t number;
	struct config *config; /* NULL for the baseline; what a suggestion suggests */
	char *question;        /* what trial_question() reads; owned, or NULL */
	int64_t twin;          /* the trial whose answer this one shares or confirms; -1 */
	int64_t subject;       /* of its question; 0 */
	int64_t busy_ms;       /* wall clock: since when it has been put off; 0 */
	int64_t since_ms;    /* wall clock: when it was asked, leased, or its last attempt ended */
	char *last_error;    /* of its last attempt that failed; owned, or NULL */
	char lease[ID_SIZE]; /* the current or last one */
	char *worker;        /* who has it, when a worker came for it; owned */
	int64_t ttl_ms;      /* of such a lease */
	char (*past)[ID_SIZE]; /* earlier leases; owned */
	uint32_t *ops;         /* of a score question; owned */
	/* Once told: */
	double *accuracy;      /* one for each metric of the criterion */
	double *objectives;    /* values of the objective's metrics */
	double *scores;        /* of operators; owned */
	double *option_scores; /* of their options, or NULL; owned */
	char *told;            /* what trial_told() reads; owned, or NULL */
	struct candidate candidate;

	enum question_kind kind;
	enum trial_state state;
	int32_t attempts, failures;
	int32_t put_off; /* how often in a row */
	int place;       /* of the evaluator among the job's */
	uint32_t past_count;
	uint32_t op_count;
	int32_t confirmed; /* how many confirmations were told; rules 1 */
	int32_t round;     /* of the end game, in which it was asked */

	bool asked; /* or imported; false: a place kept for later */
	bool cached;
	bool imported;
	bool accepted;    /* the evaluator said 202 to the current lease */
	bool per_option;  /* the score question is about each option */
	bool remembered;  /* the evaluator says that it had measured it before */
	bool best_logged; /* a new_best event names it */
	bool insists;     /* as its question did */
	bool whole;       /* ... and this */
	bool partial;     /* asked of part of the data; see struct question: ranks */
	bool settled;     /* shown to the strategy and to the choice of the best */
	bool rejected;    /* confirming it contradicted it */
	bool excluded;    /* somebody says that it was measured wrongly */
	bool retried;     /* to be asked again by the next turn that finds a place for it */
	bool by_hand;     /* it failed because somebody gave it up */
	bool late;        /* told after its failure was settled: to be shown again */
	bool flies;       /* somebody sees to its answer; no event says so */
	double numbers[]; /* accuracy and objectives */
};

struct row {
	enum logged type;
	int64_t trial;
	int64_t at_ms;
	json_t *data; /* owned */
	char *text;   /* the same, where a pool thread has written it; owned, or NULL */
};

struct job {
	char id[ID_SIZE];
	struct spec *spec; /* owned */
	struct problem problem;
	struct strategy strategy;
	bool strategy_ready; /* after the baseline */
	bool exhausted;      /* the strategy has nothing left to ask */
	bool content;        /* ... and says that what was found is enough */
	bool starved;        /* the strategy waits for results */
	enum job_state state;
	int64_t version;           /* events so far */
	const struct clock *clock; /* for what is recorded; the job itself has none */
	int64_t now_ms;            /* when the event that is applied happened, wall clock */
	double active_s;           /* as the log has it */
	int64_t active_since; /* monotonic ms of `clock`, or -1 while the job's own stands still */
	int64_t active_wall_ms; /* the same moment of the wall clock */
	struct trial **trials;  /* owned */
	int64_t trial_count;
	struct map by_config; /* hash -> first trial with it */
	int64_t *results;     /* trials with a result, in the order of the log */
	int64_t result_count;
	int64_t settled; /* results that were settled */
	int64_t retries; /* trials that are asked again, or wait for it */
	int64_t late;    /* results that came after a failure that was settled */
	int64_t out;     /* questions asked of somebody and not answered */
	int64_t charged; /* configs measured or being measured: what max_trials counts */
	int64_t failed;  /* trials that failed */
	int64_t failed_in_row;
	struct trial *best;  /* among settled ones; NULL while there is none */
	bool gained, hinted; /* a config gained something; no_gain_so_far was recorded */
	int64_t gainless;    /* configs measured before any gained something */
	struct trial *named; /* by the newest new_best event, or NULL */
	bool end_seen;       /* its end says how many results had been settled */
	bool beyond;         /* the choice is among all results, settled or not */
	int64_t rejections;  /* choices that the end game has shown to miss the criterion */
	double excess; /* what the worst of them lost more there than at first, as a share of what may be lost */
	bool ranked;         /* trials_ranked holds for all trials that can be best */
	bool waits_known;    /* a warning says that it waits a lot for the oldest question */
	json_t *strangers;   /* members of answers that it was warned of; owned list */
	char *last_error;    /* of the trial that failed last; owned, or NULL */
	int64_t last_failed; /* which that is */
	char stage[64];
	struct rescore *scores_due; /* told, and not yet shown to the strategy; owned, or NULL */
	struct scores_told
		*telling;   /* what is recorded just now; borrowed, NULL while nothing is */
	size_t told_count;  /* how many the strategy was shown or is to be */
	int64_t told_times; /* how often scores were told */
	size_t told_bytes;  /* of all of them, as the log has them */
	json_t *labels;     /* now; owned */
	json_t *warm_baseline; /* of the job it started warm from: "accuracy", "metrics"; owned, or NULL */
	int64_t max_trials, parallel;
	double timeout_s;
	/* Rows recorded and not yet handed to the store. */
	struct row *rows;
	size_t row_count;
};

/* Takes over `spec`; `clock`, borrowed, says when what is recorded happens. */
struct job *job_create(const char *id, struct spec *spec, const struct clock *clock);
void job_destroy(struct job *job);

/* Appends an event: applies it and queues the row for the store. Takes over `data` (may be NULL
 * for {}). `type` is static text. */
void job_record(struct job *job, enum logged type, int64_t trial, json_t *data);
/* Applies an event that is stored already. ERR_CORRUPT when it does not fit. */
int job_replay(struct job *job, enum logged type, int64_t trial, const json_t *data,
	       struct err *reterr);
/* Forgets the queued rows: the caller has stored them. */
void job_rows_clear(struct job *job);

/*
 * Settles what can be settled, recording new_best events, and returns how many results that were.
 * Stops when the exit policy holds. Not while the strategy is lent.
 */
int64_t job_settle(struct job *job);

/* Why the job should end now by its own exit policy (a reason of docs/jobs.md), or NULL. */
const char *job_exit_reason(const struct job *job);
/* Whether the strategy may be asked for one more config. */
bool job_may_ask(const struct job *job);
/* The trial whose result is all that keeps it from being asked: with a strategy that learns, and
 * although fewer are out than may be. 0 when there is none such. */
int64_t job_waits_for(const struct job *job);
/* The best of all single measurements that may be it, whatever a strategy says; NULL without one. */
struct trial *job_best_measured(const struct job *job);
/* What is best when nothing more comes: under several objectives that follows from all trials
 * together; after choices that were rejected, from what these have lost. The best so far otherwise;
 * NULL without one. */
struct trial *job_final_choice(const struct job *job);
/* Data of trials_ranked: what decides between the trials under several objectives, by number. New
 * reference; NULL when that is not what decides, or is known already. */
json_t *job_ranked_data(const struct job *job);
/* Whether the trial can be measured again: ERR_WRONG_STATE says why not. */
int job_check_retry(const struct job *job, const struct trial *trial, struct err *reterr);
/* Whether the trial can be given up: ERR_WRONG_STATE says why not. */
int job_check_give_up(const struct trial *trial, struct err *reterr);
/* Records that the trial, and what shares its failure, is to be measured again. */
void job_retry(struct job *job, struct trial *trial);
/* Whether the trial has a measurement of its own that can be taken out of what counts, or in again:
 * ERR_WRONG_STATE says why not. What is so already is no error. */
int job_check_exclude(const struct job *job, const struct trial *trial, struct err *reterr);
int job_check_include(const struct job *job, const struct trial *trial, struct err *reterr);
/* Records that, for what shares the measurement too, and which trial is best then. Open or not. */
void job_exclude(struct job *job, struct trial *trial, const char *reason);
void job_include(struct job *job, struct trial *trial);
/* The trial to confirm before the job may end for `reason`, or NULL. */
const struct trial *job_to_confirm(const struct job *job, const char *reason);
/* The trial whose answer is good for this question: the first with an equal config that was
 * measured or is being measured, or imported scores that were asked for in the same way; or NULL. */
struct trial *job_find_twin(const struct job *job, const struct question *question);
/* Whether no other trial of this config can have been measured before this one. */
bool job_asks_first(const struct job *job, const struct trial *trial);
/* Whether the baseline was asked for. */
bool job_has_baseline(const struct job *job);

/* Accuracies and the objective's metrics out of the document of a measurement. */
void job_read_measurement(const struct spec *spec, const json_t *told, double *accuracy,
			  double *objectives);
/* Adds speedup, and by the second rules gain, of such metrics. */
void job_add_gain(const struct spec *spec, const double *values, const double *baseline,
		  json_t *data);

/* Data of the events, built from what happened. New references. */
json_t *job_submitted_data(const struct job *job);
json_t *job_asked_data(const struct job *job, const struct question *question, int64_t twin,
		       bool cached);
json_t *job_told_data(const struct job *job, const struct trial *trial,
		      const struct answer *answer);
json_t *job_baseline_data(const struct job *job, const struct trial *baseline);
json_t *job_imported_data(const struct spec *spec, const struct config *config,
			  const struct answer *answer);
/* Records how the imported trials stand now that there is a baseline to compare them with. */
void job_judge_imports(struct job *job);
/* Whether configs were tried and every one of them failed. */
bool job_measured_nothing(const struct job *job);
/* Whether the job can go on from this baseline: ERR_INVALID_FIELD says why not. */
int job_check_baseline(const struct job *job, const struct trial *baseline, struct err *reterr);

#endif
