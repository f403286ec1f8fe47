/*
 * narrow doctor and narrow support-bundle: what is wrong with a daemon as it is seen from here, and what to send to
 * those who are asked about it.
 *
 * Both return an exit code and have said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_DOCTOR_H
#define NARROWD_CLI_DOCTOR_H

#include "cli/cli.h"

/* CLI_NOT_MET when something was found. */
enum cli_exit doctor_run(struct cli *cli);
/* The same as JSON, a new reference. */
json_t *doctor_report(struct cli *cli);

#endif
