/* Allocates, or ends the process where there is no way on without memory. */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Address space that nobody uses while there is enough, for what has begun when there is not: it comes to an end, and
 * what is large is refused until the reserve is there again.
 */
enum { RESERVE_BYTES = 32 * 1024 * 1024, LARGE_BYTES = 96 * 1024 * 1024 };
static _Atomic(void *) reserve;
static atomic_bool wanted; /* whether there is to be one */

static bool open_reserve(void)
{
	void *opened = atomic_exchange(&reserve, NULL);

	return opened != NULL && munmap(opened, RESERVE_BYTES) == 0;
}

void mem_reserve(void)
{
	atomic_store(&wanted, true);
	(void)mem_is_short();
}

/* Whether so many addresses may be had: what is large needs them a little later. */
static bool is_there(size_t bytes)
{
	void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return room != MAP_FAILED && munmap(room, bytes) == 0;
}

bool mem_is_short(void)
{
	void *none = NULL, *more;

	if (!atomic_load(&wanted)) {
		return false;
	}
	if (atomic_load(&reserve) != NULL) {
		return !is_there(LARGE_BYTES);
	}
	more = mmap(NULL, RESERVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (more == MAP_FAILED) {
		return true;
	}
	if (!atomic_compare_exchange_strong(&reserve, &none, more)) {
		(void)munmap(more, RESERVE_BYTES);
	}
	return !is_there(LARGE_BYTES);
}

void *mem_again(void *old, size_t size)
{
	/* A size of 0 frees for some and not for others, so it is not asked for. */
	void *memory = open_reserve() ? realloc(old, size > 0 ? size : 1) : NULL;

	if (memory == NULL) {
		(void)fputs("narrowd: out of memory\n", stderr);
		abort();
	}
	(void)mem_is_short(); /* perhaps there is enough again */
	return memory;
}

void *mem_new(size_t count, size_t size)
{
	void *memory = mem_try(count, size);

	if (memory == NULL) {
		size = count > 0 && size > SIZE_MAX / count ? SIZE_MAX : count * size;
		memory = memset(mem_again(NULL, size), 0, size);
	}
	return memory;
}

void *mem_grow(void *old, size_t count, size_t size)
{
	size_t bytes = size != 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size;
	void *memory = realloc(old, bytes > 0 ? bytes : 1);

	if (memory == NULL) {
		memory = mem_again(old, bytes);
	}
	return memory;
}

char *mem_dup(const char *text)
{
	return mem_dup_n(text, strlen(text));
}

char *mem_dup_n(const char *text, size_t length)
{
	char *copy = mem_new(length + 1, 1);

	if (length > 0) {
		memcpy(copy, text, length);
	}
	return copy;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = mem_new((size_t)n + 1, 1);
	va_start(args, format);
	(void)vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

void mem_give_back(void)
{
	(void)malloc_trim(0);
}

void *mem_try(size_t count, size_t size)
{
	return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}
