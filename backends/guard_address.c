/* Reads, compares and classifies internet addresses, by the registries of special ones. */
#include "backends/guard_address.h"

#include <arpa/inet.h>
#include <string.h>

struct range {
	const char *net;
	unsigned bits; /* of the family that `net` is written in */
	enum guard_class class;
};

/*
 * The IANA registries of special-purpose addresses (RFC 6890 and its successors), and the points
 * inside allowed ranges at which clouds serve credentials to whoever asks. The first row that
 * matches decides. IPv4 that matches none is public; of IPv6 only 2000::/3 is assigned.
 */
static const struct range ranges[] = {
	{"100.100.100.200", 32, CLASS_NEVER}, /* Alibaba metadata, inside 100.64/10 */
	{"168.63.129.16", 32, CLASS_NEVER},   /* Azure wire server */
	{"fd00:ec2::254", 128, CLASS_NEVER},  /* AWS metadata, inside fc00::/7 */
	{"fd20:ce::254", 128, CLASS_NEVER},   /* Google metadata, inside fc00::/7 */
	{"0.0.0.0", 8, CLASS_NEVER},
	{"10.0.0.0", 8, CLASS_PRIVATE},
	{"100.64.0.0", 10, CLASS_CGNAT},
	{"127.0.0.0", 8, CLASS_LOOPBACK},
	{"169.254.0.0", 16, CLASS_NEVER},
	{"172.16.0.0", 12, CLASS_PRIVATE},
	{"192.0.0.0", 24, CLASS_NEVER},
	{"192.0.2.0", 24, CLASS_NEVER},
	{"192.88.99.0", 24, CLASS_NEVER},
	{"192.168.0.0", 16, CLASS_PRIVATE},
	{"198.18.0.0", 15, CLASS_NEVER},
	{"198.51.100.0", 24, CLASS_NEVER},
	{"203.0.113.0", 24, CLASS_NEVER},
	{"224.0.0.0", 3, CLASS_NEVER},
	{"0.0.0.0", 0, CLASS_PUBLIC},
	{"::1", 128, CLASS_LOOPBACK},
	{"fc00::", 7, CLASS_PRIVATE},
	{"2001::", 23, CLASS_NEVER},     /* Teredo, benchmarks, ORCHID */
	{"2001:db8::", 32, CLASS_NEVER}, /* documentation */
	{"2002::", 16, CLASS_NEVER},     /* 6to4 */
	{"3fff::", 20, CLASS_NEVER},     /* documentation */
	{"2000::", 3, CLASS_PUBLIC},
};

static const unsigned char v4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};

static void set_v4(struct guard_address *address, const void *four)
{
	memcpy(address->bytes, v4_prefix, sizeof(v4_prefix));
	memcpy(address->bytes + sizeof(v4_prefix), four, 4);
}

bool guard_address_read(const struct sockaddr *address, struct guard_address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		set_v4(ret, &v4->sin_addr);
		ret->port = ntohs(v4->sin_port);
		return true;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;

		memcpy(ret->bytes, &v6->sin6_addr, sizeof(ret->bytes));
		ret->port = ntohs(v6->sin6_port);
		return true;
	}
	return false;
}

bool guard_address_parse(const char *text, struct guard_address *ret)
{
	struct in_addr v4;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4) == 1) {
		set_v4(ret, &v4);
		return true;
	}
	return inet_pton(AF_INET6, text, ret->bytes) == 1;
}

bool guard_address_is_v4(const struct guard_address *address)
{
	return memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool guard_address_in(const struct guard_address *address, const struct guard_address *net,
		      unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned char mask = (unsigned char)(0xFF00U >> rest);

	if (memcmp(address->bytes, net->bytes, whole) != 0) {
		return false;
	}
	return rest == 0 || ((address->bytes[whole] ^ net->bytes[whole]) & mask) == 0;
}

bool guard_address_is_any(const struct guard_address *address)
{
	static const unsigned char zero[16];
	size_t skip = guard_address_is_v4(address) ? sizeof(v4_prefix) : 0;

	return memcmp(address->bytes + skip, zero, sizeof(zero) - skip) == 0;
}

enum guard_class guard_address_class(const struct guard_address *address)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *range = &ranges[i];
		struct guard_address net;
		unsigned bits = range->bits;

		(void)guard_address_parse(range->net, &net);
		if (guard_address_is_v4(&net)) {
			bits += GUARD_ADDRESS_BITS - GUARD_ADDRESS_V4_BITS;
		}
		if (guard_address_in(address, &net, bits)) {
			return range->class;
		}
	}
	return CLASS_NEVER;
}
