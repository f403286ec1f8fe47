/* Decides from a request's head whether its framing, its host and its origin can be trusted. */
#include "api/http/http_guard.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/http/header.h"
#include "api/http/http.h"
#include "base/limits.h"

/* What a header costs on the wire besides its two texts: ": " and CR LF. */
enum { HEADER_OVERHEAD = 4 };

static const char *const field_names[GUARD_FIELD_COUNT] = {
	[GUARD_AUTHORIZATION] = "Authorization",
	[GUARD_CONTENT_ENCODING] = "Content-Encoding",
	[GUARD_CONTENT_LENGTH] = "Content-Length",
	[GUARD_CONTENT_TYPE] = "Content-Type",
	[GUARD_EXPECT] = "Expect",
	[GUARD_HOST] = "Host",
	[GUARD_ORIGIN] = "Origin",
	[GUARD_SEC_FETCH_SITE] = "Sec-Fetch-Site",
	[GUARD_TRANSFER_ENCODING] = "Transfer-Encoding",
};

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7F;
}

static bool bad_escape(const char *s)
{
	return !isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]) ||
	       (s[1] == '0' && s[2] == '0');
}

int http_guard_target(const char *target, struct err *reterr)
{
	size_t length = strlen(target);
	const char *query = strchr(target, '?');
	size_t args = query != NULL ? 1 : 0;

	if (length > LIMIT_TARGET_BYTES) {
		return err_set(reterr, ERR_URI_TOO_LONG,
			       "the request target has %zu bytes; %d at most", length,
			       LIMIT_TARGET_BYTES);
	}
	for (const char *s = target; *s != '\0'; s++) {
		if (*s == ' ' || is_control((unsigned char)*s)) {
			return err_set(reterr, ERR_BAD_REQUEST,
				       "the request target has a space or control character");
		}
		if (*s == '%' && bad_escape(s)) {
			return err_set(reterr, ERR_BAD_REQUEST,
				       "the request target has an escape that is not %%01 to %%FF");
		}
		args += query != NULL && s > query && *s == '&' ? 1 : 0;
	}
	if (args > LIMIT_QUERY_ARGS) {
		return err_set(reterr, ERR_BAD_REQUEST, "the query has %zu arguments; %d at most",
			       args, LIMIT_QUERY_ARGS);
	}
	return 0;
}

/* RFC 9110 5.6.2. Above all no space before the colon, which proxies read in different ways. */
static bool is_token(const char *s, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)s[i]) &&
		    (s[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s[i]) == NULL)) {
			return false;
		}
	}
	return length > 0;
}

static bool is_field_text(const char *s, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (is_control((unsigned char)s[i]) && s[i] != '\t') {
			return false;
		}
	}
	return true;
}

void http_guard_add(struct http_guard *guard, const char *name, size_t name_length,
		    const char *value, size_t value_length)
{
	guard->bytes += name_length + value_length + HEADER_OVERHEAD;
	if (!is_token(name, name_length) || !is_field_text(value, value_length)) {
		guard->malformed = true;
		return;
	}
	for (size_t i = 0; i < GUARD_FIELD_COUNT; i++) {
		if (strcasecmp(name, field_names[i]) == 0) {
			guard->fields[i].value = value;
			guard->fields[i].count++;
			return;
		}
	}
}

static const char *field(const struct http_guard *guard, enum http_guard_field which)
{
	return guard->fields[which].value;
}

static int check_framing(const struct http_guard *guard, const struct http_guard_rules *rules,
			 struct err *reterr)
{
	static const enum http_guard_field once[] = {
		GUARD_AUTHORIZATION, GUARD_CONTENT_LENGTH,    GUARD_CONTENT_TYPE,
		GUARD_HOST,          GUARD_TRANSFER_ENCODING,
	};
	const char *coding = field(guard, GUARD_TRANSFER_ENCODING);
	bool old = strcmp(rules->version, "HTTP/1.0") == 0;

	if (guard->malformed) {
		return err_set(reterr, ERR_BAD_REQUEST,
			       "the request line or a header is malformed");
	}
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		if (guard->fields[once[i]].count > 1) {
			return err_set(reterr, ERR_BAD_REQUEST, "%s must not be repeated",
				       field_names[once[i]]);
		}
	}
	if (coding != NULL && old) {
		return err_set(reterr, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
	}
	/* RFC 9112 6.1. MHD since 1.0 says so itself, before it looks at a length. */
	if (coding != NULL && strcasecmp(coding, "chunked") != 0) {
		return err_set(reterr, ERR_NOT_IMPLEMENTED,
			       "the only Transfer-Encoding here is chunked");
	}
	if (coding != NULL && field(guard, GUARD_CONTENT_LENGTH) != NULL) {
		return err_set(reterr, ERR_BAD_REQUEST,
			       "Content-Length and Transfer-Encoding exclude each other");
	}
	if (!old && field(guard, GUARD_HOST) == NULL) {
		return err_set(reterr, ERR_BAD_REQUEST, "HTTP/1.1 needs a Host header");
	}
	return 0;
}

