/* Makes the problems that strategies are compared on, and knows the best that there is. */
#include "bench/problem.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "bench/qp1_optimum.h"

static void make_table(struct bench_problem *problem)
{
	struct qp1 *qp1 = &problem->qp1;
	struct rng rng = rng_make(qp1->seed, RNG_SEARCH, 99);

	for (size_t i = 0; i < qp1->count; i++) {
		struct qp1_op *op = &qp1->ops[i];
		double time = 0.3 + rng_unit(&rng), gain = 1 + 1.2 * rng_unit(&rng);

		gain = i >= 7 ? 0.7 + 0.35 * rng_unit(&rng) : gain;
		op->type = 4;
		op->options = 2;
		op->latencies[0] = time / gain;
		op->latencies[1] = time;
		op->border = 0.25 + 0.5 * rng_unit(&rng);
		op->losses[0] = rng_unit(&rng) * rng_unit(&rng) * rng_unit(&rng);
		op->losses[1] = 0;
		op->hessian = op->mse = op->losses[0];
		op->interaction = -0.4 + 0.9 * rng_unit(&rng);
		problem->options[i] = 1;
	}
	qp1->scale = PROBLEM_TOLERABLE / (1 - PROBLEM_TOLERABLE) * 1.2;
	qp1->latency_fp32 = qp1_latency(qp1, problem->options);
}

void problem_init(struct bench_problem *problem, const struct problem_variant *variant,
		  size_t count, uint64_t seed)
{
	*problem = (struct bench_problem){.variant = variant};
	qp1_init(&problem->qp1, count, seed);
	problem->options = mem_new(count, sizeof(*problem->options));
	if (variant->tables) {
		make_table(problem);
	} else {
		qp1_vary(&problem->qp1, variant->interactions, variant->curve);
	}
	problem->optimum = qp1_optimum(&problem->qp1).latency;
	problem->space = qp1_space(&problem->qp1, &variant->hints);
}

void problem_finish(struct bench_problem *problem)
{
	space_destroy(problem->space);
	qp1_finish(&problem->qp1);
	free(problem->options);
}

struct bench_measurement problem_measure(struct bench_problem *problem, const struct config *config,
					 uint64_t repeat)
{
	const struct qp1 *qp1 = &problem->qp1;
	uint16_t *choices = mem_new(problem->space->dimension_count, sizeof(*choices));
	double noise = problem->variant->noise * PROBLEM_TOLERABLE * PROBLEM_BASELINE;
	struct bench_measurement m;

	config_expand(config, problem->space, choices);
	qp1_options(qp1, problem->space, choices, problem->options);
	m.accuracy = qp1_accuracy(qp1, problem->options);
	m.measured = m.accuracy + noise * qp1_noise(qp1, problem->options, repeat);
	m.latency = qp1_latency(qp1, problem->options) / qp1->latency_fp32;
	free(choices);
	return m;
}

double problem_regret(const struct bench_problem *problem, double latency)
{
	return problem->variant->tables ? latency / problem->optimum - 1
					: (latency - problem->optimum) / (1 - problem->optimum);
}
