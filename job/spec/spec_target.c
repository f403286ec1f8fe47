/* Reads who measures, and writes it for the store and for people, who are shown no secret. */
#include "job/spec/spec_target.h"

#include <stdlib.h>
#include <string.h>

#include "backends/credential.h"
#include "backends/sign.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/url.h"
#include "job/spec/spec_wire.h"

#define SEVERAL "several"

static const char *const target_members[] = {
	"id", "name",    "url", "secret", "timeout_s", "connect_timeout_s", "max_concurrency",
	"ca", "headers", NULL,
};
static const char *const pool_members[] = {"pool", "start", NULL};

void target_finish(struct target *target)
{
	free(target->pool);
	free(target->start);
	free(target->id);
	free(target->url);
	free(target->shown);
	secret_finish(&target->secret);
	free(target->credential);
	json_decref(target->baseline);
	spec_wire_finish(target);
	memset(target, 0, sizeof(*target));
}

bool spec_pool_may_be(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t length = strspn(name, letters);

	return length > 0 && length <= LIMIT_POOL_BYTES && name[length] == '\0';
}

const char *spec_pool_read(const struct json_at *at)
{
	const char *name = json_required(at) ? json_string_in(at, NULL, LIMIT_POOL_BYTES) : NULL;

	if (name != NULL && !spec_pool_may_be(name)) {
		(void)json_fault(at, "a pool's name has letters, digits, \".\", \"_\" and \"-\"");
		return NULL;
	}
	return name;
}

/* A text, or {"credential": NAME}. */
static void read_secret(const struct json_at *at, struct target *ret)
{
	static const char *const members[] = {"credential", NULL};
	struct json_at name = json_member(at, "credential");
	struct err why;
	const char *text;

	if (json_is_object(at->value)) {
		json_only(at, members);
		text = json_required(&name) ? json_string_in(&name, NULL, CREDENTIAL_NAME_BYTES)
					    : NULL;
		ret->credential = text != NULL ? mem_dup(text) : NULL;
		return;
	}
	text = json_string_in(at, NULL, LIMIT_NAME_BYTES);
	if (text != NULL && sign_secret_parse(text, &ret->secret, &why) != 0) {
		(void)json_fault(at, "%s", why.message);
	}
}

void spec_target_read(const struct json_at *at, struct target *ret)
{
	struct json_at pool = json_member(at, "pool");
	struct json_at start = json_member(at, "start");
	struct json_at id = json_member(at, "id");
	struct json_at url = json_member(at, "url");
	struct json_at name = json_member(at, "name");
	struct json_at secret = json_member(at, "secret");
	struct json_at timeout = json_member(at, "timeout_s");
	struct json_at connect = json_member(at, "connect_timeout_s");
	struct json_at concurrency = json_member(at, "max_concurrency");
	const char *text;

	memset(ret, 0, sizeof(*ret));
	if (!json_is_object_at(at)) {
		return;
	}
	if (pool.value != NULL) {
		json_only(at, pool_members);
		text = spec_pool_read(&pool);
		ret->pool = text != NULL ? mem_dup(text) : NULL;
		text = json_string_in(&start, NULL, LIMIT_NAME_BYTES);
		ret->start = text != NULL ? mem_dup(text) : NULL;
		return;
	}
	json_only(at, target_members);
	text = json_string_in(&id, NULL, LIMIT_NAME_BYTES);
	ret->id = text != NULL ? mem_dup(text) : NULL;
	text = json_required(&url) ? json_string_in(&url, NULL, LIMIT_URL_BYTES) : NULL;
	ret->url = text != NULL ? mem_dup(text) : NULL;
	ret->shown = text != NULL ? url_shown(text) : NULL;
	(void)json_string_in(&name, NULL, LIMIT_NAME_BYTES);
	read_secret(&secret, ret);
	spec_wire_read(at, ret);
	ret->timeout_ms = (int64_t)(1000 * json_real_in(&timeout, 600, 0.001, 7 * 24 * 3600));
	ret->connect_timeout_ms = (int64_t)(1000 * json_real_in(&connect, 5, 0.001, 600));
	ret->max_concurrency = json_int(&concurrency, 4, 1, 1024);
}

bool spec_secret_is_named(const json_t *target)
{
	return json_object_get(json_object_get(target, "secret"), "credential") != NULL;
}

