/*
 * Kinds: all that can be done to an operator, enumerated once and shared by all that are alike.
 */
#ifndef NARROWD_SPACE_KIND_H
#define NARROWD_SPACE_KIND_H

#include "space/space.h"

/*
 * Enumerates a set that restrict_apply() left: modes in order of preference, the descriptions of a
 * mode in their order, the items' options with the last item varying fastest, precisions last.
 * ERR_INVALID_FIELD when there are more than LIMIT_CHOICES_PER_OP.
 */
int kind_init(struct kind *kind, const struct mode_set *set, struct err *reterr);
void kind_finish(struct kind *kind);
bool kind_equal(const struct kind *a, const struct kind *b);
bool choice_equal(const struct choice *a, const struct choice *b);

#endif
