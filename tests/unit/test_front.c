/* The front between accuracy and an objective: its points, where there is room, and that sgp fills it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qp1_kit.h"
#include "strategies/models/effects.h"
#include "strategies/models/front.h"

enum { OPS = 20, TRIALS = 30, THIRDS = 3 };
static const double most_lost = 5;

/* Points at 1 and 2 tolerances; what is beaten and what loses too much. */
static void fill(struct front *front)
{
	front_begin(front, most_lost);
	front_add(front, 2, 0.5, 1);
	front_add(front, 1, 0.8, 2);
	front_add(front, 1.5, 0.9, 3);
	front_add(front, 1, 0.8, 4);
	front_add(front, 60, 0.4, 5);
	front_settle(front);
}

Test(front, keeps_what_no_other_beats)
{
	struct front front = {0};

	fill(&front);
	cr_assert_eq(front.count, 3);
	cr_expect_eq(front.points[0].index, SIZE_MAX);
	cr_expect_eq(front.points[1].index, 2, "the first of equals");
	cr_expect_eq(front.points[2].index, 1);
	cr_expect_eq(front.fastest, 0.4, "what loses too much says how fast it may be");
	cr_expect_eq(front_at(&front, 0.99).index, SIZE_MAX);
	cr_expect_eq(front_at(&front, 1).index, 2);
	cr_expect_eq(front_at(&front, 4).index, 1);
	free(front.points);
}

Test(front, covers_what_every_tolerance_is_worth)
{
	struct front front = {0};

	fill(&front);
	cr_expect_float_eq(front_covered(&front), (1 * 0.2 + 3 * 0.5) / (5 * 0.6), 1e-12);
	front_begin(&front, most_lost);
	front_settle(&front);
	cr_expect_eq(front_covered(&front), 0, "nothing is faster");
	free(front.points);
}

Test(front, aims_where_there_is_room)
{
	enum { QUESTIONS = 1000 };
	size_t below[4] = {0};
	struct front front = {0};

	fill(&front);
	for (size_t i = 0; i < QUESTIONS; i++) {
		double tolerance = front_tolerance(&front, i);

		cr_assert(tolerance >= 0 && tolerance <= most_lost);
		below[0] += tolerance < 1;
		below[1] += tolerance >= 1 && tolerance < 2;
		below[2] += tolerance >= 2;
	}
	/* Room of 0.2, 0.3 and 0.3, and a tenth by the length alone. */
	cr_expect_float_eq(below[0], QUESTIONS * (0.9 * 0.2 + 0.06) / 1.02, 15);
	cr_expect_float_eq(below[1], QUESTIONS * (0.9 * 0.3 + 0.06) / 1.02, 15);
	cr_expect_float_eq(below[2], QUESTIONS * (0.9 * 0.3 + 0.18) / 1.02, 15);
	front_begin(&front, most_lost);
	front_settle(&front);
	cr_expect(front_tolerance(&front, 3) > 0 && front_tolerance(&front, 3) < most_lost);
	free(front.points);
}

Test(front, a_config_is_weighed_as_the_job_weighs_it)
{
	const double baseline[] = {200, 0.8}, values[] = {130, 0.77};
	struct objective objective = {.rules = 2, .count = 2};
	struct criterion criterion = {.rules = 2, .metric_count = 1};
	struct err err;

	objective.metrics[0] = (struct objective_metric){(char *)"latency_ms", 3, false};
	objective.metrics[1] = (struct objective_metric){(char *)"accuracy", 2, true};
	criterion.metrics[0].higher_is_better = true;
	criterion.metrics[0].tolerable_loss = 0.02;
	for (int relative = 0; relative < 2; relative++) {
		criterion.relative = relative == 1;
		criterion.fixed = false;
		cr_assert_eq(criterion_fix(&criterion, &baseline[1], &err), 0);
		cr_expect_float_eq(objective_weigh(&objective, &criterion, 130.0 / 200,
						   criterion_margin(&criterion, &values[1])),
				   objective_value(&objective, values, baseline), 1e-12);
	}
}

/* The points of the front that was measured, by the third of the losses of interest that they are in. */
struct tally {
	size_t thirds[THIRDS];
	double covered;
	double handed_over; /* how much that loses */
};

