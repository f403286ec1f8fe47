/*
 * Internet addresses in one form: IPv4 is kept as its v4-mapped IPv6 address, so that the two ways
 * of writing it are the same bytes and choosing the other one gets nobody past a check.
 *
 * Pure; any thread.
 */
#ifndef NARROWD_BACKENDS_GUARD_ADDRESS_H
#define NARROWD_BACKENDS_GUARD_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "backends/guard.h"

enum { GUARD_ADDRESS_BITS = 128, GUARD_ADDRESS_V4_BITS = 32 };

struct guard_address {
	unsigned char bytes[16];
	uint16_t port; /* host order */
};

/* False for families other than IPv4 and IPv6. */
bool guard_address_read(const struct sockaddr *address, struct guard_address *ret);
/* Canonical dotted quads and IPv6 text without brackets; the port becomes 0. */
bool guard_address_parse(const char *text, struct guard_address *ret);
bool guard_address_is_v4(const struct guard_address *address);
/* Whether the first `bits` of both are equal, counted in the 128 bits of the common form. */
bool guard_address_in(const struct guard_address *address, const struct guard_address *net,
		      unsigned bits);
/* The all-zero address, on which a socket listens to every interface. */
bool guard_address_is_any(const struct guard_address *address);
enum guard_class guard_address_class(const struct guard_address *address);

#endif
