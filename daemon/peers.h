/*
 * How the daemons of one PostgreSQL database reach each other.
 */
#ifndef NARROWD_DAEMON_PEERS_H
#define NARROWD_DAEMON_PEERS_H

#include "api/call.h"
#include "daemon/options.h"

/* Makes what they are asked with. ERR_CONFIG. peers_close() in either case, after fetch_stop(). */
int peers_open(struct server *server, const struct settings *options, struct err *reterr);
void peers_close(struct server *server);
/* Tells the others where this one is reached: as the setting says, or at a listener that has an address of its own. */
void peers_advertise(struct server *server, const struct settings *options);
/* This one is a spare: what is handed on follows whoever writes. */
void peers_follow(struct server *server);
/* Reads the file of peer_ca: PEM for the caller to free; NULL without the setting. ERR_CONFIG. */
int peers_read_ca(const struct settings *options, char **ret, struct err *reterr);

#endif
