/*
 * base/json: what is refused before it is parsed, and where a fault is said to be.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_budget.h"
#include "base/mem.h"

static const struct json_limits limits = {.max_bytes = 200, .max_depth = 4, .max_values = 12};

static json_t *parse(const char *text, struct err *err)
{
	err_init(err);
	return json_parse(text, strlen(text), &limits, err);
}

Test(json, refuses_what_is_malformed_or_over_a_limit)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{"", ERR_INVALID_JSON},
		{"[]", ERR_INVALID_JSON},
		{"1", ERR_INVALID_JSON},
		{"{", ERR_INVALID_JSON},
		{"{}x", ERR_INVALID_JSON},
		{"{\"a\":1,\"a\":2}", ERR_INVALID_JSON},
		{"{\"a\":NaN}", ERR_INVALID_JSON},
		{"{\"a\":1e999}", ERR_INVALID_JSON},
		{"{\"a\":\"\xC0\xAF\"}", ERR_INVALID_JSON},
		{"{\"a\":[[[[0]]]]}", ERR_TOO_DEEP},
		{"{\"a\":[0,0,0,0,0,0,0,0,0,0,0]}", ERR_TOO_MANY_VALUES},
	};
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_null(parse(cases[i].text, &err), "%s", cases[i].text);
		cr_assert_eq(err.code, cases[i].code, "%s: %s", cases[i].text, err.message);
		cr_assert_gt(strlen(err.message), 0);
	}
}

Test(json, limits_count_the_text_not_the_strings_in_it)
{
	struct err err;
	json_t *value = parse("{\"a\":\"[[[[[[,,,,,,,,,,,,,,\\\"[[[\"}", &err);
	char big[300];

	cr_assert_not_null(value, "%s", err.message);
	json_decref(value);
	memset(big, ' ', sizeof(big));
	memcpy(big, "{}", 2);
	cr_assert_null(json_parse(big, sizeof(big), &limits, &err));
	cr_assert_eq(err.code, ERR_TOO_LARGE);
}

enum { REAL_SIZE = 64 };

/* What jansson prints, and where that is long, the fewest digits that read back the same. */
static void print_as_jansson(const json_t *real, char *ret)
{
	size_t length = json_dumpb(real, ret, REAL_SIZE - 1, JSON_ENCODE_ANY);
	double value = json_real_value(real);
	char shorter[REAL_SIZE / 2];

	ret[length] = '\0';
	for (int digits = 15; digits < 17 && length > 17; digits++) {
		(void)snprintf(shorter, sizeof(shorter), "%.*g", digits, value);
		if (strtod(shorter, NULL) == value && strlen(shorter) < length) {
			(void)snprintf(ret, REAL_SIZE, "%s%s", shorter,
				       strpbrk(shorter, ".e") != NULL ? "" : ".0");
			break;
		}
	}
}

static void expect_text_of_jansson(double number)
{
	json_t *real = json_real(number);
	char *text = json_text(real), expected[REAL_SIZE];

	print_as_jansson(real, expected);
	cr_assert_str_eq(text, expected, "%a", number);
	free(text);
	json_decref(real);
}

/* Logs and documents that were written before are compared by their bytes. */
Test(json, reals_are_written_as_ever)
{
	static const double ends[] = {0.0,
				      -0.0,
				      1e-4,
				      1e-5,
				      0.00098,
				      9.9e-4,
				      8e9,
				      9.5e9,
				      1e9,
				      999999999.999999,
				      1e15,
				      1e17,
				      0.5,
				      1e300,
				      5e-324,
				      9007199254740993.,
				      9e15,
				      1e21,
				      9.75,
				      8.9e12,
				      0.30000000000000004};
	uint64_t state = 1;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		expect_text_of_jansson(ends[i]);
		expect_text_of_jansson(-ends[i]);
		expect_text_of_jansson(nextafter(ends[i], 1e308));
		expect_text_of_jansson(nextafter(ends[i], -1e308));
	}
	for (int i = 0; i < 20000; i++) {
		double whole, places = pow(10, i % 13 - 2), number;

		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		whole = (double)(state >> (16 + i % 47));
		number = whole / places;
		expect_text_of_jansson(number);
		expect_text_of_jansson(nextafter(number, 1e308));
		expect_text_of_jansson(-number * 1e-7);
	}
}

