/* Gathers what a call to an evaluator carries, and faults what cannot be used. */
#include "tuner/wire.h"

#include <string.h>

#include "backends/ca.h"
#include "backends/credential.h"

static void check_secret(const struct json_at *at, const struct target *target, struct wire *keep)
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

static void check_ca(const struct json_at *at, const struct target *target, struct wire *keep)
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

static void check_headers(const struct json_at *at, const struct target *target, struct wire *keep)
{
	struct json_at headers = json_member(at, "headers");
	size_t bytes = 0;

	for (size_t i = 0; i < target->header_count; i++) {
		const struct target_header *header = &target->headers[i];
		struct json_at one = json_member(&headers, header->name);
		struct json_at name = json_member(&one, "credential");
		struct secret *value = &keep->values[i];
		struct err why;

		if (header->credential == NULL) {
			secret_init(value, header->value.bytes, header->value.length);
		} else if (credential_text(header->credential, CREDENTIAL_BYTES, value, &why) !=
			   0) {
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

static void check_all(const struct json_at *at, const struct target *target, struct wire *keep)
{
	memset(keep, 0, sizeof(*keep));
	check_secret(at, target, keep);
	check_ca(at, target, keep);
	check_headers(at, target, keep);
}

void wire_check(const struct json_at *at, const struct target *target)
{
	struct wire keep;
	struct endpoint unused;

	check_all(at, target, &keep);
	wire_forget(&keep, &unused);
}

int wire_endpoint(const struct target *target, struct wire *keep, struct endpoint *ret,
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

void wire_forget(struct wire *keep, struct endpoint *endpoint)
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
