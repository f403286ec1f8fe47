/*
 * space/space, kind, restrict, pattern: what a capability and a user's configuration leave to
 * each operator, what is reported, and how the space counts and names itself.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space_kit.h"
#include "space/pattern.h"

#define CONV        "static a.scheme=asym,sym a.algorithm=kl,minmax; bf16; fp32"
#define ALL_OF_CONV "S:asym/kl S:asym/minmax S:sym/kl S:sym/minmax bf16 fp32"
#define TYPED       "static a.dtype=uint8 w.dtype=int8; static a.dtype=int8 w.dtype=int4; bf16; fp32"

static struct space *made(const struct kit_op *ops, const struct kit_request *request)
{
	struct err err;
	struct space *space = kit_space(ops, request, &err);

	cr_assert_not_null(space, "%s", err.message);
	return space;
}

static void expect_choices(const struct space *space, size_t op, const char *expected,
			   const char *what)
{
	char *text = kit_choices_text(space, op);

	cr_expect_str_eq(text, expected, "%s: %s", what, text);
	free(text);
}

Test(space, choices_are_enumerated_best_mode_first_and_last_item_fastest)
{
	static const struct {
		enum approach approach;
		bool no_bf16;
		const char *modes, *expected;
	} cases[] = {
		{APPROACH_STATIC, false, CONV, ALL_OF_CONV},
		{APPROACH_STATIC, true, CONV, "S:asym/kl S:asym/minmax S:sym/kl S:sym/minmax fp32"},
		{APPROACH_DYNAMIC, false, CONV, "bf16 fp32"},
		{APPROACH_STATIC, false, "dynamic a.scheme=asym; static a.scheme=sym; fp32",
		 "S:sym fp32"},
		{APPROACH_AUTO, false, "dynamic a.scheme=asym; fp32; static a.scheme=sym",
		 "S:sym D:asym fp32"},
		{APPROACH_QAT, false, "static a.scheme=sym; fp32", "S:sym fp32"},
		{APPROACH_WEIGHT_ONLY, false,
		 "weight_only w.bits=4,8 w.group_size=32 w.dtype=int,nf4; static a.scheme=sym; "
		 "fp32",
		 "W:4/32/int W:4/32/nf4 W:8/32/int W:8/32/nf4 fp32"},
		{APPROACH_STATIC, false, TYPED, "S:int8/uint8 S:int4/int8 bf16 fp32"},
		/* Only the first data type of a description counts, and fp32 is always there. */
		{APPROACH_STATIC, false, "static a.dtype=int8,uint8", "S:int8 fp32"},
		{APPROACH_DYNAMIC, false, "static a.scheme=sym; fp16; fp32", "fp16 fp32"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct kit_op ops[] = {{"x", "Conv2d", cases[i].modes}, {.name = NULL}};
		struct kit_request request = {.approach = cases[i].approach};
		struct space *space;

		request.exclude[MODE_BF16] = cases[i].no_bf16;
		space = made(ops, &request);
		expect_choices(space, 0, cases[i].expected, cases[i].modes);
		space_destroy(space);
	}
}

