/*
 * backends/guard: the corpus of hostile URLs under both policies, and the rules that it does not
 * reach: allow entries, ports, own sockets, every class at its edges.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/guard.h"

enum { FIELDS = 9, OWN_PORT = 8080, LINE_MAX_BYTES = 8192, URL_MAX_BYTES = 16384 };

enum field { ID, CATEGORY, PUBLIC, LAN, PHASE, URL, FIXTURE, LIBCURL, NOTE };

static struct sockaddr_storage sockaddr_of(const char *text, uint16_t port)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else {
		cr_assert_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1, "address %s", text);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	}
	return storage;
}

static int check_text_address(const struct guard *guard, const struct guard_url *url,
			      const char *text)
{
	struct sockaddr_storage address = sockaddr_of(text, url->port);
	struct err err;
	int rc = guard_check_address(guard, url, (struct sockaddr *)&address, &err);

	if (rc != 0) {
		cr_assert_eq(err.code, ERR_EVALUATOR_DENIED);
		cr_assert_null(strstr(err.message, text), "never the resolved address: %s",
			       err.message);
	}
	return rc;
}

static void add_own(struct guard *guard, const char *text, uint16_t port)
{
	struct sockaddr_storage address = sockaddr_of(text, port);

	guard_add_own(guard, (struct sockaddr *)&address);
}

static size_t put_code_point(char *out, unsigned code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	out[0] = (char)(0xE0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3F));
	out[2] = (char)(0x80 | (code & 0x3F));
	return 3;
}

/* Undoes the corpus' notation: \t \r \n, \uXXXX, {x*N}, {SELF}, "-" for an empty URL. */
static void expand(const char *in, char *out)
{
	static const char escapes[] = "t\tr\rn\n";
	size_t n = 0;
	char repeated;
	unsigned count;

	while (*in != '\0' && strcmp(in, "-") != 0) {
		const char *escape = in[0] == '\\' ? strchr(escapes, in[1]) : NULL;

		cr_assert_lt(n + 16, URL_MAX_BYTES);
		if (in[0] == '\\' && in[1] == 'u' && sscanf(in + 2, "%4x", &count) == 1) {
			n += put_code_point(out + n, count);
			in += 6;
		} else if (escape != NULL && in[1] != '\0' && (escape - escapes) % 2 == 0) {
			out[n++] = escape[1];
			in += 2;
		} else if (strncmp(in, "{SELF}", 6) == 0) {
			n += (size_t)sprintf(out + n, "%d", OWN_PORT);
			in += 6;
		} else if (sscanf(in, "{%c*%u}", &repeated, &count) == 2) {
			cr_assert_lt(n + count, URL_MAX_BYTES);
			memset(out + n, repeated, count);
			n += count;
			in = strchr(in, '}') + 1;
		} else {
			out[n++] = *in++;
		}
	}
	out[n] = '\0';
}

/* Any denied answer denies the name, as does a name without answers. */
static bool answers_pass(const struct guard *guard, const struct guard_url *url, char *fixture)
{
	char *answers = strchr(fixture, '=');
	char *saved;

	cr_assert_not_null(answers, "fixture %s", fixture);
	*answers++ = '\0';
	cr_assert_str_eq(fixture, url->host);
	if (strncmp(answers, "CNAME ", 6) == 0) {
		return false;
	}
	for (char *one = strtok_r(answers, ",|", &saved); one != NULL;
	     one = strtok_r(NULL, ",|", &saved)) {
		if (check_text_address(guard, url, one) != 0) {
			return false;
		}
	}
	return true;
}

