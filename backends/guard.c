/* Holds a URL and each address behind it against the policy and the allow entries. */
#include "backends/guard.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backends/guard_address.h"
#include "backends/guard_entry.h"
#include "backends/guard_url.h"
#include "base/mem.h"

struct guard {
	pthread_rwlock_t lock; /* of policy and entries, which may be exchanged */
	enum guard_policy policy;
	struct guard_entry *entries;
	size_t entry_count;
	struct guard_address *own;
	size_t own_count;
};

const char *const guard_policy_names[] = {"lan", "public", "allowlist", "registered", "off", NULL};

static const char *const class_names[] = {"loopback", "private", "cgnat", "public", "never"};

/* Classes that a policy allows by itself, as bits. */
static const unsigned policy_classes[] = {
	[GUARD_LAN] = 1U << CLASS_LOOPBACK | 1U << CLASS_PRIVATE | 1U << CLASS_PUBLIC,
	[GUARD_PUBLIC] = 1U << CLASS_PUBLIC,
	[GUARD_ALLOWLIST] = 0,
	[GUARD_REGISTERED] = 0,
	[GUARD_OFF] = 0,
};

/* Names under which clouds serve credentials. */
static const char *const never_names[] = {"metadata", "metadata.google.internal", "instance-data"};

struct guard *guard_create(enum guard_policy policy, const char *const *allow, struct err *reterr)
{
	struct guard *guard = mem_new(1, sizeof(*guard));
	size_t n = 0;

	(void)pthread_rwlock_init(&guard->lock, NULL);
	guard->policy = policy;
	while (allow != NULL && allow[n] != NULL) {
		n++;
	}
	guard->entries = mem_new(n + 1, sizeof(*guard->entries));
	for (size_t i = 0; i < n; i++) {
		guard->entry_count++;
		if (guard_entry_parse(allow[i], &guard->entries[i], reterr) != 0) {
			guard_destroy(guard);
			return NULL;
		}
	}
	return guard;
}

void guard_destroy(struct guard *guard)
{
	if (guard == NULL) {
		return;
	}
	for (size_t i = 0; i < guard->entry_count; i++) {
		guard_entry_finish(&guard->entries[i]);
	}
	free(guard->entries);
	free(guard->own);
	(void)pthread_rwlock_destroy(&guard->lock);
	free(guard);
}

void guard_exchange(struct guard *guard, struct guard *other)
{
	const enum guard_policy policy = guard->policy;
	struct guard_entry *const entries = guard->entries;
	const size_t count = guard->entry_count;

	(void)pthread_rwlock_wrlock(&guard->lock);
	guard->policy = other->policy;
	guard->entries = other->entries;
	guard->entry_count = other->entry_count;
	(void)pthread_rwlock_unlock(&guard->lock);
	other->policy = policy;
	other->entries = entries;
	other->entry_count = count;
}

/* Readers change nothing but the lock. */
static pthread_rwlock_t *lock_of(const struct guard *guard)
{
	return (pthread_rwlock_t *)&guard->lock;
}

void guard_add_own(struct guard *guard, const struct sockaddr *address)
{
	struct guard_address own;

	if (guard_address_read(address, &own)) {
		guard->own = mem_grow(guard->own, guard->own_count + 1, sizeof(own));
		guard->own[guard->own_count++] = own;
	}
}

size_t guard_never_entries(const struct guard *guard)
{
	size_t n = 0;

	for (size_t i = 0; i < guard->entry_count; i++) {
		const struct guard_entry *entry = &guard->entries[i];

		n += guard_entry_is_single(entry) &&
		     guard_address_class(&entry->net) == CLASS_NEVER;
	}
	return n;
}

static bool is_own(const struct guard *guard, const struct guard_address *address)
{
	enum guard_class class = guard_address_class(address);

	for (size_t i = 0; i < guard->own_count; i++) {
		const struct guard_address *own = &guard->own[i];
		bool here = guard_address_is_any(own)
				    ? class == CLASS_LOOPBACK || class == CLASS_PRIVATE
				    : guard_address_in(address, own, GUARD_ADDRESS_BITS);

		if (here && own->port == address->port) {
			return true;
		}
	}
	return false;
}

static bool entry_admits(const struct guard_entry *entry, const struct guard_url *url,
			 const struct guard_address *address, enum guard_class class)
{
	if (!guard_entry_takes_port(entry, address->port)) {
		return false;
	}
	if (class == CLASS_NEVER && !guard_entry_is_single(entry)) {
		return false;
	}
	return guard_entry_takes_address(entry, address) ||
	       (!url->literal && guard_entry_takes_name(entry, url->host));
}

static int deny(const struct guard *guard, uint16_t port, enum guard_class class,
		struct err *reterr)
{
	if ((policy_classes[guard->policy] & 1U << class) != 0) {
		return err_set(reterr, ERR_EVALUATOR_DENIED,
			       "port %u is not allowed: only 80, 443, 1024 and above are, and what "
			       "the operator allows",
			       port);
	}
	return err_set(reterr, ERR_EVALUATOR_DENIED,
		       "its address is of the class \"%s\", which the policy \"%s\" does not allow "
		       "unless the operator lists it",
		       class_names[class], guard_policy_names[guard->policy]);
}

