/*
 * api/http/header: the small languages inside header fields.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/header.h"

Test(header, entity_tags)
{
	static const struct {
		const char *field;
		bool weak_too, strong;
	} cases[] = {
		{NULL, false, false},
		{"", false, false},
		{"*", true, true},
		{"\"7\"", true, true},
		{"\"6\", \"7\"", true, true},
		{"\"6\",W/\"7\"", true, false},
		{"W/\"6\" , \"7\"", true, true},
		{"\"17\"", false, false},
		{"\"a,\"7\"", false, false},
		{"7", false, false},
		{"\"7", false, false},
		{"\"6\", *", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(header_has_tag(cases[i].field, "\"7\"", false), cases[i].weak_too,
			     "%s", cases[i].field);
		cr_assert_eq(header_has_tag(cases[i].field, "\"7\"", true), cases[i].strong, "%s",
			     cases[i].field);
	}
}

Test(header, preferred_wait)
{
	static const struct {
		const char *field;
		unsigned seconds;
	} cases[] = {
		{NULL, 0},
		{"", 0},
		{"wait=5", 5},
		{"Wait = 5", 5},
		{"respond-async, wait=20", 20},
		{"wait=26", 25},
		{"wait=99999999999999999999", 25},
		{"wait=-1", 0},
		{"wait=soon", 0},
		{"wait", 0},
		{"await=5", 0},
		{"waiting=5", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(header_wait_s(cases[i].field, 25), cases[i].seconds, "%s",
			     cases[i].field);
	}
}

Test(header, media_ranges)
{
	static const struct {
		const char *field;
		bool json, stream, stream_first;
	} cases[] = {
		{NULL, true, true, false},
		{"", true, true, false},
		{"*/*", true, true, false},
		{"application/json", true, false, false},
		{"APPLICATION/JSON;charset=utf-8", true, false, false},
		{"application/*", true, false, false},
		{"text/event-stream", false, true, true},
		{"text/event-stream, */*", true, true, true},
		{"text/event-stream;q=0.5, application/json", true, true, false},
		{"text/event-stream, application/json; q=0.5", true, true, true},
		{"*/*, application/json;q=0", false, true, true},
		{"text/html, image/*", false, false, false},
		{"application/jsonp", false, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *field = cases[i].field;

		cr_assert_eq(header_accepts(field, "application/json"), cases[i].json, "%s", field);
		cr_assert_eq(header_accepts(field, "text/event-stream"), cases[i].stream, "%s",
			     field);
		cr_assert_eq(header_prefers(field, "text/event-stream", "application/json"),
			     cases[i].stream_first, "%s", field);
	}
}

Test(header, idempotency_keys)
{
	char longest[128 + 1], too_long[129 + 1];
	char *key;

	memset(longest, 'k', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(too_long, 'k', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	key = header_key("\"a-1\"");
	cr_assert_str_eq(key, "a-1");
	free(key);
	key = header_key("a-1");
	cr_assert_str_eq(key, "a-1");
	free(key);
	key = header_key(longest);
	cr_assert_str_eq(key, longest);
	free(key);
	cr_assert_null(header_key(too_long));
	cr_assert_null(header_key(""));
	cr_assert_null(header_key("\"\""));
	cr_assert_null(header_key("two words"));
	cr_assert_null(header_key("a\"b"));
	cr_assert_null(header_key("\xC3\xA4"));
}

Test(header, codings_by_weight)
{
	static const char *const taken[] = {
		"gzip",
		"GZip;q=0.1",
		"br, gzip",
		"*",
		"deflate;q=1, *;q=0.5",
		"gzip;q=0.5, identity;q=0.5",
		"identity;q=0, gzip",
	};
	static const char *const not_taken[] = {
		"",
		"identity",
		"br",
		"gzip;q=0",
		"gzip;q=0, *",
		"xgzip",
		"*;q=0",
		"gzip;q=0.5, identity",
	};

	cr_expect_not(header_takes_coding(NULL, "gzip"));
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		cr_expect(header_takes_coding(taken[i], "gzip"), "%s", taken[i]);
	}
	for (size_t i = 0; i < sizeof(not_taken) / sizeof(not_taken[0]); i++) {
		cr_expect_not(header_takes_coding(not_taken[i], "gzip"), "%s", not_taken[i]);
	}
}

Test(header, the_tag_of_an_answer_in_gzip_is_that_of_the_answer)
{
	cr_expect(header_has_tag("\"12-gzip\"", "\"12\"", true));
	cr_expect(header_has_tag("\"a\", W/\"12-gzip\"", "\"12\"", false));
	cr_expect_not(header_has_tag("\"1-gzip\"", "\"12\"", false));
	cr_expect_not(header_has_tag("\"-gzip\"", "\"12\"", false));
	cr_expect_not(header_has_tag("\"12-gzi\"", "\"12\"", false));
}
