/* Certificates, headers and secrets that go with the questions to one evaluator. */
#include "tuner/spec_wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/ca.h"
#include "backends/credential.h"
#include "base/mem.h"

static const char *const credential_members[] = {"credential", NULL};

/* What HTTP or the daemon itself says in a header; a prefix ends with "-". */
static const char *const reserved[] = {
	"host",        "content-",        "transfer-encoding",
	"connection",  "idempotency-key", "webhook-",
	"traceparent", "expect",          "te",
	"upgrade",
};

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		size_t n = strlen(reserved[i]);
		bool prefix = reserved[i][n - 1] == '-';

		if (strncasecmp(name, reserved[i], n) == 0 && (prefix || name[n] == '\0')) {
			return true;
		}
	}
	return false;
}

/* RFC 9110, 5.6.2. */
static bool is_token(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789!#$%&'*+-.^_`|~";

	return name[0] != '\0' && name[strspn(name, letters)] == '\0';
}

/* The NAME of {"credential": NAME}, or NULL with a fault. The caller frees. */
static char *read_name(const struct json_at *at)
{
	struct json_at name = json_member(at, "credential");
	const char *text;

	json_only(at, credential_members);
	text = json_required(&name) ? json_string_in(&name, NULL, CREDENTIAL_NAME_BYTES) : NULL;
	return text != NULL ? mem_dup(text) : NULL;
}

static void read_ca(const struct json_at *at, struct target *ret)
{
	if (json_is_object(at->value)) {
		ret->ca_credential = read_name(at);
	} else if (at->value != NULL && !json_is_string(at->value)) {
		(void)json_fault(at, "certificates in PEM or {\"credential\": NAME} are expected");
	} else if (json_string_length(at->value) > LIMIT_CA_BYTES) {
		(void)json_fault(at, "must have at most %d bytes", LIMIT_CA_BYTES);
	} else if (at->value != NULL) {
		ret->ca = mem_dup(json_string_value(at->value));
	}
}

static void read_header(const struct json_at *at, struct target *ret)
{
	struct target_header *header = &ret->headers[ret->header_count];

	if (!is_token(at->key)) {
		(void)json_fault(at, "is no name of a header (RFC 9110: letters, digits and "
				     "!#$%%&'*+-.^_`|~)");
		return;
	}
	if (is_reserved(at->key)) {
		(void)json_fault(at, "cannot be given: HTTP or the daemon sets this header");
		return;
	}
	for (size_t i = 0; i < ret->header_count; i++) {
		if (strcasecmp(ret->headers[i].name, at->key) == 0) {
			(void)json_fault(at, "is given twice: case does not count in a name");
			return;
		}
	}
	if (!json_is_object(at->value)) {
		(void)json_fault(at, "{\"credential\": NAME} is expected: a text would be stored "
				     "as it is");
		return;
	}
	header->credential = read_name(at);
	if (header->credential != NULL) {
		header->name = mem_dup(at->key);
		ret->header_count++;
	}
}

void spec_wire_read(const struct json_at *at, struct target *ret)
{
	struct json_at ca = json_member(at, "ca"), headers = json_member(at, "headers");
	const char *key;
	json_t *value;

	read_ca(&ca, ret);
	if (headers.value == NULL || !json_is_object_at(&headers)) {
		return;
	}
	if (json_object_size(headers.value) > LIMIT_EVALUATOR_HEADERS) {
		(void)json_fault(&headers, "at most %d headers are taken", LIMIT_EVALUATOR_HEADERS);
		return;
	}
	json_object_foreach(headers.value, key, value) {
		struct json_at header = json_member(&headers, key);

		read_header(&header, ret);
	}
}

void spec_wire_finish(struct target *target)
{
	free(target->ca);
	free(target->ca_credential);
	for (size_t i = 0; i < target->header_count; i++) {
		free(target->headers[i].name);
		free(target->headers[i].credential);
	}
}

static void check_secret(const struct json_at *at, const struct target *target,
			 struct spec_wire *keep)
{
	struct json_at secret = json_member(at, "secret");
	struct json_at name = json_member(&secret, "credential");
	struct err why;

	if (target->credential == NULL) {
		secret_init(&keep->secret, target->secret.bytes, target->secret.length);
	} else if (credential_read(target->credential, &keep->secret, &why) != 0) {
		(void)json_fault(&name, "%s", why.message);
	}
}

static void check_ca(const struct json_at *at, const struct target *target, struct spec_wire *keep)
{
	struct json_at ca = json_member(at, "ca"), name = json_member(&ca, "credential");
	struct err why;

	if (target->ca != NULL) {
		secret_init(&keep->ca, target->ca, strlen(target->ca) + 1);
	} else if (target->ca_credential != NULL &&
		   credential_text(target->ca_credential, LIMIT_CA_BYTES, &keep->ca, &why) != 0) {
		(void)json_fault(&name, "%s", why.message);
	}
	if (keep->ca.length > 0 &&
	    ca_check((const char *)keep->ca.bytes, keep->ca.length - 1, &why) != 0) {
		(void)json_fault(target->ca != NULL ? &ca : &name, "%s", why.message);
	}
}

