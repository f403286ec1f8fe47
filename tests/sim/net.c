/* The network: evaluators, what they measure, and everything that they can do instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/endpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum { EVALUATORS = 3, URL_SIZE = 64, CALLBACK_TRIES = 8, SAMPLES_MAX = 6 };

struct evaluator_here {
	char url[URL_SIZE];
	int64_t away_until_ms;
};

/* It stands where the daemon has its connections: backends/endpoint.c is the real one. */
struct fetch {
	struct world *world;
};

struct net {
	struct world *world;
	struct fetch fetch;
	struct evaluator_here evaluators[EVALUATORS], adviser;
	size_t count;
};

/* A reply on its way. */
struct fetch_call {
	struct world *world;
	struct happening *happening;
	struct fetch_reply reply;
	char *body; /* owned, or NULL */
	fetch_fn fn;
	void *arg;
};

/* What is in the body of an answer; the rest of the question's answer is right. */
enum body { RIGHT, NOTHING, TEXT };

/* Who pays for what happens to an attempt: docs/writing-an-evaluator.md, "What to answer". */
enum charge { CHARGED, FREE };

/*
 * What an evaluator may do instead of answering. Either no answer comes (`gone`: why), or one with a
 * status, a body and a content type. `sent`: the question got there.
 */
static const struct manner {
	const char *name;
	enum err_code gone;
	bool sent, retryable, hangs;
	int status;
	int64_t retry_after_ms;
	enum body body;
	const char *text, *type;
	enum charge charge;
} manners[] = {
	{"refused", ERR_EVALUATOR, false, true, .charge = FREE},
	{"SYN is lost", ERR_TIMEOUT, false, true, true, .charge = FREE},
	{"no such name", ERR_EVALUATOR, false, true, .charge = FREE},
	{"names cannot be resolved", ERR_TIMEOUT, false, true, true, .charge = FREE},
	{"certificate expired", ERR_EVALUATOR, false, false, .charge = FREE},
	{"no TLS at all", ERR_EVALUATOR, false, false, .charge = FREE},
	{"reset before the question", ERR_EVALUATOR, false, true, .charge = FREE},
	{"reset behind the question", ERR_EVALUATOR, true, true, .charge = CHARGED},
	{"closed without an answer", ERR_EVALUATOR, true, true, .charge = CHARGED},
	{"accepts and hangs", ERR_TIMEOUT, true, true, true, .charge = CHARGED},
	{"half open", ERR_TIMEOUT, true, true, true, .charge = CHARGED},
	{"one byte a second", ERR_TIMEOUT, true, true, true, .charge = CHARGED},
	{"cut in the body", ERR_EVALUATOR, true, true, .charge = CHARGED},
	{"endless body", ERR_TOO_LARGE, true, false, .charge = CHARGED},
	{"endless headers", ERR_TOO_LARGE, true, false, .charge = CHARGED},
	{"HTTP 0.9", ERR_EVALUATOR, true, false, .charge = CHARGED},
	{"201", .status = 201, .body = NOTHING, .charge = CHARGED},
	{"204", .status = 204, .body = NOTHING, .charge = CHARGED},
	{"206", .status = 206, .body = NOTHING, .charge = CHARGED},
	{"300", .status = 300, .body = NOTHING, .charge = CHARGED},
	{"301", .status = 301, .body = NOTHING, .charge = CHARGED},
	{"302", .status = 302, .body = NOTHING, .charge = CHARGED},
	{"303", .status = 303, .body = NOTHING, .charge = CHARGED},
	{"304", .status = 304, .body = NOTHING, .charge = CHARGED},
	{"307", .status = 307, .body = NOTHING, .charge = CHARGED},
	{"308", .status = 308, .body = NOTHING, .charge = CHARGED},
	{"400", .status = 400, .body = NOTHING, .charge = CHARGED},
	{"401", .status = 401, .body = NOTHING, .charge = FREE},
	{"402", .status = 402, .body = NOTHING, .charge = CHARGED},
	{"403", .status = 403, .body = NOTHING, .charge = FREE},
	{"404", .status = 404, .body = NOTHING, .charge = FREE},
	{"405", .status = 405, .body = NOTHING, .charge = FREE},
	{"406", .status = 406, .body = NOTHING, .charge = CHARGED},
	{"408", .status = 408, .body = NOTHING, .charge = CHARGED},
	{"409", .status = 409, .body = NOTHING, .charge = CHARGED},
	{"410", .status = 410, .body = NOTHING, .charge = FREE},
	{"413", .status = 413, .body = NOTHING, .charge = CHARGED},
	{"415", .status = 415, .body = NOTHING, .charge = FREE},
	{"418", .status = 418, .body = NOTHING, .charge = CHARGED},
	{"422", .status = 422, .body = TEXT, .text = "{\"error\": \"no kernel\"}",
	 .charge = CHARGED},
	{"425", .status = 425, .body = NOTHING, .charge = CHARGED},
	{"429", .status = 429, .body = NOTHING, .retry_after_ms = -1, .charge = FREE},
	{"429, in 5 s", .status = 429, .body = NOTHING, .retry_after_ms = 5000, .charge = FREE},
	{"429, in an hour", .status = 429, .body = NOTHING, .retry_after_ms = 3600000,
	 .charge = FREE},
	{"429, in a year", .status = 429, .body = NOTHING, .retry_after_ms = 31536000000,
	 .charge = FREE},
	{"500", .status = 500, .body = TEXT,
	 .text = "Traceback (most recent call last):", .charge = CHARGED},
	{"501", .status = 501, .body = NOTHING, .charge = FREE},
	{"502", .status = 502, .body = NOTHING, .charge = CHARGED},
	{"503", .status = 503, .body = NOTHING, .retry_after_ms = -1, .charge = FREE},
	{"503, at once", .status = 503, .body = NOTHING, .retry_after_ms = 0, .charge = FREE},
	{"503, in 30 s", .status = 503, .body = NOTHING, .retry_after_ms = 30000, .charge = FREE},
	{"504", .status = 504, .body = NOTHING, .charge = CHARGED},
	{"507", .status = 507, .body = NOTHING, .charge = CHARGED},
	{"599", .status = 599, .body = NOTHING, .charge = CHARGED},
	{"a page", .status = 200, .body = TEXT, .text = "<html>", .type = "text/html",
	 .charge = FREE},
	{"an empty body", .status = 200, .body = NOTHING, .charge = FREE},
	{"half of a body", .status = 200, .body = TEXT, .text = "{\"accuracy\": 0.9, \"lat",
	 .charge = FREE},
	{"a list", .status = 200, .body = TEXT, .text = "[0.9, 10]", .charge = FREE},
	{"a number", .status = 200, .body = TEXT, .text = "0.9", .charge = FREE},
	{"deep", .status = 200, .body = TEXT,
	 .text = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	 .charge = FREE},
	{"a member twice", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"accuracy\": 0.1, \"latency_ms\": 9}", .charge = FREE},
	{"texts for numbers", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": \"0.9\", \"latency_ms\": \"9\"}", .charge = FREE},
	{"no accuracy", .status = 200, .body = TEXT, .text = "{\"latency_ms\": 9}", .charge = FREE},
	{"no latency", .status = 200, .body = TEXT, .text = "{\"accuracy\": 0.9}", .charge = FREE},
	{"no samples", .status = 200, .body = TEXT, .text = "{\"accuracy\": [], \"latency_ms\": 9}",
	 .charge = FREE},
	{"negative time", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": -1}", .charge = FREE},
	{"another trial", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": 9, \"trial\": 999}", .charge = FREE},
	{"another lease", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": 9, \"lease\": "
		 "\"lse_00000000000000000000000000\"}",
	 .charge = FREE},
	{"NaN", .status = 200, .body = TEXT, .text = "{\"accuracy\": NaN, \"latency_ms\": 9}",
	 .charge = CHARGED},
	{"Infinity", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": Infinity}", .charge = CHARGED},
	{"null", .status = 200, .body = TEXT, .text = "{\"accuracy\": null, \"latency_ms\": 9}",
	 .charge = CHARGED},
	{"fails", .status = 200, .body = TEXT,
	 .text = "{\"failed\": true, \"error\": \"no kernel\"}", .charge = CHARGED},
	{"fails for now", .status = 200, .body = TEXT,
	 .text = "{\"failed\": true, \"retryable\": true, \"error\": \"out of memory\"}",
	 .charge = CHARGED},
	{"strangers", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": 9, \"host\": \"gpu1\"}", .charge = CHARGED},
	{"from a cache", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": 9, \"cached\": true}", .charge = CHARGED},
	{"all equal", .status = 200, .body = TEXT,
	 .text = "{\"accuracy\": 0.9, \"latency_ms\": 100}", .charge = CHARGED},
};

