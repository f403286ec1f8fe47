/*
 * What holds no more of an answer that is kept for an Idempotency-Key, as SQL.
 *
 * Leases that nobody hears of go back, and the answer that names them is on disk by then. Nobody has had it, so what a repetition
 * is told need not be that: it is what is left of it, and a take anew when nothing is.
 */
#ifndef NARROWD_STORE_KEPT_H
#define NARROWD_STORE_KEPT_H

/* The answer's items, and a member of one. */
#define KEPT_ITEMS(body)  "json_each(" body ", '$.items') AS item"
#define KEPT_MEMBER(name) "CASE item.type WHEN 'object' THEN item.value ->> '" name "' END"

/* The item is a lease that went back because nobody had heard of it, or that a crash kept from the disk. Of a deleted job there are no
 * leases, and what was said of it holds. */
#define KEPT_IS_VOID                                                                               \
	"(" KEPT_MEMBER(                                                                           \
		"lease") " IS NOT NULL"                                                            \
			 " AND EXISTS (SELECT 1 FROM job WHERE job.id = " KEPT_MEMBER(             \
				 "job") ")"                                                        \
					" AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.id "     \
					"= " KEPT_MEMBER(                                          \
						"lease") " AND (lease.answer IS NOT NULL OR NOT "  \
							 "EXISTS (SELECT 1 FROM event"             \
							 " WHERE event.job = lease.job AND "       \
							 "event.n > lease.n AND event.type = "     \
							 "'lease_returned'"                        \
							 " AND event.data ->> 'lease' = lease.id " \
							 "AND event.data ->> 'reason' IS NULL))))"

/* What is left of the body; whether that is nothing. */
#define KEPT_REST(body)                                                                            \
	"CASE WHEN EXISTS (SELECT 1 FROM " KEPT_ITEMS(                                             \
		body) " WHERE " KEPT_IS_VOID ")"                                                   \
		      " THEN (SELECT json_set(" body                                               \
		      ", '$.items', json_group_array(json(item.value))) FROM " KEPT_ITEMS(         \
			      body) " WHERE NOT " KEPT_IS_VOID ") ELSE " body " END"
#define KEPT_IS_GONE(body)                                                                         \
	"(EXISTS (SELECT 1 FROM " KEPT_ITEMS(body) " WHERE " KEPT_IS_VOID ")"                      \
						   " AND NOT EXISTS (SELECT 1 FROM " KEPT_ITEMS(   \
							   body) " WHERE NOT " KEPT_IS_VOID "))"

#endif
