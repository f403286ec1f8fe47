/*
 * Several daemons on one log in PostgreSQL, in a world that follows from a number.
 *
 * PostgreSQL and SQLite are real; what stands between the daemons and PostgreSQL is not (between.c): a statement may not
 * arrive, its answer may be lost, it may be run when nobody waits for it any more, at the worst moment above all, and before and behind each one other
 * daemons may take their steps. There is one thread, and one clock for the daemons and PostgreSQL, which only goes on
 * when somebody waits. Connections are made and cut, daemons are killed at any statement, stop for longer than their
 * place is kept, and begin anew on what they have; now and then PostgreSQL forgets the newest operations, as one that
 * failed over to a standby that was behind.
 *
 * What must hold (judge.c): what a daemon acknowledged stands in the log once, what it refused does not, what it left
 * open at most once, each in the order in which they were asked for; who was shut out has appended nothing since; all
 * replicas are the same as one that is made from the log; nobody goes on from what PostgreSQL has forgotten; and when
 * nothing fails any more somebody writes.
 */
#ifndef NARROWD_TESTS_SEVERAL_H
#define NARROWD_TESTS_SEVERAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/apply.h"
#include "store/directory.h"
#include "store/follow.h"
#include "store/replica.h"
#include "store/shared.h"

enum { DAEMONS = 3, SAYINGS_MAX = 512, LEASE_MS = 3000 };

/* One event that a daemon was given to store. */
struct saying {
	enum { ASKED, ACKNOWLEDGED, REFUSED, LEFT_OPEN } state;
	int asked_at, answered_at; /* in the order of what happens */
	bool forgotten;            /* by PostgreSQL, after it was acknowledged */
};

enum role { DOWN, WRITES, SPARE, OUT };

struct daemon {
	enum role
		role; /* OUT: it has seen that it may not go on, and never does from what it has */
	bool busy;    /* is in the middle of a step: nobody else begins one of it */
	bool dying;   /* is killed: nothing it does from here on is seen by anybody */
	bool takes_over;
	int64_t stopped_until_ms;
	char directory_path[128];
	struct directory directory;
	struct shared *shared;
	struct replica replica;
	struct apply apply;
	struct follow follow;
	struct sent *sent; /* between.c: a statement whose answer was not waited for yet, or NULL */
	struct op *const *more; /* what it is to write next, */
	size_t more_count;
	int64_t version;    /* of the job, as this daemon knows it */
	int64_t had;        /* the newest position that its replica has ever had */
	bool has_forgotten; /* ... of which PostgreSQL has forgotten some */
};

struct several {
	const char *url, *folder, *key;
	uint64_t state;
	bool tell;
	bool healed;                            /* nothing fails any more */
	int cut, late, nested, killed, forgets; /* of 1000, how often a statement meets that */
	int sleeps; /* of 1000 pauses between two attempts, how often the others come far in it */
	bool calm;  /* nothing fails just now */
	int doubts; /* of 1000 appends whose answer was lost, how often the others come far before it is asked for again: */
	enum oversleeps { NOWHERE, AWAY_FROM_THE_LOG, IN_FRONT_OF_THE_LOG } oversleeps;
	struct daemon *returns; /* was killed with something on its way: it comes again soon */
	int64_t away_until_ms;
	int64_t now_ms;
	struct daemon daemons[DAEMONS];
	struct saying sayings[SAYINGS_MAX];
	int said, happened;
	char fault[512]; /* the first promise that was broken; empty */
};

extern struct several several;

/* A number below `below`. */
unsigned draw(unsigned below);
bool one_in_1000(int often);
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The first one is kept. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* between.c: what happens to statements. Connects for itself, to an empty database. */
void between_open(const char *url);
void between_close(void);
/* An empty database, and no statement on its way. */
void between_begin(void);
/* Runs what is still on its way. */
void between_deliver(void);
/* What that daemon has sent nobody waits for any more. */
void between_leave(struct daemon *daemon);
/* Runs a statement that nothing happens to; the number in the first cell. */
int64_t between_ask(const char *sql);
/* Every connection ends, and what is on its way with it, but for appends that come through a proxy unless these are meant, too. */
void between_cut_all(bool appends);
/* Time goes by, for PostgreSQL, too. */
void between_pass(int64_t ms);
/* Whose statements are run from now on. */
extern struct daemon *between_whose;

/* daemon.c: its steps; each is taken whole, but for what happens to it. */
void daemon_begin(struct daemon *daemon);
void daemon_write(struct daemon *daemon, int count);
void daemon_idle(struct daemon *daemon);
/* Puts a snapshot of its replica into PostgreSQL, and makes the log shorter. */
void daemon_shorten(struct daemon *daemon);
void daemon_end(struct daemon *daemon);
void daemon_kill(struct daemon *daemon);
/* Keeps in mind how far its replica has come. */
void daemon_note_position(struct daemon *daemon);
/* Nothing of it is left on the disk. */
void daemon_forget(struct daemon *daemon);

/* steps.c: the state of PostgreSQL that it may go back to is of another world. */
void step_begin(void);
/* Some step of some daemon that is in the middle of none. */
void step_of_any(void);
/* The daemons that are in the middle of nothing go on for longer than a place is kept: one takes it, writes, and makes the log
 * shorter. */
void step_of_others(void);

/* Something that happens to PostgreSQL, or nothing. */
void step_of_postgresql(void);

/* judge.c: with each append that arrives. */
void judge_epochs(void);
/* When nothing fails any more. */
void judge_the_end(void);

#endif
