/*
 * SIGHUP while no loop is there to handle it, which would end the process: a daemon that takes another one's place begins
 * anew. Main thread.
 */
#ifndef NARROWD_DAEMON_HANGUP_H
#define NARROWD_DAEMON_HANGUP_H

#include <stdbool.h>

/* From now on the signal is noted. */
void hangup_hold(void);
/* Whether it came since this was asked last. */
bool hangup_came(void);
void hangup_release(void);

#endif
