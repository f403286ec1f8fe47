/*
 * Flights: questions that are out; private to the tuner.
 *
 * A question flies from the moment it is to be answered until its answer, its failure or the end of
 * the job. Whoever answers it does so under a lease, which is on disk before the question leaves:
 * an evaluator that is called (delivery.c), the strategy's adviser (advice.h), or a worker that came
 * for it (pool.h). Between two attempts it has no lease.
 */
#ifndef NARROWD_TUNER_FLIGHT_H
#define NARROWD_TUNER_FLIGHT_H

#include "tuner/advice.h"
#include "tuner/run.h"
#include "tuner/wire.h"

struct flight {
	struct list node;
	struct run *run; /* NULL once it is over */
	struct trial *trial;
	int place;                /* the evaluator whose place it holds, or -1 */
	int64_t asked_ms;         /* monotonic; when it was sent */
	struct endpoint endpoint; /* of `call` */
	struct endpoint_call *call;
	struct advice *advice; /* instead of `call` */
	struct list due;       /* in run->due: waits for a worker */
	int64_t kept_until; /* monotonic, ms; until then for one worker alone: endgame_worker() */
	struct loop_timer timer; /* of the lease, or between attempts */
	struct loop_timer limit; /* of the attempt, however alive whoever has it is */
	int open_timers;
	const char **ops;   /* names to be scored */
	const char ***tied; /* ... and of those scored with each of them; NULL: nobody */
	size_t op_count;
	size_t *option_counts; /* of each of them */
	int64_t expires_at;    /* wall clock, ms */
	int64_t next_try_ms; /* wall clock, when `timer` begins the next attempt; 0: it does not */
};

/* Why an attempt is over without an answer. */
struct attempt_end {
	enum logged type; /* of the event */
	const char *error;
	bool retryable;
	bool later, broken, blameless; /* as of struct endpoint_result */
	enum answer_fault fault;       /* of an answer that cannot be used */
	bool at_once;                  /* when retried: without a pause */
	int64_t retry_after_ms;
	const char *hash; /* of the answer that says so, when it came by itself; or NULL */
};

/* What the trial's question is for who answers it: a confirmation is measured as what it confirms. */
static inline enum question_kind flight_asks(const struct trial *trial)
{
	if (trial->kind != QUESTION_CONFIRM) {
		return trial->kind;
	}
	return trial->config == NULL ? QUESTION_BASELINE : QUESTION_EVALUATE;
}

struct flight *flight_find(const struct run *run, const struct trial *trial);
/* The flight under this lease, or NULL when the lease is not in force. */
struct flight *flight_of_lease(const struct tuner *tuner, const char *lease);
/* Whether workers answer it. */
bool flight_is_pooled(const struct flight *flight);
/* Who is asked. */
const struct target *flight_target(const struct flight *flight);
/* The name of who has it or had it: a worker's, or an evaluator's id or URL. NULL when nobody has. Borrowed. */
const char *flight_who(const struct flight *flight);
/* What is to be said of it, with that name where there are several who could have had it. The caller frees. */
char *flight_named(const struct flight *flight, const char *error);
/* Takes the flight down; its place becomes free. */
void flight_end(struct flight *flight);
/* Records a lease for a worker that came. */
void flight_grant(struct flight *flight, const char *worker, int64_t ttl_ms);
/* Whoever has it will not answer: the question goes back, and that was no attempt. `data` says why; taken over. */
void flight_give_back(struct flight *flight, json_t *data);
/* Its answer came and could be used or not: for /metrics. Nothing where nobody was asked. */
void flight_note_time(const struct flight *flight, bool fine);
/* From now on the lease lasts `ttl_ms`. */
void flight_extend(struct flight *flight, int64_t ttl_ms);
/* attempt.c: the attempt is over: another one follows, or the trial has failed. When the evaluator is not well
 * the trial waits for a place at one that is. */
void flight_fail_attempt(struct flight *flight, const struct attempt_end *why);
/* attempt.c: whether such an answer to it is the fault of who gave it. */
bool flight_blames_evaluator(const struct flight *flight, enum answer_fault fault);
/* attempt.c: somebody answers what cannot be used. The job is paused when there are no others, or when it has not begun;
 * else it is warned. */
void flight_accuse(struct run *run, const char *who, const char *error, bool others);
/* attempt.c: whether the trial has failed now because its question was put off for too long. */
bool flight_lost_patience(struct flight *flight);
/* attempt.c: fails the trial because somebody asked for it. */
void flight_give_up(struct run *run, struct trial *trial);
/* An answer that was checked. `hash` of its text when it came by itself, or NULL. */
void flight_take_answer(struct flight *flight, const struct answer *answer, const char *hash);

/* question.c: the document of contract section 5, a new reference; and what its answer may hold,
 * which borrows from the flight. */
json_t *flight_document(struct flight *flight);
struct answer_expect flight_expectation(struct flight *flight);

/* The evaluator to call: see wire_endpoint(). Borrows the spec's texts. */
int flight_endpoint(const struct flight *flight, struct wire *keep, struct endpoint *ret,
		    struct err *reterr);
/* delivery.c: calls it. */
void flight_deliver(struct flight *flight);

/* What a sign of life is answered with. */
struct beat {
	bool go_on;
	int64_t expires_at_ms; /* wall clock */
	struct run *run;       /* whose log says why the work is to stop, or NULL */
};

struct early;
/* The trial misses its criterion by what is known of it so far. */
void flight_prune(struct flight *flight, const struct early *early);

/* lease.c: a sign of life, perhaps with how far the measurement is. */
int lease_beat(struct tuner *tuner, const char *lease_id, json_t *body, struct beat *ret,
	       struct err *reterr);
/* lease.c: who has the lease will not answer: {"reason", "detail"}. As lease_complete(). */
int lease_return(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		 struct err *reterr);
/* lease.c: records the answer to a leased question. `ret_run` is the job's run, or NULL. */
int lease_complete(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		   struct err *reterr);
/* lease.c: says through `done` what became of a lease that is not in force: 0 when `answer` is the one
 * that counted. `answer` is NULL for a sign of life. */
void lease_judge(struct tuner *tuner, const char *lease_id, json_t *answer, tuner_done_fn done,
		 void *arg);

#endif
