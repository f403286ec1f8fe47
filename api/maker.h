/*
 * Specs in the making: of calls that want the spec of one job, one reads and makes it while the others wait, for each
 * would have texts of megabytes meanwhile. Loop thread.
 */
#ifndef NARROWD_API_MAKER_H
#define NARROWD_API_MAKER_H

#include "api/call.h"

/* False when another call makes the spec of this call's job: `again` comes when that has ended, however it did, unless the
 * client leaves before. */
bool maker_begin(struct call *call, call_fn *again);
/* The call makes no spec any more. Twice is harmless. */
void maker_end(struct call *call);

#endif
