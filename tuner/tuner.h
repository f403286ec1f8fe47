/*
 * The tuner: moves events between strategies, backends and the store, for every job that is not
 * final. The only part that knows all three.
 *
 * A job in memory is a fold over its log (job.h). The tuner runs ahead of the disk in memory, but
 * nothing leaves the daemon, no question, no answer to a client, before the events it rests on
 * are committed. When a commit fails the job is forgotten and read again from its log.
 *
 * Loop thread. Callbacks come later, never from inside the call.
 */
#ifndef NARROWD_TUNER_TUNER_H
#define NARROWD_TUNER_TUNER_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/guard.h"
#include "base/limits.h"
#include "dispatch/quota.h"
#include "job/spec/spec.h"
#include "tuner/io.h"

struct tuner;

struct tuner_options {
	const struct tuner_io *io; /* borrowed */
	const struct guard *guard;
	const char *callback_url; /* where evaluators reach this daemon: "http://127.0.0.1:8585" */
	uint64_t lease_ttl_ms;    /* of an accepted (202) question between heartbeats */
	uint64_t evaluator_probe_ms; /* between the questions to one that is down */
	uint64_t evaluator_down_ms;  /* after which jobs do not wait for it any more; 0: never */
	struct quota_limits quota;
};

struct tuner *tuner_create(const struct tuner_options *options);
/* From now on these. */
void tuner_set_quota(struct tuner *tuner, const struct quota_limits *limits);
/*
 * Begins to replay the log of every job that is not final, and to go on with it; once, at start. Blocks as long as it
 * takes to see which ones these are.
 */
int tuner_resume(struct tuner *tuner, struct err *reterr);
/* Whether the job (NULL: any) is open and still to be read from the disk. tuner_watch() says when it was and has it
 * read next; before that what is done to it, or under a lease of it, may be ERR_OVERLOADED. */
bool tuner_is_unread(const struct tuner *tuner, const char *job);
/* Whether the job is open and not in memory: unread, or to be read again because some of its events could not be stored. */
bool tuner_is_away(const struct tuner *tuner, const char *job);
/* Asks nothing new, lets open answers in until `deadline_ms` from now, then calls done(arg). What
 * is still out is asked again after the next start. */
void tuner_stop(struct tuner *tuner, uint64_t deadline_ms, loop_fn done, void *arg);
void tuner_destroy(struct tuner *tuner);

/* What is said of a job, by its state, to whom that is too late: the way on. */
#define TUNER_IS_OVER                                                                              \
	"the job is %s and does not go on: a clone of it can, with \"warm_start\": true from "     \
	"what "                                                                                    \
	"was measured"

/* rc is 0 or a negative err_code with err (borrowed) saying more. */
typedef void (*tuner_done_fn)(void *arg, int rc, const struct err *err);

/*
 * A job body made ready: its evaluator looked up and checked against the guard, the capability
 * asked for when the body has none, everything validated.
 */
struct prepared {
	struct spec *spec;
	json_t *body;       /* as submitted, and what was learnt */
	json_t *given;      /* as submitted, where that is another one, else NULL */
	json_t *capability; /* as used */
	json_t *target;     /* the evaluator's document, with its secret */
	json_t *history;    /* of the job to start warm from, or NULL: see import_copy() */
	json_t *warm_baseline; /* what that job measured of its baseline, or NULL: see warm_compare() */
	/* What is stored of it, once prepared_write() has been there: as struct store_job has them; owned. */
	char *spec_text, *capability_text, *head_text, *evaluator_text, *matched_text;
	char owner[LIMIT_OWNER_BYTES + 1];
};

/* What is to be prepared, for whom. Borrowed for the call. */
struct prepare_request {
	json_t *body;
	const char *owner; /* of the job */
	const char *only;  /* whose evaluators and jobs it may use; NULL: everybody's */
	bool dry; /* not to be submitted: needs no evaluator when the body has a capability */
	bool newer_rules; /* than those of the job that it was cloned from: that is said */
};

typedef void (*tuner_prepared_fn)(void *arg, struct prepared *prepared, const struct err *err);

/* Whether the owner may submit one more job of about so many bytes, or (`dry`) try one: 0, which counts as a
 * submission, or -ERR_TOO_MANY. */
int tuner_may_submit(struct tuner *tuner, const char *owner, size_t bytes, bool dry,
		     struct err *reterr);
/* Whether the owner may have an open job keep so many bytes more: 0 or -ERR_TOO_MANY. */
int tuner_may_keep(struct tuner *tuner, const char *owner, size_t bytes, struct err *reterr);