struct net *net_create(struct world *world)
{
	struct net *net = mem_new(1, sizeof(*net));

	net->world = world;
	net->fetch.world = world;
	net->count = (size_t)draw_in(world, 1, EVALUATORS);
	for (size_t i = 0; i < net->count; i++) {
		(void)snprintf(net->evaluators[i].url, URL_SIZE, "http://10.0.0.%zu:9001", i + 1);
	}
	return net;
}

void net_destroy(struct net *net)
{
	free(net);
}

size_t net_count(const struct net *net)
{
	return net->count;
}

const char *net_url(struct net *net, size_t evaluator)
{
	return net->evaluators[evaluator].url;
}

static uint64_t hash_of(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	uint64_t hash = 14695981039346656037u;

	for (const char *c = text != NULL ? text : ""; *c != '\0'; c++) {
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
	}
	free(text);
	return rng_mix(hash);
}

static json_t *scores(const json_t *document)
{
	json_t *all = json_object();
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(document, "ops"), i, name) {
		(void)json_object_set_new(all, json_string_value(name),
					  json_real((double)(hash_of(name) % 1000) / 1000));
	}
	return json_pack("{s:o}", "scores", all);
}

/* A number, or as many samples of it as the world likes. New reference. */
static json_t *sampled(struct world *world, double value)
{
	json_t *list;

	if (!world->has[FAULT_SAMPLES] || draw(world, 2) == 0) {
		return json_real(value);
	}
	list = json_array();
	for (uint64_t i = draw(world, SAMPLES_MAX) + 1; i > 0; i--) {
		(void)json_array_append_new(
			list, json_real(value * (1 + 0.02 * (draw_unit(world) - 0.5))));
	}
	return list;
}

