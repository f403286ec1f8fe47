/*
 * A short life of a store, of which one knows what was acknowledged: a job is submitted, 25 events and one under a key are
 * appended, it ends, an older job is deleted, the store is closed. Whatever goes wrong in it, what it leaves is looked at.
 */
#ifndef NARROWD_TESTS_UNIT_STORE_LIFE_H
#define NARROWD_TESTS_UNIT_STORE_LIFE_H

#include "tests/unit/store_world.h"

enum act { ACT_INSERT, ACT_LIFE, ACT_MORE, ACT_END, ACT_DELETE, ACTS };
enum { UNANSWERED = 1, STORAGE_EXIT = 74, NOT_OPENED = 3 };

/* What the store has said to each, where the process that did it has left it. */
struct ledger {
	int said[ACTS];
	int64_t calls;
	bool accused; /* it said that somebody else had written */
};

extern struct ledger *life_ledger;
/* What each life begins with: a job that has ended. */
extern unsigned char *life_database;
extern size_t life_database_size;

/* Before and after all lives of a test. */
void life_setup(void);
void life_teardown(void);
/* A folder for lives, which world_finish() removes. */
void life_copy(struct world *world);
/* It is as it was before the first one again. */
void life_begin_anew(struct world *world);
/* In an open store; acts that build on each other are refused when the one before was. */
void life_live(struct world *world);
/* Nobody has been answered. */
void life_forget(void);
/* What goes wrong in a life. */
struct life_plan {
	void (*begin)(void *arg);
	void *arg;
	bool opened;            /* it begins when the store is open, not before */
	int64_t (*count)(void); /* at the end: the ledger's `calls` */
};

/* A life in a process of its own, which may end as the daemon would. Returns the exit status, or a signal below 0. */
int life_elsewhere(struct world *world, const struct life_plan *plan);
/* Recovers the database as a start does, holds it against what was said, and verifies all of it. */
void life_look_at(struct world *world, const int *said, const char *what, int64_t at);

#endif
