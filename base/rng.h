/*
 * The counter-based generator: a value depends on (seed, stream, number) and on nothing else.
 *
 * There is no state to save: a restart that knows how many questions were asked draws the same
 * values. A `struct rng` is passed by value where a function must not change its caller's draws.
 */
#ifndef NARROWD_BASE_RNG_H
#define NARROWD_BASE_RNG_H

#include <stdint.h>

#include "narrowd/rng.h"

enum rng_stream {
	RNG_SEARCH = 1, /* what to try next */
	RNG_TIMING = 2, /* back-off jitter; never touches the search */
	RNG_BELIEF = 3, /* what is possible by what was measured */
};

struct rng rng_make(uint64_t seed, enum rng_stream stream, uint64_t number);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, bound), bound > 0, without modulo bias. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Uniform in [0, 1) with 53 bits. */
double rng_unit(struct rng *rng);

/* The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom generators, 2014);
 * also used to mix 64-bit hashes. */
uint64_t rng_mix(uint64_t value);

#endif
