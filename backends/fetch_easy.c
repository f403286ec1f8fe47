/* Sets up libcurl's easy handle for a peer that may be hostile, and notes what comes back. */
#include "backends/fetch_easy.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

static const struct {
	CURLoption option;
	long value;
} numbers[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_QUICK_EXIT, 1},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_HTTPAUTH, (long)CURLAUTH_NONE},
	{CURLOPT_UNRESTRICTED_AUTH, 0},
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_PATH_AS_IS, 1},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_HSTS_CTRL, 0},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_MAXAGE_CONN, 60},
	{CURLOPT_TCP_KEEPALIVE, 1},
	/* Pins of names that nobody asks for any more are forgotten after this many seconds. */
	{CURLOPT_DNS_CACHE_TIMEOUT, 600},
};

/* How a transfer failed, in our words: libcurl's may hold addresses. Others can be retried. */
static const struct failure {
	CURLcode curl;
	bool final;
	bool foreign; /* as of who speaks with TLS where none is wanted, or the other way round */
	enum err_code code;
	const char *text;
} failures[] = {
	{CURLE_COULDNT_CONNECT, false, false, ERR_EVALUATOR, "cannot be connected to"},
	{CURLE_OPERATION_TIMEDOUT, false, false, ERR_TIMEOUT, "gave no complete answer in time"},
	{CURLE_GOT_NOTHING, false, true, ERR_EVALUATOR, "closed the connection without an answer"},
	{CURLE_SEND_ERROR, false, false, ERR_EVALUATOR, "broke the connection during the request"},
	{CURLE_RECV_ERROR, false, true, ERR_EVALUATOR,
	 "broke the connection or its answer is malformed"},
	{CURLE_PARTIAL_FILE, false, false, ERR_EVALUATOR,
	 "ended its answer before it was complete"},
	{CURLE_WEIRD_SERVER_REPLY, false, true, ERR_EVALUATOR, "does not answer in HTTP"},
	{CURLE_UNSUPPORTED_PROTOCOL, false, true, ERR_EVALUATOR, "does not answer in HTTP/1"},
	{CURLE_OUT_OF_MEMORY, false, false, ERR_EVALUATOR, "sent a header that is too long"},
#if LIBCURL_VERSION_NUM >= 0x080600
	{CURLE_TOO_LARGE, false, false, ERR_EVALUATOR, "sent a header that is too long"},
#endif
	{CURLE_FILESIZE_EXCEEDED, true, false, ERR_TOO_LARGE, "announces a body that is too large"},
	{CURLE_SSL_CONNECT_ERROR, false, true, ERR_EVALUATOR, "cannot be spoken to in TLS"},
	{CURLE_SSL_CACERT_BADFILE, true, false, ERR_EVALUATOR,
	 "cannot be verified: the certificates to do so cannot be read"},
	{CURLE_PEER_FAILED_VERIFICATION, true, false, ERR_EVALUATOR,
	 "has a certificate that is not valid for it"},
};

static int note(struct fetch_easy *easy, bool retryable, enum err_code code, const char *text)
{
	easy->retryable = retryable;
	if (easy->by_socket) {
		return err_set(easy->err, code, "the socket %s", text);
	}
	return err_set(easy->err, code, "%s:%u %s", easy->url.host, easy->url.port, text);
}

static void describe(struct fetch_easy *easy, CURLcode curl)
{
	const char *text = curl_easy_strerror(curl);
	long os_error = 0;
	char why[160];

	if (curl == CURLE_OPERATION_TIMEDOUT && !easy->connected) {
		(void)note(easy, true, ERR_TIMEOUT, "cannot be connected to in time");
		return;
	}
	(void)curl_easy_getinfo(easy->curl, CURLINFO_OS_ERRNO, &os_error);
	if (curl == CURLE_COULDNT_CONNECT && os_error != 0) {
		(void)snprintf(why, sizeof(why), "cannot be connected to: %s",
			       strerror((int)os_error));
		(void)note(easy, true, ERR_EVALUATOR, why);
		return;
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].curl == curl) {
			(void)note(easy, !failures[i].final, failures[i].code, failures[i].text);
			easy->foreign = failures[i].foreign;
			return;
		}
	}
	(void)note(easy, true, ERR_EVALUATOR, text);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct fetch_easy *easy = arg;

	buf_add(&easy->body, bytes, size * count);
	if (easy->body.failed) {
		(void)note(easy, false, ERR_TOO_LARGE, "sent a body that is too large");
		return 0;
	}
	return size * count;
}

