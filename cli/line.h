/*
 * What `watch` says of a job in one line, for whatever width there is.
 *
 * Every function that returns text returns memory that the caller frees.
 */
#ifndef NARROWD_CLI_LINE_H
#define NARROWD_CLI_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct line {
	const json_t *job; /* its document */
	double age_s;      /* seconds since that came, until the daemon was missed */
	bool away;         /* the daemon is missing */
};

/* Active seconds up to now: the document's, and what has passed since it came. */
double line_elapsed_s(const struct line *line);
/* As much as goes into that many columns: the counts and the best stay longest. */
char *line_fitting(const struct line *line, size_t columns);
/* All of it but the bar and the times: what changes only when the job does. */
char *line_whole(const struct line *line);
/* "3m45s, about 1m15s left" */
char *line_times(const struct line *line);

#endif
