/*
 * Unread jobs: open ones that are on disk and not in memory yet, after a start or because their events could not be
 * stored; private to the tuner.
 *
 * They are read one after the other, first those that somebody asks for. Until then nothing is known of them but what
 * the store says.
 */
#ifndef NARROWD_TUNER_UNREAD_H
#define NARROWD_TUNER_UNREAD_H

#include "tuner/parts.h"

struct unread {
	struct list node; /* in tuner->to_read until its turn comes */
	struct tuner *tuner;
	char job[ID_SIZE], owner[LIMIT_OWNER_BYTES + 1];
	int64_t bytes;       /* that it has of its owner's quota */
	bool of_start;       /* no job takes a turn before it was read */
	struct list watches; /* of those who wait for it */
	/* Once its log was read: */
	struct run *run;    /* a reference */
	int64_t remembered; /* trials whose leases can be found */
	struct loop_task task;
};

/* The last one in the queue. The quota is told. */
struct unread *unread_add(struct tuner *tuner, const char *job, const char *owner, int64_t bytes);
struct unread *unread_find(const struct tuner *tuner, const char *job);
/* Somebody waits for it: it is read next. */
void unread_hurry(struct unread *unread);
/* It is out of the queue, and nobody watches it. */
void unread_drop(struct unread *unread);
/* What is said to whom that is too early: -ERR_OVERLOADED. */
int unread_refuse(struct err *reterr);
void unread_init(struct tuner *tuner);
void unread_finish(struct tuner *tuner);

#endif
