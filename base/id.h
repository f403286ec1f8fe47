/*
 * Opaque ids with a type prefix, sortable by creation time: "job_" and 26 characters of
 * Crockford's base 32, 48 bits of wall-clock milliseconds before 80 random bits (as ULIDs are).
 */
#ifndef NARROWD_BASE_ID_H
#define NARROWD_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_SIZE = 32 };

/* Fills `id` (ID_SIZE bytes) with a fresh id. Any thread. */
void id_make(char *id, const char *prefix);
/* Whether `text` has the form of an id with this prefix. */
bool id_valid(const char *text, const char *prefix);

#endif
