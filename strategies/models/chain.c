/* Solves the knapsack over a chain of operators by Lagrangian relaxation. */
#include "strategies/models/chain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BISECTIONS = 13, SWEEPS = 3 };

/* Multipliers are tried between these, in units of the costs by the weights that there are. */
static const double least_multiplier = 1e-5, most_multiplier = 1e5;

struct pass {
	const struct chain *chain;
	uint16_t *best;  /* by operator and class: the option, or UINT16_MAX */
	uint8_t *before; /* by operator and class: the class of the operator before */
};

double chain_cost(const struct chain *chain, const uint16_t *options)
{
	double cost = 0;

	for (size_t i = 0; i < chain->count; i++) {
		size_t o = chain->first[i] + options[i];

		cost += chain->costs[o];
		if (i > 0 &&
		    chain->classes[o] != chain->classes[chain->first[i - 1] + options[i - 1]]) {
			cost += chain->borders[i - 1];
		}
	}
	return cost;
}

double chain_weight(const struct chain *chain, const uint16_t *options)
{
	double weight = 0;

	for (size_t i = 0; i < chain->count; i++) {
		weight += chain->weights[chain->first[i] + options[i]];
	}
	return weight;
}

/* The best option of each class under the multiplier, and what it comes to. */
static void best_options(const struct pass *pass, size_t i, double multiplier, double *values)
{
	const struct chain *chain = pass->chain;
	uint16_t *best = &pass->best[i * CHAIN_CLASSES];

	for (int c = 0; c < CHAIN_CLASSES; c++) {
		values[c] = INFINITY;
		best[c] = UINT16_MAX;
	}
	for (uint32_t o = chain->first[i]; o < chain->first[i + 1]; o++) {
		double value = chain->costs[o] + multiplier * chain->weights[o];
		uint8_t c = chain->classes[o];

		if (value < values[c]) {
			values[c] = value;
			best[c] = (uint16_t)(o - chain->first[i]);
		}
	}
}

static int cheapest_but(const double *totals, int except)
{
	int best = except == 0 ? 1 : 0;

	for (int c = best + 1; c < CHAIN_CLASSES; c++) {
		best = c != except && totals[c] < totals[best] ? c : best;
	}
	return best;
}

/*
 * Viterbi: the selection that costs least when weights are paid for by the multiplier. All borders
 * between two operators cost the same, so a class is entered from itself or from the cheapest other.
 */
static void select_by(const struct pass *pass, double multiplier, uint16_t *ret)
{
	const struct chain *chain = pass->chain;
	double totals[CHAIN_CLASSES] = {0};
	int end = 0;

	for (size_t i = 0; i < chain->count; i++) {
		double values[CHAIN_CLASSES], next[CHAIN_CLASSES], border;
		int first, second;

		best_options(pass, i, multiplier, values);
		border = i > 0 ? chain->borders[i - 1] : 0;
		first = cheapest_but(totals, -1);
		second = cheapest_but(totals, first);
		for (int c = 0; c < CHAIN_CLASSES; c++) {
			int other = c == first ? second : first;
			bool stays = totals[c] <= totals[other] + border;

			pass->before[i * CHAIN_CLASSES + (size_t)c] = (uint8_t)(stays ? c : other);
			next[c] = values[c] + (stays ? totals[c] : totals[other] + border);
		}
		memcpy(totals, next, sizeof(totals));
	}
	for (int c = 1; c < CHAIN_CLASSES; c++) {
		end = totals[c] < totals[end] ? c : end;
	}
	for (size_t i = chain->count; i-- > 0;) {
		ret[i] = pass->best[i * CHAIN_CLASSES + (size_t)end];
		end = pass->before[i * CHAIN_CLASSES + (size_t)end];
	}
}

/* What operator i adds to the cost with this option, borders included. */
static double local_cost(const struct chain *chain, const uint16_t *options, size_t i,
			 uint32_t option)
{
	uint8_t c = chain->classes[option];
	double cost = chain->costs[option];

	if (i > 0 && chain->classes[chain->first[i - 1] + options[i - 1]] != c) {
		cost += chain->borders[i - 1];
	}
	if (i + 1 < chain->count && chain->classes[chain->first[i + 1] + options[i + 1]] != c) {
		cost += chain->borders[i];
	}
	return cost;
}

/* Moves one operator at a time to what saves most and still fits. */
static void fill(const struct chain *chain, double left, uint16_t *options)
{
	bool moved = true;

	for (int sweep = 0; sweep < SWEEPS && moved; sweep++) {
		moved = false;
		for (size_t i = 0; i < chain->count; i++) {
			uint32_t now = chain->first[i] + options[i], best = now;
			double least = local_cost(chain, options, i, now);

			for (uint32_t o = chain->first[i]; o < chain->first[i + 1]; o++) {
				double cost = local_cost(chain, options, i, o);
				bool fits = chain->weights[o] - chain->weights[now] <= left;

				if (fits && cost < least) {
					least = cost;
					best = o;
				}
			}
			left -= chain->weights[best] - chain->weights[now];
			options[i] = (uint16_t)(best - chain->first[i]);
			moved = moved || best != now;
		}
	}
}

static double scale_of(const struct chain *chain)
{
	double costs = 0, weights = 0;

	for (uint32_t o = 0; o < chain->first[chain->count]; o++) {
		costs += fabs(chain->costs[o]);
		weights += fabs(chain->weights[o]);
	}
	return costs > 0 && weights > 0 ? costs / weights : 1;
}

bool chain_solve(const struct chain *chain, double budget, uint16_t *ret_options)
{
	struct pass pass = {
		.chain = chain,
		.best = mem_new(chain->count * CHAIN_CLASSES, sizeof(*pass.best)),
		.before = mem_new(chain->count * CHAIN_CLASSES, sizeof(*pass.before)),
	};
	uint16_t *options = mem_new(chain->count, sizeof(*options));
	double scale = scale_of(chain);
	double low = log(least_multiplier * scale), high = log(most_multiplier * scale);
	bool found = false;

	select_by(&pass, 0, options);
	if (chain_weight(chain, options) <= budget) {
		memcpy(ret_options, options, chain->count * sizeof(*options));
		found = true;
		low = high;
	}
	for (int i = 0; i < BISECTIONS && low < high; i++) {
		/* The largest multiplier first: when even that is too heavy nothing is found. */
		double middle = i == 0 ? high : (low + high) / 2;

		select_by(&pass, exp(middle), options);
		if (chain_weight(chain, options) <= budget) {
			memcpy(ret_options, options, chain->count * sizeof(*options));
			found = true;
			high = middle;
		} else if (i == 0) {
			break;
		} else {
			low = middle;
		}
	}
	if (found) {
		fill(chain, budget - chain_weight(chain, ret_options), ret_options);
	}
	free(options);
	free(pass.best);
	free(pass.before);
	return found;
}
