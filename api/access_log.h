/*
 * The access log: one JSON line for each request that is over, apart from the daemon's own log.
 *
 * A line has the path and never the query, a token's id and never the token: what is secret has no way in.
 */
#ifndef NARROWD_API_ACCESS_LOG_H
#define NARROWD_API_ACCESS_LOG_H

#include "api/http/http.h"

/* "" for no log, "-" for standard error, else a file that lines are appended to. ERR_CONFIG when it cannot be
 * opened. Called again it opens the file anew, for who has moved it away; the old one stays when that fails. */
int access_log_open(const char *path, struct err *reterr);
void access_log_close(void);
/* http_options.over. A line that cannot be written is lost; the first one is said in the daemon's log. */
void access_log_note(const struct request *request, const struct http_over *over, void *arg);

#endif
