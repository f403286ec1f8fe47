/*
 * The files of the web page, embedded by tools/page.py.
 */
#ifndef NARROWD_API_ASSETS_H
#define NARROWD_API_ASSETS_H

#include <stddef.h>

/* Its name changes with its content, so that clients may keep it for ever. */
struct asset {
	const char *name, *type;
	const unsigned char *packed; /* gzip */
	size_t length;
};

/* Ended by one without a name. */
extern const struct asset asset_table[];
/* What stands before and after the content of every page; ASSET_ROOT in it for the way to the daemon's root. */
#define ASSET_ROOT "{root}"
extern const char asset_before[], asset_after[];

#endif
