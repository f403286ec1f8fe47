/*
 * A walk through what operators' factors may be, given what was measured: it is as often at a place as the
 * place is probable.
 */
#ifndef NARROWD_STRATEGIES_WALK_H
#define NARROWD_STRATEGIES_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rng.h"

/* What was measured, in units of how far a sum may be off. */
struct evidence {
	size_t rows;
	size_t exact; /* of them; those after them are ruined, and in units of what may be lost */
	double *columns; /* of operator i and row r: what a factor of 1 adds; owned */
	double *values;  /* owned */
};

struct walk {
	const struct evidence *evidence;
	size_t count;
	bool infers;     /* the two below */
	double exponent; /* of the power law */
	double least;    /* factor */
	double *factors; /* owned */
	double *blocks;  /* sums of BLOCK factors each; owned */
	double sum;      /* of all factors */
	double *misses;  /* of each row: expected less measured; owned */
	double *others;  /* factors that are tried, and then misses; owned */
	struct rng rng;
};

/* The evidence is borrowed. `infers`: the power law is found out, too; else it stays. */
void walk_init(struct walk *walk, size_t count, bool infers, const struct evidence *evidence);
void walk_finish(struct walk *walk);
/* Starts with factors that are `stride` apart, or for NULL anywhere; by the law that the walk has. */
void walk_take_up(struct walk *walk, const double *factors, size_t stride);
void walk_go(struct walk *walk, size_t steps);
/* Where a walk that infers may start: a law that is as probable as it should be, and factors by it that are
 * 1 on average. */
void walk_begin(struct walk *walk, double *factors, size_t stride);

/* So many tolerances say that it is ruined, and little more. */
extern const double walk_ruined;
/* The exponent that is expected, as an order of magnitude. */
extern const double walk_usual_exponent;

#endif
