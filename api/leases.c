/* Routes of workers: taking questions, signs of life, answers, and questions that come back. */
#include "api/beside.h"
#include "api/idempotency.h"
#include "api/resources.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

enum { LONG_OPERATORS = 1000 };

static void read_request(struct call *call, struct lease_request *ret, struct err *reterr)
{
	static const char *const members[] = {"pool", "worker", "max", "wait_s", "ttl_s", NULL};
	struct json_at at = json_root(call->body, reterr);
	struct json_at pool = json_member(&at, "pool");
	struct json_at worker = json_member(&at, "worker");
	struct json_at max = json_member(&at, "max");
	struct json_at wait = json_member(&at, "wait_s");
	struct json_at ttl = json_member(&at, "ttl_s");

	if (!json_is_object_at(&at)) {
		return;
	}
	json_only(&at, members);
	ret->pool = spec_pool_read(&pool);
	ret->worker =
		json_required(&worker) ? json_string_in(&worker, NULL, LIMIT_WORKER_BYTES) : NULL;
	ret->max = json_int(&max, 1, 1, LIMIT_LEASES);
	ret->wait_ms = (uint64_t)(1000 * json_real_in(&wait, 0, 0, LIMIT_WAIT_S));
	ret->ttl_ms = (int64_t)(1000 * json_real_in(&ttl, 0, LIMIT_TTL_MIN_S, LIMIT_TTL_S));
}

static json_t *page(const json_t *items)
{
	return json_pack("{s:O}", "items", items);
}

static char *page_text(void *arg, const json_t *items)
{
	json_t *body = page(items);
	char *text = json_text(body);

	(void)arg;
	json_decref(body);
	return text;
}

/* The configs of a model with thousands of operators are long. */
static bool is_long(const json_t *items)
{
	const json_t *item;
	size_t i, ops = 0;

	json_array_foreach(items, i, item) {
		ops += json_object_size(json_object_get(json_object_get(item, "config"), "ops"));
	}
	return ops > LONG_OPERATORS;
}

/* What became of a take that is not answered at once. */
struct taking {
	json_t *items;   /* that are written beside the loop; owned, or NULL */
	bool unheard;    /* nobody got any: it is answered when all are back */
	struct err *why; /* ... with this, which is large; owned, or NULL */
};

static void destroy_taking(void *arg)
{
	struct taking *taking = arg;

	json_decref(taking->items);
	free(taking->why);
	free(taking);
}

static char *make_page(struct call *call, const struct store_rows *none)
{
	const struct taking *taking = call->state;

	(void)none;
	return page_text(NULL, taking->items);
}

static bool on_leases(void *arg, json_t *items, const struct err *err)
{
	struct call *call = arg;
	struct taking *taking = call->state;
	bool holds = access_holds(&call->server->access, &call->who);
	bool here = holds && items != NULL && !request_left(call->request);

	call->poll = NULL;
	taking->unheard = !here;
	if (!here && (!holds || err->code != ERR_OK)) {
		taking->why = mem_new(1, sizeof(*taking->why));
		*taking->why = *err;
	}
	if (!holds) {
		(void)err_set(taking->why, ERR_UNAUTHORIZED, "the token is not in force any more");
	} else if (here && is_long(items)) {
		taking->items = json_incref(items);
		beside_reply(call, NULL, make_page);
	} else if (here) {
		call_reply_json(call, 200, page(items));
	}
	return here;
}

/* Until now the key is busy: who repeats the request must not be told of what is on its way back. */
static void on_over(void *arg)
{
	struct call *call = arg;
	const struct taking *taking = call->state;

	if (taking->unheard && taking->why != NULL) {
		call_fail(call, taking->why);
	} else if (taking->unheard && call->request != NULL) {
		call_reply_json(call, 200, json_pack("{s:[]}", "items"));
	}
	call_unref(call);
}

static void take(struct call *call)
{
	struct lease_request request = {0};
	struct err err ERR_UNCLEARED;

	err_init(&err);
	read_request(call, &request, &err);
	request.key = idempotency_key(call, 200, NULL);
	request.text = page_text;
	request.over = on_over;
	request.owner = call->who.owner;
	request.every_owner = access_every_owner(&call->who);
	if (err.code == ERR_OK && !access_works_for(&call->who, request.pool)) {
		(void)err_set(&err, ERR_FORBIDDEN, "this token is bound to other pools than %s",
			      request.pool);
	}
	if (err.code == ERR_OK && call->server->draining) {
		(void)err_set(&err, ERR_DRAINING, "the daemon is stopping");
	} else if (err.code == ERR_OK && request.wait_ms > 0 && !request_may_wait(call->request)) {
		(void)err_set(&err, ERR_OVERLOADED, "too many clients wait already");
	}
	if (err.code != ERR_OK) {
		call_fail(call, &err);
		return;
	}
	call->state = mem_new(1, sizeof(struct taking));
	call->state_destroy = destroy_taking;
	call_ref(call);
	call->poll = tuner_lease_poll(call->server->tuner, &request, on_leases, call);
}

void leases_take(struct call *call)
{
	idempotency_run(call, take);
}

void workers_list(struct call *call)
{
	call_reply_json(call, 200,
			json_pack("{s:o, s:n}", "items",
				  tuner_workers(call->server->tuner, access_only(&call->who)),
				  "next"));
}

struct beat_reply {
	bool go_on;
	int64_t expires_at_ms;
};

static void on_beat(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;
	const struct beat_reply *reply = call->state;
	char text[CLOCK_TEXT_SIZE];

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_json(call, 200,
				json_pack("{s:b, s:s}", "continue", reply->go_on, "expires_at",
					  clock_format(reply->expires_at_ms, text)));
	}
	call_unref(call);
}

void leases_heartbeat(struct call *call)
{
	struct beat_reply *reply = mem_new(1, sizeof(*reply));

	call->state = reply;
	call->state_destroy = free;
	call_ref(call);
	tuner_lease_heartbeat(call->server->tuner, call->params[0], call->body, &reply->go_on,
			      &reply->expires_at_ms, on_beat, call);
}

static void on_counted(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_json(call, 200, json_pack("{s:s}", "lease", call->params[0]));
	}
	call_unref(call);
}

/* The key outlives the job: who asks again after its end is told that the answer counted. */
static const struct store_key *key_of(struct call *call)
{
	const struct store_key *key = idempotency_key(call, 200, NULL);

	if (key != NULL) {
		json_t *reply = json_pack("{s:s}", "lease", call->params[0]);

		call->state = json_text(reply);
		call->state_destroy = free;
		call->stored.body = call->state;
		json_decref(reply);
	}
	return key;
}

static void complete(struct call *call)
{
	const struct store_key *key = key_of(call);

	call_ref(call);
	tuner_lease_complete(call->server->tuner, call->params[0], call->body, key, on_counted,
			     call);
}

void leases_complete(struct call *call)
{
	idempotency_run(call, complete);
}

static void give_back(struct call *call)
{
	const struct store_key *key = key_of(call);

	call_ref(call);
	tuner_lease_return(call->server->tuner, call->params[0], call->body, key, on_counted, call);
}

void leases_return(struct call *call)
{
	idempotency_run(call, give_back);
}