/* Once per line, those of 1xx answers and trailers included. */
static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct fetch_easy *easy = arg;
	size_t length = size * count;

	easy->header_bytes += length;
	if (easy->header_bytes > LIMIT_REPLY_HEADER_BYTES) {
		(void)note(easy, true, ERR_EVALUATOR, "sent more than 16 KiB of headers");
		return 0;
	}
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		easy->headers_complete = false;
	} else if (length > 0 && (line[0] == '\r' || line[0] == '\n')) {
		easy->headers_complete = true;
	}
	return length;
}

bool fetch_easy_may_connect(struct fetch_easy *easy, const struct sockaddr *address)
{
	const struct guard *guard = easy->guard;
	struct err *err = easy->err;

	if (guard == NULL || guard_check_address(guard, &easy->url, address, err) == 0) {
		return true;
	}
	easy->retryable = false;
	(void)err_prefix(err, "the host \"%s\" is denied", easy->url.host);
	return false;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	if (!fetch_easy_may_connect(arg, &address->addr)) {
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Right before a request is sent, on new and on reused connections. */
/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type. */
static int on_ready(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct fetch_easy *easy = arg;
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)peer_port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)peer_port)};
	bool is_v4 = inet_pton(AF_INET, peer, &v4.sin_addr) == 1;

	(void)local;
	(void)local_port;
	easy->connected = true;
	if (!is_v4) {
		(void)inet_pton(AF_INET6, peer, &v6.sin6_addr);
	}
	return fetch_easy_may_connect(easy, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6)
		       ? CURL_PREREQFUNC_OK
		       : CURL_PREREQFUNC_ABORT;
}

static bool add_header(struct fetch_easy *easy, const char *name, const char *value)
{
	char *line = mem_printf("%s: %s", name, value);
	bool clean = true;

	for (const char *c = line; *c != '\0'; c++) {
		clean = clean && (unsigned char)*c >= ' ' && *c != 0x7F;
	}
	if (clean) {
		easy->headers = curl_slist_append(easy->headers, line);
	}
	free(line);
	return clean;
}

/* Without the empty Expect the answer to a large body waits for a 100 that few servers send. */
static int set_headers(struct fetch_easy *easy, const struct fetch_request *request)
{
	bool ok = add_header(easy, "Expect", "");

	for (size_t i = 0; i < request->header_count; i++) {
		ok = ok && add_header(easy, request->headers[i].name, request->headers[i].value);
	}
	(void)curl_easy_setopt(easy->curl, CURLOPT_HTTPHEADER, easy->headers);
	return ok ? 0 : err_set(easy->err, ERR_USAGE, "a request header has a control character");
}

static void set_request(CURL *curl, const struct fetch_request *request)
{
	const char *body = request->body != NULL ? request->body : "";
	size_t length = request->body != NULL ? request->body_length : 0;

	if (request->body != NULL || strcmp(request->method, "POST") == 0) {
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
		(void)curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
	}
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->once) {
		(void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	}
	if (request->ca != NULL) {
		struct curl_blob blob = {(void *)request->ca, strlen(request->ca), CURL_BLOB_COPY};

		(void)curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
		(void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (request->unix_path != NULL) {
		(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->unix_path);
	}
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	(void)curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_reply);
}

static void set_profile(struct fetch_easy *easy)
{
	CURL *curl = easy->curl;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		(void)curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
	}
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* The empty proxy keeps those of the environment out. */
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, easy);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, easy);
	(void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	(void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, easy);
	(void)curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_ready);
	(void)curl_easy_setopt(curl, CURLOPT_PREREQDATA, easy);
}

