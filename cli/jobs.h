/*
 * The commands about whole jobs: submit, clone, jobs, show, pause, resume, cancel, delete,
 * export, exclude, include, edit, retry.
 *
 * Each returns an exit code and has said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_JOBS_H
#define NARROWD_CLI_JOBS_H

#include "cli/cli.h"
#include "cli/table.h"

enum cli_exit jobs_submit(struct cli *cli);
enum cli_exit jobs_clone(struct cli *cli);
/* A table of jobs, and a job's row of it, of which `arg` is the table; finish it with table_finish(). */
void jobs_table(struct table *table);
void jobs_row(void *arg, const json_t *job);
enum cli_exit jobs_list(struct cli *cli);
enum cli_exit jobs_show(struct cli *cli);
/* Posts to the job's route that is called like the command: pause, resume, cancel. */
enum cli_exit jobs_control(struct cli *cli);
/* Posts to a trial's route that is called like the command: exclude, include. */
enum cli_exit jobs_exclude(struct cli *cli);
enum cli_exit jobs_delete(struct cli *cli);
/* PATCHes what --set says. */
enum cli_exit jobs_edit(struct cli *cli);
/* One trial, or all that failed. */
enum cli_exit jobs_retry(struct cli *cli);
enum cli_exit jobs_export(struct cli *cli);

#endif
