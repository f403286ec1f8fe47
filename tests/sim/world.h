/*
 * A world that follows from a number: its clocks, its disk, its network, everybody in it, and what goes wrong.
 *
 * The tuner of the daemon runs in it as it is, through struct tuner_io; so do the code that reads evaluators' answers
 * and the SQL that stores events. Things happen one after the other in the order of (time, when they were planned), in
 * one thread, and whatever may come out one way or the other is drawn from one generator: the same number gives the
 * same world, to the last event, under a debugger too.
 *
 * The daemon dies now and then at any point between two happenings. What was planned on its behalf dies with it; the
 * disk keeps what was committed, and the others live on and may talk to the next daemon about what the last one asked.
 * Each world draws which kinds of fault it has at all, since worlds that have them all hide what needs one alone.
 *
 *	world.c  time and chance       disk.c   what is stored, and when that fails
 *	net.c    evaluators            clients.c and workers.c who uses the daemon
 *	body.c   what clients submit   adviser.c strategies of their own, over HTTP
 *	model.c  what each event may follow        judge.c what else must hold of events, calls and acknowledgements
 *	inside.c what must hold in the daemon
 *	again.c  what must hold of a whole log: asked again, the strategy asks the same
 *	golden.c what came of it, in one number
 */
#ifndef NARROWD_TESTS_SIM_WORLD_H
#define NARROWD_TESTS_SIM_WORLD_H

#include <jansson.h>

#include "base/rng.h"
#include "tuner/tuner.h"

/* What may go wrong; each world has a subset. */
enum fault {
	FAULT_CRASH,       /* the daemon dies */
	FAULT_STOP,        /* the daemon is stopped and started again */
	FAULT_LONG_DOWN,   /* ... and stays away for long */
	FAULT_DISK_SLOW,   /* commits take seconds */
	FAULT_DISK_FULL,   /* nothing new is stored for a while */
	FAULT_DISK_DIES,   /* the daemon dies in a commit, which may be on disk or not */
	FAULT_LATE,        /* timers, pool threads and tasks are late */
	FAULT_WALL_JUMPS,  /* the wall clock jumps, years too */
	FAULT_EVALUATOR,   /* an evaluator does one of the things of net.c's table */
	FAULT_OUTAGE,      /* an evaluator cannot be reached for a while */
	FAULT_CALLBACK,    /* 202, and then late, twice, with something else, or never */
	FAULT_WORKER_DIES, /* a worker takes a question and is never heard of */
	FAULT_WORKER_LATE, /* ... or answers after its lease */
	FAULT_WORKER_BAD,  /* ... or answers what cannot be used, or another question */
	FAULT_WORKER_BACK, /* ... or gives it back */
	FAULT_CLIENT,     /* clients pause, resume, edit, cancel, retry, exclude, give up, import */
	FAULT_NOISE,      /* measurements are noisy */
	FAULT_SAMPLES,    /* ... and lists of samples */
	FAULT_EARLY,      /* workers say how far they are, and jobs end measurements early */
	FAULT_BAD_CONFIG, /* some configs cannot be measured */
	FAULTS_,
};

struct disk;
struct net;
struct clients;
struct workers_here;
struct judge;

struct happening;

struct world {
	uint64_t seed;
	struct rng rng;
	bool has[FAULTS_];
	double often; /* how often what may go wrong does, 0 to 1 */
	bool healed;  /* nothing goes wrong any more */
	bool plain;   /* no strategy learns */
	bool reports; /* all take up scores, and clients tell some */
	int64_t mono_ms, wall_offset_ms;
	uint64_t planned, happened;
	struct happening **heap; /* owned */
	size_t heap_count;
	struct list deferred; /* loop_task of this daemon */
	uint32_t life;        /* of the daemon; what is planned with another one is void */
	uint64_t ids;
	struct tuner_io io;
	struct tuner *tuner; /* NULL while there is none */
	bool stopping;
	int64_t deaths;
	struct disk *disk;
	struct net *net;
	struct clients *clients;
	struct workers_here *workers;
	struct judge *judge;
	FILE *told; /* where it is written down what happens, or NULL */
};

/* Chance. */
uint64_t draw(struct world *world, uint64_t below);
double draw_unit(struct world *world);
/* In [from, to]. */
int64_t draw_in(struct world *world, int64_t from, int64_t to);
/* Whether this goes wrong now, as far as the world has it: about that often. */
bool goes_wrong(struct world *world, enum fault fault, double often);

/* Time. */
int64_t world_wall_ms(const struct world *world);
/* fn(arg) after so many ms, whatever becomes of the daemon. */
void plan(struct world *world, int64_t after_ms, loop_fn fn, void *arg);
/* ... or only if the daemon lives on. Returns what plan_cancel() takes until then. */
struct happening *plan_alive(struct world *world, int64_t after_ms, loop_fn fn, void *arg);
void plan_cancel(struct happening *happening);
/* Lets one thing happen; false when nothing is planned. */
bool world_step(struct world *world);

/* The daemon. */
void world_start(struct world *world);
void world_crash(struct world *world);
/* It died in the middle of something: its memory is as good as gone when this returns to the caller of a happening. */
void world_stop(struct world *world);

/* What goes on, for who looks at one seed. */
void tell(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A promise is broken: prints the line to see it again, and ends the process. */
void broken(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* The parts. */
struct disk *disk_create(struct world *world);
void disk_destroy(struct disk *disk);
void disk_io(struct disk *disk, struct tuner_io *io);
/* What was not committed is gone. */
void disk_crash(struct disk *disk);
/* Every row of the log of a job, in order. */
void disk_log(struct disk *disk, const char *job, void (*row)(void *arg, char *const *cells),
	      void *arg);
/* One row of a query, its cells; fails when there is none. */
bool disk_row(struct disk *disk, int query, const char *key,
	      void (*row)(void *arg, char *const *cells), void *arg);
/* The document of a trial, if there is one. */
void disk_trial(struct disk *disk, const char *job, int64_t number,
		void (*row)(void *arg, char *const *cells), void *arg);
/* Whether the answer to a request under this key is on disk. */
bool disk_has_key(struct disk *disk, const char *key);
/* Whether every projection is what the log says. */
void disk_verify(struct disk *disk);

struct net *net_create(struct world *world);
void net_destroy(struct net *net);
void net_io(struct net *net, struct tuner_io *io);
const char *net_url(struct net *net, size_t evaluator);
size_t net_count(const struct net *net);
/* An answer to the question of this document, right if it can be. New reference. */
json_t *net_measure(struct world *world, const json_t *document);

/* body.c: a job to submit; it may ask for a pool if there are workers. `capability`: its model, borrowed; NULL: one of its
 * own. New reference. */
json_t *body_make(struct world *world, bool workers, json_t *capability);
enum { BODY_CONFIGS = 32 };
/* A config by number: the operators of its bits in fp32. New reference. */
json_t *body_config(uint64_t number, int64_t operators);

/* golden.c: of all that is on disk. */
uint64_t golden_digest(struct world *world);

/* adviser.c: the answer to a question to a strategy elsewhere; the same again to the same. New reference. */
#define ADVISER_URL "http://10.0.1.1:9100"
json_t *adviser_answer(const struct world *world, const char *path, const json_t *document);

struct clients *clients_create(struct world *world);
void clients_destroy(struct clients *clients);
/* Everything that may be waited for is done: all jobs were submitted. */
bool clients_are_done(const struct clients *clients);

struct workers_here *workers_here_create(struct world *world);
void workers_here_destroy(struct workers_here *workers);
size_t workers_here_count(const struct workers_here *workers);

#endif
