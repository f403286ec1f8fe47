/*
 * Options with one value for all operators of a mode: which dimensions they make, what a config of
 * them means, and where they stand in the list of combos.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "space/combos.h"
#include "space/product.h"
#include "space_kit.h"

#define A "static a.scheme=asym,sym a.algorithm=kl,minmax; dynamic a.algorithm=minmax,kl; fp32"
#define B "static a.algorithm=minmax,kl,percentile w.granularity=pc,pt; fp32"

static const struct kit_op ops[] = {
	{"a", "Conv2d", A}, {"b", "MatMul", B}, {"c", "Softmax", "fp32"}, {.name = NULL}};

static struct space *made(const struct kit_op *of, const struct kit_request *request)
{
	struct err err;
	struct space *space = kit_space(of, request, &err);

	cr_assert_not_null(space, "%s", err.message);
	return space;
}

static void expect_text(char *text, const char *expected)
{
	cr_expect_str_eq(text, expected, "%s", text);
	free(text);
}

static void expect_config(const struct space *space, struct config *config, const char *expected)
{
	expect_text(kit_config_text(space, config), expected);
	config_destroy(config);
}

/* Values are in the order of the first operator that has them, and those that all have. */
Test(uniform, each_mode_has_a_dimension)
{
	struct space *space = made(
		ops, &(struct kit_request){.approach = APPROACH_AUTO, .uniform = "a.algorithm"});
	const uint16_t choices[] = {1, 1, 0, 0, 1, 0};

	cr_assert_eq(space->dimension_count, 6);
	cr_expect_eq(space->uniform_count, 2);
	cr_expect_not(space_has_alphas(space));
	cr_expect_str_eq(space->extras[1].name, "static.activation.algorithm");
	cr_expect_str_eq(space->extras[2].name, "dynamic.activation.algorithm");
	cr_expect_eq(space->extras[1].count, 2);
	cr_expect_str_eq(space->extras[1].values[0], "\"kl\"");
	cr_expect_str_eq(space->extras[1].values[1], "\"minmax\"");
	cr_expect_str_eq(space->extras[2].values[0], "\"minmax\"");
	expect_text(kit_choices_text(space, 0), "S:asym/* S:sym/* D:* fp32");
	expect_text(kit_choices_text(space, 1), "S:*/pc S:*/pt fp32");
	expect_text(space_size_text(space), "48");
	expect_config(space, config_create(space, choices), "S:sym/minmax S:minmax/pt fp32");
	space_destroy(space);
}

/* What all operators agree in anyway is no dimension, but it is narrowed. */
Test(uniform, one_common_value_is_no_dimension)
{
	static const struct kit_op differing[] = {
		{"a", "Conv2d", "static a.algorithm=kl,minmax; fp32"},
		{"b", "MatMul", "static a.algorithm=minmax,percentile w.bits=4,8; fp32"},
		{"c", "Relu", "static a.scheme=sym; fp32"},
		{.name = NULL}};
	struct space *space =
		made(differing, &(struct kit_request){.uniform = "a.algorithm w.bits a.dtype"});

	cr_expect_eq(space->uniform_count, 1);
	expect_text(kit_choices_text(space, 0), "S:minmax fp32");
	expect_text(kit_choices_text(space, 1), "S:minmax/* fp32");
	expect_text(kit_choices_text(space, 2), "S:sym fp32");
	cr_assert_eq(space->note_count, 1);
	cr_expect_str_eq(space->notes[0].pointer, "/uniform/2");
	space_destroy(space);
}

/* Data types are descriptions: those that differ in nothing else are values of one option. */
Test(uniform, a_data_type_may_be_uniform)
{
	static const struct kit_op typed[] = {
		{"a", "Conv2d",
		 "static w.dtype=int8 a.scheme=sym,asym; static w.dtype=int4 "
		 "a.scheme=sym,asym; fp32"},
		{"b", "MatMul", "static w.dtype=int4; static w.dtype=int8; fp32"},
		{.name = NULL}};
	struct space *space = made(typed, &(struct kit_request){.uniform = "w.dtype"});
	const uint16_t choices[] = {1, 0, 0, 1};

	expect_text(kit_choices_text(space, 0), "S:sym/* S:asym/* fp32");
	expect_text(kit_choices_text(space, 1), "S:* fp32");
	expect_config(space, config_create(space, choices), "S:asym/int4 S:int4");
	space_destroy(space);
}

Test(uniform, what_has_nothing_in_common_is_refused)
{
	static const struct kit_op differing[] = {
		{"a", "Conv2d", "static a.algorithm=kl,minmax; fp32"},
		{"b", "MatMul", "static a.algorithm=kl,percentile; fp32"},
		{"c", "Linear", "static a.algorithm=percentile,mse; fp32"},
		{.name = NULL}};
	static const struct kit_op typed[] = {
		{"a", "Conv2d", "static w.dtype=int8 a.scheme=sym; static w.dtype=int4; fp32"},
		{.name = NULL}};
	struct err err;

	cr_assert_null(kit_space(differing, &(struct kit_request){.uniform = "a.algorithm"}, &err));
	cr_expect_str_eq(err.faults[0].pointer, "/uniform/0");
	cr_expect_not_null(
		strstr(err.faults[0].detail, "\"a\" has kl, minmax, \"c\" has percentile, mse"),
		"%s", err.faults[0].detail);
	cr_assert_null(kit_space(typed, &(struct kit_request){.uniform = "w.dtype"}, &err));
	cr_expect_not_null(strstr(err.faults[0].detail, "several descriptions"), "%s",
			   err.faults[0].detail);
}