/* One accuracy, an error, or two accuracies, as the job says in its evaluator_args. New reference. */
static json_t *accuracy_of(const json_t *document, double accuracy)
{
	const json_t *args = json_object_get(document, "evaluator_args");

	if (json_is_true(json_object_get(args, "several"))) {
		return json_pack("{s:f, s:f}", "top1", accuracy, "top5", (1 + accuracy) / 2);
	}
	return json_real(json_is_true(json_object_get(args, "error")) ? 1 - accuracy : accuracy);
}

json_t *net_measure(struct world *world, const json_t *document)
{
	const char *question = json_string_value(json_object_get(document, "question"));
	uint64_t hash = hash_of(json_object_get(document, "config"));
	bool baseline = strcmp(question, "baseline") == 0;
	double accuracy = baseline ? 0.9 : 0.9 - (double)(hash % 97) / 4000;
	double latency = baseline ? 100 : 100 - (double)(hash / 97 % 90);
	double size = baseline ? 4e6 : 4e6 - 1e4 * (double)(hash / 8730 % 300);

	if (strcmp(question, "score") == 0) {
		return scores(document);
	}
	if (world->has[FAULT_BAD_CONFIG] && !baseline && hash % 5 == 0) {
		return json_pack("{s:b, s:s}", "failed", 1, "error", "no kernel for this");
	}
	if (world->has[FAULT_NOISE]) {
		accuracy *= 1 + 0.002 * (draw_unit(world) - 0.5);
		latency *= 1 + 0.1 * (draw_unit(world) - 0.5);
	}
	return json_pack("{s:o, s:o, s:{s:f}}", "accuracy", accuracy_of(document, accuracy),
			 "latency_ms", sampled(world, latency), "metrics", "model_size_bytes",
			 size);
}

