/* Reads allow entries and says whether one takes a name, an address or a port. */
#include "backends/guard_entry.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int fault(const char *text, const char *why, struct err *reterr)
{
	return err_set(reterr, ERR_CONFIG, "allow entry \"%s\": %s", text, why);
}

/* Reads a decimal number of at most `max`; NULL when there is none, else what follows it. */
static const char *read_number(const char *text, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text)) {
		return NULL;
	}
	value = strtoul(text, &end, 10);
	*ret = (unsigned)value;
	return value <= max ? end : NULL;
}

/* "9000" or "9000-9999" up to the end of the text. */
static bool read_ports(const char *text, struct guard_entry *ret)
{
	unsigned low = 0, high;

	text = read_number(text, UINT16_MAX, &low);
	high = low;
	if (text != NULL && *text == '-') {
		text = read_number(text + 1, UINT16_MAX, &high);
	}
	if (text == NULL || *text != '\0' || low == 0 || high < low) {
		return false;
	}
	ret->low = (uint16_t)low;
	ret->high = (uint16_t)high;
	return true;
}

static bool read_glob(const char *host, struct guard_entry *ret)
{
	ret->glob = mem_dup(host);
	for (char *c = ret->glob; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr("-_.*?", *c) == NULL) {
			return false;
		}
		*c = (char)tolower((unsigned char)*c);
	}
	/* Digits and dots alone would be a mistyped address. */
	return ret->glob[0] != '\0' && ret->glob[strspn(ret->glob, "0123456789.")] != '\0';
}

static bool has_host_bits(const struct guard_entry *entry)
{
	for (unsigned i = entry->bits; i < GUARD_ADDRESS_BITS; i++) {
		if ((entry->net.bytes[i / 8] & (0x80U >> (i % 8))) != 0) {
			return true;
		}
	}
	return false;
}

/* `length` is what stands behind the slash, or NULL. Returns what is wrong, or NULL. */
static const char *read_net(const char *host, const char *length, struct guard_entry *ret)
{
	unsigned width, bits;
	const char *end;

	if (!guard_address_parse(host, &ret->net)) {
		return "its address is neither IPv4 nor IPv6";
	}
	if (guard_address_is_v4(&ret->net) && strchr(host, ':') != NULL) {
		return "write it as the IPv4 address within";
	}
	width = guard_address_is_v4(&ret->net) ? GUARD_ADDRESS_V4_BITS : GUARD_ADDRESS_BITS;
	bits = width;
	end = length != NULL ? read_number(length, width, &bits) : "";
	if (end == NULL || *end != '\0') {
		return "its prefix length is not a number in range";
	}
	ret->bits = bits + GUARD_ADDRESS_BITS - width;
	return has_host_bits(ret) ? "its address has bits beyond the prefix length" : NULL;
}

/* Cuts "[host]/length:ports" in place; brackets, length and ports are optional. */
static bool cut(char *text, char **ret_host, char **ret_length, char **ret_ports)
{
	char *rest = text + strcspn(text, "/:");

	*ret_host = text;
	*ret_length = *ret_ports = NULL;
	if (*text == '[') {
		*ret_host = text + 1;
		rest = strchr(text, ']');
		if (rest == NULL) {
			return false;
		}
		*rest++ = '\0';
	} else if (*rest == ':' && strchr(rest + 1, ':') != NULL) {
		rest += strcspn(rest, "/");
	}
	if (*rest == '/') {
		*rest = '\0';
		*ret_length = rest + 1;
		rest += 1 + strcspn(rest + 1, ":");
	}
	if (*rest == ':') {
		*rest = '\0';
		*ret_ports = rest + 1;
	} else if (*rest != '\0') {
		return false;
	}
	return true;
}

int guard_entry_parse(const char *text, struct guard_entry *ret, struct err *reterr)
{
	char *copy = mem_dup(text);
	char *host, *length, *ports;
	const char *why = NULL;

	memset(ret, 0, sizeof(*ret));
	if (!cut(copy, &host, &length, &ports)) {
		why = "not of the form cidr[:ports] or name[:ports]";
	} else if (ports != NULL && !read_ports(ports, ret)) {
		why = "its ports are neither a number nor a range";
	} else if (length != NULL || guard_address_parse(host, &ret->net)) {
		why = read_net(host, length, ret);
	} else if (!read_glob(host, ret)) {
		why = "neither an address nor a name with \"*\" and \"?\"";
	}
	free(copy);
	return why != NULL ? fault(text, why, reterr) : 0;
}

void guard_entry_finish(struct guard_entry *entry)
{
	free(entry->glob);
	entry->glob = NULL;
}

bool guard_entry_default_port(uint16_t port)
{
	return port == 80 || port == 443 || port >= 1024;
}

bool guard_entry_takes_port(const struct guard_entry *entry, uint16_t port)
{
	return entry->low != 0 ? port >= entry->low && port <= entry->high
			       : guard_entry_default_port(port);
}

/* Remembers the last star only, which is enough and keeps the time quadratic at worst. */
static bool glob_matches(const char *glob, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text != '\0') {
		if (*glob == *text || (*glob == '?' && *text != '.')) {
			glob++;
			text++;
		} else if (*glob == '*') {
			star = glob++;
			resume = text;
		} else if (star != NULL && *resume != '.') {
			text = ++resume;
			glob = star + 1;
		} else {
			return false;
		}
	}
	return glob[strspn(glob, "*")] == '\0';
}

bool guard_entry_takes_name(const struct guard_entry *entry, const char *host)
{
	return entry->glob != NULL && glob_matches(entry->glob, host);
}

bool guard_entry_takes_address(const struct guard_entry *entry, const struct guard_address *address)
{
	return entry->glob == NULL && guard_address_in(address, &entry->net, entry->bits);
}

bool guard_entry_is_single(const struct guard_entry *entry)
{
	return entry->glob == NULL && entry->bits == GUARD_ADDRESS_BITS;
}
