/*
 * An answer while it is read: what the parts that read it, answer.c and answer_scores.c, share.
 *
 * A fault is noted at its member by base/json.h; reading goes on behind it, so that all are named at once.
 */
#ifndef NARROWD_BACKENDS_ANSWER_READER_H
#define NARROWD_BACKENDS_ANSWER_READER_H

#include "backends/answer.h"
#include "base/json.h"

struct answer_reader {
	const struct answer_expect *expect;
	struct answer *ret;
	size_t unusable; /* faults that are no number where one belongs */
	bool misplaced;  /* the answer names another question */
};

/* What any answer may have besides what it is asked for; NULL-terminated. */
extern const char *const answer_reader_any_members[];

/* Whether a NULL-terminated list, or none, has that name. */
bool answer_reader_knows(const char *const *names, const char *name);
/* null, which is also what NaN and the infinities are read as. */
bool answer_reader_is_null(const struct json_at *at);
/* Notes what nobody reads here: it is no fault, and whoever wrote it is told once. */
void answer_reader_stranger(struct answer_reader *reader, const struct json_at *at);
/* The same of the members of an object that are in neither list. */
void answer_reader_strangers(struct answer_reader *reader, const struct json_at *object,
			     const char *const *known, const char *const *also);
/* A number, or a fault: false. null is counted as unusable. */
bool answer_reader_number(struct answer_reader *reader, const struct json_at *at, double *ret);
/* The scores that were asked for. */
void answer_scores_read(struct answer_reader *reader, const struct json_at *at);

#endif
