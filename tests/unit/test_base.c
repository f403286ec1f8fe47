/*
 * The small parts of base: errors, buffers, lists, numbers, time, ids, logs, secrets.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/library.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/secret.h"

Test(err, set_returns_the_negative_code_and_keeps_the_message)
{
	struct err err;

	err_init(&err);
	cr_assert_eq(err.code, ERR_OK);
	cr_assert_eq(err_set(&err, ERR_BUSY, "held by %d", 7), -(int)ERR_BUSY);
	cr_assert_eq(err.code, ERR_BUSY);
	cr_assert_str_eq(err.message, "held by 7");
	cr_assert_eq(err_prefix(&err, "%s", "lock"), -(int)ERR_BUSY);
	cr_assert_str_eq(err.message, "lock: held by 7");
}

Test(err, null_is_allowed_everywhere)
{
	cr_assert_eq(err_set(NULL, ERR_GONE, "x"), -(int)ERR_GONE);
	cr_assert_lt(err_prefix(NULL, "x"), 0);
	cr_assert_eq(err_fault(NULL, "/a", "x"), -(int)ERR_INVALID_FIELD);
}

Test(err, long_messages_are_cut_not_overrun)
{
	struct err err;

	(void)err_set(&err, ERR_INTERNAL, "%01000d", 1);
	cr_assert_eq(strlen(err.message), ERR_MESSAGE_MAX - 1);
	(void)err_prefix(&err, "%01000d", 2);
	cr_assert_eq(strlen(err.message), ERR_MESSAGE_MAX - 1);
}

Test(err, first_fault_is_the_message_and_the_count_goes_on)
{
	struct err err;

	err_init(&err);
	for (int i = 0; i < ERR_FAULTS_MAX + 5; i++) {
		char pointer[16];

		(void)snprintf(pointer, sizeof(pointer), "/a/%d", i);
		cr_assert_eq(err_fault(&err, pointer, "bad"), -(int)ERR_INVALID_FIELD);
	}
	cr_assert_eq(err.code, ERR_INVALID_FIELD);
	cr_assert_eq(err.fault_count, ERR_FAULTS_MAX + 5);
	cr_assert_str_eq(err.message, "/a/0: bad");
	cr_assert_str_eq(err.faults[ERR_FAULTS_MAX - 1].pointer, "/a/49");
}

Test(err, every_row_is_complete_and_names_are_unique)
{
	for (int a = ERR_OK + 1; a < ERR_COUNT_; a++) {
		int status = err_http_status((enum err_code)a);
		int code = err_exit_code((enum err_code)a);

		cr_assert(status >= 400 && status < 600, "%s", err_name((enum err_code)a));
		cr_assert(code >= 64 && code <= 78, "%s", err_name((enum err_code)a));
		cr_assert_gt(strlen(err_title((enum err_code)a)), 0);
		for (int b = a + 1; b < ERR_COUNT_; b++) {
			cr_assert_str_neq(err_name((enum err_code)a), err_name((enum err_code)b));
		}
	}
	cr_assert_str_eq(err_name((enum err_code)9999), "internal");
}

Test(buf, grows_and_stays_terminated)
{
	struct buf buf;

	buf_init(&buf, 100000);
	for (int i = 0; i < 5000; i++) {
		buf_printf(&buf, "%d,", i % 10);
	}
	buf_text(&buf, "end");
	cr_assert_not(buf.failed);
	cr_assert_eq(buf.length, 10003);
	cr_assert_eq(strlen(buf.bytes), buf.length);
	cr_assert_str_eq(buf.bytes + 9998, "9,end");
	buf_clear(&buf);
	cr_assert_str_empty(buf.bytes);
	buf_finish(&buf);
}

Test(buf, over_the_maximum_nothing_changes_any_more)
{
	struct buf buf;

	buf_init(&buf, 4);
	buf_text(&buf, "abcd");
	cr_assert_not(buf.failed);
	buf_text(&buf, "e");
	cr_assert(buf.failed);
	buf_text(&buf, "");
	buf_printf(&buf, "%d", 1);
	cr_assert_str_eq(buf.bytes, "abcd");
	cr_assert_null(buf_take_whole(&buf), "half of a text is none");
}

Test(buf, what_another_buffer_never_held_is_nothing)
{
	struct buf buf, empty;
	char *copy;

	buf_init(&buf, 10);
	buf_init(&empty, 10);
	buf_text(&buf, "a");
	buf_add(&buf, empty.bytes, empty.length);
	cr_assert_str_eq(buf.bytes, "a");
	copy = mem_dup_n(empty.bytes, empty.length);
	cr_assert_str_eq(copy, "");
	free(copy);
	buf_finish(&empty);
	buf_finish(&buf);
}

Test(buf, json_strings_are_escaped_and_repaired)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"q\" b\\", "\"q\\\" b\\\\\""},
		{"\n\x01\x7F", "\"\\u000a\\u0001\\u007f\""},
		{"\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80",
		 "\"\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80\""},
		{"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* overlong */
		{"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* surrogate */
		{"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* cut off */
		{"\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf buf;

		buf_init(&buf, 1000);
		buf_json_string(&buf, cases[i].text, strlen(cases[i].text));
		cr_assert_str_eq(buf.bytes, cases[i].expected);
		buf_finish(&buf);
	}
}

/* What printf makes of it is what is expected, in every range and next to where digits change. */
Test(buf, short_numbers_are_those_of_printf)
{
	static const double some[] = {0,      -0.0,         1,      -1,       0.1,     1e5,
				      999999, 999999.5,     1e6,    123456.5, 1234565, 9.999995,
				      0.0001, 9.9999949e-5, 1e-20,  1e-300,   1e300,   1e20,
				      2.5e-7, INFINITY,     100000, 1048576,  5e-324};
	struct rng rng = rng_make(11, RNG_SEARCH, 0);

	for (size_t i = 0; i < 20000; i++) {
		double value = i < sizeof(some) / sizeof(some[0])
				       ? some[i]
				       : (rng_unit(&rng) - 0.5) * pow(10, 60 * rng_unit(&rng) - 30);
		char expected[40];
		struct buf buf;

		(void)snprintf(expected, sizeof(expected), "%.6g", value);
		buf_init(&buf, 100);
		buf_short_number(&buf, value);
		cr_assert_str_eq(buf.bytes, expected);
		buf_finish(&buf);
	}
}

Test(buf, take_hands_the_bytes_over_even_when_empty)
{
	struct buf buf;
	size_t length = 9;
	char *bytes;

	buf_init(&buf, 10);
	bytes = buf_take(&buf, &length);
	cr_assert_str_empty(bytes);
	cr_assert_eq(length, 0);
	free(bytes);
	buf_text(&buf, "abc");
	bytes = buf_take(&buf, &length);
	cr_assert_str_eq(bytes, "abc");
	cr_assert_eq(length, 3);
	free(bytes);
	buf_finish(&buf);
}

struct item {
	int number;
	struct list node;
};

Test(list, keeps_order_and_survives_double_removal)
{
	struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	struct list head;
	struct list *node;

	list_init(&head);
	cr_assert(list_empty(&head));
	cr_assert_null(list_pop(&head));
	for (int i = 0; i < 3; i++) {
		list_append(&head, &items[i].node);
	}
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	cr_assert(list_empty(&items[1].node));
	node = list_pop(&head);
	cr_assert_eq(list_entry(node, struct item, node)->number, 0);
	node = list_pop(&head);
	cr_assert_eq(list_entry(node, struct item, node)->number, 2);
	cr_assert(list_empty(&head));
}

Test(mem, impossible_sizes_give_null_and_copies_are_exact)
{
	char *text = mem_dup_n("abcdef", 3);
	int *numbers = mem_new(4, sizeof(*numbers));

	cr_assert_str_eq(text, "abc");
	free(text);
	cr_assert(numbers[0] == 0 && numbers[3] == 0);
	numbers[3] = 5;
	numbers = mem_grow(numbers, 400, sizeof(*numbers));
	cr_assert_eq(numbers[3], 5);
	free(numbers);
	text = mem_printf("%d-%s", 4, "x");
	cr_assert_str_eq(text, "4-x");
	free(text);
	cr_assert_null(mem_try(SIZE_MAX / 2, 4));
}

Test(rng, values_are_promises)
{
	struct rng rng = rng_make(42, RNG_SEARCH, 7);
	struct rng again = rng_make(42, RNG_SEARCH, 7);

	/* Computed once; a change would make every stored job go on differently after an upgrade. */
	cr_assert_eq(rng_u64(&rng), UINT64_C(0xFAB4F9FC408F9858));
	cr_assert_eq(rng_u64(&rng), UINT64_C(0xF2FAE4E227334A95));
	cr_assert_eq(rng_mix(1), UINT64_C(0x5692161D100B05E5));
	(void)rng_u64(&again);
	(void)rng_u64(&again);
	cr_assert_eq(rng_u64(&again), rng_u64(&rng));
}

Test(rng, streams_numbers_and_seeds_are_apart)
{
	struct rng rngs[] = {
		rng_make(1, RNG_SEARCH, 0),
		rng_make(1, RNG_SEARCH, 1),
		rng_make(1, RNG_TIMING, 0),
		rng_make(2, RNG_SEARCH, 0),
	};
	uint64_t first[4];

	for (int i = 0; i < 4; i++) {
		first[i] = rng_u64(&rngs[i]);
		for (int k = 0; k < i; k++) {
			cr_assert_neq(first[i], first[k]);
		}
	}
}

Test(rng, below_and_unit_fill_their_ranges_evenly)
{
	enum { DRAWS = 70000, BINS = 7 };
	struct rng rng = rng_make(3, RNG_SEARCH, 0);
	int seen[BINS] = {0};
	double sum = 0;

	for (int i = 0; i < DRAWS; i++) {
		uint64_t value = rng_below(&rng, BINS);
		double unit = rng_unit(&rng);

		cr_assert_lt(value, BINS);
		cr_assert(unit >= 0 && unit < 1);
		seen[value]++;
		sum += unit;
	}
	for (int i = 0; i < BINS; i++) {
		cr_assert(seen[i] > 9500 && seen[i] < 10500, "bin %d: %d", i, seen[i]);
	}
	cr_assert(sum > 0.49 * DRAWS && sum < 0.51 * DRAWS);
	cr_assert_eq(rng_below(&rng, 1), 0);
}

Test(clock, formats_rfc_3339)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{1709208000007, "2024-02-29T12:00:00.007Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	char text[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_str_eq(clock_format(cases[i].ms, text), cases[i].text);
		cr_assert_eq(clock_parse(text), cases[i].ms);
	}
}