Test(json, texts_of_all_kinds_are_those_of_jansson)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"a\":{},\"b\":[[],[{}]],\"c\":null}",
		"[true,false,null,0,-1,10]",
		"[9223372036854775807,-9223372036854775808,-9]",
		"[\"\",\"a\"]",
		"{\"\\n\":\"\\b\\t\\f\\r\\\"\\\\/\\u0001\\u001f\\u007f\"}",
		"[\"\\u00e4\\u20ac\\ud83d\\ude00 \\u0080\"]",
		"{\"z\":1,\"a\":2,\"m\":{\"y\":1,\"b\":2}}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = json_loads(texts[i], 0, NULL);
		char *text = json_text(value);
		char *expected = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		cr_assert_not_null(value, "%s", texts[i]);
		cr_expect_str_eq(text, expected);
		free(text);
		free(expected);
		json_decref(value);
	}
	cr_assert_null(json_text(NULL));
}

Test(json, text_reads_back_to_the_same_number)
{
	json_t *value = json_pack("{s:f}", "x", 0.1);
	char *text = json_text(value);
	struct err err;
	json_t *again = parse(text, &err);

	cr_assert_not_null(again);
	cr_assert(json_real_value(json_object_get(again, "x")) == 0.1);
	free(text);
	json_decref(again);
	json_decref(value);
}

/* What is counted comes back, or after as much text as the budget is large nothing would be parsed any more. */
Test(json, texts_are_not_counted_as_trees)
{
	json_t *value;
	size_t before;
	char *text, *sorted;

	json_setup();
	value = json_pack("{s:s, s:f}", "name", "a", "x", 0.1);
	before = json_budget_used();
	cr_assert_gt(before, 0);
	text = json_text(value);
	sorted = json_text_sorted(value);
	cr_assert_eq(json_budget_used(), before);
	cr_assert_str_eq(text, "{\"name\":\"a\",\"x\":0.1}");
	free(text);
	free(sorted);
	json_decref(value);
	cr_assert_eq(json_budget_used(), 0);
}

