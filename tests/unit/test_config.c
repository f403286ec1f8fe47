/*
 * space/config: equal configs are equal however they were made, and nothing outside of the
 * space is a config.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "space_kit.h"

static struct space *space;

/* Choices: 5 (3 quantized), 3 (2 quantized), 1, and two calibration sizes. */
static void setup(void)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=x,y,z; bf16; fp32"},
		{"b", "Linear", "static a.scheme=x,y; fp32"},
		{"c", "Relu", "fp32"},
		{.name = NULL},
	};
	struct err err;

	space = kit_space(ops, &(struct kit_request){.sizes = 2}, &err);
	cr_assert_not_null(space, "%s", err.message);
}

static void teardown(void)
{
	space_destroy(space);
}

TestSuite(config, .init = setup, .fini = teardown);

Test(config, is_what_differs_from_the_default)
{
	static const uint16_t choices[] = {4, 0, 0, 1};
	uint16_t back[4];
	struct config *config = config_create(space, choices);
	char *text = kit_config_text(space, config);

	cr_expect_eq(config->count, 2);
	cr_expect_str_eq(text, "fp32 S:x fp32 @200", "%s", text);
	config_expand(config, space, back);
	cr_expect_arr_eq(back, choices, sizeof(choices));
	for (size_t d = 0; d < 4; d++) {
		cr_expect_eq(config_choice(config, d), choices[d], "dimension %zu", d);
	}
	free(text);
	config_destroy(config);
	config_destroy(NULL);
}

Test(config, does_not_depend_on_how_it_was_made)
{
	static const uint16_t choices[] = {2, 1, 0, 1};
	static const struct config_change changes[] = {{3, 1}, {0, 2}, {1, 1}};
	struct config *a = config_create(space, choices);
	struct config *b = config_from_changes(space, changes, 3);
	struct config *c = config_copy(b);
	struct config *d = config_from_changes(space, changes, 2);
	struct config *none = config_from_changes(space, NULL, 0);

	cr_assert_not_null(b);
	cr_expect(config_equal(a, b) && config_equal(b, c) && a->hash == c->hash);
	cr_expect(!config_equal(a, d) && a->hash != d->hash);
	cr_expect(!config_equal(d, none) && none->count == 0);
	config_destroy(a);
	config_destroy(b);
	config_destroy(c);
	config_destroy(d);
	config_destroy(none);
}

Test(config, outside_of_the_space_there_is_none)
{
	static const struct config_change wrong[][2] = {
		{{0, 1}, {4, 1}},          /* no such dimension */
		{{0, 1}, {UINT32_MAX, 1}}, /* nor this one */
		{{0, 1}, {1, 3}},          /* no such choice */
		{{0, 1}, {2, 1}},          /* the only choice is 0 */
		{{0, 1}, {1, 0}},          /* the default is no change */
		{{0, 1}, {0, 1}},          /* twice */
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_expect_null(config_from_changes(space, wrong[i], 2), "case %zu", i);
	}
}

Test(config, distinct_configs_have_distinct_hashes)
{
	uint64_t hashes[5 * 3 * 2];
	size_t count = 0;

	for (uint16_t i = 0; i < 5 * 3 * 2; i++) {
		const uint16_t choices[] = {i % 5, i / 5 % 3, 0, i / 15};
		struct config *config = config_create(space, choices);

		for (size_t k = 0; k < count; k++) {
			cr_expect_neq(hashes[k], config->hash);
		}
		hashes[count++] = config->hash;
		config_destroy(config);
	}
}

Test(config, counts_operators_that_fell_back)
{
	static const struct {
		uint16_t choices[4];
		size_t expected;
	} cases[] = {
		{{0, 0, 0, 0}, 0}, {{2, 1, 0, 1}, 0}, {{3, 0, 0, 0}, 1},
		{{4, 2, 0, 0}, 2}, {{1, 2, 0, 1}, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = config_create(space, cases[i].choices);

		cr_expect_eq(config_fallbacks(config, space), cases[i].expected, "case %zu", i);
		config_destroy(config);
	}
}
