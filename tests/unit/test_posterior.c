/* What the models believe of single options, where the truth is known. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "space_kit.h"
#include "space/config_set.h"
#include "strategies/models/posterior.h"

enum { OPS = 8, FINDINGS = 60 };

static const struct kit_op ops[] = {
	{"a", "t", "static a.scheme=asym,sym; fp32"},
	{"b", "t", "static a.scheme=asym,sym; fp32"},
	{"c", "t", "static a.scheme=asym,sym; fp32"},
	{"d", "t", "static a.scheme=asym,sym; fp32"},
	{"e", "t", "static a.scheme=asym,sym; fp32"},
	{"f", "t", "static a.scheme=asym,sym; fp32"},
	{"g", "t", "static a.scheme=asym,sym; fp32"},
	{"h", "t", "static a.scheme=asym,sym; fp32"},
	{NULL, NULL, NULL},
};

/* In units of what may be lost; the third option is fp32. */
static double true_loss(size_t op, uint16_t option)
{
	return option == 2 ? 0 : (op == 3 ? 2.0 : 0.1) * (1 + 0.4 * option);
}

static double true_gain(size_t op, uint16_t option)
{
	return option == 2 ? 0 : -0.02 * (double)(op + 1) / 4;
}

struct world {
	struct space *space;
	struct criterion criterion;
	struct objective objective;
	struct problem problem;
	struct config *configs[FINDINGS];
	struct finding findings[FINDINGS];
	double scores[OPS];
};

static void world_init(struct world *world)
{
	static const char *const answers[] = {"evaluate", NULL};
	struct rng rng = rng_make(7, RNG_SEARCH, 0);
	struct kit_request request = {0};
	struct err err;

	*world = (struct world){0};
	world->space = kit_space(ops, &request, &err);
	cr_assert_not_null(world->space);
	world->criterion.metric_count = 1;
	world->criterion.metrics[0].tolerable_loss = 0.01;
	world->objective.count = 1;
	world->problem = (struct problem){.space = world->space,
					  .criterion = &world->criterion,
					  .objective = &world->objective,
					  .answers = answers};
	for (size_t f = 0; f < FINDINGS; f++) {
		uint16_t *choices = mem_new(world->space->dimension_count, sizeof(*choices));
		struct finding *finding = &world->findings[f];

		*finding = (struct finding){.margin = 1, .latency = 1};
		for (size_t i = 0; i < OPS; i++) {
			choices[i] = (uint16_t)rng_below(&rng, 3);
			finding->margin -= true_loss(i, choices[i]);
			finding->latency += true_gain(i, choices[i]);
		}
		world->configs[f] = config_create(world->space, choices);
		finding->config = world->configs[f];
		free(choices);
	}
	for (size_t i = 0; i < OPS; i++) {
		world->scores[i] = NAN;
	}
}

static void world_finish(struct world *world)
{
	for (size_t f = 0; f < FINDINGS; f++) {
		config_destroy(world->configs[f]);
	}
	space_destroy(world->space);
}

static struct posterior *learn(const struct world *world, size_t count)
{
	return posterior_create(&world->problem, world->scores, NULL, world->findings, count);
}

Test(posterior, finds_what_each_option_costs_and_gains)
{
	struct world world;
	struct posterior *p;

	world_init(&world);
	p = learn(&world, FINDINGS);
	for (size_t i = 0; i < OPS; i++) {
		for (uint16_t o = 0; o < 3; o++) {
			const struct belief *loss = &p->losses[p->first[i] + o];
			const struct belief *gain = &p->latencies[p->first[i] + o];

			cr_expect_float_eq(loss->mean, true_loss(i, o), 0.2, "%zu %d: %g", i, o,
					   loss->mean);
			cr_expect_lt(fabs(loss->mean - true_loss(i, o)), 4 * loss->spread + 1e-9);
			cr_expect_float_eq(gain->mean, true_gain(i, o), 0.01, "%zu %d: %g", i, o,
					   gain->mean);
		}
		cr_expect_eq(p->losses[p->first[i] + 2].spread, 0, "fp32 loses nothing");
	}
	posterior_destroy(p);
	world_finish(&world);
}

Test(posterior, more_measurements_make_it_surer)
{
	struct world world;
	struct posterior *few, *many;

	world_init(&world);
	few = learn(&world, 2);
	many = learn(&world, FINDINGS);
	for (size_t i = 0; i < OPS; i++) {
		cr_expect_lt(many->losses[many->first[i]].spread,
			     0.5 * few->losses[few->first[i]].spread);
	}
	posterior_destroy(few);
	posterior_destroy(many);
	world_finish(&world);
}

Test(posterior, scores_come_before_measurements)
{
	struct world world;
	struct posterior *p;

	world_init(&world);
	for (size_t i = 0; i < OPS; i++) {
		world.scores[i] = true_loss(i, 0);
		world.findings[i].latency = NAN;
	}
	p = learn(&world, 1);
	for (size_t i = 0; i < OPS; i++) {
		cr_expect_leq(p->losses[p->first[i]].mean, p->losses[p->first[3]].mean);
	}
	cr_expect_null(p->latencies, "nobody measured any");
	posterior_destroy(p);
	world_finish(&world);
}

/* Where the same is known of operators the same is believed; nothing is shared beyond that. */
Test(posterior, operators_that_are_alike)
{
	enum { FEW = 2 };
	struct world world;
	struct posterior *p;
	size_t shared = 0;

	world_init(&world);
	world.scores[5] = 0.5; /* not of all, so it says nothing; but it is shown */
	p = learn(&world, FEW);
	for (size_t i = 0; i < OPS; i++) {
		size_t same = p->alike[i];

		cr_assert_leq(same, i);
		cr_expect_eq(p->alike[same], same);
		cr_expect(same == i || i != 5);
		shared += same != i;
		for (size_t f = 0; f < FEW; f++) {
			cr_expect_eq(config_choice(world.configs[f], i),
				     config_choice(world.configs[f], same));
		}
		for (uint16_t o = 0; o < 3; o++) {
			cr_expect_eq(p->losses[p->first[i] + o].mean,
				     p->losses[p->first[same] + o].mean);
			cr_expect_eq(p->latencies[p->first[i] + o].spread,
				     p->latencies[p->first[same] + o].spread);
			cr_expect(p->losses[p->first[i] + o].spread > 0 || o == 2);
		}
	}
	cr_expect_gt(shared, 0);
	posterior_destroy(p);
	world_finish(&world);
}
