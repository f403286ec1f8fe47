/* Allocates, or ends the process where there is no way on without memory. */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *memory)
{
	if (memory == NULL) {
		(void)fputs("narrowd: out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *mem_new(size_t count, size_t size)
{
	return or_abort(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *mem_grow(void *old, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size) {
		return or_abort(NULL);
	}
	return or_abort(realloc(old, count * size > 0 ? count * size : 1));
}

char *mem_dup(const char *text)
{
	return or_abort(strdup(text));
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
	char *text = NULL;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return or_abort(n < 0 ? NULL : text);
}

void mem_give_back(void)
{
	(void)malloc_trim(0);
}

void *mem_try(size_t count, size_t size)
{
	return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}
