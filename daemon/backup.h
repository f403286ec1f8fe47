/*
 * `narrowd backup` and `narrowd restore`.
 */
#ifndef NARROWD_DAEMON_BACKUP_H
#define NARROWD_DAEMON_BACKUP_H

#include <stdint.h>

#include "base/err.h"

struct backup_command {
	const char *destination; /* of a backup, or NULL */
	const char *source;      /* to be put back, or NULL */
	int64_t keep;            /* of the backups in a folder, this many; 0: all */
};

/* Takes the command out of the arguments. ERR_USAGE. */
int backup_take(int *argc, char **argv, struct backup_command *ret, struct err *reterr);
/* Says on standard output what was made. With a folder for destination the time is the file's name. */
int backup_run(const struct backup_command *command, const char *data_dir, struct err *reterr);

#endif
