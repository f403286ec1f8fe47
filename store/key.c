/* Copies the answer that is kept for an Idempotency-Key. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/store.h"

static char *copy(const char *text)
{
	return text != NULL ? mem_dup(text) : NULL;
}

struct store_key *store_key_copy(const struct store_key *key)
{
	struct store_key *kept;

	if (key == NULL) {
		return NULL;
	}
	kept = mem_new(1, sizeof(*kept));
	*kept = (struct store_key){
		.scope = mem_dup(key->scope),
		.key = mem_dup(key->key),
		.fingerprint = mem_dup(key->fingerprint),
		.status = key->status,
		.location = copy(key->location),
		.body = copy(key->body),
		.at_ms = key->at_ms,
	};
	return kept;
}

void store_key_free(struct store_key *key)
{
	if (key == NULL) {
		return;
	}
	free((char *)key->scope);
	free((char *)key->key);
	free((char *)key->fingerprint);
	free((char *)key->location);
	free((char *)key->body);
	free(key);
}
