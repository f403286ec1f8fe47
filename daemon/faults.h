/*
 * The faults of the settings: all of them are said, not only the first.
 */
#ifndef NARROWD_DAEMON_FAULTS_H
#define NARROWD_DAEMON_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct checkup;

struct faults {
	size_t count;
	enum err_code code;      /* of the first one */
	bool logged;             /* they go to the log: a daemon runs already */
	struct checkup *checkup; /* or there, unless NULL */
};

/* Says it at once. */
void faults_add(struct faults *faults, const struct err *err);

#endif