/* One, as if it were a list. New reference. */
static json_t *list_of(json_t *document)
{
	json_t *several = json_object_get(document, SEVERAL);

	return several != NULL ? json_incref(several) : json_pack("[O]", document);
}

json_t *spec_targets_document(json_t *documents, bool several)
{
	return several ? json_pack("{s:O}", SEVERAL, documents)
		       : json_incref(json_array_get(documents, 0));
}

struct target *spec_targets_load(json_t *document, const struct json_at *at, size_t *ret_count)
{
	bool several = json_object_get(document, SEVERAL) != NULL;
	json_t *list = list_of(document);
	struct target *targets = mem_new(json_array_size(list), sizeof(*targets));
	struct json_at all = *at;

	all.value = several ? list : document;
	*ret_count = json_array_size(list);
	for (size_t i = 0; i < *ret_count; i++) {
		struct json_at one = several ? json_item(&all, i) : all;

		spec_target_read(&one, &targets[i]);
	}
	json_decref(list);
	return targets;
}

struct target *spec_own_pool(const json_t *document)
{
	struct target *target = mem_new(1, sizeof(*target));

	target->pool = mem_dup(json_string_value(json_object_get(document, "pool")));
	target->baseline = json_incref(json_object_get(document, "baseline"));
	return target;
}

void spec_targets_destroy(struct target *targets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		target_finish(&targets[i]);
	}
	free(targets);
}

/* Values that are texts, and not the names of credentials. */
static void redact_headers(json_t *copy)
{
	json_t *headers = json_copy(json_object_get(copy, "headers"));
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(headers, next, name, value)
	{
		if (json_is_string(value)) {
			(void)json_object_set_new(headers, name, json_pack("{s:b}", "set", 1));
		}
	}
	if (headers != NULL) {
		(void)json_object_set_new(copy, "headers", headers);
	}
}

static json_t *redacted(const json_t *target)
{
	json_t *copy = json_copy((json_t *)target);
	const char *url = json_string_value(json_object_get(target, "url"));

	if (json_object_get(copy, "secret") != NULL && !spec_secret_is_named(copy)) {
		(void)json_object_set_new(copy, "secret", json_pack("{s:b}", "set", 1));
	}
	redact_headers(copy);
	if (url != NULL) {
		char *shown = url_shown(url);

		(void)json_object_set_new(copy, "url", json_string(shown));
		free(shown);
	}
	(void)json_object_del(copy, "baseline");
	(void)json_object_del(copy, "experiment");
	return copy;
}

json_t *spec_target_hidden(const json_t *target)
{
	static const char *const members[] = {"secret", "headers", "url"};
	json_t *shown = redacted(target), *hidden = NULL;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value = json_object_get(target, members[i]);

		if (value != NULL && !json_equal(value, json_object_get(shown, members[i]))) {
			hidden = hidden != NULL ? hidden : json_object();
			(void)json_object_set(hidden, members[i], value);
		}
	}
	json_decref(shown);
	return hidden;
}

json_t *spec_target_redacted(const json_t *target)
{
	const json_t *several = json_object_get(target, SEVERAL);
	const json_t *list = several != NULL ? several : target;
	json_t *copies;

	if (!json_is_array(list)) {
		return redacted(target);
	}
	copies = json_array();
	for (size_t i = 0; i < json_array_size(list); i++) {
		(void)json_array_append_new(copies, redacted(json_array_get(list, i)));
	}
	return copies;
}

static void shorten_ca(json_t *target)
{
	if (json_is_string(json_object_get(target, "ca"))) {
		(void)json_object_set_new(target, "ca", json_pack("{s:b}", "set", 1));
	}
}

json_t *spec_target_head(const json_t *target)
{
	json_t *head = spec_target_redacted(target);

	shorten_ca(head);
	for (size_t i = 0; i < json_array_size(head); i++) {
		shorten_ca(json_array_get(head, i));
	}
	return head;
}

json_t *spec_target_restored(json_t *given, json_t *document)
{
	json_t *list, *copies;

	if (!json_is_array(given)) {
		return json_incref(json_object_get(given, "url") != NULL ? document : given);
	}
	list = list_of(document);
	copies = json_array();
	for (size_t i = 0; i < json_array_size(given); i++) {
		json_t *one =
			spec_target_restored(json_array_get(given, i), json_array_get(list, i));

		(void)json_array_append_new(copies, one);
	}
	json_decref(list);
	return copies;
}