int fetch_easy_init(struct fetch_easy *easy, const struct fetch_request *request, const char *url,
		    const char *user_agent, void *owner)
{
	easy->curl = curl_easy_init();
	if (easy->curl == NULL) {
		abort();
	}
	buf_init(&easy->body, request->max_reply);
	set_profile(easy);
	(void)curl_easy_setopt(easy->curl, CURLOPT_PRIVATE, owner);
	(void)curl_easy_setopt(easy->curl, CURLOPT_USERAGENT, user_agent);
	(void)curl_easy_setopt(easy->curl, CURLOPT_URL, url);
	set_request(easy->curl, request);
	easy->by_socket = request->unix_path != NULL;
	return set_headers(easy, request);
}

void fetch_easy_finish(struct fetch_easy *easy)
{
	curl_easy_cleanup(easy->curl);
	curl_slist_free_all(easy->headers);
	curl_slist_free_all(easy->pins);
	buf_finish(&easy->body);
}

void fetch_easy_pin(struct fetch_easy *easy, const char *text)
{
	easy->pins = curl_slist_append(NULL, text);
	(void)curl_easy_setopt(easy->curl, CURLOPT_RESOLVE, easy->pins);
}

void fetch_easy_end(struct fetch_easy *easy, int code)
{
	CURLcode curl = (CURLcode)code;

	if (curl == CURLE_OK && !easy->headers_complete) {
		curl = CURLE_PARTIAL_FILE;
	}
	if (curl == CURLE_COULDNT_CONNECT) {
		easy->connected = false; /* an older connection was, and is gone */
	}
	if (curl != CURLE_OK && easy->err->code == ERR_OK) {
		describe(easy, curl);
	}
}

void fetch_easy_time_out(struct fetch_easy *easy)
{
	fetch_easy_end(easy, (int)CURLE_OPERATION_TIMEDOUT);
}

/* RFC 9110, 10.2.3: seconds or a date; dates in the past mean now. */
static int64_t retry_after(CURL *easy)
{
	struct curl_header *header;
	const char *text;
	int64_t wait;

	if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
		return -1;
	}
	text = header->value;
	if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
		return strlen(text) < 10 ? strtol(text, NULL, 10) * 1000 : INT64_MAX;
	}
	wait = (int64_t)curl_getdate(text, NULL);
	if (wait < 0) {
		return -1;
	}
	wait = wait * 1000 - clock_wall_ms();
	return wait > 0 ? wait : 0;
}

static const char *header_value(CURL *easy, const char *name)
{
	struct curl_header *header;

	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
		       ? header->value
		       : "";
}

static int64_t date(CURL *easy)
{
	int64_t s = (int64_t)curl_getdate(header_value(easy, "Date"), NULL);

	return s < 0 ? -1 : s * 1000;
}

void fetch_easy_reply(struct fetch_easy *easy, struct fetch_reply *ret)
{
	long status = 0;

	(void)curl_easy_getinfo(easy->curl, CURLINFO_RESPONSE_CODE, &status);
	ret->rc = -(int)easy->err->code;
	ret->retryable = easy->retryable;
	ret->sent = easy->connected;
	ret->foreign = easy->foreign;
	ret->status = (int)status;
	ret->content_type = header_value(easy->curl, "Content-Type");
	ret->etag = header_value(easy->curl, "ETag");
	ret->retry_after_ms = retry_after(easy->curl);
	ret->date_ms = date(easy->curl);
	ret->body = easy->body.bytes != NULL ? easy->body.bytes : "";
	ret->length = easy->body.length;
	ret->engine = easy->curl;
}

bool fetch_reply_header(const struct fetch_reply *reply, void **at, struct fetch_header *ret)
{
	struct curl_header *header = curl_easy_nextheader(reply->engine, CURLH_HEADER, -1, *at);

	*at = header;
	if (header == NULL) {
		return false;
	}
	*ret = (struct fetch_header){header->name, header->value};
	return true;
}