static bool passes(const struct guard *guard, char **fields)
{
	static char url[URL_MAX_BYTES];
	char fixture[LINE_MAX_BYTES];
	struct guard_url parsed;
	struct err err;

	expand(fields[URL], url);
	if (guard_check_url(guard, url, &parsed, &err) != 0) {
		cr_assert_eq(err.code, ERR_EVALUATOR_DENIED);
		cr_assert_gt(strlen(err.message), 20);
		return false;
	}
	if (strcmp(fields[FIXTURE], "-") == 0) {
		cr_assert(parsed.literal || strcmp(parsed.host, "localhost") == 0,
			  "%s: a name without answers", fields[ID]);
		return true;
	}
	(void)snprintf(fixture, sizeof(fixture), "%s", fields[FIXTURE]);
	return answers_pass(guard, &parsed, fixture);
}

static struct guard *make(enum guard_policy policy, const char *const *allow)
{
	struct err err;
	struct guard *guard = guard_create(policy, allow, &err);

	cr_assert_not_null(guard, "%s", allow != NULL ? err.message : "");
	return guard;
}

static bool agrees(bool passed, const char *verdict)
{
	if (strcmp(verdict, "EITHER") == 0) {
		return true;
	}
	cr_assert(strcmp(verdict, "DENY") == 0 || strcmp(verdict, "ALLOW") == 0 ||
			  strcmp(verdict, "FIRST") == 0,
		  "verdict %s", verdict);
	return passed == (strcmp(verdict, "DENY") != 0);
}

static FILE *open_corpus(void)
{
	static const char here[] = "unit/test_guard.c";
	char path[1024];
	FILE *file;

	cr_assert_gt(strlen(__FILE__), sizeof(here));
	(void)snprintf(path, sizeof(path), "%.*sdata/ssrf_urls.txt",
		       (int)(strlen(__FILE__) - sizeof(here) + 1), __FILE__);
	file = fopen(path, "r");
	cr_assert_not_null(file, "%s", path);
	return file;
}

Test(guard, decides_the_whole_corpus_under_both_policies)
{
	struct guard *guards[] = {make(GUARD_PUBLIC, NULL), make(GUARD_LAN, NULL)};
	FILE *file = open_corpus();
	char line[LINE_MAX_BYTES];
	int cases = 0, wrong = 0;

	for (size_t i = 0; i < 2; i++) {
		add_own(guards[i], "127.0.0.1", OWN_PORT);
		add_own(guards[i], "::1", OWN_PORT);
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		char *fields[FIELDS], *rest = line;

		if (line[0] == '#') {
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < FIELDS; i++) {
			fields[i] = strsep(&rest, "\t");
			cr_assert_not_null(fields[i], "fields of %s", fields[0]);
		}
		for (size_t i = 0; i < 2; i++) {
			bool passed = passes(guards[i], fields);

			if (!agrees(passed, fields[PUBLIC + i])) {
				fprintf(stderr, "%s %s under %s: %s\n", fields[ID], fields[URL],
					guard_policy_names[guard_policy_of(guards[i])],
					passed ? "allowed" : "denied");
				wrong++;
			}
		}
		cases++;
	}
	(void)fclose(file);
	cr_expect_eq(wrong, 0);
	cr_expect_geq(cases, 113, "the corpus has been cut to %d cases", cases);
	guard_destroy(guards[0]);
	guard_destroy(guards[1]);
}