struct preparation;
/* Calls back once unless cancelled: `prepared` is the callee's to destroy, or NULL with err. */
struct preparation *tuner_prepare(struct tuner *tuner, const struct prepare_request *request,
				  tuner_prepared_fn fn, void *arg);
void tuner_prepare_cancel(struct preparation *preparation);
/* On any thread: with thousands of operators it takes a while. */
void prepared_write(struct prepared *prepared);
void prepared_destroy(struct prepared *prepared);

/* Takes over `prepared`, which is written. The job gets the id `id` (of id_make()); done comes when it is on disk. A
 * key without body keeps the job's document as the answer. */
void tuner_submit(struct tuner *tuner, struct prepared *prepared, const struct store_key *key,
		  const char *id, tuner_done_fn done, void *arg);

enum tuner_action { TUNER_PAUSE, TUNER_RESUME, TUNER_CANCEL };

/* ERR_NOT_FOUND when the job is not among the open ones (it may be final: ask the store),
 * ERR_WRONG_STATE when its state has no such move. Repeating an action is not an error, nor is
 * cancelling what is ending by itself. */
void tuner_control(struct tuner *tuner, const char *job, enum tuner_action action,
		   const struct store_key *key, tuner_done_fn done, void *arg);
/* Which trials of a job something is done to. Borrowed for the call. */
struct tuner_trials {
	const int64_t *numbers;
	size_t count;
};
/* Trials that failed or were excluded are measured again, all of these or none; NULL: all that failed and
 * do not share another one's result. ERR_NOT_FOUND when the job is not open or has no such trial,
 * ERR_WRONG_STATE when a result counts. */
void tuner_retry(struct tuner *tuner, const char *job, const struct tuner_trials *trials,
		 const struct store_key *key, tuner_done_fn done, void *arg);
/* The question of a trial is given up: it has failed. The errors of tuner_retry(). */
void tuner_give_up(struct tuner *tuner, const char *job, int64_t number,
		   const struct store_key *key, tuner_done_fn done, void *arg);
/* Takes trials' measurements out of what counts, or in again when `reason` is NULL, all of these or none;
 * of a job that has ended, too. Repeating it is no error. ERR_NOT_FOUND, ERR_WRONG_STATE: see
 * job_check_exclude(). */
void tuner_exclude(struct tuner *tuner, const char *job, const struct tuner_trials *trials,
		   const char *reason, const struct store_key *key, tuner_done_fn done, void *arg);
/* PATCH: name, labels, parallel, max_trials, timeout; of a job that has ended the first two:
 * ERR_WRONG_STATE for the others, and ERR_PRECONDITION when it has not `version`, unless that is -1.
 * Labels take the place of those that there are, or are merged with them (RFC 7396: null removes)
 * where `merge` says so. Faults in `edits` are reported through the callback's err. */
void tuner_edit(struct tuner *tuner, const char *job, int64_t version, json_t *edits, bool merge,
		tuner_done_fn done, void *arg);

/*
 * Measurements made elsewhere, {"trials": [...]}, become trials of an open job, all or none. Faults
 * come through the callback's err. By then *ret_receipt, a new reference, says what was taken; NULL when
 * nothing was. It is also the answer that is kept for the key, which lives until then.
 */
void tuner_import(struct tuner *tuner, const char *job, json_t *body, const struct store_key *key,
		  json_t **ret_receipt, tuner_done_fn done, void *arg);

/* The same of {"scores": {...}}: the strategy goes by these scores from its next question on. ERR_WRONG_STATE when it was
 * told too often. */
void tuner_tell_scores(struct tuner *tuner, const char *job, json_t *body,
		       const struct store_key *key, json_t **ret_receipt, tuner_done_fn done,
		       void *arg);

/* The number of the job's newest event on disk, or -1 when it is not open. */
int64_t tuner_version(const struct tuner *tuner, const char *job);

struct watch;
/* Calls fn(arg) once, when the job has an event newer than `version` on disk or stops being open
 * (also at once, in the next turn, when that is so already). */
struct watch *tuner_watch(struct tuner *tuner, const char *job, int64_t version, loop_fn fn,
			  void *arg);
/* No callback afterwards. NULL is fine. */
void tuner_unwatch(struct watch *watch);

/* A sign of life, {"progress": {...}} or without, from whoever has the lease. done: 0, and *ret_go_on
 * and *ret_expires_at_ms (wall clock) are set; -ERR_GONE; -ERR_NOT_FOUND; -ERR_INVALID_FIELD. */
