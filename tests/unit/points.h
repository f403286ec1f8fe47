/*
 * Which of very many points a test looks at: all of them with NARROWD_EVERY_POINT, else each of so many, beginning at another
 * one for each NARROWD_COMMIT (the hash of what is tested).
 */
#ifndef NARROWD_TESTS_UNIT_POINTS_H
#define NARROWD_TESTS_UNIT_POINTS_H

#include <stdint.h>

/* One of how many: `every`, or 1 where all are wanted. */
int64_t points_every(int64_t every);
/* The first of them, below `every`. */
int64_t points_first(int64_t every);

#endif