static int check_off(const struct guard *guard, struct err *reterr)
{
	return guard->policy != GUARD_OFF
		       ? 0
		       : err_set(reterr, ERR_EVALUATOR_DENIED,
				 "the policy \"off\" allows no outbound connection");
}

static int check(const struct guard *guard, const struct guard_url *url,
		 const struct guard_address *address, struct err *reterr)
{
	enum guard_class class = guard_address_class(address);

	if (check_off(guard, reterr) != 0) {
		return -(int)ERR_EVALUATOR_DENIED;
	}
	if (is_own(guard, address)) {
		return err_set(reterr, ERR_EVALUATOR_DENIED, "it leads back to this daemon itself");
	}
	for (size_t i = 0; i < guard->entry_count; i++) {
		if (entry_admits(&guard->entries[i], url, address, class)) {
			return 0;
		}
	}
	if ((policy_classes[guard->policy] & 1U << class) != 0 &&
	    guard_entry_default_port(address->port)) {
		return 0;
	}
	return deny(guard, address->port, class, reterr);
}

int guard_check_address(const struct guard *guard, const struct guard_url *url,
			const struct sockaddr *address, struct err *reterr)
{
	struct guard_address common;

	int rc;

	if (!guard_address_read(address, &common)) {
		return err_set(reterr, ERR_EVALUATOR_DENIED,
			       "its address is neither IPv4 nor IPv6");
	}
	(void)pthread_rwlock_rdlock(lock_of(guard));
	rc = check(guard, url, &common, reterr);
	(void)pthread_rwlock_unlock(lock_of(guard));
	return rc;
}

static int check_literal(const struct guard *guard, const struct guard_url *url, const char *text,
			 struct err *reterr)
{
	struct guard_address address;

	(void)guard_address_parse(text, &address);
	address.port = url->port;
	return check(guard, url, &address, reterr);
}

/* RFC 6761: these names are loopback everywhere, though maybe of one family only. */
static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t n = strlen(host), length = sizeof(name) - 1;

	return n >= length && strcmp(host + n - length, name) == 0 &&
	       (n == length || host[n - length - 1] == '.');
}

static bool is_never_name(const char *host)
{
	for (size_t i = 0; i < sizeof(never_names) / sizeof(never_names[0]); i++) {
		if (strcmp(host, never_names[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* Whether some address could make this name and port acceptable; the answers decide later. */
static bool name_has_a_chance(const struct guard *guard, const struct guard_url *url)
{
	bool never = is_never_name(url->host);

	for (size_t i = 0; i < guard->entry_count; i++) {
		const struct guard_entry *entry = &guard->entries[i];
		bool named =
			never ? entry->glob != NULL && strcmp(entry->glob, url->host) == 0
			      : entry->glob == NULL || guard_entry_takes_name(entry, url->host);

		if (named && guard_entry_takes_port(entry, url->port)) {
			return true;
		}
	}
	return !never && policy_classes[guard->policy] != 0 && guard_entry_default_port(url->port);
}

static int check_name(const struct guard *guard, const struct guard_url *url, struct err *reterr)
{
	if (check_off(guard, reterr) != 0) {
		return -(int)ERR_EVALUATOR_DENIED;
	}
	if (is_localhost(url->host)) {
		return check_literal(guard, url, "127.0.0.1", reterr) == 0
			       ? 0
			       : check_literal(guard, url, "::1", reterr);
	}
	if (!name_has_a_chance(guard, url)) {
		return err_set(reterr, ERR_EVALUATOR_DENIED,
			       "neither the policy \"%s\" nor an entry of the operator allows this "
			       "name with port %u",
			       guard_policy_names[guard->policy], url->port);
	}
	return 0;
}

int guard_check_url(const struct guard *guard, const char *url, struct guard_url *ret_url,
		    struct err *reterr)
{
	int rc = guard_url_parse(url, ret_url, reterr);

	if (rc != 0 || guard == NULL) {
		return rc;
	}
	(void)pthread_rwlock_rdlock(lock_of(guard));
	rc = ret_url->literal ? check_literal(guard, ret_url, ret_url->host, reterr)
			      : check_name(guard, ret_url, reterr);
	(void)pthread_rwlock_unlock(lock_of(guard));
	if (rc != 0) {
		(void)err_prefix(reterr, "the host \"%s\" is denied", ret_url->host);
	}
	return rc;
}

enum guard_class guard_classify(const struct sockaddr *address)
{
	struct guard_address common;

	return guard_address_read(address, &common) ? guard_address_class(&common) : CLASS_NEVER;
}

enum guard_policy guard_policy_of(const struct guard *guard)
{
	return guard->policy;
}