Test(uniform, restrictions_narrow_all)
{
	static const struct kit_restriction by_type[] = {{false, "MatMul", "a.algorithm=minmax,kl"},
							 {.pattern = NULL}};
	static const struct kit_restriction by_name[] = {
		{true, "b", "a.algorithm=minmax"}, {true, "a", "a.scheme=sym"}, {.pattern = NULL}};
	struct space *space =
		made(ops, &(struct kit_request){.restrictions = by_type, .uniform = "a.algorithm"});

	cr_expect_eq(space->note_count, 0);
	expect_text(kit_choices_text(space, 0), "S:asym/* S:sym/* fp32");
	space_destroy(space);
	space = made(ops, &(struct kit_request){.restrictions = by_name, .uniform = "a.algorithm"});
	expect_text(kit_choices_text(space, 0), "S:sym/minmax fp32");
	cr_assert_eq(space->note_count, 1);
	cr_expect_str_eq(space->notes[0].pointer, "/name/b/activation/algorithm");
	cr_expect_not_null(strstr(space->notes[0].detail, "all operators in static"));
	space_destroy(space);
}

/* Two that differ in what no operator uses are one. */
Test(uniform, what_no_operator_uses_makes_no_difference)
{
	struct space *space = made(
		ops, &(struct kit_request){.approach = APPROACH_AUTO, .uniform = "a.algorithm"});
	const uint16_t none[] = {3, 2, 0, 0, 0, 0}, idle[] = {3, 2, 0, 0, 1, 1};
	const uint16_t one[] = {2, 2, 0, 0, 1, 1};
	const struct config_change changes[] = {{0, 2}, {1, 2}, {4, 1}, {5, 1}};
	struct config *a = config_create(space, none), *b = config_create(space, idle);
	struct config *c = config_create(space, one);
	struct config *d = config_from_changes(space, changes, 4);

	cr_expect(config_equal(a, b));
	cr_expect(config_equal(c, d));
	cr_expect_eq(c->count, 3);
	cr_expect_eq(config_choice(c, 4), 0);
	cr_expect_eq(config_choice(c, 5), 1);
	cr_expect(config_uses(c, space, MODE_DYNAMIC));
	cr_expect_not(config_uses(c, space, MODE_STATIC));
	config_destroy(a);
	config_destroy(b);
	config_destroy(c);
	config_destroy(d);
	space_destroy(space);
}

/* The list is INC's for the same operators without those in which two differ in the option. */
Test(uniform, combos_are_those_that_agree)
{
	static const struct kit_op alike[] = {
		{"a", "Conv2d", "static a.scheme=asym,sym a.algorithm=kl,minmax; fp32"},
		{"b", "MatMul", "static a.algorithm=kl,minmax w.granularity=pc,pt; fp32"},
		{"d", "Relu", "static a.scheme=asym,sym; fp32"},
		{.name = NULL}};
	struct space *plain = made(alike, &(struct kit_request){0});
	struct space *space = made(alike, &(struct kit_request){.uniform = "a.algorithm"});
	struct combos all, combos;
	uint64_t number = 0;

	combos_init(&all, plain);
	combos_init(&combos, space);
	cr_expect_eq(all.count, 32);
	cr_assert_eq(combos.count, 16);
	for (uint64_t n = 0; n < all.count; n++) {
		uint16_t choices[4] = {0}, shared[5] = {0};
		const struct choice *a, *b;
		struct config *config;
		char *text;

		combos_choices(&all, n, choices);
		a = &space_kind(plain, 0)->choices[choices[0]];
		b = &space_kind(plain, 1)->choices[choices[1]];
		if (a->options[ITEM_ACTIVATION_ALGORITHM] !=
		    b->options[ITEM_ACTIVATION_ALGORITHM]) {
			continue;
		}
		config = config_create(plain, choices);
		text = kit_config_text(plain, config);
		config_destroy(config);
		combos_choices(&combos, number++, shared);
		expect_config(space, config_create(space, shared), text);
		free(text);
	}
	cr_expect_eq(number, 16);
	combos_finish(&all);
	combos_finish(&combos);
	space_destroy(plain);
	space_destroy(space);
}

/* The op-wise product has what the default modes use, the full one all of it. */
Test(uniform, products_have_them)
{
	struct space *space = made(
		ops, &(struct kit_request){.approach = APPROACH_AUTO, .uniform = "a.algorithm"});
	struct product product;

	product_init(&product, space);
	cr_expect_eq(product.size, 8);
	expect_config(space, product_at(&product, 0), "S:asym/kl S:kl/pc fp32");
	expect_config(space, product_at(&product, 4), "S:asym/minmax S:minmax/pc fp32");
	product_finish(&product);
	product_init_full(&product, space);
	cr_expect_eq(product.size, 48);
	product_finish(&product);
	space_destroy(space);
}
