/*
 * The strategy basic, trial by trial, on spaces small enough to work out by hand from
 * docs/inc.md, "Basic".
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space_kit.h"
#include "strategies/interface/strategy.h"

/* What is asked next, and what is answered; NAN for a failure. A config of NULL ends a list. */
struct line {
	const char *stage, *config;
	double merit;
};

#define D "default"
#define T "op_type_wise"
#define I "instance_fallback"
#define A "accumulated_fallback"

enum { MAX_TRIALS = 64 };

/* One trial after the other; every config asked must be the next line's. */
static void play(const struct space *space, const struct line *lines)
{
	const struct problem problem = {.space = space, .seed = 1, .parallel = 1};
	struct event told = {.type = EVENT_TOLD, .kind = QUESTION_BASELINE};
	struct config *configs[MAX_TRIALS] = {0};
	struct strategy strategy;
	struct question question;
	struct args args;
	size_t count = 0;

	args_init(&args, strategy_find("basic")->params);
	cr_assert_eq(strategy_init(&strategy, strategy_find("basic"), &problem, &args, NULL), 0);
	strategy_apply(&strategy, &told);
	while (strategy_next(&strategy, &question) == STEP_ASK) {
		const struct line *line = &lines[count];
		char *text = kit_config_text(space, question.config);

		cr_assert_not_null(line->config, "trial %zu too many: %s", count + 1, text);
		cr_assert_str_eq(text, line->config, "trial %zu: %s", count + 1, text);
		cr_assert_str_eq(question.stage, line->stage, "trial %zu: %s", count + 1,
				 question.stage);
		configs[count++] = question.config;
		told = (struct event){.type = EVENT_ASKED,
				      .trial = (int64_t)count,
				      .kind = question.kind,
				      .config = question.config};
		strategy_apply(&strategy, &told);
		told.type = isnan(line->merit) ? EVENT_FAILED : EVENT_TOLD;
		/* Nobody may look at the merit of a failure. */
		told.merit = isnan(line->merit) ? 99 : line->merit;
		strategy_apply(&strategy, &told);
		free(text);
	}
	cr_assert_null(lines[count].config, "trial %zu is missing", count + 1);
	cr_assert_eq(strategy_next(&strategy, &question), STEP_DONE);
	strategy_finish(&strategy);
	for (size_t i = 0; i < count; i++) {
		config_destroy(configs[i]);
	}
}

static void play_ops(const struct kit_op *ops, const struct kit_request *request,
		     const struct line *lines)
{
	struct err err;
	struct space *space = kit_space(ops, request, &err);

	cr_assert_not_null(space, "%s", err.message);
	play(space, lines);
	space_destroy(space);
}

/*
 * a and b are of one type and offer different items: the union has two schemes and two
 * granularities. a has no granularity, so that item leaves it alone; b has no asym, so a combo with
 * asym gives b its entire default. The merit 0.6 comes twice and the earlier one becomes the base.
 */
Test(basic, combos_are_unions_per_type_and_ties_keep_the_earlier)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=asym,sym; fp32"},
		{"b", "Conv2d", "static a.scheme=sym w.granularity=pc,pt; fp32"},
		{"r", "Relu", "fp32"},
		{"c", "Linear", "static a.algorithm=kl,minmax; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "S:asym S:sym/pc fp32 S:kl", 0.5},
		{T, "S:asym S:sym/pc fp32 S:minmax", 0.5},
		{T, "S:asym S:sym/pc fp32 S:kl", 0.5},
		{T, "S:asym S:sym/pc fp32 S:minmax", 0.5},
		{T, "S:sym S:sym/pc fp32 S:kl", 0.6},
		{T, "S:sym S:sym/pc fp32 S:minmax", 0.4},
		{T, "S:sym S:sym/pt fp32 S:kl", 0.6},
		{T, "S:sym S:sym/pt fp32 S:minmax", NAN},
		/* One by one from the last; the accumulation then is c and a (a tie), b (failed). */
		{I, "S:sym S:sym/pc fp32 fp32", 0.7},
		{I, "S:sym fp32 fp32 S:kl", NAN},
		{I, "fp32 S:sym/pc fp32 S:kl", 0.7},
		{A, "fp32 S:sym/pc fp32 fp32", 0.9},
		{A, "fp32 fp32 fp32 fp32", 0.9},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){0}, lines);
}

/* The ranking is that of the operators really reverted, whatever the trials after them say, and
 * what a precision gained does not move the base of the next one. */
Test(basic, each_precision_starts_from_the_frozen_base)
{
	static const struct kit_op ops[] = {
		{"fc1", "Linear", "static a.scheme=asym; bf16; fp32"},
		{"fc2", "Linear", "static a.scheme=asym; fp16; fp32"},
		{"fc3", "Linear", "static a.scheme=asym; bf16; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "S:asym S:asym S:asym", 0.5},
		{I, "S:asym S:asym bf16", 0.6},
		{I, "bf16 S:asym S:asym", 0.7},
		{A, "bf16 S:asym bf16", 0.95},
		{I, "S:asym fp16 S:asym", 0.8},
		{I, "S:asym S:asym fp32", 0.55},
		{I, "S:asym fp32 S:asym", 0.65},
		{I, "fp32 S:asym S:asym", 0.6},
		{A, "fp32 fp32 S:asym", 0.8},
		{A, "fp32 fp32 fp32", 0.9},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){0}, lines);
}