Test(space, restrictions_are_merged_item_by_item_and_applied_once)
{
	static const struct {
		const char *modes;
		struct kit_restriction restrictions[4];
		const char *expected;
	} cases[] = {
		{CONV, {{false, "Conv2d", "a.scheme=sym"}}, "S:sym/kl S:sym/minmax bf16 fp32"},
		/* The user's order is an order of preference. */
		{CONV,
		 {{false, "Conv2d", "a.scheme=sym,asym a.algorithm=kl"}},
		 "S:sym/kl S:asym/kl bf16 fp32"},
		{CONV,
		 {{false, "Conv2d", "a.scheme=sym"}, {true, "layer1", "a.algorithm=minmax"}},
		 "S:sym/minmax bf16 fp32"},
		{CONV,
		 {{false, "Conv2d", "a.scheme=sym"}, {true, "layer1", "a.scheme=asym"}},
		 "S:asym/kl S:asym/minmax bf16 fp32"},
		{CONV,
		 {{true, "layer.*", "a.scheme=sym"}, {true, "l.*1", "a.scheme=asym"}},
		 "S:asym/kl S:asym/minmax bf16 fp32"},
		/* A pattern matches in full and with respect to case. */
		{CONV,
		 {{false, "Conv", "a.scheme=sym"},
		  {false, "conv2d", "a.scheme=sym"},
		  {true, "ayer1", "a.scheme=sym"}},
		 ALL_OF_CONV},
		{CONV,
		 {{false, "Linear|Conv2d", "a.scheme=sym"}},
		 "S:sym/kl S:sym/minmax bf16 fp32"},
		/* A weight in fp32 means an operator in fp32, not in bf16. */
		{CONV, {{true, "layer1", "w.dtype=fp32"}}, "fp32"},
		{CONV, {{true, "layer1", "a.dtype=bf16"}}, "bf16"},
		{CONV, {{true, "layer1", "w.dtype=fp32 a.dtype=bf16"}}, "fp32"},
		/* A later entry for a name opens what a type closed. */
		{TYPED,
		 {{false, "Conv2d", "w.dtype=fp32"}, {true, "layer1", "w.dtype=int8"}},
		 "S:int8/uint8 bf16 fp32"},
		{TYPED, {{false, ".*", "w.dtype=int4"}}, "S:int4/int8 bf16 fp32"},
		{TYPED, {{false, ".*", "a.dtype=uint8"}}, "S:int8/uint8 bf16 fp32"},
		/* What is not offered is ignored. */
		{CONV, {{false, ".*", "a.scheme=other"}}, ALL_OF_CONV},
		{CONV, {{false, ".*", "a.scheme=other,sym"}}, "S:sym/kl S:sym/minmax bf16 fp32"},
		{CONV, {{false, ".*", "w.granularity=pc"}}, ALL_OF_CONV},
		{CONV, {{false, ".*", "w.dtype=fp16"}}, ALL_OF_CONV},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct kit_op ops[] = {{"layer1", "Conv2d", cases[i].modes},
					     {"other", "Relu", "fp32"},
					     {.name = NULL}};
		char what[32];
		struct space *space =
			made(ops, &(struct kit_request){.restrictions = cases[i].restrictions});

		(void)snprintf(what, sizeof(what), "case %zu", i);
		expect_choices(space, 0, cases[i].expected, what);
		expect_choices(space, 1, "fp32", what);
		space_destroy(space);
	}
}

Test(space, what_was_ignored_is_noted_once)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", CONV},
					    {"b", "Conv2d", CONV},
					    {"c", "Conv3d", CONV},
					    {.name = NULL}};
	static const struct kit_restriction restrictions[] = {
		{false, "Conv.*", "a.scheme=sym,other"},
		{false, "Gemm", "a.scheme=sym"},
		{true, "[ab]", "a.algorithm=kl"},
		{true, "c", "a.algorithm=other"},
		{.pattern = NULL},
	};
	static const struct {
		const char *pointer, *detail;
	} expected[] = {
		{"/type/Conv.*/activation/scheme", "\"other\" is not in the capability"},
		{"/name/c/activation/algorithm", "\"other\" is not in the capability"},
		{"/type/Gemm", "the pattern matches no operator"},
	};
	struct space *space = made(ops, &(struct kit_request){.restrictions = restrictions});

	cr_assert_eq(space->note_count, 3, "%zu notes", space->note_count);
	for (size_t i = 0; i < 3; i++) {
		cr_expect_str_eq(space->notes[i].pointer, expected[i].pointer, "%s",
				 space->notes[i].pointer);
		cr_expect_not_null(strstr(space->notes[i].detail, expected[i].detail), "%s",
				   space->notes[i].detail);
	}
	space_destroy(space);
}

Test(space, a_malformed_pattern_is_a_fault_at_its_entry)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", CONV}, {.name = NULL}};
	static const struct kit_restriction restrictions[] = {
		{false, "Conv.*", "a.scheme=sym"},
		{false, "Conv(", "a.scheme=sym"},
		{true, "[z-a]", "a.scheme=sym"},
		{.pattern = NULL},
	};
	struct err err;

	cr_assert_null(kit_space(ops, &(struct kit_request){.restrictions = restrictions}, &err));
	cr_assert_eq(err.code, ERR_INVALID_FIELD);
	cr_assert_eq(err.fault_count, 2);
	cr_expect_str_eq(err.faults[0].pointer, "/type/Conv(");
	cr_expect_str_eq(err.faults[1].pointer, "/name/[z-a]");
	cr_expect_not_null(strstr(err.faults[0].detail, "at byte 5"), "%s", err.faults[0].detail);
}

