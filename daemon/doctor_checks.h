/*
 * The checks of narrowd doctor; private to doctor*.c. Each is a row of the table in doctor.c.
 */
#ifndef NARROWD_DAEMON_DOCTOR_CHECKS_H
#define NARROWD_DAEMON_DOCTOR_CHECKS_H

#include <stdbool.h>

#include "base/checkup.h"
#include "daemon/options.h"
#include "daemon/setup.h"

struct doctor {
	struct settings options;
	struct setup setup;
	int argc;
	char **argv;
	bool has_data; /* there is a database */
	bool is_up;    /* a daemon answers in the data directory */
};

/* Of the data directory. */
void doctor_directory(void *arg, struct checkup *found);
void doctor_permissions(void *arg, struct checkup *found);
void doctor_process(void *arg, struct checkup *found);
void doctor_disk(void *arg, struct checkup *found);
void doctor_key(void *arg, struct checkup *found);
void doctor_schema(void *arg, struct checkup *found);
void doctor_strangers(void *arg, struct checkup *found);
void doctor_lost_events(void *arg, struct checkup *found);
void doctor_database(void *arg, struct checkup *found);
void doctor_clock(void *arg, struct checkup *found);
void doctor_backup(void *arg, struct checkup *found);

/* Of the network. */
void doctor_listeners(void *arg, struct checkup *found);
void doctor_tokens(void *arg, struct checkup *found);
void doctor_certificate_end(void *arg, struct checkup *found);
void doctor_certificate_name(void *arg, struct checkup *found);
void doctor_allowed(void *arg, struct checkup *found);
void doctor_evaluators(void *arg, struct checkup *found);

#endif