/* Static pairs before dynamic ones, the last pair fastest; fallback in the reverse of (static
 * operators, dynamic operators). */
Test(basic, static_operators_come_before_dynamic_ones)
{
	static const struct kit_op ops[] = {
		{"d", "LSTM", "dynamic a.scheme=sym,asym; fp32"},
		{"s1", "Linear", "static a.scheme=asym,sym; dynamic a.scheme=asym; fp32"},
		{"s2", "Conv2d", "static a.scheme=asym; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "D:sym S:asym S:asym", 0.5},
		{T, "D:asym S:asym S:asym", 0.4},
		{T, "D:sym S:sym S:asym", 0.4},
		{T, "D:asym S:sym S:asym", 0.4},
		{"dynamic", "D:sym D:asym S:asym", 0.4},
		{I, "fp32 S:asym S:asym", 0.1},
		{I, "D:sym S:asym fp32", 0.2},
		{I, "D:sym fp32 S:asym", 0.3},
		{A, "D:sym fp32 fp32", 0.4},
		{A, "fp32 fp32 fp32", 0.4},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){.approach = APPROACH_AUTO}, lines);
}

/* A new size starts from the default: the better config of the size before is not its base. */
Test(basic, each_calibration_size_is_a_run_of_its_own)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=asym,sym; fp32"},
		{"b", "Relu", "bf16; fp32"},
		{"c", "Linear", "static a.scheme=asym; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "S:asym bf16 S:asym @100", 0.5},
		{T, "S:sym bf16 S:asym @100", 0.9},
		{I, "S:sym bf16 fp32 @100", 0.8},
		{I, "fp32 bf16 S:asym @100", 0.7},
		{A, "fp32 bf16 fp32 @100", 0.6},
		{D, "S:asym bf16 S:asym @200", 0.4},
		{T, "S:sym bf16 S:asym @200", 0.3},
		{I, "S:asym bf16 fp32 @200", 0.2},
		{I, "fp32 bf16 S:asym @200", 0.3},
		{A, "fp32 bf16 fp32 @200", 0.4},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){.sizes = 2}, lines);
}

Test(basic, when_everything_failed_the_default_is_the_base)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=asym,sym; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "S:asym", NAN}, {T, "S:sym", NAN}, {I, "fp32", NAN}, {.config = NULL}};

	play_ops(ops, &(struct kit_request){0}, lines);
}

Test(basic, nothing_of_one_calibration_size_is_left_when_the_next_one_fails)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=asym,sym; fp32"},
		{"b", "Linear", "static a.scheme=asym; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "S:asym S:asym @100", 0.5},
		{T, "S:sym S:asym @100", 0.9},
		{I, "S:sym fp32 @100", 0.8},
		{I, "fp32 S:asym @100", 0.7},
		{A, "fp32 fp32 @100", 0.6},
		{D, "S:asym S:asym @200", NAN},
		{T, "S:sym S:asym @200", NAN},
		{I, "S:asym fp32 @200", NAN},
		{I, "fp32 S:asym @200", NAN},
		{A, "fp32 fp32 @200", NAN},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){.sizes = 2}, lines);
}

Test(basic, operators_that_did_alike_are_accumulated_from_the_last)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=asym; fp32"},
		{"b", "Conv2d", "static a.scheme=asym; fp32"},
		{"c", "Conv2d", "static a.scheme=asym; fp32"},
		{"d", "Conv2d", "static a.scheme=asym; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "S:asym S:asym S:asym S:asym", 0.5},
		{I, "S:asym S:asym S:asym fp32", 0.7},
		{I, "S:asym S:asym fp32 S:asym", 0.7},
		{I, "S:asym fp32 S:asym S:asym", 0.8},
		{I, "fp32 S:asym S:asym S:asym", 0.7},
		{A, "S:asym fp32 S:asym fp32", 0.5},
		{A, "S:asym fp32 fp32 fp32", 0.5},
		{A, "fp32 fp32 fp32 fp32", 0.5},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){0}, lines);
}

/* With weights only, bits, group size and data type are combined too. */
Test(basic, weight_only_combines_what_is_tuned_there)
{
	static const struct kit_op ops[] = {
		{"q", "Linear", "weight_only w.bits=4,8 w.dtype=int,nf4 a.dtype=fp32; fp32"},
		{"k", "Linear", "weight_only w.bits=4 w.dtype=int a.dtype=bf16; fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {
		{D, "W:4/int/fp32 W:4/int/bf16", 0.1},
		{T, "W:4/nf4/fp32 W:4/int/bf16", 0.2},
		{T, "W:8/int/fp32 W:4/int/bf16", 0.3},
		{T, "W:8/nf4/fp32 W:4/int/bf16", 0.4},
		{I, "W:8/nf4/fp32 fp32", 0.5},
		{I, "fp32 W:4/int/bf16", 0.4},
		{A, "fp32 fp32", 0.4},
		{.config = NULL},
	};

	play_ops(ops, &(struct kit_request){.approach = APPROACH_WEIGHT_ONLY}, lines);
}

Test(basic, without_a_quantized_operator_there_is_one_config)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "dynamic a.scheme=sym; bf16; fp32"},
		{"b", "Relu", "fp32"},
		{.name = NULL},
	};
	static const struct line lines[] = {{D, "bf16 fp32 @100", 0.5}, {.config = NULL}};

	play_ops(ops, &(struct kit_request){.sizes = 3}, lines);
}
