/*
 * Every registered strategy on random spaces and scripted evaluators: what
 * docs/strategy-interface.md promises of any of them, whatever it does inside. A new strategy is tested here by being
 * registered.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "points.h"
#include "space_kit.h"
#include "space/combos.h"
#include "space/product.h"
#include "strategies/registry.h"
#include "strategy_run.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum {
	SPACES = 200,
	SPACES_PER_MODEL = 20, /* what is in_order fits models and sees every twentieth ... */
	MODELS_EVERY = 3,      /* ... of which a commit has a third (points.h) */
};

#define FOR_EACH_STRATEGY(ops)                                                                     \
	for (const struct strategy_ops *const *at_ = strategies, *(ops) = *at_; (ops) != NULL;     \
	     (ops) = *++at_)

/* The example of a plug-in is one more. */
static void add_example(void)
{
	struct err err;

	cr_assert_eq(registry_add(narrowd_plugin[0], &err), 0, "%s", err.message);
}

TestSuite(strategies, .init = add_example);

Test(strategies, tables_are_complete)
{
	FOR_EACH_STRATEGY(ops)
	{
		cr_expect_eq(strategy_find(ops->name), ops, "%s", ops->name);
		cr_expect_eq(ops->abi, STRATEGY_ABI);
		cr_expect_gt(ops->version, 0);
		cr_expect_gt(strlen(ops->summary), 20, "%s", ops->name);
		cr_expect_gt(strlen(ops->when), 20, "%s", ops->name);
		for (const struct param *p = ops->params; p != NULL && p->name != NULL; p++) {
			cr_expect_gt(strlen(p->help), 10, "%s.%s", ops->name, p->name);
			cr_expect(p->type == PARAM_TEXT || p->type == PARAM_BOOL ||
				  (p->min <= p->fallback && p->fallback <= p->max));
		}
	}
	cr_expect_null(strategy_find("no such strategy"));
	cr_expect_not_null(strategy_find("by_name"));
}

/* Spaces whose operators share choices and options are among those that follow. */
Test(strategies, some_random_spaces_share)
{
	size_t tied = 0, uniform = 0;

	for (uint64_t seed = SPACES_PER_MODEL; seed <= SPACES; seed += SPACES_PER_MODEL) {
		struct run_case c = run_case_make(seed);

		tied += c.space->op_count < c.space->member_count;
		uniform += c.space->uniform_count > 0;
		space_destroy(c.space);
	}
	cr_expect_geq(tied, 3);
	cr_expect_geq(uniform, 3);
}

/* Pairs of neighbours, of which one has accuracy among its objectives. */
static bool is_for_models(uint64_t seed)
{
	int64_t every = points_every(MODELS_EVERY), pair = (int64_t)(seed / SPACES_PER_MODEL / 2);

	return seed % SPACES_PER_MODEL == 0 && pair % every == points_first(every);
}

/* Calls `check` for every strategy on every space. */
static void on_random_spaces(void (*check)(const struct run_case *c,
					   const struct strategy_ops *ops))
{
	for (uint64_t seed = 1; seed <= SPACES; seed++) {
		struct run_case c = run_case_make(seed);

		FOR_EACH_STRATEGY(ops)
		{
			if (!ops->in_order || is_for_models(seed)) {
				check(&c, ops);
			}
		}
		space_destroy(c.space);
	}
}

static uint64_t saturating_product(uint64_t a, uint64_t b)
{
	return __builtin_mul_overflow(a, b, &a) ? UINT64_MAX / 2 : a;
}

/* Nothing asks more than the combos, ten questions for each operator and a few more, or else the
 * whole space, for each calibration size. */
static uint64_t bound_of(const struct space *space)
{
	uint64_t whole = 1;
	struct combos combos;

	combos_init(&combos, space);
	for (size_t d = 0; d < space->dimension_count; d++) {
		whole = saturating_product(whole, space_choices(space, d));
	}
	whole += saturating_product(combos.count + 16 + 10 * space->op_count,
				    space_choices(space, space_size_dimension(space)));
	combos_finish(&combos);
	return whole;
}

/* How many of SPACES were small enough for the check to say something. */
static size_t ended;

