/* Writes a line of the log in one piece, as JSON or as text. */
#include "base/log.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { LOG_LINE_MAX = 16384 };

static enum log_level threshold = LOG_INFO;
static bool as_json;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_setup(enum log_level level, bool json)
{
	threshold = level;
	as_json = json;
}

bool log_enabled(enum log_level level)
{
	return level <= threshold;
}

static void add_value(struct buf *line, const struct log_field *field)
{
	if (field->kind == LOG_FIELD_INT) {
		buf_printf(line, "%lld", (long long)field->integer);
	} else if (field->kind == LOG_FIELD_REAL && isfinite(field->real)) {
		buf_printf(line, "%.15g", field->real);
	} else if (field->kind == LOG_FIELD_REAL || field->text == NULL) {
		buf_text(line, "null");
	} else {
		buf_json_string(line, field->text, strlen(field->text));
	}
}

static void format_line(struct buf *line, enum log_level level, const char *message,
			const struct log_field *fields)
{
	char at[CLOCK_TEXT_SIZE];

	(void)clock_format(clock_wall_ms(), at);
	if (as_json) {
		buf_printf(line, "{\"at\":\"%s\",\"level\":\"%s\",\"message\":", at,
			   level_names[level]);
		buf_json_string(line, message, strlen(message));
	} else {
		buf_printf(line, "%s %-7s %s", at, level_names[level], message);
	}
	for (; fields->name != NULL; fields++) {
		buf_printf(line, as_json ? ",\"%s\":" : " %s=", fields->name);
		add_value(line, fields);
	}
	buf_text(line, as_json ? "}\n" : "\n");
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	struct buf line;

	if (!log_enabled(level)) {
		return;
	}
	buf_init(&line, LOG_LINE_MAX);
	format_line(&line, level, message, fields);
	if (!line.failed) {
		(void)pthread_mutex_lock(&lock);
		(void)fwrite(line.bytes, 1, line.length, stderr);
		(void)fflush(stderr);
		(void)pthread_mutex_unlock(&lock);
	}
	buf_finish(&line);
}
