/* The world as it is: what the tuner has of a daemon that runs on a machine. */
#ifndef NARROWD_DAEMON_MACHINE_H
#define NARROWD_DAEMON_MACHINE_H

#include "backends/fetch.h"
#include "tuner/io.h"

/* All borrowed. */
struct machine {
	struct loop *loop;
	struct store *store;
	struct fetch *fetch;
};

/* The table for this machine, which must stay where it is as long as the table is used. */
struct tuner_io machine_io(struct machine *machine);

#endif
