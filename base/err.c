/* The rows of the table of errors, and the functions that fill an error. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
	const char *name;
	int status;
	int exit;
	const char *title;
};

#define X(code, name, status, exit, title) [code] = {name, status, exit, title},
static const struct err_row rows[ERR_COUNT_] = {[ERR_OK] = {"ok", 200, 0, "OK"}, ERR_TABLE(X)};
#undef X

void err_init(struct err *err)
{
	err->code = ERR_OK;
	err->message[0] = '\0';
	err->fault_count = 0;
}

void err_fill(struct err *reterr, enum err_code code, const char *format, ...)
{
	va_list args;

	if (reterr != NULL) {
		reterr->code = code;
		reterr->fault_count = 0;
		va_start(args, format);
		(void)vsnprintf(reterr->message, sizeof(reterr->message), format, args);
		va_end(args);
	}
}

int err_prefix(struct err *reterr, const char *format, ...)
{
	char old[ERR_MESSAGE_MAX];
	va_list args;
	size_t n;

	if (reterr == NULL) {
		return -(int)ERR_INTERNAL;
	}
	memcpy(old, reterr->message, sizeof(old));
	va_start(args, format);
	(void)vsnprintf(reterr->message, sizeof(reterr->message), format, args);
	va_end(args);
	n = strlen(reterr->message);
	(void)snprintf(reterr->message + n, sizeof(reterr->message) - n, ": %s", old);
	return -(int)reterr->code;
}

int err_fault(struct err *reterr, const char *pointer, const char *format, ...)
{
	struct err_fault *fault;
	va_list args;

	if (reterr == NULL) {
		return -(int)ERR_INVALID_FIELD;
	}
	reterr->code = reterr->fault_count == 0 ? ERR_INVALID_FIELD : reterr->code;
	if (reterr->fault_count++ >= ERR_FAULTS_MAX) {
		return -(int)ERR_INVALID_FIELD;
	}
	fault = &reterr->faults[reterr->fault_count - 1];
	(void)snprintf(fault->pointer, sizeof(fault->pointer), "%s", pointer);
	va_start(args, format);
	(void)vsnprintf(fault->detail, sizeof(fault->detail), format, args);
	va_end(args);
	if (reterr->fault_count == 1) {
		(void)snprintf(reterr->message, sizeof(reterr->message), "%s: %s",
			       fault->pointer[0] != '\0' ? fault->pointer : "body", fault->detail);
	}
	return -(int)ERR_INVALID_FIELD;
}

static const struct err_row *row_of(enum err_code code)
{
	return (unsigned)code < ERR_COUNT_ ? &rows[code] : &rows[ERR_INTERNAL];
}

const char *err_name(enum err_code code)
{
	return row_of(code)->name;
}

const char *err_title(enum err_code code)
{
	return row_of(code)->title;
}

int err_http_status(enum err_code code)
{
	return row_of(code)->status;
}

int err_exit_code(enum err_code code)
{
	return row_of(code)->exit;
}
