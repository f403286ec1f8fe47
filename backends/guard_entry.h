/*
 * Allow entries of the guard: "cidr[:ports]" or "name-glob[:ports]", read once and asked often.
 *
 * Pure; any thread.
 */
#ifndef NARROWD_BACKENDS_GUARD_ENTRY_H
#define NARROWD_BACKENDS_GUARD_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/guard_address.h"
#include "base/err.h"

struct guard_entry {
	char *glob; /* owned; NULL for a network */
	struct guard_address net;
	unsigned bits;      /* of `net`, in the common form of 128 */
	uint16_t low, high; /* ports; 0: the default ones */
};

/* ERR_CONFIG with the entry and what is wrong with it. To be finished either way. */
int guard_entry_parse(const char *text, struct guard_entry *ret, struct err *reterr);
void guard_entry_finish(struct guard_entry *entry);

/* 80, 443 and all that need no privilege. */
bool guard_entry_default_port(uint16_t port);
bool guard_entry_takes_port(const struct guard_entry *entry, uint16_t port);
/* Always false for a network. */
bool guard_entry_takes_name(const struct guard_entry *entry, const char *host);
/* Always false for a glob. */
bool guard_entry_takes_address(const struct guard_entry *entry,
			       const struct guard_address *address);
/* A network of one address: only such an entry may open what is never allowed otherwise. */
bool guard_entry_is_single(const struct guard_entry *entry);

#endif
