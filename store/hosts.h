/*
 * The hosts of a URL for PostgreSQL, in the order in which they are tried.
 */
#ifndef NARROWD_STORE_HOSTS_H
#define NARROWD_STORE_HOSTS_H

#include <stddef.h>

enum { HOSTS_OPTIONS = 3 };

/* Of libpq: each is a list with a comma between any two, and what all hosts have in common may stand there once. */
extern const char *const hosts_options[HOSTS_OPTIONS];

struct hosts {
	char *lists[HOSTS_OPTIONS]; /* of those options; owned; NULL: the URL does not say */
	size_t count;
};

void hosts_init(struct hosts *hosts);
void hosts_finish(struct hosts *hosts);
/* What the URL says of an option, which may be any. Copied. */
void hosts_note(struct hosts *hosts, const char *option, const char *text);
/* The first one is the last one then. */
void hosts_turn(struct hosts *hosts);

#endif
