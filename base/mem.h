/*
 * Memory: what a client may make large is refused when there is none; all else has a reserve.
 *
 * When the reserve is used up, too, the process aborts. That is safe by design: everything acknowledged is in
 * the log, and a restart goes on. Any thread.
 */
#ifndef NARROWD_BASE_MEM_H
#define NARROWD_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory, never NULL. */
void *mem_new(size_t count, size_t size);
/* Grows `old` to `count` items of `size`; the new part is not cleared. Never NULL for count > 0. */
void *mem_grow(void *old, size_t count, size_t size);
char *mem_dup(const char *text);
/* `text` may be NULL when `length` is 0. */
char *mem_dup_n(const char *text, size_t length);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory for sizes that a client chooses: NULL on overflow or when there is none. */
void *mem_try(size_t count, size_t size);

/* From now on there is a reserve. */
void mem_reserve(void);
/* Whether the reserve is in use and cannot be made anew, or something large would not fit beside it: that is to be
 * refused. */
bool mem_is_short(void);
/* As realloc() that has just failed: takes from the reserve. */
void *mem_again(void *old, size_t size);

/* What is free goes back to the system. Takes milliseconds: not on the loop. */
void mem_give_back(void);

#endif
