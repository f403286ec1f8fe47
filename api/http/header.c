/* Reads header fields whose values are lists, byte by byte and without copies. */
#include "api/http/header.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/mem.h"

#define BLANKS " \t"

/* How well a media range fits; a more specific one overrules the others. */
enum fit { FIT_NONE, FIT_ANY, FIT_TYPE, FIT_EXACT };

struct rank {
	enum fit fit;
	double weight;
};

/* The next element of a comma-separated list, trimmed, or false at its end. */
static bool next_element(const char **list, const char **ret_start, size_t *ret_length)
{
	const char *start = *list + strspn(*list, BLANKS ",");
	size_t length = strcspn(start, ",");

	*list = start + length;
	while (length > 0 && strchr(BLANKS, start[length - 1]) != NULL) {
		length--;
	}
	*ret_start = start;
	*ret_length = length;
	return length > 0;
}

static bool is_tag(const char *start, const char *end, const char *tag)
{
	size_t suffix = strlen(HEADER_GZIP_TAG), length = (size_t)(end - start);

	if (length > suffix && memcmp(end - suffix, HEADER_GZIP_TAG, suffix) == 0) {
		length -= suffix;
	}
	return length + 1 == strlen(tag) && memcmp(start, tag, length) == 0;
}

bool header_has_tag(const char *field, const char *tag, bool strong)
{
	if (field != NULL && strcmp(field, "*") == 0) {
		return true;
	}
	while (field != NULL && *field != '\0') {
		const char *start = field + strspn(field, BLANKS ",");
		bool weak = strncmp(start, "W/", 2) == 0;
		const char *end;

		start += weak ? 2 : 0;
		end = *start == '"' ? strchr(start + 1, '"') : NULL;
		if (end == NULL) {
			return false;
		}
		field = end + 1;
		if (!(weak && strong) && is_tag(start, end, tag)) {
			return true;
		}
	}
	return false;
}

unsigned header_wait_s(const char *prefer, unsigned max)
{
	const char *start;
	size_t length;

	while (prefer != NULL && next_element(&prefer, &start, &length)) {
		char *end;
		unsigned long seconds;

		if (strncasecmp(start, "wait", 4) != 0) {
			continue;
		}
		start += 4 + strspn(start + 4, BLANKS);
		if (*start != '=') {
			continue;
		}
		start += 1 + strspn(start + 1, BLANKS);
		seconds = strspn(start, "0123456789") > 0 ? strtoul(start, &end, 10) : 0;
		return seconds > max ? max : (unsigned)seconds;
	}
	return 0;
}

bool header_is_type(const char *field, const char *media)
{
	size_t length = strlen(media);

	if (field == NULL || strncasecmp(field, media, length) != 0) {
		return false;
	}
	return field[length] == '\0' || strchr(BLANKS ";", field[length]) != NULL;
}

static enum fit fit_of(const char *range, size_t length, const char *media)
{
	size_t type = strcspn(media, "/") + 1;

	if (length == 3 && memcmp(range, "*/*", 3) == 0) {
		return FIT_ANY;
	}
	if (length == type + 1 && range[type] == '*' && strncasecmp(range, media, type) == 0) {
		return FIT_TYPE;
	}
	return length == strlen(media) && strncasecmp(range, media, length) == 0 ? FIT_EXACT
										 : FIT_NONE;
}

/* The q of "; charset=x; q=0.5"; 1 when there is none. */
static double weight_of(const char *parameters, size_t length)
{
	for (size_t i = 0; i + 2 < length; i++) {
		if ((parameters[i] == ';' || strchr(BLANKS, parameters[i]) != NULL) &&
		    strncasecmp(parameters + i + 1, "q=", 2) == 0) {
			return strtod(parameters + i + 3, NULL);
		}
	}
	return 1;
}

bool header_takes_coding(const char *field, const char *coding)
{
	double wanted = 0, plain = 0, other = 0;
	bool named = false;
	const char *start;
	size_t length;

	while (field != NULL && next_element(&field, &start, &length)) {
		size_t name = 0;
		double weight;

		while (name < length && strchr(BLANKS ";", start[name]) == NULL) {
			name++;
		}
		weight = weight_of(start + name, length - name);
		if (name == strlen(coding) && strncasecmp(start, coding, name) == 0) {
			wanted = weight;
			named = true;
		} else if (name == strlen("identity") &&
			   strncasecmp(start, "identity", name) == 0) {
			plain = weight;
		} else if (name == 1 && *start == '*') {
			other = weight;
		}
	}
	wanted = named ? wanted : other;
	return wanted > 0 && wanted >= plain;
}

static struct rank rank_of(const char *accept, const char *media)
{
	struct rank best = {FIT_NONE, 0};
	const char *start;
	size_t length;

	while (next_element(&accept, &start, &length)) {
		size_t range = 0;
		enum fit fit;

		while (range < length && strchr(BLANKS ";", start[range]) == NULL) {
			range++;
		}
		fit = fit_of(start, range, media);
		if (fit > best.fit) {
			best = (struct rank){fit, weight_of(start + range, length - range)};
		}
	}
	return best;
}

bool header_accepts(const char *accept, const char *media)
{
	return accept == NULL || *accept == '\0' || rank_of(accept, media).weight > 0;
}

bool header_prefers(const char *accept, const char *media, const char *other)
{
	struct rank a, b;

	if (accept == NULL) {
		return false;
	}
	a = rank_of(accept, media);
	b = rank_of(accept, other);
	return a.weight > b.weight || (a.weight > 0 && a.weight >= b.weight && a.fit > b.fit);
}

char *header_key(const char *field)
{
	size_t length = strlen(field);
	bool quoted = length >= 2 && field[0] == '"' && field[length - 1] == '"';

	field += quoted ? 1 : 0;
	length -= quoted ? 2 : 0;
	if (length == 0 || length > LIMIT_KEY_BYTES) {
		return NULL;
	}
	for (size_t i = 0; i < length; i++) {
		if (field[i] <= 0x20 || field[i] > 0x7E || field[i] == '"') {
			return NULL;
		}
	}
	return mem_dup_n(field, length);
}
