/*
 * Handing on: what a spare daemon must not answer itself is asked of the daemon that writes, and its answer goes back as
 * it is. A spare is one that follows another one's log (store_is_spare()).
 *
 * Who asks was let in here as everywhere, and is judged there once more, by the same token. What was handed on is not
 * handed on again. Nothing is sent twice that may have been done. An answer is given when what it says has come into the
 * log here, too: who has written finds it. Loop thread.
 */
#ifndef NARROWD_API_RELAY_H
#define NARROWD_API_RELAY_H

#include "api/call.h"

/* Whether the daemon that writes is to answer: always of what is not read, and of what it alone has in memory. */
bool relay_takes(const struct call *call);
/* Asks it; the answer is the call's. A 503 says why not. */
void relay_begin(struct call *call);
/* Whether it is asked in place of an answer that this failed: of a read that finds nothing, what was just made may not have
 * come here yet. */
bool relay_instead(struct call *call, const struct err *err);
/* What was handed on to this daemon is answered: says up to where the log has it. */
void relay_stamp(const struct call *call);
/* The client is gone: what was asked for it is given up. */
void relay_end(struct call *call);
/* Whether requests can be handed on. ERR_STANDBY says why not, and names nobody. */
int relay_check(const struct server *server, struct err *reterr);
/* Another daemon writes now: who waits for the one before is told so. `arg` is the server: for store_on_writer(). */
void relay_writer_changed(void *arg);

#endif
