/*
 * narrowd bench: what this machine can do, measured with a daemon of its own on the disk of the data directory.
 */
#ifndef NARROWD_DAEMON_BENCH_H
#define NARROWD_DAEMON_BENCH_H

#include "base/err.h"

/* Prints requests, trials and commits. `directory` is the data directory; what is made there is removed again. */
int bench_run(const char *directory, struct err *reterr);

#endif
