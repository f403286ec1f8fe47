/* The knapsack over a chain against all selections of small problems. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "strategies/models/chain.h"

enum { OPS = 6, OPTIONS = 3, SELECTIONS = 729 };

struct problem_case {
	uint32_t first[OPS + 1];
	uint8_t classes[OPS * OPTIONS];
	double costs[OPS * OPTIONS], weights[OPS * OPTIONS], borders[OPS - 1];
	struct chain chain;
};

/* The last option of each operator weighs nothing. */
static void make_case(struct problem_case *c, uint64_t seed)
{
	struct rng rng = rng_make(seed, RNG_SEARCH, 0);

	for (uint32_t i = 0; i <= OPS; i++) {
		c->first[i] = i * OPTIONS;
	}
	for (size_t o = 0; o < (size_t)OPS * OPTIONS; o++) {
		bool last = o % OPTIONS == OPTIONS - 1;

		c->classes[o] = last ? 3 : (uint8_t)rng_below(&rng, 2);
		c->costs[o] = last ? 1 : 0.3 + 0.6 * rng_unit(&rng);
		c->weights[o] = last ? 0 : rng_unit(&rng) - 0.1;
	}
	for (size_t i = 0; i < OPS - 1; i++) {
		c->borders[i] = 0.3 * rng_unit(&rng);
	}
	c->chain = (struct chain){OPS, c->first, c->classes, c->costs, c->weights, c->borders};
}

static void selection_of(int number, uint16_t *options)
{
	for (size_t i = 0; i < OPS; i++) {
		options[i] = (uint16_t)(number % OPTIONS);
		number /= OPTIONS;
	}
}

static double best_within(const struct chain *chain, double budget)
{
	uint16_t options[OPS];
	double best = INFINITY;

	for (int i = 0; i < SELECTIONS; i++) {
		selection_of(i, options);
		if (chain_weight(chain, options) <= budget) {
			best = fmin(best, chain_cost(chain, options));
		}
	}
	return best;
}

Test(chain, is_close_to_the_optimum_and_within_the_budget)
{
	double excess = 0;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct problem_case c;
		uint16_t options[OPS];
		double budget = 0.1 * (double)(seed % 30), best;

		make_case(&c, seed);
		best = best_within(&c.chain, budget);
		cr_assert(chain_solve(&c.chain, budget, options));
		cr_assert_leq(chain_weight(&c.chain, options), budget + 1e-12);
		cr_assert_geq(chain_cost(&c.chain, options), best - 1e-12);
		excess += chain_cost(&c.chain, options) / best - 1;
	}
	cr_expect_lt(excess / 200, 0.02, "%g", excess / 200);
}

Test(chain, without_a_limit_it_is_the_optimum)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct problem_case c;
		uint16_t options[OPS];

		make_case(&c, seed);
		cr_assert(chain_solve(&c.chain, 100, options));
		cr_expect_float_eq(chain_cost(&c.chain, options), best_within(&c.chain, 100),
				   1e-12);
	}
}

Test(chain, says_when_nothing_fits)
{
	struct problem_case c;
	uint16_t options[OPS];

	make_case(&c, 1);
	cr_expect_not(chain_solve(&c.chain, -10, options));
}
