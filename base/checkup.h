/*
 * A checkup: a table of things that can be wrong, each looked for by one function, with the cure beside it.
 */
#ifndef NARROWD_BASE_CHECKUP_H
#define NARROWD_BASE_CHECKUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* What has been found so far by the check that runs. */
struct checkup {
	json_t *found; /* texts */
};

struct check {
	const char *name;
	/* Says what is wrong, once for each thing; says nothing when nothing is. */
	void (*look)(void *arg, struct checkup *checkup);
	const char *cure; /* a sentence or two on what to do */
	bool advice;      /* what it finds does no harm by itself */
};

void checkup_say(struct checkup *checkup, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Runs all of the table, whose last row has no name: {"items": [{"check", "found": [...], "advice", "cure"}], "next":
 * null}, a new reference. A cure is null where nothing was found. */
json_t *checkup_run(const struct check *table, void *arg);
/* The same for people. Returns how many checks found something that is no mere advice. */
size_t checkup_print(const json_t *report, FILE *out);

#endif
