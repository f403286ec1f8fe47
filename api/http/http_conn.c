/* Watches connections: who may have one, who must make room, and who has kept one for too long. */
#include "api/http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/http/http_tls.h"
#include "api/http/problem.h"
#include "base/mem.h"

struct http_conn *http_conn_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void http_conn_enter(struct http_conn *conn, int64_t timeout_ms)
{
	conn->since = http_now(conn->http);
	conn->deadline =
		timeout_ms == HTTP_NO_DEADLINE ? HTTP_NO_DEADLINE : conn->since + timeout_ms;
}

static void conn_open(struct http *http, struct MHD_Connection *mhd, void **context)
{
	struct http_conn *conn = mem_new(1, sizeof(*conn));
	const struct sockaddr *peer =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;

	conn->http = http;
	conn->listener = http->accepting;
	conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	if (peer != NULL && peer->sa_family != AF_UNIX) {
		memcpy(&conn->peer, peer,
		       peer->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						  : sizeof(struct sockaddr_in6));
	}
	list_append(&http->connections, &conn->node);
	http->connection_count++;
	http_conn_enter(conn, (int64_t)http->options.header_timeout_ms);
	*context = conn;
}

static void conn_closed(struct http_conn *conn)
{
	conn->http->connection_count--;
	list_remove(&conn->node);
	free(conn);
}

void http_conn_notify(void *http, struct MHD_Connection *mhd, void **context,
		      enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		conn_open(http, mhd, context);
	} else {
		conn_closed(*context);
		*context = NULL;
	}
}

/* The part of an address that belongs to one customer: all of an IPv4 one, an IPv6 /64. */
static bool same_peer(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family) {
		return false;
	}
	if (a->sa_family == AF_INET) {
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	}
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)b)->sin6_addr, 8) == 0;
}

static void print_address(struct http_conn *conn)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&conn->peer;
	struct sockaddr_in6 v6 = *(const struct sockaddr_in6 *)&conn->peer;

	if (conn->peer.ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, conn->address, sizeof(conn->address));
	} else {
		memset(v6.sin6_addr.s6_addr + 8, 0, 8); /* as same_peer() */
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, conn->address, sizeof(conn->address));
	}
}

void request_peer(const struct request *request, struct http_peer *ret)
{
	struct http_conn *conn = request->conn;
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	*ret = (struct http_peer){.is_unix = conn->listener->socket.is_unix,
				  .is_secure = conn->listener->socket.is_tls,
				  .uid = -1};
	if (ret->is_unix) {
		if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) {
			ret->uid = (int64_t)peer.uid;
		}
	} else {
		if (conn->address[0] == '\0') {
			print_address(conn);
		}
		memcpy(ret->address, conn->address, sizeof(ret->address));
	}
}

static bool is_incomplete(const struct http_conn *conn)
{
	return conn->request == NULL || http_request_incomplete(conn->request);
}

/*
 * At the limit the connection that has been in a client's hands for longest goes: an attacker's who
 * sends slowly or nothing, or an idle one, whose client will simply come again.
 */
static bool make_room(struct http *http)
{
	struct http_conn *oldest = NULL;
	size_t alive = 0;

	for (struct list *node = http->connections.next; node != &http->connections;
	     node = node->next) {
		struct http_conn *conn = list_entry(node, struct http_conn, node);

		if (conn->doomed) {
			continue;
		}
		alive++;
		if (is_incomplete(conn) && (oldest == NULL || conn->since < oldest->since)) {
			oldest = conn;
		}
	}
	if (alive < http->options.max_connections) {
		return true;
	}
	if (oldest != NULL) {
		http->stats.refused++;
		http_conn_drop(oldest);
	}
	return oldest != NULL;
}

bool http_conn_admit(struct http *http, const struct sockaddr *peer)
{
	size_t count = 0;

	if (!http_socket_is_local(peer)) {
		for (struct list *node = http->connections.next; node != &http->connections;
		     node = node->next) {
			struct http_conn *conn = list_entry(node, struct http_conn, node);

			count += same_peer((struct sockaddr *)&conn->peer, peer) ? 1 : 0;
		}
	}
	return count < http->options.max_connections_per_ip &&
	       (http->connection_count < http->options.max_connections || make_room(http));
}

