/*
 * Signals while no loop is there to handle them, which would end the process: a daemon that takes another one's place begins
 * anew. Main thread.
 */
#ifndef NARROWD_DAEMON_SIGHOLD_H
#define NARROWD_DAEMON_SIGHOLD_H

#include <stdbool.h>

/* From now on SIGHUP is noted. */
void sighold_begin(void);
/* ... and what ends a daemon, SIGTERM and SIGINT. */
void sighold_begin_ends(void);
/* Whether SIGHUP came since this was asked last. */
bool sighold_hangup(void);
/* Which of those came that end a daemon, or 0. They are noted no more: some loop watches them. */
int sighold_end(void);
void sighold_finish(void);

#endif
