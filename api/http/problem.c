/* Writes errors as problem documents, and beside them what clients of SigOpt look for. */
#include "api/http/problem.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum {
	INSTANCE_MAX = 64,
	/* Room for ERR_FAULTS_MAX faults with every byte escaped as six. */
	TEXT_MAX = 6 * ERR_FAULTS_MAX * (ERR_POINTER_MAX + ERR_DETAIL_MAX) + 8192,
};

static void add_member(struct buf *buf, const char *name, const char *value, size_t max)
{
	if (value != NULL) {
		buf_printf(buf, ",\"%s\":", name);
		buf_json_string(buf, value, strnlen(value, max));
	}
}

/* What clients of SigOpt show. */
static void add_message(struct buf *buf, const struct err *err)
{
	const struct err_fault *fault = err->fault_count > 0 ? &err->faults[0] : NULL;
	char text[ERR_POINTER_MAX + ERR_DETAIL_MAX + ERR_MESSAGE_MAX];

	(void)snprintf(text, sizeof(text), "%s%s%s", fault != NULL ? fault->pointer : "",
		       fault != NULL ? ": " : "", fault != NULL ? fault->detail : err->message);
	add_member(buf, "message", text, sizeof(text));
}

static void add_faults(struct buf *buf, const struct err *err)
{
	size_t kept = err->fault_count < ERR_FAULTS_MAX ? err->fault_count : ERR_FAULTS_MAX;

	if (kept == 0) {
		return;
	}
	buf_text(buf, ",\"errors\":[");
	for (size_t i = 0; i < kept; i++) {
		const struct err_fault *fault = &err->faults[i];

		buf_text(buf, i > 0 ? ",{\"pointer\":" : "{\"pointer\":");
		buf_json_string(buf, fault->pointer, strlen(fault->pointer));
		add_member(buf, "detail", fault->detail, ERR_DETAIL_MAX);
		buf_text(buf, "}");
	}
	buf_text(buf, err->fault_count > kept ? "],\"errors_truncated\":true" : "]");
}

char *problem_text(const struct err *err, const char *instance, const char *request_id,
		   size_t *ret_length)
{
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	buf_printf(&buf, "{\"type\":\"urn:narrowd:problem:%s\",\"title\":\"%s\",\"status\":%d",
		   err_name(err->code), err_title(err->code), err_http_status(err->code));
	add_member(&buf, "detail", err->message, ERR_MESSAGE_MAX);
	if (instance != NULL && strncmp(instance, "/sigopt/", 8) == 0) {
		add_message(&buf, err);
	}
	add_member(&buf, "instance", instance, INSTANCE_MAX);
	add_member(&buf, "request_id", request_id, INSTANCE_MAX);
	add_faults(&buf, err);
	buf_text(&buf, "}\n");
	return buf_take(&buf, ret_length);
}
