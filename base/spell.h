/*
 * How far two spellings are apart: what somebody who typed a name may have meant.
 */
#ifndef NARROWD_BASE_SPELL_H
#define NARROWD_BASE_SPELL_H

#include <stddef.h>

/* So far or farther is another name. */
enum { SPELL_OTHER = 3 };

/*
 * 0 when letters and digits are the same in either case; 1 when `known` has `wanted` in it; otherwise the typing errors
 * between them. Of names with less than five letters half a name may not be wrong, and less than three are like nothing.
 */
size_t spell_apart(const char *wanted, const char *known);

#endif
