/*
 * Errors: one table of every way that narrowd can say no, and the message that goes with it.
 *
 * A fallible function returns 0 or a negative `enum err_code` and takes `struct err *reterr` as
 * its last parameter. The struct lives on the caller's stack; filling it never allocates.
 */
#ifndef NARROWD_BASE_ERR_H
#define NARROWD_BASE_ERR_H

#include <stddef.h>

enum {
	ERR_MESSAGE_MAX = 640,
	/* A problem document names at most this many faults. */
	ERR_FAULTS_MAX = 50,
	ERR_POINTER_MAX = 256,
	ERR_DETAIL_MAX = 256,
};

/*
 * code, name (the last part of the problem's URN), HTTP status, exit code (sysexits), title.
 * Append only: the names are promises.
 */
#define ERR_TABLE(X)                                                                               \
	X(ERR_INTERNAL, "internal", 500, 70, "Internal error")                                     \
	X(ERR_NO_MEMORY, "no_memory", 503, 71, "Out of memory")                                    \
	X(ERR_USAGE, "usage", 400, 64, "Wrong usage")                                              \
	X(ERR_CONFIG, "config", 500, 78, "Configuration cannot be used")                           \
	X(ERR_ADDRESS, "address", 500, 69, "Address cannot be used")                               \
	X(ERR_BUSY, "busy", 503, 75, "Somebody else holds it")                                     \
	X(ERR_CORRUPT, "corrupt", 500, 65, "Stored data is damaged")                               \
	X(ERR_NEWER_SCHEMA, "newer_schema", 500, 78, "Database of a newer version")                \
	X(ERR_STORAGE, "storage", 503, 74, "Storage failed")                                       \
	X(ERR_COMMIT_UNKNOWN, "commit_unknown", 503, 74, "Commit may or may not have happened")    \
	X(ERR_DISK_FULL, "disk_full", 507, 74, "Disk is full")                                     \
	X(ERR_BAD_REQUEST, "bad_request", 400, 65, "Malformed request")                            \
	X(ERR_INVALID_JSON, "invalid_json", 400, 65, "Malformed JSON")                             \
	X(ERR_TOO_DEEP, "too_deep", 400, 65, "JSON is nested too deeply")                          \
	X(ERR_TOO_MANY_VALUES, "too_many_values", 413, 65, "JSON has too many values")             \
	X(ERR_UNKNOWN_QUERY, "unknown_query_parameter", 400, 65, "Unknown query parameter")        \
	X(ERR_UNAUTHORIZED, "unauthorized", 401, 77, "No valid token")                             \
	X(ERR_FORBIDDEN, "forbidden", 403, 77, "Not allowed")                                      \
	X(ERR_NOT_FOUND, "not_found", 404, 66, "Not found")                                        \
	X(ERR_METHOD, "method_not_allowed", 405, 65, "Method not allowed")                         \
	X(ERR_NOT_ACCEPTABLE, "not_acceptable", 406, 65, "No such representation")                 \
	X(ERR_REQUEST_TIMEOUT, "request_timeout", 408, 75, "Request was too slow")                 \
	X(ERR_WRONG_STATE, "wrong_state", 409, 65, "Not possible in this state")                   \
	X(ERR_CONFLICT, "conflict", 409, 65, "Conflict")                                           \
	X(ERR_IDEMPOTENCY_BUSY, "idempotency_in_progress", 409, 75, "First request still runs")    \
	X(ERR_GONE, "gone", 410, 66, "Gone")                                                       \
	X(ERR_PRECONDITION, "precondition_failed", 412, 65, "Precondition failed")                 \
	X(ERR_TOO_LARGE, "body_too_large", 413, 65, "Too large")                                   \
	X(ERR_URI_TOO_LONG, "uri_too_long", 414, 65, "Request target too long")                    \
	X(ERR_MEDIA_TYPE, "unsupported_media_type", 415, 65, "Unsupported media type")             \
	X(ERR_INVALID_FIELD, "invalid_field", 422, 65, "Request cannot be carried out as it is")   \
	X(ERR_IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, 65, "Key used for another body")  \
	X(ERR_EVALUATOR_DENIED, "evaluator_denied", 422, 65, "Evaluator's address not allowed")    \
	X(ERR_EVALUATOR, "evaluator_failed", 422, 69, "Evaluator did not answer as it must")       \
	X(ERR_TOO_MANY, "too_many_requests", 429, 75, "Too many requests")                         \
	X(ERR_HEADERS_TOO_LARGE, "headers_too_large", 431, 65, "Headers too large")                \
	X(ERR_OVERLOADED, "overloaded", 503, 75, "Overloaded")                                     \
	X(ERR_DRAINING, "draining", 503, 75, "Shutting down")                                      \
	X(ERR_CANCELLED, "cancelled", 503, 75, "Cancelled")                                        \
	X(ERR_TIMEOUT, "timeout", 503, 75, "Timed out")                                            \
	X(ERR_DIVERGED, "replay_divergence", 409, 65, "What is stored means something else now")   \
	X(ERR_NOT_IMPLEMENTED, "not_implemented", 501, 65, "Not understood here")                  \
	X(ERR_STANDBY, "standby", 503, 75, "Another daemon writes")

#define X(code, name, status, exit, title) code,
enum err_code {
	ERR_OK = 0,
	ERR_TABLE(X) ERR_COUNT_,
};
#undef X

struct err_fault {
	char pointer[ERR_POINTER_MAX]; /* JSON Pointer (RFC 6901) into the request's body */
	char detail[ERR_DETAIL_MAX];
};

struct err {
	enum err_code code;
	char message[ERR_MESSAGE_MAX];
	size_t fault_count; /* faults seen; only the first ERR_FAULTS_MAX are kept */
	struct err_fault faults[ERR_FAULTS_MAX];
};

/*
 * Behind the name of an error in a function that runs with every request or event: it is 26 KB, and where a
 * build clears all variables, clearing it costs more than what such a function does.
 */
#define ERR_UNCLEARED __attribute__((uninitialized))

/* An empty error, for the caller's stack. The fault texts are left unwritten on purpose. */
void err_init(struct err *err);

/*
 * Fills `reterr` (may be NULL) and is -code, so that `return err_set(...)` reads well. A macro, so
 * that compilers and analyzers see at the caller that the value is never 0.
 */
#define err_set(reterr_, code_, ...) (err_fill((reterr_), (code_), __VA_ARGS__), -(int)(code_))
void err_fill(struct err *reterr, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "what: " before the message, for errors on their way up. Returns -code. */
int err_prefix(struct err *reterr, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Adds a fault at `pointer`; the first one also becomes the message and sets ERR_INVALID_FIELD.
 * Returns -ERR_INVALID_FIELD.
 */
int err_fault(struct err *reterr, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

const char *err_name(enum err_code code);
const char *err_title(enum err_code code);
int err_http_status(enum err_code code);
int err_exit_code(enum err_code code);

#endif
