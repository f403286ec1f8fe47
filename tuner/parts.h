/*
 * What the tuner is made of: its runs, the questions that are out (flights), and the pools in which questions wait for
 * workers. Private to the tuner; each file says in its own header what it does with them.
 *
 *	control trials lease  what people and workers ask for      turn    carries out what the job decides
 *	poll                  workers that come                    launch  questions that go out, and their time limits
 *	delivery advice       who is called                        landing results        attempt  failures
 *	reload final held     jobs read from the disk              run     a job and its way to the disk
 *	unread watch          jobs still to be read, who waits     flight pool  who has a question, who waits for one
 *
 * Arrows go down here, too: run and pool call what stands above them through struct tuner_up, which tuner.c fills.
 */
#ifndef NARROWD_TUNER_PARTS_H
#define NARROWD_TUNER_PARTS_H

#include "base/limits.h"
#include "base/loop.h"
#include "dispatch/sched.h"
#include "dispatch/turns.h"
#include "dispatch/workers.h"
#include "job/job.h"
#include "tuner/idle.h"
#include "tuner/tuner.h"

struct run;
struct pool;

/* What stands above runs and pools and is called by them. */
struct tuner_up {
	void (*turn)(struct run *run);                                     /* turn.c */
	void (*leased)(struct run *run, int64_t trial, const char *lease); /* launch.c */
	void (*lost)(struct tuner *tuner, const char *job);                /* reload.c */
	bool (*is_lost)(const struct tuner *tuner, const char *job);       /* reload.c */
	void (*read)(struct tuner *tuner);                                 /* reload.c */
	void (*serve)(struct pool *pool);                                  /* poll.c */
};

struct tuner {
	struct tuner_options options;
	const struct tuner_io *io;
	const struct tuner_up *up;
	char *callback_url; /* owned */
	struct sched sched;
	struct quota quota;
	struct map runs;     /* job id -> struct run * */
	struct map leases;   /* lease id, past ones too -> struct trial * */
	struct map pools;    /* name -> struct pool * */
	struct map held;     /* job id -> struct held * */
	struct map unread;   /* job id -> struct unread * */
	struct list to_read; /* of those whose turn has not come */
	size_t reading;      /* of them, by threads of the pool */
	size_t of_start;     /* of them, that were there at the start */
	struct list early;   /* of run->early, by id */
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
	struct list early;   /* while its turn waits for other jobs to be read */
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
	bool closed;         /* no longer open: only waits for what has not come back */
	int64_t forgotten;   /* trials whose leases are not to be found any more */
	struct err *failure; /* why its events could not be stored, or NULL; owned */
};

/*
 * A question that is out. It flies from the moment it is to be answered until its answer, its failure or the end of the
 * job. Whoever answers it does so under a lease, which is on disk before the question leaves: an evaluator that is called
 * (delivery.h), the strategy's adviser (advice.h), or a worker that came for it (poll.h). Between two attempts it has none.
 */
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
	int64_t seen, total;   /* how far the attempt said that it is; 0: it did not */
	int64_t next_try_ms; /* wall clock, when `timer` begins the next attempt; 0: it does not */
};

/* Where the questions of some jobs wait for workers, and workers for questions. */
struct pool {
	struct tuner *tuner;
	char *name;        /* owned */
	size_t users;      /* jobs, and workers that wait; without any it is forgotten */
	struct turns runs; /* of run->in_pool: jobs with questions */
	struct list polls; /* of poll->node: workers that wait, oldest first */
	struct loop_task task;
	bool task_queued;
	struct loop_timer kept; /* until the next question is kept for one worker no more */
};

static inline struct run *run_find(const struct tuner *tuner, const char *job)
{
	return (struct run *)map_get(&tuner->runs, job, 0); /* NOLINT */
}

#endif
