/* Reads URLs by a grammar of its own, and refuses whatever two parsers might read differently. */
#include "backends/guard_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/guard_address.h"
#include "base/limits.h"
#include "base/mem.h"

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63, PORT_DIGITS = 5 };

static int refuse(struct err *reterr, const char *why)
{
	return err_set(reterr, ERR_EVALUATOR_DENIED, "this URL is not accepted: %s", why);
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* NULL when every character may stand in a URL. */
static const char *bad_characters(const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~') {
			return "it has a space, a control or a non-ASCII character "
			       "(write them as %XX, names in punycode)";
		}
		if (strchr("\"<>\\^`{|}", *c) != NULL) {
			return "it has one of the characters \"<>\\^`{|}";
		}
		if (*c == '#') {
			return "it has a fragment";
		}
		if (*c == '%' &&
		    !(isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2]))) {
			return "it has a % without two hexadecimal digits";
		}
	}
	return NULL;
}

/* What some parser or other reads as a number: "127", "0x7f", "1e9". */
static bool looks_numeric(const char *label)
{
	size_t n = strspn(label, "0123456789");

	if (n == 0) {
		return false;
	}
	n += label[n] == 'x';
	return label[n + strspn(label + n, "0123456789abcdef")] == '\0';
}

static const char *bad_name(const char *name)
{
	const char *label = name;

	if (strlen(name) > NAME_MAX_BYTES) {
		return "its host name is longer than 253 bytes";
	}
	for (;;) {
		size_t n = 0;

		while (is_name_char(label[n])) {
			n++;
		}
		if (n == 0 || n > LABEL_MAX_BYTES || label[0] == '-' || label[n - 1] == '-' ||
		    (label[n] != '.' && label[n] != '\0')) {
			return "its host is neither an address nor a host name";
		}
		if (label[n] == '\0') {
			return looks_numeric(label) ? "its host looks like a number: write IPv4 "
						      "addresses as four decimal numbers"
						    : NULL;
		}
		label += n + 1;
	}
}

static const char *read_port(const char *text, const char *end, struct guard_url *ret)
{
	size_t n = (size_t)(end - text);
	long port;

	if (n == 0 || n > PORT_DIGITS || strspn(text, "0123456789") < n || text[0] == '0') {
		return "its port is not a number from 1 to 65535";
	}
	port = strtol(text, NULL, 10);
	if (port > UINT16_MAX) {
		return "its port is not a number from 1 to 65535";
	}
	ret->port = (uint16_t)port;
	return NULL;
}

static const char *read_host(const char *text, size_t n, bool bracketed, struct guard_url *ret)
{
	struct guard_address address;

	if (n == 0 || n >= sizeof(ret->host)) {
		return "it has no host, or one that is too long";
	}
	for (size_t i = 0; i < n; i++) {
		ret->host[i] = (char)tolower((unsigned char)text[i]);
	}
	ret->literal = guard_address_parse(ret->host, &address);
	if (bracketed) {
		return ret->literal && strchr(ret->host, ':') != NULL
			       ? NULL
			       : "its host in brackets is not an IPv6 address";
	}
	return ret->literal ? NULL : bad_name(ret->host);
}

static const char *read_authority(const char *text, const char *end, struct guard_url *ret)
{
	bool bracketed = text < end && *text == '[';
	const char *host = text + bracketed;
	const char *host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
	const char *rest = host_end != NULL ? host_end + bracketed : end;
	const char *why;

	if (bracketed && host_end == NULL) {
		return "its host has no closing bracket";
	}
	if (memchr(text, '@', (size_t)(end - text)) != NULL) {
		return "it has a user name or password";
	}
	why = read_host(host, (size_t)((bracketed ? host_end : rest) - host), bracketed, ret);
	if (why != NULL || rest == end) {
		return why;
	}
	return *rest == ':' ? read_port(rest + 1, end, ret) : "its port is not a number";
}

int guard_url_parse(const char *text, struct guard_url *ret, struct err *reterr)
{
	static const struct {
		const char *text;
		uint16_t port;
		bool tls;
	} schemes[] = {{"http://", 80, false}, {"https://", 443, true}};
	const char *why;

	memset(ret, 0, sizeof(*ret));
	if (strnlen(text, LIMIT_URL_BYTES + 1) > LIMIT_URL_BYTES) {
		return refuse(reterr, "it is longer than 2048 bytes");
	}
	why = bad_characters(text);
	if (why != NULL) {
		return refuse(reterr, why);
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].text);

		if (strncasecmp(text, schemes[i].text, n) == 0) {
			ret->port = schemes[i].port;
			ret->tls = schemes[i].tls;
			why = read_authority(text + n, text + n + strcspn(text + n, "/?"), ret);
			return why != NULL ? refuse(reterr, why) : 0;
		}
	}
	return refuse(reterr, "it does not begin with http:// or https://");
}

char *guard_url_in(const char *url, bool tls)
{
	struct guard_url parts;
	const char *authority;
	bool bracketed;

	if (guard_url_parse(url, &parts, NULL) != 0) {
		return NULL;
	}
	authority = strstr(url, "://") + 3;
	bracketed = authority[0] == '[';
	return mem_printf("%s://%s%s%s:%u%s", tls ? "https" : "http", bracketed ? "[" : "",
			  parts.host, bracketed ? "]" : "", parts.port,
			  authority + strcspn(authority, "/?"));
}
