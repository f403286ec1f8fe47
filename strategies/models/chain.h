/*
 * A multiple-choice knapsack over a chain: one option for each operator, the cheapest together,
 * where neighbours of different classes cost extra and the weights must stay within a budget.
 *
 * By Lagrangian relaxation: for a multiplier the best options follow from a Viterbi pass over the
 * classes, and the multiplier is found by bisection (Everett, Operations Research 11, 1963); what
 * is left of the budget is filled greedily. Close to the optimum, not exactly it.
 */
#ifndef NARROWD_STRATEGIES_MODELS_CHAIN_H
#define NARROWD_STRATEGIES_MODELS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAIN_CLASSES = 4 };

/* All borrowed. */
struct chain {
	size_t count;          /* operators */
	const uint32_t *first; /* operator i has options first[i] .. first[i + 1] - 1 */
	const uint8_t *classes;
	const double *costs, *weights; /* of each option; weights may be negative */
	const double *borders;         /* between operators i and i + 1; count - 1 of them */
};

/* Cost and weight of a selection, one option (from 0) for each operator. */
double chain_cost(const struct chain *chain, const uint16_t *options);
double chain_weight(const struct chain *chain, const uint16_t *options);
/* Writes a selection with a weight of at most `budget`; false when none was found. */
bool chain_solve(const struct chain *chain, double budget, uint16_t *ret_options);

#endif
