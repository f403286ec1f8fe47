/*
 * Secrets: a type of its own that no formatting function accepts, wiped when it goes.
 */
#ifndef NARROWD_BASE_SECRET_H
#define NARROWD_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct secret {
	unsigned char *bytes; /* owned; not NUL-terminated on purpose */
	size_t length;
};

void secret_init(struct secret *secret, const void *bytes, size_t length);
void secret_finish(struct secret *secret);
bool secret_is_set(const struct secret *secret);
/* Constant time in the length of `b`. */
bool secret_equal(const void *a, size_t a_length, const void *b, size_t b_length);

#endif
