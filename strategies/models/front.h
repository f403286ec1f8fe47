/*
 * The front: what was measured and no other beats in loss and objective, and how much room is left between its points.
 *
 * A config that loses l and has the objective f makes every tolerance from l on worth f. What all of them make worth
 * is the area that the front covers, under the objective of the baseline and up to the largest loss of interest
 * (the hypervolume: Zitzler and Thiele 1998). Between two neighbours no more can be gained than the rectangle they span.
 */
#ifndef NARROWD_STRATEGIES_MODELS_FRONT_H
#define NARROWD_STRATEGIES_MODELS_FRONT_H

#include <stddef.h>

struct front_point {
	double loss, objective; /* of the baseline: 0 and 1 */
	size_t index;           /* the caller's; of the baseline SIZE_MAX */
};

/* Once settled the points ascend by loss and descend by objective. */
struct front {
	struct front_point *points; /* owned */
	size_t count;
	double most;    /* the largest loss of interest */
	double fastest; /* the least objective at any loss */
};

/* Empties it, but for the baseline. A zeroed one is empty; free() its points in the end. */
void front_begin(struct front *front, double most);
void front_add(struct front *front, double loss, double objective, size_t index);
void front_settle(struct front *front);
/* The share of what could be covered if the fastest lost nothing; 0 when nothing is faster than the baseline. */
double front_covered(const struct front *front);
/*
 * The tolerance at a place between 0 and 1, where places are spread by how much room there is. Golden steps make
 * places that are spread evenly however many there are, so number the questions.
 */
double front_tolerance(const struct front *front, size_t number);
/* The fastest point that loses no more. */
struct front_point front_at(const struct front *front, double tolerance);

#endif
