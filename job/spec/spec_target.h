/*
 * Who measures: an evaluator that is called, several of them, or a pool whose workers come for questions; part
 * of the spec.
 *
 * What the store keeps of them is one document: an evaluator's with its secret, or {"several": [...]} of those.
 */
#ifndef NARROWD_JOB_SPEC_SPEC_TARGET_H
#define NARROWD_JOB_SPEC_SPEC_TARGET_H

#include <stdint.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/secret.h"

struct target_header {
	char *name;          /* owned */
	char *credential;    /* where its value is; owned, or NULL ... */
	struct secret value; /* ... and it is this, with a NUL behind it */
};

struct target {
	char *pool;  /* its name; NULL for an evaluator, and then the rest counts; owned */
	char *start; /* how a worker of the pool is started, in words; owned, or NULL */
	char *id;    /* "evl_..." or NULL when given inline; owned */
	char *url;   /* owned */
	char *shown; /* the same, for people; owned */
	struct secret secret;
	char *credential;    /* where the secret is, instead; owned, or NULL */
	char *ca;            /* PEM; owned, or NULL */
	char *ca_credential; /* where it is, instead; owned, or NULL */
	struct target_header headers[LIMIT_EVALUATOR_HEADERS];
	size_t header_count;
	int64_t timeout_ms;
	int64_t connect_timeout_ms;
	int64_t max_concurrency;
	/* Of a job whose first question is answered by whoever made it; owned, or NULL. */
	json_t *baseline;
};

/* Reads the members of an evaluator, inline or registered, or of a pool into `ret` (finish it either
 * way). */
void spec_target_read(const struct json_at *at, struct target *ret);
void target_finish(struct target *target);
/* Whether the secret of an evaluator's document is somewhere else, and this but its name. */
bool spec_secret_is_named(const json_t *target);
/* The name of a pool: letters, digits, ".", "_" and "-". NULL with a fault. Borrowed. */
const char *spec_pool_read(const struct json_at *at);
/* Whether that is such a name. */
bool spec_pool_may_be(const char *name);

/* The document of all, made of the documents of each. New reference. */
json_t *spec_targets_document(json_t *documents, bool several);
/* Reads that document; faults are reported as of the member `at`, whose value is not used. Destroy what it
 * returns. */
struct target *spec_targets_load(json_t *document, const struct json_at *at, size_t *ret_count);
/* A pool of one job alone, {"pool", "baseline"}, whose name no user can give. Destroy as a list of one. */
struct target *spec_own_pool(const json_t *document);
void spec_targets_destroy(struct target *targets, size_t count);
/* A document, or what a job's body says in its place, as people may see it: each secret becomes
 * {"set": true}. New reference. */
json_t *spec_target_redacted(const json_t *target);
/* The same, but certificates are only said to be set: jobs come in long lists. New reference. */
json_t *spec_target_head(const json_t *target);
/* Of a document the members that people may not see, as they are; NULL when there are none. New reference. */
json_t *spec_target_hidden(const json_t *target);
/* What the body said of its evaluators, with the secrets that the document has. New reference. */
json_t *spec_target_restored(json_t *given, json_t *document);

#endif
