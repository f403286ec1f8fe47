/*
 * Pages: limits, cursors and the envelope of collections.
 */
#ifndef NARROWD_API_PAGE_H
#define NARROWD_API_PAGE_H

#include "api/call.h"

/* limit=N coerced to 1 .. LIMIT_PAGE. */
int64_t page_limit(const struct call *call);
/* cursor=..., decoded into at most two fields (NULL when absent); false after answering 400. */
bool page_cursor(struct call *call, char *ret_first, char *ret_second, size_t size);
/*
 * Answers {"items": [...], "next": ...} from rows whose first column is a document. `limit` is what
 * was asked for; the query was put with one more. `first` and `second` are the columns of the last
 * item that make the next cursor; second may be -1.
 */
void page_reply(struct call *call, const struct store_rows *rows, int64_t limit, int first,
		int second);

#endif
