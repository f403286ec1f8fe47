/* What plug-ins are lent: it must say what the space says. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "space_kit.h"
#include "strategies/interface/host.h"

static const struct strategy_host *const host = &host_functions;

static struct space *space;

static void make_space(void)
{
	static const struct kit_op ops[] = {
		{"a", "Conv2d", "static a.scheme=asym,sym w.dtype=int8; bf16; fp32"},
		{"b", "Relu", "fp32"},
		{.name = NULL}};
	struct err err;

	space = kit_space(ops, &(struct kit_request){.sizes = 3}, &err);
	cr_assert_not_null(space, "%s", err.message);
}

static void drop_space(void)
{
	space_destroy(space);
}

TestSuite(host, .init = make_space, .fini = drop_space);

static const char *option(uint16_t choice, const char *attribute, const char *name)
{
	const uint16_t choices[] = {choice, 0, 0};

	return host->choice_option(space, 0, choices, attribute, name);
}

Test(host, reads_the_space)
{
	cr_expect_eq(host->op_count(space), 2);
	cr_expect_eq(host->dimension_count(space), 3);
	cr_expect_eq(host->choice_count(space, 0), 4);
	cr_expect_eq(host->choice_count(space, 1), 1);
	cr_expect_eq(host->choice_count(space, 2), 3);
	cr_expect_str_eq(host->op_name(space, 1), "b");
	cr_expect_str_eq(host->op_type(space, 1), "Relu");
	cr_expect_str_eq(host->choice_mode(space, 0, 1), "static");
	cr_expect_str_eq(host->choice_mode(space, 0, 2), "bf16");
	cr_expect(host->choice_is_quantized(space, 0, 1));
	cr_expect_not(host->choice_is_quantized(space, 0, 2));
	cr_expect_str_eq(option(0, "activation", "scheme"), "asym");
	cr_expect_str_eq(option(1, "activation", "scheme"), "sym");
	cr_expect_str_eq(option(1, "weight", "dtype"), "int8");
	cr_expect_null(option(1, "weight", "scheme"));
	cr_expect_null(option(2, "activation", "scheme"));
}

Test(host, says_what_is_known)
{
	cr_expect(isnan(host->known_latency_ms(space, 0, 0)));
	cr_expect(isnan(host->known_score(space, 0, 0)));
	space->capability.latency_ms = calloc(2 * (size_t)MODE_COUNT, sizeof(double));
	space->capability.score = calloc(2 * (size_t)MODE_COUNT, sizeof(double));
	space->capability.latency_ms[MODE_BF16] = 1.5;
	space->capability.score[MODE_STATIC] = 0.25;
	cr_expect_eq(host->known_latency_ms(space, 0, 2), 1.5);
	cr_expect_eq(host->known_score(space, 0, 1), 0.25);
	cr_expect(isnan(host->known_size_bytes(space, 0, 1)));
}

/* A plug-in sees all operators, and which dimension has their choice. */
Test(host, has_one_dimension_for_what_is_tied)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", "bf16; fp32"},
					    {"b", "Conv2d", "bf16; fp32"},
					    {"c", "Linear", "bf16; fp32"},
					    {.name = NULL}};
	static const uint32_t groups[][KIT_TIED] = {{0, 2}};
	struct err err;
	struct space *tied =
		kit_space(ops, &(struct kit_request){.tied = groups, .tied_count = 1}, &err);

	cr_assert_not_null(tied, "%s", err.message);
	cr_expect_eq(host->op_count(tied), 3);
	cr_expect_eq(host->dimension_count(tied), 3);
	cr_expect_eq(host->op_dimension(tied, 0), 0);
	cr_expect_eq(host->op_dimension(tied, 1), 1);
	cr_expect_eq(host->op_dimension(tied, 2), 0);
	cr_expect_str_eq(host->op_name(tied, 2), "c");
	cr_expect_str_eq(host->op_type(tied, 2), "Linear");
	cr_expect_str_eq(host->choice_mode(tied, 2, 1), "fp32");
	space_destroy(tied);
}

Test(host, makes_configs_of_the_space_only)
{
	static const uint16_t good[] = {2, 0, 1}, bad[] = {0, 1, 0};
	struct config *a = host->config_create(space, good);
	struct config *b = host->config_create(space, good);

	cr_assert_not_null(a);
	cr_expect(host->config_equal(a, b));
	cr_expect_eq(host->config_choice(a, 0), 2);
	cr_expect_eq(host->config_choice(a, 2), 1);
	cr_expect_null(host->config_create(space, bad));
	host->config_destroy(a);
	host->config_destroy(b);
}

Test(host, fails_in_the_words_of_the_plugin)
{
	struct err err;

	cr_expect_eq(host->fail(&err, "%d is too much", 7), -(int)ERR_INVALID_FIELD);
	cr_expect_str_eq(err.message, "7 is too much");
}