/* An answer that comes later, to the daemon that is there then. */
struct callback {
	struct world *world;
	char lease[ID_SIZE];
	json_t *document, *answer; /* owned */
	int tries;
	bool heard;
};

static void on_heard(void *arg, int rc, const struct err *err)
{
	struct callback *callback = arg;

	(void)err;
	callback->heard = true;
	if (rc == 0) {
		judge_counts(callback->world->judge, callback->lease);
	}
}

/* Who hears nothing, because the daemon has died meanwhile, says it again. */
static void call_back(void *arg)
{
	struct callback *callback = arg;
	struct world *world = callback->world;

	if (callback->heard || callback->tries++ >= CALLBACK_TRIES) {
		return;
	}
	if (world->tuner != NULL) {
		tuner_lease_complete(world->tuner, callback->lease, callback->answer, NULL,
				     on_heard, callback);
	}
	plan(world, draw_in(world, 1000, 20000), call_back, callback);
}

static void plan_callback(struct world *world, const json_t *document, json_t *answer,
			  int64_t after_ms)
{
	struct callback *callback = mem_new(1, sizeof(*callback));

	callback->world = world;
	callback->answer = answer;
	(void)snprintf(callback->lease, sizeof(callback->lease), "%s",
		       json_string_value(json_object_get(document, "lease")));
	plan(world, after_ms, call_back, callback);
}

static void accept_question(struct world *world, const json_t *document)
{
	if (goes_wrong(world, FAULT_CALLBACK, 0.3)) {
		return; /* never */
	}
	plan_callback(world, document, net_measure(world, document),
		      goes_wrong(world, FAULT_CALLBACK, 0.3) ? draw_in(world, 0, 200000)
							     : draw_in(world, 0, 40000));
	if (goes_wrong(world, FAULT_CALLBACK, 0.3)) {
		plan_callback(world, document,
			      draw(world, 2) == 0
				      ? net_measure(world, document)
				      : json_pack("{s:f, s:f}", "accuracy", 0.1, "latency_ms", 1.0),
			      draw_in(world, 0, 100000));
	}
}

static void deliver(void *arg)
{
	struct fetch_call *call = arg;

	call->fn(call->arg, &call->reply);
	free(call->body);
	free(call);
}

static struct evaluator_here *evaluator_at(struct world *world, const char *url)
{
	for (size_t i = 0; i < world->net->count; i++) {
		if (strcmp(world->net->evaluators[i].url, url) == 0) {
			return &world->net->evaluators[i];
		}
	}
	if (strcmp(ADVISER_URL, url) == 0) {
		return &world->net->adviser;
	}
	broken(world, "a call to %s, which no job named", url);
}

static void set_body(struct fetch_call *call, char *body, const char *type)
{
	call->body = body;
	call->reply.body = body;
	call->reply.length = strlen(body);
	call->reply.content_type = type != NULL ? type : "application/json";
}

/* Returns after how long. */
static int64_t behave(struct fetch_call *call, const struct manner *manner,
		      const struct fetch_request *request, const json_t *document)
{
	struct fetch_reply *reply = &call->reply;
	struct world *world = call->world;

	tell(world, "%s%s: %s", request->url, request->path, manner->name);
	if (json_object_get(document, "lease") != NULL) {
		judge_expects(world->judge, json_string_value(json_object_get(document, "lease")),
			      manner->charge == CHARGED, manner->status == 200);
	}
	if (manner->gone != ERR_OK) {
		reply->rc = err_set(&reply->err, manner->gone, "%s", manner->name);
		reply->sent = manner->sent;
		reply->retryable = manner->retryable;
		return manner->hangs ? (int64_t)(manner->sent ? request->timeout_ms
							      : request->connect_timeout_ms)
				     : draw_in(world, 0, 200);
	}
	reply->status = manner->status;
	reply->retry_after_ms =
		manner->retry_after_ms != 0 || manner->status == 503 ? manner->retry_after_ms : -1;
	set_body(call, mem_dup(manner->body == TEXT ? manner->text : ""), manner->type);
	return draw_in(world, 0, 5000);
}

