/* Counts allocations, and fails those that a test has chosen. */
#include "tests/unit/short_memory.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

static atomic_llong made, fails_at = -1;
static atomic_bool for_ever;
static sqlite3_mem_methods real;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	long long number = atomic_fetch_add(&made, 1), at = atomic_load(&fails_at);

	return at >= 0 && (number == at || (number > at && atomic_load(&for_ever)));
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static void *sqlite_malloc(int size)
{
	return fails() ? NULL : real.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	return fails() ? NULL : real.xRealloc(old, size);
}

void short_memory_install(void)
{
	sqlite3_mem_methods ours;

	(void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
	ours = real;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	(void)sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
}

void short_memory_plan(int64_t at, bool forever)
{
	atomic_store(&for_ever, forever);
	atomic_store(&fails_at, at);
	atomic_store(&made, 0);
}

int64_t short_memory_count(void)
{
	return atomic_load(&made);
}
