/* Reads which certificates, headers and arguments go with the questions to one evaluator. */
#include "job/spec/spec_wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/ca.h"
#include "backends/credential.h"
#include "base/mem.h"
#include "base/plural.h"

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
	if (json_is_string(at->value)) {
		const char *text = json_string_in(at, NULL, LIMIT_EVALUATOR_HEADER_BYTES);

		secret_init(&header->value, text != NULL ? text : "",
			    text != NULL ? strlen(text) + 1 : 1);
	} else if (json_is_object(at->value)) {
		header->credential = read_name(at);
	} else {
		(void)json_fault(at, "a text or {\"credential\": NAME} is expected");
	}
	if (header->credential != NULL || secret_is_set(&header->value)) {
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
		secret_finish(&target->headers[i].value);
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
	text = mem_printf("%lld questions at once, but the evaluators have %lld place%s in all: an "
			  "evaluator's \"max_concurrency\" says how many it can measure at once "
			  "without disturbing itself",
			  (long long)spec->parallel, (long long)places, plural_s(places));
	space_note(spec->space, "/parallel", text);
	free(text);
}
