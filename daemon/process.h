/*
 * The process that serves: made of settings, started, run, stopped. There is one.
 */
#ifndef NARROWD_DAEMON_PROCESS_H
#define NARROWD_DAEMON_PROCESS_H

#include "daemon/faults.h"
#include "daemon/options.h"

/* What reading the settings cannot tell. They are borrowed until process_finish(), also after a failure. */
void process_check(struct settings *options, struct faults *faults);
/* Serves until it is told to stop. */
int process_serve(struct err *reterr);
void process_finish(void);

#endif