Test(clock, parses_rfc_3339)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{"2024-02-29T12:00:00Z", 1709208000000},
		{"2024-02-29t12:00:00.5z", 1709208000500},
		{"2024-02-29T12:00:00.007999999999+00:00", 1709208000007},
		{"2024-02-29T14:30:00+02:30", 1709208000000},
		{"2024-02-28T23:00:00-13:00", 1709208000000},
		{"2016-12-31T23:59:60Z", 1483228800000},
		{"0001-01-01T00:00:00Z", -62135596800000},
	};
	static const char *const others[] = {
		"",
		"yesterday",
		"2024-02-29",
		"2024-02-29T12:00Z",
		"2024-02-29T12:00:00",
		"2024-02-29T12:00:00.Z",
		"2024-02-29T12:00:00 Z",
		"2024-02-29T12:00:00Z ",
		" 2024-02-29T12:00:00Z",
		"2024-2-29T12:00:00Z",
		"2023-02-29T12:00:00Z",
		"2024-00-29T12:00:00Z",
		"2024-13-01T12:00:00Z",
		"2024-01-00T12:00:00Z",
		"2024-01-32T12:00:00Z",
		"2024-01-31T24:00:00Z",
		"2024-01-31T12:60:00Z",
		"2024-01-31T12:00:61Z",
		"2024-01-31T12:00:00+24:00",
		"2024-01-31T12:00:00+0100",
		"2024-01-31T12:00:00+01:60",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(clock_parse(cases[i].text), cases[i].ms, "%s", cases[i].text);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		cr_assert_eq(clock_parse(others[i]), CLOCK_NONE, "%s", others[i]);
	}
}

