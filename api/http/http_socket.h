/*
 * Listening sockets: from the text of an address to a socket that listens, and back to a URL.
 *
 * Addresses are numbers, never names: what a name means is another machine's decision.
 */
#ifndef NARROWD_API_HTTP_HTTP_SOCKET_H
#define NARROWD_API_HTTP_HTTP_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"

struct http_socket {
	int fd; /* -1 when closed */
	char *url;
	bool is_unix;
	bool is_loopback; /* an IP address that only this machine can reach */
	bool is_tls;
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
		struct sockaddr_un un;
	} address;
	socklen_t length;
	dev_t device; /* of a unix socket's file, as bound */
	ino_t inode;
};

/* Reads "127.0.0.1:8585", "[::1]:8585" or "unix:/path" into `sock`, before an address "http://" or
 * "https://". Without either `tls` says whether what other machines reach speaks TLS. Returns 0 or
 * -ERR_ADDRESS. */
int http_socket_parse(struct http_socket *sock, const char *whole, bool tls, struct err *reterr);
/* Parses, binds and listens, not blocking; a unix socket that nobody serves any more is replaced, and
 * nothing else.
 * Returns 0 or -ERR_ADDRESS; finish in either case. */
int http_socket_init(struct http_socket *sock, const char *text, bool tls, struct err *reterr);
/* Closes it and removes a unix socket's path; the URL stays. */
void http_socket_close(struct http_socket *sock);
void http_socket_finish(struct http_socket *sock);

/* Whether a peer's address is one of this machine's loopback or unix ones. */
bool http_socket_is_local(const struct sockaddr *address);

#endif
