/*
 * What the command line prints: numbers that people can read, and text from the server made
 * harmless for terminals.
 *
 * Functions that return text return memory that the caller frees, never NULL.
 */
#ifndef NARROWD_CLI_TEXT_H
#define NARROWD_CLI_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"

/* A copy in which control characters, those that turn the direction of writing among them, are "?": a name must
 * neither move the cursor nor read as another one. NULL gives "-". */
char *text_clean(const char *text);
/* A copy of what has lines, JSON or not, for a terminal: of the control characters ends of lines and tabs stay, and the
 * others become the escapes that JSON has for them. */
char *text_safe(const char *text);
/* The member's string, cleaned; "-" when there is none. */
char *text_member(const json_t *object, const char *key);
/* A number, or the numbers of an object with their names; "-" for anything else. */
char *text_number(const json_t *value);
/* The same with three digits, for shares and ratios. */
char *text_rough(double value);
/* Seconds as "850 ms", "12.3 s", "2m05s", "3h10m" or "2d04h". */
char *text_duration(double seconds);
/* An RFC 3339 time without its "T" and fractions: "2026-03-02 09:00:00"; "-" for NULL. */
char *text_time(const char *rfc3339);
/* Its seconds since the epoch; NaN for NULL and for other texts. */
double text_epoch_s(const char *rfc3339);
/* Columns that the text takes, one for each character of UTF-8. */
size_t text_width(const char *text);
/* Cuts the text after that many columns, in place. */
void text_clip(char *text, size_t columns);
/* How many columns standard output has; 0 when it is no terminal. */
size_t text_columns(void);
/* Adds "BEFORE TEXT AFTER" without blanks between them, and frees the text. */
void text_add(struct buf *buf, const char *before, char *text, const char *after);

#endif