static struct tally count_points(const struct search *search)
{
	size_t count = kit_qp1_space->dimension_count;
	uint16_t *choices = mem_new(count, sizeof(*choices));
	struct search_result result;
	struct front front = {0};
	struct tally tally = {0};
	int64_t chosen = strategy_choice(&search->strategy);

	front_begin(&front, most_lost);
	for (size_t i = 0; i < search->asked_count; i++) {
		config_expand(search->asked[i].config, kit_qp1_space, choices);
		kit_qp1_evaluate(choices, count, &result);
		front_add(&front, 1 - result.margin, result.objective, i);
		tally.handed_over =
			chosen == (int64_t)i + 1 ? 1 - result.margin : tally.handed_over;
	}
	front_settle(&front);
	for (size_t i = 1; i < front.count; i++) {
		tally.thirds[(size_t)(front.points[i].loss / most_lost * THIRDS)]++;
	}
	tally.covered = front_covered(&front);
	free(front.points);
	free(choices);
	return tally;
}

static struct tally tally_of(uint64_t seed, bool open)
{
	static const struct qp1_hints nothing = {0};
	struct search search;
	struct tally tally;

	kit_qp1_init(OPS, seed, &nothing);
	(open ? search_init_open : search_init)(&search, kit_qp1_space, "sgp", seed, NULL);
	search_run(&search, TRIALS, kit_qp1_evaluate);
	tally = count_points(&search);
	search_finish(&search);
	kit_qp1_finish();
	return tally;
}

static size_t least_of(const struct tally *tally)
{
	size_t least = tally->thirds[0];

	for (size_t i = 1; i < THIRDS; i++) {
		least = tally->thirds[i] < least ? tally->thirds[i] : least;
	}
	return least;
}

/* What misses the criterion by much is of interest, too: no early verdict is to end it. */
Test(front, everything_is_measured_to_the_end_where_both_are_open)
{
	static const struct qp1_hints nothing = {0};
	struct search search;

	for (int open = 0; open < 2; open++) {
		kit_qp1_init(OPS, 65, &nothing);
		(open == 1 ? search_init_open : search_init)(&search, kit_qp1_space, "sgp", 65,
							     NULL);
		search_run(&search, 6, kit_qp1_evaluate);
		for (size_t i = 0; i < search.asked_count; i++) {
			cr_expect_eq(search.asked[i].whole, open == 1, "%zu", i);
		}
		search_finish(&search);
		kit_qp1_finish();
	}
}

/* One tolerance leaves the far thirds nearly empty. */
Test(front, is_filled_evenly_where_both_are_open)
{
	double more = 0;

	for (uint64_t seed = 61; seed <= 63; seed++) {
		struct tally open = tally_of(seed, true), one = tally_of(seed, false);

		cr_expect_geq(least_of(&open), 2, "%llu: %zu, %zu, %zu", (unsigned long long)seed,
			      open.thirds[0], open.thirds[1], open.thirds[2]);
		cr_expect_gt(least_of(&open), least_of(&one), "%llu: %zu, %zu, %zu",
			     (unsigned long long)seed, one.thirds[0], one.thirds[1], one.thirds[2]);
		cr_expect(open.handed_over > 0 && open.handed_over <= 1, "%g", open.handed_over);
		more += open.covered - one.covered;
	}
	cr_expect_gt(more, 0.1, "%g", more);
}

/* Told of the same events from the start, as after a restart, it asks the same. */
Test(front, a_replay_goes_on_the_same)
{
	enum { BEFORE = 15 };
	static const struct qp1_hints nothing = {0};
	struct search live, again;

	kit_qp1_init(OPS, 64, &nothing);
	search_init_open(&live, kit_qp1_space, "sgp", 64, NULL);
	search_init_open(&again, kit_qp1_space, "sgp", 64, NULL);
	search_run(&live, BEFORE, kit_qp1_evaluate);
	search_replay(&again, &live, kit_qp1_evaluate);
	for (size_t i = 0; i < 5; i++) {
		cr_assert(search_ask(&live) && search_ask(&again));
		cr_expect(config_equal(live.asked[BEFORE + i].config,
				       again.asked[BEFORE + i].config));
		search_tell(&live, BEFORE + i + 1, kit_qp1_evaluate);
		search_tell(&again, BEFORE + i + 1, kit_qp1_evaluate);
	}
	search_finish(&live);
	search_finish(&again);
	kit_qp1_finish();
}