Test(guard, classifies_each_range_at_its_edges)
{
	static const struct {
		const char *text;
		enum guard_class class;
	} cases[] = {
		{"0.255.255.255", CLASS_NEVER},
		{"1.0.0.0", CLASS_PUBLIC},
		{"9.255.255.255", CLASS_PUBLIC},
		{"10.0.0.0", CLASS_PRIVATE},
		{"10.255.255.255", CLASS_PRIVATE},
		{"11.0.0.0", CLASS_PUBLIC},
		{"100.63.255.255", CLASS_PUBLIC},
		{"100.64.0.0", CLASS_CGNAT},
		{"100.127.255.255", CLASS_CGNAT},
		{"100.128.0.0", CLASS_PUBLIC},
		{"100.100.100.200", CLASS_NEVER},
		{"126.255.255.255", CLASS_PUBLIC},
		{"127.255.255.255", CLASS_LOOPBACK},
		{"128.0.0.0", CLASS_PUBLIC},
		{"168.63.129.16", CLASS_NEVER},
		{"168.63.129.17", CLASS_PUBLIC},
		{"169.253.255.255", CLASS_PUBLIC},
		{"169.254.0.0", CLASS_NEVER},
		{"172.15.255.255", CLASS_PUBLIC},
		{"172.16.0.0", CLASS_PRIVATE},
		{"172.31.255.255", CLASS_PRIVATE},
		{"172.32.0.0", CLASS_PUBLIC},
		{"192.0.0.192", CLASS_NEVER},
		{"192.0.1.0", CLASS_PUBLIC},
		{"192.0.2.255", CLASS_NEVER},
		{"192.0.3.0", CLASS_PUBLIC},
		{"192.88.99.255", CLASS_NEVER},
		{"192.88.100.0", CLASS_PUBLIC},
		{"192.168.255.255", CLASS_PRIVATE},
		{"192.169.0.0", CLASS_PUBLIC},
		{"198.17.255.255", CLASS_PUBLIC},
		{"198.19.255.255", CLASS_NEVER},
		{"198.20.0.0", CLASS_PUBLIC},
		{"198.51.100.1", CLASS_NEVER},
		{"203.0.113.1", CLASS_NEVER},
		{"223.255.255.255", CLASS_PUBLIC},
		{"224.0.0.0", CLASS_NEVER},
		{"255.255.255.255", CLASS_NEVER},
		{"::", CLASS_NEVER},
		{"::1", CLASS_LOOPBACK},
		{"::2", CLASS_NEVER},
		{"::ffff:10.1.2.3", CLASS_PRIVATE},
		{"::ffff:8.8.8.8", CLASS_PUBLIC},
		{"::ffff:0:8.8.8.8", CLASS_NEVER},
		{"64:ff9b::8.8.8.8", CLASS_NEVER},
		{"64:ff9b:1::1", CLASS_NEVER},
		{"100::1", CLASS_NEVER},
		{"2000::1", CLASS_PUBLIC},
		{"2001::1", CLASS_NEVER},
		{"2001:1ff:ffff::1", CLASS_NEVER},
		{"2001:200::1", CLASS_PUBLIC},
		{"2001:db8::1", CLASS_NEVER},
		{"2001:db9::1", CLASS_PUBLIC},
		{"2002::1", CLASS_NEVER},
		{"2003::1", CLASS_PUBLIC},
		{"3ffe::1", CLASS_PUBLIC},
		{"3fff:fff::1", CLASS_NEVER},
		{"3fff:1000::1", CLASS_PUBLIC},
		{"4000::1", CLASS_NEVER},
		{"5f00::1", CLASS_NEVER},
		{"fbff::1", CLASS_NEVER},
		{"fc00::1", CLASS_PRIVATE},
		{"fdff::1", CLASS_PRIVATE},
		{"fd00:ec2::254", CLASS_NEVER},
		{"fd00:ec2::255", CLASS_PRIVATE},
		{"fd20:ce::254", CLASS_NEVER},
		{"fe80::1", CLASS_NEVER},
		{"fec0::1", CLASS_NEVER},
		{"ff02::1", CLASS_NEVER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage address = sockaddr_of(cases[i].text, 80);

		cr_expect_eq(guard_classify((struct sockaddr *)&address), cases[i].class, "%s",
			     cases[i].text);
	}
}

/* Whether a URL passes, its name answered by `answer` (NULL for literal hosts). */
static bool allowed(const struct guard *guard, const char *text, const char *answer)
{
	struct guard_url url;

	return guard_check_url(guard, text, &url, NULL) == 0 &&
	       (answer == NULL || check_text_address(guard, &url, answer) == 0);
}

Test(guard, allow_entries_admit_exactly_what_they_say)
{
	static const char *const allow[] = {
		"10.20.0.0/16:9000-9999", "gpu-*.lan:9001", "127.0.0.1/32:81", "[fd12::]/64:9000",
		"fd13::/64:9000",         "192.168.7.7",    "n?de:9002",       NULL,
	};
	static const struct {
		const char *url, *answer;
		bool allowed;
	} cases[] = {
		{"http://10.20.3.4:9000/", NULL, true},
		{"http://10.20.3.4:9999/", NULL, true},
		{"http://10.20.3.4:8999/", NULL, false},
		{"http://10.20.3.4:10000/", NULL, false},
		{"http://10.21.0.1:9000/", NULL, false},
		{"http://127.0.0.1:81/", NULL, true},
		{"http://127.0.0.1/", NULL, false},
		{"http://127.0.0.2:81/", NULL, false},
		{"http://[fd12::9]:9000/", NULL, true},
		{"http://[fd12:0:0:1::]:9000/", NULL, false},
		{"http://[fd13::9]:9000/", NULL, true},
		{"http://192.168.7.7/", NULL, true},
		{"http://192.168.7.7:1024/", NULL, true},
		{"http://192.168.7.7:1023/", NULL, false},
		{"http://8.8.8.8/", NULL, false},
		{"http://gpu-1.lan:9001/", "192.168.1.1", true},
		{"http://GPU-1.LAN:9001/", "127.0.0.1", true},
		{"http://gpu-1.lan:9001/", "169.254.169.254", false},
		{"http://gpu-1.lan:9002/", "192.168.1.1", false},
		{"http://gpu-1.evil.lan:9001/", "192.168.1.1", false},
		{"http://gpu-1.lan.evil:9001/", "192.168.1.1", false},
		{"http://node:9002/", "10.0.0.1", true},
		{"http://noode:9002/", "10.0.0.1", false},
		{"http://other.lan:9001/", "10.20.0.1", true},
		{"http://other.lan:9001/", "10.21.0.1", false},
		{"http://localhost:81/", "127.0.0.1", true},
		{"http://localhost:81/", "::1", false},
		{"http://localhost:82/", NULL, false},
	};
	struct guard *guard = make(GUARD_ALLOWLIST, allow);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(allowed(guard, cases[i].url, cases[i].answer), cases[i].allowed,
			     "%s (%s)", cases[i].url, cases[i].answer);
	}
	guard_destroy(guard);
}

