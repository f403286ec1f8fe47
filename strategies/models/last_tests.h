/*
 * What a model is put to the test with before it may say that nothing more is to be gained: configs that
 * it did not choose.
 */
#ifndef NARROWD_STRATEGIES_MODELS_LAST_TESTS_H
#define NARROWD_STRATEGIES_MODELS_LAST_TESTS_H

#include "strategies/models/acquire.h"

/* How many there are. */
size_t last_tests_count(const struct effects *effects);
/*
 * Test `number`, from 0. By turns some of what the best still has in high precision, to the default, first
 * a half of it, then a quarter, ...; and what a rival expects most of, a model of additive effects that knows
 * nothing of operators. The caller destroys it; NULL when there is none that is new.
 */
struct config *last_tests_make(const struct beliefs *beliefs, size_t number, struct rng *rng,
			       const char **ret_stage);

#endif
