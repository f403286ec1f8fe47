/*
 * The libraries of other people that this daemon runs with.
 */
#ifndef NARROWD_DAEMON_LIBRARIES_H
#define NARROWD_DAEMON_LIBRARIES_H

#include <jansson.h>
#include <stdio.h>

#include "base/library.h"

/* fn for each of them, in the order of their names. */
void libraries_each(void (*fn)(void *arg, const struct library *library), void *arg);
/* "name version" lines. */
void libraries_print(FILE *out);
/* [{"name", "version", "fault": what is known to be wrong with it or null}]; a new reference. */
json_t *libraries_json(void);
/* One line in the log, when something is known of any of them. */
void libraries_warn(void);

#endif