void tuner_lease_heartbeat(struct tuner *tuner, const char *lease, json_t *body, bool *ret_go_on,
			   int64_t *ret_expires_at_ms, tuner_done_fn done, void *arg);
/* The answer to a leased question. done: 0 when it counted (again for the very same answer, for two
 * days after the lease was over, whatever became of the job), -ERR_CONFLICT for a different second
 * answer, -ERR_GONE, -ERR_NOT_FOUND for a lease that was never given, -ERR_EVALUATOR when malformed.
 * `key` (may be NULL) is kept when it counted for the first time. */
void tuner_lease_complete(struct tuner *tuner, const char *lease, json_t *answer,
			  const struct store_key *key, tuner_done_fn done, void *arg);

/* Why a lease is not known. */
#define TUNER_NO_LEASE ": it was never given, or it was over more than 48 hours ago"

/* Who has the lease will not answer, {"reason": "stopping" or "cannot", "detail"}: the question goes back and nothing is
 * charged. done as above; -ERR_INVALID_FIELD. */
void tuner_lease_return(struct tuner *tuner, const char *lease, json_t *body,
			const struct store_key *key, tuner_done_fn done, void *arg);
/* The lease under which a trial of an open job is or was measured, borrowed; NULL when there is none. */
const char *tuner_lease_of(const struct tuner *tuner, const char *job, int64_t number);

/* A worker comes for questions of its pool. Borrowed texts, of at most LIMIT_POOL_BYTES,
 * LIMIT_WORKER_BYTES and LIMIT_OWNER_BYTES. */
struct lease_request {
	const char *pool, *worker;
	const char *owner; /* whose worker it is */
	bool every_owner;  /* of whose jobs it is asked; else of its owner's alone */
	int64_t max;       /* questions */
	uint64_t wait_ms;
	int64_t ttl_ms;              /* of each lease between heartbeats; 0: the daemon's own */
	const struct store_key *key; /* kept with what `text` says of the questions; NULL: none */
	char *(*text)(void *arg, const json_t *items); /* the answer to who asks; its caller's */
	loop_fn over; /* called once with `arg` after all that, also after a cancel; NULL: nobody */
};

/* The questions, borrowed: none when nothing was due for as long as it waited. NULL with err when
 * they could not be leased. False when the worker is not there any more: they go back. What goes back is
 * on disk when the request is over, and of what is kept for its key it is left out from then on. */
typedef bool (*tuner_leases_fn)(void *arg, json_t *items, const struct err *err);

struct poll;
/* Calls back once unless cancelled, when the leases are on disk. */
struct poll *tuner_lease_poll(struct tuner *tuner, const struct lease_request *request,
			      tuner_leases_fn fn, void *arg);
/* No callback afterwards but `over`: what was leased goes back to the pool. Takes NULL. */
void tuner_lease_poll_cancel(struct poll *poll);
/* Who came lately, of one owner or (NULL) of all: see workers_json(). New reference. */
json_t *tuner_workers(struct tuner *tuner, const char *owner);

/* How the evaluator at this URL is: see evaluator_health(). New reference. */
json_t *tuner_evaluator_health(const struct tuner *tuner, const char *url);
/* Somebody has asked it and got an answer: questions need not wait any more. */
void tuner_evaluator_is_well(struct tuner *tuner, const char *url);

struct tuner_stats {
	size_t open_jobs;
	size_t unread_jobs; /* of them, still to be read from the disk */
	size_t flights;     /* questions out */
	size_t waiting;     /* jobs that wait for a free place at their evaluator */
	size_t evaluators_down;
	uint64_t trials_told;
	uint64_t trials_failed;
	uint64_t attempts;
	/* From the question's departure to its answer: [workers'][that could not be used], else evaluators'. */
	struct histogram answer_time[2][2];
};

/* How a pool is. */
struct pool_stats {
	char name[LIMIT_POOL_BYTES + 1]; /* "" in the sum of several */
	uint64_t waiting, leased;        /* questions */
	uint64_t workers;                /* that came within a minute */
};

/* The busiest pools, at most `max`, busiest first; the sum of all others goes to `rest`. Returns their number. */
size_t tuner_pools(const struct tuner *tuner, struct pool_stats *ret, size_t max,
		   struct pool_stats *ret_rest);
/* The same by name, of the questions and workers of one owner, or (NULL) of all: [{"name", "waiting", "out", "workers"}].
 * New reference. */
json_t *tuner_pools_json(const struct tuner *tuner, const char *owner);
void tuner_stats(const struct tuner *tuner, struct tuner_stats *ret);

#endif