Test(json, a_member_is_found_in_a_text)
{
	static const struct {
		const char *object, *expected;
	} cases[] = {
		{"{\"config\":[[1,2],[3,4]],\"a\":1}", "[[1,2],[3,4]]"},
		{"{\"a\":{\"config\":1},\"b\":\"\\\"config\\\":2\",\"config\":null}", "null"},
		{"{\"a\":\"}]\",\"config\":\"x\\\\\"}", "\"x\\\\\""},
		{"{\"configs\":1,\"confi\":2}", NULL},
		{"{}", NULL},
		/* What is no JSON is not read beyond its end. */
		{"", NULL},
		{"{\"config", NULL},
		{"{\"config\":", NULL},
		{"{\"a\":\"\\", NULL},
		{"{\"config\":[[1,", "[[1,"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = 0;
		const char *found = json_text_member(cases[i].object, "config", &length);

		if (cases[i].expected == NULL) {
			cr_assert_null(found);
		} else {
			cr_assert_eq(length, strlen(cases[i].expected));
			cr_assert_eq(strncmp(found, cases[i].expected, length), 0);
		}
	}
}

Test(json, getters_return_what_is_there)
{
	static const char *const colours[] = {"red", "green", NULL};
	struct err err;
	json_t *value =
		parse("{\"b\":true,\"i\":7,\"r\":2,\"s\":\"x\",\"c\":\"green\",\"n\":null}", &err);
	struct json_at root = json_root(value, &err);
	struct json_at b = json_member(&root, "b"), i = json_member(&root, "i");
	struct json_at r = json_member(&root, "r"), s = json_member(&root, "s");
	struct json_at c = json_member(&root, "c"), n = json_member(&root, "n");

	cr_assert(json_bool(&b, false));
	cr_assert_eq(json_int(&i, 0, 7, 7), 7);
	cr_assert(json_real_in(&r, 0, 0, 2) == 2.0);
	cr_assert_str_eq(json_string_in(&s, "", 1), "x");
	cr_assert_eq(json_choice(&c, 0, colours), 1);
	cr_assert_eq(json_int(&n, -5, 0, 1), -5);
	cr_assert(json_is_object_at(&root));
	cr_assert_eq(err.fault_count, 0);
	json_decref(value);
}

Test(json, every_fault_is_reported_with_its_pointer)
{
	static const char *const allowed[] = {"a", "list", NULL};
	static const char *const colours[] = {"red", "green", NULL};
	static const char *const expected[] = {"/x~1y~0", "/a",      "/list/1", "/list/0",
					       "/list/0", "/list/0", "/list",   "/absent"};
	struct err err;
	json_t *value = parse("{\"a\":9,\"list\":[\"\\u0001\",\"\"],\"x/y~\":0}", &err);
	struct json_at root = json_root(value, &err);
	struct json_at a = json_member(&root, "a"), list = json_member(&root, "list");
	struct json_at zero = json_item(&list, 0), one = json_item(&list, 1);
	struct json_at absent = json_member(&root, "absent");

	json_only(&root, allowed);
	cr_assert_eq(json_int(&a, 3, 0, 8), 3);
	cr_assert_str_eq(json_string_in(&one, "kept", 10), "kept");
	cr_assert_str_eq(json_string_in(&zero, "kept", 10), "kept");
	cr_assert_eq(json_choice(&zero, -1, colours), -1);
	cr_assert_not(json_bool(&zero, false));
	cr_assert_not(json_is_array_at(&list, 1));
	cr_assert_not(json_required(&absent));
	cr_assert_eq(err.fault_count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < err.fault_count; i++) {
		cr_assert_str_eq(err.faults[i].pointer, expected[i]);
	}
	json_decref(value);
}

Test(json, pointers_never_outgrow_their_buffer)
{
	char *key = mem_new(2 * ERR_POINTER_MAX, 1);
	char pointer[ERR_POINTER_MAX];
	struct err err;
	struct json_at root = json_root(NULL, &err);
	struct json_at member, item, deeper;

	memset(key, '~', 2 * ERR_POINTER_MAX - 1);
	member = json_member(&root, key);
	item = json_item(&member, 12345678);
	deeper = json_member(&item, key);
	cr_assert_lt(strlen(json_pointer(&deeper, pointer)), ERR_POINTER_MAX);
	cr_assert_eq(pointer[0], '/');
	free(key);
}

Test(json, text_has_the_digits_that_are_needed_and_no_more)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"{\"a\":0.9}", "{\"a\":0.9}"},
		{"{\"a\":[0.1,-0.30000000000000004]}", "{\"a\":[0.1,-0.30000000000000004]}"},
		{"{\"a\":100.0,\"b\":1e300}", "{\"a\":100.0,\"b\":1e+300}"},
		{"{\"a\":9223372036854775807}", "{\"a\":9223372036854775807}"},
		{"{\"0.90000000000000002\":\"\\\"0.90000000000000002\"}",
		 "{\"0.90000000000000002\":\"\\\"0.90000000000000002\"}"},
		{"{\"a\":0.69599999999999995}", "{\"a\":0.696}"},
	};
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = parse(cases[i].text, &err);
		char *text = json_text(value);

		cr_expect_str_eq(text, cases[i].expected);
		free(text);
		json_decref(value);
	}
}
