/*
 * The parts of the HTTP server that need no server: the guard, addresses, problem documents.
 * tests/api/test_http_server.py and test_http_guard.py drive the rest over sockets.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/http_guard.h"
#include "api/http/http_socket.h"
#include "api/http/problem.h"
#include "base/json.h"
#include "base/limits.h"

struct header {
	const char *name, *value;
};

static int check(const struct header *headers, struct http_guard_verdict *verdict)
{
	const struct http_guard_rules rules = {
		.method = "POST", .version = "HTTP/1.1", .check_host = true, .max_body = 100};
	struct http_guard guard = {0};
	struct err err;

	for (; headers->name != NULL; headers++) {
		http_guard_add(&guard, headers->name, strlen(headers->name), headers->value,
			       strlen(headers->value));
	}
	return http_guard_check(&guard, &rules, verdict, &err);
}

Test(http_guard, names_are_compared_without_case_and_bodies_measured)
{
	const struct header plain[] = {{"hOsT", "localhost:1"},
				       {"content-LENGTH", "100"},
				       {"CONTENT-TYPE", "APPLICATION/json ; charset=utf-8"},
				       {NULL, NULL}};
	const struct header chunked[] = {{"Host", "[::1]"},
					 {"Transfer-Encoding", "Chunked"},
					 {"Content-Type", "application/json"},
					 {NULL, NULL}};
	const struct header none[] = {{"Host", "127.0.0.1"}, {"Content-Length", "0"}, {NULL, NULL}};
	struct http_guard_verdict verdict;

	cr_assert_eq(check(plain, &verdict), 0);
	cr_assert(verdict.has_body && verdict.length == 100 && !verdict.close);
	cr_assert_eq(check(chunked, &verdict), 0);
	cr_assert(verdict.has_body && verdict.length == 0 && !verdict.close);
	cr_assert_eq(check(none, &verdict), 0);
	cr_assert(!verdict.has_body);
}

Test(http_guard, the_connection_is_closed_exactly_where_framing_is_in_doubt)
{
	const struct header twice[] = {{"Host", "localhost"}, {"Host", "localhost"}, {NULL, NULL}};
	const struct header large[] = {
		{"Host", "localhost"}, {"Content-Length", "101"}, {NULL, NULL}};
	const struct header text[] = {{"Host", "localhost"},
				      {"Content-Length", "5"},
				      {"Content-Type", "text/plain"},
				      {NULL, NULL}};
	const struct header evil[] = {{"Host", "evil.example"}, {NULL, NULL}};
	struct http_guard_verdict verdict;

	cr_assert_eq(check(twice, &verdict), -ERR_BAD_REQUEST);
	cr_assert(verdict.close);
	cr_assert_eq(check(large, &verdict), -ERR_TOO_LARGE);
	cr_assert(verdict.close);
	cr_assert_eq(check(text, &verdict), -ERR_MEDIA_TYPE);
	cr_assert_not(verdict.close);
	cr_assert_eq(check(evil, &verdict), -ERR_FORBIDDEN);
	cr_assert_not(verdict.close);
}

Test(http_guard, an_embedded_nul_is_malformed)
{
	const struct http_guard_rules rules = {.method = "GET", .version = "HTTP/1.1"};
	struct http_guard guard = {0};
	struct http_guard_verdict verdict;
	struct err err;

	http_guard_add(&guard, "Host", 4, "a\0b", 3);
	cr_assert_eq(http_guard_check(&guard, &rules, &verdict, &err), -ERR_BAD_REQUEST);
}

Test(http_guard, limits_of_the_target_are_inclusive)
{
	char *target = calloc(1, LIMIT_TARGET_BYTES + 2);
	struct err err;

	cr_assert_not_null(target);
	memset(target, 'a', LIMIT_TARGET_BYTES);
	cr_assert_eq(http_guard_target(target, &err), 0);
	target[LIMIT_TARGET_BYTES] = 'a';
	cr_assert_eq(http_guard_target(target, &err), -ERR_URI_TOO_LONG);
	memset(target, '\0', LIMIT_TARGET_BYTES + 2);
	memset(target, '&', LIMIT_QUERY_ARGS);
	target[0] = '?';
	cr_assert_eq(http_guard_target(target, &err), 0);
	target[LIMIT_QUERY_ARGS] = '&';
	cr_assert_eq(http_guard_target(target, &err), -ERR_BAD_REQUEST);
	memset(target, '&', 2 * LIMIT_QUERY_ARGS);
	cr_assert_eq(http_guard_target(target, &err), 0, "in a path it separates nothing");
	free(target);
}

Test(http_socket, addresses)
{
	static const struct {
		const char *text;
		bool loopback, is_unix;
	} good[] = {
		{"127.0.0.1:0", true, false}, {"127.9.9.9:65535", true, false},
		{"0.0.0.0:80", false, false}, {"[::1]:80", true, false},
		{"[::]:80", false, false},    {"192.0.2.1:80", false, false},
		{"unix:/run/x", false, true}, {"unix:relative:1", false, true},
	};
	static const char *const bad[] = {
		"",
		":80",
		"80",
		"[]:80",
		"[::1]",
		"[::1]:",
		"1.2.3:1",
		"::1:80",
		"1.2.3.4:-1",
		"1.2.3.4:1x",
		"1.2.3.4:99999999999999999999",
		"unix:",
		"a.b:80",
		"[fe80::1%lo]:80",
	};
	struct http_socket sock;
	struct err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(http_socket_parse(&sock, good[i].text, true, &err), 0, "%s",
			     good[i].text);
		cr_assert_eq(sock.is_loopback, good[i].loopback, "%s", good[i].text);
		cr_assert_eq(sock.is_unix, good[i].is_unix, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(http_socket_parse(&sock, bad[i], true, &err), -ERR_ADDRESS, "%s",
			     bad[i]);
		cr_assert_not_null(strstr(err.message, "cannot listen on"));
	}
}

Test(problem, the_largest_one_is_whole_and_valid_json)
{
	const struct json_limits limits = {1024 * 1024, 8, 1000, false};
	char hostile[ERR_DETAIL_MAX];
	struct err err;
	size_t length;
	json_t *root;
	char *text;

	json_setup();
	err_init(&err);
	memset(hostile, '\x01', sizeof(hostile) - 1);
	hostile[sizeof(hostile) - 1] = '\0';
	for (int i = 0; i < ERR_FAULTS_MAX + 5; i++) {
		(void)err_fault(&err, hostile, "%s", hostile);
	}
	text = problem_text(&err, "/a\"\xff", "id", &length);
	cr_assert_eq(strlen(text), length);
	root = json_parse(text, length, &limits, &err);
	cr_assert_not_null(root, "%s", text);
	cr_assert_eq(json_array_size(json_object_get(root, "errors")), ERR_FAULTS_MAX);
	cr_assert_str_eq(json_string_value(json_object_get(root, "instance")), "/a\"\xEF\xBF\xBD");
	cr_assert_eq(json_integer_value(json_object_get(root, "status")), 422);
	json_decref(root);
	free(text);
}

Test(problem, what_is_unknown_is_left_out)
{
	struct err err;
	char *text;

	(void)err_set(&err, ERR_NOT_FOUND, "no \"x\"");
	text = problem_text(&err, NULL, NULL, NULL);
	cr_assert_str_eq(text,
			 "{\"type\":\"urn:narrowd:problem:not_found\",\"title\":\"Not found\","
			 "\"status\":404,\"detail\":\"no \\\"x\\\"\"}\n");
	free(text);
}
