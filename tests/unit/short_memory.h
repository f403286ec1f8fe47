/*
 * Memory that ends when a test says so: each allocation of the program's own code, of jansson and of SQLite is counted, and
 * one fails, or that one and all after it. Linked with --wrap (tests/meson.build).
 */
#ifndef NARROWD_TESTS_UNIT_SHORT_MEMORY_H
#define NARROWD_TESTS_UNIT_SHORT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* SQLite asks here, too. Before it is used for the first time. */
void short_memory_install(void);
/* Counts from 0 again; the allocation of this number fails, none when it is below 0. */
void short_memory_plan(int64_t at, bool forever);
int64_t short_memory_count(void);

#endif