Test(clock, monotonic_time_never_goes_back)
{
	int64_t before = clock_mono_ms();

	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_ms();

		cr_assert_geq(now, before);
		before = now;
	}
	cr_assert_gt(clock_wall_ms(), INT64_C(1600000000000));
}

Test(id, is_well_formed_and_unique)
{
	char a[ID_SIZE], b[ID_SIZE];

	id_make(a, "job_");
	id_make(b, "job_");
	cr_assert(id_valid(a, "job_"));
	cr_assert(id_valid(b, "job_"));
	cr_assert_str_neq(a, b);
	/* The first ten characters are the time, so later ids sort after earlier ones. */
	cr_assert_leq(strncmp(a, b, strlen("job_") + 10), 0);
}

Test(id, refuses_every_other_form)
{
	static const char *const bad[] = {
		"",
		"job_",
		"trial_01HQZX3V5T2M8N4K6P7R9S0WYA",
		"job_01HQZX3V5T2M8N4K6P7R9S0WY",
		"job_01HQZX3V5T2M8N4K6P7R9S0WYAB",
		"job_01HQZX3V5T2M8N4K6P7R9S0WYI", /* I is not in the alphabet */
		"job_01hqzx3v5t2m8n4k6p7r9s0wya",
	};

	cr_assert(id_valid("job_01HQZX3V5T2M8N4K6P7R9S0WYA", "job_"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_not(id_valid(bad[i], "job_"), "%s", bad[i]);
	}
}

/* What log_write() puts on standard error, after the time stamp. */
static char *capture(bool json, enum log_level level)
{
	static char text[1024];
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	const char *after;
	size_t n;

	cr_assert_geq(saved, 0);
	cr_assert_not_null(file);
	(void)fflush(stderr);
	cr_assert_geq(dup2(fileno(file), STDERR_FILENO), 0);
	log_setup(LOG_INFO, json);
	log_line(level, "job finished", LOG_TEXT("id", "a\"b"), LOG_INT("trials", -3),
		 LOG_REAL("accuracy", 0.5), LOG_TEXT("none", NULL), LOG_REAL("nan", 0.0 / 0.0));
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	cr_assert_eq(fseek(file, 0, SEEK_SET), 0);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	after = strstr(text, json ? "Z\"," : "Z ");
	return after != NULL ? (char *)after + 2 : text;
}

Test(log, writes_json)
{
	cr_assert_str_eq(capture(true, LOG_INFO),
			 ",\"level\":\"info\",\"message\":\"job finished\",\"id\":\"a\\\"b\","
			 "\"trials\":-3,\"accuracy\":0.5,\"none\":null,\"nan\":null}\n");
}

Test(log, writes_text)
{
	cr_assert_str_eq(capture(false, LOG_ERROR),
			 "error   job finished id=\"a\\\"b\" trials=-3 accuracy=0.5 none=null "
			 "nan=null\n");
}

Test(log, is_silent_above_the_level)
{
	cr_assert_str_empty(capture(true, LOG_DEBUG));
	cr_assert_not(log_enabled(LOG_DEBUG));
	cr_assert(log_enabled(LOG_WARNING));
}

Test(secret, compares_by_content_and_length)
{
	struct secret secret;

	secret_init(&secret, "token", 5);
	cr_assert(secret_is_set(&secret));
	cr_assert(secret_equal(secret.bytes, secret.length, "token", 5));
	cr_assert_not(secret_equal(secret.bytes, secret.length, "tokem", 5));
	cr_assert_not(secret_equal(secret.bytes, secret.length, "toke", 4));
	cr_assert_not(secret_equal(secret.bytes, secret.length, "tokens", 6));
	cr_assert_not(secret_equal(secret.bytes, secret.length, "", 0));
	secret_finish(&secret);
	cr_assert_not(secret_is_set(&secret));
	secret_init(&secret, "", 0);
	cr_assert_not(secret_is_set(&secret));
	secret_finish(&secret);
}

Test(library, faults_have_a_beginning_and_an_end)
{
	static const struct {
		struct library library;
		bool faulty;
	} cases[] = {
		{{"sqlite", "3.40.1"}, true},       {{"sqlite", "3.51.2"}, true},
		{{"sqlite", "3.51.3"}, false},      {{"sqlite", "3.53.4"}, false},
		{{"pcre2", "10.42"}, false},        {{"pcre2", "10.45"}, true},
		{{"pcre2", "10.46"}, false},        {{"libmicrohttpd", "0.9.75"}, false},
		{{"libmicrohttpd", "1.0.1"}, true}, {{"libmicrohttpd", "1.0.10"}, false},
		{{"zlib", "1.2.11"}, true},         {{"zlib", "1.2.13"}, false},
		{{"zlib", "1.3.1"}, false},         {{"unheard", "1.0"}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(library_fault(&cases[i].library) != NULL, cases[i].faulty, "%s %s",
			     cases[i].library.name, cases[i].library.version);
	}
}
