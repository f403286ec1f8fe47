/*
 * URLs as people may see them: what stands behind "?" is often a key.
 */
#ifndef NARROWD_BASE_URL_H
#define NARROWD_BASE_URL_H

/* "https://host/path?..." of one with a query, a copy of any other. The caller frees. */
char *url_shown(const char *url);

#endif
