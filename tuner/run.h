/*
 * A run: an open job together with what moves it; private to the tuner.
 *
 * The job (job.h) is pure; the run owns its timers, its place at the evaluator, the questions
 * that are out (flights), the strategy's turn on a pool thread and the writes that are on their
 * way to the disk. It lives until the last of these has come back.
 */
#ifndef NARROWD_TUNER_RUN_H
#define NARROWD_TUNER_RUN_H

#include "base/limits.h"
#include "base/loop.h"
#include "tuner/idle.h"
#include "job/job.h"
#include "dispatch/sched.h"
#include "tuner/tuner.h"
#include "dispatch/workers.h"

struct tuner {
	struct tuner_options options;
	const struct tuner_io *io;
	char *callback_url; /* owned */
	struct sched sched;
	struct quota quota;
	struct map runs;   /* job id -> struct run * */
	struct map leases; /* lease id, past ones too -> struct trial * */
	struct map pools;  /* name -> struct pool * */
	struct map held;   /* job id -> struct held * */
	struct workers workers;
	size_t down_told;   /* sched.down when those who watch jobs last heard of it */
	size_t alive;       /* runs in memory, closed ones included */
	size_t awaited;     /* flights whose answer a stop waits for */
	struct list broken; /* of struct reload: jobs to be read again from the store */
	struct loop_timer reload_timer;
	struct loop_timer probe_timer; /* while some evaluator is not well */
	bool stopping;
	struct loop_timer stop_timer;
	bool stop_closed; /* the last of its timers is being closed */
	loop_fn stopped;
	void *stopped_arg;
	struct tuner_stats stats;
};

struct completion {
	struct list node;
	tuner_done_fn done;
	void *arg;
};

struct run {
	struct tuner *tuner;
	const struct tuner_io *io; /* the tuner's */
	struct job *job;
	char owner[LIMIT_OWNER_BYTES + 1];
	int64_t bytes; /* that it has of its owner's quota */
	struct sched_seat seat;
	struct list flights; /* of struct flight */
	struct pool *pool;   /* whose workers answer, or NULL */
	struct list in_pool; /* while it has questions there */
	struct list due;     /* of flight->due: those questions */
	struct ask *ask;     /* the strategy is lent to a pool thread */
	atomic_bool hurry;   /* nobody waits for what it does there any more */
	struct loop_task task;
	bool task_queued;
	struct loop_timer deadline;
	enum job_state state; /* of the job, as far as the run has followed it */
	int64_t durable;      /* version on disk */
	struct idle idle;
	struct list watches;
	struct list completions; /* to be called when what is recorded now is on disk */
	struct spec_needs needs; /* what answers must contain */
	int refs;
	bool closed;        /* no longer open: only waits for what has not come back */
	struct err failure; /* why its events could not be stored, once that happened */
};

/* run.c */
/* Takes over `job`, of which the owner's quota knows. The run is in the tuner's map afterwards. */
struct run *run_create(struct tuner *tuner, struct job *job, const char *owner, int64_t bytes);
void run_ref(struct run *run);
void run_unref(struct run *run);
/* Something changed: take a turn soon. */
void run_wake(struct run *run);
/* What the job recorded and nobody has stored yet, as the store takes it; job->row_count events.
 * Free with run_events_free(), which forgets the rows. */
struct log_event *run_events(const struct job *job);
void run_events_free(struct job *job, struct log_event *events);
/* Hands what was recorded to the store; done (may be NULL) comes when it is on disk. */
void run_flush(struct run *run, const struct store_key *key, tuner_done_fn done, void *arg);
/* Takes the run out of the tuner; nothing is recorded. */
void run_close(struct run *run);
/* The job may have another state, or another limit, than before: what has ended flies no more, what is paused gives
 * nothing to workers, and the timer of its time is set. After whatever can change a state, at once. */
void run_follow(struct run *run);
struct run *run_find(const struct tuner *tuner, const char *job);
void run_wake_watches(struct run *run);

/* turn.c: what to do next. */
void turn_take(struct run *run);

/* flight.c: questions that are out. */
/* Makes the trial fly: with a lease, sent once that is on disk, or waiting for a worker. `place` was
 * taken from the run's seat, or is -1 for an adviser's question. */
void flight_start(struct run *run, struct trial *trial, int place);
/* After a restart, for a trial that somebody works on: waits for the answer once more. */
void flight_wait(struct run *run, struct trial *trial, int place);
/* The lease of this trial is on disk. */
void flight_send(struct run *run, int64_t number, const char *lease_id);
void flight_end_all(struct run *run);

/* reload.c */
/* Reads the job again from the store, now or as soon as that works. */
void reload_later(struct tuner *tuner, const char *job);
void reload_init(struct tuner *tuner);
void reload_finish(struct tuner *tuner);
/* The job as its log leaves it; `cells` are its spec, capability and evaluator. NULL when they cannot
 * be read, or the strategy is not there any more. With `apart` on any thread. */
struct job *reload_read(const struct tuner_io *io, bool apart, const char *id, char *const *cells,
			struct err *reterr);

/* final.c: edits of jobs that are over. */
/* Records a change, or says why not; may be called several times. Loop thread. */
typedef int final_fn(struct job *job, void *arg, struct err *reterr);
/*
 * Reads a job that has ended, lets `change` record events, and appends these. `arg` (of mem.h, or NULL)
 * is taken over and given to forget(). A job that is not `whole` has its state, its version and its
 * settings, but no trials. done: as change() said; -ERR_NOT_FOUND; -ERR_WRONG_STATE when the job cannot
 * be read; -ERR_OVERLOADED when it is open after all.
 */
void final_change(struct tuner *tuner, const char *job, bool whole, final_fn *change, void *arg,
		  loop_fn forget, const struct store_key *key, tuner_done_fn done, void *done_arg);

/* control.c: `err` through the callback, in a later turn of the loop. */
void tuner_reply_later(struct tuner *tuner, const struct err *err, tuner_done_fn done, void *arg);
/* The run of a job that has not ended; NULL with err, which it sets anew. */
struct run *control_open(struct tuner *tuner, const char *job, struct err *reterr);

/* tuner.c */
void tuner_check_stopped(struct tuner *tuner);
/* As long as some evaluator is not well, somebody sees to it; who watches a job hears of changes. */
void tuner_watch_health(struct tuner *tuner);

#endif
