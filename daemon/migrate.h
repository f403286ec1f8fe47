/*
 * `narrowd migrate`: from a data directory to PostgreSQL, and back.
 */
#ifndef NARROWD_DAEMON_MIGRATE_H
#define NARROWD_DAEMON_MIGRATE_H

#include "base/err.h"
#include "daemon/options.h"

struct migrate_command {
	const char *
		to; /* a PostgreSQL database, or a directory for what is in that of `data`; NULL: another command */
	const char *from; /* a backup in place of the database in the data directory, or NULL */
};

/* Takes the command out of the arguments. ERR_USAGE. */
int migrate_take(int *argc, char **argv, struct migrate_command *ret, struct err *reterr);
/* Says on standard output what was moved, and what is to be done now. Blocks. */
int migrate_run(const struct migrate_command *command, const struct settings *settings,
		struct err *reterr);

#endif
