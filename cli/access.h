/*
 * What narrow shows to a daemon, its token, and whom it trusts to be one: options, files and variables
 * of the environment.
 */
#ifndef NARROWD_CLI_ACCESS_H
#define NARROWD_CLI_ACCESS_H

#include "cli/cli.h"

struct access {
	char *token; /* NULL: none; owned */
	char *ca;    /* PEM; NULL: the system's authorities; owned */
};

/* --token, --token-file, NARROWD_TOKEN or NARROWD_TOKEN_FILE, the first that there is; --ca or NARROWD_CA.
 * 0 or -ERR_USAGE; access_finish() in either case. */
int access_read(const struct cli *cli, struct access *ret, struct err *reterr);
void access_finish(struct access *access);

#endif