/* 2^40 ways to match; without a limit this test would not end. */
Test(space, a_catastrophic_pattern_is_given_up_and_noted)
{
	static const struct kit_op ops[] = {
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc", "Conv2d", CONV}, {.name = NULL}};
	static const struct kit_restriction restrictions[] = {{true, "(a+)+b", "a.scheme=sym"},
							      {.pattern = NULL}};
	struct pattern *pattern = pattern_create("(a+)+b", NULL);
	struct space *space = made(ops, &(struct kit_request){.restrictions = restrictions});

	cr_expect_eq(pattern_match(pattern, ops[0].name), -1);
	cr_expect_eq(pattern_match(pattern, "aab"), 1);
	cr_expect_eq(pattern_match(pattern, "aac"), 0);
	expect_choices(space, 0, ALL_OF_CONV, "as if it did not match");
	cr_assert_geq(space->note_count, 1);
	cr_expect_not_null(strstr(space->notes[0].detail, "takes too long"));
	pattern_destroy(pattern);
	space_destroy(space);
}

Test(space, an_operator_with_too_many_choices_is_refused)
{
	static const char *const numbers = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15";
	struct err err;
	char modes[400];
	struct kit_op ops[] = {{"a", "Conv2d", modes}, {.name = NULL}};

	(void)snprintf(
		modes, sizeof(modes),
		"static a.scheme=%s a.algorithm=%s a.granularity=%s w.scheme=%s w.algorithm=x,y",
		numbers, numbers, numbers, numbers);
	cr_assert_null(kit_space(ops, &(struct kit_request){0}, &err));
	cr_expect_eq(err.code, ERR_INVALID_FIELD);
}

static struct space *row_of_ops(size_t count, size_t sizes)
{
	struct kit_op *ops = mem_new(count + 1, sizeof(*ops));
	struct space *space;

	for (size_t i = 0; i < count; i++) {
		ops[i] = (struct kit_op){mem_printf("op%zu", i), "Conv2d",
					 "static a.scheme=asym,sym; bf16; fp32"};
	}
	space = made(ops, &(struct kit_request){.sizes = sizes});
	for (size_t i = 0; i < count; i++) {
		free((char *)ops[i].name);
	}
	free(ops);
	return space;
}

Test(space, size_is_an_exact_decimal)
{
	static const struct {
		size_t ops, sizes;
		const char *expected;
	} cases[] = {
		{0, 0, "1"},
		{1, 0, "4"},
		{15, 0, "1073741824"},
		{100, 0, "1606938044258990275541962092341162602522202993782792835301376"},
		{100, 3, "4820814132776970826625886277023487807566608981348378505904128"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct space *space = row_of_ops(cases[i].ops, cases[i].sizes);
		char *text = space_size_text(space);

		cr_expect_str_eq(text, cases[i].expected, "%s", text);
		free(text);
		space_destroy(space);
	}
}

Test(space, many_alike_operators_share_one_kind)
{
	struct space *space = row_of_ops(20000, 2);
	char *text = space_size_text(space);

	cr_expect_eq(space->op_count, 20000);
	cr_expect_eq(space->dimension_count, 20001);
	cr_expect_eq(space->kind_count, 1);
	/* 2 * 4^20000 */
	cr_expect_eq(strlen(text), 12042);
	cr_expect_eq(strncmp(text, "31685207451461573", 17), 0, "%.20s", text);
	cr_expect_str_eq(text + strlen(text) - 20, "06669423770051018752");
	free(text);
	space_destroy(space);
}

Test(space, fingerprint_depends_on_what_is_tuned_and_on_nothing_else)
{
	static const struct kit_op variants[][4] = {
		{{"a", "Conv2d", CONV}, {"b", "Linear", CONV}, {.name = NULL}},
		{{"b", "Linear", CONV}, {"a", "Conv2d", CONV}, {.name = NULL}},
		{{"a", "Conv2d", CONV}, {"c", "Linear", CONV}, {.name = NULL}},
		{{"a", "Conv2d", CONV}, {"b", "Gemm", CONV}, {.name = NULL}},
		{{"a", "Conv2d", CONV}, {"b", "Linear", "fp32"}, {.name = NULL}},
		{{"a", "Conv2d", CONV},
		 {"b", "Linear", "static a.scheme=sym,asym; fp32"},
		 {.name = NULL}},
		{{"a", "Conv2d", CONV},
		 {"b", "Linear", "static a.scheme=asym,sym; fp32"},
		 {.name = NULL}},
		{{"a", "Conv2d", CONV}, {.name = NULL}},
		{{"a", "Conv2d", CONV},
		 {"b", "Conv2d", "fp32"},
		 {"c", "Conv2d", CONV},
		 {.name = NULL}},
		{{"a", "Conv2d", CONV},
		 {"b", "Conv2d", "fp32"},
		 {"c", "Conv2d", "fp32"},
		 {.name = NULL}},
	};
	static const struct kit_restriction nothing[] = {{true, "none", "a.scheme=new,sym"},
							 {.pattern = NULL}};
	enum { COUNT = sizeof(variants) / sizeof(variants[0]) };
	uint64_t prints[COUNT + 1];
	struct space *space = made(variants[0], &(struct kit_request){.sizes = 2});

	prints[COUNT] = space->fingerprint;
	space_destroy(space);
	for (size_t i = 0; i < COUNT; i++) {
		space = made(variants[i], &(struct kit_request){0});
		prints[i] = space->fingerprint;
		space_destroy(space);
	}
	for (size_t i = 0; i <= COUNT; i++) {
		for (size_t k = 0; k < i; k++) {
			cr_expect_neq(prints[i], prints[k], "%zu and %zu", i, k);
		}
	}
	space = made(variants[0], &(struct kit_request){.restrictions = nothing});
	cr_expect_eq(space->fingerprint, prints[0], "a restriction that matches nothing");
	space_destroy(space);
}

/* q, k and v are one; what follows them keeps its place, and lists name leaders once. */
Test(space, tied_operators_have_one_dimension)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", "fp32"},       {"q", "Linear", CONV},
					    {"b", "Conv2d", "bf16; fp32"}, {"k", "Linear", CONV},
					    {"v", "MatMul", CONV},         {.name = NULL}};
	static const uint32_t groups[][KIT_TIED] = {{1, 3, 4}};
	static const uint32_t leads[] = {0, 1, 2, 1, 1};
	struct space *plain = made(ops, &(struct kit_request){0});
	struct space *tied = made(ops, &(struct kit_request){.tied = groups, .tied_count = 1});
	char *difference = space_difference(plain, tied);
	char *size = space_size_text(tied);
	char *before, *after;
	struct buf buf;

	cr_expect_eq(plain->op_count, 5);
	cr_expect_eq(tied->op_count, 3);
	cr_expect_eq(tied->dimension_count, 4);
	cr_expect_eq(tied->member_count, 5);
	cr_expect_str_eq(size, "12");
	for (size_t m = 0; m < 5; m++) {
		cr_expect_str_eq(tied->members[m].name, ops[m].name);
		cr_expect_eq(tied->members[m].op, leads[m]);
		cr_expect_eq(space_follows(tied, m), m > 2);
		cr_expect_not(space_follows(plain, m));
	}
	cr_expect_str_eq(tied->ops[2].name, "b");
	cr_expect_str_eq(difference, "other operators are tied");
	buf_init(&buf, SIZE_MAX / 2);
	space_text(plain, &buf);
	before = buf_take(&buf, NULL);
	buf_init(&buf, SIZE_MAX / 2);
	space_text(tied, &buf);
	after = buf_take(&buf, NULL);
	cr_expect_null(strstr(before, "tied"), "%s", before);
	cr_expect_not_null(strstr(after, "tied 1 \"k\"\ntied 1 \"v\"\n"), "%s", after);
	free(before);
	free(after);
	free(size);
	free(difference);
	space_destroy(plain);
	space_destroy(tied);
}
