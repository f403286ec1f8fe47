/*
 * Structured logging: one line per event on standard error, as JSON or as text.
 *
 * A line is a message without variable parts plus typed fields; there is no format string, so a
 * secret has no way in. Thread-safe. Library code below daemon/ logs at debug level only.
 */
#ifndef NARROWD_BASE_LOG_H
#define NARROWD_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log_field {
	const char *name; /* NULL ends the list */
	enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_REAL } kind;
	const char *text; /* NULL is written as null */
	int64_t integer;
	double real;
};

#define LOG_TEXT(name_, value_)                                                                    \
	((struct log_field){.name = (name_), .kind = LOG_FIELD_TEXT, .text = (value_)})
#define LOG_INT(name_, value_)                                                                     \
	((struct log_field){.name = (name_), .kind = LOG_FIELD_INT, .integer = (value_)})
#define LOG_REAL(name_, value_)                                                                    \
	((struct log_field){.name = (name_), .kind = LOG_FIELD_REAL, .real = (value_)})

/* Before threads start. */
void log_setup(enum log_level level, bool json);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* log_line(LOG_INFO, "job finished", LOG_TEXT("job", id), LOG_INT("trials", n)); */
#define log_line(level_, message_, ...)                                                            \
	log_write((level_), (message_), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

#endif
