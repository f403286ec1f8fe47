/* Opens listening sockets from the text of an address, and takes stale unix sockets away. */
#include "api/http/http_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum {
	BACKLOG = 1024,
	/* A peer that vanished without a word is noticed after about this long. */
	DEAD_PEER_S = 60,
};

static int bad_address(const char *text, struct err *reterr)
{
	return err_set(reterr, ERR_ADDRESS,
		       "cannot listen on \"%s\": write 127.0.0.1:8585, [::1]:8585 or unix:/path",
		       text);
}

static int parse_unix(struct http_socket *sock, const char *path, const char *text,
		      struct err *reterr)
{
	struct sockaddr_un *un = &sock->address.un;

	if (path[0] == '\0' || strlen(path) >= sizeof(un->sun_path)) {
		return err_set(reterr, ERR_ADDRESS,
			       "cannot listen on \"%s\": the path must have 1 to %zu bytes", text,
			       sizeof(un->sun_path) - 1);
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	sock->length = sizeof(*un);
	sock->is_unix = true;
	return 0;
}

static bool parse_port(const char *text, in_port_t *ret_port)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = strtoul(text, NULL, 10);

	*ret_port = htons((in_port_t)port);
	return digits > 0 && digits < 6 && text[digits] == '\0' && port <= 65535;
}

/* Fills the address from a number without brackets. */
static bool parse_ip(struct http_socket *sock, const char *ip, bool brackets, in_port_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sock->address.storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sock->address.storage;

	if (brackets) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		sock->length = sizeof(*v6);
		return inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = port;
	sock->length = sizeof(*v4);
	return inet_pton(AF_INET, ip, &v4->sin_addr) == 1;
}

/* Takes "http://" or "https://" off. */
static const char *without_scheme(const char *text, bool *ret_given, bool *ret_tls)
{
	static const char clear[] = "http://", tls[] = "https://";

	*ret_tls = strncmp(text, tls, sizeof(tls) - 1) == 0;
	*ret_given = *ret_tls || strncmp(text, clear, sizeof(clear) - 1) == 0;
	return text + (*ret_tls ? sizeof(tls) - 1 : *ret_given ? sizeof(clear) - 1 : 0);
}

int http_socket_parse(struct http_socket *sock, const char *whole, bool tls, struct err *reterr)
{
	bool given, wanted;
	const char *text = without_scheme(whole, &given, &wanted);
	char ip[INET6_ADDRSTRLEN] = "";
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';
	size_t length;
	in_port_t port;

	memset(sock, 0, sizeof(*sock));
	sock->fd = -1;
	if (!given && strncmp(text, "unix:", strlen("unix:")) == 0) {
		return parse_unix(sock, text + strlen("unix:"), text, reterr);
	}
	if (colon == NULL || !parse_port(colon + 1, &port)) {
		return bad_address(text, reterr);
	}
	length = (size_t)(colon - text) - (brackets ? 2 : 0);
	if (length >= sizeof(ip)) {
		return bad_address(text, reterr);
	}
	memcpy(ip, text + (brackets ? 1 : 0), length);
	if (!parse_ip(sock, ip, brackets, port)) {
		return bad_address(text, reterr);
	}
	sock->is_loopback = http_socket_is_local(&sock->address.any);
	sock->is_tls = given ? wanted : tls && !sock->is_loopback;
	return 0;
}

bool http_socket_is_local(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;

		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
	}
	return address->sa_family == AF_UNIX;
}

/* Accepted sockets inherit these from the listening one, which costs nothing per connection. */
static void set_options(const struct http_socket *sock)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_REUSEADDR, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, DEAD_PEER_S / 2},
		{IPPROTO_TCP, TCP_KEEPINTVL, DEAD_PEER_S / 6},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_S * 1000},
	};
	int on = 1;

	for (size_t i = 0; !sock->is_unix && i < sizeof(options) / sizeof(options[0]); i++) {
		(void)setsockopt(sock->fd, options[i].level, options[i].name, &options[i].value,
				 sizeof(options[i].value));
	}
	if (sock->address.any.sa_family == AF_INET6) {
		(void)setsockopt(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
}

/* A crashed daemon leaves its socket behind; a running one answers there. All else is somebody's. */
static int remove_stale(const struct http_socket *sock, const char *text, struct err *reterr)
{
	const char *path = sock->address.un.sun_path;
	struct stat status;
	int fd;

	if (lstat(path, &status) != 0) {
		return 0; /* bind() says what is wrong with it, if anything is */
	}
	if (!S_ISSOCK(status.st_mode)) {
		return err_set(reterr, ERR_ADDRESS,
			       "cannot listen on \"%s\": a file that is no socket is there, and "
			       "stays: name another path, or move it away",
			       text);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, &sock->address.any, sock->length) != 0 &&
	    errno == ECONNREFUSED) {
		(void)unlink(path);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return 0;
}

static void remember_file(struct http_socket *sock)
{
	struct stat status;

	if (sock->is_unix && lstat(sock->address.un.sun_path, &status) == 0) {
		sock->device = status.st_dev;
		sock->inode = status.st_ino;
	}
}

/* Unless something else took its place meanwhile. */
static void remove_file(const struct http_socket *sock)
{
	const char *path = sock->address.un.sun_path;
	struct stat status;

	if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
	    status.st_dev == sock->device && status.st_ino == sock->inode) {
		(void)unlink(path);
	}
}

static char *make_url(struct http_socket *sock)
{
	char ip[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&sock->address.storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&sock->address.storage;
	const char *scheme = sock->is_tls ? "https" : "http";

	if (sock->is_unix) {
		return mem_printf("unix:%s", sock->address.un.sun_path);
	}
	sock->length = sizeof(sock->address);
	(void)getsockname(sock->fd, &sock->address.any, &sock->length);
	if (v4->sin_family == AF_INET) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip));
		return mem_printf("%s://%s:%u", scheme, ip, ntohs(v4->sin_port));
	}
	(void)inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip));
	return mem_printf("%s://[%s]:%u", scheme, ip, ntohs(v6->sin6_port));
}

int http_socket_init(struct http_socket *sock, const char *text, bool tls, struct err *reterr)
{
	int rc = http_socket_parse(sock, text, tls, reterr);

	if (rc != 0) {
		return rc;
	}
	sock->fd =
		socket(sock->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock->fd < 0) {
		return err_set(reterr, ERR_ADDRESS, "cannot listen on \"%s\": %s", text,
			       strerror(errno));
	}
	set_options(sock);
	rc = sock->is_unix ? remove_stale(sock, text, reterr) : 0;
	if (rc == 0 && (bind(sock->fd, &sock->address.any, sock->length) != 0 ||
			listen(sock->fd, BACKLOG) != 0)) {
		rc = err_set(reterr, ERR_ADDRESS, "cannot listen on \"%s\": %s", text,
			     strerror(errno));
	}
	if (rc != 0) {
		(void)close(sock->fd);
		sock->fd = -1;
		return rc;
	}
	if (sock->is_unix) {
		/* Who connects shows who he is: other users of this machine need a token. */
		(void)chmod(sock->address.un.sun_path, 0666);
	}
	remember_file(sock);
	sock->url = make_url(sock);
	return 0;
}

void http_socket_close(struct http_socket *sock)
{
	if (sock->fd < 0) {
		return;
	}
	(void)close(sock->fd);
	sock->fd = -1;
	if (sock->is_unix) {
		remove_file(sock);
	}
}

void http_socket_finish(struct http_socket *sock)
{
	http_socket_close(sock);
	free(sock->url);
	sock->url = NULL;
}
