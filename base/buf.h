/*
 * A growing byte buffer whose maximum is an argument of its constructor.
 *
 * Once an addition would pass the maximum the buffer is marked as failed and stays as it was;
 * callers may add many times and look at `failed` once.
 */
#ifndef NARROWD_BASE_BUF_H
#define NARROWD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *bytes; /* NUL-terminated whenever not NULL; owned */
	size_t length;
	size_t capacity;
	size_t max;
	bool failed;
	bool is_long; /* may fail for want of memory */
};

void buf_init(struct buf *buf, size_t max);
/* The same for what may be long: without memory it is marked as failed, too. Whoever takes it looks at that. */
void buf_init_long(struct buf *buf, size_t max);
void buf_finish(struct buf *buf);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *buf);
/* `bytes` may be NULL when there are none. */
void buf_add(struct buf *buf, const void *bytes, size_t length);
void buf_text(struct buf *buf, const char *text);
/* Makes room for so many more bytes, when it is known beforehand; none is made beyond the maximum. */
void buf_expect(struct buf *buf, size_t more);
/* Adds once more what is in it. */
void buf_again(struct buf *buf, size_t start, size_t length);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds `text` as a quoted JSON string; control characters escaped, invalid UTF-8 replaced. */
void buf_json_string(struct buf *buf, const char *text, size_t length);
/* Adds `text` with %XX in place of all but letters, digits and what is in `plain`. */
void buf_escaped(struct buf *buf, const char *text, const char *plain);
/* As "%.6g", and quicker for the usual ones. */
void buf_short_number(struct buf *buf, double value);
/* Of foreign text what people's screens can take: one line of at most `max` bytes, with spaces in place of control
 * characters, "?" in place of bytes that are no UTF-8 and none around it. The caller frees. */
char *buf_line(const char *text, size_t length, size_t max);
/* Hands the bytes over to the caller, who frees them; never NULL. */
char *buf_take(struct buf *buf, size_t *ret_length);
/* The same of a text that is whole, NULL when there was no memory for all of it. */
char *buf_take_whole(struct buf *buf);

#endif
