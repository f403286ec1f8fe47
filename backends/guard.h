/*
 * The guard: which addresses the daemon may connect to on a user's word (evaluators, webhooks).
 *
 * A URL is checked three times: its text when it is registered, every address that its name
 * resolves to, and the address of the socket at the moment of connecting. Pure: no I/O here.
 */
#ifndef NARROWD_BACKENDS_GUARD_H
#define NARROWD_BACKENDS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum guard_policy {
	GUARD_LAN,        /* loopback, private and public addresses */
	GUARD_PUBLIC,     /* public addresses only */
	GUARD_ALLOWLIST,  /* only what an allow entry names */
	GUARD_REGISTERED, /* as allow list; the API takes evaluators alone that an admin shares */
	GUARD_OFF,        /* no outbound connection at all */
};

enum guard_class { CLASS_LOOPBACK, CLASS_PRIVATE, CLASS_CGNAT, CLASS_PUBLIC, CLASS_NEVER };

enum { GUARD_HOST_MAX = 256 };

struct guard;

/* What is left of a URL that passed guard_check_url(). */
struct guard_url {
	bool tls;
	bool literal; /* the host is an address */
	uint16_t port;
	char host[GUARD_HOST_MAX]; /* without brackets, lower case */
};

/* Names in the order of enum guard_policy, NULL-terminated, for options and messages. */
extern const char *const guard_policy_names[];

/*
 * `allow` is a NULL-terminated list of "cidr[:ports]" and "name-glob[:ports]" entries (ports
 * "9000" or "9000-9999"), or NULL; copied. In a glob "*" and "?" stand for anything but a dot.
 * Without ports an entry means 80, 443 and 1024-65535. An entry adds to what the policy allows
 * (GUARD_OFF takes none); each has to allow a connection by itself. ERR_CONFIG names a bad entry.
 */
struct guard *guard_create(enum guard_policy policy, const char *const *allow, struct err *reterr);
void guard_destroy(struct guard *guard);
/* Takes over policy and entries of another one, while other threads use the guard; what it had is then the other's. */
void guard_exchange(struct guard *guard, struct guard *other);
/*
 * The daemon's own sockets, denied whatever the policy says. One that listens on every interface
 * denies its port on all loopback and private addresses. Before other threads use the guard.
 */
void guard_add_own(struct guard *guard, const struct sockaddr *address);
/* How many entries open a single address that is never allowed otherwise: worth a warning. */
size_t guard_never_entries(const struct guard *guard);

/*
 * The strict grammar (guard_url.h) and whatever the text decides: literal addresses, "localhost",
 * names and ports that no rule could admit. ERR_EVALUATOR_DENIED with the reason. With a NULL guard
 * the grammar alone.
 */
int guard_check_url(const struct guard *guard, const char *url, struct guard_url *ret_url,
		    struct err *reterr);
/*
 * Whether this address and port may be connected to for that URL. The message names the class,
 * never the address. Safe on any thread.
 */
int guard_check_address(const struct guard *guard, const struct guard_url *url,
			const struct sockaddr *address, struct err *reterr);
/* v4-mapped addresses are judged as the IPv4 address within. */
enum guard_class guard_classify(const struct sockaddr *address);
enum guard_policy guard_policy_of(const struct guard *guard);

#endif