static bool has_controls(const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7F) {
			return true;
		}
	}
	return false;
}

static void check_headers(const struct json_at *at, const struct target *target,
			  struct spec_wire *keep)
{
	struct json_at headers = json_member(at, "headers");
	size_t bytes = 0;

	for (size_t i = 0; i < target->header_count; i++) {
		const struct target_header *header = &target->headers[i];
		struct json_at one = json_member(&headers, header->name);
		struct json_at name = json_member(&one, "credential");
		struct secret *value = &keep->values[i];
		struct err why;

		if (credential_text(header->credential, CREDENTIAL_BYTES, value, &why) != 0) {
			(void)json_fault(&name, "%s", why.message);
		} else if (has_controls((const char *)value->bytes)) {
			(void)json_fault(&name,
					 "the credential \"%s\" is no header's value: it has "
					 "more lines than one, or a control character",
					 header->credential);
		}
		keep->headers[i] = (struct fetch_header){header->name, (const char *)value->bytes};
		bytes += strlen(header->name) + value->length;
	}
	if (bytes > LIMIT_EVALUATOR_HEADER_BYTES) {
		(void)json_fault(&headers, "names and values together have more than %d bytes",
				 LIMIT_EVALUATOR_HEADER_BYTES);
	}
}

static void check_all(const struct json_at *at, const struct target *target, struct spec_wire *keep)
{
	memset(keep, 0, sizeof(*keep));
	check_secret(at, target, keep);
	check_ca(at, target, keep);
	check_headers(at, target, keep);
}

void spec_wire_check(const struct json_at *at, const struct target *target)
{
	struct spec_wire keep;
	struct endpoint unused;

	check_all(at, target, &keep);
	spec_wire_forget(&keep, &unused);
}

int spec_wire_endpoint(const struct target *target, struct spec_wire *keep, struct endpoint *ret,
		       struct err *reterr)
{
	struct err why;
	struct json_at nowhere = json_root(NULL, &why);

	err_init(&why);
	check_all(&nowhere, target, keep);
	*ret = (struct endpoint){
		.url = target->url,
		.secret = keep->secret,
		.ca = (const char *)keep->ca.bytes,
		.headers = keep->headers,
		.header_count = target->header_count,
		.connect_timeout_ms = (uint64_t)target->connect_timeout_ms,
		.timeout_ms = (uint64_t)target->timeout_ms,
	};
	return why.code == ERR_OK ? 0
				  : err_set(reterr, ERR_INVALID_FIELD, "%s", why.faults[0].detail);
}

void spec_wire_forget(struct spec_wire *keep, struct endpoint *endpoint)
{
	endpoint->secret = (struct secret){.bytes = NULL};
	endpoint->ca = NULL;
	endpoint->headers = NULL;
	endpoint->header_count = 0;
	secret_finish(&keep->secret);
	secret_finish(&keep->ca);
	for (size_t i = 0; i < LIMIT_EVALUATOR_HEADERS; i++) {
		secret_finish(&keep->values[i]);
	}
}

static size_t depth_of(const json_t *value)
{
	size_t deepest = 0;
	const char *key;
	json_t *item;
	size_t i;

	json_object_foreach((json_t *)value, key, item) {
		size_t depth = depth_of(item);

		deepest = depth > deepest ? depth : deepest;
	}
	json_array_foreach((json_t *)value, i, item) {
		size_t depth = depth_of(item);

		deepest = depth > deepest ? depth : deepest;
	}
	return json_is_object(value) || json_is_array(value) ? deepest + 1 : 0;
}

json_t *spec_wire_args(const struct json_at *at)
{
	char *text;

	if (at->value == NULL || !json_is_object_at(at)) {
		return json_object();
	}
	text = json_text(at->value);
	if (text == NULL || strlen(text) > LIMIT_ARGS_BYTES) {
		(void)json_fault(at, "must have at most %d bytes", LIMIT_ARGS_BYTES);
	}
	if (depth_of(at->value) > LIMIT_ARGS_DEPTH) {
		(void)json_fault(at, "is nested more than %d levels deep", LIMIT_ARGS_DEPTH);
	}
	free(text);
	return json_incref(at->value);
}

void spec_wire_check_places(struct spec *spec)
{
	int64_t places = 0;
	char *text;

	for (size_t i = 0; i < spec->target_count; i++) {
		if (spec->targets[i].pool != NULL) {
			return;
		}
		places += spec->targets[i].max_concurrency;
	}
	if (spec->space == NULL || spec->target_count == 0 || spec->parallel <= places) {
		return;
	}
	text = mem_printf("%lld questions at once, but the evaluators have %lld places in all: an "
			  "evaluator's \"max_concurrency\" says how many it can measure at once "
			  "without disturbing itself",
			  (long long)spec->parallel, (long long)places);
	space_note(spec->space, "/parallel", text);
	free(text);
}
