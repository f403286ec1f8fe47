/*
 * Pages: limits, cursors and the envelope of collections.
 */
#ifndef NARROWD_API_PAGE_H
#define NARROWD_API_PAGE_H

#include "api/call.h"

enum { PAGE_FIELD_SIZE = 80 };

/*
 * Reads limit=N, coerced to 1 .. LIMIT_PAGE, into call->limit, and cursor=..., decoded into two
 * fields of PAGE_FIELD_SIZE bytes, empty when absent. False after answering 400, as for a cursor of
 * another collection, filter or order.
 */
bool page_read(struct call *call, char *ret_first, char *ret_second);
/*
 * The values of a filter that may be given more than once and lists several behind commas, as a JSON
 * array, which the caller frees; each is one of the NULL-terminated choices unless these are NULL.
 * *ret_list is NULL when the parameter is absent. False after answering 400.
 */
bool page_choices(struct call *call, const char *parameter, const char *const *choices,
		  char **ret_list);
/* Every label.K=V of the query as a JSON object, which the caller frees; NULL when there is none. */
char *page_labels(struct call *call);
/* Whether the parameter is absent or one of the NULL-terminated choices; otherwise answers 400. */
bool page_choice(struct call *call, const char *parameter, const char *const *choices);
/*
 * Answers {"items": [...], "next": ...} from rows whose first column is a document; the query was put
 * for one row more than call->limit, the limit. `first` and `second` are the columns of the last
 * item that make the next cursor; second may be -1.
 */
void page_reply(struct call *call, const struct store_rows *rows, int first, int second);
/* The same with those rows only of which `kept` is true: a page may have fewer items than its limit. */
void page_reply_kept(struct call *call, const struct store_rows *rows, const bool *kept, int first,
		     int second);
/*
 * Answers a page of documents in the order of their ids. The query has three values, the id after which
 * the page begins, how many rows and whose, and gives documents and their ids.
 */
void page_of_documents(struct call *call, int query);

#endif