Test(guard, entries_extend_the_open_policies_without_relaxing_each_other)
{
	static const char *const allow[] = {"100.64.0.0/10", "8.8.8.8/32:53", "*.corp", NULL};
	struct guard *guard = make(GUARD_PUBLIC, allow);

	cr_expect(allowed(guard, "http://100.64.0.1:9001/", NULL));
	cr_expect_not(allowed(guard, "http://100.64.0.1:53/", NULL));
	cr_expect_not(allowed(guard, "http://100.100.100.200/", NULL));
	cr_expect(allowed(guard, "http://8.8.8.8:53/", NULL));
	cr_expect_not(allowed(guard, "http://8.8.4.4:53/", NULL));
	cr_expect(allowed(guard, "http://a.corp/", "10.0.0.1"));
	cr_expect_not(allowed(guard, "http://a.corp:53/", "8.8.4.4"));
	cr_expect_not(allowed(guard, "http://a.other/", "10.0.0.1"));
	guard_destroy(guard);
}

Test(guard, only_a_single_address_opens_what_is_never_allowed)
{
	static const char *const wide[] = {"0.0.0.0/0", "::/0", "*", "*.*", "metadata*", NULL};
	static const char *const narrow[] = {"169.254.169.254:80", "metadata", "198.18.0.0/15",
					     NULL};
	struct guard *guard = make(GUARD_LAN, wide);

	cr_expect_eq(guard_never_entries(guard), 0);
	cr_expect_not(allowed(guard, "http://169.254.169.254/", NULL));
	cr_expect_not(allowed(guard, "http://[fe80::1]:9001/", NULL));
	cr_expect_not(allowed(guard, "http://metadata/", NULL));
	guard_destroy(guard);

	guard = make(GUARD_LAN, narrow);
	cr_expect_eq(guard_never_entries(guard), 1);
	cr_expect(allowed(guard, "http://169.254.169.254/", NULL));
	cr_expect_not(allowed(guard, "http://169.254.169.254:8080/", NULL));
	cr_expect_not(allowed(guard, "http://169.254.169.253/", NULL));
	cr_expect(allowed(guard, "http://metadata/", "169.254.169.254"));
	cr_expect_not(allowed(guard, "http://instance-data/", NULL));
	cr_expect_not(allowed(guard, "http://metadata.google.internal/", NULL));
	cr_expect_not(allowed(guard, "http://198.18.0.1/", NULL));
	guard_destroy(guard);
}

