/*
 * Header fields whose values are lists or small languages of their own: entity tags, preferences,
 * media ranges, idempotency keys.
 *
 * Pure functions of a field's text. NULL stands for a field that is absent.
 */
#ifndef NARROWD_API_HTTP_HEADER_H
#define NARROWD_API_HTTP_HEADER_H

#include <stdbool.h>

/* What the tag of an answer in gzip ends with, before the quote. */
#define HEADER_GZIP_TAG "-gzip"

/*
 * Whether `field` (If-Match, If-None-Match) is "*" or lists `tag`, given with its quotes, as it is or
 * as that of the same answer in gzip. Weak tags count unless `strong` (RFC 9110 8.8.3.2).
 */
bool header_has_tag(const char *field, const char *tag, bool strong);
/* The N of "wait=N" in a Prefer field (RFC 7240), at most `max`; 0 when it prefers nothing. */
unsigned header_wait_s(const char *prefer, unsigned max);
/* Whether the Accept-Encoding field asks for `coding`, and not rather for none. */
bool header_takes_coding(const char *field, const char *coding);
/* Whether the Content-Type field is of that media type, whatever its parameters. */
bool header_is_type(const char *field, const char *media);
/* Whether the Accept field takes `media` ("type/subtype"); an absent one takes everything. */
bool header_accepts(const char *accept, const char *media);
/* Whether the Accept field rather has `media` than `other`: by weight, else because it names it. */
bool header_prefers(const char *accept, const char *media, const char *other);
/*
 * The text of an Idempotency-Key, given as a structured-field string or as a bare word: 1 to
 * LIMIT_KEY_BYTES visible characters. NULL when it is neither; the caller frees.
 */
char *header_key(const char *field);

#endif