static void check_end(const struct run_case *c, const struct strategy_ops *ops)
{
	uint64_t bound = bound_of(c->space);
	struct run run;

	run_init(&run, c, ops, 1);
	run_through(&run, RUN_IN_TRIAL_ORDER);
	if (bound < run_limit(ops)) {
		cr_assert(run.done, "%s does not end in space %llu", ops->name,
			  (unsigned long long)c->seed);
		cr_assert_leq(run.asked_count, bound);
		ended++;
	}
	cr_assert_gt(run.asked_count, 0);
	run_finish(&run);
}

Test(strategies, proposals_lie_in_the_space_and_end)
{
	on_random_spaces(check_end);
	cr_assert_gt(ended, SPACES / 4);
}

/* What was decided after so many events. */
struct decision {
	enum step step;
	uint64_t hash; /* of the question; 0 without one */
};

static struct decision decide(const struct strategy *strategy)
{
	struct question question;
	struct decision decision = {.step = strategy_next(strategy, &question)};

	if (decision.step == STEP_ASK) {
		decision.hash = run_question_hash(&question);
		question_finish(&question);
	}
	return decision;
}

/* Asking never changes anything: a strategy asked at every event decides as the original did. */
static struct decision *all_decisions(const struct run *original)
{
	struct decision *decisions = mem_new(original->event_count, sizeof(*decisions));
	struct run again;

	run_init(&again, original->c, original->ops, original->problem.parallel);
	for (size_t i = 1; i < original->event_count; i++) {
		const struct event *event = &original->events[i];

		decisions[i] = decide(&again.strategy);
		if (event->type == EVENT_ASKED) {
			const struct question *asked = &original->asked[event->trial - 1];

			cr_assert_eq(decisions[i].hash, run_question_hash(asked), "%s",
				     original->ops->name);
		}
		strategy_apply(&again.strategy, event);
	}
	run_finish(&again);
	return decisions;
}

/* A restart after `stop` events, which are applied without asking. */
static void expect_same_tail(const struct run *original, const struct decision *decisions,
			     size_t stop)
{
	struct run again;

	run_init(&again, original->c, original->ops, original->problem.parallel);
	for (size_t i = 1; i < original->event_count; i++) {
		if (i >= stop) {
			struct decision now = decide(&again.strategy);

			cr_assert_eq(now.step, decisions[i].step, "%s", original->ops->name);
			cr_assert_eq(now.hash, decisions[i].hash, "%s", original->ops->name);
		}
		strategy_apply(&again.strategy, &original->events[i]);
	}
	run_finish(&again);
}

static void check_replay(const struct run_case *c, const struct strategy_ops *ops)
{
	struct rng rng = rng_make(c->seed, RNG_TIMING, 0);
	struct decision *decisions;
	struct run original;

	run_init(&original, c, ops, 1 + (int)(c->seed % 5));
	run_through(&original, RUN_IN_ANY_ORDER);
	decisions = all_decisions(&original);
	for (int i = 0; i < (ops->in_order ? 1 : 3); i++) {
		expect_same_tail(&original, decisions, rng_below(&rng, original.event_count));
	}
	free(decisions);
	run_finish(&original);
}

Test(strategies, a_replay_from_any_event_goes_on_the_same)
{
	on_random_spaces(check_replay);
}

static void expect_same_questions(const struct run *a, const struct run *b)
{
	cr_assert_eq(a->asked_count, b->asked_count, "%s with %d in parallel, space %llu: %zu, %zu",
		     a->ops->name, b->problem.parallel, (unsigned long long)a->c->seed,
		     a->asked_count, b->asked_count);
	for (size_t i = 0; i < a->asked_count; i++) {
		cr_assert(run_questions_equal(&a->asked[i], &b->asked[i]),
			  "%s with %d in parallel, space %llu, trial %zu", a->ops->name,
			  b->problem.parallel, (unsigned long long)a->c->seed, i + 1);
	}
}

/* Late results, with questions out and without. */
static size_t revise(struct run *run)
{
	size_t late = 0;

	for (int i = 0; i < 40 && !run->done; i++) {
		while (run->out_count < 2 && run_ask(run) == STEP_ASK) {
		}
		if (run->out_count > 0) {
			run_tell(run, 0);
		}
		late += i % 5 == 4 ? run_tell_late(run) : 0;
		run->done = run->out_count == 0;
	}
	run->done = false;
	run_through(run, RUN_IN_TRIAL_ORDER);
	late += run_tell_late(run);
	run->done = false;
	run_through(run, RUN_IN_TRIAL_ORDER);
	return late;
}

