/*
 * The commands that print a collection: sensitivity, strategies, evaluators, workers.
 *
 * Each returns an exit code and has said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_LISTS_H
#define NARROWD_CLI_LISTS_H

#include "cli/cli.h"

struct table;

typedef void (*lists_row_fn)(void *arg, const json_t *item);

/* A collection in a table that has its heads, to which `add` adds a row for each item, or as JSON; see cli_pages(). The
 * table is finished then. */
enum cli_exit lists_fill(struct cli *cli, const char *path, bool paged, struct table *table,
			 lists_row_fn add, void *arg);
/* The same where all that `add` needs is the table, which is its argument. */
enum cli_exit lists_print(struct cli *cli, const char *path, bool paged, const char *align,
			  const char *const *heads, lists_row_fn add);
enum cli_exit lists_sensitivity(struct cli *cli);
enum cli_exit lists_strategies(struct cli *cli);
enum cli_exit lists_evaluators(struct cli *cli);
enum cli_exit lists_workers(struct cli *cli);

#endif