void http_conn_drop(struct http_conn *conn)
{
	conn->doomed = true;
	conn->deadline = HTTP_NO_DEADLINE;
	if (conn->request != NULL) {
		http_request_abandon(conn->request);
	}
	(void)shutdown(conn->fd, SHUT_RDWR);
	http_mark_dirty(conn->http);
}

void http_conn_refuse(struct http_conn *conn, const struct err *err)
{
	size_t length;
	char *body = problem_text(err, NULL, request_id(conn->request), &length);
	char *text = mem_printf("HTTP/1.1 %d %s\r\nContent-Type: " PROBLEM_TYPE "\r\n"
				"Content-Length: %zu\r\nConnection: close\r\n"
				"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
				"X-Request-Id: %s\r\n\r\n%s",
				err_http_status(err->code), err_title(err->code), length,
				request_id(conn->request), body);

	/* Best effort: a client whose socket takes no more has other worries than a reason. */
	if (conn->listener->socket.is_tls) {
		http_tls_send(MHD_get_connection_info(conn->request->mhd,
						      MHD_CONNECTION_INFO_GNUTLS_SESSION)
				      ->tls_session,
			      text, strlen(text));
	} else {
		(void)send(conn->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	conn->request->status = err_http_status(err->code);
	free(text);
	free(body);
	http_conn_drop(conn);
}

void http_conn_drain(struct http_conn *conn)
{
	struct request *request = conn->request;
	struct err err;

	if (is_incomplete(conn)) {
		http_conn_drop(conn);
	} else if (request->streaming) {
		http_request_release(request);
		request_stream_end(request);
	} else if (request->state == REQUEST_WAITING &&
		   strcmp(request_method(request), MHD_HTTP_METHOD_GET) == 0) {
		http_request_release(request);
		(void)err_set(&err, ERR_DRAINING, "the daemon is stopping; try again");
		request_problem(request, &err);
	}
}

static void conn_expire(struct http_conn *conn)
{
	struct err err;

	if (conn->request != NULL && http_request_incomplete(conn->request)) {
		(void)err_set(&err, ERR_REQUEST_TIMEOUT, "the request did not arrive in time");
		http_conn_refuse(conn, &err);
	} else {
		http_conn_drop(conn);
	}
}

bool request_left(const struct request *request)
{
	struct pollfd fd = {.fd = request->conn->fd, .events = POLLRDHUP};

	return poll(&fd, 1, 0) > 0;
}

/* MHD does not look at suspended connections, so this is how their clients' leaving is noticed. */
static void drop_vanished(struct http *http)
{
	size_t count = 0;
	struct pollfd *fds = mem_new(http->waiting_count, sizeof(*fds));
	struct http_conn **conns = mem_new(http->waiting_count, sizeof(*conns));

	for (struct list *node = http->connections.next; node != &http->connections;
	     node = node->next) {
		struct http_conn *conn = list_entry(node, struct http_conn, node);

		if (conn->request != NULL && conn->request->suspended) {
			fds[count] = (struct pollfd){.fd = conn->fd, .events = POLLRDHUP};
			conns[count++] = conn;
		}
	}
	if (poll(fds, count, 0) > 0) {
		for (size_t i = 0; i < count; i++) {
			if (fds[i].revents != 0) {
				http_conn_drop(conns[i]);
			}
		}
	}
	free(fds);
	free(conns);
}

void http_conn_sweep(struct http *http)
{
	int64_t now = http_now(http);

	for (struct list *node = http->connections.next; node != &http->connections;
	     node = node->next) {
		struct http_conn *conn = list_entry(node, struct http_conn, node);

		if (conn->deadline != HTTP_NO_DEADLINE && conn->deadline <= now) {
			conn_expire(conn);
		} else if (conn->request != NULL && !conn->doomed &&
			   http_reply_is_slow(conn->request, now)) {
			http_conn_drop(conn);
		}
	}
	if (http->waiting_count > 0) {
		drop_vanished(http);
	}
}