/* Length of the name in "name", "name:port" or "[v6]:port"; 0 when it is none of these. */
static size_t host_name_length(const char *host)
{
	size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (length > strlen(host)) {
		return 0;
	}
	if (host[length] == ':' &&
	    strspn(host + length + 1, "0123456789") == strlen(host + length + 1)) {
		return length;
	}
	return host[length] == '\0' ? length : 0;
}

static bool same_text(const char *a, size_t length, const char *b)
{
	return strlen(b) == length && strncasecmp(a, b, length) == 0;
}

static bool host_is_own(const char *host)
{
	size_t length = host_name_length(host);

	return same_text(host, length, "127.0.0.1") || same_text(host, length, "localhost") ||
	       same_text(host, length, "[::1]");
}

static bool host_is_listed(const char *host, const char *const *allowed)
{
	size_t length = host_name_length(host);

	for (size_t i = 0; allowed != NULL && allowed[i] != NULL; i++) {
		if (same_text(host, length, allowed[i]) || strcasecmp(host, allowed[i]) == 0) {
			return true;
		}
	}
	return false;
}

/*
 * A web page that its visitor's browser lets talk to us sends an Origin other than our own, or
 * (after DNS rebinding) a Host that we never gave ourselves. Names that the operator lists may be
 * those of a TLS proxy in front of us, hence https for these.
 */
static bool origin_is_own(const struct http_guard *guard, const struct http_guard_rules *rules)
{
	const char *origin = field(guard, GUARD_ORIGIN);
	const char *host = field(guard, GUARD_HOST);

	if (guard->fields[GUARD_ORIGIN].count > 1 || host == NULL) {
		return false;
	}
	if (strncasecmp(origin, "http://", strlen("http://")) == 0) {
		return !rules->secure && strcasecmp(origin + strlen("http://"), host) == 0;
	}
	return strncasecmp(origin, "https://", strlen("https://")) == 0 &&
	       strcasecmp(origin + strlen("https://"), host) == 0 &&
	       (rules->secure || host_is_listed(host, rules->allowed_hosts));
}

static int check_browser(const struct http_guard *guard, const struct http_guard_rules *rules,
			 struct err *reterr)
{
	const char *host = field(guard, GUARD_HOST);
	const char *site = field(guard, GUARD_SEC_FETCH_SITE);

	if (rules->check_host && host != NULL && !host_is_own(host) &&
	    !host_is_listed(host, rules->allowed_hosts)) {
		return err_set(reterr, ERR_FORBIDDEN,
			       "this Host is not served here; see the setting allowed_hosts");
	}
	if (field(guard, GUARD_ORIGIN) != NULL && !origin_is_own(guard, rules)) {
		return err_set(reterr, ERR_FORBIDDEN, "requests of other web pages are refused");
	}
	if (site != NULL && strcasecmp(site, "cross-site") == 0) {
		return err_set(reterr, ERR_FORBIDDEN, "requests from other web sites are refused");
	}
	return 0;
}

static bool takes_type(const char *method, const char *type)
{
	return header_is_type(type, "application/json") ||
	       (strcmp(method, "PATCH") == 0 && header_is_type(type, HTTP_MERGE_PATCH));
}

static int check_media(const struct http_guard *guard, const struct http_guard_rules *rules,
		       struct err *reterr)
{
	static const char *const methods[] = {"POST", "PATCH", "PUT"};
	const char *encoding = field(guard, GUARD_CONTENT_ENCODING);

	if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
		return err_set(reterr, ERR_MEDIA_TYPE, "bodies must come without Content-Encoding");
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(rules->method, methods[i]) == 0 &&
		    !takes_type(rules->method, field(guard, GUARD_CONTENT_TYPE))) {
			return err_set(reterr, ERR_MEDIA_TYPE,
				       "send the body with Content-Type: application/json");
		}
	}
	return 0;
}

int http_guard_check(const struct http_guard *guard, const struct http_guard_rules *rules,
		     struct http_guard_verdict *verdict, struct err *reterr)
{
	const char *length = field(guard, GUARD_CONTENT_LENGTH);
	int rc;

	verdict->length = length != NULL ? strtoull(length, NULL, 10) : 0;
	verdict->has_body = verdict->length > 0 || field(guard, GUARD_TRANSFER_ENCODING) != NULL;
	verdict->close = true;
	if ((rc = check_framing(guard, rules, reterr)) != 0) {
		return rc;
	}
	if (guard->bytes > LIMIT_HEADER_BYTES) {
		return err_set(reterr, ERR_HEADERS_TOO_LARGE,
			       "the headers have %zu bytes; %d at most", guard->bytes,
			       LIMIT_HEADER_BYTES);
	}
	if (verdict->length > rules->max_body) {
		return err_set(reterr, ERR_TOO_LARGE, "the body has %s bytes; %zu at most", length,
			       rules->max_body);
	}
	/* A client that asked before sending must not be told to go on only to be refused. */
	verdict->close = verdict->has_body && field(guard, GUARD_EXPECT) != NULL;
	if ((rc = check_browser(guard, rules, reterr)) != 0) {
		return rc;
	}
	return verdict->has_body ? check_media(guard, rules, reterr) : 0;
}