Test(guard, own_sockets_are_denied_whatever_is_allowed)
{
	static const char *const all[] = {"127.0.0.1/32", "::1/128", "*", NULL};
	struct guard *guard = make(GUARD_LAN, all);

	add_own(guard, "127.0.0.1", OWN_PORT);
	cr_expect_not(allowed(guard, "http://127.0.0.1:8080/", NULL));
	cr_expect_not(allowed(guard, "http://[::ffff:127.0.0.1]:8080/", NULL));
	cr_expect_not(allowed(guard, "http://me.test:8080/", "127.0.0.1"));
	cr_expect(allowed(guard, "http://127.0.0.1:8081/", NULL));
	cr_expect(allowed(guard, "http://127.0.0.2:8080/", NULL));
	cr_expect(allowed(guard, "http://8.8.8.8:8080/", NULL));
	add_own(guard, "0.0.0.0", 7000);
	cr_expect_not(allowed(guard, "http://127.0.0.2:7000/", NULL));
	cr_expect_not(allowed(guard, "http://[::1]:7000/", NULL));
	cr_expect_not(allowed(guard, "http://10.0.0.1:7000/", NULL));
	cr_expect(allowed(guard, "http://8.8.8.8:7000/", NULL));
	guard_destroy(guard);
}

Test(guard, off_allows_nothing_and_registered_only_what_is_listed)
{
	static const char *const allow[] = {"127.0.0.1", "box", NULL};
	struct guard *off = make(GUARD_OFF, allow);
	struct guard *registered = make(GUARD_REGISTERED, allow);

	cr_expect_not(allowed(off, "http://127.0.0.1:9001/", NULL));
	cr_expect_not(allowed(off, "http://box:9001/", NULL));
	cr_expect(allowed(registered, "http://127.0.0.1:9001/", NULL));
	cr_expect(allowed(registered, "http://box:9001/", "10.0.0.1"));
	cr_expect_not(allowed(registered, "http://8.8.8.8:9001/", NULL));
	guard_destroy(off);
	guard_destroy(registered);
}

Test(guard, refuses_entries_that_cannot_mean_what_they_say)
{
	/* clang-format off */
	static const char *const bad[] = {
		"", "10.0.0.0/33", "10.0.0.7/8", "10.0.0.0/", "10.0.0.0/8/9", "10.0.0/8",
		"300.1.1.1", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:9-8", "10.0.0.1:80-",
		"10.0.0.1:", "10.0.0.1:80x", "a b", "http://a/", "a/b", "[::1", "[::1]x",
		"::1/129", "fd00::1/8", "::ffff:10.0.0.1", "[::ffff:10.0.0.0]/104", "user@host",
		"10.0.0.0/8:a", "10.0.0.0/-8", ":80",
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *allow[] = {"10.1.0.0/16", bad[i], NULL};
		struct err err;

		err_init(&err);
		cr_expect_null(guard_create(GUARD_LAN, allow, &err), "%s", bad[i]);
		cr_expect_eq(err.code, ERR_CONFIG, "%s", bad[i]);
		cr_expect_not_null(strstr(err.message, bad[i]), "%s", err.message);
	}
}
