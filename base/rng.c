/* Mixes seed, stream and number into values that look random. */
#include "base/rng.h"

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

uint64_t rng_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
	return value ^ (value >> 31);
}

struct rng rng_make(uint64_t seed, enum rng_stream stream, uint64_t number)
{
	uint64_t key = rng_mix(seed + GOLDEN);

	key = rng_mix(key ^ (GOLDEN * (uint64_t)stream));
	key = rng_mix(key ^ (GOLDEN * (number + 1)));
	return (struct rng){.key = key, .counter = 0};
}

uint64_t rng_u64(struct rng *rng)
{
	return rng_mix(rng->key + GOLDEN * ++rng->counter);
}

/* ISO C has no such type, every compiler that we build with does. */
__extension__ typedef unsigned __int128 u128;

/* Lemire: Fast random integer generation in an interval, 2019. */
uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	u128 product = (u128)rng_u64(rng) * bound;
	uint64_t low = (uint64_t)product;
	uint64_t threshold;

	if (low < bound) {
		threshold = -bound % bound;
		while (low < threshold) {
			product = (u128)rng_u64(rng) * bound;
			low = (uint64_t)product;
		}
	}
	return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *rng)
{
	return (double)(rng_u64(rng) >> 11) * 0x1.0p-53;
}
