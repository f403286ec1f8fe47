/*
 * The state of the generator that a strategy draws its random numbers from. Passed by value where a
 * function must not change its caller's draws.
 */
#ifndef NARROWD_RNG_H
#define NARROWD_RNG_H

#include <stdint.h>

struct rng {
	uint64_t key;
	uint64_t counter;
};

#endif