static size_t revised;

static void check_late_results(const struct run_case *c, const struct strategy_ops *ops)
{
	struct decision *decisions;
	struct run run;

	run_init(&run, c, ops, 2);
	revised += revise(&run);
	decisions = all_decisions(&run);
	expect_same_tail(&run, decisions, run.event_count / 2);
	free(decisions);
	run_finish(&run);
}

Test(strategies, a_failed_trial_may_be_measured_again)
{
	on_random_spaces(check_late_results);
	cr_assert_gt(revised, SPACES);
}

/* Each case has two of the widths 1 .. 8: what learns asks the same however late answers are, all others
 * as with one question at a time too. */
static void check_delays(const struct run_case *c, const struct strategy_ops *ops)
{
	struct run first, other;

	for (uint64_t i = 0; i < 2; i++) {
		int width = 1 + (int)((c->seed / SPACES_PER_MODEL + 4 * i) % 8);

		run_init(&first, c, ops, ops->in_order ? width : 1);
		run_delayed(&first, 0);
		for (uint64_t delays = 1; delays <= 2; delays++) {
			run_init(&other, c, ops, width);
			run_delayed(&other, delays);
			expect_same_questions(&first, &other);
			run_finish(&other);
		}
		run_finish(&first);
	}
}

Test(strategies, neither_the_number_of_workers_nor_their_speed_matters)
{
	on_random_spaces(check_delays);
}

/* Without `deterministic` results are shown as they come. */
static void check_any_order(const struct run_case *c, const struct strategy_ops *ops)
{
	struct run run;

	run_init(&run, c, ops, 2 + (int)(c->seed % 4));
	run_through(&run, RUN_IN_ANY_ORDER);
	if (!ops->in_order) {
		struct run serial;

		run_init(&serial, c, ops, 1);
		run_through(&serial, RUN_IN_TRIAL_ORDER);
		expect_same_questions(&serial, &run);
		run_finish(&serial);
	}
	run_finish(&run);
}

Test(strategies, results_may_come_in_any_order)
{
	on_random_spaces(check_any_order);
}

static void expect_no_repetition(const struct run *run)
{
	for (size_t i = 0; i < run->asked_count; i++) {
		for (size_t k = 0; k < i; k++) {
			cr_assert(!config_equal(run->asked[i].config, run->asked[k].config),
				  "%s, space %llu: trials %zu and %zu", run->ops->name,
				  (unsigned long long)run->c->seed, k + 1, i + 1);
		}
	}
}

Test(strategies, enumerators_ask_everything_once)
{
	static const char *const names[] = {"exhaustive", "random"};
	size_t exhausted = 0;

	for (uint64_t seed = 1; seed <= SPACES; seed++) {
		struct run_case c = run_case_make(seed);
		struct product product;

		product_init(&product, c.space);
		for (size_t i = 0; i < COUNT(names); i++) {
			struct run run;

			run_init(&run, &c, strategy_find(names[i]), 1);
			run_through(&run, RUN_IN_TRIAL_ORDER);
			expect_no_repetition(&run);
			if (product.size < RUN_ASKS) {
				cr_assert(run.done);
				cr_assert_eq(run.asked_count, product.size, "%s", names[i]);
				exhausted++;
			}
			run_finish(&run);
		}
		product_finish(&product);
		space_destroy(c.space);
	}
	cr_assert_gt(exhausted, SPACES / 4);
}

/* The last operator fastest, the calibration size slowest. */
Test(strategies, exhaustive_counts)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", "static a.scheme=x,y; bf16; fp32"},
					    {"b", "Relu", "fp32"},
					    {"c", "Linear", "dynamic a.scheme=x,y,z; fp32"},
					    {.name = NULL}};
	static const char *const expected[] = {
		"S:x fp32 D:x @100", "S:x fp32 D:y @100", "S:x fp32 D:z @100", "S:y fp32 D:x @100",
		"S:y fp32 D:y @100", "S:y fp32 D:z @100", "S:x fp32 D:x @200", "S:x fp32 D:y @200",
		"S:x fp32 D:z @200", "S:y fp32 D:x @200", "S:y fp32 D:y @200", "S:y fp32 D:z @200",
	};
	struct err err;
	struct run_case c = {.levels = 1};
	struct run run;

	c.space =
		kit_space(ops, &(struct kit_request){.approach = APPROACH_AUTO, .sizes = 2}, &err);
	cr_assert_not_null(c.space, "%s", err.message);
	run_init(&run, &c, strategy_find("exhaustive"), 1);
	run_through(&run, RUN_IN_TRIAL_ORDER);
	cr_assert_eq(run.asked_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		char *text = kit_config_text(c.space, run.asked[i].config);

		cr_expect_str_eq(text, expected[i], "%s", text);
		free(text);
	}
	run_finish(&run);
	space_destroy(c.space);
}

