/*
 * The ending of a noun behind a count. Any thread.
 */
#ifndef NARROWD_BASE_PLURAL_H
#define NARROWD_BASE_PLURAL_H

/* "" for 1, else "s"; a constant. */
const char *plural_s(long long count);

#endif
