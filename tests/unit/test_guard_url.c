/* backends/guard_url: what is read of a URL, and the same one with TLS or without. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backends/guard.h"
#include "backends/guard_url.h"

Test(guard_url, a_null_guard_checks_the_grammar_and_fills_in_the_url)
{
	struct guard_url url;

	cr_assert_eq(guard_check_url(NULL, "HTTPS://Box_1.Example/x?y=%20", &url, NULL), 0);
	cr_expect_str_eq(url.host, "box_1.example");
	cr_expect_eq(url.port, 443);
	cr_expect(url.tls);
	cr_expect_not(url.literal);
	cr_assert_eq(guard_check_url(NULL, "http://[FD00::A]:81?q", &url, NULL), 0);
	cr_expect_str_eq(url.host, "fd00::a");
	cr_expect_eq(url.port, 81);
	cr_expect_not(url.tls);
	cr_expect(url.literal);
	cr_expect_neq(guard_check_url(NULL, "http://[127.0.0.1]/", &url, NULL), 0);
	cr_expect_neq(guard_check_url(NULL, "http://a/%2", &url, NULL), 0);
	cr_expect_neq(guard_check_url(NULL, "http://a..b/", &url, NULL), 0);
	cr_expect_neq(guard_check_url(NULL, "http://a.0x7f/", &url, NULL), 0);
}

Test(guard_url, says_a_url_with_tls_and_without)
{
	static const struct {
		const char *url;
		bool tls;
		const char *wanted;
	} rows[] = {
		{"https://narrowd.example", false, "http://narrowd.example:443"},
		{"http://narrowd.example", true, "https://narrowd.example:80"},
		{"http://127.0.0.1:8585", true, "https://127.0.0.1:8585"},
		{"HTTPS://Box.Example:9/x?y=1", false, "http://box.example:9/x?y=1"},
		{"http://[FD00::A]/x", true, "https://[fd00::a]:80/x"},
		{"ftp://a", true, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = guard_url_in(rows[i].url, rows[i].tls);

		cr_expect(text == rows[i].wanted || (text != NULL && rows[i].wanted != NULL &&
						     strcmp(text, rows[i].wanted) == 0),
			  "%s: %s", rows[i].url, text != NULL ? text : "(nothing)");
		free(text);
	}
}

Test(guard_url, urls_are_taken_up_to_2048_bytes)
{
	char text[2100] = "http://127.0.0.1:9001/";
	struct guard_url url;

	memset(text + strlen(text), 'a', 2048 - strlen(text));
	cr_expect_eq(guard_check_url(NULL, text, &url, NULL), 0);
	text[2048] = 'a';
	cr_expect_neq(guard_check_url(NULL, text, &url, NULL), 0);
}