static bool is_advice(const struct fetch_request *request)
{
	return strcmp(request->url, ADVISER_URL) == 0;
}

static int64_t answer_right(struct fetch_call *call, const struct fetch_request *request,
			    const json_t *document)
{
	json_t *answer = is_advice(request) ? adviser_answer(call->world, request->path, document)
					    : net_measure(call->world, document);

	call->reply.status = 200;
	set_body(call, json_text(answer), NULL);
	json_decref(answer);
	return draw_in(call->world, 10, 20000);
}

static const struct manner *outage(struct world *world, struct evaluator_here *evaluator)
{
	if (goes_wrong(world, FAULT_OUTAGE, 0.05)) {
		evaluator->away_until_ms = world->mono_ms + draw_in(world, 1000, 600000);
	}
	return evaluator->away_until_ms > world->mono_ms && !world->healed ? &manners[0] : NULL;
}

struct fetch_call *fetch_start(struct fetch *fetch, const struct fetch_request *request,
			       fetch_fn fn, void *arg)
{
	struct world *world = fetch->world;
	struct fetch_call *call = mem_new(1, sizeof(*call));
	json_t *document = json_loads(request->body, 0, NULL);
	const struct manner *manner = outage(world, evaluator_at(world, request->url));
	int64_t after;

	*call = (struct fetch_call){.world = world, .fn = fn, .arg = arg};
	call->reply.content_type = call->reply.etag = "";
	call->reply.body = "";
	call->reply.retry_after_ms = -1;
	err_init(&call->reply.err);
	for (size_t i = 0; i < request->header_count && !is_advice(request); i++) {
		if (strcmp(request->headers[i].name, "Idempotency-Key") == 0) {
			char *key = mem_dup(request->headers[i].value + 1);

			key[strlen(key) - 1] = '\0';
			judge_asked(world->judge, document, key);
			free(key);
		}
	}
	if (manner == NULL && goes_wrong(world, FAULT_EVALUATOR, 0.4)) {
		manner = &manners[draw(world, sizeof(manners) / sizeof(manners[0]))];
	}
	if (manner != NULL) {
		after = behave(call, manner, request, document);
	} else if (!is_advice(request) && world->has[FAULT_CALLBACK] && draw(world, 2) == 0) {
		call->reply.status = 202;
		accept_question(world, document);
		after = draw_in(world, 0, 3000);
	} else {
		after = answer_right(call, request, document);
	}
	json_decref(document);
	call->happening = plan_alive(world, after, deliver, call);
	return call;
}

void fetch_cancel(struct fetch_call *call)
{
	plan_cancel(call->happening);
	free(call->body);
	free(call);
}

static struct endpoint_call *io_ask(void *arg, const struct endpoint *endpoint,
				    const struct endpoint_question *question, endpoint_fn fn,
				    void *fn_arg)
{
	return endpoint_ask(&((struct world *)arg)->net->fetch, endpoint, question, fn, fn_arg);
}

static struct endpoint_call *io_ask_json(void *arg, const struct endpoint *endpoint,
					 const struct endpoint_question *question, endpoint_fn fn,
					 void *fn_arg)
{
	return endpoint_ask_json(&((struct world *)arg)->net->fetch, endpoint, question, fn,
				 fn_arg);
}

static void io_cancel_call(void *arg, struct endpoint_call *call)
{
	(void)arg;
	endpoint_cancel(call);
}

/* Nobody here asks for capabilities: that stays NULL, and would be found out. */
void net_io(struct net *net, struct tuner_io *io)
{
	(void)net;
	io->ask = io_ask;
	io->ask_json = io_ask_json;
	io->cancel_call = io_cancel_call;
}