/* Of 4 x 3 x 2 configs each must come first about as often: 2400 seeds, 100 each, and a deviation
 * of more than 60 would be one of six standard deviations. */
Test(strategies, random_is_uniform_and_depends_on_the_seed)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", "static a.scheme=1,2,3,4; fp32"},
					    {"b", "Linear", "static a.scheme=1,2,3; fp32"},
					    {.name = NULL}};
	struct err err;
	struct run_case c = {.levels = 1};
	int counts[4][3][2] = {0};

	c.space = kit_space(ops, &(struct kit_request){.sizes = 2}, &err);
	cr_assert_not_null(c.space, "%s", err.message);
	for (c.seed = 1; c.seed <= 2400; c.seed++) {
		struct run run;
		uint16_t choices[3];

		run_init(&run, &c, strategy_find("random"), 1);
		cr_assert_eq(run_ask(&run), STEP_ASK);
		config_expand(run.asked[0].config, c.space, choices);
		counts[choices[0]][choices[1]][choices[2]]++;
		run_finish(&run);
	}
	for (size_t i = 0; i < 24; i++) {
		int count = (&counts[0][0][0])[i];

		cr_expect(count > 40 && count < 160, "config %zu came %d times", i, count);
	}
	space_destroy(c.space);
}

/* Also where there are more configs than an integer counts: 2^100. */
Test(strategies, random_draws_every_operator)
{
	enum { OPS = 100, DRAWS = 64 };
	struct kit_op ops[OPS + 1] = {0};
	char names[OPS][32];
	struct err err;
	struct run_case c = {.levels = 1, .seed = 1};
	int moved[OPS] = {0};
	struct run run;

	for (size_t i = 0; i < OPS; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "op%zu", i);
		ops[i] = (struct kit_op){names[i], "Conv2d", "static a.scheme=asym,sym; fp32"};
	}
	c.space = kit_space(ops, &(struct kit_request){0}, &err);
	cr_assert_not_null(c.space, "%s", err.message);
	run_init(&run, &c, strategy_find("random"), 1);
	for (size_t n = 0; n < DRAWS; n++) {
		cr_assert_eq(run_ask(&run), STEP_ASK);
		for (size_t op = 0; op < OPS; op++) {
			moved[op] += config_choice(run.asked[n].config, op);
		}
	}
	for (size_t op = 0; op < OPS; op++) {
		cr_expect(moved[op] > 0 && moved[op] < DRAWS, "operator %zu is fixed", op);
	}
	run_finish(&run);
	space_destroy(c.space);
}

/* More combinations than any integer counts, and configs of 20 000 operators. */
Test(strategies, a_space_of_the_largest_size_is_walked)
{
	enum { OPS = 20000, STEPS = 8 };
	struct kit_op *ops = mem_new(OPS + 1, sizeof(*ops));
	struct err err;
	struct run_case c = {.levels = 3, .seed = 1};

	for (size_t i = 0; i < OPS; i++) {
		ops[i] = (struct kit_op){mem_printf("op%zu", i), i % 2 > 0 ? "Conv2d" : "Linear",
					 "static a.scheme=asym,sym a.algorithm=kl,minmax; fp32"};
	}
	c.space = kit_space(ops, &(struct kit_request){.sizes = 2}, &err);
	cr_assert_not_null(c.space, "%s", err.message);
	FOR_EACH_STRATEGY(strategy)
	{
		struct run run;

		run_init(&run, &c, strategy, 1);
		for (int i = 0; i < STEPS; i++) {
			if (run_ask(&run) == STEP_ASK) {
				run_tell(&run, 0);
			}
		}
		cr_expect(run.asked_count > 0, "%s", strategy->name);
		run_finish(&run);
	}
	space_destroy(c.space);
	for (size_t i = 0; i < OPS; i++) {
		free((char *)ops[i].name);
	}
	free(ops);
}
